//! Tables of files and what is said about them.

use super::*;
use crate::config::problem::{Problem, Problems};

mod hostile;
mod mistakes;
mod whole;

fn cel(text: &str) -> Result<(), String> {
    if text.contains("==)") { Err("unexpected `)`".into()) } else { Ok(()) }
}

fn good(text: &str) -> RepoConfig {
    parse(text, &cel).unwrap_or_else(|p| panic!("{p}\n{text}"))
}

fn bad(text: &str) -> Vec<Problem> {
    let Err(Problems(problems)) = parse(text, &cel) else { panic!("accepted: {text}") };
    for p in &problems {
        let line = text.split('\n').nth(p.line - 1).unwrap_or_else(|| panic!("line {} of {text}", p.line));
        let chars = line.chars().count();
        assert!(p.column <= chars + 1 && p.length >= 1, "{p:?} in {line:?}");
        assert!(p.column + p.length <= chars + 2, "{p:?} in {line:?}");
        assert!(p.message.ends_with('.') && p.fix.ends_with(['.', '?']), "{p:?}");
        assert!(!p.message.contains('\n') && !p.fix.contains('\n'), "{p:?}");
    }
    assert!(problems.is_sorted_by_key(|p| (p.line, p.column)), "{problems:?}");
    problems
}

/// `code@line:column+length`, joined.
fn codes(text: &str) -> String {
    let all: Vec<String> = bad(text).iter().map(|p| format!("{}@{}:{}+{}", p.code, p.line, p.column, p.length)).collect();
    all.join(" ")
}

const REST: &str = "[targets.t]\nkind = \"workflow\"\nworkflow = \"d.yml\"\n";

#[test]
fn nothing_is_a_configuration() {
    for text in ["", "\n\n# nothing\n", "\u{feff}", "[release]\n"] {
        assert_eq!(good(text), RepoConfig::default(), "{text:?}");
    }
}

#[test]
fn all_problems_come_at_once_in_order() {
    let text = "\
[release]
tagg = 1
branches = [\"ok\", \"not ok\"]
= broken
[environments.\"pro duction\"]
target = \"nowhere\"
url = \"gopher://x\"
on = [\"mrege\"]
[targets.actions]
kind = \"workflow\"
";
    let shown: Vec<String> = bad(text).iter().map(|p| format!("{}:{} {} {}", p.line, p.column, p.message, p.fix)).collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn kinds_of_later_versions_are_read_named_and_refused() {
    let text = "\
[release]
publish_after = [\"e\"]
gates = [{ kind = \"order\" }]
[environments.e]
target = \"h\"
health = [{ kind = \"peer\", peer = \"testing\", tool = \"smoke\", expect = \"result.ok\" }]
after = []
[targets.h]
kind = \"command\"
command = \"deploy\"
";
    let report = check(text, &cel);
    let config = report.outcome.unwrap();
    assert_eq!(config.release.publish_after, ["e"].map(|name| EnvName::parse(name).unwrap()));
    assert_eq!(config.release.unsupported, ["gates.kind = \"order\""]);
    assert_eq!(config.environments[0].unsupported, ["health.kind = \"peer\""]);
    assert_eq!(report.warnings.len(), 2);
}
