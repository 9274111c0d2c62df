//! What happens when a deployment goes wrong or comes out of turn: order, holds, locks, and the way back.

use crate::world::{Setup, World};
use axum::{Router, http::StatusCode, routing::get};
use lockkeeper::domain::{Role, Sha};
use lockkeeper::sandbox::{CommitSeed, Deployment, DeploymentReport, RepoHandle};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const STAGING: &str = "lockkeeper/staging";

fn config(more: &str) -> String {
    format!(
        "[environments.staging]\non = [\"merge\"]\ntarget = \"cluster\"\n{more}\n\n[targets.cluster]\nkind = \"deployment\"\n\
         reporters = [\"deployer[bot]\"]\n"
    )
}

fn told(deployment: &Deployment) -> Vec<&str> {
    deployment.statuses.iter().filter(|s| s.by_app).map(|s| s.state.as_str()).collect()
}

fn of<'d>(all: &'d [Deployment], sha: &Sha) -> Vec<&'d Deployment> {
    all.iter().filter(|d| d.sha == *sha).collect()
}

/// Pushes a commit whose checks are green and waits until it is being deployed.
async fn pushed(world: &World, message: &str) -> (Sha, Deployment) {
    let sha = world.commit(message);
    let going = world
        .until("its deployment", |shop| shop.deployments().into_iter().find(|d| d.sha == sha && d.state() == "in_progress"));
    let deployment = going.await;
    (sha, deployment)
}

async fn report(world: &World, deployment: &Deployment, state: &str) {
    world.shop.report_deployment(deployment.id, DeploymentReport::new("deployer[bot]", state)).unwrap();
}

/// The deployment back to a version, when its reporter is asked for it.
async fn way_back(world: &World, to: &Sha) -> Deployment {
    let going = |d: &Deployment| d.sha == *to && d.task == "rollback" && d.state() == "in_progress";
    world.until("the way back", |shop| shop.deployments().into_iter().find(going)).await
}

/// The deployment of this commit says that it waits for its turn.
async fn queued(world: &World, sha: &Sha) {
    let waits =
        |shop: &RepoHandle| shop.newest_check(sha, STAGING)?.title.filter(|t| t == "Waits for the deployment before it");
    world.until("its place in the queue", waits).await;
}

async fn live(world: &World, message: &str) -> Sha {
    let (sha, deployment) = pushed(world, message).await;
    report(world, &deployment, "success").await;
    world.check(&sha, STAGING, "success").await;
    sha
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_goes_back_by_itself_and_holds_what_contains_it() {
    let world = World::with(&config("rollback = \"automatic\"")).await;
    let good = live(&world, "fix: one").await;
    let (bad, deployment) = pushed(&world, "feat: two").await;
    report(&world, &deployment, "failure").await;
    // The way back is a deployment of its own, which its reporter brings up.
    report(&world, &way_back(&world, &good).await, "success").await;
    let check = world.check(&bad, STAGING, "failure").await;
    assert!(check.title.is_some_and(|title| title.contains("is live again in staging")));
    let all = world.shop.deployments();
    assert_eq!(told(of(&all, &bad)[0]), ["in_progress", "failure"]);
    assert_eq!(told(of(&all, &good)[1]), ["in_progress", "success"]);
    // What contains the bad commit is held back, and says so; a revert of it is not.
    let more = world.commit("docs: three");
    let check = world.refused(&more, STAGING, "failure", "held_after_rollback").await;
    assert!(check.summary.is_some_and(|text| text.contains(bad.short()) && text.contains("--reason")));
    live(&world, &format!("Revert \"feat: two\"\n\nThis reverts commit {bad}.")).await;
    world.finish().await;
}

/// A fix ends the hold when it is live, not when it is tried: one that fails mends nothing, and bringing the bad one back
/// brings its hold back too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_ends_with_a_fix_that_works() {
    let world = World::with(&config("")).await;
    let good = live(&world, "fix: one").await;
    let bad = live(&world, "feat: two").await;
    let asks = ["rollback", "staging", "--repo", "acme/shop", "--reason", "slow"];
    let reporter = async {
        report(&world, &way_back(&world, &good).await, "success").await;
    };
    let ((code, said, _), ()) = tokio::join!(world.command_told(&asks), reporter);
    assert_eq!(code, 0, "{said}");
    let held = async || {
        let (_, status, _) = world.command_told(&["status", "--format", "json"]).await;
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        status["repositories"][0]["holds"].as_array().map_or(0, Vec::len)
    };
    let revert = format!("Revert \"feat: two\"\n\nThis reverts commit {bad}.");
    let (fails, deployment) = pushed(&world, &revert).await;
    report(&world, &deployment, "failure").await;
    world.check(&fails, STAGING, "failure").await;
    assert_eq!(held().await, 1, "what failed has mended nothing");
    let again = world.commit(&format!("Revert \"Revert\"\n\nThis reverts commit {fails}."));
    world.refused(&again, STAGING, "failure", "held_after_rollback").await;
    live(&world, &format!("Revert \"Revert of the revert\"\n\nThis reverts commit {again}.")).await;
    assert_eq!(held().await, 0);
    world.finish().await;
}

/// A reason opens what was in the way when it was given: whoever has the check run again has given none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reason_is_good_for_one_deployment() {
    let world = World::with(&config("rollback = \"automatic\"")).await;
    let good = live(&world, "fix: one").await;
    let (bad, deployment) = pushed(&world, "feat: two").await;
    report(&world, &deployment, "failure").await;
    report(&world, &way_back(&world, &good).await, "success").await;
    world.check(&bad, STAGING, "failure").await;
    let insists = ["deploy", "staging", "--repo", "acme/shop", "--ref", bad.as_str(), "--reason", "it was the disk"];
    let reporter = async {
        let again = |d: &Deployment| d.sha == bad && d.state() == "in_progress";
        let made = world.until("two again", |shop| shop.deployments().into_iter().find(again)).await;
        report(&world, &made, "failure").await;
        report(&world, &way_back(&world, &good).await, "success").await;
    };
    let (done, ()) = tokio::join!(world.command_told(&insists), reporter);
    assert_eq!(done.0, 1, "{done:?}");
    world.quiet().await;
    let before = world.shop.deployments().len();
    // Whoever presses it asks for it with their own role, and no program does.
    world.shop.set_role("ann", Role::Write);
    let newest = world.shop.newest_check(&bad, STAGING).unwrap();
    world.shop.rerequest_check(newest.id, "helper[bot]").unwrap();
    world.quiet().await;
    assert_eq!(world.shop.newest_check(&bad, STAGING).unwrap().id, newest.id);
    for (by, code) in [("mallory", "not_allowed"), ("ann", "held_after_rollback")] {
        let check = world.shop.newest_check(&bad, STAGING).unwrap();
        world.shop.rerequest_check(check.id, by).unwrap();
        let later = |shop: &RepoHandle| shop.newest_check(&bad, STAGING).filter(|c| c.id > check.id && c.status == "completed");
        let check = world.until("another answer", later).await;
        assert!(check.summary.is_some_and(|text| text.contains(code)), "{by}");
        assert_eq!(world.shop.deployments().len(), before, "nothing was begun");
        let asked = world.runs("deploy").await.into_iter().max_by_key(|run| run.created_at).unwrap().subject.actor;
        assert_eq!(asked.login, by);
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_back_fails_too_and_the_environment_is_locked() {
    let world = World::with(&config("rollback = \"automatic\"")).await;
    let good = live(&world, "fix: one").await;
    let (bad, deployment) = pushed(&world, "feat: two").await;
    report(&world, &deployment, "failure").await;
    report(&world, &way_back(&world, &good).await, "failure").await;
    let check = world.check(&bad, STAGING, "failure").await;
    assert!(check.title.is_some_and(|title| title.contains("staging is locked")));
    let all = world.shop.deployments();
    assert_eq!(told(of(&all, &bad)[0]).last(), Some(&"error"));
    assert_eq!(told(of(&all, &good)[1]).last(), Some(&"error"));
    let more = world.commit("fix: three");
    world.refused(&more, STAGING, "failure", "environment_locked").await;
    assert_eq!(world.shop.deployments().len(), 3, "one way back, no second one");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_policy_and_behind_a_barrier_nothing_goes_back() {
    for (policy, sentence) in [("", "was not brought up"), ("rollback = \"forbidden\"", "Nothing was put back")] {
        let world = World::with(&config(policy)).await;
        live(&world, "fix: one").await;
        let (bad, deployment) = pushed(&world, "feat: two").await;
        report(&world, &deployment, "failure").await;
        let check = world.check(&bad, STAGING, "failure").await;
        assert!(check.title.is_some_and(|title| title.contains(sentence)), "{policy}");
        assert_eq!(world.shop.deployments().len(), 2, "{policy}");
        world.finish().await;
    }
}

/// Three merges while one deploys: the newest takes the place of those that wait, and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newer_merges_take_the_place_of_those_that_wait() {
    let world = World::with(&config("")).await;
    let (first, deployment) = pushed(&world, "fix: one").await;
    let second = world.commit("fix: two");
    queued(&world, &second).await;
    let third = world.commit("fix: three");
    queued(&world, &third).await;
    report(&world, &deployment, "success").await;
    world.check(&first, STAGING, "success").await;
    let check = world.check(&second, STAGING, "cancelled").await;
    assert!(check.title.is_some_and(|title| title.contains(third.short())), "it says by what");
    let last = world
        .until("the third's turn", |shop| shop.deployments().into_iter().find(|d| d.sha == third && d.state() == "in_progress"))
        .await;
    report(&world, &last, "success").await;
    world.check(&third, STAGING, "success").await;
    assert_eq!(world.shop.deployments().len(), 2, "the second was never begun");
    world.finish().await;
}

/// Who waits for a turn is judged again when it comes: a check that failed meanwhile counts, and others go ahead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gates_count_when_the_turn_comes() {
    let world = World::with(&config("")).await;
    let (first, deployment) = pushed(&world, "fix: one").await;
    let second = world.commit("fix: two");
    queued(&world, &second).await;
    let late = world.shop.start_check("github-actions", &second, "late").unwrap();
    world.shop.complete_check(late, "failure").unwrap();
    report(&world, &deployment, "success").await;
    world.check(&first, STAGING, "success").await;
    world.refused(&second, STAGING, "failure", "check_failed").await;
    assert_eq!(world.shop.deployments().len(), 1);
    live(&world, "fix: three").await;
    world.finish().await;
}

/// The older merge's checks take longer: by the time that they have passed, a newer one is live.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_merge_never_lands_over_a_newer_one() {
    let world = World::with(&config("")).await;
    let older = world.shop.commit("main", CommitSeed::new("fix: slow")).unwrap();
    let slow = world.shop.start_check("github-actions", &older, "slow").unwrap();
    world.waiting(&older, STAGING).await;
    let newer = live(&world, "fix: quick").await;
    world.shop.complete_check(slow, "success").unwrap();
    let check = world.check(&older, STAGING, "cancelled").await;
    assert!(check.title.is_some_and(|title| title.contains(newer.short())));
    assert_eq!(world.shop.deployments().len(), 1);
    world.finish().await;
}

/// What is on its way is not on record yet: a way back from the version before it would go one too far.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_goes_back_past_a_deployment_that_goes_on() {
    let world = World::with(&config("rollback = \"automatic\"")).await;
    live(&world, "feat: one").await;
    let two = live(&world, "feat: two").await;
    let (three, made) = pushed(&world, "feat: three").await;
    let back = ["rollback", "staging", "--repo", "acme/shop", "--reason", "bad"];
    let (code, _, problem) = world.command_told(&back).await;
    assert!(code == 1 && problem.contains("deployment_goes_on") && problem.contains("`lockkeeper abort "), "{problem}");
    report(&world, &made, "failure").await;
    report(&world, &way_back(&world, &two).await, "success").await;
    world.check(&three, STAGING, "failure").await;
    assert!(world.command(&["status"]).await.1.contains(two.short()));
    world.finish().await;
}

/// What a person types: a lock refuses and names its owner, `--wait` queues, a rollback goes to the version before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locks_and_rollbacks_by_hand() {
    let world = World::with(&config("")).await;
    let one = live(&world, "fix: one").await;
    let two = live(&world, "fix: two").await;
    let there = ["staging", "--repo", "acme/shop"];
    let ask = |first: &[&str], more: &[&str]| {
        let all: Vec<String> = first.iter().chain(&there).chain(more).map(|s| (*s).to_owned()).collect();
        let world = &world;
        async move { world.command_told(&all.iter().map(String::as_str).collect::<Vec<_>>()).await }
    };
    let (code, said, _) = ask(&["lock"], &["--reason", "moving the database", "--for", "2h"]).await;
    assert!(code == 0 && said.contains("moving the database") && said.contains("operator"), "{code} {said}");
    let (code, status, _) = world.command_told(&["status"]).await;
    assert!(code == 0 && status.contains("LOCKED") && status.contains("moving the database"), "{status}");
    // Merges are refused; the lock says whose it is and how to go on.
    let three = world.commit("fix: three");
    let check = world.refused(&three, STAGING, "failure", "environment_locked").await;
    assert!(check.summary.is_some_and(|text| text.contains("operator") && text.contains("unlock")));
    let (code, _, problem) = ask(&["deploy"], &["--ref", two.as_str()]).await;
    assert!(code == 1 && problem.contains("environment_locked") && problem.contains("operator"), "{code} {problem}");
    let (code, _, _) = ask(&["unlock"], &["--reason", "moved"]).await;
    assert_eq!(code, 0);
    let (code, _, problem) = ask(&["unlock"], &[]).await;
    assert!(code == 1 && problem.contains("not_locked"), "{code} {problem}");

    let (code, planned, _) = ask(&["rollback"], &["--reason", "slow", "--dry-run"]).await;
    assert!(code == 0 && planned.contains(one.short()), "{planned}");
    let reporter = async {
        report(&world, &way_back(&world, &one).await, "success").await;
    };
    let (done, ()) = tokio::join!(ask(&["rollback"], &["--reason", "slow"]), reporter);
    assert!(done.0 == 0 && done.1.contains("succeeded"), "{done:?}");
    let (_, status, _) = world.command_told(&["status", "--format", "json"]).await;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["repositories"][0]["live"][0]["sha"], one.as_str());
    let (code, _, problem) = ask(&["rollback"], &["--reason", "no", "--to", "v9.9.9"]).await;
    assert!(code == 1 && problem.contains("not_a_good_version"), "{code} {problem}");
    let (code, _, problem) = ask(&["deploy"], &["--ref", one.as_str(), "--strategy", "gradual"]).await;
    assert!(code == 1 && problem.contains("strategy_not_possible"), "{code} {problem}");
    // What was left stays away: from merges that contain it, from the next rollback, and from people who give no reason.
    let four = world.commit("docs: four");
    let check = world.refused(&four, STAGING, "failure", "held_after_rollback").await;
    assert!(check.summary.is_some_and(|text| text.contains("slow") && text.contains(two.short())));
    let (code, _, problem) = ask(&["rollback"], &["--reason", "still slow"]).await;
    assert!(code == 1 && problem.contains("nothing_to_roll_back_to"), "{code} {problem}");
    let (code, _, problem) = ask(&["deploy"], &["--ref", two.as_str()]).await;
    assert!(code == 1 && problem.contains("held_after_rollback"), "{code} {problem}");
    // An older commit is not deployed over a newer one, not even by hand.
    let (reporter, sha) = (
        async {
            let made = world.until("two again", |shop| {
                shop.deployments().into_iter().rev().find(|d| d.sha == two && d.state() == "in_progress")
            });
            report(&world, &made.await, "success").await;
        },
        two.clone(),
    );
    let (done, ()) = tokio::join!(ask(&["deploy"], &["--ref", sha.as_str(), "--reason", "it was the disk"]), reporter);
    assert_eq!(done.0, 0, "{done:?}");
    let (code, _, problem) = ask(&["deploy"], &["--ref", one.as_str()]).await;
    assert!(code == 1 && problem.contains("older_than_live") && problem.contains("rollback"), "{code} {problem}");
    world.finish().await;
}

/// A person who stops the way back does not leave it half gone, and not for ever on its way either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_back_is_gone_to_its_end() {
    let (well, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let answer = {
        let (well, asked) = (well.clone(), asked.clone());
        move || async move {
            asked.fetch_add(1, Ordering::Relaxed);
            if well.load(Ordering::Relaxed) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", get(answer))).await });
    let health = format!(
        "rollback = \"automatic\"\n\n[[environments.staging.health]]\nkind = \"http\"\nurl = \"http://127.0.0.1:{port}/\"\n\
         within = \"1h\"\ninterval = \"1s\"\n"
    );
    let world = Setup::new().config(&config(&health)).allow("127.0.0.1").start().await;
    let good = live(&world, "fix: one").await;
    let (bad, deployment) = pushed(&world, "feat: two").await;
    report(&world, &deployment, "failure").await;
    let back = way_back(&world, &good).await;
    well.store(false, Ordering::Relaxed);
    let before = asked.load(Ordering::Relaxed);
    report(&world, &back, "success").await;
    world.until("it is asked for its health", |_| (asked.load(Ordering::Relaxed) > before).then_some(())).await;
    let run = world.runs("deploy").await.into_iter().find(|run| run.outcome.is_none()).unwrap().id.to_string();
    let (code, said, problem) = world.command_told(&["abort", &run, "--reason", "stop"]).await;
    assert_eq!(code, 0, "{said} {problem}");
    well.store(true, Ordering::Relaxed);
    let check = world.check(&bad, STAGING, "failure").await;
    assert!(check.title.is_some_and(|title| title.contains("is live again in staging")));
    world.finish().await;
}

/// In production GitHub retires nothing by itself: the version that was replaced becomes inactive, once, and what failed
/// stays a failure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn production_shows_one_live_version() {
    let world = World::with(&config("production = true\nrollback = \"automatic\"")).await;
    let good = live(&world, "fix: one").await;
    let (bad, deployment) = pushed(&world, "feat: two").await;
    report(&world, &deployment, "failure").await;
    report(&world, &way_back(&world, &good).await, "success").await;
    world.check(&bad, STAGING, "failure").await;
    let all = world.shop.deployments();
    assert_eq!(told(of(&all, &good)[0]), ["in_progress", "success", "inactive"], "another deployment of it is live now");
    assert_eq!(told(of(&all, &good)[1]), ["in_progress", "success"]);
    world.finish().await;

    let world = World::with(&config("production = true")).await;
    let one = live(&world, "fix: one").await;
    let (bad, deployment) = pushed(&world, "feat: two").await;
    report(&world, &deployment, "failure").await;
    world.check(&bad, STAGING, "failure").await;
    live(&world, "fix: three").await;
    let all = world.shop.deployments();
    assert_eq!(told(of(&all, &bad)[0]), ["in_progress", "failure"], "one end, not two");
    assert_eq!(told(of(&all, &one)[0]), ["in_progress", "success", "inactive"]);
    world.finish().await;
}

/// Production takes what has run in staging; it is woken when it is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn production_waits_until_staging_has_it() {
    let more = "\n[environments.production]\non = [\"merge\"]\ntarget = \"cluster\"\nafter = [{ environment = \"staging\", soak = \
                \"1s\" }]\n";
    let world = World::with(&config(more)).await;
    let sha = world.commit("fix: one");
    world.waiting(&sha, "lockkeeper/production").await;
    let staging = world.until("staging", |shop| {
        shop.deployments().into_iter().find(|d| d.environment == "staging" && d.state() == "in_progress")
    });
    report(&world, &staging.await, "success").await;
    let production = world.until("production's turn", |shop| {
        shop.deployments().into_iter().find(|d| d.environment == "production" && d.state() == "in_progress")
    });
    report(&world, &production.await, "success").await;
    let check = world.check(&sha, "lockkeeper/production", "success").await;
    assert!(check.summary.is_some_and(|text| text.contains("has run in staging")));
    world.finish().await;
}
