//! "Released in v1.2.3" on the pull requests that a release has brought.

use crate::mirror::{Pull, merged_as};
use crate::process::{Process, SECRET};
use crate::range::grow;
use crate::world::{RELEASE, World};
use lockkeeper::config::repo::CONFIG_PATH;
use lockkeeper::sandbox::{
    CommitSeed, Fault, Merge, Moment, PullSeed, RepoHandle, RepoSeed, Sandbox, SandboxConfig, Trouble, Verdict,
};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const ON: &str = "[release]\ncomment_on_pull_requests = true\n";
const SAY: &str = "POST /repos/{owner}/{repo}/issues/{number}/comments";
const LOOK: &str = "GET /repos/{owner}/{repo}/issues/{number}/comments";

fn merged(world: &World, name: &str) -> Pull {
    merged_as(&world.shop, name, Merge::Squash, false)
}

/// What stands on each pull request, oldest first, without what only our program reads.
fn said(shop: &RepoHandle) -> Vec<(u64, String)> {
    let visible = |body: String| body.split("\n\n<!-- lockkeeper:run:").next().unwrap().to_owned();
    shop.comments().into_iter().map(|comment| (comment.pull, visible(comment.body))).collect()
}

async fn report(world: &World) -> serde_json::Value {
    let run = world.runs("released").await.into_iter().max_by_key(|run| run.created_at).unwrap();
    run.outcome.unwrap()["finished"].clone()
}

/// One comment for each pull request that came with it, the newest first, and nothing that had to be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_pull_request_of_a_release_is_told_once() {
    let world = World::with(ON).await;
    let (one, two) = (merged(&world, "one"), merged_as(&world.shop, "two", Merge::Commit, false));
    world.commit("fix: without a pull request");
    world.shop.branch("open", &world.head()).unwrap();
    world.shop.commit("open", CommitSeed::new("feat: not yet")).unwrap();
    world.shop.open_pull(PullSeed::new("feat: not yet", "open")).unwrap();
    let head = world.commit("docs: (#3) is what this commit says");
    world.quiet().await;
    world.github.clear_log();
    world.shop.tag("v1.1.0", &head).unwrap();
    world.released("v1.1.0", &head).await;
    world.quiet().await;
    let text = "Released in [`v1.1.0`](<https://github.com/acme/shop/releases/tag/v1.1.0>).".to_owned();
    assert_eq!(said(&world.shop), [(two.number, text.clone()), (one.number, text)]);
    assert_eq!(report(&world).await["told"], serde_json::json!([two.number, one.number]));
    let queries = world.github.log().iter().filter(|entry| entry.route.ends_with("MergedPulls")).count();
    assert_eq!((world.count(SAY), world.count(LOOK), queries), (2, 0, 0));

    // What came before is told no more, and a prerelease tells nobody.
    let three = merged(&world, "three");
    world.shop.tag("v1.2.0-rc.1", &three.merge).unwrap();
    world.released("v1.2.0-rc.1", &three.merge).await;
    world.quiet().await;
    assert_eq!(said(&world.shop).len(), 2);
    let last = world.commit("fix: last");
    world.shop.tag("v1.2.0", &last).unwrap();
    world.released("v1.2.0", &last).await;
    world.quiet().await;
    let numbers: Vec<u64> = said(&world.shop).into_iter().map(|(pull, _)| pull).collect();
    assert_eq!(numbers, [two.number, one.number, three.number]);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_told_where_the_file_does_not_ask_for_it() {
    let world = World::start().await;
    let one = merged(&world, "one");
    world.shop.tag("v1.1.0", &one.merge).unwrap();
    world.released("v1.1.0", &one.merge).await;
    world.quiet().await;
    assert!(said(&world.shop).is_empty() && world.runs("released").await.is_empty());
    world.finish().await;
}

/// Locked, deleted, and whatever else GitHub says of one of them: the others are told, and the run says who was not. Only an
/// answer that leaves it open is looked after.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_is_refused_the_others_are_not() {
    let mut world = World::with(ON).await;
    world.expect_refusal(SAY);
    let pulls: Vec<Pull> = ["a", "b", "c", "d", "e", "f", "g"].iter().map(|name| merged(&world, name)).collect();
    let numbers: Vec<u64> = pulls.iter().map(|pull| pull.number).collect();
    let at = |number: u64| format!("/issues/{number}/comments$");
    let say = |status: u16, message: &str| Trouble::Status { status, headers: Vec::new(), message: message.into() };
    let locked = say(403, "Unable to create comment because issue is locked.");
    for (number, trouble) in [(numbers[0], locked), (numbers[1], say(404, "Not Found")), (numbers[2], say(410, "Gone"))] {
        world.github.fault(Fault::on("POST", &at(number), trouble));
    }
    world.github.fault(Fault::on("POST", &at(numbers[3]), say(422, "Validation Failed")));
    world.github.fault(Fault::status("POST", &at(numbers[4]), 429).header("retry-after", 1));
    // It is there, and nobody has heard so.
    world.github.fault(Fault::on("POST", &at(numbers[5]), Trouble::Reset).after());
    let head = pulls.last().unwrap().merge.clone();
    world.shop.tag("v1.1.0", &head).unwrap();
    world.released("v1.1.0", &head).await;
    world.quiet().await;
    let told = said(&world.shop).into_iter().map(|(pull, _)| pull).collect::<Vec<_>>();
    assert_eq!(told, [numbers[6], numbers[5], numbers[4]]);
    let report = report(&world).await;
    let wanted = serde_json::json!([
        { "pull": numbers[3], "code": "github_rejected" }, { "pull": numbers[2], "code": "github_gone" },
        { "pull": numbers[1], "code": "github_not_found" }, { "pull": numbers[0], "code": "github_forbidden" },
    ]);
    assert_eq!((&report["skipped"], &report["ended"]), (&wanted, &serde_json::Value::Null));
    assert_eq!(world.count(LOOK), 1, "only where the answer was lost");
    world.finish().await;
}

/// What is about the App and not about one of them ends it: the rest would cost calls for nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_may_not_comment_tries_once() {
    let mut world = World::with(ON).await;
    world.expect_refusal(SAY);
    let pulls: Vec<Pull> = ["a", "b", "c"].iter().map(|name| merged(&world, name)).collect();
    let message = "Resource not accessible by integration".into();
    let denied = Trouble::Status { status: 403, headers: Vec::new(), message };
    world.github.fault(Fault::on("POST", "/comments$", denied).always());
    world.shop.tag("v1.1.0", &pulls[2].merge).unwrap();
    world.released("v1.1.0", &pulls[2].merge).await;
    world.quiet().await;
    assert_eq!(world.count(SAY), 1);
    assert_eq!(report(&world).await["ended"], "github_permission_missing");
    world.finish().await;
}

/// A long range is read where commits speak for themselves. What they say they belong to is not believed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_does_not_choose_who_is_told() {
    let world = World::with(ON).await;
    world.shop.branch("open", &world.head()).unwrap();
    world.shop.commit("open", CommitSeed::new("feat: not yet")).unwrap();
    let open = world.shop.open_pull(PullSeed::new("feat: not yet", "open")).unwrap();
    let one = merged(&world, "one");
    grow(&world, 130);
    let two = merged(&world, "two");
    assert!(open < 130, "one of the commits names it");
    world.quiet().await;
    world.github.clear_log();
    world.shop.tag("v1.1.0", &two.merge).unwrap();
    world.released("v1.1.0", &two.merge).await;
    world.quiet().await;
    let told = said(&world.shop).into_iter().map(|(pull, _)| pull).collect::<Vec<_>>();
    assert_eq!(told, [two.number, one.number]);
    let queries = world.github.log().iter().filter(|entry| entry.route.ends_with("MergedPulls")).count();
    assert_eq!((queries, world.count(LOOK)), (2, 0), "a question for each hundred commits");
    world.finish().await;
}

/// Killed at each of its requests, before it has an effect and after: each pull request is told once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_kill_at_any_request_tells_nobody_twice() {
    let mut sprung = 0;
    for nth in 1..=2 {
        for moment in [Moment::BeforeEffect, Moment::AfterEffect] {
            sprung += tokio::task::spawn_blocking(move || killed(nth, moment)).await.unwrap();
        }
    }
    assert_eq!(sprung, 4, "each kill had its occasion");
}

/// Two pull requests in one release, and a kill at the n-th comment; 1 if there was one.
fn killed(nth: u32, moment: Moment) -> u32 {
    let github = Sandbox::start(SandboxConfig::default()).unwrap();
    let first = CommitSeed::new("feat: begin").file(CONFIG_PATH, ON).tagged("v1.0.0");
    let shop = github.create_repo(RepoSeed::new("acme/shop").commit(first)).unwrap();
    let process = Arc::new(Process::of(&github));
    github.set_webhook(&process.webhook(), SECRET);
    process.start();
    let pulls = ["one", "two"].map(|name| merged_as(&shop, name, Merge::Squash, false));
    let (trap, left) = (Arc::new((AtomicU32::new(0), Mutex::new(None))), Arc::new(AtomicU32::new(1)));
    for when in [Moment::BeforeEffect, Moment::AfterEffect] {
        let (trap, left, process) = (Arc::clone(&trap), Arc::clone(&left), Arc::downgrade(&process));
        github.intercept(when, move |request| {
            let ours = request.method == "POST" && request.subject().ends_with("/comments");
            if when == Moment::BeforeEffect && ours && trap.0.fetch_add(1, Ordering::SeqCst) + 1 == nth {
                *trap.1.lock().unwrap() = Some(request.seq);
            }
            let mine = *trap.1.lock().unwrap() == Some(request.seq);
            if when == moment && mine && left.swap(0, Ordering::SeqCst) == 1 {
                if let Some(process) = process.upgrade() {
                    process.kill();
                }
                return Verdict::Abandon;
            }
            Verdict::GoOn
        });
    }
    shop.tag("v1.1.0", &pulls[1].merge).unwrap();
    let begun = Instant::now();
    let ended = || {
        let runs = process.ask(&["runs", "list", "--state", "active"]);
        github.settle(Duration::from_secs(5)) && runs.as_array().is_some_and(Vec::is_empty)
    };
    while shop.newest_check(&pulls[1].merge, RELEASE).is_none() || said(&shop).len() < 2 || !ended() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{nth} {moment:?}\n{}", process.log());
        if !process.is_running() {
            github.settle(Duration::from_secs(5));
            process.start();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let told: Vec<u64> = said(&shop).into_iter().map(|(pull, _)| pull).collect();
    assert_eq!(told, [pulls[1].number, pulls[0].number], "{nth} {moment:?}");
    let violations = github.violations();
    assert!(violations.is_empty(), "{violations:#?}");
    1 - left.load(Ordering::SeqCst)
}
