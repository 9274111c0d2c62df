//! Our rendering of git-cliff configurations, byte for byte beside what the git-cliff 2.14 command writes, over a repository
//! with merges (octopus and crossed), tags (lightweight, annotated, signed, of tags, beside the branch) and odd messages.
//!
//! `tests/data/notes/identity/expected.json` holds the command's texts; its `regenerate` makes it and the repository. Where
//! `LOCKKEEPER_GIT_CLIFF` names the command itself (`tests/run` does), that is asked too.

use super::{Desk, finish};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

const HISTORY: &[u8] = include_bytes!("../../data/notes/identity/history");
const EXPECTED: &str = include_str!("../../data/notes/identity/expected.json");

/// By the configuration's file name and by range; an empty range is everything that the branch contains.
type Texts = BTreeMap<String, BTreeMap<String, String>>;

fn repository(desk: &Desk) -> String {
    let git = |arguments: &[&str], input: &[u8]| {
        let mut command = desk.command("git");
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").args(arguments).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        assert!(child.wait().unwrap().success(), "{arguments:?}");
    };
    git(&["init", "-q", "-b", "main"], b"");
    git(&["fast-import", "--quiet", "--done"], HISTORY);
    desk.folder.path().to_str().unwrap().to_owned()
}

fn config(name: &str) -> String {
    format!("{}/tests/data/notes/identity/configs/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_range_is_byte_identical() {
    let desk = Desk::new();
    let repo = repository(&desk);
    let expected: Texts = serde_json::from_str(EXPECTED).unwrap();
    assert!(expected.len() >= 3 && expected.values().all(|ranges| ranges.len() >= 12));
    for (name, ranges) in expected {
        for (range, wanted) in ranges {
            let whole = if range.is_empty() { "..main" } else { &range };
            let ran = desk.run(&["notes", "--repo", &repo, "--range", whole, "--config", &config(&name), "--verbatim"], "");
            assert_eq!(ran.code, Some(0), "{name} {range}: {}", ran.err);
            assert_eq!(ran.out, wanted, "{name} {range}");
        }
    }
}

#[test]
fn the_texts_are_what_git_cliff_itself_writes() {
    let Some(program) = std::env::var_os("LOCKKEEPER_GIT_CLIFF").filter(|p| Path::new(p).exists()) else { return };
    let desk = Desk::new();
    let repo = repository(&desk);
    let expected: Texts = serde_json::from_str(EXPECTED).unwrap();
    for (name, ranges) in expected {
        for (range, wanted) in ranges {
            let mut command = desk.command(program.to_str().unwrap());
            command.env_remove("GIT_CLIFF__CHANGELOG__HEADER");
            command.args(["--offline", "--no-exec", "--config", &config(&name), "--repository", &repo]);
            command.args(if range.is_empty() { vec![] } else { vec!["--", range.as_str()] });
            let ran = finish(command, "");
            assert_eq!(ran.out, wanted, "{name} {range}: {}", ran.err);
        }
    }
}
