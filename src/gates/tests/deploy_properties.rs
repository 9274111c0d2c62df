use super::place::*;
use super::*;
use crate::domain::{ActorKind, Attestation, Overridable, Override};
use proptest::prelude::*;
use serde_json::json;
use std::time::Duration;

fn any_policy() -> impl Strategy<Value = GatePolicy> {
    let spans = prop::sample::select(vec!["Fri 15:00 - Mon 07:00", "22:00 - 06:00", "Mon-Fri 09:00 - 17:00"]);
    let zones = prop::sample::select(vec!["UTC", "Europe/Berlin", "Pacific/Chatham", "No/Where"]);
    prop_oneof![
        Just(GatePolicy::Order),
        Just(GatePolicy::Lock),
        prop::sample::select(vec![0_u64, 30, 60]).prop_map(|n| soak(minutes(n))),
        (spans, zones, any::<bool>()).prop_map(|(span, zone, deny)| {
            let (allow, deny) = if deny { (None, Some(span)) } else { (Some(span), None) };
            windows(vec![window(allow, deny, zone)])
        }),
        (1_u8..4, any::<bool>(), any::<bool>()).prop_map(|(count, named, not_author)| {
            let policy = if named { approvals(count, &["sre"], &["user1"]) } else { approvals(count, &[], &[]) };
            GatePolicy::Approvals(crate::config::repo::ApprovalsPolicy { not_author, ..policy })
        }),
        prop::sample::select(vec!["status == 200", "body.ok", "status", "nonsense =="]).prop_map(http),
        prop::sample::select(vec![None, Some("release.yml")]).prop_map(attestation),
    ]
}

fn any_kind() -> impl Strategy<Value = ActorKind> {
    prop::sample::select(vec![ActorKind::User, ActorKind::User, ActorKind::Bot, ActorKind::Agent])
}

fn any_seconds() -> impl Strategy<Value = u64> {
    prop::sample::select(vec![0_u64, 1, 299, 300, 1799, 1800, 3600, 86_399, 86_400, 800_000])
}

fn any_standing() -> impl Strategy<Value = Standing> {
    use Standing::{Ahead, Behind, Diverged, Same, Unknown};
    prop::sample::select(vec![Ahead, Same, Behind, Diverged, Unknown])
}

fn any_live() -> impl Strategy<Value = Option<Live>> {
    let version = (prop::sample::select(vec!['a', 'b']), any_standing()).prop_map(|(digit, standing)| live(digit, standing));
    prop_oneof![Just(None), Just(Some(Live::Nothing)), version]
}

fn any_history() -> impl Strategy<Value = Vec<Occupancy>> {
    let one = (prop::sample::select(vec!['a', 'a', 'b', 'c']), -40_i64..10, prop::option::of(0_i64..20));
    let one = one.prop_map(|(digit, from, long)| was(digit, from * 180, long.map(|long| (from + long) * 180)));
    prop::collection::vec(one, 0..6)
}

fn any_hold() -> impl Strategy<Value = HoldView> {
    let kinds = prop::sample::select(vec![HoldKind::Lock, HoldKind::Freeze, HoldKind::Hold, HoldKind::Hold]);
    (kinds, prop::sample::select(vec!["alice", "bob"]), prop::option::of(any_seconds()))
        .prop_map(|(kind, owner, until)| hold(kind, owner, until))
}

fn any_approval() -> impl Strategy<Value = Approval> {
    let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.2), prop::bool::weighted(0.2), any::<bool>());
    (1_u64..4, any_kind(), any_seconds(), flags).prop_map(|(id, kind, at, (old, is_requester, is_author, sre))| {
        let mut given = approval(id, &format!("user{id}"));
        given.by.kind = kind;
        let digest = if old { "sha256:old".into() } else { given.digest };
        let teams = if sre { vec!["sre".into()] } else { Vec::new() };
        Approval { at: later(at), digest, is_requester, is_author, teams, ..given }
    })
}

fn any_answer() -> impl Strategy<Value = HttpAnswer> {
    (0_u64..4, 0_u64..6).prop_map(|(at, how)| match how {
        0 => missed(at, false),
        1 => missed(at, true),
        2 => answer(at, 500, json!(null)),
        3 => answer(at, 200, json!({ "ok": false })),
        _ => answer(at, 200, json!({ "ok": true })),
    })
}

fn any_attestation() -> impl Strategy<Value = Attestation> {
    (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(verified, ours, this, wanted)| Attestation {
        repository: if ours { "acme/app".into() } else { "eve/app".into() },
        subject_digest: if this { ARTIFACT.into() } else { "sha256:2".into() },
        workflow: if wanted { ".github/workflows/release.yml".into() } else { ".github/workflows/ci.yml".into() },
        verified,
    })
}

fn any_override() -> impl Strategy<Value = Override> {
    (any_kind(), any::<bool>(), any::<bool>(), any_seconds()).prop_map(|(kind, this, why, at)| Override {
        gate: Overridable::Window,
        by: crate::domain::Actor { kind, ..person(1, "alice") },
        role: "admin".into(),
        reason: if why { "fire".into() } else { String::new() },
        at: later(at),
        digest: if this { DIGEST.into() } else { "sha256:old".into() },
    })
}

fn few<T: std::fmt::Debug + Clone>(one: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(one, 0..5)
}

prop_compose! {
    fn any_place()(
        live in any_live(), read in prop::option::of((any_seconds(), any_history())), holds in prop::option::of(few(any_hold())),
        given in prop::option::of(few(any_approval())), overrides in few(any_override()), http in few(any_answer()),
        attestations in prop::option::of(prop_oneof![9 => few(any_attestation()).prop_map(Ok), 1 => Just(Err(()))]),
        artifacts in prop::option::of(0_usize..3), by_person in prop::option::of(prop::option::of(Just("a reason".to_owned()))),
        flags in (any::<bool>(), prop::bool::weighted(0.1), prop::bool::weighted(0.9)),
    ) -> Place {
        let (wait, ignores_windows, known) = flags;
        let place = if known { Place::production() } else { Place::default() };
        Place {
            live, holds, overrides, http, by_person, wait, ignores_windows,
            occupancy: read.map(|(at, history)| staging(later(at), history)).into_iter().collect(),
            approvals: given,
            attestations: attestations.map(|read| read.map_err(|()| Unreadable { reason: "502".into() })),
            artifacts: artifacts.map(|n| Ok([asset("a.tgz", ARTIFACT), asset("b.tgz", "sha256:2")].into_iter().take(n).collect())),
            ..place
        }
    }
}

fn judge_in(place: Place, policy: &GatePolicy, now: Millis) -> Verdict {
    World::new().with(|w| w.place = place).judge(policy, now)
}

/// Another order of everything that is a list.
fn turned(mut place: Place, by: usize) -> Place {
    fn turn<T>(list: &mut [T], by: usize) {
        if !list.is_empty() {
            list.rotate_left(by % list.len());
            if by % 2 == 1 {
                list.reverse();
            }
        }
    }
    place.occupancy.iter_mut().for_each(|read| turn(&mut read.history, by));
    place.holds.iter_mut().for_each(|list| turn(list, by));
    place.approvals.iter_mut().for_each(|list| turn(list, by));
    place.artifacts.iter_mut().flatten().for_each(|list| turn(list, by));
    place.attestations.iter_mut().flatten().for_each(|list| turn(list, by));
    turn(&mut place.overrides, by);
    turn(&mut place.http, by);
    place
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn the_order_of_facts_means_nothing(place in any_place(), by in 1_usize..6, policy in any_policy(), seconds in any_seconds()) {
        let other = turned(place.clone(), by);
        prop_assert_eq!(judge_in(place, &policy, later(seconds)), judge_in(other, &policy, later(seconds)));
    }

    /// Only passes and overrides advance; what waits can be asked again later than now; what refuses cannot.
    #[test]
    fn verdicts_are_whole(place in any_place(), policies in few(any_policy()), seconds in any_seconds()) {
        let now = later(seconds);
        let world = World::new().with(|w| w.place = place);
        let verdicts = judge_all(&policies, &world.view(), now);
        prop_assert_eq!(overall(&verdicts).status == Status::Pass, verdicts.iter().all(|v| v.status.advances()));
        for verdict in &verdicts {
            prop_assert_eq!(verdict.fix.is_empty(), verdict.status.advances(), "{:?}", verdict);
            prop_assert!(verdict.ask_again.is_none_or(|at| at > now), "{:?}", verdict);
            prop_assert!(verdict.status != Status::Pending || verdict.ask_again.is_some(), "{:?}", verdict);
            prop_assert!(verdict.status != Status::Fail || verdict.ask_again.is_none(), "{:?}", verdict);
            prop_assert!(verdict.code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{:?}", verdict);
        }
    }

    /// What nobody has read opens nothing, but a window, which needs the calendar alone.
    #[test]
    fn nothing_known_opens_nothing(policy in any_policy(), seconds in any_seconds()) {
        let verdict = judge_in(Place::default(), &policy, later(seconds));
        if !matches!(policy, GatePolicy::Window(_)) {
            prop_assert_eq!((verdict.status, verdict.ask_again), (Status::Unavailable, None));
        }
    }

    /// A soak that passes has been there at every second of it, and nothing else has, as far as was read.
    #[test]
    fn a_soak_that_passes_was_there(history in any_history(), read in any_seconds(), now in any_seconds(), long in 0_u64..60) {
        let place = Place { occupancy: vec![staging(later(read), history.clone())], ..Place::production() };
        let verdict = judge_in(place, &soak(minutes(long)), later(now));
        let until = later(read.min(now));
        let first = until.0 - 60_000 * i64::try_from(long).unwrap();
        if verdict.status == Status::Pass {
            for at in (first..until.0).step_by(60_000) {
                let covers = |o: &Occupancy| o.from.0 <= at && o.until.is_none_or(|until| at < until.0);
                prop_assert!(history.iter().any(|o| o.sha == sha('a') && covers(o)), "{at}");
                let began_after = |o: &Occupancy| o.sha != sha('a') && o.from.0 > at;
                prop_assert!(!history.iter().any(|o| o.sha != sha('a') && o.until.is_some() && covers(o)), "{at}");
                prop_assert!(!history.iter().any(began_after), "{at}");
            }
        }
        // And a soak that runs is over when it said it would be, if nothing else comes.
        if verdict.code == "soaking" && read >= now {
            let end = verdict.ask_again.unwrap();
            let place = Place { occupancy: vec![staging(end, history)], ..Place::production() };
            prop_assert_eq!(judge_in(place.clone(), &soak(minutes(long)), end).status, Status::Pass);
            prop_assert_eq!(judge_in(place, &soak(minutes(long)), Millis(end.0 - 1)).status, Status::Pending);
        }
    }

    /// The one who asked, bots, agents and other plans: however many approve, it opens nothing.
    #[test]
    fn only_others_approve(given in few(any_approval()), count in 1_u8..4, seconds in any_seconds()) {
        let policy = GatePolicy::Approvals(approvals(count, &[], &[]));
        let counts = |a: &&Approval| a.by.kind == ActorKind::User && !a.is_requester && a.digest == DIGEST;
        let people: std::collections::BTreeSet<u64> = given.iter().filter(counts).map(|a| a.by.id.0).collect();
        let verdict = judge_in(Place { approvals: Some(given), ..Place::production() }, &policy, later(seconds));
        prop_assert!(verdict.status != Status::Pass || people.len() >= usize::from(count), "{:?}", verdict);
    }

    /// Each file has one that is sound and ours; nothing else is a pass.
    #[test]
    fn only_what_is_verified_and_ours_is_attested(list in few(any_attestation()), seconds in any_seconds()) {
        let files = vec![asset("a.tgz", ARTIFACT), asset("b.tgz", "sha256:2")];
        let good = |digest: &str| list.iter().any(|a| a.verified && a.repository == "acme/app" && a.subject_digest == digest);
        let wanted = good(ARTIFACT) && good("sha256:2");
        let place = Place { artifacts: Some(Ok(files)), attestations: Some(Ok(list.clone())), ..Place::production() };
        prop_assert_eq!(judge_in(place, &attestation(None), later(seconds)).status == Status::Pass, wanted);
    }

    /// A clock that jumps back never opens a soak or lets an approval live longer than from when it was given.
    #[test]
    fn clocks_that_jump_open_nothing(place in any_place(), seconds in any_seconds(), back in 1_i64..10_000_000_000, long in 1_u64..60) {
        let verdict = |now| judge_in(place.clone(), &soak(minutes(long)), now);
        let (now, then) = (later(seconds), Millis(later(seconds).0 - back));
        prop_assert!(!(verdict(then).status == Status::Pass && verdict(now).status != Status::Pass));
    }

    /// No text of a verdict carries a line break, a control or a direction character from outside.
    #[test]
    fn texts_are_plain(text in ".{0,120}", more in ".{0,60}", rejected in any::<bool>()) {
        let place = Place {
            holds: Some(vec![HoldView { owner: text.clone(), reason: more.clone(), ..hold(HoldKind::Lock, "", None) }]),
            approvals: Some(vec![Approval { is_requester: true, ..approval(1, &text) }]),
            rejections: if rejected { vec![rejection(1, &text, &more)] } else { Vec::new() },
            overrides: vec![Override {
                gate: Overridable::Window, by: person(1, &text), role: more.clone(), reason: format!("x{more}"), at: ASKED, digest: DIGEST.into(),
            }],
            http: vec![HttpAnswer { answer: Err(HttpMissed { reason: text.clone(), fix: more.clone(), hopeless: true }), ..missed(1, true) }],
            artifacts: Some(Ok(vec![asset(&format!("{text}.tgz"), &more)])),
            attestations: Some(Ok(vec![Attestation { subject_digest: more.clone(), repository: text.clone(), ..attested(false) }])),
            ..Place::production()
        };
        let policies = [
            GatePolicy::Lock, GatePolicy::Approvals(approvals(1, &[&more], &[&text])), http("true"), attestation(Some(&text)),
            windows(vec![window(None, Some("Mon 00:00 - Sun 23:59"), "UTC")]), windows(vec![window(None, Some("09:00 - 10:00"), &text)]),
        ];
        for policy in policies {
            let verdict = judge_in(place.clone(), &policy, ASKED.plus(Duration::from_secs(1)));
            for text in [&verdict.reason, &verdict.fix].into_iter().chain(&verdict.names) {
                prop_assert!(!text.chars().any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) || c == '\u{200b}'), "{text:?}");
                prop_assert!(text.chars().count() < 2_500);
            }
        }
    }
}

#[test]
fn what_every_environment_asks_opens_nothing_by_itself() {
    for policy in always() {
        assert_eq!(judge_in(Place::production(), &policy, ASKED).status, Status::Unavailable);
    }
}
