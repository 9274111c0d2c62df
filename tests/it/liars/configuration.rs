//! The configuration changes under a deployment that waits, or says what cannot be.

use super::scene::{STAGING, config, ends, is_untouched, left};
use crate::world::World;
use lockkeeper::config::repo::CONFIG_PATH;
use lockkeeper::domain::Sha;
use lockkeeper::sandbox::{CommitSeed, Deployment, DeploymentReport};

const TARGET: &str = "kind = \"deployment\"\nreporters = [\"deployer[bot]\"]";

async fn begun(world: &World, sha: &Sha) -> Deployment {
    let going = |d: &Deployment| d.sha == *sha && d.state() == "in_progress";
    world.until("its deployment", |shop| shop.deployments().into_iter().find(going)).await
}

fn report(world: &World, made: &Deployment) {
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
}

/// The environment has another name, or is not there at all; nothing is deployed with merges any more.
async fn changed(world: &World, keys: &str, renamed: bool) {
    let other =
        config(keys, TARGET).replace("environments.staging", "environments.public").replace("[\"merge\"]", "[\"manual\"]");
    let before = world.runs("merge").await.len();
    let text = if renamed { other } else { String::new() };
    world.commit_with(CommitSeed::new("chore: configure").file(CONFIG_PATH, &text));
    let begun = std::time::Instant::now();
    while world.runs("merge").await.iter().filter(|run| run.outcome.is_some()).count() <= before {
        assert!(begun.elapsed().as_secs() < 30, "{}", world.scene().await);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// It would go where nothing is to go any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_environment_vanishes_while_a_deployment_waits_at_its_gates() {
    for renamed in [true, false] {
        let gates = "gates = [{ kind = \"checks\", names = [\"slow\"] }]";
        let world = World::with(&config(gates, TARGET)).await;
        let sha = world.commit("feat: one");
        world.waiting(&sha, STAGING).await;
        changed(&world, gates, renamed).await;
        world.shop.check("github-actions", &sha, "slow", "success").unwrap();
        ends(&world, &sha, ("rejected", "environment_gone")).await;
        assert_eq!(left(&world).await, (None, Vec::new()));
        assert!(world.shop.deployments().is_empty(), "whoever acts on a deployment would have acted");
        world.finish().await;
    }
}

/// The one that has its turn goes to its end; the one behind it does not begin.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_environment_vanishes_while_a_deployment_waits_for_its_turn() {
    for renamed in [true, false] {
        let world = World::with(&config("", TARGET)).await;
        let first = world.commit("feat: one");
        let made = begun(&world, &first).await;
        let second = world.commit("feat: two");
        world.waiting(&second, STAGING).await;
        changed(&world, "", renamed).await;
        report(&world, &made);
        ends(&world, &second, ("rejected", "environment_gone")).await;
        world.check(&first, STAGING, "success").await;
        is_untouched(&world, &first).await;
        assert_eq!(world.shop.deployments().len(), 1);
        world.finish().await;
    }
}

/// A change of the file that leaves the environment there stops nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_environment_that_stays_is_deployed_to_after_the_wait() {
    let gates = "gates = [{ kind = \"checks\", names = [\"slow\"] }]";
    let world = World::with(&config(gates, TARGET)).await;
    let sha = world.commit("feat: one");
    world.waiting(&sha, STAGING).await;
    let other = config(gates, TARGET).replace("[\"merge\"]", "[\"manual\"]") + "\n[environments.public]\ntarget = \"t\"\n";
    world.commit_with(CommitSeed::new("chore: configure").file(CONFIG_PATH, &other));
    world.shop.check("github-actions", &sha, "slow", "success").unwrap();
    report(&world, &begun(&world, &sha).await);
    world.check(&sha, STAGING, "success").await;
    world.quiet().await;
    is_untouched(&world, &sha).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weights_that_cannot_be_move_nobody() {
    let world = World::with(&config("", TARGET)).await;
    for (weights, says) in [
        ("0", "from 1 to 100"),
        ("101", "from 1 to 100"),
        ("-5", "from 1 to 100"),
        ("50, 10", "must grow"),
        ("10, 10", "must grow"),
        ("60, 60, 80", "must grow"),
        ("10.5", "a whole number"),
        ("", "at least"),
    ] {
        let steps = weights.split(", ").filter(|weight| !weight.is_empty()).map(|weight| format!("{{ weight = {weight} }}"));
        let strategy = format!("strategy = {{ kind = \"gradual\", steps = [{}] }}", steps.collect::<Vec<_>>().join(", "));
        let sha = world.commit_with(CommitSeed::new("chore: weigh").file(CONFIG_PATH, &config(&strategy, TARGET)));
        world.quiet().await;
        let (code, _, problem) = world.command_told(&["deploy", "staging", "--repo", "acme/shop"]).await;
        assert!(code == 2 && problem.contains("config_invalid") && problem.contains(says), "{weights}: {code} {problem}");
        assert!(world.our_checks(&sha, STAGING).is_empty() && world.shop.deployments().is_empty(), "{weights}");
    }
    world.finish().await;
}
