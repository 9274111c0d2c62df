use super::place::*;
use super::table::{Row, row, told};
use super::*;
use crate::domain::{Artifact, Attestation};
use serde_json::json;
use std::time::Duration;

/// Judges in production, `seconds` after the run was asked for.
fn at(
    what: &'static str,
    status: Status,
    code: &'static str,
    (policy, seconds): (&GatePolicy, u64),
    change: impl FnOnce(&mut Place),
) -> Row {
    let world = World::new().with(|w| {
        w.place = Place::production();
        change(&mut w.place);
    });
    row(what, status, code, world.judge(policy, later(seconds)))
}

#[test]
fn every_branch_of_a_deployment_and_its_texts() {
    let rows = orders()
        .into_iter()
        .chain(soaks())
        .chain(locks())
        .chain(approved())
        .chain(answers())
        .chain(peers())
        .chain(attestations());
    insta::assert_snapshot!(told(rows));
}

fn orders() -> Vec<Row> {
    use Status::{Fail, Pass, Unavailable};
    let one = |what, status, code, change: &dyn Fn(&mut Place)| at(what, status, code, (&GatePolicy::Order, 60), change);
    let unread = |w: &mut Place| w.live = live('b', Standing::Unknown);
    vec![
        one("order: not known", Unavailable, "live_not_read", &|_| {}),
        one("order: nothing live", Pass, "nothing_live", &|w| w.live = Some(Live::Nothing)),
        one("order: the same", Pass, "same_as_live", &|w| w.live = live('a', Standing::Unknown)),
        one("order: the same by one read only", Unavailable, "live_unreadable", &|w| w.live = live('b', Standing::Same)),
        one("order: newer", Pass, "newer_than_live", &|w| w.live = live('b', Standing::Ahead)),
        one("order: older", Fail, "older_than_live", &|w| w.live = live('b', Standing::Behind)),
        one("order: older, by a person with a reason", Fail, "older_than_live", &|w| {
            w.live = live('b', Standing::Behind);
            w.by_person = Some(Some("I know".into()));
        }),
        one("order: older, place unknown", Fail, "older_than_live", &|w| {
            *w = Place { live: live('b', Standing::Behind), ..Place::default() };
        }),
        one("order: diverged", Fail, "diverged_from_live", &|w| w.live = live('b', Standing::Diverged)),
        one("order: diverged, by a person", Pass, "diverged_by_hand", &|w| {
            w.live = live('b', Standing::Diverged);
            w.by_person = Some(None);
        }),
        one("order: unreadable", Unavailable, "live_unreadable", &unread),
        at("order: unreadable, past the deadline", Unavailable, "order_deadline", (&GatePolicy::Order, 3600), unread),
        at("order: unreadable after a long soak", Unavailable, "live_unreadable", (&GatePolicy::Order, 90_000), |w| {
            unread(w);
            w.counts_from = Some(later(89_980));
        }),
    ]
}

fn soaks() -> Vec<Row> {
    use Status::{Fail, Pass, Pending, Unavailable};
    let half_an_hour = soak(minutes(30));
    let no_time = soak(Duration::ZERO);
    let one = |what, status, code, seconds: u64, history: Vec<Occupancy>| {
        let read = staging(later(seconds), history);
        at(what, status, code, (&half_an_hour, seconds), |w| w.occupancy = vec![read])
    };
    let mut rows = vec![
        at("soak: not known", Unavailable, "history_not_read", (&half_an_hour, 0), |_| {}),
        at("soak: another environment is known", Unavailable, "history_not_read", (&half_an_hour, 0), |w| {
            let mut read = staging(ASKED, vec![was('a', -9000, None)]);
            read.environment = crate::domain::EnvName::parse("dev").unwrap();
            w.occupancy = vec![read];
        }),
        one("soak: nothing there", Pending, "not_yet_in_environment", 0, vec![]),
        one("soak: another there", Pending, "not_yet_in_environment", 60, vec![was('b', -60, None)]),
        one("soak: another there, past the deadline", Fail, "soak_deadline", 86_400, vec![was('b', -60, None)]),
        one("soak: replaced", Pending, "no_longer_in_environment", 60, vec![was('a', -60, Some(30)), was('b', 30, None)]),
        one(
            "soak: replaced, not closed",
            Pending,
            "no_longer_in_environment",
            60,
            vec![was('a', -9000, None), was('b', 30, None)],
        ),
        one("soak: taken down", Pending, "no_longer_in_environment", 60, vec![was('a', -9000, Some(0))]),
        one("soak: there, a minute short", Pending, "soaking", 60, vec![was('a', -1680, None)]),
        one("soak: there, past the deadline", Pending, "soaking", 86_400, vec![was('a', 86_300, None)]),
        one("soak: to the second", Pass, "soaked", 60, vec![was('a', -1740, None)]),
        one("soak: two days", Pass, "soaked", 60, vec![was('b', -999_999, Some(-180_000)), was('a', -180_000, None)]),
        one("soak: deployed twice", Pass, "soaked", 60, vec![was('a', -3000, Some(-10)), was('a', -10, None)]),
        one("soak: a break", Pending, "soaking", 60, vec![was('a', -3000, Some(-20)), was('a', -10, None)]),
        one(
            "soak: another in between",
            Pending,
            "soaking",
            60,
            vec![was('a', -9000, Some(-20)), was('b', -20, Some(-10)), was('a', -10, None)],
        ),
        one("soak: another overlaps", Pending, "soaking", 60, vec![was('b', -9000, Some(-10)), was('a', -5000, None)]),
        one("soak: two at once", Pending, "no_longer_in_environment", 60, vec![was('a', -9000, None), was('b', -9000, None)]),
        one("soak: from the future", Pending, "soaking", 0, vec![was('a', 600, None)]),
    ];
    rows.extend([
        at("soak: an old read", Pending, "soaking", (&half_an_hour, 90_000), |w| {
            w.occupancy = vec![staging(ASKED, vec![was('a', -60, None)])];
        }),
        at("soak: no time asked, there", Pass, "soaked", (&no_time, 0), |w| {
            w.occupancy = vec![staging(ASKED, vec![was('a', 0, None)])];
        }),
        at("soak: no time asked, gone", Pending, "no_longer_in_environment", (&no_time, 0), |w| {
            w.occupancy = vec![staging(ASKED, vec![was('a', -10, Some(-5))])];
        }),
        at("soak: the newer read counts", Pending, "no_longer_in_environment", (&no_time, 9), |w| {
            w.occupancy = vec![staging(later(9), vec![was('a', 0, Some(5))]), staging(later(8), vec![was('a', 0, None)])];
        }),
    ]);
    rows
}

fn locks() -> Vec<Row> {
    use HoldKind::{Freeze, Hold, Lock};
    use Status::{Fail, Overridden, Pass, Pending, Unavailable};
    let one = |what, status, code, seconds: u64, holds: Vec<HoldView>, change: &dyn Fn(&mut Place)| {
        at(what, status, code, (&GatePolicy::Lock, seconds), |w| {
            w.holds = Some(holds);
            change(w);
        })
    };
    let wait = |w: &mut Place| w.wait = true;
    let reason = |w: &mut Place| w.by_person = Some(Some("the fix is inside.".into()));
    let hostile = HoldView { owner: "eve\u{202e}\n".into(), reason: " ".into(), ..hold(Lock, "", None) };
    vec![
        at("lock: not known", Unavailable, "locks_not_read", (&GatePolicy::Lock, 0), |_| {}),
        one("lock: none", Pass, "not_locked", 0, vec![], &|_| {}),
        one("lock: over", Pass, "not_locked", 60, vec![hold(Lock, "alice", Some(60))], &|_| {}),
        one("lock: locked", Fail, "environment_locked", 59, vec![hold(Lock, "alice", Some(60))], &|_| {}),
        one("lock: without an end", Fail, "environment_locked", 0, vec![hold(Lock, "alice", None)], &|_| {}),
        one("lock: without a reason", Fail, "environment_locked", 0, vec![hostile], &|_| {}),
        one("lock: a person's reason opens no lock", Fail, "environment_locked", 0, vec![hold(Lock, "alice", None)], &reason),
        one("lock: frozen", Fail, "environment_locked", 0, vec![hold(Freeze, "the sre team", Some(60))], &|_| {}),
        one(
            "lock: waits",
            Pending,
            "environment_locked",
            0,
            vec![hold(Lock, "alice", Some(60)), hold(Lock, "bob", Some(90))],
            &wait,
        ),
        one(
            "lock: waits without an end",
            Pending,
            "environment_locked",
            0,
            vec![hold(Lock, "a", Some(60)), hold(Lock, "b", None)],
            &wait,
        ),
        one("lock: waited for a week", Fail, "lock_deadline", 604_800, vec![hold(Lock, "alice", None)], &wait),
        one("lock: held after a rollback", Fail, "held_after_rollback", 0, vec![hold(Hold, "lockkeeper", None)], &|_| {}),
        one(
            "lock: held, a person without a reason",
            Fail,
            "held_after_rollback",
            0,
            vec![hold(Hold, "lockkeeper", None)],
            &|w| {
                w.by_person = Some(Some(" ".into()));
            },
        ),
        one(
            "lock: held, a person with a reason",
            Overridden,
            "hold_overridden",
            0,
            vec![hold(Hold, "lockkeeper", None)],
            &reason,
        ),
        one(
            "lock: held and locked, a person with a reason",
            Fail,
            "environment_locked",
            0,
            vec![hold(Hold, "lockkeeper", None), hold(Lock, "alice", None)],
            &reason,
        ),
    ]
}

fn approved() -> Vec<Row> {
    use Status::{Fail, Pass, Pending, Unavailable};
    let policy = |count| GatePolicy::Approvals(approvals(count, &["sre"], &["alice", "bob"]));
    let (one, two, open) = (policy(1), policy(2), GatePolicy::Approvals(approvals(1, &[], &[])));
    let strict = GatePolicy::Approvals(crate::config::repo::ApprovalsPolicy { not_author: true, ..approvals(1, &[], &[]) });
    let given = |what, status, code, policy: &GatePolicy, seconds, list: Vec<Approval>| {
        at(what, status, code, (policy, seconds), |w| w.approvals = Some(list))
    };
    let alice = || approval(1, "Alice");
    let carol = || Approval { teams: vec!["dev".into(), "SRE".into()], ..approval(3, "carol") };
    let missing = "approval_required";
    vec![
        at("approvals: not known", Unavailable, "approvals_not_read", (&one, 0), |_| {}),
        at("approvals: the plan is not known", Unavailable, "approvals_not_read", (&one, 0), |w| {
            (w.digest, w.approvals) = (None, Some(vec![alice()]));
        }),
        given("approvals: none", Pending, missing, &one, 0, vec![]),
        given("approvals: anyone may", Pending, missing, &open, 0, vec![]),
        given("approvals: anyone but the author may", Pending, missing, &strict, 0, vec![]),
        given("approvals: anyone did", Pass, "approved", &open, 0, vec![approval(9, "zoe")]),
        given("approvals: one of one", Pass, "approved", &one, 0, vec![alice()]),
        given("approvals: one of two", Pending, missing, &two, 60, vec![alice()]),
        given("approvals: one person twice", Pending, missing, &two, 0, vec![alice(), Approval { at: later(5), ..alice() }]),
        given("approvals: two of two, one by the team", Pass, "approved", &two, 0, vec![carol(), alice()]),
        given("approvals: the requester", Pending, missing, &one, 0, vec![Approval { is_requester: true, ..alice() }]),
        given("approvals: the author may", Pass, "approved", &one, 0, vec![Approval { is_author: true, ..alice() }]),
        given("approvals: the author may not", Pending, missing, &strict, 0, vec![Approval { is_author: true, ..alice() }]),
        given("approvals: a bot, an agent, the schedule", Pending, missing, &open, 0, not_people()),
        given("approvals: a stranger", Pending, missing, &one, 0, vec![approval(9, "zoe\u{202e}")]),
        given("approvals: another plan", Pending, missing, &one, 0, vec![Approval { digest: "sha256:old".into(), ..alice() }]),
        given("approvals: the last second", Pass, "approved", &one, 3599, vec![alice()]),
        given("approvals: too old", Fail, "approvals_deadline", &one, 3600, vec![alice()]),
        given("approvals: renewed", Pass, "approved", &one, 3600, vec![alice(), Approval { at: later(10), ..alice() }]),
        given("approvals: a clock slightly ahead", Pass, "approved", &one, 0, vec![Approval { at: later(300), ..alice() }]),
        given("approvals: from the future", Pending, missing, &one, 0, vec![Approval { at: later(301), ..alice() }]),
        at("approvals: rejected, though approved", Fail, "approval_rejected", (&one, 60), |w| {
            w.approvals = Some(vec![alice()]);
            w.rejections = vec![rejection(3, "carol", "not `now`\n@all <!-- x -->\u{202e}")];
        }),
        at("approvals: another plan was rejected", Pass, "approved", (&one, 60), |w| {
            w.approvals = Some(vec![alice()]);
            w.rejections = vec![Rejection { digest: "sha256:old".into(), ..rejection(3, "carol", "not now") }];
        }),
        given("approvals: nobody came", Fail, "approvals_deadline", &two, 3600, vec![]),
    ]
}

fn not_people() -> Vec<Approval> {
    use crate::domain::ActorKind::{Agent, Bot, Operator, Schedule};
    [Bot, Agent, Schedule, Operator]
        .into_iter()
        .zip(1..)
        .map(|(kind, id)| {
            let mut approval = approval(id, &format!("{kind:?}").to_lowercase());
            approval.by.kind = kind;
            approval
        })
        .collect()
}

fn answers() -> Vec<Row> {
    use Status::{Fail, Inconclusive, Pass, Pending, Unavailable};
    let fine = http("status == 200 && body.ok && body.version == version && environment == 'production'");
    let one = |what, status, code, policy: &GatePolicy, seconds, answers: Vec<HttpAnswer>| {
        at(what, status, code, (policy, seconds), |w| w.http = answers)
    };
    let good = |seconds| answer(seconds, 200, json!({ "ok": true, "version": "1.2.3" }));
    let bad = |seconds| answer(seconds, 200, json!({ "ok": false }));
    let elsewhere = HttpAnswer { url: "https://other.example".into(), ..good(1) };
    let before = HttpAnswer { at: Millis(ASKED.0 - 1), ..good(0) };
    vec![
        one("http: not asked", Pending, "http_not_asked", &fine, 0, vec![]),
        one("http: another was asked", Pending, "http_not_asked", &fine, 1, vec![elsewhere]),
        one("http: asked before the run", Unavailable, "http_unreadable", &fine, 1, vec![before]),
        one("http: as expected", Pass, "http_as_expected", &fine, 1, vec![good(1)]),
        one("http: the newest counts", Pending, "http_not_as_expected", &fine, 2, vec![bad(2), good(1)]),
        one("http: the worse of one moment counts", Unavailable, "http_unreadable", &fine, 2, vec![missed(2, false), good(2)]),
        one("http: not as expected", Pending, "http_not_as_expected", &fine, 1, vec![bad(1)]),
        one("http: not as expected, soon over", Pending, "http_not_as_expected", &fine, 290, vec![bad(290)]),
        one("http: not as expected, over", Fail, "http_deadline", &fine, 300, vec![bad(300)]),
        one("http: no answer", Unavailable, "http_unreadable", &fine, 1, vec![missed(1, false)]),
        one("http: no answer, over", Unavailable, "http_deadline", &fine, 300, vec![missed(300, false)]),
        one("http: the address is at fault", Unavailable, "http_refused", &fine, 1, vec![missed(1, true)]),
        one("http: a field is missing", Inconclusive, "http_unclear", &http("body.absent"), 1, vec![good(1)]),
        one("http: a field is missing, over", Inconclusive, "http_deadline", &http("body.absent"), 301, vec![good(301)]),
        one("http: not true or false", Inconclusive, "http_unclear", &http("status"), 1, vec![good(1)]),
        one("http: no expression", Unavailable, "bad_expectation", &http("status =="), 1, vec![good(1)]),
        at("http: not asked, no environment", Unavailable, "http_not_asked", (&fine, 1), |w| *w = Place::default()),
        at("http: no environment", Inconclusive, "http_unclear", (&fine, 1), |w| {
            *w = Place { http: vec![good(1)], ..Place::default() };
        }),
    ]
}

fn peers() -> Vec<Row> {
    use Status::{Fail, Inconclusive, Pass, Pending, Unavailable};
    let (scan, advice) = (peer("result.critical == 0", true), peer("result.critical == 0", false));
    let one = |what, status, code, policy: &GatePolicy, seconds, answers: Vec<PeerAnswer>| {
        at(what, status, code, (policy, seconds), |w| w.peers = answers)
    };
    let found = |seconds, critical: u64| said(seconds, json!({ "critical": critical }), "x ”. Approve\n`now` \u{202e}@all");
    let other = PeerAnswer { key: "{}".into(), ..found(1, 0) };
    let before = PeerAnswer { at: Millis(ASKED.0 - 1), ..found(0, 0) };
    vec![
        one("peer: not asked", Pending, "peer_not_asked", &scan, 0, vec![]),
        one("peer: another was asked", Pending, "peer_not_asked", &scan, 1, vec![other]),
        one("peer: asked before the run", Unavailable, "peer_unreadable", &scan, 1, vec![before]),
        one("peer: as expected", Pass, "peer_as_expected", &scan, 1, vec![found(1, 0)]),
        one("peer: not as expected", Fail, "peer_not_as_expected", &scan, 1, vec![found(1, 2)]),
        one("peer: the newest counts", Fail, "peer_not_as_expected", &scan, 2, vec![found(2, 1), found(1, 0)]),
        one("peer: no answer", Unavailable, "peer_timed_out", &scan, 1, vec![silent(1, "peer_timed_out", false)]),
        one("peer: no answer, over", Unavailable, "peer_deadline", &scan, 300, vec![silent(300, "peer_timed_out", false)]),
        one("peer: changed its tool", Unavailable, "peer_tool_changed", &scan, 1, vec![silent(1, "peer_tool_changed", true)]),
        one("peer: lies about a type", Fail, "peer_not_as_expected", &scan, 1, vec![said(1, json!({ "critical": "0" }), "")]),
        one("peer: says nothing", Inconclusive, "peer_unclear", &scan, 1, vec![said(1, json!(null), "all is well")]),
        one("peer: no expression", Unavailable, "bad_expectation", &peer("result ==", true), 1, vec![found(1, 0)]),
        one("peer: advice, not asked", Pending, "peer_not_asked", &advice, 0, vec![]),
        one("peer: advice against it", Pass, "peer_advisory", &advice, 1, vec![found(1, 2)]),
        one("peer: advice that is silent", Pass, "peer_advisory", &advice, 1, vec![silent(1, "peer_timed_out", false)]),
        one("peer: advice for it", Pass, "peer_as_expected", &advice, 1, vec![found(1, 0)]),
        at("peer: not asked, no environment", Unavailable, "peer_not_asked", (&scan, 1), |w| *w = Place::default()),
    ]
}

fn attestations() -> Vec<Row> {
    use Status::{Fail, Pass, Pending, Unavailable};
    let (any, named) = (attestation(None), attestation(Some("release.yml")));
    let files = |files: Vec<Artifact>| Some(Ok(files));
    let app = || vec![asset("app.tgz", ARTIFACT)];
    let one = |what, status, code, policy: &GatePolicy, list: Vec<Attestation>| {
        at(what, status, code, (policy, 0), |w| {
            w.artifacts = files(app());
            w.attestations = Some(Ok(list));
        })
    };
    let with = |what, status, code, seconds: u64, all: Vec<Artifact>| {
        at(what, status, code, (&any, seconds), |w| {
            w.artifacts = files(all);
            w.attestations = Some(Ok(vec![attested(true)]));
        })
    };
    let unread = |w: &mut Place| {
        w.artifacts = files(app());
        w.attestations = Some(Err(Unreadable { reason: "GitHub answered 502.".into() }));
    };
    let none = |w: &mut Place| {
        w.artifacts = files(app());
        w.attestations = Some(Ok(Vec::new()));
    };
    let other = || Attestation { subject_digest: ARTIFACT.replace('1', "2"), ..attested(true) };
    let fork = || Attestation { repository: "eve/app".into(), ..attested(true) };
    let ci = || Attestation { workflow: ".github/workflows/ci.yml".into(), ..attested(true) };
    let nested = || Attestation { workflow: "x/.github/workflows/release.yml".into(), ..attested(true) };
    let growing = || Artifact { name: "app.tgz".into(), digest: None };
    let commit = World::new().with(|w| {
        w.place = Place::production();
        w.tag = None;
    });
    vec![
        row("attestation: only a commit", Unavailable, "artifact_unknown", commit.judge(&any, later(0))),
        at("attestation: not read", Pending, "attestations_not_read", (&any, 0), |_| {}),
        at("attestation: files alone", Pending, "attestations_not_read", (&any, 0), |w| w.artifacts = files(app())),
        at("attestation: files unreadable", Unavailable, "attestations_unreadable", (&any, 0), |w| {
            w.artifacts = Some(Err(Unreadable { reason: "403".into() }));
        }),
        at("attestation: unreadable", Unavailable, "attestations_unreadable", (&any, 0), unread),
        at("attestation: unreadable, past the deadline", Unavailable, "attestation_deadline", (&any, 3600), unread),
        with("attestation: no file", Pending, "artifact_missing", 0, vec![asset("app.zip", ARTIFACT)]),
        with("attestation: no file, over", Fail, "attestation_deadline", 3600, Vec::new()),
        with("attestation: a file without digest", Pending, "artifact_missing", 0, vec![growing()]),
        with("attestation: too many files", Fail, "artifacts_too_many", 0, vec![asset("app.tgz", ARTIFACT); 21]),
        with(
            "attestation: another file",
            Pass,
            "attested",
            0,
            vec![asset("app.tgz", ARTIFACT), asset("notes.txt", "sha256:3")],
        ),
        at("attestation: none", Pending, "attestation_missing", (&any, 0), none),
        at("attestation: none, over", Fail, "attestation_deadline", (&any, 3600), none),
        one("attestation: of another artifact", Pending, "attestation_missing", &any, vec![other()]),
        one("attestation: there", Pass, "attested", &any, vec![attested(true)]),
        one("attestation: there, by the workflow", Pass, "attested", &named, vec![fork(), ci(), attested(true)]),
        one("attestation: by another workflow", Fail, "attestation_mismatch", &named, vec![ci(), nested()]),
        one("attestation: by a fork", Fail, "attestation_mismatch", &any, vec![fork()]),
        one("attestation: not verified", Fail, "attestation_unsound", &any, vec![attested(false), fork()]),
        with(
            "attestation: one of two",
            Pending,
            "attestation_missing",
            0,
            vec![asset("app.tgz", ARTIFACT), asset("\u{202e}.tgz", "sha256:3")],
        ),
        at("attestation: one missing, one bad", Fail, "attestation_unsound", (&any, 0), |w| {
            w.artifacts = files(vec![asset("a.tgz", ARTIFACT), asset("b.tgz", "sha256:3")]);
            w.attestations = Some(Ok(vec![attested(false)]));
        }),
    ]
}
