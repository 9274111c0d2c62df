//! Jobs of workflows that wait for us before they deploy: custom deployment protection rules.

use crate::process::Process;
use crate::world::{Setup, World};
use lockkeeper::config::repo::CONFIG_PATH;
use lockkeeper::domain::Role;
use lockkeeper::sandbox::{CheckRun, CommitSeed, JobSeed, Moment, RepoSeed, Review, Sandbox, SandboxConfig, WaitingJob};
use lockkeeper::store::Store;
use lockkeeper::store::runs::{Filter, RunState};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const PRODUCTION: &str = "lockkeeper/production";
const TARGET: &str = "target = \"actions\"\n\n[targets.actions]\nkind = \"workflow\"\nworkflow = \"deploy.yml\"\n";

/// Production, with these keys, is protected by us.
async fn protected(keys: &str) -> World {
    let config = format!("[environments.production]\n{keys}{TARGET}");
    let deploy = "on:\n  workflow_dispatch:\n    inputs:\n      sha: {}\n";
    let world = Setup::new().config(&config).file(".github/workflows/deploy.yml", deploy).start().await;
    world.shop.protect("production").unwrap();
    world
}

fn job(world: &World) -> WaitingJob {
    world.shop.start_job(JobSeed::new("production", &world.head())).unwrap()
}

fn review(world: &World, job: WaitingJob) -> Review {
    world.shop.reviews().into_iter().rev().find(|review| review.run == job.run).unwrap()
}

/// What the job was told in the end.
async fn told(world: &World, job: WaitingJob, state: &str) -> String {
    let decided = |shop: &lockkeeper::sandbox::RepoHandle| {
        shop.reviews().into_iter().rev().find(|r| r.run == job.run && r.state.as_deref() == Some(state))
    };
    let review = world.until(&format!("{state} for {job:?}"), decided).await;
    assert!(review.comment.chars().count() <= 1_024, "{}", review.comment);
    review.comment
}

async fn reported(world: &World, job: WaitingJob, least: usize) -> Vec<String> {
    world.until("a report", |_| (review(world, job).reports.len() >= least).then_some(())).await;
    review(world, job).reports
}

fn identifier(check: &CheckRun, word: &str) -> String {
    let all = check.actions.iter().filter_map(|action| action["identifier"].as_str());
    all.into_iter().find(|identifier| identifier.split(':').next() == Some(word)).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_gates_pass_is_approved_with_four_calls() {
    let world = protected("").await;
    world.quiet().await;
    world.github.clear_log();
    let job = job(&world);
    let text = told(&world, job, "approved").await;
    assert!(text.starts_with("**Approved: main"), "{text}");
    world.quiet().await;
    let counts = world.github.counts();
    let counted = counts.iter().filter(|(route, _)| !route.ends_with("/access_tokens"));
    let routes: Vec<String> = counted.map(|(route, count)| format!("{count} {route}")).collect();
    insta::assert_snapshot!(routes.join("\n"), @r"
    1 GET /repos/{owner}/{repo}/actions/runs/{id}
    1 POST /graphql Recheck
    1 POST /graphql ReleaseFacts
    1 POST /repos/{owner}/{repo}/actions/runs/{id}/deployment_protection_rule
    ");
    assert!(review(&world, job).reports.is_empty());
    assert_eq!(world.shop.deployments().len(), 1, "the job's own");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_waits_for_its_gates_and_is_told_so_once_for_each_change() {
    let world = protected("").await;
    let sha = world.shop.commit("main", CommitSeed::new("feat: more")).unwrap();
    let build = world.shop.start_check("github-actions", &sha, "build").unwrap();
    let job = job(&world);
    let reports = reported(&world, job, 1).await;
    assert!(reports[0].contains("may go to **production** as soon as") && reports[0].contains("build"), "{reports:?}");
    // Its own check run is not waited for; others are.
    assert!(!reports[0].contains("deploy to production"), "{reports:?}");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(review(&world, job).reports.len(), 1);
    world.shop.complete_check(build, "failure").unwrap();
    let text = told(&world, job, "rejected").await;
    assert!(text.contains("Code: `check_failed`") && text.contains("What to do: "), "{text}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_known_is_rejected_with_what_to_do() {
    let world = protected("").await;
    for environment in
        ["qa", "a b; drop", "--all", "-h", "pro\u{202e}noitcud", "production\u{200b}", "{{ 7 * 7 }}", "@acme/all"]
    {
        let job = world.shop.start_job(JobSeed::new(environment, &world.head())).unwrap();
        let text = told(&world, job, "rejected").await;
        assert!(text.contains("Code: `unknown_environment`") && text.contains("What to do: "), "{text}");
        assert!(!text.contains(['\u{202e}', '\u{200b}']) && !text.contains("49") && !text.contains("@acme"), "{text}");
    }
    // GitHub does not tell upper and lower case apart.
    let job = world.shop.start_job(JobSeed::new("Production", &world.head())).unwrap();
    told(&world, job, "approved").await;
    let fork = world.shop.start_job(JobSeed::new("production", &world.head()).from_fork()).unwrap();
    assert!(told(&world, fork, "rejected").await.contains("Code: `fork`"));
    let broken = CommitSeed::new("ci: change").file(CONFIG_PATH, "[environments.production]\ntarget = 7\n");
    world.commit_with(broken);
    let job = world.shop.start_job(JobSeed::new("production", &world.head())).unwrap();
    assert!(told(&world, job, "rejected").await.contains("Code: `config_invalid`"));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_agree_to_a_job_where_the_environment_asks_them() {
    let world = protected("approvals = { count = 1 }\n").await;
    for login in ["ann", "dev"] {
        world.shop.set_role(login, Role::Write);
    }
    let job = job(&world);
    let check = world.check(&world.head(), PRODUCTION, "action_required").await;
    let reports = reported(&world, job, 1).await;
    assert!(reports[0].contains("Waits for approval of one of those"), "{reports:?}");
    // Whoever has started the job does not approve it.
    world.shop.press_check_button(check.id, &identifier(&check, "approve"), "dev").unwrap();
    world
        .until("a refusal", |_| (world.count("GET /repos/{owner}/{repo}/collaborators/{user}/permission") > 0).then_some(()))
        .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(review(&world, job).state, None);
    world.shop.press_check_button(check.id, &identifier(&check, "approve"), "ann").unwrap();
    told(&world, job, "approved").await;
    world.check(&world.head(), PRODUCTION, "success").await;
    world.finish().await;
}

/// GitHub takes ten reports of a job, and refuses more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_often_it_changes_a_job_is_told_nine_times_and_answered() {
    let world = protected("approvals = { count = 1 }\n").await;
    world.shop.set_role("bob", Role::Write);
    let job = job(&world);
    reported(&world, job, 1).await;
    for change in 1..=12 {
        let verb = if change % 2 == 1 { "lock" } else { "unlock" };
        let (code, said) = world.command(&[verb, "production", "--repo", "acme/shop", "--reason", "again"]).await;
        assert_eq!(code, 0, "{said}");
        // It looks again.
        world.green(&world.head());
        reported(&world, job, (change + 1).min(9)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(review(&world, job).reports.len(), 9);
    let check = world.check(&world.head(), PRODUCTION, "action_required").await;
    world.shop.press_check_button(check.id, &identifier(&check, "approve"), "bob").unwrap();
    told(&world, job, "approved").await;
    world.finish().await;
}

/// Nobody calls an address that a payload names; the run is found among those that wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_address_is_never_called_and_is_on_record() {
    let mut world = protected("").await;
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let at = trap.local_addr().unwrap();
    let path = "repos/acme/shop/actions/runs/1/deployment_protection_rule";
    let seed = JobSeed::new("production", &world.head()).callback(&format!("http://{at}/{path}"));
    let job = world.shop.start_job(seed).unwrap();
    told(&world, job, "approved").await;
    // The address is GitHub's, the repository another one.
    let other = format!("{}/{}", world.github.base_url(), path.replace("shop", "bank"));
    let job = world.shop.start_job(JobSeed::new("production", &world.head()).callback(&other)).unwrap();
    told(&world, job, "approved").await;
    assert!(trap.accept().is_err(), "somebody has called it");
    let rows = world.audit().await;
    let forged: Vec<_> = rows.iter().filter(|row| row.decision == "refused:callback_forged").collect();
    assert_eq!(forged.len(), 2);
    assert!(forged[1].detail["address"].as_str().unwrap().contains(&at.to_string()));
    assert_eq!(rows.iter().filter(|row| row.action == "protection_rule" && row.door == "run").count(), 2);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_answered_before_github_gives_up() {
    let world = protected("approvals = { count = 1, expiry = \"30d\" }\n").await;
    let job = job(&world);
    reported(&world, job, 1).await;
    world.jump(Duration::from_secs(29 * 24 * 3600 + 60));
    let text = told(&world, job, "rejected").await;
    assert!(text.contains("Code: `answer_deadline`") && text.contains("The time for an answer is over"), "{text}");
    world.check(&world.head(), PRODUCTION, "timed_out").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_over_is_answered_no_more() {
    let world = protected("approvals = { count = 1 }\n").await;
    let job = job(&world);
    reported(&world, job, 1).await;
    world.check(&world.head(), PRODUCTION, "action_required").await;
    world.shop.move_run(job.run, Some("cancelled")).unwrap();
    world.check(&world.head(), PRODUCTION, "cancelled").await;
    world.quiet().await;
    assert_eq!(review(&world, job).state, None);
    world.finish().await;
}

/// Run again it has the same number: the end of the attempt before may be told late, and the job still waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_word_of_an_attempt_before_leaves_nobody_waiting() {
    let world = protected("approvals = { count = 1 }\n").await;
    let job = job(&world);
    reported(&world, job, 1).await;
    world.check(&world.head(), PRODUCTION, "action_required").await;
    let payload = serde_json::json!({
        "action": "completed",
        "workflow_run": { "id": job.run, "head_sha": world.head(), "status": "completed", "conclusion": "failure" },
        "repository": { "id": world.shop.id(), "name": "shop", "full_name": "acme/shop", "owner": { "login": "acme" } },
        "installation": { "id": world.github.installation("acme").unwrap() },
        "sender": { "login": "dev", "id": 7, "type": "User" },
    });
    world.deliver("workflow_run", &payload).await;
    told(&world, job, "rejected").await;
    world.finish().await;
}

/// A workflow that a deployment has started was judged before: it is not asked about twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_job_of_our_own_deployment_goes_on() {
    let world = protected("").await;
    let sha = world.head();
    let ask = ["deploy", "production", "--repo", "acme/shop", "--ref", sha.as_str(), "--detach"];
    assert_eq!(world.command(&ask).await.0, 0);
    world.deployment("production", "in_progress").await;
    let run = world.until("its workflow", |shop| shop.runs().into_iter().next()).await;
    // What fails now would refuse anybody else.
    world.shop.check("github-actions", &sha, "build", "failure").unwrap();
    let other = job(&world);
    told(&world, other, "rejected").await;
    let own = world.shop.start_job(JobSeed::new("production", &sha).of_run(run.id)).unwrap();
    assert!(told(&world, own, "approved").await.contains("Lockkeeper deploys it itself"));
    world.shop.move_run(run.id, Some("success")).unwrap();
    world.check(&sha, PRODUCTION, "success").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_nobody_told_us_of_are_found_at_the_start() {
    let mut world = protected("").await;
    let known = job(&world);
    told(&world, known, "approved").await;
    world.stop().await;
    let seed = JobSeed::new("production", &world.head());
    let untold = world.shop.start_job(seed.clone().untold()).unwrap();
    // It waits for somebody else.
    let others = world.shop.start_job(JobSeed::new("elsewhere", &world.head()).untold()).unwrap();
    world.boot().await;
    told(&world, untold, "approved").await;
    world.quiet().await;
    assert_eq!(review(&world, others).state, None);
    assert_eq!(world.runs("protect").await.len(), 2);
    world.finish().await;
}

/// Whatever request it dies at, the job is answered once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_answered_once_whenever_the_program_is_killed() {
    for at in 1..=5_u32 {
        let github = Sandbox::start(SandboxConfig::default()).unwrap();
        let first = CommitSeed::new("feat: begin").file(CONFIG_PATH, &format!("[environments.production]\n{TARGET}"));
        let shop = github.create_repo(RepoSeed::new("acme/shop").commit(first)).unwrap();
        shop.protect("production").unwrap();
        let process = Arc::new(Process::of(&github));
        github.set_webhook(&process.webhook(), crate::process::SECRET);
        process.start();
        let sha = shop.commit("main", CommitSeed::new("fix: more")).unwrap();
        let build = shop.start_check("github-actions", &sha, "build").unwrap();
        let (left, killer) = (AtomicU32::new(at), Arc::downgrade(&process));
        let counts = |path: &str| path.contains("/graphql") || path.contains("/actions/runs/");
        github.on(Moment::AfterEffect, move |request| {
            if counts(&request.path)
                && left.fetch_sub(1, Ordering::SeqCst) == 1
                && let Some(process) = killer.upgrade()
            {
                process.kill();
            }
        });
        let job = shop.start_job(JobSeed::new("production", &sha)).unwrap();
        let begun = Instant::now();
        let mut built = false;
        let review = loop {
            if !process.is_running() {
                process.start();
            }
            let review = shop.reviews().into_iter().find(|r| r.run == job.run).unwrap();
            if !review.reports.is_empty() && !std::mem::replace(&mut built, true) {
                shop.complete_check(build, "success").unwrap();
            }
            if review.state.is_some() {
                break review;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{at}: no answer\n{}", process.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        // It ends, and says nothing twice.
        let ended = Instant::now();
        loop {
            if !process.is_running() {
                process.start();
            }
            tokio::time::sleep(Duration::from_millis(400)).await;
            process.kill();
            let store = Store::open(&process.data_dir()).unwrap();
            let filter = Filter { workflow: Some("protect".to_owned()), ..Filter::default() };
            let runs = store.read(move |rx| lockkeeper::store::runs::list(rx, &filter)).await.unwrap();
            store.close().await;
            assert_eq!(runs.len(), 1, "{at}");
            if runs[0].state == RunState::Finished {
                break;
            }
            assert!(ended.elapsed() < Duration::from_secs(60), "{at}: it does not end\n{}", process.log());
        }
        assert_eq!((review.state.as_deref(), review.reports.len()), (Some("approved"), 1), "{at}: {review:?}");
        assert_eq!(github.violations().len(), 0, "{at}: {:?}", github.violations());
    }
}
