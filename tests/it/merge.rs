//! Merges to the default branch, and what open pull requests are told.

use crate::world::{RELEASE, World};
use lockkeeper::sandbox::{CommitSeed, DeploymentReport, Merge, PullSeed};

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
