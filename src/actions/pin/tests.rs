use super::*;
use proptest::prelude::*;

const SHOP: RepoId = RepoId(7);
/// When the comment was written, in seconds.
const COMMENTED: i64 = 1_000_000;

fn sha(digit: char) -> Sha {
    Sha::parse(&digit.to_string().repeat(40)).unwrap()
}

fn head(digit: char) -> PullHead {
    PullHead { sha: sha(digit), branch: "topic".into(), open: true, repo: Some(SHOP) }
}

/// `(digit, seconds before the comment)`, newest first.
fn seen(all: &[(char, i64)]) -> Vec<SeenHead> {
    all.iter().map(|(digit, before)| SeenHead { sha: sha(*digit), at: Millis((COMMENTED - before) * 1_000) }).collect()
}

fn known<'a>(now: Option<&'a PullHead>, seen: &'a [SeenHead]) -> Known<'a> {
    Known { repo: SHOP, now, seen, commented_at: Millis(COMMENTED * 1_000), again: "/deploy staging {}" }
}

/// The digit of what is deployed, or the code of the refusal. `moved`: seconds before the comment, by GitHub.
fn pinned(git_ref: Option<&str>, now: &PullHead, heard: &[(char, i64)], moved: Option<i64>) -> String {
    let heard = seen(heard);
    let known = known(Some(now), &heard);
    let decided = match decide(&Meant::of(git_ref).unwrap(), &known) {
        Ok(Pinned::To(sha)) => Ok(sha),
        Ok(Pinned::AskWhen(head)) => when(&head, moved.map(|before| Millis((COMMENTED - before) * 1_000)), &known),
        Err(refusal) => Err(refusal),
    };
    decided.map_or_else(|refusal| refusal.code, |sha| sha.as_str()[..1].to_owned())
}

#[test]
fn what_was_seen_is_pinned() {
    let now = head('a');
    for (heard, moved, expected) in [
        // Heard of long before: GitHub need not be asked, whatever it would say.
        (&[('a', 121)][..], Some(-5), "a"),
        (&[('a', 120)], Some(-5), "head_moved"),
        (&[('a', 60)], Some(60), "a"),
        (&[('a', 1)], Some(1), "a"),
        // The same second is not before, and after is after.
        (&[('a', 1)], Some(0), "head_moved"),
        (&[('a', 1)], Some(-1), "head_moved"),
        // GitHub has no record: the delivery's own time counts.
        (&[('a', 3)], None, "a"),
        // Nearer than that the clocks may be wrong.
        (&[('a', 2)], None, "head_moved"),
        (&[('a', 0)], None, "head_moved"),
        (&[('a', -9)], None, "head_moved"),
        // Another head was heard of before: it was pushed meanwhile, or its delivery is late.
        (&[('b', 500)], Some(-3), "head_moved"),
        (&[('b', 500)], Some(3), "a"),
        (&[('b', 500)], None, "head_unknown"),
        // It was the head before, but something else was in between.
        (&[('b', 300), ('a', 500)], None, "head_unknown"),
        (&[('b', 300), ('a', 500)], Some(-1), "head_moved"),
        // Nothing was ever heard of it.
        (&[], Some(9), "a"),
        (&[], None, "head_unknown"),
    ] {
        assert_eq!(pinned(None, &now, heard, moved), expected, "{heard:?} {moved:?}");
    }
}

#[test]
fn a_named_commit_is_what_was_seen_or_what_is_there_now_and_nothing_else() {
    let name = |digit: char| format!("@{}", digit.to_string().repeat(12));
    let heard = [('c', -30), ('b', 300), ('d', 900)];
    for (digit, expected) in [('a', "a"), ('b', "b"), ('c', "not_the_head"), ('d', "not_the_head"), ('e', "not_the_head")] {
        // A name needs no time: whoever writes it has seen it.
        assert_eq!(pinned(Some(&name(digit)), &head('a'), &heard, None), expected, "{digit}");
    }
    let twin = Sha::parse(&format!("{}b", "a".repeat(39))).unwrap();
    let now = PullHead { sha: twin, ..head('a') };
    assert_eq!(pinned(Some(&name('a')), &now, &[('a', 500)], None), "head_ambiguous");
    assert_eq!(pinned(Some(&format!("@{}b", "A".repeat(39))), &now, &[('a', 500)], None), "a");
}

#[test]
fn forks_and_what_is_closed_are_never_deployed() {
    let stranger = PullHead { repo: Some(RepoId(8)), ..head('a') };
    let deleted = PullHead { repo: None, ..head('a') };
    let closed = PullHead { open: false, ..head('a') };
    for (now, expected) in [(&stranger, "fork"), (&deleted, "fork"), (&closed, "pull_request_closed")] {
        for git_ref in [None, Some("@aaaaaaa")] {
            assert_eq!(pinned(git_ref, now, &[('a', 500)], Some(500)), expected);
        }
    }
    let refusal = decide(&Meant::Head, &known(None, &[])).unwrap_err();
    assert_eq!(refusal.code, "pull_request_gone");
}

#[test]
fn who_must_confirm_is_told_what_to_type() {
    let (now, heard) = (head('a'), seen(&[('a', 1)]));
    let refusal = when(&sha('a'), Some(Millis(COMMENTED * 1_000 + 900)), &known(Some(&now), &heard)).unwrap_err();
    assert!(refusal.fix.contains("`/deploy staging @aaaaaaaaaaaa`"), "{}", refusal.fix);
}

#[test]
fn a_name_is_an_at_sign_and_seven_digits_at_least() {
    assert_eq!(Meant::of(None), Some(Meant::Head));
    assert_eq!(Meant::of(Some("@ABC1234")), Some(Meant::Named("abc1234".into())));
    let long = "a".repeat(41);
    for other in ["v1.2.3", "@abc123", "@abc123g", "abc1234", "@", "@main", &format!("@{long}")] {
        assert_eq!(Meant::of(Some(other)), None, "{other}");
    }
}

proptest! {
    /// Whatever is known: without a name nothing is deployed that is not the head now, and nothing that GitHub says came with
    /// the comment or after it, unless we had heard of it long before.
    #[test]
    fn nothing_is_deployed_that_nobody_can_have_seen(
        heard in prop::collection::vec((prop::sample::select(vec!['a', 'b', 'c']), -400_i64..400), 0..4),
        moved in prop::option::of(-400_i64..400),
    ) {
        let got = pinned(None, &head('a'), &heard, moved);
        if got.len() == 1 {
            prop_assert_eq!(&got, "a");
            let long_ago = heard.first().is_some_and(|(digit, before)| *digit == 'a' && *before > 120);
            let told = moved.map_or_else(|| heard.first().is_some_and(|(d, before)| *d == 'a' && *before > 0), |b| b > 0);
            prop_assert!(long_ago || told, "{:?} {:?}", heard, moved);
        }
    }
}
