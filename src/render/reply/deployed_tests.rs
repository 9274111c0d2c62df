use super::*;
use crate::actions::control::Verb;
use crate::actions::outcome::{Gates, Locked, Reason, Reviewed, Steered, Validated};
use crate::domain::{Actor, ActorKind, EnvName, Hold, HoldKind, Millis, NewHold, RepoId, RunId, Said, Sha, Tag, UserId};
use crate::gates::{Status, Verdict};
use crate::render::testing::verdict;

fn run() -> RunId {
    RunId::parse("0199-aa").unwrap()
}

fn staging() -> EnvName {
    EnvName::parse("staging").unwrap()
}

fn sha(digit: char) -> Sha {
    Sha::parse(&digit.to_string().repeat(40)).unwrap()
}

fn verdicts() -> Vec<Verdict> {
    vec![
        verdict("checks", Status::Pass, "All 3 checks have passed.", ""),
        verdict(
            "lock",
            Status::Fail,
            "Locked by ann: \"a | move\" @all.",
            "Wait, or `lockkeeper unlock staging --repo acme/shop --reason …`.",
        ),
    ]
}

#[test]
fn what_changes_something_says_what_to_type_next() {
    let owner = Actor { kind: ActorKind::User, id: UserId(3), login: "ann_b".into() };
    let what = NewHold {
        repo: RepoId(1),
        environment: staging(),
        kind: HoldKind::Lock,
        owner,
        reason: "a *move* @all <!-- x".into(),
        sha: None,
        run: None,
        since: Millis(0),
        until: Some(Millis(1_795_003_600_000)),
        pull: None,
    };
    let hold = Hold { id: 1, what, ended_at: None, ended_by: None, ended_why: None };
    let locks = |holds, ended| Outcome::Locks(Locked { environment: Some(staging()), holds, ended });
    let frozen = |holds: Vec<Hold>, ended| {
        let kind = |hold: Hold| Hold { what: NewHold { kind: HoldKind::Freeze, ..hold.what }, ..hold };
        Outcome::Locks(Locked { environment: None, holds: holds.into_iter().map(kind).collect(), ended })
    };
    let steered = |verb| Outcome::Steered(Steered { run: run(), verb, environment: Some(staging()) });
    let judged = |verdicts| {
        Outcome::Validated(Validated { environment: staging(), sha: sha('a'), tag: None, gates: Gates::of(verdicts) })
    };
    let reviewed = |said| {
        let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
        let (environment, sha, tag) = (Some(staging()), Some(sha('a')), Some(Tag::parse("v1.3.0").unwrap()));
        Outcome::Reviewed(Reviewed { run: run(), environment, sha, tag, digest, said })
    };
    let all = [
        locks(vec![hold.clone()], 0),
        locks(Vec::new(), 1),
        locks(Vec::new(), 3),
        steered(Verb::Pause),
        steered(Verb::Resume),
        steered(Verb::Promote),
        steered(Verb::Abort),
        judged(verdicts()),
        judged(Vec::new()),
        frozen(vec![hold.clone(), Hold { what: NewHold { pull: Some(12), until: None, ..hold.what.clone() }, ..hold }], 0),
        frozen(Vec::new(), 2),
        reviewed(Said::Approved),
        reviewed(Said::Rejected { reason: "not `on` a *friday* @all".into() }),
    ];
    let mut texts: Vec<String> = all.iter().map(|one| outcome(one, "/lk-", 1)).collect();
    let refusal = Refusal::user("tag_gone", "The tag v1 is *gone*.", "Push it, then `/release v1`.");
    texts.push(released("v1_2", Some("https://x.example/v1"), None, "/lk-"));
    texts.push(released("v1_2", Some("javascript:x"), None, "/lk-"));
    texts.push(released("v1", None, Some(&refusal), "/lk-"));
    insta::assert_snapshot!(texts.join("\n\n----\n\n"));
}

#[test]
fn why_shows_gates_and_what_to_do() {
    let waits = Reason {
        run: run(),
        workflow: "deploy".into(),
        tag: None,
        sha: Some(sha('b')),
        environment: Some(staging()),
        active: true,
        at: Millis(1_795_000_000_000),
        gates: verdicts(),
        waits_for: vec!["lock: Locked by ann.".into()],
        refusal: None,
    };
    let refusal = Refusal::user("target_failed", "No room on *disk*.", "`lockkeeper status` shows what is live.");
    let ended = Reason { active: false, gates: Vec::new(), waits_for: Vec::new(), refusal: Some(refusal), ..waits.clone() };
    let people = vec![verdict("approvals", Status::Pending, "Waits for approval of one of those who may deploy.", "Ask one.")];
    let asks = Reason { gates: people, waits_for: Vec::new(), ..waits.clone() };
    insta::assert_snapshot!(why(&[waits, ended, asks], "/", 1));
    assert_eq!(why(&[], "/", 1), "Nothing waits, and nothing was refused lately.");
}

#[test]
fn a_deployment_from_its_beginning_to_each_of_its_ends() {
    let change =
        |digit: char, title: &str| Change { sha: sha(digit).short().into(), title: title.into(), author: "dev_x".into() };
    let changes = [change('c', "feat: sell <b>more</b> @all"), change('d', "fix: count")];
    let (gates, sha) = (verdicts(), sha('c'));
    let refusal = Refusal::user("target_failed", "deployer said: no room.", "Mend it, or `lockkeeper deploy staging --ref x`.");
    let progress = ["Brought up: commit ccccccc".to_owned()];
    let whole = Deployed {
        run: "0199-aa",
        environment: "staging",
        tag: None,
        sha: &sha,
        commit: Some(changes[0].clone()),
        rollback: false,
        own: true,
        before: Some("v1.2.0"),
        changes: &changes,
        more: true,
        gates: &gates,
        now: Some("50 % of users are moved"),
        progress: &progress,
        phase: Phase::Going,
        refusal: None,
        url: Some("https://staging.example"),
        prefix: "/",
    };
    let of = |phase| Deployed { phase, ..view(&whole) };
    let bare = || Deployed { changes: &[], more: false, progress: &[], ..view(&whole) };
    let people = [verdict("approvals", Status::Pending, "Waits for approval of one of members of the team sre.", "Ask one.")];
    let mut texts = vec![
        text(&of(Phase::Waiting)),
        text(&Deployed { gates: &people, ..Deployed { phase: Phase::Waiting, ..bare() } }),
        text(&Deployed { gates: &people, own: false, ..Deployed { phase: Phase::Waiting, ..bare() } }),
        text(&of(Phase::Going)),
        text(&of(Phase::Paused)),
        text(&of(Phase::Live)),
        text(&Deployed { tag: Some("v1.3.0"), rollback: true, phase: Phase::Live, ..bare() }),
    ];
    for phase in
        [Phase::Queued, Phase::Refused, Phase::Stopped, Phase::Superseded, Phase::RolledBack, Phase::Failed, Phase::Lost]
    {
        texts.push(text(&Deployed { phase, before: None, commit: None, refusal: Some(&refusal), ..bare() }));
    }
    insta::assert_snapshot!(texts.join("\n\n----\n\n"));
}

/// However many commands a comment holds, the last one is answered as well as the first.
#[test]
fn a_deployment_keeps_to_its_share() {
    let long = "x".repeat(5_000);
    let changes = vec![Change { sha: sha('c').short().into(), title: long.clone(), author: "dev".into() }; 3];
    let (gates, sha) = (vec![verdict("checks", Status::Fail, &long, "Wait.")], sha('c'));
    let view = || Deployed {
        run: "0199-aa",
        environment: "staging",
        tag: None,
        sha: &sha,
        commit: None,
        rollback: false,
        own: true,
        before: Some("v1.2.0"),
        changes: &changes,
        more: false,
        gates: &gates,
        now: None,
        progress: &[],
        phase: Phase::Waiting,
        refusal: None,
        url: None,
        prefix: "/",
    };
    for (answers, changes, gates) in [(1, true, true), (5, false, true), (13, false, false)] {
        let text = deployment(view(), answers);
        assert!(text.len() <= LIMIT / answers, "{answers}: {}", text.len());
        assert_eq!((text.contains("<details>"), text.contains("| **checks** |")), (changes, gates), "{answers}");
        assert!(text.ends_with("</sub>"), "{answers}: it is cut");
    }
}

fn text(view: &Deployed<'_>) -> String {
    deployed::text(view)
}

fn view<'a>(of: &Deployed<'a>) -> Deployed<'a> {
    Deployed { commit: of.commit.clone(), ..*of }
}
