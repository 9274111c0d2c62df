mod checks;
mod commits;
mod manifest;
mod tag;

use super::*;
use std::fmt::Write as _;

pub(super) struct Row {
    what: &'static str,
    code: &'static str,
    status: Status,
    verdict: Verdict,
}

pub(super) fn row(what: &'static str, status: Status, code: &'static str, verdict: Verdict) -> Row {
    Row { what, code, status, verdict }
}

#[test]
fn every_branch_and_its_texts() {
    let rows = tag::rows().into_iter().chain(manifest::rows()).chain(checks::rows()).chain(commits::rows());
    insta::assert_snapshot!(told(rows));
}

/// Every row is as its author meant it, refusals say what to do; gives all texts, to be compared with those reviewed.
pub(super) fn told(rows: impl IntoIterator<Item = Row>) -> String {
    let mut table = String::new();
    for Row { what, code, status, verdict } in rows {
        assert_eq!((verdict.status, verdict.code.as_str()), (status, code), "{what}: {verdict:?}");
        assert_eq!(verdict.fix.is_empty(), status.advances(), "{what}");
        assert!(verdict.reason.ends_with('.') && !verdict.reason.contains('\n'), "{what}: {}", verdict.reason);
        let again = verdict.ask_again.map(|at| format!(" [again after {} s]", ASKED.until(at).as_secs())).unwrap_or_default();
        writeln!(table, "{what}\n  {status:?} {code}{again}\n  {}", verdict.reason).unwrap();
        if !verdict.fix.is_empty() {
            writeln!(table, "  > {}", verdict.fix).unwrap();
        }
        for link in verdict.links {
            writeln!(table, "  {} <{}>", link.name, link.url).unwrap();
        }
    }
    table
}

fn tag_row(what: &'static str, status: Status, code: &'static str, change: impl FnOnce(&mut World)) -> Row {
    row(what, status, code, World::new().with(change).judge(&GatePolicy::Tag, ASKED))
}

#[test]
fn together() {
    let verdict =
        |status, again: Option<i64>| Verdict { ask_again: again.map(Millis), ..Verdict::new("x", status, "c", "r.", "f") };
    use Status::{Fail, Inconclusive, Overridden, Pass, Pending, Unavailable};
    for (statuses, status, again) in [
        (vec![], Pass, None),
        (vec![(Pass, None), (Pass, Some(3))], Pass, None),
        (vec![(Overridden, None), (Pass, None)], Pass, None),
        (vec![(Overridden, Some(1)), (Pending, Some(3))], Pending, Some(3)),
        (vec![(Pass, None), (Fail, None), (Pending, Some(3)), (Unavailable, None)], Fail, None),
        (vec![(Pass, Some(1)), (Pending, Some(9)), (Pending, Some(3))], Pending, Some(3)),
        (vec![(Unavailable, Some(2)), (Pending, Some(9))], Pending, Some(2)),
        (vec![(Unavailable, Some(2)), (Pass, None)], Unavailable, Some(2)),
        (vec![(Pending, Some(2)), (Unavailable, None)], Unavailable, None),
        (vec![(Pending, Some(2)), (Inconclusive, None)], Inconclusive, None),
    ] {
        let verdicts: Vec<Verdict> = statuses.iter().map(|(s, a)| verdict(*s, *a)).collect();
        assert_eq!(overall(&verdicts), Overall { status, ask_again: again.map(Millis) }, "{statuses:?}");
    }
}

#[test]
fn branch_patterns() {
    for (pattern, name, fits) in [
        ("main", "main", true),
        ("main", "mains", false),
        ("*", "main", true),
        ("*", "a/b", false),
        ("**", "a/b", true),
        ("release/*", "release/1.x", true),
        ("release/*", "release/1/x", false),
        ("release/**", "release/1/x", true),
        ("*-stable", "1-stable", true),
        ("a*b*c", "aXbYc", true),
        ("a*b*c", "aXbY", false),
        ("", "", true),
        ("", "a", false),
        ("*", "", true),
        ("grün*", "grünes", true),
    ] {
        assert_eq!(crate::config::repo::glob::matches(pattern, name), fits, "{pattern} {name}");
    }
    // Exponential for a naive matcher.
    assert!(!crate::config::repo::glob::matches(&format!("{}b", "*a".repeat(60)), &"a".repeat(250)));
}
