use super::*;
use crate::notes::{Message, classify_messages};

fn after(current: &str, messages: &[&str], policy: &Policy) -> (Bump, Option<String>) {
    let messages: Vec<Message<'_>> = messages.iter().map(|text| Message { sha: "a", text, merge: false }).collect();
    let current = (!current.is_empty()).then(|| Version::parse(current).unwrap());
    let next = next(current.as_ref(), &classify_messages(&messages), policy).unwrap();
    (next.bump, next.version.map(|v| v.to_string()))
}

#[test]
fn versions_follow_the_policy() {
    let table = [
        ("1.2.3", "fix: a", Bump::Patch, "1.2.4"),
        ("1.2.3", "perf: a", Bump::Patch, "1.2.4"),
        ("1.2.3", "revert: feat: a", Bump::Patch, "1.2.4"),
        ("1.2.3", "Revert \"feat: a\"\n\nThis reverts commit 1234567890.", Bump::Patch, "1.2.4"),
        ("1.2.3", "feature(x): a", Bump::Minor, "1.3.0"),
        ("1.2.3", "docs: a", Bump::None, "1.2.3"),
        ("1.2.3", "docs!: a", Bump::Major, "2.0.0"),
        ("1.2.3", "no header", Bump::None, "1.2.3"),
        ("1.2.3", "chore: release\n\nRelease-As: 3.0.0", Bump::Major, "3.0.0"),
        ("1.2.3", "chore: release\n\nRelease-As: three", Bump::None, "1.2.3"),
        ("0.4.2", "fix: a", Bump::Patch, "0.4.3"),
        ("0.4.2", "feat: a", Bump::Patch, "0.4.3"),
        ("0.4.2", "feat!: a", Bump::Minor, "0.5.0"),
        ("0.0.3", "feat!: a", Bump::Minor, "0.1.0"),
        ("0.4.2", "feat!: a\n\nRelease-As: 1.0.0", Bump::Major, "1.0.0"),
        ("1.0.0-alpha.1", "fix: a", Bump::Patch, "1.0.0-alpha.2"),
        ("2.0.0-rc.3", "feat!: a", Bump::Major, "2.0.0-rc.4"),
        ("1.0.1-rc.3", "feat: a", Bump::Minor, "1.1.0-rc.1"),
        ("1.2.0-rc1", "fix!: a", Bump::Major, "2.0.0-rc1.1"),
        ("1.0.0-rc1", "fix: a", Bump::Patch, "1.0.0-rc1.1"),
        ("1.0.0-beta", "fix: a", Bump::Patch, "1.0.0-beta.1"),
        ("1.0.0-7", "fix: a", Bump::Patch, "1.0.0-8"),
        ("1.0.0-rc.3", "docs: a", Bump::None, "1.0.0-rc.3"),
        ("1.0.0+build.5", "fix: a", Bump::Patch, "1.0.1"),
        ("", "feat!: a", Bump::Major, "0.1.0"),
    ];
    for (current, message, bump, version) in table {
        assert_eq!(after(current, &[message], &Policy::default()), (bump, Some(version.to_owned())), "{current} {message}");
    }
    assert_eq!(after("", &["docs: a"], &Policy::default()), (Bump::None, None));
}

#[test]
fn git_cliffs_defaults_are_an_option() {
    assert_eq!(after("0.4.2", &["feat: a"], &Policy::git_cliff()), (Bump::Minor, Some("0.5.0".to_owned())));
    assert_eq!(after("0.4.2", &["feat!: a"], &Policy::git_cliff()), (Bump::Major, Some("1.0.0".to_owned())));
}

#[test]
fn the_largest_change_counts_and_the_newest_wish_wins() {
    assert_eq!(after("1.2.3", &["fix: a", "feat: b", "docs: c"], &Policy::default()).0, Bump::Minor);
    let wishes = ["chore: a\n\nRelease-As: 4.0.0", "chore: b\n\nRelease-As: v1.3.0"];
    assert_eq!(after("1.2.3", &wishes, &Policy::default()), (Bump::Minor, Some("1.3.0".to_owned())));
}

#[test]
fn a_number_that_cannot_grow_is_an_error() {
    for current in ["1.2.18446744073709551615", "1.0.0-rc.4294967295", "1.0.0-rc.18446744073709551616"] {
        let changes = classify_messages(&[Message { sha: "a", text: "fix: a", merge: false }]);
        let error = next(Some(&Version::parse(current).unwrap()), &changes, &Policy::default()).unwrap_err();
        assert_eq!(error.code, "version_overflow", "{current}");
    }
}

proptest::proptest! {
    #[test]
    fn the_next_version_is_higher_or_the_same(major in 0u64..3, minor in 0u64..3, patch in 0u64..3,
        pre in "(rc|beta1|alpha)?", counter in 0u32..20, kind in "(fix|feat|docs|feat!|revert)") {
        let dotted = if pre.is_empty() { String::new() } else { format!("-{pre}.{counter}") };
        let current = Version::parse(&format!("{major}.{minor}.{patch}{dotted}")).unwrap();
        let text = format!("{kind}: x");
        let changes = classify_messages(&[Message { sha: "a", text: &text, merge: false }]);
        for policy in [Policy::default(), Policy::git_cliff()] {
            let next = next(Some(&current), &changes, &policy).unwrap();
            let version = next.version.unwrap();
            proptest::prop_assert_eq!(version > current, next.bump > Bump::None);
            proptest::prop_assert!(version.major == 0 || current.major > 0 || policy.breaking_always_bump_major);
        }
    }
}
