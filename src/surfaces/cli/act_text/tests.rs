use super::*;
use crate::domain::{Actor, HoldKind, Millis, NewHold, RepoId, RepoName, Reported, RunId};

fn at(minutes: i64) -> Millis {
    Millis(1_795_000_000_000 + minutes * 60_000)
}

fn sha(digit: char) -> Sha {
    Sha::parse(&digit.to_string().repeat(40)).unwrap()
}

fn live(environment: Option<&str>, tag: &str, bad: bool) -> Live {
    Live {
        run: RunId::parse("r1").unwrap(),
        environment: environment.map(|name| EnvName::parse(name).unwrap()),
        tag: Some(Tag::parse(tag).unwrap()),
        sha: Some(sha('a')),
        version: None,
        url: Some("https://example.com".into()),
        since: at(0),
        by: Some("ann".into()),
        bad,
        drift: bad.then(|| Reported { deployment: 7, sha: sha('c'), by: "eve".into(), at: at(1) }),
    }
}

fn active(environment: &str, before: Option<u32>, waits_for: &[&str]) -> Active {
    Active {
        run: RunId::parse(&format!("0199-{environment}")).unwrap(),
        workflow: "deploy".into(),
        tag: None,
        sha: Some(sha('b')),
        environment: Some(EnvName::parse(environment).unwrap()),
        since: at(1),
        by: Some("bob".into()),
        holds_lock: before == Some(0),
        before: before.filter(|before| *before > 0),
        waits_for: waits_for.iter().map(|text| (*text).to_owned()).collect(),
    }
}

fn hold(kind: HoldKind, sha: Option<Sha>, until: Option<Millis>) -> Hold {
    let what = NewHold {
        repo: RepoId(1),
        environment: EnvName::parse("production").unwrap(),
        kind,
        owner: Actor { login: "ann".into(), ..Actor::operator() },
        reason: "moving\u{1b}[31m the database".into(),
        sha,
        run: None,
        since: at(0),
        until,
        pull: None,
    };
    Hold { id: 1, what, ended_at: None, ended_by: None, ended_why: None }
}

#[test]
fn a_status_with_everything_in_it() {
    let repository = RepoOverview {
        repo: RepoName::parse("acme/shop").unwrap(),
        release: Some(live(None, "v1.2.0", false)),
        live: vec![live(Some("production"), "v1.1.0", true), live(Some("staging"), "v1.2.0", false)],
        holds: vec![hold(HoldKind::Lock, None, Some(at(60))), hold(HoldKind::Hold, Some(sha('c')), None)],
        active: vec![
            active("staging", Some(0), &["a report of the version's being there, until 2026-11-18 12:06 UTC at the latest"]),
            active(
                "production",
                Some(2),
                &["checks: Waits for build.", "It looks again at 2026-11-18 11:16 UTC at the latest."],
            ),
            active("dev", None, &[]),
        ],
    };
    let quota = QuotaLeft { installation: Some(7), resource: "core".into(), limit: 5_000, remaining: 4_321, reset: at(60) };
    let overview = Overview { repositories: vec![repository], inbox_depth: Some(1), dead_letters: Some(0), quota: vec![quota] };
    insta::assert_snapshot!(text(&Outcome::Status(overview)));
}
