//! What changes under a command or a job that waits: the App is sent away, the repository gets another name or owner, a run is not
//! what it says it is.

use crate::comment_acts::{PLACES, answer, has};
use crate::comments::{pull, says};
use crate::world::{Setup, World};
use lockkeeper::domain::Role;
use lockkeeper::sandbox::{CommentSeed, Deployment, DeploymentReport, JobSeed, PullSeed, Review, WaitingJob};
use lockkeeper::store::runs::RunState;
use std::net::TcpListener;
use std::time::Duration;

const PRODUCTION: &str = "lockkeeper/production";
const ASKS: &str = "[environments.production]\ntarget = \"cluster\"\napprovals = { count = 1 }\n\n\
                    [targets.cluster]\nkind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n";

async fn world(config: &str) -> World {
    let world = Setup::new().config(config).start().await;
    world.shop.protect("production").unwrap();
    for login in ["bob", "dev"] {
        world.shop.set_role(login, Role::Write);
    }
    world
}

fn review(world: &World, job: WaitingJob) -> Review {
    world.shop.reviews().into_iter().rev().find(|review| review.run == job.run).unwrap()
}

/// What a job was told in the end.
async fn told(world: &World, job: WaitingJob) -> Review {
    let decided = |_: &_| Some(review(world, job)).filter(|review| review.state.is_some());
    world.until(&format!("an answer to {job:?}"), decided).await
}

/// A job of the head of the default branch waits for people.
async fn job_waits(world: &World) -> WaitingJob {
    let job = world.shop.start_job(JobSeed::new("production", &world.head())).unwrap();
    world.until("that it waits", |_| Some(review(world, job)).filter(|review| !review.reports.is_empty())).await;
    world.check(&world.head(), PRODUCTION, "action_required").await;
    job
}

async fn approve(world: &World) {
    let check = world.check(&world.head(), PRODUCTION, "action_required").await;
    let buttons = check.actions.iter().filter_map(|action| action["identifier"].as_str());
    let approve = buttons.into_iter().find(|identifier| identifier.starts_with("approve")).unwrap();
    world.shop.press_check_button(check.id, approve, "bob").unwrap();
}

/// Suspended or taken away, the App does nothing there any more: neither for a command nor for a job, whatever is said to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_is_sent_away_stops_what_waits() {
    for suspended in [true, false] {
        let mut world = world(ASKS).await;
        for route in ["access_tokens", "graphql", "/repos/"] {
            world.expect_refusal(route);
        }
        let number = pull(&world).await;
        world.github.set_clock_offset(600_000);
        says(&world, number, "ann", "/deploy production");
        world.check(&world.shop.resolve("topic").unwrap(), PRODUCTION, "action_required").await;
        let job = job_waits(&world).await;
        if suspended {
            world.github.suspend("acme", true).unwrap();
        } else {
            world.github.remove_from_installation("acme/shop").unwrap();
        }
        world.quiet().await;
        for workflow in ["deploy", "protect"] {
            let runs = world.runs(workflow).await;
            assert!(runs.iter().all(|run| run.state == RunState::Finished) && runs.len() == 1, "{workflow}: {runs:#?}");
        }
        if suspended {
            world.github.suspend("acme", false).unwrap();
            has(&answer(&world, number, "bob", "/approve production").await, &["nothing_to_approve"]);
        }
        assert_ne!(review(&world, job).state.as_deref(), Some("approved"));
        assert!(world.shop.deployments().iter().all(|made| !made.by_app));
        world.stop().await;
    }
}

/// What GitHub would send when the repository gets another name, or another owner.
async fn repository(world: &World, action: &str, name: &str) {
    let payload = serde_json::json!({
        "action": action,
        "repository": { "id": world.shop.id(), "full_name": name, "default_branch": "main" },
        "installation": { "id": world.github.installation("acme").unwrap() },
        "sender": { "id": 1, "login": "owner", "type": "User" },
    });
    world.deliver("repository", &payload).await;
}

/// By another name it is the same repository; another's is none of ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_waits_for_a_repository_and_not_for_a_name() {
    let world = world(ASKS).await;
    let renamed = job_waits(&world).await;
    repository(&world, "renamed", "acme/formerly").await;
    approve(&world).await;
    assert_eq!(told(&world, renamed).await.state.as_deref(), Some("approved"));
    world.quiet().await;
    let moved = job_waits(&world).await;
    repository(&world, "transferred", "stranger/shop").await;
    assert_eq!(told(&world, moved).await.state.as_deref(), Some("rejected"));
    world.quiet().await;
    world.finish().await;
}

/// A fork has the commits of its parent, and pull requests with the same numbers: only GitHub's id tells the two apart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_in_a_fork_stays_there() {
    let world = World::with(PLACES).await;
    let parents = pull(&world).await;
    let head = world.shop.resolve("topic").unwrap();
    let fork = world.github.fork("acme/shop", "eve/shop").unwrap();
    fork.set_role("ann", Role::Write);
    fork.check("github-actions", &head, "build", "success").unwrap();
    let number = fork.open_pull(PullSeed::new("feat: sell more", "topic")).unwrap();
    assert_eq!(number, parents);
    world.quiet().await;
    let checks = world.shop.check_runs().len();
    world.github.clear_log();
    let body = format!("/deploy staging @{}\n/lock production --reason ours", &head.as_str()[..12]);
    fork.comment(number, CommentSeed::new("ann", &body)).unwrap();
    let going = |made: &Deployment| made.sha == head && made.state() == "in_progress";
    let made = world.until("its deployment", |_| fork.deployments().into_iter().find(going)).await;
    fork.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    let live = || fork.newest_check(&head, "lockkeeper/staging").filter(|c| c.conclusion.as_deref() == Some("success"));
    world.until("that it is live", |_| live()).await;
    world.quiet().await;
    for entry in world.github.log() {
        let there = entry.path.starts_with("/repos/eve/shop/") || entry.body.contains("\"owner\":\"eve\"");
        assert!(there || entry.path.starts_with("/app"), "{entry:?}");
    }
    let shop = &world.shop;
    assert_eq!((shop.deployments().len(), shop.comments().len(), shop.check_runs().len()), (0, 0, checks));
    let status = answer(&world, parents, "ann", "/status").await;
    assert!(!status.contains("ours") && !status.contains(head.short()), "{status}");
    world.finish().await;
}

/// With `pull_request_target` the code of a fork runs at a commit of ours: where its run comes from decides.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_for_the_pull_request_of_a_fork_is_rejected_at_whatever_commit() {
    let world = world(&ASKS.replace("approvals = { count = 1 }\n", "")).await;
    let seed = JobSeed::new("production", &world.head()).event("pull_request_target");
    let job = world.shop.start_job(seed.clone().from_fork()).unwrap();
    let review = told(&world, job).await;
    assert!(review.state.as_deref() == Some("rejected") && review.comment.contains("Code: `fork`"), "{review:?}");
    let own = world.shop.start_job(seed).unwrap();
    assert_eq!(told(&world, own).await.state.as_deref(), Some("approved"));
    world.finish().await;
}

/// Two runs of one commit wait, and the addresses are none of GitHub's: nobody guesses which one is meant, and nobody calls them. At
/// the next start each is asked about by its own number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_runs_with_forged_addresses_none_is_guessed_and_both_are_answered() {
    let mut world = world(&ASKS.replace("approvals = { count = 1 }\n", "")).await;
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let at = trap.local_addr().unwrap();
    let seed = |run: u32| {
        let path = format!("http://{at}/repos/acme/shop/actions/runs/{run}/deployment_protection_rule");
        JobSeed::new("production", &world.head()).callback(&path)
    };
    let known = world.shop.start_job(JobSeed::new("production", &world.head())).unwrap();
    assert_eq!(told(&world, known).await.state.as_deref(), Some("approved"));
    world.quiet().await;
    // GitHub tells of the second one alone: by then both wait.
    let one = world.shop.start_job(seed(1).untold()).unwrap();
    let two = world.shop.start_job(seed(2)).unwrap();
    world.quiet().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!([one, two].map(|job| review(&world, job).state), [None, None]);
    world.stop().await;
    world.boot().await;
    for job in [one, two] {
        assert_eq!(told(&world, job).await.state.as_deref(), Some("approved"));
    }
    assert!(trap.accept().is_err(), "somebody has called it");
    let rows = world.audit().await;
    assert_eq!(rows.iter().filter(|row| row.decision == "refused:callback_forged").count(), 1);
    world.finish().await;
}
