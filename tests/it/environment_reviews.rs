//! Reviews on GitHub's own page of an environment, where plans of ours wait for people.

use crate::world::{Setup, World};
use lockkeeper::domain::{Role, Sha};
use lockkeeper::sandbox::{DeploymentReport, JobSeed, PageReview, WaitingJob};
use lockkeeper::store::audit::Record;
use std::time::Duration;

const PRODUCTION: &str = "lockkeeper/production";
const CONFIG: &str = "[environments.production]\non = [\"merge\"]\ntarget = \"cluster\"\ngates = []\n\
                      approvals = { count = 1, not_author = true }\n\n\
                      [targets.cluster]\nkind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n";

/// A run of somebody's workflow at this commit, of which we hear by its reviews alone.
fn untold(world: &World, sha: &Sha) -> WaitingJob {
    world.shop.start_job(JobSeed::new("production", sha).untold()).unwrap()
}

/// `dev` has merged what `ann` has written, and it waits for people.
async fn waiting() -> (World, Sha, Sha) {
    let world = Setup::new().config(CONFIG).start().await;
    for (login, role) in [("dev", Role::Admin), ("ann", Role::Write), ("bob", Role::Write), ("eve", Role::Read)] {
        world.shop.set_role(login, role);
    }
    let before = world.head();
    let sha = world.commit_with(lockkeeper::sandbox::CommitSeed::new("fix: more").author("ann"));
    world.check(&sha, PRODUCTION, "action_required").await;
    settled(&world).await;
    (world, before, sha)
}

/// GitHub has told everything, and it has been looked at.
async fn settled(world: &World) {
    world.until("that everything is told", |_| world.github.settle(Duration::ZERO).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
}

fn decided<'r>(rows: &'r [Record], decision: &str) -> Vec<&'r Record> {
    rows.iter().filter(|row| row.door == "environment_review" && row.decision == decision).collect()
}

/// How many runs have heard a review.
async fn heard(world: &World, count: usize) {
    let mut runs = world.runs("environment_review").await.len();
    let begun = std::time::Instant::now();
    while runs < count && begun.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        runs = world.runs("environment_review").await.len();
    }
    assert_eq!(runs, count);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_review_agrees_to_what_waits_for_this_very_commit_by_the_rules_of_all_approvals() {
    let (mut world, before, sha) = waiting().await;
    let (here, old) = (untold(&world, &sha), untold(&world, &before));
    settled(&world).await;
    // Another commit, another environment, a program, a fork: nobody is asked about it.
    world.github.clear_log();
    world.shop.review_job(old.run, &["production"], "bob", PageReview::Approved).unwrap();
    world.shop.review_job(here.run, &["staging", "qa"], "bob", PageReview::Approved).unwrap();
    world.shop.review_job(here.run, &["production"], "helper[bot]", PageReview::Approved).unwrap();
    // A fork's run at the very commit, as with `pull_request_target`.
    let fork = world.shop.start_job(JobSeed::new("production", &sha).from_fork().untold()).unwrap();
    world.shop.review_job(fork.run, &["production"], "bob", PageReview::Approved).unwrap();
    settled(&world).await;
    heard(&world, 0).await;
    assert!(world.github.log().is_empty(), "{:?}", world.github.log());
    // Whoever asked for it, whoever wrote it, whoever may only read.
    for (nth, login) in ["dev", "ann", "eve"].into_iter().enumerate() {
        world.shop.review_job(here.run, &["production"], login, PageReview::Approved).unwrap();
        heard(&world, nth + 1).await;
    }
    settled(&world).await;
    assert_eq!(world.shop.newest_check(&sha, PRODUCTION).unwrap().conclusion.as_deref(), Some("action_required"));
    world.shop.review_job(here.run, &["Production"], "bob", PageReview::Approved).unwrap();
    let made = world.deployment("production", "in_progress").await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    let check = world.check(&sha, PRODUCTION, "success").await;
    assert!(check.summary.unwrap().contains("is approved by bob"));
    // Nothing waits any more.
    world.quiet().await;
    world.github.clear_log();
    world.shop.review_job(here.run, &["production"], "bob", PageReview::Approved).unwrap();
    world.quiet().await;
    assert!(world.github.log().is_empty());
    let rows = world.audit().await;
    let counts =
        ["self_approval", "author_approval", "not_allowed"].map(|code| decided(&rows, &format!("refused:{code}")).len());
    let accepted = decided(&rows, "accepted");
    assert_eq!((counts, accepted.len()), ([1, 1, 1], 1), "{rows:#?}");
    assert!(accepted[0].actor.login == "bob" && accepted[0].detail["digest"].as_str().unwrap().starts_with("sha256:"));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejection_with_its_comment_ends_it() {
    let (world, _, sha) = waiting().await;
    let job = untold(&world, &sha);
    world.shop.review_job(job.run, &["production"], "bob", PageReview::Rejected(" not before Monday @everyone ")).unwrap();
    let check = world.refused(&sha, PRODUCTION, "failure", "approval_rejected").await;
    let summary = check.summary.unwrap();
    assert!(summary.contains("bob has rejected plan") && summary.contains("not before Monday"), "{summary}");
    world.finish().await;
}

/// A job is agreed to by the review of its own run; what waits twice is agreed to by none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_reviewed_in_its_own_run_and_nobody_guesses() {
    let (mut world, _, sha) = waiting().await;
    world.shop.protect("production").unwrap();
    let job = world.shop.start_job(JobSeed::new("production", &sha)).unwrap();
    let report = |shop: &lockkeeper::sandbox::RepoHandle| {
        shop.reviews().into_iter().find(|review| review.run == job.run && !review.reports.is_empty())
    };
    world.until("that the job waits for people", report).await;
    let other = untold(&world, &sha);
    settled(&world).await;
    // The job and the merge wait for people there.
    world.shop.review_job(job.run, &["production"], "bob", PageReview::Approved).unwrap();
    settled(&world).await;
    heard(&world, 0).await;
    // Of another run the job is not meant: the merge is.
    world.shop.review_job(other.run, &["production"], "bob", PageReview::Rejected("")).unwrap();
    let check = |shop: &lockkeeper::sandbox::RepoHandle| {
        shop.check_runs().into_iter().find(|check| check.name == PRODUCTION && check.conclusion.as_deref() == Some("failure"))
    };
    world.until("the end of the merge", check).await;
    world.shop.review_job(other.run, &["production"], "bob", PageReview::Approved).unwrap();
    settled(&world).await;
    heard(&world, 1).await;
    world.shop.review_job(job.run, &["production"], "bob", PageReview::Approved).unwrap();
    let approved = |shop: &lockkeeper::sandbox::RepoHandle| {
        shop.reviews().into_iter().find(|r| r.run == job.run && r.state.as_deref() == Some("approved"))
    };
    world.until("that the job goes on", approved).await;
    // Or it would be found, and wait for people, once the server is started again.
    world.shop.move_run(other.run, Some("cancelled")).unwrap();
    world.quiet().await;
    let rows = world.audit().await;
    let [unclear] = decided(&rows, "refused:which_deployment").try_into().unwrap();
    assert_eq!(unclear.detail["runs"].as_array().map(Vec::len), Some(2));
    world.finish().await;
}
