//! Every merged pull request shows where it runs: GitHub's deployments on their own heads, beside the real one.

use crate::process::{Process, SECRET};
use crate::world::{RELEASE, Setup, World};
use lockkeeper::config::repo::CONFIG_PATH;
use lockkeeper::domain::Sha;
use lockkeeper::sandbox::{
    CommitSeed, Deployment, DeploymentReport, Fault, Merge, Moment, PullSeed, RefPush, RepoHandle, RepoSeed, Sandbox,
    SandboxConfig, Trouble, Verdict,
};
use std::fmt::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const STAGING: &str = "lockkeeper/staging";

/// The deployer knows that a mirror is nothing to act on, as the configuration says.
fn config(more: &str) -> String {
    format!(
        "[environments.staging]\non = [\"merge\"]\ntarget = \"cluster\"\nurl = \"https://staging.example.com\"\n{more}\n\n\
         [targets.cluster]\nkind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n"
    )
}

/// A pull request, its head, and what came of it on the default branch.
pub struct Pull {
    pub number: u64,
    pub head: Sha,
    pub merge: Sha,
}

fn opened(shop: &RepoHandle, name: &str, fork: bool) -> (u64, Sha) {
    shop.branch(name, &shop.resolve("main").unwrap()).unwrap();
    shop.commit(name, CommitSeed::new(&format!("wip: {name}"))).unwrap();
    let head = shop.commit(name, CommitSeed::new(&format!("feat: {name}")).file(name, name)).unwrap();
    let seed = PullSeed::new(&format!("feat: {name}"), name);
    let seed = if fork { seed.from_fork("mallory/shop") } else { seed };
    (shop.open_pull(seed).unwrap(), head)
}

pub fn merged_as(shop: &RepoHandle, name: &str, how: Merge, fork: bool) -> Pull {
    let (number, head) = opened(shop, name, fork);
    let merge = shop.merge_pull(number, how, "ann").unwrap();
    shop.check("github-actions", &merge, "build", "success").unwrap();
    Pull { number, head, merge }
}

fn merged(world: &World, name: &str) -> Pull {
    merged_as(&world.shop, name, Merge::Squash, false)
}

/// The real deployment of a commit, when its deployer is to act.
async fn going(world: &World, sha: &Sha, task: &str) -> Deployment {
    let going = |d: &Deployment| d.sha == *sha && d.task == task && d.state() == "in_progress";
    world.until("its deployment", |shop| shop.deployments().into_iter().find(going)).await
}

async fn brought_up(world: &World, sha: &Sha, task: &str) {
    let made = going(world, sha, task).await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    world.check(sha, STAGING, "success").await;
    world.quiet().await;
}

async fn queued(world: &World, sha: &Sha) {
    let waits =
        |shop: &RepoHandle| shop.newest_check(sha, STAGING)?.title.filter(|t| t == "Waits for the deployment before it");
    world.until("its place in the queue", waits).await;
}

/// The first version is deployed while `names` are merged: all but the last of them are superseded, and one deployment brings
/// them all.
async fn batch(world: &World, names: &[&str]) -> Vec<Pull> {
    let first = world.commit("fix: before");
    let made = going(world, &first, "deploy").await;
    let mut pulls = Vec::new();
    for name in names {
        let pull = merged(world, name);
        queued(world, &pull.merge).await;
        pulls.push(pull);
    }
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    brought_up(world, &pulls.last().unwrap().merge, "deploy").await;
    pulls
}

fn mirrors(shop: &RepoHandle) -> Vec<Deployment> {
    shop.deployments().into_iter().filter(|d| d.task == "mirror").collect()
}

/// All deployments in the order in which they were made, with every status; `names` stand for commits.
fn shown(shop: &RepoHandle, pulls: &[Pull]) -> String {
    let mut out = String::new();
    for made in shop.deployments() {
        let production = if made.production { ", production" } else { "" };
        writeln!(out, "{} {} in {}{production}: {}", made.task, made.sha, made.environment, made.description.unwrap()).unwrap();
        if made.task == "mirror" {
            let keys = made.payload.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            writeln!(out, "    {} ({})", made.payload["pull_request"], keys.join(", ")).unwrap();
        }
        for status in made.statuses {
            writeln!(out, "    {} {:?} {} by {}", status.state, status.description, status.environment_url, status.creator)
                .unwrap();
        }
    }
    for pull in pulls {
        for (sha, name) in
            [(&pull.head, format!("head-of-{}", pull.number)), (&pull.merge, format!("merge-of-{}", pull.number))]
        {
            out = out.replace(sha.as_str(), &name).replace(sha.short(), &name);
        }
    }
    regex::Regex::new(r"\b[0-9a-f]{7}([0-9a-f]{33})?\b").unwrap().replace_all(&out, "[before]").into_owned()
}

async fn report(world: &World) -> serde_json::Value {
    let run = world.runs("mirror").await.into_iter().max_by_key(|run| run.created_at).unwrap();
    let outcome = run.outcome.unwrap()["finished"].clone();
    serde_json::json!({
        "state": outcome["state"], "shown": outcome["shown"], "taken_back": outcome["taken_back"],
        "skipped": outcome["skipped"], "cut": outcome["cut"],
    })
}

async fn rollback(world: &World, to: &Sha) {
    let ask = ["rollback", "staging", "--repo", "acme/shop", "--to", to.as_str(), "--reason", "slow"];
    let ((code, said, problem), ()) = tokio::join!(world.command_told(&ask), brought_up(world, to, "rollback"));
    assert_eq!(code, 0, "{said} {problem}");
}

/// Three merges, two of them superseded: one deployment for the head, one mirror for each, and the real one stays active.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_merges_is_shown_on_each_of_its_pull_requests() {
    let world = World::with(&config("mirror = true")).await;
    let pulls = batch(&world, &["one", "two", "three"]).await;
    insta::assert_snapshot!(shown(&world.shop, &pulls));
    let numbers: Vec<_> = pulls.iter().rev().map(|pull| pull.number).collect();
    let wanted = serde_json::json!({ "state": "succeeded", "shown": numbers, "taken_back": [], "skipped": [], "cut": null });
    assert_eq!(report(&world).await, wanted);
    // None of them was taken for a request, and none moved anything.
    let ours = world.github.deliveries().into_iter().filter(|d| d.event == "deployment").count();
    assert_eq!((ours, world.runs("deploy").await.len()), (5, 4));
    // The next real one takes over from all of them, as everywhere on GitHub.
    let four = merged(&world, "four");
    brought_up(&world, &four.merge, "deploy").await;
    let active: Vec<Sha> = world.shop.deployments().into_iter().filter(|d| d.state() == "success").map(|d| d.sha).collect();
    assert_eq!(active, [four.merge, four.head]);
    world.finish().await;
}

/// What it costs: one question, and two calls for each pull request; a merge that none brought costs the question.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_pull_request_takes_three_calls() {
    let world = World::with(&config("mirror = true")).await;
    let first = world.commit("fix: before");
    brought_up(&world, &first, "deploy").await;
    let ours = |world: &World| {
        let counts = world.github.counts();
        let count = |route: &str| counts.iter().filter(|(name, _)| name.ends_with(route)).map(|(_, n)| *n).sum::<u64>();
        [
            count("MergedPulls"),
            count("POST /repos/{owner}/{repo}/deployments"),
            count("POST /repos/{owner}/{repo}/deployments/{id}/statuses"),
        ]
    };
    let before = ours(&world);
    let pull = merged(&world, "one");
    brought_up(&world, &pull.merge, "deploy").await;
    let after = ours(&world);
    let more: Vec<_> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    assert_eq!(more, [1, 2, 3], "beside the deployment's own one and two");
    let direct = world.commit("fix: without a pull request");
    brought_up(&world, &direct, "deploy").await;
    let more: Vec<_> = ours(&world).iter().zip(after).map(|(after, before)| after - before).collect();
    assert_eq!(more, [1, 1, 2]);
    assert_eq!(report(&world).await["state"], "nothing");
    world.finish().await;
}

/// In production GitHub takes nothing back by itself. A rollback does, for what it takes away and for nothing else; what comes
/// again is shown again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_takes_back_what_it_takes_away() {
    let world = World::with(&config("mirror = true\nproduction = true")).await;
    let first = world.commit("fix: before");
    brought_up(&world, &first, "deploy").await;
    let mut pulls = Vec::new();
    for name in ["one", "two"] {
        pulls.push(merged(&world, name));
        brought_up(&world, &pulls.last().unwrap().merge, "deploy").await;
    }
    rollback(&world, &pulls[0].merge).await;
    insta::assert_snapshot!(shown(&world.shop, &pulls));
    assert_eq!(report(&world).await["taken_back"], serde_json::json!([pulls[1].number]));
    // A fix brings it again.
    let fix = world.commit(&format!("Revert \"feat: two\"\n\nThis reverts commit {}.", pulls[1].merge));
    brought_up(&world, &fix, "deploy").await;
    assert_eq!(report(&world).await["shown"], serde_json::json!([pulls[1].number]));
    world.finish().await;
}

/// The head of a fork that is gone, and one that GitHub refuses: the others are shown, and the run says what was left out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_is_refused_the_others_are_not() {
    let mut world = World::with(&config("mirror = true")).await;
    world.expect_refusal("POST /repos/{owner}/{repo}/deployments");
    let first = world.commit("fix: before");
    let made = going(&world, &first, "deploy").await;
    let fork = merged_as(&world.shop, "fork", Merge::Squash, true);
    world.check(&fork.head, RELEASE, "success").await;
    world.shop.lose_commit(&fork.head).unwrap();
    queued(&world, &fork.merge).await;
    let (one, two) = (merged(&world, "one"), merged_as(&world.shop, "two", Merge::Commit, false));
    queued(&world, &two.merge).await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    let real = going(&world, &two.merge, "deploy").await;
    // The first that is asked for is the newest.
    let refused = Trouble::Status { status: 422, headers: Vec::new(), message: "No.".into() };
    world.github.fault(Fault::on("POST", "/deployments$", refused));
    world.shop.report_deployment(real.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    world.check(&two.merge, STAGING, "success").await;
    world.quiet().await;
    let heads: Vec<_> = mirrors(&world.shop).into_iter().map(|made| (made.state().to_owned(), made.sha)).collect();
    assert_eq!(heads, [("success".to_owned(), one.head)]);
    let wanted = serde_json::json!([
        { "pull": two.number, "code": "github_rejected" }, { "pull": fork.number, "code": "commit_gone" },
    ]);
    assert_eq!(report(&world).await["skipped"], wanted);
    world.finish().await;
}

/// A pull request that was pushed to the branch as it is has the deployment itself on its page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_is_what_was_deployed_needs_no_mirror() {
    let world = World::with(&config("mirror = true")).await;
    let first = world.commit("fix: before");
    brought_up(&world, &first, "deploy").await;
    let (_, head) = opened(&world.shop, "one", false);
    world.shop.push("ann", vec![RefPush::branch("main", &head)]).unwrap();
    world.green(&head);
    brought_up(&world, &head, "deploy").await;
    assert_eq!(world.shop.deployments().iter().filter(|made| made.sha == head).count(), 1);
    let report = report(&world).await;
    assert_eq!((&report["state"], &report["skipped"]), (&"nothing".into(), &serde_json::json!([])));
    world.finish().await;
}

/// The head of a pull request brings what has been merged into its branch, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_head_of_a_pull_request_brings_is_shown() {
    let world = World::with(&config("mirror = true").replace("on = [\"merge\"]", "on = [\"manual\"]")).await;
    let live = world.head();
    let ask = ["deploy", "staging", "--repo", "acme/shop", "--ref", live.as_str()];
    let ((code, said, _), ()) = tokio::join!(world.command_told(&ask), brought_up(&world, &live, "deploy"));
    assert_eq!(code, 0, "{said}");
    let one = merged(&world, "one");
    let number = crate::comments::pull(&world).await;
    world.github.set_clock_offset(600_000);
    crate::comments::says(&world, number, "ann", "/deploy staging");
    brought_up(&world, &world.shop.resolve("topic").unwrap(), "deploy").await;
    let heads: Vec<Sha> = mirrors(&world.shop).into_iter().map(|made| made.sha).collect();
    assert_eq!(heads, [one.head]);
    world.finish().await;
}

/// Whoever acts on GitHub deployments is not given any that are none, unless the file says that it knows them; everybody else
/// shows where pull requests run without being told to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployer_that_acts_on_deployments_is_not_given_mirrors() {
    let world = World::with(&config("")).await;
    let first = world.commit("fix: before");
    brought_up(&world, &first, "deploy").await;
    let pull = merged(&world, "one");
    brought_up(&world, &pull.merge, "deploy").await;
    assert!(mirrors(&world.shop).is_empty() && world.runs("mirror").await.is_empty());
    world.finish().await;

    for (more, count) in [("", 1), ("mirror = false", 0)] {
        let text = format!(
            "[environments.staging]\non = [\"merge\"]\n{more}\n\n[targets.actions]\nkind = \"workflow\"\nworkflow = \"deploy.yml\"\n"
        );
        let world =
            Setup::new().config(&text).file(".github/workflows/deploy.yml", "on:\n  workflow_dispatch:\n").start().await;
        let pull = merged(&world, "one");
        let run = world.until("the workflow", |shop| shop.runs().into_iter().next()).await;
        world.shop.move_run(run.id, Some("success")).unwrap();
        world.check(&pull.merge, STAGING, "success").await;
        world.quiet().await;
        // Nothing was live before, so it is the pull request of this very merge that is shown.
        assert_eq!(mirrors(&world.shop).iter().filter(|made| made.sha == pull.head).count(), count, "{more}");
        world.finish().await;
    }
}

/// Killed at each of its requests, before it has an effect and after: each pull request is shown once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_kill_at_any_request_shows_nothing_twice() {
    let mut sprung = 0;
    for nth in 1..=5 {
        for moment in [Moment::BeforeEffect, Moment::AfterEffect] {
            sprung += tokio::task::spawn_blocking(move || killed(nth, moment)).await.unwrap();
        }
    }
    assert_eq!(sprung, 10, "each kill had its occasion");
}

/// Two merges in one deployment, and a kill at the n-th request of its mirrors; 1 if there was one.
fn killed(nth: u32, moment: Moment) -> u32 {
    let github = Sandbox::start(SandboxConfig::default()).unwrap();
    let first = CommitSeed::new("feat: begin").file(CONFIG_PATH, &config("mirror = true"));
    let shop = github.create_repo(RepoSeed::new("acme/shop").commit(first)).unwrap();
    let process = Arc::new(Process::of(&github));
    github.set_webhook(&process.webhook(), SECRET);
    process.start();
    let base = shop.commit("main", CommitSeed::new("fix: before")).unwrap();
    shop.check("github-actions", &base, "build", "success").unwrap();
    let until = |what: &str, done: &dyn Fn() -> bool| {
        let begun = Instant::now();
        while !done() {
            assert!(begun.elapsed() < Duration::from_secs(60), "{what} at {nth} {moment:?}\n{}", process.log());
            if !process.is_running() {
                github.settle(Duration::from_secs(5));
                process.start();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let real = |sha: &Sha| shop.deployments().into_iter().find(|d| d.sha == *sha && d.state() == "in_progress");
    let bring_up = |sha: &Sha| {
        let made = real(sha).unwrap();
        shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    };
    until("the first deployment", &|| real(&base).is_some());
    let pulls = ["one", "two"].map(|name| {
        let pull = merged_as(&shop, name, Merge::Squash, false);
        until("a place in the queue", &|| shop.newest_check(&pull.merge, STAGING).is_some_and(|c| c.status == "queued"));
        pull
    });
    bring_up(&base);
    until("the second deployment", &|| real(&pulls[1].merge).is_some());

    let trap = Arc::new((AtomicU32::new(0), Mutex::new(None)));
    let left = Arc::new(AtomicU32::new(1));
    for when in [Moment::BeforeEffect, Moment::AfterEffect] {
        let (trap, left, process) = (Arc::clone(&trap), Arc::clone(&left), Arc::downgrade(&process));
        github.intercept(when, move |request| {
            let body = String::from_utf8_lossy(&request.body).into_owned();
            let beside = body.contains("\"auto_inactive\":false") && body.contains("\"state\":\"success\"");
            let ours = beside || body.contains("\"task\":\"mirror\"") || request.subject().ends_with("MergedPulls");
            if when == Moment::BeforeEffect && ours && trap.0.fetch_add(1, Ordering::SeqCst) + 1 == nth {
                *trap.1.lock().unwrap() = Some(request.seq);
            }
            let mine = *trap.1.lock().unwrap() == Some(request.seq);
            if when == moment && mine && left.swap(0, Ordering::SeqCst) == 1 {
                if let Some(process) = process.upgrade() {
                    process.kill();
                }
                return Verdict::Abandon;
            }
            Verdict::GoOn
        });
    }
    bring_up(&pulls[1].merge);
    until("the mirrors", &|| mirrors(&shop).iter().filter(|made| made.state() == "success").count() == 2);
    until("the end", &|| {
        let runs = process.ask(&["runs", "list", "--state", "active"]);
        github.settle(Duration::from_secs(5)) && runs.as_array().is_some_and(Vec::is_empty)
    });
    for pull in &pulls {
        let all: Vec<_> = mirrors(&shop).into_iter().filter(|made| made.sha == pull.head).collect();
        let told: Vec<_> = all.iter().flat_map(|made| &made.statuses).map(|status| status.state.as_str()).collect();
        assert_eq!((all.len(), told), (1, vec!["success"]), "{nth} {moment:?}");
    }
    let violations = github.violations();
    assert!(violations.is_empty(), "{violations:#?}");
    1 - left.load(Ordering::SeqCst)
}
