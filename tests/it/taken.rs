//! GitHub's own deployments page as a door: deployments that somebody else has made are taken over, or say why not.

use crate::process::Process;
use crate::world::{Setup, World};
use lockkeeper::config::repo::CONFIG_PATH;
use lockkeeper::domain::Role;
use lockkeeper::sandbox::{
    CommitSeed, Deployment, DeploymentSeed, Moment, PullSeed, RepoHandle, RepoSeed, Sandbox, SandboxConfig,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const STAGING: &str = "lockkeeper/staging";
const TARGETS: &str = "[targets.actions]\nkind = \"workflow\"\nworkflow = \"deploy.yml\"\n\n[targets.cluster]\nkind = \
                       \"deployment\"\nreporters = [\"deployer[bot]\"]\n";
const WORKFLOW: &str = "on:\n  workflow_dispatch:\n    inputs:\n      sha: {}\n";

/// Staging, with these keys, is brought up by a workflow, and `cluster` by somebody who acts on deployments. `ann` may write.
async fn world(keys: &str) -> World {
    let config = format!(
        "[environments.staging]\n{keys}target = \"actions\"\n\n[environments.cluster]\ntarget = \"cluster\"\n\n{TARGETS}"
    );
    let world = Setup::new().config(&config).file(".github/workflows/deploy.yml", WORKFLOW).start().await;
    for (login, role) in [("ann", Role::Write), ("bob", Role::Write), ("eve", Role::Read)] {
        world.shop.set_role(login, role);
    }
    // The settings are known once somebody has pushed.
    world.commit("docs: begin");
    world.until("the push", |_| (world.count("POST /graphql FilesAt") > 0).then_some(())).await;
    world.quiet().await;
    world
}

fn by(world: &World, login: &str) -> u64 {
    world.shop.make_deployment(DeploymentSeed::new(login, "staging", &world.head())).unwrap()
}

fn find(shop: &RepoHandle, id: u64) -> Deployment {
    shop.deployments().into_iter().find(|d| d.id == id).unwrap()
}

async fn state(world: &World, id: u64, state: &str) -> String {
    let look = |shop: &RepoHandle| Some(find(shop, id)).filter(|d| d.state() == state && !d.statuses.is_empty());
    let found = world.until(&format!("{state} of {id}"), look).await;
    found.statuses.last().unwrap().description.clone()
}

/// The workflow that brings it up comes to its end.
async fn brought_up(world: &World, id: u64) {
    state(world, id, "in_progress").await;
    let going = |shop: &RepoHandle| shop.runs().into_iter().find(|run| run.status != "completed");
    let run = world.until("its workflow", going).await;
    world.shop.move_run(run.id, Some("success")).unwrap();
    state(world, id, "success").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_has_made_is_carried_out_and_shown_there() {
    let mut world = world("").await;
    world.github.clear_log();
    let id = by(&world, "ann");
    brought_up(&world, id).await;
    world.check(&world.head(), STAGING, "success").await;
    world.quiet().await;
    assert_eq!(world.shop.deployments().len(), 1, "none of our own beside it");
    let counts = world.github.counts();
    let counted = counts.iter().filter(|(route, _)| !route.ends_with("/access_tokens"));
    let routes: Vec<String> = counted.map(|(route, count)| format!("{count} {route}")).collect();
    insta::assert_snapshot!(routes.join("\n"));
    let rows = world.audit().await;
    let doors: Vec<_> = rows.iter().filter(|row| row.door == "deployment").collect();
    assert_eq!((doors.len(), doors[0].actor.login.as_str()), (1, "ann"), "{rows:#?}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_deploy_is_told_so_on_the_deployment() {
    let world = world("agents = \"allow\"\nwho = [\"user:bob\"]\n").await;
    let id = by(&world, "github-actions[bot]");
    assert!(state(&world, id, "failure").await.contains("says itself who may"), "no program goes past it either");
    let id = by(&world, "eve");
    assert!(state(&world, id, "failure").await.contains("needs the role write"));
    let id = by(&world, "ann");
    assert!(state(&world, id, "failure").await.contains("says itself who may"));
    let id = by(&world, "bob");
    brought_up(&world, id).await;
    assert_eq!(world.shop.runs().len(), 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_refuses_it_with_the_reason() {
    let world = world("").await;
    world.shop.check("github-actions", &world.head(), "build", "failure").unwrap();
    let id = by(&world, "ann");
    assert!(state(&world, id, "failure").await.contains("build"));
    world.refused(&world.head(), STAGING, "failure", "check_failed").await;
    assert!(world.shop.runs().is_empty());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_are_agents() {
    for (agents, word, state_is) in [("deny", "Agents deploy nothing", "failure"), ("request", "Waits for approval", "pending")]
    {
        let world = world(&format!("agents = \"{agents}\"\n")).await;
        let id = by(&world, "github-actions[bot]");
        let text = state(&world, id, state_is).await;
        assert!(text.contains(word), "{text}");
        if agents == "request" {
            let check = world.check(&world.head(), STAGING, "action_required").await;
            let approve = check.actions.iter().filter_map(|a| a["identifier"].as_str()).find(|i| i.starts_with("approve"));
            world.shop.press_check_button(check.id, approve.unwrap(), "ann").unwrap();
            brought_up(&world, id).await;
        }
        assert_eq!(world.shop.deployments().len(), 1);
        world.finish().await;
    }
}

/// Nobody asks GitHub anything for these.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_for_us_is_left_alone() {
    let world = world("agents = \"allow\"\n").await;
    world.github.clear_log();
    let head = world.head();
    let seed = |environment: &str| DeploymentSeed::new("ann", environment, &head);
    let run = world.shop.start_run(".github/workflows/other.yml", "push", "main", &head, "ann").unwrap();
    for seed in [
        // A preview of some other tool.
        seed("preview-12"),
        // Whoever deploys there has begun already.
        seed("cluster"),
        seed("staging").task("deploy:migrations"),
        // The job deploys it.
        seed("staging").of_run(run),
    ] {
        world.shop.make_deployment(seed).unwrap();
    }
    world.shop.move_run(run, Some("success")).unwrap();
    world.quiet().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(world.shop.deployments().iter().all(|d| d.statuses.is_empty()), "{:#?}", world.shop.deployments());
    assert!(world.runs("taken").await.is_empty());
    assert_eq!(world.github.counts().keys().filter(|route| !route.ends_with("/access_tokens")).count(), 0);
    world.finish().await;
}

/// A workflow of ours that shows its work by a deployment would begin itself again, without an end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_our_own_workflow_shows_is_not_done_again() {
    let world = world("agents = \"allow\"\n").await;
    let id = by(&world, "ann");
    state(&world, id, "in_progress").await;
    world.until("its workflow", |shop| shop.runs().into_iter().next()).await;
    let own = by(&world, "github-actions[bot]");
    // A person who wants the same is told that it goes on.
    let again = by(&world, "bob");
    assert!(state(&world, again, "inactive").await.contains("deploys this commit there already"));
    brought_up(&world, id).await;
    world.quiet().await;
    assert!(find(&world.shop, own).statuses.is_empty());
    assert_eq!(world.shop.runs().len(), 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_that_comes_twice_is_one_deployment() {
    let world = world("").await;
    let id = by(&world, "ann");
    brought_up(&world, id).await;
    let told = world.github.deliveries().into_iter().rev().find(|d| d.event == "deployment").unwrap();
    world.github.send_webhook("deployment", &told.payload, None, false);
    world.quiet().await;
    assert_eq!((world.shop.runs().len(), world.runs("taken").await.len()), (1, 1));
    world.finish().await;
}

/// GitHub makes deployments of commits of forks too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_on_no_branch_of_ours_is_refused_and_a_branch_is_not() {
    let world = world("").await;
    world.shop.branch("topic", &world.head()).unwrap();
    let sha = world.shop.commit("topic", CommitSeed::new("feat: sell more")).unwrap();
    world.green(&sha);
    world.shop.open_pull(PullSeed::new("feat: sell more", "topic")).unwrap();
    let id = world.shop.make_deployment(DeploymentSeed::new("ann", "staging", &sha)).unwrap();
    assert!(state(&world, id, "failure").await.contains("neither on the default branch"));
    let id = world.shop.make_deployment(DeploymentSeed::new("ann", "staging", &sha).at_ref("topic")).unwrap();
    brought_up(&world, id).await;
    world.finish().await;
}

/// Whatever request it dies at, it is carried out once and nobody waits for its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_carried_out_once_whenever_the_program_is_killed() {
    for at in 1..=6_u32 {
        let github = Sandbox::start(SandboxConfig::default()).unwrap();
        let config = format!("[environments.staging]\ntarget = \"actions\"\n\n{TARGETS}");
        let first = CommitSeed::new("feat: begin").file(CONFIG_PATH, &config).file(".github/workflows/deploy.yml", WORKFLOW);
        let shop = github.create_repo(RepoSeed::new("acme/shop").commit(first)).unwrap();
        shop.set_role("ann", Role::Write);
        let process = Arc::new(Process::of(&github));
        github.set_webhook(&process.webhook(), crate::process::SECRET);
        process.start();
        let sha = shop.resolve("main").unwrap();
        shop.check("github-actions", &sha, "build", "success").unwrap();
        let (left, killer) = (AtomicU32::new(at), Arc::downgrade(&process));
        let counts =
            |path: &str| ["/graphql", "/collaborators/", "/deployments/", "/dispatches"].iter().any(|p| path.contains(p));
        github.on(Moment::AfterEffect, move |request| {
            if counts(&request.path)
                && left.fetch_sub(1, Ordering::SeqCst) == 1
                && let Some(process) = killer.upgrade()
            {
                process.kill();
            }
        });
        let id = shop.make_deployment(DeploymentSeed::new("ann", "staging", &sha)).unwrap();
        let begun = Instant::now();
        while find(&shop, id).state() != "success" {
            if !process.is_running() {
                process.start();
            }
            let run = shop.runs().into_iter().find(|run| run.status != "completed");
            if let Some(run) = run.filter(|_| process.is_running()) {
                shop.move_run(run.id, Some("success")).unwrap();
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{at}: no end\n{}", process.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        process.kill();
        assert_eq!((shop.runs().len(), shop.deployments().len()), (1, 1), "{at}");
        let states: Vec<_> = find(&shop, id).statuses.into_iter().map(|s| s.state).collect();
        assert_eq!(states, ["in_progress", "success"], "{at}");
    }
}
