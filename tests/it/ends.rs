//! Every way in which a deployment can end: what GitHub shows of it, what is on record, what is kept locked, what is live.

use crate::world::{Setup, World};
use lockkeeper::domain::{Millis, RepoId, RunId, Sha};
use lockkeeper::sandbox::{Deployment, DeploymentReport, Fault, RepoHandle};
use lockkeeper::store::{Store, audit, holds, ledger, locks, runs};
use regex::Regex;
use serde_json::Value;
use std::fmt::Write;
use std::sync::LazyLock;
use std::time::Duration;

const STAGING: &str = "lockkeeper/staging";
static RUN: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\(run [0-9a-f-]{36}\)").unwrap());

/// A deployer that reports, or a workflow: GitHub's deployment is there before the gates then.
fn setup(more: &str, workflow: bool) -> Setup {
    let target = if workflow {
        "kind = \"workflow\"\nworkflow = \"deploy.yml\"\n"
    } else {
        "kind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n"
    };
    let config =
        format!("[environments.staging]\non = [\"merge\"]\ntarget = \"cluster\"\n{more}\n\n[targets.cluster]\n{target}");
    Setup::new().config(&config).file(".github/workflows/deploy.yml", "on:\n  workflow_dispatch:\n    inputs:\n      sha: {}\n")
}

async fn begun(world: &World, sha: &Sha) -> Deployment {
    let there = |shop: &RepoHandle| shop.deployments().into_iter().find(|d| d.sha == *sha && d.state() == "in_progress");
    world.until("its deployment", there).await
}

fn report(world: &World, made: &Deployment, state: &str) {
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", state)).unwrap();
}

/// A commit is deployed, and its deployer says what came of it.
async fn pushed(world: &World, message: &str, state: &str) -> Sha {
    let sha = world.commit(message);
    report(world, &begun(world, &sha).await, state);
    sha
}

async fn good(world: &World) -> Sha {
    let sha = pushed(world, "fix: one", "success").await;
    world.check(&sha, STAGING, "success").await;
    sha
}

async fn goes_back(world: &World, to: &Sha, state: &str) {
    let back = |d: &Deployment| d.sha == *to && d.task == "rollback" && d.state() == "in_progress";
    let made = world.until("the way back", |shop| shop.deployments().into_iter().find(back)).await;
    report(world, &made, state);
}

async fn run_of(world: &World, sha: &Sha) -> RunId {
    let all = world.runs("deploy").await;
    all.into_iter().filter(|run| run.subject.sha.as_ref() == Some(sha)).max_by_key(|run| run.created_at).unwrap().id
}

async fn stop(world: &World, sha: &Sha) {
    let run = run_of(world, sha).await.to_string();
    let (code, said, problem) = world.command_told(&["abort", &run, "--reason", "it smells"]).await;
    assert_eq!(code, 0, "{said} {problem}");
}

/// What is left of the run of `sha` once everything is at rest; `names` stand for commits.
async fn left(world: &mut World, sha: &Sha, names: &[(&Sha, &str)]) -> String {
    world.quiet().await;
    let id = run_of(world, sha).await;
    let (deployments, check) = (world.shop.deployments(), world.shop.newest_check(sha, STAGING));
    world.stop().await;
    let store = Store::open(&world.data_dir()).unwrap();
    let run = store.read(move |rx| runs::get(rx, &id)).await.unwrap().unwrap();
    let (id, repo) = (run.id.clone(), run.subject.repo.id);
    let rows = store.read(move |rx| audit::of_run(rx, &id)).await.unwrap();
    let held = store.read(move |rx| holds::all_open(rx, repo, Millis(i64::MAX - 1))).await.unwrap();
    let locked = store.read(locks::all).await.unwrap();
    let live = store.read(move |rx| ledger::live(rx, repo)).await.unwrap();
    store.close().await;
    world.boot().await;

    let mut out = String::new();
    let outcome = run.outcome.unwrap();
    let word = outcome.pointer("/finished/state").and_then(Value::as_str).unwrap_or("no state");
    writeln!(out, "  state       {word}, the run is {}", run.state.as_str()).unwrap();
    for made in deployments.iter().filter(|d| d.payload["lockkeeper_run"] == run.id.as_str()) {
        let told = made.statuses.iter().filter(|s| s.by_app).map(|s| s.state.as_str()).collect::<Vec<_>>();
        writeln!(out, "  deployment  {} ({}): {}", made.sha, made.task, told.join(", ")).unwrap();
    }
    let check = check.unwrap();
    writeln!(out, "  check run   {}: {}", check.conclusion.unwrap_or_default(), check.title.unwrap_or_default()).unwrap();
    for row in rows {
        writeln!(out, "  audit       {} {} by {}: {}", row.door, row.action, row.actor.login, row.decision).unwrap();
    }
    for hold in held {
        writeln!(out, "  kept out    {}: {}", hold.what.kind.as_str(), hold.what.reason).unwrap();
    }
    assert!(locked.is_empty(), "a lock is left behind: {locked:?}");
    for (_, entry) in live {
        writeln!(out, "  live        {}, {}", entry.sha, if entry.good { "good" } else { "bad" }).unwrap();
    }
    for (sha, name) in names {
        out = out.replace(sha.as_str(), name).replace(sha.short(), name);
    }
    RUN.replace_all(&out, "(run …)").into_owned()
}

struct Story {
    name: &'static str,
    more: &'static str,
    workflow: bool,
    /// Trouble of GitHub is waited for.
    patient: bool,
}

impl Story {
    const fn new(name: &'static str, more: &'static str) -> Self {
        Self { name, more, workflow: false, patient: true }
    }
    const fn shown(self) -> Self {
        Self { workflow: true, ..self }
    }
}

const SLOW: &str = "gates = [{ kind = \"checks\", names = [\"slow\"], deadline = \"1h\" }]";

const STORIES: [Story; 16] = [
    Story::new("succeeded", ""),
    Story::new("rejected by a gate", ""),
    Story::new("superseded by what is live", ""),
    Story::new("expired at a gate", SLOW),
    Story::new("cancelled at a gate", SLOW),
    Story::new("rejected by a gate", "").shown(),
    Story::new("expired at a gate", SLOW).shown(),
    Story::new("cancelled at a gate", SLOW).shown(),
    Story::new("cancelled while it waits for its turn", ""),
    Story::new("failed, and nothing goes back by itself", "rollback = \"manual\""),
    Story::new("failed, and there is nothing to go back to", "rollback = \"automatic\""),
    Story::new("stopped by a person", "rollback = \"manual\""),
    Story::new("rolled back", "rollback = \"automatic\""),
    Story::new("rollback failed", "rollback = \"automatic\""),
    Story::new("halted forward", "rollback = \"forbidden\""),
    Story { patient: false, ..Story::new("indeterminate", "") },
];

/// Plays a story and gives the commit that it is about, beside that of what was live before.
async fn play(story: &Story, world: &mut World) -> (Sha, Option<Sha>) {
    match story.name {
        "succeeded" => (good(world).await, None),
        "rejected by a gate" => {
            let sha = world.shop.commit("main", lockkeeper::sandbox::CommitSeed::new("feat: two")).unwrap();
            world.shop.check("github-actions", &sha, "build", "failure").unwrap();
            (sha, None)
        }
        "superseded by what is live" => {
            let older = world.shop.commit("main", lockkeeper::sandbox::CommitSeed::new("fix: slow")).unwrap();
            let slow = world.shop.start_check("github-actions", &older, "slow").unwrap();
            world.waiting(&older, STAGING).await;
            let newer = good(world).await;
            world.shop.complete_check(slow, "success").unwrap();
            (older, Some(newer))
        }
        "expired at a gate" => {
            let sha = world.commit("feat: two");
            world.waiting(&sha, STAGING).await;
            world.jump(Duration::from_secs(2 * 3600));
            world.shop.check("github-actions", &sha, "other", "success").unwrap();
            (sha, None)
        }
        "cancelled at a gate" => {
            let sha = world.commit("feat: two");
            world.waiting(&sha, STAGING).await;
            stop(world, &sha).await;
            (sha, None)
        }
        "cancelled while it waits for its turn" => {
            let first = world.commit("fix: one");
            let made = begun(world, &first).await;
            let second = world.commit("feat: two");
            world.waiting(&second, STAGING).await;
            stop(world, &second).await;
            world.check(&second, STAGING, "cancelled").await;
            report(world, &made, "success");
            (second, Some(first))
        }
        "failed, and there is nothing to go back to" => (pushed(world, "feat: two", "failure").await, None),
        "indeterminate" => {
            let before = good(world).await;
            let sha = world.commit("feat: two");
            let made = begun(world, &sha).await;
            world.github.fault(Fault::status("GET", &format!("/deployments/{}/statuses", made.id), 502).always());
            report(world, &made, "success");
            world.check(&sha, STAGING, "failure").await;
            world.github.clear_faults();
            (sha, Some(before))
        }
        "stopped by a person" => {
            let before = good(world).await;
            let sha = world.commit("feat: two");
            begun(world, &sha).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            stop(world, &sha).await;
            goes_back(world, &before, "success").await;
            (sha, Some(before))
        }
        back => {
            let before = good(world).await;
            let sha = pushed(world, "feat: two", "failure").await;
            match back {
                "rolled back" => goes_back(world, &before, "success").await,
                "rollback failed" => goes_back(world, &before, "failure").await,
                _ => {}
            }
            (sha, Some(before))
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_end_is_told_once_and_leaves_only_what_it_should() {
    let mut all = String::new();
    for story in &STORIES {
        let setup = setup(story.more, story.workflow).tune(|tuning| {
            if !story.patient {
                (tuning.host.dead_after, tuning.host.least_attempts) = (Duration::ZERO, 2);
            }
        });
        let mut world = setup.start().await;
        let (sha, before) = play(story, &mut world).await;
        let names: Vec<(&Sha, &str)> = before.iter().map(|sha| (sha, "ONE")).chain([(&sha, "THIS")]).collect();
        let shown = if story.workflow { ", with a deployment from the start" } else { "" };
        write!(all, "{}{shown}\n{}\n", story.name, left(&mut world, &sha, &names).await).unwrap();
        if story.patient {
            world.finish().await;
        }
    }
    insta::assert_snapshot!(all);
}

/// A dry run is an end too: it is on record, and nobody outside sees anything of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_is_on_record_and_changes_nothing() {
    let mut world = setup("", false).start().await;
    let sha = world.head();
    let asked = ["deploy", "staging", "--repo", "acme/shop", "--ref", sha.as_str(), "--dry-run"];
    let (code, said, problem) = world.command_told(&asked).await;
    assert_eq!(code, 0, "{said} {problem}");
    world.quiet().await;
    assert!(world.shop.deployments().is_empty() && world.our_checks(&sha, STAGING).is_empty());
    world.stop().await;
    let store = Store::open(&world.data_dir()).unwrap();
    let rows = store.read(|rx| audit::latest(rx, 10)).await.unwrap();
    let kept = store.read(|rx| ledger::live(rx, RepoId(1))).await.unwrap();
    store.close().await;
    let told: Vec<_> = rows.iter().map(|row| (row.action.as_str(), row.decision.as_str(), row.run.is_some())).collect();
    assert_eq!(told, [("deploy", "accepted", false)]);
    assert!(kept.is_empty(), "{kept:?}");
    world.boot().await;
    world.finish().await;
}
