//! What a deployment cannot do any more, or never could, is refused when a person asks for it, with something to do instead.

use crate::keys::{key, remote};
use crate::slots::place::{LIVE, Place};
use crate::world::World;
use lockkeeper::sandbox::DeploymentReport;

const DIRECT: &str = "[environments.staging]\non = [\"merge\"]\ntarget = \"cluster\"\n\n[targets.cluster]\nkind = \
                      \"deployment\"\nreporters = [\"deployer[bot]\"]\n";
const CHECK: &str = "lockkeeper/staging";

async fn going(world: &World) -> String {
    let all = world.runs("deploy").await;
    all.iter().find(|run| run.outcome.is_none()).expect("no deployment goes on").id.to_string()
}

/// The words that are refused, each with its own code and something to do.
async fn refused(world: &World, run: &str) -> Vec<&'static str> {
    let mut refused = Vec::new();
    for verb in ["pause", "resume", "promote"] {
        let (code, said, problem) = world.command_told(&[verb, run]).await;
        if code == 0 {
            continue;
        }
        assert_eq!((code, said.as_str()), (1, ""), "{verb}: {problem}");
        assert!(problem.contains(&format!("nothing_to_{verb}")) && problem.contains("`lockkeeper "), "{problem}");
        refused.push(verb);
    }
    refused
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_without_steps_cannot_be_paused_and_can_be_stopped() {
    let gated = format!("{DIRECT}\n[[environments.staging.gates]]\nkind = \"checks\"\nnames = [\"image\"]\n");
    let world = World::with(&gated).await;
    let sha = world.commit("feat: one");
    world.waiting(&sha, CHECK).await;
    let run = going(&world).await;
    let none = ["pause", "resume", "promote"];
    assert_eq!(refused(&world, &run).await, none, "it is known before its turn");
    world.shop.check("github-actions", &sha, "image", "success").unwrap();
    let made = world.deployment("staging", "in_progress").await;
    assert_eq!(refused(&world, &run).await, none);
    let (code, _, problem) = world.command_told(&["abort", &run]).await;
    assert_eq!(code, 0, "{problem}");
    world.check(&sha, CHECK, "cancelled").await;
    let (code, _, problem) = world.command_told(&["pause", &run]).await;
    assert!(code == 1 && problem.contains("run_over"), "{problem}");
    assert_eq!(made.statuses.iter().filter(|status| status.state == "success").count(), 0);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_resumes_what_is_not_paused_or_promotes_what_everybody_has() {
    let place = Place::new("{ kind = \"gradual\", steps = [{ weight = 10, bake = \"1h\" }] }", "").await;
    let (sha, made) = place.begun("feat: one").await;
    let run = place.run().await;
    // What is said before the first step is heard there.
    assert_eq!(refused(&place.world, &run).await, ["resume"; 0], "a pause was asked for, so it can be taken back");
    place.report(&made, "success");
    place.world.check(&sha, LIVE, "success").await;

    let (sha, made) = place.begun("feat: two").await;
    place.report(&made, "success");
    place.titled(&sha, "10 % of users are moved").await;
    let run = place.run().await;
    let (code, _, problem) = place.world.command_told(&["resume", &run]).await;
    assert!(code == 1 && problem.contains("nothing_to_resume"), "{problem}");
    place.told(&["promote", &run]).await;
    place.world.check(&sha, LIVE, "success").await;
    place.finish().await;
}

/// An agent that may only ask decides nothing of what goes on, and may stop it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_moves_no_users_on_where_it_may_only_ask() {
    let place = Place::new("{ kind = \"gradual\", steps = [{ weight = 10, bake = \"1h\" }] }", "").await;
    let (_, key) = key(&place.world, "ci", "control", "live").await;
    let (sha, _) = place.brought_up("feat: one").await;
    place.titled(&sha, "10 % of users are moved").await;
    let run = place.run().await;
    let (code, _, problem) = remote(&place.world, &key, &["promote", &run]).await;
    assert!(code == 1 && problem.contains("agents_denied"), "{problem}");
    let (code, _, problem) = remote(&place.world, &key, &["pause", &run]).await;
    assert_eq!(code, 0, "{problem}");
    place.told(&["promote", &run]).await;
    place.world.check(&sha, LIVE, "success").await;

    let (sha, _) = place.brought_up("feat: two").await;
    place.titled(&sha, "10 % of users are moved").await;
    let (code, _, problem) = remote(&place.world, &key, &["abort", &place.run().await]).await;
    assert_eq!(code, 0, "{problem}");
    assert_eq!(place.ended(&sha).await.0, "rolled_back");
    place.finish().await;
}

/// What it waited for is not what it says any more when it has gone ahead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_check_run_follows_from_gate_to_queue_to_work() {
    let gated = format!("{DIRECT}\n[[environments.staging.gates]]\nkind = \"checks\"\nnames = [\"image\"]\n");
    let world = World::with(&gated).await;
    let report = |state: &str| {
        let made = world.shop.deployments().pop().unwrap();
        world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", state)).unwrap();
    };
    let shown = async |sha: &lockkeeper::domain::Sha, title: &str, says: &str| {
        let there = |_: &_| {
            let check = world.our_checks(sha, CHECK).pop()?;
            let fits = check.title? == title && check.summary?.contains(says);
            fits.then_some(())
        };
        world.until(title, there).await;
    };
    let one = world.commit("feat: one");
    shown(&one, "Waits for \"image\" to appear.", "as soon as every gate passes").await;
    world.shop.check("github-actions", &one, "image", "success").unwrap();
    shown(&one, &format!("Deploying commit {}", one.short()), "is on its way to **staging**").await;
    let two = world.commit("feat: two");
    world.waiting(&two, CHECK).await;
    world.shop.check("github-actions", &two, "image", "success").unwrap();
    shown(&two, "Waits for the deployment before it", "when the deployment before it is over").await;
    report("success");
    world.check(&one, CHECK, "success").await;
    shown(&two, &format!("Deploying commit {}", two.short()), "is on its way to **staging**").await;
    report("success");
    world.check(&two, CHECK, "success").await;
    world.finish().await;
}
