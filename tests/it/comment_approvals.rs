//! People agree to deployments in comments, or do not: by the same rules as with the buttons.

use crate::comment_acts::{answer, has};
use crate::comments::{pull, replies, says};
use crate::world::World;
use lockkeeper::domain::{Role, Sha};
use lockkeeper::sandbox::DeploymentReport;
use std::time::Duration;

const PRODUCTION: &str = "lockkeeper/production";

fn places(approvals: &str) -> String {
    format!(
        "[environments.production]\ntarget = \"cluster\"\non = [\"merge\"]\napprovals = {approvals}\n\n[environments.staging]\ntarget \
         = \"cluster\"\napprovals = {approvals}\n\n[targets.cluster]\nkind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n"
    )
}

/// Ann has asked for the head of a pull request of `dev`, and it waits for people.
async fn asked(approvals: &str) -> (World, u64, Sha) {
    let world = World::with(&places(approvals)).await;
    let number = pull(&world).await;
    for (login, role) in [("bob", Role::Write), ("ann2", Role::Write), ("dev", Role::Write), ("eve", Role::Read)] {
        world.shop.set_role(login, role);
    }
    world.github.set_clock_offset(600_000);
    says(&world, number, "ann", "/deploy production");
    let head = world.shop.resolve("topic").unwrap();
    world.check(&head, PRODUCTION, "action_required").await;
    (world, number, head)
}

/// The command that the reply to Ann tells people to type.
async fn told(world: &World) -> String {
    let waiting = |_: &_| replies(world).into_iter().find(|reply| reply.body.contains("agrees to it")).map(|reply| reply.body);
    world.until("that people are told what to type", waiting).await
}

async fn brought_up(world: &World, sha: &Sha) {
    let going = |d: &lockkeeper::sandbox::Deployment| d.sha == *sha && d.state() == "in_progress";
    let made = world.until("its deployment", |shop| shop.deployments().into_iter().find(going)).await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    world.check(sha, PRODUCTION, "success").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_agree_to_exactly_what_waits_and_it_goes_on() {
    let (mut world, number, head) = asked("{ count = 2, not_author = true }").await;
    has(&told(&world).await, &["Waits for 2 of 2 approvals", "`/approve production` agrees to it"]);
    for (by, what, code) in [
        ("ann", "/approve", "self_approval"),
        ("dev", "/approve production", "author_approval"),
        ("eve", "/approve", "not_allowed"),
        ("stranger", "/approve", "not_allowed"),
        ("bob", "/approve production --plan 000000000000", "plan_stale"),
        ("bob", "/approve --plan 00", "command_misused"),
        ("bob", "/approve staging", "nothing_to_approve"),
        ("eve", "/reject --reason no", "not_allowed"),
        ("bob", "/reject", "command_misused"),
        ("bob", "/reject --reason ' '", "reason_missing"),
    ] {
        has(&answer(&world, number, by, what).await, &[code]);
    }
    says(&world, number, "helper[bot]", "/approve");
    world
        .until("that nothing counts", |shop| {
            let title = shop.newest_check(&head, PRODUCTION).and_then(|check| check.title).unwrap_or_default();
            title.contains("2 of 2").then_some(())
        })
        .await;
    has(&answer(&world, number, "bob", "/approve").await, &["👍 You approve `", head.short(), "**production**", "plan `"]);
    // The same person twice is one, and a second account of whoever asked is one more person, not two.
    answer(&world, number, "bob", "/approve production").await;
    assert_eq!(world.shop.deployments().len(), 0);
    has(&answer(&world, number, "ann2", "/approve production").await, &["👍"]);
    brought_up(&world, &head).await;
    has(&answer(&world, number, "bob", "/approve").await, &["nothing_to_approve"]);
    world.quiet().await;
    let check = world.check(&head, PRODUCTION, "success").await;
    let summary = check.summary.unwrap_or_default();
    assert!(summary.contains("is approved by bob and ann2"), "{summary}");
    world.github.set_clock_offset(0);
    let rows = world.audit().await;
    let told: Vec<_> = rows.iter().filter(|row| row.action == "approve" && row.decision == "accepted").collect();
    let digests: Vec<&str> = told.iter().filter_map(|row| row.detail["digest"].as_str()).collect();
    assert!(digests.len() == 3 && digests.iter().all(|digest| summary.contains(&digest["sha256:".len()..][..12])), "{told:#?}");
    assert!(told.iter().all(|row| row.door == "comment" && row.run.is_some()));
    let refused = |code: &str| rows.iter().filter(|row| row.decision == format!("refused:{code}")).count();
    let counts = ["self_approval", "author_approval", "not_allowed", "plan_stale", "reason_missing"].map(refused);
    assert_eq!(counts, [1, 1, 3, 1, 1], "{rows:#?}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejection_says_why_and_ends_it() {
    let (mut world, number, head) = asked("{ count = 1 }").await;
    let said = answer(&world, number, "bob", "/reject production --reason \"not on a *friday*\"").await;
    has(&said, &["👎 You reject `", "**production**", "not on a", "Nothing is deployed."]);
    let ended = world.refused(&head, PRODUCTION, "failure", "approval_rejected").await;
    assert!(ended.summary.is_some_and(|summary| summary.contains("bob has rejected plan")));
    let of_ann = |_: &_| replies(&world).into_iter().find(|reply| reply.body.contains("was not deployed to **production**"));
    has(&world.until("the reply to who asked", of_ann).await.body, &["bob has rejected plan", "approval_rejected"]);
    has(&answer(&world, number, "ann2", "/approve").await, &["nothing_to_approve"]);
    world.github.set_clock_offset(0);
    let row = world.audit().await.into_iter().find(|row| row.action == "approve").unwrap();
    assert_eq!(
        (row.door.as_str(), row.actor.login.as_str(), row.decision.as_str()),
        ("comment", "ann2", "refused:nothing_to_approve")
    );
    assert_eq!(world.shop.deployments().len(), 0);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_belongs_to_others_must_be_named() {
    let (world, number, head) = asked("{ count = 1 }").await;
    let run = world.runs("deploy").await.remove(0).id;
    // Another head: what waits is not what somebody sees there.
    let next = world.shop.commit("topic", lockkeeper::sandbox::CommitSeed::new("feat: even more")).unwrap();
    world.green(&next);
    while world.runs("preview").await.iter().all(|run| run.subject.sha.as_ref() != Some(&next)) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for command in ["/approve", "/approve production"] {
        has(&answer(&world, number, "bob", command).await, &["which_deployment", run.as_str(), head.short()]);
    }
    assert_eq!(world.shop.deployments().len(), 0);
    has(&answer(&world, number, "bob", &format!("/approve {run}")).await, &["👍"]);
    brought_up(&world, &head).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_was_asked_for_on_a_pull_request_is_agreed_to_there() {
    let world = World::with(&places("{ count = 1 }")).await;
    let number = pull(&world).await;
    world.shop.set_role("bob", Role::Write);
    let main = world.shop.resolve("main").unwrap();
    world.green(&main);
    says(&world, number, "ann", &format!("/deploy production {main}"));
    let waits = |_: &_| replies(&world).into_iter().find(|reply| reply.body.contains("waits to go to **production**"));
    let waits = world.until("the answer", waits).await;
    // What changes nothing in it is no edit.
    let seen = |what: &str| world.github.log().iter().filter(|entry| entry.route.contains(what)).count();
    let (edits, looks) = (seen("PATCH"), seen("Recheck"));
    world.jump(Duration::from_secs(2 * 3600));
    world.until("another look", |_| (seen("Recheck") > looks).then_some(())).await;
    has(&answer(&world, number, "bob", "/lock staging --reason x").await, &["closed"]);
    assert_eq!(seen("PATCH"), edits, "{}", waits.body);
    has(&answer(&world, number, "bob", "/approve production").await, &["👍"]);
    brought_up(&world, &main).await;
    world.finish().await;
}

/// By GitHub's clock the comment was there first, whatever a delivery that comes late makes of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_agrees_to_what_was_not_there_yet() {
    let world = World::with(&places("{ count = 1 }")).await;
    let number = pull(&world).await;
    world.shop.set_role("bob", Role::Write);
    world.jump(Duration::from_secs(300));
    says(&world, number, "ann", &format!("/deploy production @{}", world.shop.resolve("topic").unwrap()));
    let head = world.shop.resolve("topic").unwrap();
    world.check(&head, PRODUCTION, "action_required").await;
    has(&answer(&world, number, "bob", "/approve").await, &["nothing_to_approve"]);
    let run = world.runs("deploy").await.remove(0).id;
    has(&answer(&world, number, "bob", &format!("/approve {run}")).await, &["plan_stale"]);
    has(&answer(&world, number, "bob", &format!("/abort {run}")).await, &["⏹️"]);
    world.check(&head, PRODUCTION, "cancelled").await;
    world.finish().await;
}

/// A person or a team that the configuration names need not be able to write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_the_configuration_names_may_agree_with_read_alone() {
    for approvals in ["{ users = [\"eve\"] }", "{ teams = [\"sre\"] }"] {
        let (mut world, number, head) = asked(approvals).await;
        world.github.team("acme", "sre", &["eve"]);
        world.expect_refusal("memberships");
        has(&answer(&world, number, "bob", "/approve").await, &["not_allowed"]);
        has(&answer(&world, number, "eve", "/approve").await, &["👍"]);
        brought_up(&world, &head).await;
        world.finish().await;
    }
}
