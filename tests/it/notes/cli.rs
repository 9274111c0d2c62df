//! The commands' own contract: shapes, exit codes, inputs, refusals, time.

use super::{Desk, commits};
use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;

const SHA: &str = "0000000000000000000000000000000000000001";

fn git(desk: &Desk, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(desk.folder.path()).args(["-c", "user.name=Ann", "-c", "user.email=a@example.com"]).args(arguments);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("HOME", "/nonexistent");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A repository with v1.2.3, a feature on main after it, and a fix on a branch.
fn repository() -> Desk {
    let desk = Desk::new();
    git(&desk, &["init", "-q", "-b", "main"]);
    let empty = |message: &str| git(&desk, &["commit", "-q", "--allow-empty", "--cleanup=verbatim", "-m", message]);
    empty("feat: first");
    git(&desk, &["tag", "-a", "v1.2.3", "-m", "out"]);
    empty("feat: second");
    git(&desk, &["switch", "-q", "-c", "other"]);
    empty("fix: third");
    git(&desk, &["switch", "-q", "main"]);
    desk
}

#[test]
fn json_has_the_shape_that_scripts_rely_on() {
    let messages = ["feat(api)!: drop v1\n\nBREAKING CHANGE: use v2", "docs: words", "what is this"];
    let ran = Desk::new().run(
        &["notes", "--commits", "-", "--format", "json", "--current-version", "v1.2.3", "--tag", "v2.0.0"],
        &commits(&messages),
    );
    let answer = ran.json();
    let keys: Vec<&str> = ran.out.lines().filter_map(|l| l.strip_prefix("  \"")?.split_once('"').map(|(key, _)| key)).collect();
    assert_eq!(keys, ["commits", "bump", "next_version", "unclassified", "refused_options", "markdown"]);
    assert_eq!(
        answer["commits"],
        json!([
            { "sha": SHA, "type": "feat", "scope": "api", "breaking": true, "description": "drop v1", "breaking_description": "use v2" },
            { "sha": format!("{:040x}", 2), "type": "docs", "scope": null, "breaking": false, "description": "words", "breaking_description": null },
        ])
    );
    assert_eq!(answer["unclassified"], json!([{ "sha": format!("{:040x}", 3), "subject": "what is this" }]));
    assert_eq!(
        (&answer["bump"], &answer["next_version"], &answer["refused_options"]),
        (&json!("major"), &json!("2.0.0"), &json!([]))
    );
    let markdown = answer["markdown"].as_str().unwrap();
    assert!(markdown.contains("Breaking changes") && markdown.contains("- **api:** drop v1") && markdown.contains("use v2"));
    let plain = Desk::new().run(&["notes", "--commits", "-", "--tag", "v2.0.0"], &commits(&messages));
    assert_eq!((plain.code, plain.out.as_str()), (Some(0), markdown));
}

#[test]
fn the_next_version_follows_what_changed() {
    for (current, messages, options, bump, next) in [
        (Some("1.2.3"), &["docs: a"][..], &[][..], "none", json!("1.2.3")),
        (Some("1.2.3"), &[], &[], "none", json!("1.2.3")),
        (None, &["docs: a"], &[], "none", Value::Null),
        (None, &["feat: a"], &[], "minor", json!("0.1.0")),
        (Some("1.2.3"), &["fix: a"], &[], "patch", json!("1.2.4")),
        (Some("refs/tags/pkg-v1.2.3"), &["feat: a"], &[], "minor", json!("1.3.0")),
        (Some("0.4.2"), &["feat: a"], &[], "patch", json!("0.4.3")),
        (Some("0.4.2"), &["feat: a"], &["--features-always-bump-minor"], "minor", json!("0.5.0")),
        (Some("0.4.2"), &["feat!: a"], &[], "minor", json!("0.5.0")),
        (Some("0.4.2"), &["feat!: a"], &["--breaking-always-bump-major"], "major", json!("1.0.0")),
        (Some("0.4.2"), &["feat: a\n\nRelease-As: 1.0.0"], &[], "major", json!("1.0.0")),
        (Some("1.0.0-rc.3"), &["fix: a"], &[], "patch", json!("1.0.0-rc.4")),
        (Some("1.2.3"), &["chore: squash (#7)\n\n* feat(b): one\n* fix: two"], &[], "minor", json!("1.3.0")),
    ] {
        let mut arguments = vec!["notes", "--commits", "-", "--format", "json"];
        arguments.extend(current.iter().flat_map(|version| ["--current-version", version]));
        arguments.extend(options);
        let answer = Desk::new().run(&arguments, &commits(messages)).json();
        assert_eq!((&answer["bump"], &answer["next_version"]), (&json!(bump), &next), "{current:?} {messages:?} {options:?}");
    }
}

#[test]
fn commits_come_from_files_standard_input_and_compare_answers() {
    let desk = Desk::new();
    let compare = json!({
        "html_url": "https://github.com/acme/web/compare/v1.0.0...main",
        "total_commits": 1,
        "commits": [{
            "sha": SHA,
            "commit": { "message": "feat: a (#7)", "author": { "name": "Ann", "email": "a@b", "date": "2023-11-14T22:13:20Z" } },
            "author": { "login": "ann" },
            "parents": [{ "sha": "f".repeat(40) }],
        }],
        "files": [],
    })
    .to_string();
    let file = desk.file("compare.json", &compare);
    let from_file = desk.run(&["notes", "--commits", &file, "--format", "json"], "").json();
    let from_input = desk.run(&["notes", "--commits", "-", "--format", "json"], &compare).json();
    assert_eq!(from_file, from_input);
    assert_eq!(from_file["next_version"], "1.1.0");
    let markdown = from_file["markdown"].as_str().unwrap();
    for part in ["- a ([#7](https://github.com/acme/web/pull/7))", "@ann", "https://github.com/acme/web/compare/v1.0.0...HEAD"]
    {
        assert!(markdown.contains(part), "{part} in {markdown}");
    }
}

#[test]
fn a_local_range_is_read_with_git() {
    let desk = repository();
    let path = desk.folder.path().to_str().unwrap();
    let answer = |range: &str| desk.run(&["notes", "--repo", path, "--range", range, "--format", "json"], "").json();
    let said =
        |range: &str| answer(range)["commits"].as_array().unwrap().iter().map(|c| c["description"].clone()).collect::<Vec<_>>();
    assert_eq!(said("v1.2.3..main"), ["second"]);
    assert_eq!(said("v1.2.3..other"), ["second", "third"]);
    assert_eq!(said("refs/tags/v1.2.3.."), ["second"]);
    assert_eq!(said("..other"), ["first", "second", "third"]);
    assert_eq!(said("main..v1.2.3"), Vec::<String>::new());
    assert_eq!(answer("v1.2.3..main")["next_version"], "1.3.0");
    assert_eq!(answer("main..main")["bump"], "none");
    desk.file("cliff.toml", "[changelog]\nbody = 'their own {{ commits | length }}'\n");
    assert_ne!(answer("v1.2.3..main")["markdown"], "their own 1", "a file that is not committed is nobody's");
    git(&desk, &["add", "cliff.toml"]);
    git(&desk, &["commit", "-q", "-m", "chore: configure"]);
    assert_eq!(answer("v1.2.3..main")["markdown"], "their own 2");
}

#[test]
fn bad_input_is_refused_with_a_code() {
    let desk = repository();
    let path = desk.folder.path().to_str().unwrap();
    for (range, code) in [
        ("--output=PWNED..main", "range_invalid"),
        ("v1.2.3..--output=PWNED", "range_invalid"),
        ("-v1.2.3..main", "range_invalid"),
        ("v1.2.3...main", "range_invalid"),
        ("main", "range_invalid"),
        ("a\nb..main", "range_invalid"),
        ("nothing..main", "range_unknown"),
        ("v1.2.3..nothing", "range_unknown"),
        ("main:cliff.toml..main", "range_unknown"),
        ("v1.2.3..main --all", "range_unknown"),
    ] {
        assert_eq!(desk.run(&["notes", "--repo", path, "--range", range], "").refusal(), code, "{range:?}");
    }
    for (place, code) in [("/nonexistent", "git_failed"), (desk.temporary.path().to_str().unwrap(), "git_failed")] {
        assert_eq!(desk.run(&["notes", "--repo", place, "--range", "a..b"], "").refusal(), code, "{place}");
    }
    for (input, code) in [
        ("", "commits_invalid"),
        ("{}", "commits_invalid"),
        ("[{\"sha\":\"a\"}]", "commits_invalid"),
        ("[3]", "commits_invalid"),
    ] {
        assert_eq!(desk.run(&["notes", "--commits", "-"], input).refusal(), code, "{input}");
    }
    assert_eq!(desk.run(&["notes", "--commits", "missing.json"], "").refusal(), "commits_unreadable");
    let list = commits(&["fix: a"]);
    for (option, value, code) in [
        ("--current-version", "1.2", "version_invalid"),
        ("--current-version", "1.2.18446744073709551615", "version_overflow"),
        ("--repository", "acme", "repository_invalid"),
    ] {
        assert_eq!(desk.run(&["notes", "--commits", "-", option, value], &list).refusal(), code, "{value}");
    }
    for arguments in [
        &["notes"][..],
        &["notes", "--repo", "."],
        &["notes", "--commits", "-", "--repo", ".", "--range", "a..b"],
        &["tags", "parse"],
    ] {
        let ran = desk.run(arguments, "");
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{arguments:?}");
    }
    assert!(!desk.folder.path().join("PWNED").exists());
}

#[test]
fn options_that_are_not_followed_are_named() {
    let desk = Desk::new();
    let config = "[changelog]\nbody = \"x\"\npostprocessors = [{ pattern = 'x', replace_command = 'touch PWNED' }]\n";
    let path = desk.file("cliff.toml", config);
    let ran = desk.run(&["notes", "--commits", "-", "--config", &path], &commits(&["fix: one"]));
    assert_eq!((ran.code, ran.out.trim()), (Some(0), "x"));
    assert!(ran.err.starts_with("lockkeeper: options that") && ran.err.contains("replace_command"), "{}", ran.err);
}

#[test]
fn a_repositorys_own_configuration_runs_nothing() {
    let desk = repository();
    let path = desk.folder.path().to_str().unwrap();
    for (name, value) in [("core.fsmonitor", "touch PWNED"), ("core.pager", "touch PWNED"), ("diff.external", "touch PWNED")] {
        git(&desk, &["config", name, value]);
    }
    desk.file(".git/hooks/post-index-change", "#!/bin/sh\ntouch PWNED\n");
    assert_eq!(desk.run(&["notes", "--repo", path, "--range", "v1.2.3..main"], "").code, Some(0));
    assert!(!desk.folder.path().join("PWNED").exists());
}

#[test]
fn long_lines_take_linear_time() {
    let desk = Desk::new();
    let all = desk.file("cliff.toml", "[changelog]\nbody = '{% for c in commits %}{{ c.raw_message }}{% endfor %}'\n");
    let long = |unit: &str| unit.repeat(100_000 / unit.len());
    for message in [
        format!("fix: {}", long("a")),
        format!("feat({}): a", long("(")),
        format!("{}: a", long("feat")),
        format!("fix: a\n\n{}", long("Refs: #1 ")),
        format!("fix: a\n\n{}", long("BREAKING CHANGE: a\n")),
        format!("fix: a (#1)\n\n{}", long("* feat: a\n")),
        format!("fix: a\n\n{}", long("a: b\n\n")),
        format!("fix: {}", long("closes #1 @a [x](y) ` <b> ")),
        format!("fix: {}", long("`` ` ")),
        format!("Revert \"{}\"\n\nThis reverts commit {}.", long("x"), long("1")),
        long("\n"),
        long(" "),
    ] {
        let ran = desk.run(&["notes", "--commits", "-", "--format", "json"], &commits(&[&message]));
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert!(ran.took < Duration::from_secs(10), "{:?} for {}", ran.took, &message[..40]);
    }
    for unit in ["` ", "`` ` ", "[", "](", "<a", "@a ", "&#1", "closes ", "\\", "# \n", "a: ~~~\n"] {
        let message = format!("feat!: a\n\nBREAKING CHANGE: {}", long(unit));
        for more in [&[][..], &["--config", all.as_str()][..]] {
            let ran = desk.run(&[&["notes", "--commits", "-"][..], more].concat(), &commits(&[&message]));
            assert_eq!(ran.code, Some(0), "{}", ran.err);
            assert!(ran.took < Duration::from_secs(10), "{:?} for {unit:?}", ran.took);
        }
    }
}

#[test]
fn tags_are_read_line_by_line() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../../data/notes/tags.json")).unwrap();
    let tags: Vec<&str> = cases.iter().map(|c| c["tag"].as_str().unwrap()).collect();
    let desk = Desk::new();
    let ran = desk.run(&[&["tags", "parse", "--"][..], &tags].concat(), "");
    assert_eq!((ran.code, ran.out.lines().count()), (Some(0), tags.len()), "{}", ran.err);
    for (case, line) in cases.iter().zip(ran.out.lines()) {
        let read: Value = serde_json::from_str(line).unwrap();
        let tag = case["tag"].as_str().unwrap();
        assert_eq!(read["tag"], tag.strip_prefix("refs/tags/").unwrap_or(tag));
        match &case["expected"] {
            Value::Null => assert!(read["error"]["code"].is_string() && read["error"]["message"].is_string(), "{line}"),
            wanted => {
                for key in ["component", "prefix", "version"] {
                    assert_eq!(read[key], wanted[key], "{line}");
                }
            }
        }
    }
    let one = desk.run(&["tags", "parse", "refs/tags/v1.2.3"], "");
    assert_eq!(one.out, "{\"tag\":\"v1.2.3\",\"component\":null,\"prefix\":\"v\",\"version\":\"1.2.3\"}\n");
}

#[test]
fn tag_patterns_come_from_the_repositorys_settings() {
    let desk = Desk::new();
    let config = desk.file("lockkeeper.toml", "[release]\ntag = \"r{version}\"\n");
    let ran = desk.run(&["tags", "parse", "r1.2.3", "v1.2.3", "--config", &config], "");
    let lines: Vec<Value> = ran.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines[0]["version"], "1.2.3", "{}", ran.err);
    assert_eq!(lines[1]["error"]["code"], "tag_pattern_mismatch");
    let broken = desk.file("broken.toml", "[release]\ntag = 3\n");
    assert_eq!(desk.run(&["tags", "parse", "v1.2.3", "--config", &broken], "").refusal(), "config_invalid");
    let health = "[targets.t]\nkind = \"workflow\"\nworkflow = \"d.yml\"\n[environments.e]\ntarget = \"t\"\n\
                  health = [{ kind = \"http\", url = \"https://x\", expect = \"status ==\" }]\n";
    let unjudgeable = desk.file("unjudgeable.toml", health);
    let ran = desk.run(&["tags", "parse", "v1.2.3", "--config", &unjudgeable], "");
    assert_eq!(ran.refusal(), "config_invalid", "`check` refuses it, so does every other command");
    assert!(ran.err.contains("line 6"), "{}", ran.err);
    let good = desk.file("good.toml", health.replace("status ==", "status == 200"));
    assert_eq!(desk.run(&["tags", "parse", "v1.2.3", "--config", &good], "").code, Some(0));
    assert_eq!(desk.run(&["tags", "parse", "v1.2.3", "--config", "missing.toml"], "").refusal(), "file_unreadable");
}
