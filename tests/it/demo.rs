//! The demos, through the real program: what it says, how it ends, and that nothing is left.

use std::process::Output;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(30);

/// Runs the program with a folder for temporary files of its own, which must be empty afterwards.
fn demo(arguments: &[&str]) -> (Output, String) {
    let folder = TempDir::new().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lockkeeper"));
    let begun = Instant::now();
    let output = command.arg("demo").args(arguments).env("TMPDIR", folder.path()).output().unwrap();
    assert!(begun.elapsed() < LIMIT, "it took {:?}", begun.elapsed());
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "it left {left:?}");
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    (output, said)
}

/// All lines are there, in this order.
fn in_order(said: &str, lines: &[&str]) {
    let mut rest = said;
    for line in lines {
        rest = rest.split_once(line).unwrap_or_else(|| panic!("no \"{line}\" where it should be in:\n{said}")).1;
    }
}

/// From a tag to a published release and a deployment, for somebody who has nothing: no network, no credentials.
#[test]
fn a_tag_goes_to_production_in_front_of_your_eyes() {
    let (output, said) = demo(&[]);
    assert_eq!(output.status.code(), Some(0), "{said}");
    in_order(
        &said,
        &["v1.1.0", "Release v1.1.0 of acme/shop", "Features", "to production: in_progress → success", "What next"],
    );
}

#[test]
fn peers_are_asked_and_announce() {
    let (output, said) = demo(&["--peers"]);
    assert_eq!(output.status.code(), Some(0), "{said}");
    in_order(
        &said,
        &[
            "two MCP servers",
            "gate peer     waiting",
            "gate peer     passed",
            "is live in production.",
            "Release v1.1.0 of acme/shop",
        ],
    );
    assert!(said.contains("room         **acme/shop v1.1.0** is released."), "{said}");
}

#[test]
fn a_good_version_gets_users_step_by_step_and_none_of_them_notices() {
    let (output, said) = demo(&["--strategy", "gradual"]);
    assert_eq!(output.status.code(), Some(0), "{said}");
    in_order(
        &said,
        &[
            "built in for this demo",
            "git push origin v1.0.0",
            "v1.0.0 is live",
            "git push origin v1.1.0",
            "v1.1.0 runs in the slot green",
            "10 % of users to v1.1.0",
            "50 % of users to v1.1.0",
            "100 % of users to v1.1.0",
            "the slot blue is drained",
            "lockkeeper/production: success",
            "Release v1.1.0 is published.",
            "; 0 failed.",
        ],
    );
}

#[test]
fn a_bad_version_is_caught_at_the_first_step_and_users_go_back() {
    let (output, said) = demo(&["--strategy", "gradual", "--break"]);
    assert_eq!(output.status.code(), Some(0), "{said}");
    in_order(
        &said,
        &[
            "git push origin v1.1.0",
            "v1.1.0 runs in the slot green",
            "10 % of users to v1.1.0",
            "does not stand the analysis",
            "all users back to v1.0.0",
            "lockkeeper/production: failure",
            "v1.0.0 is live again",
            "Release v1.1.0 stays a draft.",
            "all of them its own answers",
            "From the first failure to all users back with v1.0.0",
        ],
    );
    assert!(!said.contains("50 % of users"), "{said}");
}

#[test]
fn blue_green_takes_everybody_back_at_once() {
    let (output, said) = demo(&["--strategy", "blue_green", "--break"]);
    assert_eq!(output.status.code(), Some(0), "{said}");
    in_order(&said, &["100 % of users to v1.1.0", "all users back to v1.0.0", "lockkeeper/production: failure"]);
}

#[test]
fn there_is_nothing_to_break_without_a_strategy() {
    let (output, said) = demo(&["--break"]);
    assert_eq!((output.status.code(), said.as_str()), (Some(2), ""));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--strategy"));
}
