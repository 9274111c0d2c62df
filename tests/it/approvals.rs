//! Environments that ask people: what waits, who may agree, what ends it.

use crate::keys::{brought_up, key, remote};
use crate::process::Process;
use crate::world::{Setup, World};
use lockkeeper::config::repo::CONFIG_PATH;
use lockkeeper::domain::{Role, Sha};
use lockkeeper::sandbox::{
    CheckRun, CommitSeed, DeploymentReport, Fault, Moment, RepoHandle, RepoSeed, Sandbox, SandboxConfig, Trouble,
};
use lockkeeper::store::runs::RunState;
use lockkeeper::store::{Store, audit};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const PRODUCTION: &str = "lockkeeper/production";

/// A workflow brings it up, so that GitHub's deployment is there while people are asked.
fn asks(approvals: &str) -> Setup {
    let config = format!(
        "[environments.production]\ntarget = \"actions\"\napprovals = {approvals}\n\n[targets.actions]\nkind = \"workflow\"\nworkflow = \
         \"deploy.yml\"\n"
    );
    Setup::new().config(&config).file(".github/workflows/deploy.yml", "on:\n  workflow_dispatch:\n    inputs:\n      sha: {}\n")
}

/// The operator asks for the newest commit.
async fn asked(world: &World) -> Sha {
    let sha = world.head();
    let ask = ["deploy", "production", "--repo", "acme/shop", "--ref", sha.as_str(), "--detach"];
    let (code, _, problem) = world.command_told(&ask).await;
    assert_eq!(code, 0, "{problem}");
    sha
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_waits_for_people_says_for_whom_and_not_for_ever() {
    let world = asks("{ count = 2, teams = [\"sre\"], expiry = \"2d\" }").start().await;
    world.github.clear_log();
    let sha = asked(&world).await;
    let check = world.check(&sha, PRODUCTION, "action_required").await;
    let says = "Waits for 2 of 2 approvals of members of the team sre who did not ask for it.";
    assert_eq!(check.title.as_deref(), Some(says));
    let made = world.deployment("production", "pending").await;
    assert_eq!(made.statuses.last().map(|status| status.description.as_str()), Some(says));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let counts = world.github.counts();
    let counted = counts.iter().filter(|(route, _)| !route.ends_with("/access_tokens"));
    let routes: Vec<String> = counted.map(|(route, count)| format!("{count} {route}")).collect();
    insta::assert_snapshot!(routes.join("\n"), @r"
    2 POST /graphql ReleaseFacts
    1 POST /repos/{owner}/{repo}/check-runs
    1 POST /repos/{owner}/{repo}/deployments
    1 POST /repos/{owner}/{repo}/deployments/{id}/statuses
    ");
    world.jump(Duration::from_secs(2 * 24 * 3600 + 60));
    world.refused(&sha, PRODUCTION, "timed_out", "approvals_deadline").await;
    world.finish().await;
}

const CLUSTER: &str = "[targets.cluster]\nkind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n";

/// Each merge, which `dev` pushes, goes to production once people agree.
async fn merged(approvals: &str, author: &str) -> (World, Sha) {
    let config =
        format!("[environments.production]\non = [\"merge\"]\ntarget = \"cluster\"\napprovals = {approvals}\n\n{CLUSTER}");
    let world = Setup::new().config(&config).start().await;
    for (login, role) in [("dev", Role::Admin), ("ann", Role::Write), ("bob", Role::Write), ("eve", Role::Read)] {
        world.shop.set_role(login, role);
    }
    let sha = world.commit_with(CommitSeed::new("fix: more").author(author));
    world.check(&sha, PRODUCTION, "action_required").await;
    (world, sha)
}

pub fn identifier(check: &CheckRun, word: &str) -> String {
    let all = check.actions.iter().filter_map(|action| action["identifier"].as_str());
    let found = all.clone().find(|identifier| identifier.split(':').next() == Some(word));
    found.unwrap_or_else(|| panic!("no button {word} among {:?}", all.collect::<Vec<_>>())).to_owned()
}

/// Presses it, and waits until what it asks for is done or refused; gives the code of a refusal.
pub async fn press(world: &World, check: &CheckRun, identifier: &str, by: &str) -> Option<String> {
    let before = world.runs("button").await.len();
    world.shop.press_check_button(check.id, identifier, by).unwrap();
    let begun = Instant::now();
    loop {
        let runs = world.runs("button").await;
        if runs.len() > before && runs.iter().all(|run| run.state == RunState::Finished) {
            let newest = runs.into_iter().max_by_key(|run| (run.created_at, run.id.clone())).unwrap();
            return newest.outcome.unwrap()["finished"]["refusal"]["code"].as_str().map(str::to_owned);
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "the press came to nothing\n{}", world.scene().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn goes_on(world: World, sha: &Sha) {
    brought_up(&world, sha, "deploy").await;
    world.check(sha, PRODUCTION, "success").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_agrees_and_it_goes_on_at_once() {
    let (mut world, sha) = merged("{ count = 1 }", "dev").await;
    let check = world.check(&sha, PRODUCTION, "action_required").await;
    let labels: Vec<_> = check.actions.iter().map(|action| action["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["Approve", "Reject", "Cancel"]);
    // What has come of the push is over.
    assert!(world.github.settle(Duration::from_secs(10)));
    tokio::time::sleep(Duration::from_millis(400)).await;
    world.github.clear_log();
    assert_eq!(press(&world, &check, &identifier(&check, "approve"), "ann").await, None);
    brought_up(&world, &sha, "deploy").await;
    let done = world.check(&sha, PRODUCTION, "success").await;
    let summary = done.summary.unwrap_or_default();
    assert!(summary.contains("is approved by ann"), "{summary}");
    world.quiet().await;
    let counts = world.github.counts();
    let counted = counts.iter().filter(|(route, _)| !route.ends_with("/access_tokens"));
    let routes: Vec<String> = counted.map(|(route, count)| format!("{count} {route}")).collect();
    insta::assert_snapshot!(routes.join("\n"), @r"
    1 GET /repos/{owner}/{repo}/collaborators/{user}/permission
    1 GET /repos/{owner}/{repo}/deployments/{id}/statuses
    2 PATCH /repos/{owner}/{repo}/check-runs/{id}
    1 POST /graphql Recheck
    1 POST /repos/{owner}/{repo}/deployments
    2 POST /repos/{owner}/{repo}/deployments/{id}/statuses
    ");
    let rows = world.audit().await;
    let row = rows.iter().find(|row| row.action == "approve").expect("it is on record");
    assert_eq!((row.door.as_str(), row.actor.login.as_str(), row.decision.as_str()), ("button", "ann", "accepted"));
    let digest = row.detail["digest"].as_str().unwrap();
    assert!(summary.contains(&digest["sha256:".len()..][..12]) && digest.len() == 71, "{digest}");
    world.finish().await;
}

/// What the gates have seen is old when GitHub, or our own server, was away between their pass and the turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gates_that_passed_long_ago_look_again_before_anything_is_done() {
    let gates = "[[environments.production.gates]]\nkind = \"checks\"\nnames = [\"image\"]\n";
    let config = format!(
        "[environments.production]\non = [\"merge\"]\ntarget = \"cluster\"\napprovals = {{ count = 1 }}\n\n{gates}\n{CLUSTER}"
    );
    let world = Setup::new().config(&config).start().await;
    world.shop.set_role("ann", Role::Write);
    let sha = world.commit("fix: more");
    world.shop.check("github-actions", &sha, "image", "success").unwrap();
    let check = world.check(&sha, PRODUCTION, "action_required").await;
    let trouble = Trouble::Status { status: 503, headers: Vec::new(), message: "Service Unavailable".into() };
    world.github.fault(Fault::on("PATCH", "/check-runs/", trouble).always());
    let before = world.count("PATCH /repos/{owner}/{repo}/check-runs/{id}");
    assert_eq!(press(&world, &check, &identifier(&check, "approve"), "ann").await, None);
    world.requests("PATCH /repos/{owner}/{repo}/check-runs/{id}", before + 1).await;
    world.shop.check("github-actions", &sha, "image", "failure").unwrap();
    assert!(world.github.settle(Duration::from_secs(10)));
    world.jump(Duration::from_secs(120));
    world.github.clear_faults();
    world.check(&sha, PRODUCTION, "failure").await;
    world.quiet().await;
    assert_eq!(world.shop.deployments().len(), 0, "nothing was begun on the word of an old look");
    world.finish().await;
}

/// Who has agreed an hour ago has not agreed to what is done now, however long it had to wait for its turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_does_not_outlive_its_time() {
    let config = format!(
        "[environments.production]\non = [\"merge\"]\ntarget = \"cluster\"\napprovals = {{ count = 1, expiry = \"1h\" }}\n\n\
         {CLUSTER}timeout = \"6h\"\n"
    );
    let world = Setup::new().config(&config).start().await;
    world.shop.set_role("ann", Role::Write);
    let agreed = async |sha: &Sha| {
        let check = world.check(sha, PRODUCTION, "action_required").await;
        let approve = identifier(&check, "approve");
        assert_eq!(press(&world, &check, &approve, "ann").await, None);
        (check, approve)
    };
    let before = world.commit("fix: before");
    agreed(&before).await;
    world.deployment("production", "in_progress").await;
    let next = world.commit("fix: next");
    let (check, approve) = agreed(&next).await;
    let queued = |shop: &RepoHandle| shop.newest_check(&next, PRODUCTION).filter(|check| check.status == "queued");
    world.until("its place in the queue", queued).await;
    world.jump(Duration::from_secs(3_700));
    brought_up(&world, &before, "deploy").await;
    world.refused(&next, PRODUCTION, "timed_out", "approvals_deadline").await;
    assert_eq!(press(&world, &check, &approve, "ann").await.as_deref(), Some("nothing_to_approve"));
    assert_eq!(world.shop.deployments().len(), 1, "it was not begun");
    world.finish().await;
}

/// What somebody asked to leave is not there any more when people agree.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_back_is_made_from_what_it_was_asked_for_and_from_nothing_else() {
    let world = Setup::new().config(&format!("[environments.production]\ntarget = \"cluster\"\n\n{CLUSTER}")).start().await;
    world.shop.set_role("ann", Role::Write);
    let (_, key) = key(&world, "ci", "deploy,plan,rollback", "production").await;
    let live = async |message: &str| {
        let sha = world.commit(message);
        let ask = ["deploy", "production", "--repo", "acme/shop", "--ref", sha.as_str()];
        let (told, ()) = tokio::join!(world.command_told(&ask), brought_up(&world, &sha, "deploy"));
        assert_eq!(told.0, 0, "{told:?}");
        sha
    };
    let one = live("fix: one").await;
    live("fix: two").await;
    let back = ["rollback", "production", "--repo", "acme/shop", "--reason", "slow", "--detach"];
    let (code, _, problem) = remote(&world, &key, &back).await;
    assert_eq!(code, 0, "{problem}");
    let check = world.check(&one, PRODUCTION, "action_required").await;
    live("fix: three").await;
    assert_eq!(press(&world, &check, &identifier(&check, "approve"), "ann").await, None);
    world.refused(&one, PRODUCTION, "failure", "plan_stale").await;
    assert!(world.shop.deployments().iter().all(|made| made.task == "deploy" || made.state() == "failure"));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_count_is_refused_with_its_reason_and_on_record() {
    let (mut world, sha) = merged("{ count = 1, not_author = true }", "ann").await;
    let check = world.check(&sha, PRODUCTION, "action_required").await;
    let approve = identifier(&check, "approve");
    for (by, what, code) in [
        ("eve", approve.as_str(), "not_allowed"),
        ("stranger", approve.as_str(), "not_allowed"),
        ("eve", "cancel", "not_allowed"),
        // Whose merge it is, and whose commits came before: nothing has been deployed here yet.
        ("ann", approve.as_str(), "self_approval"),
        ("dev", approve.as_str(), "author_approval"),
        ("bob", "approve:000000000000", "plan_stale"),
    ] {
        assert_eq!(press(&world, &check, what, by).await.as_deref(), Some(code), "{by} {what}");
    }
    // A program, and a button that we never made, are not heard at all.
    world.shop.press_check_button(check.id, &approve, "helper[bot]").unwrap();
    world.shop.press_check_button(check.id, "deploy", "bob").unwrap();
    assert!(world.github.settle(Duration::from_secs(10)));
    assert_eq!((world.runs("button").await.len(), world.shop.deployments().len()), (6, 0));
    world.check(&sha, PRODUCTION, "action_required").await;
    assert_eq!(press(&world, &check, &approve, "bob").await, None);
    brought_up(&world, &sha, "deploy").await;
    world.check(&sha, PRODUCTION, "success").await;
    let rows = world.audit().await;
    let refused = |code: &str| rows.iter().filter(|row| row.decision == format!("refused:{code}")).count();
    let counts = ["not_allowed", "self_approval", "author_approval", "plan_stale"].map(refused);
    assert_eq!(counts, [3, 1, 1, 1], "{rows:#?}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_are_two_people_and_each_is_shown() {
    let (world, sha) = merged("{ count = 2 }", "dev").await;
    let check = world.check(&sha, PRODUCTION, "action_required").await;
    let approve = identifier(&check, "approve");
    for _ in 0..2 {
        assert_eq!(press(&world, &check, &approve, "ann").await, None);
        let one = |shop: &RepoHandle| {
            let title = shop.newest_check(&sha, PRODUCTION).and_then(|check| check.title).unwrap_or_default();
            title.starts_with("Waits for 1 of 2 approvals").then_some(())
        };
        world.until("that one more is missing", one).await;
    }
    assert_eq!(world.shop.deployments().len(), 0);
    assert_eq!(press(&world, &check, &approve, "bob").await, None);
    goes_on(world, &sha).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_of_the_team_agrees_whatever_the_role() {
    let (mut world, sha) = merged("{ teams = [\"sre\"] }", "dev").await;
    world.github.team("acme", "sre", &["eve"]);
    world.expect_refusal("memberships");
    let check = world.check(&sha, PRODUCTION, "action_required").await;
    let approve = identifier(&check, "approve");
    assert_eq!(press(&world, &check, &approve, "ann").await.as_deref(), Some("not_allowed"));
    assert_eq!(press(&world, &check, &approve, "eve").await, None);
    goes_on(world, &sha).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejection_ends_it_and_a_cancellation_too() {
    let (world, sha) = merged("{ count = 1 }", "dev").await;
    let check = world.check(&sha, PRODUCTION, "action_required").await;
    assert_eq!(press(&world, &check, &identifier(&check, "reject"), "ann").await, None);
    let ended = world.refused(&sha, PRODUCTION, "failure", "approval_rejected").await;
    let summary = ended.summary.unwrap_or_default();
    assert!(summary.contains("ann has rejected plan") && summary.contains("`by the button of the check run`"), "{summary}");
    assert_eq!(press(&world, &check, &identifier(&check, "approve"), "bob").await.as_deref(), Some("nothing_to_approve"));
    let next = world.commit("fix: again");
    let check = world.check(&next, PRODUCTION, "action_required").await;
    assert_eq!(press(&world, &check, "cancel", "bob").await, None);
    world.check(&next, PRODUCTION, "cancelled").await;
    assert_eq!(world.shop.deployments().len(), 0);
    world.finish().await;
}

/// Whoever was told that it counts is right, and it counts once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_survives_a_kill_at_any_request() {
    for at in 1..=3_u32 {
        let github = Sandbox::start(SandboxConfig::default()).unwrap();
        let config = format!(
            "[environments.production]\non = [\"merge\"]\ntarget = \"cluster\"\napprovals = {{ count = 1 }}\n\n{CLUSTER}"
        );
        let first = CommitSeed::new("feat: begin").file(CONFIG_PATH, &config);
        let shop = github.create_repo(RepoSeed::new("acme/shop").commit(first)).unwrap();
        shop.set_role("ann", Role::Write);
        let process = Arc::new(Process::of(&github));
        github.set_webhook(&process.webhook(), crate::process::SECRET);
        process.start();
        let sha = shop.commit("main", CommitSeed::new("fix: more")).unwrap();
        shop.check("github-actions", &sha, "build", "success").unwrap();
        let wait = async |conclusion: &str| {
            let begun = Instant::now();
            loop {
                let found = shop.newest_check(&sha, PRODUCTION).filter(|c| c.conclusion.as_deref() == Some(conclusion));
                if let Some(found) = found {
                    return found;
                }
                if !process.is_running() {
                    process.start();
                }
                assert!(begun.elapsed() < Duration::from_secs(60), "{at}: no {conclusion}\n{}", process.log());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let check = wait("action_required").await;
        let (left, killer) = (AtomicU32::new(at), Arc::downgrade(&process));
        github.on(Moment::AfterEffect, move |_| {
            if left.fetch_sub(1, Ordering::SeqCst) == 1
                && let Some(process) = killer.upgrade()
            {
                process.kill();
            }
        });
        shop.press_check_button(check.id, &identifier(&check, "approve"), "ann").unwrap();
        let begun = Instant::now();
        let made = loop {
            if let Some(made) = shop.deployments().into_iter().find(|d| d.state() == "in_progress") {
                break made;
            }
            if !process.is_running() {
                process.start();
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{at}: it does not go on\n{}", process.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
        wait("success").await;
        process.kill();
        let store = Store::open(&process.data_dir()).unwrap();
        let rows = store.read(|rx| audit::latest(rx, 99)).await.unwrap();
        store.close().await;
        assert_eq!(rows.iter().filter(|row| row.action == "approve").count(), 1, "{at}: {rows:#?}");
        assert_eq!(shop.deployments().len(), 1, "{at}");
    }
}
