//! Ranges that one read does not bring: long ones, and those that GitHub's GraphQL does not compare.

use crate::process::{Process, SECRET};
use crate::world::{RELEASE, World};
use lockkeeper::domain::Sha;
use lockkeeper::sandbox::{CommitSeed, Fault, Release, RepoHandle, RepoSeed, Sandbox, SandboxConfig, Trouble};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const COMPARE: &str = "GET /repos/{owner}/{repo}/compare/{+basehead}";
const AUTHORS: [&str; 3] = ["ann", "ben", "Stranger <stranger@example.org>"];

/// So many commits, each with a pull request in its subject.
fn changes(count: usize) -> impl Iterator<Item = CommitSeed> {
    (1..=count).map(|n| CommitSeed::new(&format!("fix: part {n} of it (#{n})\n\nbecause")).author(AUTHORS[n % 3]))
}

/// Pushes so many commits; the checks of the last have passed.
pub fn grow(world: &World, count: usize) -> Sha {
    let sha = world.shop.commits("main", changes(count).collect(), "ann").unwrap().pop().unwrap();
    world.green(&sha);
    sha
}

/// Each of them is told once, with its pull request.
fn tells_all(body: &str, count: usize) {
    for n in 1..=count {
        let line = format!("- part {n} of it ([#{n}](");
        assert_eq!(body.matches(&line).count(), 1, "number {n}:\n{body}");
    }
}

/// A release of 131 commits whose comparison by GraphQL always ends so, and the sizes of the pages that were tried.
async fn without_comparison(fault: Fault) -> Vec<u64> {
    let world = World::start().await;
    let sha = grow(&world, 130);
    world.quiet().await;
    world.github.clear_log();
    world.github.fault(fault.always());
    world.shop.tag("v1.1.0", &sha).unwrap();
    let release = world.released("v1.1.0", &sha).await;
    tells_all(&release.body, 130);
    assert!(release.body.contains("ount right") && !release.body.contains("egin"), "{}", release.body);
    assert!(release.body.contains("compare/v1.0.0...v1.1.0"), "{}", release.body);
    assert_eq!(world.count(COMPARE), 2, "131 commits in pages of 100");
    let log = world.github.log();
    let asked = log.iter().filter(|e| e.route == "POST /graphql RangeOfCommits");
    let size = |body: &str| serde_json::from_str::<Value>(body).unwrap()["variables"]["size"].as_u64().unwrap();
    let sizes = asked.map(|e| size(&e.body)).collect();
    world.finish().await;
    sizes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn graphql_that_gives_up_on_every_page_gives_way_to_rest() {
    let sizes = without_comparison(Fault::status("POST", "/graphql RangeOfCommits$", 502)).await;
    assert_eq!(sizes, [100, 50, 25, 12, 6, 3, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn graphql_that_fails_inside_an_answer_gives_way_to_rest() {
    let error = json!({ "type": "INTERNAL", "message": "Something is wrong with us." });
    let whole = json!({ "data": null, "errors": [error] });
    let sizes = without_comparison(Fault::on("POST", "/graphql RangeOfCommits$", Trouble::Answer(whole))).await;
    assert_eq!(sizes, [100, 50, 25, 12, 6, 3, 1]);
    let timeout = json!({ "data": null, "errors": [{ "message": "Something went wrong while executing your query." }] });
    let sizes = without_comparison(Fault::on("POST", "/graphql RangeOfCommits$", Trouble::Answer(timeout))).await;
    assert_eq!(sizes.len(), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn graphql_that_cannot_compare_gives_way_to_rest_at_once() {
    let error = json!({ "type": "INTERNAL", "message": "No.", "path": ["repository", "ref", "compare"] });
    let partial = json!({ "data": { "repository": { "ref": { "target": null, "compare": null } } }, "errors": [error] });
    let sizes = without_comparison(Fault::on("POST", "/graphql RangeOfCommits$", Trouble::Answer(partial))).await;
    assert_eq!(sizes, [100]);
}

const MANY: usize = 1_050;

#[test]
fn a_release_of_more_than_a_thousand_commits_is_fetched_by_git() {
    let github = Sandbox::start(SandboxConfig::default()).unwrap();
    let first = CommitSeed::new("feat: begin").file("big.bin", &"x".repeat(100_000)).tagged("v1.0.0");
    let shop = github.create_repo(RepoSeed::new("acme/shop").commit(first).commits(changes(MANY))).unwrap();
    let head = shop.resolve("main").unwrap();
    shop.check("github-actions", &head, "build", "success").unwrap();
    let bin = tempfile::tempdir().unwrap();
    let mut process = Process::of(&github);
    let path = std::env::var("PATH").unwrap();
    process.set("PATH", format!("{}:{path}", bin.path().display()));
    process.set("LOCKKEEPER_LOG", "trace");
    let told = spy(bin.path(), &path);
    github.set_webhook(&process.webhook(), SECRET);
    process.start();
    until("the baseline", &process, || github.counts().contains_key("GET /repos/{owner}/{repo}/tags").then_some(()));
    std::thread::sleep(Duration::from_millis(300));
    github.clear_log();

    shop.tag("v1.1.0", &head).unwrap();
    let release = released(&shop, &head, &process);
    tells_all(&release.body, MANY);
    assert!(release.body.contains("@ann") && release.body.contains("@ben"), "logins come from GitHub");
    assert!(!release.body.contains("begin"), "{}", release.body);
    let check = shop.newest_check(&head, RELEASE).unwrap();
    assert!(!check.summary.unwrap().contains("incomplete"));
    let counts = github.counts();
    let api: Vec<String> =
        counts.iter().filter(|(route, _)| !route.ends_with("/access_tokens")).map(|(r, n)| format!("{n} {r}")).collect();
    insta::assert_snapshot!(api.join("\n"), @r"
    1 PATCH /repos/{owner}/{repo}/releases/{id}
    1 POST /graphql AuthorLogins
    1 POST /graphql RangeOfCommits
    1 POST /graphql Recheck
    1 POST /graphql ReleaseFacts
    1 POST /repos/{owner}/{repo}/check-runs
    1 POST /repos/{owner}/{repo}/releases
    1 git git-upload-pack
    1 git info/refs
    ");
    assert_eq!(github.violations().len(), 0, "{:?}", github.violations());

    process.terminate();
    assert!(process.ended().success());
    holds_no_secret("what git was given", &std::fs::read(&told).unwrap());
    let given = std::fs::read_to_string(&told).unwrap();
    assert!(given.contains("fetch --quiet") && given.contains("--filter=tree:0"), "{given}");
    holds_no_secret("the log", process.whole_log().as_bytes());
    assert!(process.whole_log().len() > 10_000, "it logs what it does");
    for entry in std::fs::read_dir(process.data_dir()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            continue;
        }
        holds_no_secret(&format!("{:?}", entry.file_name()), &std::fs::read(entry.path()).unwrap());
    }
}

/// A `git` that notes its arguments, its environment and that of what it starts, and then does as asked. Gives the notes.
fn spy(bin: &Path, path: &str) -> PathBuf {
    let real = path.split(':').map(|folder| Path::new(folder).join("git")).find(|file| file.exists()).unwrap();
    let (told, spy) = (bin.join("told"), bin.join("git"));
    let note = format!("{{ echo \"git $*\"; env; tr '\\0' '\\n' < /proc/self/environ; }} >> '{}'", told.display());
    std::fs::write(&spy, format!("#!/bin/sh\n{note}\nexec '{}' \"$@\"\n", real.display())).unwrap();
    std::fs::set_permissions(&spy, std::fs::Permissions::from_mode(0o755)).unwrap();
    told
}

/// Neither an installation's token nor the header that carries one.
fn holds_no_secret(what: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    // `x-access-token:` in base64, and how a token begins.
    for secret in ["eC1hY2Nlc3MtdG9rZW46", "ghs_", "x-access-token"] {
        let at = text.find(secret).map(|at| text[..at].chars().rev().take(200).collect::<Vec<_>>());
        let before: Option<String> = at.map(|chars| chars.into_iter().rev().collect());
        assert_eq!(before, None, "{what} holds {secret}");
    }
}

fn released(shop: &RepoHandle, head: &Sha, process: &Process) -> Release {
    until("the release", process, || {
        let done = shop.newest_check(head, RELEASE).is_some_and(|check| check.conclusion.as_deref() == Some("success"));
        shop.releases().into_iter().find(|release| done && !release.draft)
    })
}

fn until<T>(what: &str, process: &Process, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not happen\n{}", process.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}
