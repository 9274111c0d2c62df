//! What GitHub does not tell, or tells in vain, is found.

use crate::world::{RELEASE, Setup, World};
use lockkeeper::sandbox::{CommitSeed, HookAction, HookRule, RefPush};
use std::time::Duration;

const TAGS: &str = "GET /repos/{owner}/{repo}/tags";

async fn often() -> World {
    Setup::new().tune(|tuning| tuning.reconcile = Duration::from_millis(400)).start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tags_that_were_there_before_are_left_alone() {
    let world = often().await;
    let looked = world.count(TAGS);
    world.requests(TAGS, looked + 2).await;
    world.quiet().await;
    assert!(world.runs("release").await.is_empty(), "v1.0.0 is the baseline");
    assert!(world.shop.releases().is_empty());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_tags_at_once_are_found() {
    let world = often().await;
    let mut pushes = Vec::new();
    let mut shas = Vec::new();
    for n in 1..=4 {
        let sha = world.commit(&format!("fix: number {n}"));
        pushes.push(RefPush::tag(&format!("v1.0.{n}"), &sha));
        shas.push(sha);
    }
    world.quiet().await;
    let heard = world.github.deliveries().len();
    world.shop.push("ann", pushes).unwrap();
    for (n, sha) in shas.iter().enumerate() {
        world.released(&format!("v1.0.{}", n + 1), sha).await;
    }
    let told = world.github.deliveries().split_off(heard);
    assert!(told.iter().all(|d| !d.payload.contains("\"refs/tags/")), "GitHub said nothing");
    assert_eq!(world.shop.latest_release().map(|r| r.tag), Some("v1.0.4".to_owned()));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_webhook_is_asked_for_again() {
    let world = often().await;
    let sha = world.shop.commit("main", CommitSeed::new("feat: sell more")).unwrap();
    let build = world.shop.start_check("github-actions", &sha, "build").unwrap();
    world.shop.tag("v1.1.0", &sha).unwrap();
    world.waiting(&sha, RELEASE).await;
    world.github.hook_rule(HookRule::new("check_run", HookAction::Drop).action("completed").times(1));
    world.github.hook_rule(HookRule::new("check_suite", HookAction::Drop).times(1));
    world.shop.complete_check(build, "success").unwrap();
    world.released("v1.1.0", &sha).await;
    let again: Vec<_> = world.github.deliveries().into_iter().filter(|d| d.redelivery).collect();
    assert!(again.iter().any(|d| d.event == "check_run" && d.status_code == 202), "it was redelivered");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_push_is_found_once() {
    let world = often().await;
    let sha = world.head();
    world.github.hook_rule(HookRule::new("push", HookAction::Drop).times(1));
    world.github.hook_rule(HookRule::new("create", HookAction::Drop).times(1));
    world.shop.tag("v1.1.0", &sha).unwrap();
    world.released("v1.1.0", &sha).await;
    world
        .until("both are redelivered", |_| {
            (world.github.deliveries().iter().filter(|d| d.redelivery && d.status_code == 202).count() >= 2).then_some(())
        })
        .await;
    world.quiet().await;
    assert_eq!(world.runs("release").await.len(), 1);
    assert_eq!((world.shop.releases().len(), world.our_checks(&sha, RELEASE).len()), (1, 1));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_pushed_during_a_suspension_is_found_after_it() {
    let mut world = often().await;
    world.expect_refusal("");
    let sha = world.head();
    world.github.suspend("acme", true).unwrap();
    world.quiet().await;
    world.shop.tag("v1.1.0", &sha).unwrap();
    let looked = world.count("GET /app/installations");
    world.requests("GET /app/installations", looked + 2).await;
    assert!(world.runs("release").await.is_empty());
    world.github.suspend("acme", false).unwrap();
    world.released("v1.1.0", &sha).await;
    world.finish().await;
}
