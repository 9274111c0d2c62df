use super::*;
use crate::actions::outcome::{Active, CheckReport, HealthReport, Live, Outcome, Overview, QuotaLeft, RepoOverview, Written};
use crate::domain::{Actor, EnvName, Hold, HoldKind, Millis, NewHold, RepoId, RepoName, Reported, RunId, Sha, Tag};

fn environment(name: &str) -> EnvName {
    EnvName::parse(name).unwrap()
}

fn sha(digit: char) -> Sha {
    Sha::parse(&digit.to_string().repeat(40)).unwrap()
}

fn live(name: &str, tag: Option<&str>, url: &str) -> Live {
    Live {
        run: RunId::parse("r1").unwrap(),
        environment: (name != "release").then(|| environment(name)),
        tag: tag.map(|tag| Tag::parse(tag).unwrap()),
        sha: Some(sha('a')),
        version: None,
        url: Some(url.to_owned()),
        since: Millis(1_795_000_000_000),
        by: Some("ann_[bot]".to_owned()),
        bad: name == "dev",
        drift: (name == "dev").then(|| Reported {
            deployment: 7,
            sha: sha('c'),
            by: "eve_[bot]".into(),
            at: Millis(1_795_000_060_000),
        }),
    }
}

#[test]
fn a_status_with_everything_in_it() {
    let hold = NewHold {
        repo: RepoId(1),
        environment: environment("production"),
        kind: HoldKind::Lock,
        owner: Actor { login: "ann".into(), ..Actor::operator() },
        reason: "migration | @all <b>now</b>".into(),
        sha: None,
        run: None,
        since: Millis(1_795_000_000_000),
        until: Some(Millis(1_795_003_600_000)),
        pull: None,
    };
    let active = Active {
        run: RunId::parse("0199-aa").unwrap(),
        workflow: "deploy".into(),
        tag: None,
        sha: Some(sha('b')),
        environment: Some(environment("staging")),
        since: Millis(1_795_000_000_000),
        by: Some("bob".into()),
        holds_lock: false,
        before: Some(2),
        waits_for: vec!["checks: Waits for build.".into(), "It looks again at noon.".into()],
    };
    let overview = Overview {
        repositories: vec![RepoOverview {
            repo: RepoName::parse("acme/shop").unwrap(),
            release: Some(live("release", Some("v1.2.0"), "https://github.com/acme/shop/releases/tag/v1.2.0")),
            live: vec![live("staging", Some("v1.2.0"), "https://staging.example"), live("dev", None, "javascript:x)(")],
            holds: vec![Hold { id: 1, what: hold, ended_at: None, ended_by: None, ended_why: None }],
            active: vec![active],
        }],
        inbox_depth: None,
        dead_letters: None,
        quota: vec![QuotaLeft {
            installation: Some(7),
            resource: "core".into(),
            limit: 5_000,
            remaining: 4_321,
            reset: Millis(1_795_003_600_000),
        }],
    };
    insta::assert_snapshot!(outcome(&Outcome::Status(overview), "/", 1));
}

#[test]
fn an_empty_status() {
    let repo = RepoOverview {
        repo: RepoName::parse("acme/shop").unwrap(),
        release: None,
        live: vec![],
        holds: vec![],
        active: vec![],
    };
    let overview = Overview { repositories: vec![repo], inbox_depth: None, dead_letters: None, quota: vec![] };
    insta::assert_snapshot!(outcome(&Outcome::Status(overview), "/", 1));
}

#[test]
fn several_answers_and_a_refusal() {
    let refusal = Refusal::user("command_unknown", "There is no such command.", "Did you mean `/deploy`? Or *that*, @all.");
    let answers = [
        Answer { line: "/status", answer: Ok("Nothing runs.".into()) },
        Answer { line: "/deplyo `x` <!-- @all", answer: Err(refusal) },
    ];
    insta::assert_snapshot!(Page { to: "ann_acme](x)", prefix: "/", answers: &answers }.text());
    assert_eq!(Page { to: "ann", prefix: "/", answers: &answers[..1] }.text(), "Nothing runs.");
}

#[test]
fn health_and_notes() {
    let check = |ok: bool, reason: &str| CheckReport {
        url: "https://shop.example/healthz?a=|".into(),
        ok,
        code: "x".into(),
        reason: reason.into(),
        fix: Some("Look at `expect`.".into()),
    };
    let mut report = HealthReport {
        environment: environment("staging"),
        sha: sha('a'),
        version: Some("1.2.0".into()),
        healthy: false,
        checks: vec![check(true, "200"), check(false, "503 <b>@all</b>")],
    };
    let mut texts = vec![outcome(&Outcome::Health(report.clone()), "/", 1)];
    report.checks.clear();
    texts.push(outcome(&Outcome::Health(report), "/", 1));
    let written = Written {
        tag: Tag::parse("v1.3.0").unwrap(),
        previous: None,
        version: "1.3.0".into(),
        next_version: None,
        markdown: "### Features\n\n- a ```` b by @ann\n".into(),
        remarks: vec!["The commits call for <1.4.0>.".into()],
    };
    texts.push(outcome(&Outcome::Notes(written), "/", 1));
    insta::assert_snapshot!(texts.join("\n\n----\n\n"));
}
