use super::*;
use crate::notes::bump::{self, Bump, Policy};
use serde::Deserialize;

/// Messages with what they must be read as; most come from running several tools over them and from the specification.
const CASES: &str = include_str!("../../../tests/data/notes/commits.json");

#[derive(Deserialize)]
struct Case {
    id: String,
    current: Option<String>,
    policy: String,
    messages: Vec<String>,
    parsed: Option<Vec<Option<Expected>>>,
    bump: Option<Bump>,
    next: String,
}

#[derive(Deserialize)]
struct Expected {
    #[serde(rename = "type")]
    kind: String,
    scope: Option<String>,
    breaking: bool,
    description: String,
    breaking_description: Option<String>,
}

fn shas(count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("{n:02}").repeat(20)).collect()
}

#[test]
fn every_case_is_read_and_counted_as_it_must() {
    let cases: Vec<Case> = serde_json::from_str(CASES).unwrap();
    assert!(cases.len() > 75);
    for case in cases {
        let shas = shas(case.messages.len());
        let messages: Vec<Message<'_>> =
            case.messages.iter().zip(&shas).map(|(text, sha)| Message { sha, text, merge: false }).collect();
        let all = classify_messages(&messages);
        if let Some(parsed) = &case.parsed {
            compare(&case.id, parsed, &all);
        }
        let policy = if case.policy == "git_cliff" { Policy::git_cliff() } else { Policy::default() };
        let current = case.current.as_deref().map(|v| Version::parse(v).unwrap());
        let next = bump::next(current.as_ref(), &all, &policy).unwrap();
        assert_eq!(next.version.unwrap().to_string(), case.next, "{}", case.id);
        if let Some(bump) = case.bump {
            assert_eq!(next.bump, bump, "{}", case.id);
        }
    }
}

fn compare(id: &str, parsed: &[Option<Expected>], all: &Classified) {
    let wanted: Vec<&Expected> = parsed.iter().flatten().collect();
    assert_eq!(wanted.len(), all.entries.len(), "{id}: {:?}", all.entries);
    assert_eq!(parsed.len() - wanted.len(), all.unclassified.len(), "{id}");
    for (want, got) in wanted.iter().zip(&all.entries) {
        assert_eq!(
            (&want.kind, &want.scope, want.breaking, &want.description),
            (&got.kind, &got.scope, got.breaking, &got.description),
            "{id}"
        );
        if want.breaking_description.is_some() {
            assert_eq!(want.breaking_description, got.breaking_description, "{id}");
        }
    }
}

#[test]
fn footers_keep_their_text() {
    let text = "feat(api)!: x\n\nBREAKING CHANGE: y\nstill y\n\nRefs: #1\nFixes #12\nCo-authored-by: A <a@b>";
    let all = classify_messages(&[Message { sha: "a", text, merge: false }]);
    let footers: Vec<(&str, &str)> = all.entries[0].footers.iter().map(|(t, v)| (t.as_str(), v.as_str())).collect();
    let wanted = [("BREAKING CHANGE", "y\nstill y"), ("Refs", "#1"), ("Fixes", "12"), ("Co-authored-by", "A <a@b>")];
    assert_eq!(footers, wanted);
}

#[test]
fn a_merge_with_a_header_counts_once_and_its_body_is_not_searched() {
    let text = "feat: x (#3)\n\n* fix: a\n\nfix: b";
    let all = classify_messages(&[Message { sha: "a", text, merge: true }]);
    assert_eq!(all.entries.len(), 1);
    let merge = classify_messages(&[Message { sha: "a", text: "Merge branch 'x'", merge: false }]);
    assert_eq!((merge.unclassified[0].why, merge.nameless().count()), (Why::Merge, 0));
}

#[test]
fn an_unknown_subject_has_to_be_named_unless_it_was_taken_back() {
    let list = [
        Message { sha: "aaaaaaaa", text: "Add thing", merge: false },
        Message { sha: "bbbbbbbb", text: "Revert \"Add thing\"\n\nThis reverts commit aaaaaaaa.", merge: false },
        Message { sha: "cccccccc", text: "\n\n", merge: false },
    ];
    let all = classify_messages(&list);
    assert_eq!(all.unclassified.len(), 3);
    assert_eq!(all.nameless().map(|u| u.sha.as_str()).collect::<Vec<_>>(), ["cccccccc"]);
}

#[test]
fn hostile_lengths_take_linear_time() {
    let long = "(".repeat(200_000);
    let started = std::time::Instant::now();
    for text in [
        format!("feat: {}", "#1 ".repeat(300_000)),
        format!("feat{long}: x"),
        format!("feat: x\n\n{}", "a: b\n".repeat(200_000)),
        format!("feat: x (#1)\n\n{}", "* feat: y\n".repeat(100_000)),
        format!("feat: x\n\n{}", "BEGIN_NESTED_COMMIT\nfix: a\n".repeat(50_000)),
        format!("feat: x\n\nBREAKING CHANGE: {}", "\n".repeat(500_000)),
        format!("{}feat: x", "\n".repeat(500_000)),
    ] {
        let all = classify_messages(&[Message { sha: "a", text: &text, merge: false }]);
        assert_eq!(all.entries.is_empty(), !all.unclassified.is_empty());
    }
    // Quadratic reading of these would take minutes.
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn a_commit_is_taken_back_until_its_revert_is() {
    let sha = |letter: char| crate::domain::Sha::parse(&letter.to_string().repeat(40)).unwrap();
    let commit = |letter: char, text: String| -> Commit {
        serde_json::from_value(serde_json::json!({ "sha": sha(letter), "message": text })).unwrap()
    };
    let reverts = |letter: char| format!("Revert \"it\"\n\nThis reverts commit {}.", sha(letter));
    let list = [commit('a', "feat: a".into()), commit('b', reverts('a')), commit('c', reverts('b')), commit('d', reverts('c'))];
    let answers: Vec<bool> = (1..=4).map(|n| takes_back(&list[..n], &sha('a'))).collect();
    assert_eq!(answers, [false, true, false, true]);
    // The same when the commit itself is older than what was read.
    assert_eq!((2..=4).map(|n| takes_back(&list[1..n], &sha('a'))).collect::<Vec<_>>(), [true, false, true]);
    assert!(!takes_back(&[commit('b', format!("docs: why\n\nThis reverts commit {}.", sha('a')))], &sha('a')), "no revert");
    // What takes something back is not gone itself by that.
    assert_eq!((2..=3).map(|n| takes_back(&list[..n], &sha('b'))).collect::<Vec<_>>(), [false, true]);
}

proptest::proptest! {
    #[test]
    fn no_body_voids_a_valid_header(body in "\\PC{0,200}", scope in "[a-z]{1,8}", text in "[a-z][a-z ]{0,20}[a-z]") {
        proptest::prop_assume!(!body.contains("BEGIN_COMMIT_OVERRIDE"));
        for glue in ["\n", "\n\n", "\r\n\r\n"] {
            let text_of = format!("fix({scope}): {text}{glue}{body}");
            let all = classify_messages(&[Message { sha: "a", text: &text_of, merge: false }]);
            let first = all.entries.first().unwrap();
            proptest::prop_assert_eq!(first.scope.as_deref(), Some(scope.as_str()));
            proptest::prop_assert_eq!(&first.description, &text);
        }
    }

    #[test]
    fn every_message_goes_out_again(texts in proptest::collection::vec("[ -~\n:!*()#]{0,80}", 0..12)) {
        let shas = shas(texts.len());
        let messages: Vec<Message<'_>> = texts.iter().zip(&shas).map(|(text, sha)| Message { sha, text, merge: false }).collect();
        let all = classify_messages(&messages);
        for sha in &shas {
            let entries = all.entries.iter().filter(|e| &e.sha == sha).count();
            let unclassified = all.unclassified.iter().filter(|u| &u.sha == sha).count();
            proptest::prop_assert!((entries > 0) != (unclassified == 1) && unclassified < 2);
        }
    }
}
