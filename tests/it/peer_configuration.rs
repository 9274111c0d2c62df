//! Configuration that a peer supplies: part of what is planned, looked at again when it is the run's turn, given to the target.

use crate::peer::{Answer, Peer};
use crate::world::{Setup, World};
use lockkeeper::sandbox::DeploymentReport;
use serde_json::{Value, json};

const PRODUCTION: &str = "lockkeeper/production";

async fn shop(peer: &Peer) -> World {
    let config = "[release]\ngates = [{ kind = \"tag\" }]\n\n[environments.production]\non = [\"tag\"]\ntarget = \"cluster\"\n\
                  gates = []\nconfiguration = { peer = \"configuration\", tool = \"scan\", \
                  arguments = { name = \"{{ environment }}\", of = \"{{ repository }}\" } }\n\n\
                  [targets.cluster]\nkind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n";
    let mut setup = Setup::new().config(config);
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
