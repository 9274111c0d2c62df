//! A disk that takes no more while the real program commits.

use crate::door::{PUSH, sign};
use crate::process::{Process, SECRET};
use lockkeeper::sandbox::{CommitSeed, RepoSeed, Sandbox, SandboxConfig};
use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;

/// SIGABRT.
const ABORTED: i32 = 6;
/// 1 MB: more than the tables take when they are made, less than SQLite's log takes before it is folded into the database.
const BLOCKS: u32 = 2_000;
const AT_ONCE: usize = 4;

/// Sends a delivery; nothing when the connection ended without an answer.
async fn deliver(http: &reqwest::Client, url: &str, id: &str, body: &str) -> Option<u16> {
    let request = http.post(url).header("X-GitHub-Event", "push").header("X-GitHub-Delivery", id);
    let request = request.header("X-Hub-Signature-256", sign(SECRET, body.as_bytes())).body(body.to_owned());
    request.send().await.ok().map(|answer| answer.status().as_u16())
}

/// Delivers until nobody answers any more; what was acknowledged and what was not.
async fn until_it_dies(url: &str) -> (Vec<String>, Vec<String>) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let (mut taken, mut lost) = (Vec::new(), Vec::new());
    for round in 0..500 {
        let ids: Vec<String> = (0..AT_ONCE).map(|n| format!("delivery-{round}-{n}")).collect();
        let sent = ids.iter().map(|id| deliver(&http, url, id, PUSH));
        for (id, answer) in ids.iter().zip(futures::future::join_all(sent).await) {
            match answer {
                Some(202) => taken.push(id.clone()),
                None => lost.push(id.clone()),
                // A disk that is full is said; it would be another story than this one.
                Some(status) => panic!("{id} was answered {status}"),
            }
        }
        if !lost.is_empty() {
            return (taken, lost);
        }
    }
    panic!("the disk never gave in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_fails_ends_the_process_and_loses_nothing_that_was_acknowledged() {
    let github = Sandbox::start(SandboxConfig::default()).unwrap();
    github.create_repo(RepoSeed::new("acme/shop").commit(CommitSeed::new("feat: begin"))).unwrap();
    let mut process = Process::of(&github);
    process.limit_files(Some(BLOCKS));
    process.start();
    let (taken, lost) = until_it_dies(&process.webhook()).await;
    assert!(taken.len() >= AT_ONCE, "it worked before: {taken:?}");
    let status = process.ended();
    assert_eq!(status.signal(), Some(ABORTED), "{status}\n{}", process.log());
    assert!(process.log().contains("a commit failed"), "{}", process.log());

    process.limit_files(None);
    process.start();
    let rows = process.ask(&["deliveries", "list", "--limit", "5000"]);
    let stored: BTreeSet<&str> = rows.as_array().unwrap().iter().map(|row| row["delivery"].as_str().unwrap()).collect();
    let missing: Vec<&String> = taken.iter().filter(|id| !stored.contains(id.as_str())).collect();
    assert!(missing.is_empty(), "acknowledged and lost: {missing:?}");
    // GitHub sends again what was not acknowledged.
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for id in &lost {
        assert_eq!(deliver(&http, &process.webhook(), id, PUSH).await, Some(202));
    }
    process.terminate();
    assert!(process.ended().success());
}
