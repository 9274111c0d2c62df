//! GitHub is away while users are on their way: they do not wait for it, and it is told everything afterwards, once.

use super::hook::world;
use super::scene::{STAGING, config, ended};
use crate::deployer::{Asked, Deployer};
use crate::world::World;
use lockkeeper::domain::Sha;
use lockkeeper::sandbox::{Fault, Trouble};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const GRADUAL: &str =
    "strategy = { kind = \"gradual\", steps = [{ weight = 10, bake = \"1s\" }, { weight = 50, bake = \"1s\" }] }";
const HOOK: &str = "kind = \"http\"\nhook = \"deployer\"\ninterval = \"1s\"\ntimeout = \"1m\"";
/// Longer than the world can need without GitHub, and far shorter than GitHub is waited for.
const SOON: Duration = Duration::from_secs(40);

/// Whatever shows how far it is is not taken any more.
fn leaves(world: &World, trouble: &Trouble) {
    for (method, path) in [("*", "/check-runs"), ("POST", "/deployments$"), ("POST", "/statuses$")] {
        world.github.fault(Fault::on(method, path, trouble.clone()).always());
    }
}

fn done(asked: &Asked) -> Option<(u16, Value)> {
    Some((200, json!({ "status": "done", "sha": asked.body["sha"] })))
}

async fn good(world: &World, deployer: &Deployer) -> Sha {
    deployer.obeys();
    let sha = world.commit("feat: one");
    world.check(&sha, STAGING, "success").await;
    world.quiet().await;
    sha
}

fn troubles() -> [Trouble; 2] {
    let down = Trouble::Status { status: 503, headers: Vec::new(), message: "Service Unavailable".into() };
    [Trouble::Hang, down]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_given_back_while_github_is_away() {
    for trouble in troubles() {
        println!("{trouble:?}");
        let deployer = Deployer::start().await;
        let world = world(&deployer, &config(GRADUAL, HOOK)).await;
        good(&world, &deployer).await;
        deployer.answers(|asked| match asked.body["weight"] == 50 {
            true => Some((200, json!({ "status": "failed", "message": "no room" }))),
            false => done(asked),
        });
        let sha = world.commit("feat: two");
        deployer.until(|asked| asked.body["sha"] == sha.as_str()).await;
        leaves(&world, &trouble);
        deployer.until(|asked| asked.body["weight"] == 50).await;
        let begun = Instant::now();
        deployer.until(|asked| asked.body["step"] == "back.back.shift.errand").await;
        assert!(begun.elapsed() < Duration::from_secs(3), "users waited for GitHub: {:?}", begun.elapsed());
        world.github.clear_faults();
        let ended = ended(&world, &sha).await;
        assert_eq!((ended.state.as_str(), ended.code.as_str()), ("rolled_back", "traffic_not_moved"));
        let checks = world.our_checks(&sha, STAGING);
        assert_eq!(checks.len(), 1, "{checks:?}");
        world.finish().await;
    }
}

/// In place the version before has to be brought up again; that is shown as a deployment of its own, once GitHub is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_back_begins_while_github_is_away() {
    for trouble in troubles() {
        println!("{trouble:?}");
        let deployer = Deployer::start().await;
        let world = world(&deployer, &config("", HOOK)).await;
        let good = good(&world, &deployer).await;
        let was = good.to_string();
        deployer.answers(move |asked| match asked.body["sha"] == was.as_str() {
            true => done(asked),
            false => Some((202, json!({ "status": "working" }))),
        });
        let sha = world.commit("feat: two");
        deployer.until(|asked| asked.body["sha"] == sha.as_str()).await;
        // Made, and nobody hears of it.
        world.github.fault(Fault::on("POST", "/deployments$", Trouble::Hang).after());
        leaves(&world, &trouble);
        let was = good.to_string();
        deployer.answers(move |asked| match asked.body["sha"] == was.as_str() {
            true => done(asked),
            false => Some((200, json!({ "status": "failed", "message": "no room" }))),
        });
        let begun = Instant::now();
        deployer.until(|asked| asked.body["step"] == "back.errand").await;
        assert!(begun.elapsed() < SOON, "the way back waited for GitHub: {:?}", begun.elapsed());
        world.github.clear_faults();
        let ended = ended(&world, &sha).await;
        assert_eq!((ended.state.as_str(), ended.code.as_str()), ("rolled_back", "target_failed"));
        let back: Vec<_> = world.shop.deployments().into_iter().filter(|made| made.task == "rollback").collect();
        assert_eq!(back.len(), 1, "{back:?}");
        assert_eq!((back[0].sha.as_str(), back[0].state()), (good.as_str(), "success"));
        world.finish().await;
    }
}
