//! The reply to a command that goes on: one comment, edited in place, and always to the last state.

use crate::comment_acts::{PLACES, has};
use crate::comments::{pull, reactions, replies, says};
use crate::world::{Setup, World};
use lockkeeper::sandbox::{Comment, DeploymentReport};
use std::time::Duration;

/// The only reply there is, once it says this.
async fn saying(world: &World, part: &str) -> Comment {
    let look = |_: &_| replies(world).into_iter().next().filter(|reply| reply.body.contains(part));
    let reply = world.until(part, look).await;
    assert_eq!(replies(world).len(), 1);
    reply
}

async fn report(world: &World, state: &str) {
    let made = world.deployment("staging", "in_progress").await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", state).description("no room")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_reply_goes_with_the_deployment_to_its_end() {
    let world = World::with(PLACES).await;
    let number = pull(&world).await;
    world.github.set_clock_offset(600_000);
    let asked = says(&world, number, "ann", "/status\n/deploy staging");
    let first = saying(&world, "🚢").await;
    has(&first.body, &["> `/status`", "Nothing runs.", "> `/deploy staging`"]);
    let going = saying(&world, "goes to **staging**").await;
    has(&going.body, &["> `/status`", "feat: sell more", " · dev", "`/abort staging`", "| **checks** | ✅ passed |"]);
    report(&world, "success").await;
    let ended = saying(&world, "is live in **staging**").await;
    has(&ended.body, &["### ✅", "`/rollback staging --reason …`", "<!-- lockkeeper:run:"]);
    assert_eq!((first.id, going.id), (ended.id, ended.id));
    world.until("the last reaction", |_| (reactions(&world, asked) == ["eyes", "rocket"]).then_some(())).await;
    let edits = world.count("PATCH /repos/{owner}/{repo}/issues/comments/{id}");
    assert!(edits <= 4, "{edits} edits");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ended_while_the_server_was_down_is_told_after_its_start() {
    let mut world = World::with(PLACES).await;
    let number = pull(&world).await;
    world.github.set_clock_offset(600_000);
    let asked = says(&world, number, "ann", "/deploy staging");
    saying(&world, "goes to **staging**").await;
    world.github.set_clock_offset(0);
    world.stop().await;
    world.boot().await;
    report(&world, "failure").await;
    let ended = saying(&world, "failed in **staging**").await;
    has(&ended.body, &["### ❌", "no room", "target_failed", "`/status`"]);
    world.until("the last reaction", |_| (reactions(&world, asked) == ["eyes", "confused"]).then_some(())).await;
    world.finish().await;
}

/// The last state is told at once, whatever was told before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_edited_more_often_than_agreed() {
    let world = Setup::new().config(PLACES).tune(|tuning| tuning.edits = Duration::from_secs(3600)).start().await;
    let number = pull(&world).await;
    world.github.set_clock_offset(600_000);
    says(&world, number, "ann", "/deploy staging");
    report(&world, "success").await;
    saying(&world, "is live in **staging**").await;
    assert_eq!(world.count("PATCH /repos/{owner}/{repo}/issues/comments/{id}"), 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_comment_or_a_reply_that_is_deleted_stops_nothing() {
    let mut world = World::with(PLACES).await;
    let number = pull(&world).await;
    world.github.set_clock_offset(600_000);
    world.expect_refusal("/comments");
    let asked = says(&world, number, "ann", "/deploy staging");
    let reply = saying(&world, "goes to **staging**").await;
    world.shop.delete_comment(asked, "ann").unwrap();
    world.shop.delete_comment(reply.id, "ann").unwrap();
    world.shop.close_pull(number, "ann").unwrap();
    report(&world, "success").await;
    let head = world.shop.resolve("topic").unwrap();
    world.check(&head, "lockkeeper/staging", "success").await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(replies(&world).len(), 0);
    world.finish().await;
}
