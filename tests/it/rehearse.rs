//! `lockkeeper rehearse` as typed, over a small repository of a person.

use crate::notes::{Desk, Ran};
use regex::Regex;
use std::collections::BTreeMap;
use std::path::Path;

const CONFIG: &str = "[environments.production]\non = [\"tag\"]\ntarget = \"cluster\"\n\n\
                      [targets.cluster]\nkind = \"deployment\"\nreporters = [\"shop-deployer[bot]\"]\n";

/// A repository with `v1.2.2` and two commits after it, in the desk's folder.
fn shop(desk: &Desk) -> String {
    let folder = desk.folder.path().join("shop");
    std::fs::create_dir_all(folder.join(".github")).unwrap();
    let git = |arguments: &[&str]| {
        let mut command = desk.command("git");
        command.args(["-c", "user.name=Ann", "-c", "user.email=ann@example.com"]).args(arguments).current_dir(&folder);
        let output = command.env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    git(&["init", "-q", "-b", "main"]);
    std::fs::write(folder.join(".github/lockkeeper.toml"), CONFIG).unwrap();
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "feat: begin"]);
    git(&["tag", "v1.2.2"]);
    git(&["commit", "-q", "--allow-empty", "-m", "fix: count right (#7)"]);
    git(&["commit", "-q", "--allow-empty", "-m", "fix: open the door"]);
    std::fs::write(folder.join("not-committed"), "mine").unwrap();
    folder.to_str().unwrap().to_owned()
}

/// Every file below, with its content.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.display().to_string(), std::fs::read(&path).unwrap());
        }
    }
    found
}

/// What is the same in every run: without times, ids and addresses, the lines of each side by side.
fn stable(ran: &Ran) -> String {
    let mut text = ran.out.clone();
    for (pattern, instead) in [
        (r"(?m)^ +\d+\.\d\d s", "   <time>"),
        (r"/\S*/shop ", "<repo> "),
        (r"sha256:[0-9a-f]{64}", "sha256:<digest>"),
        (r"\b[0-9a-f]{40}\b", "<sha>"),
        (r"\b[0-9a-f]{7}\b", "<short>"),
        (r"\d{4}-\d\d-\d\d(T[0-9:.]+Z)?", "<date>"),
        (r"run=[0-9a-z-]+", "run=<run>"),
        (r"127\.0\.0\.1:\d+", "<address>"),
        (r"[0-9a-f]{8}-[0-9a-f-]{27}", "<id>"),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, instead).into_owned();
    }
    // A release and a deployment go on beside each other; the order of their lines is anybody's guess.
    let (mut story, rest): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("   <time>"));
    story.sort_unstable();
    story.dedup();
    format!("{}\n---\n{}", story.join("\n"), rest.join("\n"))
}

#[test]
fn a_rehearsal_tells_what_would_happen_and_touches_nothing() {
    let desk = Desk::new();
    let repo = shop(&desk);
    let before = files(Path::new(&repo));
    let ran = desk.run(&["rehearse", "--repo", &repo, "--tag", "v1.2.3"], "");
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
    insta::assert_snapshot!(stable(&ran));
    assert_eq!(desk.left_behind(), Vec::<String>::new());
    assert!(files(Path::new(&repo)) == before, "the repository is as it was");
}

#[test]
fn a_tag_that_would_be_refused_and_input_that_makes_no_sense() {
    let desk = Desk::new();
    let repo = shop(&desk);
    let before = files(Path::new(&repo));
    let ran = desk.run(&["rehearse", "--repo", &repo, "--tag", "next"], "");
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("tag_not_a_version") && ran.out.contains("What to do: "), "{}", ran.out);
    for (arguments, code) in [
        (vec!["--repo", repo.as_str(), "--tag", "a..b"], "tag_name_invalid"),
        (vec!["--repo", repo.as_str(), "--tag", "v1.2.3", "--at", "nowhere"], "commit_unknown"),
        (vec!["--repo", "/nowhere", "--tag", "v1.2.3"], "repository_unreadable"),
    ] {
        let ran = desk.run(&[&["rehearse"][..], &arguments].concat(), "");
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains(code), "{arguments:?}: {}", ran.err);
    }
    assert_eq!(desk.left_behind(), Vec::<String>::new());
    assert!(files(Path::new(&repo)) == before, "the repository is as it was");
}
