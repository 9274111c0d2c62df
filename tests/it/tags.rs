//! Tags that are told of twice, move, vanish and come back.

use crate::world::{RELEASE, World};
use lockkeeper::sandbox::{CommitSeed, Fault, HookAction, HookRule, Moment, Order};

const CREATE: &str = "POST /repos/{owner}/{repo}/releases";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn push_create_and_redelivery_are_one_run() {
    let world = World::start().await;
    let sha = world.shop.commit("main", CommitSeed::new("feat: sell more")).unwrap();
    let build = world.shop.start_check("github-actions", &sha, "build").unwrap();
    world.shop.tag("v1.1.0", &sha).unwrap();
    world.waiting(&sha, RELEASE).await;
    let push = world.github.deliveries().into_iter().rev().find(|d| d.event == "push").unwrap();
    world.github.send_webhook("push", &push.payload, Some("another-guid"), false);
    world.github.send_webhook("push", &push.payload, Some(&push.guid), false);
    world.shop.complete_check(build, "success").unwrap();
    world.released("v1.1.0", &sha).await;
    world.github.send_webhook("push", &push.payload, Some("a-third-guid"), false);
    world.quiet().await;
    let answers: Vec<_> = world.github.deliveries().into_iter().filter(|d| d.payload == push.payload).collect();
    assert_eq!(answers.len(), 4);
    assert!(answers[2].response.contains("duplicate"), "{}", answers[2].response);
    assert_eq!(world.runs("release").await.len(), 1);
    assert_eq!((world.shop.releases().len(), world.our_checks(&sha, RELEASE).len()), (1, 1));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_moves_is_refused_at_both_commits() {
    let world = World::start().await;
    let old = world.shop.commit("main", CommitSeed::new("feat: sell more")).unwrap();
    let build = world.shop.start_check("github-actions", &old, "build").unwrap();
    world.shop.tag("v1.1.0", &old).unwrap();
    world.waiting(&old, RELEASE).await;
    let new = world.commit("feat: sell even more");
    world.shop.move_tag("v1.1.0", &new).unwrap();
    world.refused(&old, RELEASE, "failure", "tag_moved").await;
    world.refused(&new, RELEASE, "failure", "tag_moved").await;
    world.shop.complete_check(build, "success").unwrap();
    world.quiet().await;
    assert_eq!(world.count(CREATE), 0);
    world.finish().await;
}

/// A deployment that waits for something else for days hears of it at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_that_soaks_is_refused_when_its_tag_moves() {
    let config = "[environments.staging]\non = [\"manual\"]\ntarget = \"cluster\"\n\n[environments.production]\non = \
                  [\"tag\"]\ntarget = \"cluster\"\nafter = [{ environment = \"staging\", soak = \"7d\" }]\n\n\
                  [targets.cluster]\nkind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n";
    let world = World::with(config).await;
    let old = world.commit("feat: sell more");
    world.shop.tag("v1.1.0", &old).unwrap();
    world.released("v1.1.0", &old).await;
    world.waiting(&old, "lockkeeper/production").await;
    let new = world.commit("feat: sell even more");
    world.shop.move_tag("v1.1.0", &new).unwrap();
    world.refused(&old, "lockkeeper/production", "failure", "tag_moved").await;
    world.refused(&new, RELEASE, "failure", "tag_moved").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_released_tag_that_moves_changes_nothing() {
    let world = World::start().await;
    let old = world.head();
    world.shop.tag("v1.1.0", &old).unwrap();
    let before = world.released("v1.1.0", &old).await;
    let new = world.commit("feat: sell even more");
    world.shop.move_tag("v1.1.0", &new).unwrap();
    world.refused(&new, RELEASE, "failure", "tag_moved").await;
    world.quiet().await;
    let after = world.shop.releases();
    assert_eq!(after.len(), 1);
    assert_eq!((after[0].id, &after[0].target, &after[0].body), (before.id, &before.target, &before.body));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_tag_calls_the_release_off_and_comes_back_as_it_was() {
    let world = World::start().await;
    let sha = world.shop.commit("main", CommitSeed::new("feat: sell more")).unwrap();
    let build = world.shop.start_check("github-actions", &sha, "build").unwrap();
    world.shop.tag("v1.1.0", &sha).unwrap();
    world.waiting(&sha, RELEASE).await;
    world.shop.delete_tag("v1.1.0").unwrap();
    world.refused(&sha, RELEASE, "cancelled", "tag_gone").await;
    world.quiet().await;
    assert_eq!(world.count(CREATE), 0);
    world.shop.tag("v1.1.0", &sha).unwrap();
    world.waiting(&sha, RELEASE).await;
    world.shop.complete_check(build, "success").unwrap();
    world.released("v1.1.0", &sha).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_moves_before_a_repeated_publication_is_not_published() {
    let world = World::start().await;
    let old = world.head();
    let new = world.commit("feat: sell even more");
    world.quiet().await;
    world.github.fault(Fault::status("PATCH", "/releases/", 503));
    let (shop, to) = (world.shop.clone(), new.clone());
    world.github.on(Moment::AfterEffect, move |request| {
        if request.method == "POST" && request.path.ends_with("/releases") {
            shop.move_tag("v1.1.0", &to).unwrap();
        }
    });
    world.shop.tag("v1.1.0", &old).unwrap();
    world.refused(&old, RELEASE, "failure", "tag_moved").await;
    world.quiet().await;
    assert!(world.shop.releases().is_empty(), "the draft is gone");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_in_any_order_lead_to_one_release() {
    let world = World::start().await;
    for (n, order) in [Order::Reversed, Order::Shuffled, Order::Shuffled].into_iter().enumerate() {
        world.github.hook_rule(HookRule::new("*", HookAction::Hold));
        let sha = world.shop.commit("main", CommitSeed::new(&format!("fix: number {n}"))).unwrap();
        let build = world.shop.start_check("github-actions", &sha, "build").unwrap();
        let tag = format!("v1.0.{}", n + 1);
        world.shop.tag(&tag, &sha).unwrap();
        world.shop.complete_check(build, "success").unwrap();
        world.github.clear_hook_rules();
        assert!(world.github.release_hooks(order) > 4);
        world.released(&tag, &sha).await;
        world.quiet().await;
        assert_eq!(world.our_checks(&sha, RELEASE).len(), 1);
    }
    assert_eq!(world.runs("release").await.len(), 3);
    world.finish().await;
}
