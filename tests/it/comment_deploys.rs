//! `/deploy` and `/rollback` in comments: exactly what was seen is deployed, or somebody is asked.

use crate::comment_acts::{PLACES, answer, has};
use crate::comments::{pull, reactions, replies, says};
use crate::world::{Setup, World};
use lockkeeper::domain::{Role, Sha};
use lockkeeper::sandbox::{CommitSeed, DeploymentReport, Fault, PullSeed, Trouble};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const STAGING: &str = "lockkeeper/staging";
const PERMISSION: &str = "GET /repos/{owner}/{repo}/collaborators/{user}/permission";
const ACTIVITY: &str = "GET /repos/{owner}/{repo}/activity";

fn topic(world: &World) -> Sha {
    world.shop.resolve("topic").unwrap()
}

/// From here on GitHub's clock is so far ahead that everything before was there long before what is said now.
fn later(world: &World) {
    world.github.set_clock_offset(600_000);
}

async fn a_second_begins() {
    let into = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_millis();
    while into() > 300 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn brought_up(world: &World, environment: &str, sha: &Sha) {
    let going =
        |d: &lockkeeper::sandbox::Deployment| d.environment == environment && d.sha == *sha && d.state() == "in_progress";
    let made = world.until("its deployment", |shop| shop.deployments().into_iter().find(going)).await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    world.check(sha, &format!("lockkeeper/{environment}"), "success").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_head_that_was_seen_is_deployed_within_twelve_calls() {
    let world = Setup::new().config(PLACES).tune(|tuning| tuning.edits = Duration::from_secs(60)).start().await;
    let before = world.commit("feat: before");
    brought_up(&world, "staging", &before).await;
    let pull = pull(&world).await;
    later(&world);
    let head = topic(&world);
    world.github.clear_log();
    let asked = says(&world, pull, "ann", "/deploy staging");
    brought_up(&world, "staging", &head).await;
    world.quiet().await;
    assert_eq!(reactions(&world, asked), ["eyes", "rocket"]);
    assert_eq!(replies(&world).len(), 1);
    let counts = world.github.counts();
    let counted = counts.iter().filter(|(route, _)| !route.ends_with("/access_tokens"));
    let routes: Vec<String> = counted.clone().map(|(route, count)| format!("{count} {route}")).collect();
    insta::assert_snapshot!(routes.join("\n"));
    let total: u64 = counted.map(|(_, count)| *count).sum();
    assert!(total <= 12, "{total}: {routes:#?}");
    world.finish().await;
}

/// The clocks may differ by what lies between the push and the comment, so GitHub is asked; a command of the operator's deploys.
/// Who has been merged into the head need not be asked: what was read of it says that nobody was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_github_is_asked_about_is_deployed_within_twelve_calls() {
    let config = "[environments.staging]\ntarget = \"shell\"\n\n[targets.shell]\nkind = \"command\"\ncommand = \"deploy\"\n";
    let mut setup = Setup::new().config(config).tune(|tuning| tuning.edits = Duration::from_secs(60));
    setup.resources.commands.insert("deploy".into(), crate::command::settings(&["/bin/true"]));
    let world = setup.start().await;
    let before = world.head();
    let ask = ["deploy", "staging", "--repo", "acme/shop", "--ref", before.as_str()];
    assert_eq!(world.command(&ask).await.0, 0);
    let pull = pull(&world).await;
    world.github.set_clock_offset(30_000);
    world.github.clear_log();
    let asked = says(&world, pull, "ann", "/deploy staging");
    world.check(&topic(&world), STAGING, "success").await;
    world.quiet().await;
    assert_eq!(reactions(&world, asked), ["eyes", "rocket"]);
    let counts = world.github.counts();
    let counted = counts.iter().filter(|(route, _)| !route.ends_with("/access_tokens"));
    let routes: Vec<String> = counted.clone().map(|(route, count)| format!("{count} {route}")).collect();
    insta::assert_snapshot!(routes.join("\n"));
    let total: u64 = counted.map(|(_, count)| *count).sum();
    assert!(total <= 12 && world.count(ACTIVITY) == 1, "{total}: {routes:#?}");
    world.finish().await;
}

/// By role, with a reason, and for this plan only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_maintainer_opens_a_closed_window_and_says_why() {
    let closed = "[environments.staging]\ntarget = \"cluster\"\nwindows = [{ deny = \"Mon 00:00 - Sun 23:59\" }]\n\n\
                  [targets.cluster]\nkind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n";
    let mut world = World::with(closed).await;
    let pull = pull(&world).await;
    world.shop.set_role("bob", Role::Write);
    world.shop.set_role("ann", Role::Maintain);
    let head = topic(&world);
    let ask = format!("/deploy staging @{} --override window --reason fire", &head.as_str()[..12]);
    has(&answer(&world, pull, "bob", &ask).await, &["override_not_allowed"]);
    assert_eq!(world.shop.deployments().len(), 0);
    says(&world, pull, "ann", &ask);
    brought_up(&world, "staging", &head).await;
    world.quiet().await;
    let check = world.check(&head, STAGING, "success").await;
    let summary = check.summary.unwrap_or_default();
    assert!(summary.contains("ann (maintain) overrode the window"), "{summary}");
    world.github.set_clock_offset(0);
    let rows = world.audit().await;
    let row = rows.iter().find(|row| row.action == "override").expect("it is on record");
    assert_eq!((row.actor.login.as_str(), row.detail["role"].as_str()), ("ann", Some("maintain")));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_came_with_the_comment_must_be_named() {
    let world = World::with(PLACES).await;
    let pull = pull(&world).await;
    // In the same second, with a date of its own from years ago.
    a_second_begins().await;
    let pushed = world.shop.commit("topic", CommitSeed::new("feat: sneak in").date(1_000_000_000)).unwrap();
    let reply = answer(&world, pull, "ann", "/deploy staging --wait").await;
    world.green(&pushed);
    let name = &pushed.as_str()[..12];
    has(&reply, &["head_moved", &format!("`/deploy staging @{name} --wait`")]);
    assert_eq!(world.shop.deployments().len(), 0);
    let confirmed = says(&world, pull, "ann", &format!("/deploy staging @{name} --wait"));
    brought_up(&world, "staging", &pushed).await;
    world.until("its reactions", |_| (reactions(&world, confirmed) == ["eyes", "rocket"]).then_some(())).await;
    has(&answer(&world, pull, "ann", "/deploy staging @0123456789ab").await, &["not_the_head"]);
    has(&answer(&world, pull, "ann", "/deploy stagin").await, &["unknown_environment", "staging, production"]);
    has(
        &answer(&world, pull, "ann", &format!("/deploy staging @{name} --strategy blue_green")).await,
        &["strategy_not_possible"],
    );
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_head_came_is_asked_of_github_and_else_of_our_own_record() {
    let mut world = World::with(PLACES).await;
    let number = pull(&world).await;
    let head = topic(&world);
    // Two minutes may be what the clocks differ by: GitHub knows better.
    world.github.set_clock_offset(30_000);
    let asked = world.count(ACTIVITY);
    says(&world, number, "ann", "/deploy staging");
    brought_up(&world, "staging", &head).await;
    assert_eq!(world.count(ACTIVITY), asked + 1);
    // It does not know: what we have heard of it counts.
    world.expect_refusal("/activity");
    world.github.fault(Fault::status("GET", "/activity", 404));
    says(&world, number, "ann", "/deploy production");
    brought_up(&world, "production", &head).await;
    // A server that has no such call.
    world.github.fault(Fault::status("GET", "/activity", 501));
    says(&world, number, "ann", "/deploy staging");
    brought_up(&world, "staging", &head).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_from_a_fork_or_is_closed_is_not_deployed() {
    let world = World::with(PLACES).await;
    world.shop.set_role("ann", Role::Admin);
    for (branch, fork) in [("one", "eve/shop"), ("two", "")] {
        world.shop.branch(branch, &world.head()).unwrap();
        world.shop.commit(branch, CommitSeed::new("feat: from outside")).unwrap();
        let number = world.shop.open_pull(PullSeed::new("feat: from outside", branch).from_fork(fork)).unwrap();
        has(&answer(&world, number, "ann", "/deploy staging").await, &["<sub>fork</sub>"]);
    }
    let own = pull(&world).await;
    let sha = topic(&world);
    // Whose commit it is, nobody can say by its name alone.
    has(&answer(&world, own, "ann", &format!("/deploy staging {sha}")).await, &["commit_elsewhere", "`@`"]);
    has(&answer(&world, own, "rex", "/deploy staging").await, &["not_allowed"]);
    world.shop.close_pull(own, "ann").unwrap();
    has(&answer(&world, own, "ann", "/deploy staging").await, &["pull_request_closed"]);
    assert_eq!(world.shop.deployments().len(), 0);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_versions_are_named_and_a_bad_one_is_taken_back() {
    let world = World::with(PLACES).await;
    let number = pull(&world).await;
    later(&world);
    let (old, new) = (world.shop.resolve("v1.0.0").unwrap(), world.head());
    world.green(&old);
    let planned = answer(&world, number, "ann", "/deploy production v1.0.0 --dry-run").await;
    has(&planned, &["What would happen to v1.0.0 to **production**; nothing was changed", "| **checks** |"]);
    let planned = answer(&world, number, "ann", "/deploy production --dry-run").await;
    has(&planned, &[topic(&world).short(), "nothing was changed"]);
    assert_eq!(world.shop.deployments().len(), 0);
    says(&world, number, "ann", "/deploy production v1.0.0");
    brought_up(&world, "production", &old).await;
    says(&world, number, "ann", &format!("/deploy production {new}"));
    brought_up(&world, "production", &new).await;
    says(&world, number, "ann", "/deploy staging --from production");
    brought_up(&world, "staging", &new).await;
    has(&answer(&world, number, "ann", "/rollback production").await, &["--reason", "command_misused"]);
    says(&world, number, "ann", "/rollback production --reason \"it is slow\"");
    let back = |d: &lockkeeper::sandbox::Deployment| d.task == "rollback" && d.sha == old && d.state() == "in_progress";
    let made = world.until("the way back", |shop| shop.deployments().into_iter().find(back)).await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    world.deployment("production", "success").await;
    world.finish().await;
}

/// Our own clock may go after GitHub's: what came with the comment looks older than it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_we_have_heard_of_is_timed_by_githubs_clock() {
    let mut world = World::with(PLACES).await;
    let number = pull(&world).await;
    later(&world);
    // GitHub's answers tell that its clock is ahead by ten minutes.
    has(&answer(&world, number, "ann", "/status").await, &["Nothing"]);
    world.expect_refusal("/activity");
    world.github.fault(Fault::status("GET", "/activity", 404).always());
    let pushed = world.shop.commit("topic", CommitSeed::new("feat: sneak in")).unwrap();
    while world.runs("preview").await.iter().all(|run| run.subject.sha.as_ref() != Some(&pushed)) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    has(&answer(&world, number, "ann", "/deploy staging").await, &["head_moved"]);
    assert_eq!(world.shop.deployments().len(), 0);
    world.finish().await;
}

/// The role is as old as GitHub's answer, not as the run that came of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_was_read_long_before_the_run_began_is_read_again() {
    let world = World::with(PLACES).await;
    let number = pull(&world).await;
    let old = world.shop.resolve("v1.0.0").unwrap();
    world.green(&old);
    world.quiet().await;
    world.github.fault(Fault::on("POST", "/graphql ReleaseFacts", Trouble::Delay(Duration::from_secs(2))));
    let asked = world.count(PERMISSION);
    says(&world, number, "ann", "/deploy staging v1.0.0");
    world.requests(PERMISSION, asked + 1).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.shop.set_role("ann", Role::Read);
    world.jump(Duration::from_secs(600));
    world.refused(&old, STAGING, "failure", "not_allowed").await;
    world.finish().await;
}

/// What somebody may do is looked at again when it is their turn, if they had to wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lost_their_role_while_it_waited_deploys_nothing() {
    let world = World::with(PLACES).await;
    let number = pull(&world).await;
    later(&world);
    let before = world.commit("feat: before");
    let first = world.deployment("staging", "in_progress").await;
    says(&world, number, "ann", "/deploy staging");
    world.until("the reply", |_| replies(&world).into_iter().next()).await;
    world.shop.set_role("ann", Role::Read);
    world.jump(Duration::from_secs(600));
    world.shop.report_deployment(first.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    world.check(&before, STAGING, "success").await;
    world.refused(&topic(&world), STAGING, "failure", "not_allowed").await;
    world.finish().await;
}
