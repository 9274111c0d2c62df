use super::*;
use proptest::prelude::*;
use std::time::Duration;

fn any_state() -> impl Strategy<Value = CheckState> {
    prop::sample::select(vec![CheckState::Pending, CheckState::Success, CheckState::Neutral, CheckState::Failure])
}

fn any_item() -> impl Strategy<Value = CheckItem> {
    let names = prop::sample::select(vec!["build", "Build", "lint", "test"]);
    let apps = prop::sample::select(vec![0_u64, 15, 16, OUR_APP]);
    (names, apps, 0_u64..6, any_state(), 0_u64..4).prop_map(|(name, app, id, state, at)| {
        let mut item = if app == 0 { status(name, ASKED, state) } else { check(name, app, id, state) };
        item.at = later(at);
        item
    })
}

fn any_checks() -> impl Strategy<Value = Result<Vec<CheckItem>, Unreadable>> {
    prop_oneof![
        8 => prop::collection::vec(any_item(), 0..8).prop_map(Ok),
        1 => Just(Err(Unreadable { reason: "GitHub answered 502".into() })),
    ]
}

fn any_policy() -> impl Strategy<Value = GatePolicy> {
    let names = prop::sample::subsequence(vec!["build", "lint", "absent"], 0..=3);
    prop_oneof![
        names.prop_map(|names| named(&names)),
        Just(GatePolicy::Tag),
        Just(GatePolicy::Commits),
        Just(GatePolicy::Unsupported { name: "peer".into() }),
    ]
}

fn any_seconds() -> impl Strategy<Value = u64> {
    prop::sample::select(vec![0_u64, 1, 59, 60, 61, 3600, 6 * 3600 - 1, 6 * 3600, 7 * 3600])
}

fn any_sha() -> impl Strategy<Value = Sha> {
    prop::sample::select(vec!['a', 'b', 'c']).prop_map(sha)
}

fn any_tag_ref() -> impl Strategy<Value = Option<TagRef>> {
    let made = (any_sha(), prop::option::of(any_sha()), any::<bool>()).prop_map(|(commit, object, annotated)| {
        let name = Tag::parse("v1.2.3").unwrap();
        TagRef { name, object: if annotated { object } else { Some(commit.clone()) }, commit, annotated, message: None }
    });
    prop::option::weighted(0.9, made)
}

prop_compose! {
    fn any_world()(
        checks in any_checks(), read in any_seconds(), first in any_tag_ref(), now in any_tag_ref(), event in prop::option::of(any_sha()),
        on_main in prop::sample::select(vec![None, Some(Ancestry::Contained), Some(Ancestry::NotContained)]),
        read_sha in prop::option::weighted(0.9, any_sha()), version in any::<bool>(), unclassified in prop::option::of(0_usize..3),
        released in prop::sample::select(vec![None, Some(true), Some(false)]),
    ) -> World {
        World::new().with(|w| {
            w.checks = checks;
            w.checks_at = later(read);
            w.facts.tag = first;
            w.now = now;
            w.event = event;
            w.facts.on_default_branch = on_main;
            w.facts.sha = read_sha;
            w.version = version.then(|| Version::new(1, 2, 3));
            w.unclassified = unclassified.map(|n| vec![Unclassified { sha: sha('9'), subject: "x".into() }; n]);
            w.releases = released.map(|draft| release(draft, "")).into_iter().collect();
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever is not a pass keeps the run from advancing.
    #[test]
    fn only_passes_pass(world in any_world(), policies in prop::collection::vec(any_policy(), 0..5), seconds in any_seconds()) {
        let verdicts = judge_all(&policies, &world.view(), later(seconds));
        let all = verdicts.iter().all(|v| v.status == Status::Pass);
        let together = overall(&verdicts);
        prop_assert_eq!(together.status == Status::Pass, all);
        let known = |v: &Verdict| verdicts.iter().any(|o| o.ask_again == v.ask_again && o.status == v.status);
        prop_assert!(verdicts.iter().all(known));
        // A pending gate can always be asked again, later than now.
        for verdict in verdicts.iter().filter(|v| v.status == Status::Pending) {
            prop_assert!(verdict.ask_again.is_some_and(|at| at > later(seconds)), "{verdict:?}");
        }
        for verdict in &verdicts {
            prop_assert_eq!(verdict.fix.is_empty(), verdict.status == Status::Pass);
            prop_assert!(verdict.status != Status::Fail || verdict.ask_again.is_none());
        }
    }

    /// The order in which GitHub lists checks means nothing.
    #[test]
    fn order_means_nothing(
        (items, shuffled) in prop::collection::vec(any_item(), 0..8).prop_flat_map(|i| (Just(i.clone()), Just(i).prop_shuffle())),
        policy in any_policy(), seconds in any_seconds(),
    ) {
        let judge = |items| World::new().with(|w| { w.checks = Ok(items); w.checks_at = later(seconds); }).judge(&policy, later(seconds));
        prop_assert_eq!(judge(items), judge(shuffled));
    }

    /// One more failed check never helps, unless it is a rerun that others have superseded or our own.
    #[test]
    fn a_failed_check_never_helps(items in prop::collection::vec(any_item(), 0..8), seconds in any_seconds(), policy in any_policy()) {
        let judge = |items: &[CheckItem]| {
            World::new().with(|w| { w.checks = Ok(items.to_vec()); w.checks_at = later(seconds); }).judge(&policy, later(seconds))
        };
        let before = judge(&items);
        let mut more = items.clone();
        more.push(check("build", 99, 100, CheckState::Failure));
        let after = judge(&more);
        prop_assert!(!(before.status == Status::Fail && after.status == Status::Pass), "{before:?} {after:?}");
        if let GatePolicy::Checks(checks) = &policy && (checks.names.is_empty() || checks.names.iter().any(|n| n == "build")) {
            prop_assert_eq!(after.code.as_str(), "check_failed");
        }
    }

    /// Silence passes only when both the read and the clock are past the wait; a clock that jumps back never passes early.
    #[test]
    fn silence_passes_only_after_the_wait(read in 0_u64..200, now in 0_u64..200, back in 0_i64..1_000_000) {
        let world = World::new().with(|w| { w.checks = Ok(Vec::new()); w.checks_at = later(read); });
        let verdict = world.judge(&named(&[]), later(now));
        prop_assert_eq!(verdict.status == Status::Pass, read >= 60 && now >= 60);
        prop_assert_eq!(world.judge(&named(&[]), Millis(ASKED.0 - back)).status, Status::Pending);
    }

    /// The moved tag: whatever else is in order, a tag that does not name the pinned commit, as it did at first and as the event
    /// said, is never released.
    #[test]
    fn a_moved_tag_never_passes(
        mut world in any_world(), now in any_tag_ref(), event in prop::option::of(any_sha()), seconds in any_seconds(),
    ) {
        world.facts.sha = Some(sha('a'));
        world.facts.on_default_branch = Some(Ancestry::Contained);
        world.checks = Ok(vec![check("build", 15, 1, CheckState::Success)]);
        (world.now, world.event, world.releases) = (now, event, Vec::new());
        let policies = [GatePolicy::Tag, GatePolicy::Checks(ChecksPolicy { wait: Duration::ZERO, ..ChecksPolicy::default() })];
        let passes = overall(&judge_all(&policies, &world.view(), later(seconds))).status == Status::Pass;
        let still = world.now.as_ref().is_some_and(|now| {
            let first = world.facts.tag.as_ref();
            now.commit == world.pinned
                && first.is_none_or(|f| f.commit == world.pinned)
                && !first.is_some_and(|f| f.object.is_some() && now.object.is_some() && f.object != now.object)
                && world.event.as_ref().is_none_or(|e| *e == now.commit || Some(e) == now.object.as_ref())
        });
        prop_assert_eq!(passes, still && world.version.is_some());
    }

    /// No text of a verdict carries a line break, a control or a direction character from outside.
    #[test]
    fn texts_are_plain(name in ".{0,120}", conclusion in ".{0,40}", branch in ".{0,40}", subject in ".{0,200}", url in ".{0,60}") {
        let world = World::new().with(|w| {
            w.checks = Ok(vec![CheckItem { conclusion, url: Some(url), ..check(&name, 15, 1, CheckState::Failure) }]);
            w.facts.default_branch.name = branch;
            w.facts.on_default_branch = Some(Ancestry::NotContained);
            w.unclassified = Some(vec![Unclassified { sha: sha('9'), subject }]);
        });
        for policy in [GatePolicy::Tag, named(&[]), GatePolicy::Commits, GatePolicy::Unsupported { name }] {
            let verdict = world.judge(&policy, ASKED);
            let texts = [&verdict.reason, &verdict.fix].into_iter().chain(&verdict.names);
            for text in texts.chain(verdict.links.iter().map(|l| &l.url)) {
                prop_assert!(!text.chars().any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) || c == '\u{200b}'), "{text:?}");
                prop_assert!(text.chars().count() < 2_500);
            }
        }
    }

    #[test]
    fn any_manifest_is_judged(path in prop::sample::select(vec!["Cargo.toml", "package.json", "pyproject.toml"]), text in ".{0,300}") {
        let world = World::new().with(|w| w.facts.manifests = vec![file(path, &text)]);
        let verdict = world.judge(&GatePolicy::Tag, ASKED);
        prop_assert!(["tag_ok", "manifest_unreadable", "manifest_differs"].contains(&verdict.code.as_str()), "{verdict:?}");
    }
}
