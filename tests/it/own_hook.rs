//! A repository's own deployer, by its `url`: its secret, its callbacks, and the addresses that it may not have.

use crate::deployer::{Deployer, HOOK_SECRET, report, sent, signed};
use crate::world::{Setup, World};
use serde_json::Value;

const STAGING: &str = "lockkeeper/staging";

fn config(url: &str) -> String {
    format!(
        "[environments.staging]\non = [\"merge\"]\ntarget = \"cluster\"\n\n[targets.cluster]\nkind = \"http\"\nurl = \
         \"{url}\"\ninterval = \"1h\"\n"
    )
}

async fn secret(world: &World) -> String {
    let (code, said, warned) = world.command_told(&["hook-secret", "--repo", "acme/shop", "--environment", "staging"]).await;
    assert!(code == 0 && warned.contains("is a secret") && !warned.contains(said.trim()), "{code} {warned}");
    said.trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_s_own_deployer_is_asked_with_its_own_secret() {
    let deployer = Deployer::start().await;
    let url = format!("{}/{{{{ environment }}}}", deployer.url);
    let mut world = Setup::new().config(&config(&url)).allow("127.0.0.1").start().await;
    let secret = secret(&world).await;
    assert_eq!(secret.len(), 64);
    let sha = world.commit("feat: one");
    let errand = deployer.errand("bring_up").await;
    assert_eq!(errand.line, "POST /staging");
    assert!(errand.is_signed(&secret) && !errand.is_signed(HOOK_SECRET));
    let run = errand.body["run"].as_str().unwrap();
    let at = world.server().address.to_string();
    assert_eq!(sent(&at, run, signed(&report(&errand, "done"), HOOK_SECRET)).await.0, 401);
    assert_eq!(sent(&at, run, signed(&report(&errand, "done"), &secret)).await.0, 202);
    let check = world.check(&sha, STAGING, "success").await;
    let shown = format!("{:?} {}", check, world.scene().await);
    assert!(!shown.contains(&secret), "the secret is shown");
    // It is the same after a restart, and nobody else's.
    world.quiet().await;
    let (code, _, problem) = world.command_told(&["hook-secret", "--repo", "acme/other", "--environment", "staging"]).await;
    assert!(code == 2 && problem.contains("repo_unknown"), "{code} {problem}");
    world.stop().await;
    let (code, _, problem) = world.command_told(&["hook-secret", "--repo", "acme/shop", "--environment", "staging"]).await;
    assert!(code == 2 && problem.contains("server_not_running"), "{code} {problem}");
    let stored = std::fs::read(world.data_dir().join("lockkeeper.db")).unwrap();
    assert!(!stored.windows(secret.len()).any(|window| window == secret.as_bytes()), "the secret is stored");
    world.boot().await;
    assert_eq!(self::secret(&world).await, secret);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_s_own_deployer_has_no_private_address() {
    let deployer = Deployer::start().await;
    let world = Setup::new().config(&config(&deployer.url)).start().await;
    let sha = world.commit("feat: one");
    let check = world.refused(&sha, STAGING, "failure", "address_not_allowed").await;
    assert!(check.summary.is_some_and(|text| text.contains("a repository may not reach")));
    assert!(deployer.asked().is_empty(), "{:?}", deployer.asked());
    let (_, status) = world.command(&["status", "--format", "json"]).await;
    let status: Value = serde_json::from_str(&status).unwrap();
    assert!(status["repositories"][0]["active"].as_array().unwrap().is_empty(), "{status}");
    world.finish().await;
}
