//! Merges to the default branch, and what open pull requests are told.

use crate::comments::{pull, says};
use crate::world::{RELEASE, World};
use lockkeeper::domain::Sha;
use lockkeeper::sandbox::{CommitSeed, Deployment, DeploymentReport, Merge, PullSeed, RefPush};

const STAGING: &str = "lockkeeper/staging";

const CONFIG: &str = "[environments.staging]\non = [\"merge\"]\ntarget = \"cluster\"\n\n[targets.cluster]\nkind = \
                      \"deployment\"\nreporters = [\"deployer[bot]\"]\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merged_pull_request_is_deployed() {
    let world = World::with(CONFIG).await;
    world.shop.branch("more", &world.head()).unwrap();
    world.shop.commit("more", CommitSeed::new("feat: sell more")).unwrap();
    let pull = world.shop.open_pull(PullSeed::new("feat: sell more", "more")).unwrap();
    let merged = world.shop.merge_pull(pull, Merge::Squash, "ann").unwrap();
    world.green(&merged);
    let made = world.deployment("staging", "in_progress").await;
    assert_eq!((&made.sha, made.production), (&merged, false));
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    let check = world.check(&merged, "lockkeeper/staging", "success").await;
    assert_eq!(check.title.as_deref(), Some("the merge is live in staging"));
    world.quiet().await;
    assert_eq!(world.shop.deployments().len(), 1, "push and pull request are one merge");
    assert_eq!(world.runs("merge").await.len(), 1);
    world.finish().await;
}

async fn brought_up(world: &World, sha: &Sha) {
    let going = |made: &Deployment| made.sha == *sha && made.state() == "in_progress";
    let made = world.until("its deployment", |shop| shop.deployments().into_iter().find(going)).await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    world.check(sha, STAGING, "success").await;
}

/// A pull request whose head people have tried in staging.
async fn tried(world: &World) -> u64 {
    let number = pull(world).await;
    let head = world.shop.resolve("topic").unwrap();
    says(world, number, "ann", &format!("/deploy staging @{}", &head.as_str()[..12]));
    brought_up(world, &head).await;
    world.quiet().await;
    number
}

fn squash(world: &World, number: u64) -> Sha {
    let merged = world.shop.merge_pull(number, Merge::Squash, "ann").unwrap();
    world.green(&merged);
    merged
}

/// How often GitHub was asked what a head was merged by.
fn asked(world: &World) -> usize {
    world.github.log().iter().filter(|entry| entry.route.ends_with("MergesOfHead")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_squash_of_what_was_tried_is_deployed() {
    let world = World::with(CONFIG).await;
    let number = tried(&world).await;
    let merged = squash(&world, number);
    brought_up(&world, &merged).await;
    assert_eq!(asked(&world), 1);
    brought_up(&world, &world.commit("fix: sell less")).await;
    assert_eq!(asked(&world), 1, "what contains what is live asks nothing");
    world.finish().await;
}

/// The branch is pushed to, and then over, before it is merged; the merge itself is deployed with the commit after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_tried_may_have_been_an_earlier_head() {
    let world = World::with(CONFIG).await;
    let number = tried(&world).await;
    world.shop.commit("topic", CommitSeed::new("fix: sell less")).unwrap();
    world.shop.branch("again", &world.head()).unwrap();
    let again = world.shop.commit("again", CommitSeed::new("feat: sell something")).unwrap();
    world.shop.push("dev", vec![RefPush::branch("topic", &again)]).unwrap();
    world.quiet().await;
    let merged = world.shop.merge_pull(number, Merge::Squash, "ann").unwrap();
    world.waiting(&merged, STAGING).await;
    brought_up(&world, &world.commit("fix: sell it all")).await;
    world.green(&merged);
    world.quiet().await;
    assert_eq!(asked(&world), 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_squash_of_anything_else_waits_for_a_person() {
    let world = World::with(CONFIG).await;
    let number = tried(&world).await;
    world.shop.branch("other", &world.head()).unwrap();
    world.shop.commit("other", CommitSeed::new("feat: sell other things")).unwrap();
    let other = world.shop.open_pull(PullSeed::new("feat: sell other things", "other")).unwrap();
    world.refused(&squash(&world, other), STAGING, "failure", "diverged_from_live").await;
    // Anybody can push the same commit to a fork.
    let fork = world.shop.open_pull(PullSeed::new("feat: sell more", "topic").from_fork("eve/shop")).unwrap();
    world.refused(&squash(&world, fork), STAGING, "failure", "diverged_from_live").await;
    world.quiet().await;
    assert_eq!((world.shop.deployments().len(), asked(&world)), (1, 2));
    // The pull request itself brings what the others could not.
    brought_up(&world, &squash(&world, number)).await;
    world.finish().await;
}

/// A step back that a person has taken on purpose is for a person to take back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_puts_a_head_over_its_own_merge_is_not_overridden_by_the_next_merge() {
    let world = World::with(CONFIG).await;
    let number = tried(&world).await;
    let head = world.shop.resolve("topic").unwrap();
    brought_up(&world, &squash(&world, number)).await;
    brought_up(&world, &world.commit("feat: sell what is bad")).await;
    let again = world.shop.open_pull(PullSeed::new("feat: sell more", "topic")).unwrap();
    world.quiet().await;
    says(&world, again, "ann", &format!("/deploy staging @{}", &head.as_str()[..12]));
    brought_up(&world, &head).await;
    world.refused(&world.commit("docs: more"), STAGING, "failure", "diverged_from_live").await;
    world.finish().await;
}

/// What was bad as a head is bad as its squash, which has another name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_squash_of_what_was_rolled_back_is_held_until_it_is_reverted() {
    let world = World::with(CONFIG).await;
    let before = world.commit("fix: before");
    brought_up(&world, &before).await;
    let number = tried(&world).await;
    says(&world, number, "ann", "/rollback staging --reason slow");
    let back = |made: &Deployment| made.task == "rollback" && made.state() == "in_progress";
    let made = world.until("the way back", |shop| shop.deployments().into_iter().find(back)).await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    world.quiet().await;
    let merged = squash(&world, number);
    world.refused(&merged, STAGING, "failure", "held_after_rollback").await;
    let revert = format!("Revert \"feat: sell more\"\n\nThis reverts commit {merged}.");
    brought_up(&world, &world.commit(&revert)).await;
    brought_up(&world, &world.commit("fix: after")).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_to_another_branch_deploys_nothing() {
    let world = World::with(CONFIG).await;
    world.shop.branch("more", &world.head()).unwrap();
    let sha = world.shop.commit("more", CommitSeed::new("feat: sell more")).unwrap();
    world.green(&sha);
    world.quiet().await;
    assert!(world.shop.deployments().is_empty());
    assert!(world.runs("merge").await.is_empty());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_request_shows_the_next_version() {
    let world = World::start().await;
    world.shop.branch("more", &world.head()).unwrap();
    let head = world.shop.commit("more", CommitSeed::new("feat: sell more")).unwrap();
    world.shop.open_pull(PullSeed::new("feat: sell more", "more")).unwrap();
    let check = world.check(&head, RELEASE, "success").await;
    assert_eq!(check.title.as_deref(), Some("Next version: 1.1.0 (minor)"));
    assert!(check.summary.is_some_and(|text| text.contains("sell more") && text.contains("v1.0.0")));
    let next = world.shop.commit("more", CommitSeed::new("feat!: sell other things")).unwrap();
    let check = world.check(&next, RELEASE, "success").await;
    assert_eq!(check.title.as_deref(), Some("Next version: 2.0.0 (major)"));
    assert!(world.shop.check_runs().iter().all(|c| c.name != "lockkeeper/config"), "the configuration is not touched");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_request_that_breaks_the_configuration_is_told_where() {
    let world = World::with(CONFIG).await;
    world.shop.branch("break", &world.head()).unwrap();
    let broken = CONFIG.replace("reporters", "reportes").replace("\"merge\"", "\"merged\"");
    let seed = CommitSeed::new("ci: change").file(".github/lockkeeper.toml", &broken);
    let head = world.shop.commit("break", seed).unwrap();
    world.shop.open_pull(PullSeed::new("ci: change", "break")).unwrap();
    let check = world.check(&head, "lockkeeper/config", "failure").await;
    assert!(check.annotations.len() >= 2, "every problem at once: {:?}", check.annotations);
    let place = |a: &serde_json::Value| (a["start_line"].as_u64().unwrap(), a["start_column"].as_u64().unwrap());
    let places: Vec<_> = check.annotations.iter().map(place).collect();
    assert!(places.contains(&(2, 7)) && places.iter().any(|(line, _)| *line == 7), "{places:?}");
    assert!(check.annotations.iter().all(|a| a["path"] == ".github/lockkeeper.toml"));
    let mended = CommitSeed::new("ci: mend").file(".github/lockkeeper.toml", &CONFIG.replace("staging", "stage"));
    let head = world.shop.commit("break", mended).unwrap();
    world.check(&head, "lockkeeper/config", "success").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_configuration_pushed_to_the_default_branch_is_told_there() {
    let world = World::with(CONFIG).await;
    let broken = CONFIG.replace("reporters", "reportes");
    let sha = world.shop.commit("main", CommitSeed::new("ci: change").file(".github/lockkeeper.toml", &broken)).unwrap();
    let check = world.check(&sha, "lockkeeper/config", "failure").await;
    assert!(check.annotations.iter().any(|a| a["start_line"] == 7), "{:?}", check.annotations);
    assert!(world.shop.deployments().is_empty());
    world.finish().await;
}
