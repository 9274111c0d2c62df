//! The invariants over random events, and proof that each check can fail.

use super::*;
use proptest::prelude::*;

type Next = fn(&Rules, Phase, Event) -> Phase;

fn rules() -> impl Strategy<Value = Rules> {
    let policy = prop_oneof![Just(Rollback::Automatic), Just(Rollback::Manual), Just(Rollback::Forbidden)];
    (any::<bool>(), 0_usize..4, any::<bool>(), policy, any::<bool>()).prop_map(|(in_place, steps, bake, rollback, previous)| {
        Rules { in_place, steps: if in_place { 0 } else { steps }, bake, rollback, previous }
    })
}

const EVENTS: [Event; 11] = [
    Event::Done,
    Event::Failed,
    Event::Inconclusive,
    Event::Unknown,
    Event::NotMoved,
    Event::StableUnhealthy,
    Event::Abort,
    Event::Pause,
    Event::Resume,
    Event::Promote,
    Event::Expired,
];

fn events() -> impl Strategy<Value = Vec<Event>> {
    // Mostly good news, so that late phases are reached.
    let one = prop_oneof![4 => Just(Event::Done), 3 => proptest::sample::select(EVENTS.to_vec())];
    proptest::collection::vec(one, 1..24)
}

/// Every phase that was come through, the first included.
fn walk(next: Next, rules: &Rules, events: &[Event]) -> Vec<(Phase, Event, Phase)> {
    let mut phase = Phase::Preparing;
    let mut all = Vec::new();
    for event in events {
        let to = next(rules, phase, *event);
        all.push((phase, *event, to));
        phase = to;
    }
    all
}

fn moves_users(phase: Phase) -> bool {
    matches!(phase, Phase::Shifting(_) | Phase::Promoting)
}

/// No users before the verification has passed.
fn verified_first(next: Next, rules: &Rules, events: &[Event]) -> bool {
    let walked = walk(next, rules, events);
    let first = walked.iter().position(|(_, _, to)| moves_users(*to));
    let verified = walked.iter().position(|(from, event, _)| *from == Phase::PreVerifying && *event == Event::Done);
    first.is_none_or(|first| verified.is_some_and(|verified| verified <= first))
}

/// An abort ends within three pieces of work, whatever they come to.
fn abort_ends(next: Next, rules: &Rules, events: &[Event]) -> bool {
    let before = walk(next, rules, events).last().map_or(Phase::Preparing, |(_, _, to)| *to);
    [Event::Done, Event::Failed, Event::Unknown].iter().all(|result| {
        let mut phase = next(rules, before, Event::Abort);
        for _ in 0..2 {
            phase = next(rules, phase, *result);
        }
        matches!(phase, Phase::End(_))
    })
}

/// What is inconclusive or unknown never brings users to the new version.
fn inconclusive_stays(next: Next, rules: &Rules, events: &[Event]) -> bool {
    walk(next, rules, events).iter().all(|(from, event, to)| {
        let open = matches!(event, Event::Inconclusive | Event::Unknown | Event::Failed);
        let onward =
            moves_users(*to) || matches!(to, Phase::Baking) || (*to == Phase::Finalizing && *from != Phase::Finalizing);
        !open || !onward || from == to
    })
}

/// One way back at most, and never past it again.
fn one_rollback(next: Next, rules: &Rules, events: &[Event]) -> bool {
    let walked = walk(next, rules, events);
    let begun = walked.iter().filter(|(from, _, to)| *from != Phase::RollingBack && *to == Phase::RollingBack).count();
    let onward =
        walked.iter().any(|(from, _, to)| *from == Phase::RollingBack && !matches!(to, Phase::RollingBack | Phase::End(_)));
    begun <= 1 && !onward
}

/// What is forbidden is not done: behind a barrier nothing goes back once users were moved.
fn barrier_holds(next: Next, rules: &Rules, events: &[Event]) -> bool {
    let goes_back = walk(next, rules, events).iter().any(|(_, _, to)| *to == Phase::RollingBack);
    rules.rollback != Rollback::Forbidden || !goes_back
}

/// An end is an end.
fn ends_stay(next: Next, rules: &Rules, events: &[Event]) -> bool {
    walk(next, rules, events).iter().all(|(from, _, to)| !matches!(from, Phase::End(_)) || from == to)
}

/// Who was not moved is not rolled back: nothing is held, nobody is told that the version was live.
fn nobody_moved_nothing_undone(next: Next, rules: &Rules, events: &[Event]) -> bool {
    let walked = walk(next, rules, events);
    let moved = |until: usize| walked.iter().take(until).any(|(from, event, _)| moves_users(*from) && *event == Event::Done);
    let undone = |i: usize| matches!(walked[i].2, Phase::RollingBack | Phase::End(End::HaltedForward));
    let moving = |phase: Phase| phase == Phase::Preparing || moves_users(phase);
    let refused = |i: usize| moving(walked[i].0) && walked[i].1 == Event::NotMoved;
    (0..walked.len()).all(|i| !refused(i) || moved(i) || !undone(i))
}

type Check = fn(Next, &Rules, &[Event]) -> bool;

const CHECKS: [(&str, Check); 7] = [
    ("verified first", verified_first),
    ("abort ends", abort_ends),
    ("inconclusive stays", inconclusive_stays),
    ("one rollback", one_rollback),
    ("barrier", barrier_holds),
    ("ends stay", ends_stay),
    ("nobody moved, nothing undone", nobody_moved_nothing_undone),
];

proptest! {
    #[test]
    fn the_invariants_hold(rules in rules(), events in events()) {
        for (name, check) in CHECKS {
            prop_assert!(check(next, &rules, &events), "{}: {:?} {:?}", name, rules, walk(next, &rules, &events));
        }
    }

    #[test]
    fn every_walk_of_good_news_ends_well(rules in rules()) {
        let walked = walk(next, &rules, &[Event::Done; 24]);
        prop_assert_eq!(walked.last().unwrap().2, Phase::End(End::Succeeded));
    }
}

/// For each check a table that breaks it, so that the check is known to be able to fail.
#[test]
fn each_invariant_can_be_broken() {
    let unverified: Next = |rules, phase, event| match (phase, event) {
        (Phase::Preparing, Event::Done) => Phase::Shifting(0),
        _ => next(rules, phase, event),
    };
    let deaf: Next = |rules, phase, event| match (phase, event) {
        (Phase::Paused(_), Event::Abort) => phase,
        _ => next(rules, phase, event),
    };
    let hopeful: Next = |rules, phase, event| match (phase, event) {
        (Phase::Analyzing(_), Event::Inconclusive) => Phase::Promoting,
        _ => next(rules, phase, event),
    };
    let stubborn: Next = |rules, phase, event| match (phase, event) {
        (Phase::RollingBack, Event::Failed) => Phase::Preparing,
        _ => next(rules, phase, event),
    };
    let careless: Next = |rules, phase, event| match (phase, event) {
        (Phase::Baking, Event::Failed) => Phase::RollingBack,
        _ => next(rules, phase, event),
    };
    let restless: Next = |rules, phase, event| match (phase, event) {
        (Phase::End(_), Event::Resume) => Phase::Preparing,
        _ => next(rules, phase, event),
    };
    let hasty: Next = |rules, phase, event| match (phase, event) {
        (Phase::Shifting(0), Event::NotMoved) => Phase::RollingBack,
        _ => next(rules, phase, event),
    };
    let blunt: Next = |rules, phase, event| match (phase, event) {
        (Phase::Preparing, Event::NotMoved) => next(rules, phase, Event::Abort),
        _ => next(rules, phase, event),
    };
    let rules = Rules { in_place: false, steps: 2, bake: true, rollback: Rollback::Automatic, previous: true };
    let direct = Rules { in_place: true, steps: 0, bake: false, ..rules.clone() };
    let barred = Rules { rollback: Rollback::Forbidden, ..rules.clone() };
    let (d, f) = (Event::Done, Event::Failed);
    let broken: [(Check, Next, &Rules, &[Event]); 8] = [
        (verified_first, unverified, &rules, &[d]),
        (abort_ends, deaf, &rules, &[d, d, d, Event::Pause]),
        (inconclusive_stays, hopeful, &rules, &[d, d, d, Event::Inconclusive]),
        (one_rollback, stubborn, &rules, &[d, d, f, f, d, d, f]),
        (barrier_holds, careless, &barred, &[d, d, d, d, d, d, d, f]),
        (ends_stay, restless, &rules, &[f, d, Event::Resume]),
        (nobody_moved_nothing_undone, hasty, &rules, &[d, d, Event::NotMoved]),
        (nobody_moved_nothing_undone, blunt, &direct, &[Event::NotMoved]),
    ];
    for (check, mutant, rules, events) in broken {
        assert!(check(next, rules, events), "the real table passes");
        assert!(!check(mutant, rules, events), "the mutation is seen: {:?}", walk(mutant, rules, events));
    }
}

/// A phase that an event leaves as it is does the same work for ever. People and clocks say these words during a bake.
#[test]
fn a_bake_ends_with_every_word() {
    let rules = Rules { in_place: false, steps: 0, bake: true, rollback: Rollback::Manual, previous: true };
    let all = [Event::Done, Event::Failed, Event::Inconclusive, Event::Unknown, Event::Abort, Event::Promote, Event::Expired];
    for event in all {
        assert_ne!(next(&rules, Phase::Baking, event), Phase::Baking, "{event:?}");
    }
    assert_eq!(next(&rules, Phase::Baking, Event::Promote), Phase::Finalizing);
}

/// Wherever it is seen that the old copy serves nobody, users stay with the new one.
#[test]
fn an_old_copy_that_dies_halts_forward_from_everywhere() {
    let rules = Rules { in_place: false, steps: 2, bake: true, rollback: Rollback::Automatic, previous: true };
    for phase in [Phase::Shifting(1), Phase::Analyzing(0), Phase::Paused(0), Phase::Promoting, Phase::RollingBack] {
        assert_eq!(next(&rules, phase, Event::StableUnhealthy), Phase::End(End::HaltedForward), "{phase:?}");
    }
}

#[test]
fn the_table_in_words() {
    let show = |rules: &Rules, events: &[Event]| {
        let words: Vec<String> = walk(next, rules, events).iter().map(|(_, event, to)| format!("{event:?} → {to:?}")).collect();
        words.join("\n")
    };
    let direct = Rules { in_place: true, steps: 0, bake: false, rollback: Rollback::Automatic, previous: true };
    let slots = Rules { in_place: false, steps: 1, bake: true, rollback: Rollback::Manual, previous: true };
    let (d, f) = (Event::Done, Event::Failed);
    let text = [
        ("direct, good", show(&direct, &[d, d, d])),
        ("direct, unhealthy", show(&direct, &[d, f, d])),
        ("direct, nothing before it", show(&Rules { previous: false, ..direct.clone() }, &[d, f])),
        ("direct, refused before it began", show(&direct, &[Event::NotMoved, d])),
        ("gradual, good", show(&slots, &[d, d, d, d, d, d, d])),
        ("gradual, unhealthy copy", show(&slots, &[d, f, d])),
        ("gradual, bad numbers", show(&slots, &[d, d, d, f, d])),
        ("gradual, no numbers and nobody there", show(&slots, &[d, d, d, Event::Inconclusive, Event::Expired, d])),
        ("gradual, bad while baking, a person decides", show(&slots, &[d, d, d, d, d, f])),
        ("gradual, old copy dies", show(&slots, &[d, d, d, Event::StableUnhealthy])),
        ("gradual, stopped before anybody was moved", show(&slots, &[d, d, Event::NotMoved, d])),
        ("gradual, the last move fails half-way", show(&slots, &[d, d, d, d, f, d])),
    ];
    let text: String = text.iter().map(|(name, steps)| format!("# {name}\n{steps}\n\n")).collect();
    insta::assert_snapshot!(text);
}
