//! What `lockkeeper status` says while things go on.

use crate::world::World;
use lockkeeper::sandbox::{CommitSeed, DeploymentReport, RepoHandle};
use regex::Regex;
use serde_json::{Value, json};

const CONFIG: &str = "[environments.staging]\non = [\"merge\"]\ntarget = \"cluster\"\n\n[environments.production]\non = \
                      [\"merge\"]\ntarget = \"cluster\"\n\n[targets.cluster]\nkind = \
                      \"deployment\"\nreporters = [\"deployer[bot]\"]\n";

/// Without ids, commits and times; columns as wide as they come.
fn plain(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, word) in [
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "[run]"),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?Z| UTC)", "[time]"),
        (r"\b[0-9a-f]{7}\b", "[sha]"),
        (r"\d+ of \d+", "[n] of [n]"),
        (r"installation \d+", "installation [n]"),
        (r"  +", "  "),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, word).into_owned();
    }
    text
}

async fn staging(world: &World, sha: &lockkeeper::domain::Sha) {
    let going = |shop: &RepoHandle| {
        let mut all = shop.deployments().into_iter();
        all.find(|d| d.sha == *sha && d.environment == "staging" && d.state() == "in_progress")
    };
    let made = world.until("its deployment", going).await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    world.check(sha, "lockkeeper/staging", "success").await;
}

/// Who asked, what is live by whom, whose turn it is, what waits for what and until when, what is locked, what quota is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_goes_on_is_told() {
    let world = World::with(CONFIG).await;
    let lock = ["lock", "production", "--repo", "acme/shop", "--reason", "moving the database", "--for", "2h"];
    assert_eq!(world.command(&lock).await.0, 0);
    let one = world.commit("fix: one");
    staging(&world, &one).await;
    world.refused(&one, "lockkeeper/production", "failure", "environment_locked").await;
    let two = world.commit("fix: two");
    let going = |shop: &RepoHandle| shop.deployments().into_iter().find(|d| d.sha == two && d.state() == "in_progress");
    world.until("the second", going).await;
    world.refused(&two, "lockkeeper/production", "failure", "environment_locked").await;
    let three = world.commit("fix: three");
    let waits = |shop: &RepoHandle| {
        shop.newest_check(&three, "lockkeeper/staging")?.title.filter(|t| t == "Waits for the deployment before it")
    };
    world.until("its place in the queue", waits).await;
    world.refused(&three, "lockkeeper/production", "failure", "environment_locked").await;
    let four = world.shop.commit("main", CommitSeed::new("fix: four")).unwrap();
    let build = world.shop.start_check("github-actions", &four, "build").unwrap();
    world.waiting(&four, "lockkeeper/staging").await;
    world.refused(&four, "lockkeeper/production", "failure", "environment_locked").await;
    let (code, said) = world.command(&["status", "--repo", "acme/shop"]).await;
    assert_eq!(code, 0, "{said}");
    insta::assert_snapshot!(plain(&said));
    staging(&world, &two).await;
    staging(&world, &three).await;
    world.shop.complete_check(build, "success").unwrap();
    staging(&world, &four).await;
    world.finish().await;
}

/// A success of a deployment of somebody else's: by a job that names the environment, long ago, or for something else.
fn report(world: &World, sha: &lockkeeper::domain::Sha, told: &Value) -> Value {
    let eve = json!({ "id": 77, "login": "eve", "type": "User" });
    let at = told["at"].as_str().unwrap_or("2099-01-01T00:00:00Z");
    let task = told["task"].as_str().unwrap_or("deploy");
    json!({
        "action": "created",
        "deployment": { "id": 9_999, "sha": sha, "ref": "main", "task": task, "environment": "staging", "creator": eve },
        "deployment_status": { "id": 8_888, "state": "success", "created_at": at, "creator": eve },
        "workflow_run": told["workflow_run"],
        "repository": { "id": world.shop.id(), "full_name": "acme/shop", "default_branch": "main" },
        "installation": { "id": world.github.installation("acme").unwrap() },
        "sender": eve,
    })
}

/// Somebody deploys past us, takes it back, does it again, and a deployment of ours makes it true again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_report_past_our_record_is_told() {
    let config =
        CONFIG.replacen("[environments.production]\non = [\"merge\"]", "[environments.production]\non = [\"manual\"]", 1);
    let world = World::with(&config).await;
    let one = world.commit("fix: one");
    staging(&world, &one).await;
    let two = world.commit("fix: two");
    staging(&world, &two).await;
    world.quiet().await;
    let first = world.shop.deployments().into_iter().find(|made| made.sha == one).unwrap();
    let says = async |state: &str| {
        world.shop.report_deployment(first.id, DeploymentReport::new("eve", state)).unwrap();
        world.quiet().await;
        world.command(&["status", "--repo", "acme/shop"]).await.1
    };
    let other = format!("{} (then {} reported by eve)", two.short(), one.short());
    let said = says("success").await;
    assert!(said.contains(&other), "{said}");
    let said = says("failure").await;
    assert!(!said.contains("reported by"), "{said}");
    let job = json!({ "workflow_run": { "id": 1 } });
    let long_ago = json!({ "at": "2020-01-01T00:00:00Z" });
    for (told, is_drift) in [(job, false), (long_ago, false), (json!({ "task": "backup" }), false), (json!({}), true)] {
        world.deliver("deployment_status", &report(&world, &one, &told)).await;
        let (_, said) = world.command(&["status", "--repo", "acme/shop"]).await;
        assert_eq!(said.contains("reported by"), is_drift, "{told}: {said}");
    }
    let said = says("success").await;
    assert!(said.contains(&other), "{said}");
    let pull = crate::comments::pull(&world).await;
    crate::comments::says(&world, pull, "ann", "/status");
    world.quiet().await;
    let reply = crate::comments::replies(&world).remove(0).body;
    assert!(reply.contains(&format!("⚠️ `{}` was reported as deployed here ", one.short())), "{reply}");
    let three = world.commit("fix: three");
    staging(&world, &three).await;
    let (_, said) = world.command(&["status", "--repo", "acme/shop"]).await;
    assert!(said.contains(three.short()) && !said.contains("reported by"), "{said}");
    world.finish().await;
}
