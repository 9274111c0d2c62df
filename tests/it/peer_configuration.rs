//! Configuration that a peer supplies: part of what is planned, looked at again when it is the run's turn, given to the target.

use crate::approvals::{identifier, press};
use crate::peer::{Answer, Peer};
use crate::world::{Setup, World};
use lockkeeper::domain::{Role, Sha};
use lockkeeper::sandbox::{Deployment, DeploymentReport};
use serde_json::{Value, json};

const PRODUCTION: &str = "lockkeeper/production";

async fn shop(peer: &Peer) -> World {
    shop_with(peer, "").await
}

async fn shop_with(peer: &Peer, more: &str) -> World {
    let config = "[release]\ngates = [{ kind = \"tag\" }]\n\n[environments.production]\non = [\"tag\"]\ntarget = \"cluster\"\n\
                  gates = []\nMORE\nconfiguration = { peer = \"configuration\", tool = \"scan\", \
                  arguments = { name = \"{{ environment }}\", of = \"{{ repository }}\" } }\n\n\
                  [targets.cluster]\nkind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n";
    let mut setup = Setup::new().config(&config.replace("MORE", more));
    setup.resources.peers.insert("configuration".into(), peer.settings().await);
    setup.start().await
}

fn supplied(replicas: u32) -> Value {
    json!({ "values": { "replicas": replicas, "log": "info" }, "secrets": { "db": "vault:shop/db" } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_goes_to_the_target_and_is_asked_for_twice() {
    let peer = Peer::start(Answer::Structured(supplied(3))).await;
    let world = shop(&peer).await;
    world.shop.tag("v1.1.0", &world.head()).unwrap();
    let made = world.deployment("production", "in_progress").await;
    let given = made.payload["configuration"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(given).unwrap(), supplied(3));
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    world.check(&world.head(), PRODUCTION, "success").await;
    let asked = json!({ "name": "production", "of": "acme/shop" });
    assert_eq!(peer.calls(), [asked.clone(), asked]);
    world.finish().await;
}

/// Live in production, to its end.
async fn live(world: &World, tag: &str, sha: &Sha) {
    world.shop.tag(tag, sha).unwrap();
    reported(world, sha, "deploy").await;
    world.check(sha, PRODUCTION, "success").await;
    world.quiet().await;
}

async fn reported(world: &World, sha: &Sha, task: &str) -> Value {
    let going = |d: &Deployment| d.sha == *sha && d.task == task && d.state() == "in_progress";
    let made = world.until("its deployment", |shop| shop.deployments().into_iter().find(going)).await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    serde_json::from_str(made.payload["configuration"].as_str().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_agree_to_the_plan_with_what_was_supplied() {
    let peer = Peer::start(Answer::Structured(supplied(3))).await;
    let world = shop_with(&peer, "approvals = { count = 1 }").await;
    world.shop.set_role("ann", Role::Write);
    world.shop.tag("v1.1.0", &world.head()).unwrap();
    let check = world.check(&world.head(), PRODUCTION, "action_required").await;
    assert_eq!(press(&world, &check, &identifier(&check, "approve"), "ann").await, None);
    assert_eq!(reported(&world, &world.head(), "deploy").await, supplied(3));
    world.check(&world.head(), PRODUCTION, "success").await;
    let next = world.commit("feat: more");
    world.shop.tag("v1.2.0", &next).unwrap();
    let check = world.check(&next, PRODUCTION, "action_required").await;
    assert_eq!(press(&world, &check, &identifier(&check, "reject"), "ann").await, None);
    world.refused(&next, PRODUCTION, "failure", "approval_rejected").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_back_goes_by_what_was_supplied_last_where_nobody_answers() {
    let peer = Peer::start(Answer::Structured(supplied(3))).await;
    let world = shop(&peer).await;
    let first = world.head();
    live(&world, "v1.1.0", &first).await;
    peer.now_says(Answer::Structured(supplied(5)));
    live(&world, "v1.2.0", &world.commit("feat: more")).await;
    peer.now_says(Answer::Status(500));
    let asks = ["rollback", "production", "--repo", "acme/shop", "--reason", "slow"];
    let ((code, said, problem), given) = tokio::join!(world.command_told(&asks), reported(&world, &first, "rollback"));
    assert_eq!((code, given), (0, supplied(5)), "{said}{problem}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drift_between_plan_and_turn_is_named_without_its_values() {
    let peer = Peer::start(Answer::Changes(supplied(3), supplied(47))).await;
    let world = shop(&peer).await;
    world.shop.tag("v1.1.0", &world.head()).unwrap();
    let summary = world.refused(&world.head(), PRODUCTION, "failure", "plan_stale").await.summary.unwrap_or_default();
    assert!(summary.contains("values.replicas") && !summary.contains("values.log") && !summary.contains("47"), "{summary}");
    assert!(world.shop.deployments().is_empty());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_table_or_too_large_is_not_used() {
    let wide: Value = (0..300).map(|n| (format!("k{n}"), json!(n))).collect::<serde_json::Map<_, _>>().into();
    for answer in [json!([1]), json!({ "big": "x".repeat(40 << 10) }), wide] {
        let peer = Peer::start(Answer::Structured(answer)).await;
        let world = shop(&peer).await;
        world.shop.tag("v1.1.0", &world.head()).unwrap();
        world.refused(&world.head(), PRODUCTION, "failure", "configuration_unusable").await;
        assert!(world.shop.deployments().is_empty());
        world.finish().await;
    }
}
