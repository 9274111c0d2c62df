//! Deployers that report to `/callback/<run>` instead of being asked: who is believed, and what a report can and cannot do.

use crate::deployer::{Asked, Deployer, HOOK_SECRET, report, sent, signed, with_token};
use crate::process::{Process, SECRET};
use crate::world::{Setup, World};
use lockkeeper::domain::Sha;
use lockkeeper::sandbox::{CommitSeed, RepoSeed, Sandbox, SandboxConfig};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::task::block_in_place;

const STAGING: &str = "lockkeeper/staging";
const PUBLIC: &str = "https://lockkeeper.example";
/// Nobody is asked how far it is within a test.
const CLUSTER: &str = "[targets.cluster]\nkind = \"http\"\nhook = \"deployer\"\ninterval = \"1h\"\ntimeout = \"2h\"\n";

fn config(more: &str) -> String {
    format!("[environments.staging]\non = [\"merge\"]\ntarget = \"cluster\"\n{more}\n\n{CLUSTER}")
}

struct Place {
    world: World,
    deployer: Deployer,
}

impl Place {
    async fn new(more: &str) -> Self {
        let deployer = Deployer::start().await;
        let mut setup = Setup::new().config(&config(more)).public_url(PUBLIC);
        setup.resources.hooks.insert("deployer".into(), deployer.settings());
        Self { world: setup.start().await, deployer }
    }

    /// A commit is pushed, and the deployer works on it.
    async fn begun(&self, message: &str) -> (Sha, Asked) {
        let sha = self.world.commit(message);
        let errand = self.deployer.until(|asked| asked.body["sha"] == sha.as_str()).await;
        (sha, errand)
    }

    async fn send(&self, run: &Value, request: reqwest::Request) -> (u16, Value) {
        sent(&self.world.server().address.to_string(), run.as_str().unwrap(), request).await
    }

    async fn tell(&self, errand: &Asked, status: &str) -> (u16, Value) {
        self.send(&errand.body["run"], signed(&report(errand, status), HOOK_SECRET)).await
    }

    fn token(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = json!({
            "aud": PUBLIC, "repository_id": self.world.shop.id().to_string(), "environment": "staging",
            "event_name": "workflow_dispatch",
        });
        change(&mut claims);
        self.world.github.job_token(&claims).unwrap()
    }
}

fn status(word: &str) -> Value {
    json!({ "status": word })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_ends_the_errand_at_once_and_nobody_asks() {
    let place = Place::new("").await;
    let (sha, errand) = place.begun("feat: one").await;
    let run = errand.body["run"].as_str().unwrap();
    assert!(errand.line == "POST /deploy" && errand.is_signed(HOOK_SECRET));
    assert_eq!(errand.body["callback"], format!("{PUBLIC}/callback/{run}"));
    assert_eq!(place.tell(&errand, "working").await, (202, status("noted")));
    let begun = Instant::now();
    assert_eq!(place.tell(&errand, "done").await, (202, status("taken")));
    place.world.check(&sha, STAGING, "success").await;
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    // Again, otherwise, and after the end.
    place.world.quiet().await;
    assert_eq!(place.tell(&errand, "done").await, (200, status("duplicate")));
    assert_eq!(place.tell(&errand, "failed").await, (200, status("duplicate")));
    assert_eq!(place.deployer.asked().len(), 1, "{:?}", place.deployer.asked());
    // Somebody who was asked and has answered reports too.
    place.deployer.obeys();
    let (sha, errand) = place.begun("feat: two").await;
    place.world.check(&sha, STAGING, "success").await;
    assert_eq!(place.tell(&errand, "failed").await, (200, status("late")));
    // A failure is told in its own words.
    place.deployer.answers(|_| Some((200, json!({"status": "working"}))));
    let (sha, errand) = place.begun("feat: three").await;
    let mut failed = report(&errand, "failed");
    failed["message"] = json!("no space left");
    assert_eq!(place.send(&errand.body["run"], signed(&failed, HOOK_SECRET)).await, (202, status("taken")));
    let check = place.world.refused(&sha, STAGING, "failure", "target_failed").await;
    assert!(check.summary.is_some_and(|text| text.contains("no space left")));
    assert_eq!(place.deployer.asked().len(), 3);
    place.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_not_known_changes_nothing() {
    let place = Place::new("").await;
    let (sha, errand) = place.begun("feat: one").await;
    let (run, good) = (&errand.body["run"], report(&errand, "done"));
    let other = |key: &str, value: Value| {
        let mut report = good.clone();
        report[key] = value;
        signed(&report, HOOK_SECRET)
    };
    let set = |key: &'static str, value: Value| place.token(move |claims| claims[key] = value);
    let bare = place.token(|claims| {
        drop(claims.as_object_mut().unwrap().remove("environment"));
        claims["sha"] = json!("b".repeat(40));
    });
    let mut tampered = signed(&good, HOOK_SECRET);
    *tampered.body_mut() = Some(report(&errand, "failed").to_string().into());
    let plain = reqwest::Client::new().post("http://nowhere/").body(good.to_string()).build().unwrap();
    let large = signed(&json!({ "text": "x".repeat(70_000) }), HOOK_SECRET);
    for (what, request, status, code) in [
        ("another secret", signed(&good, "some other secret"), 401, "callback_signature"),
        ("another body", tampered, 401, "callback_signature"),
        ("no signature", plain, 401, "callback_unsigned"),
        ("another repository", with_token(&good, &set("repository_id", json!("77"))), 403, "callback_stranger"),
        ("another environment", with_token(&good, &set("environment", json!("production"))), 403, "callback_stranger"),
        ("another commit", with_token(&good, &bare), 403, "callback_stranger"),
        ("a pull request", with_token(&good, &set("event_name", json!("pull_request"))), 403, "callback_stranger"),
        ("another receiver", with_token(&good, &set("aud", json!("https://github.com/acme"))), 401, "callback_token"),
        ("another step", other("step", json!("shift.1.errand")), 409, "callback_mismatch"),
        ("another run", other("run", json!("another")), 409, "callback_mismatch"),
        ("no report", other("status", json!("fine")), 400, "target_answer_unreadable"),
        ("too large", large, 413, "callback_too_large"),
    ] {
        let (got, said) = place.send(run, request).await;
        assert_eq!((got, said["code"].as_str()), (status, Some(code)), "{what}: {said}");
        assert!(said["fix"].as_str().is_some_and(|fix| !fix.is_empty()), "{what}: {said}");
    }
    // One that there is not says the same, whoever asks and whatever it is.
    for (unknown, request) in [("0190", signed(&good, HOOK_SECRET)), ("..%2f", with_token(&good, "a.b.c"))] {
        let (got, said) = place.send(&json!(unknown), request).await;
        assert_eq!((got, said), (404, json!({"code": "not_found"})), "{unknown}");
    }
    place.world.deployment("staging", "in_progress").await;
    assert_eq!(place.deployer.asked().len(), 1);
    // The same with what is asked for.
    assert_eq!(place.send(run, with_token(&good, &place.token(|_| {}))).await, (202, status("taken")));
    place.world.check(&sha, STAGING, "success").await;
    place.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_of_another_commit_ends_it_and_is_never_believed() {
    let place = Place::new("").await;
    for (message, wrong, code) in
        [("feat: one", json!("b".repeat(40)), "target_lied"), ("feat: two", Value::Null, "target_unproven")]
    {
        let (sha, errand) = place.begun(message).await;
        let mut lie = report(&errand, "done");
        lie["sha"] = wrong;
        let (got, said) = place.send(&errand.body["run"], signed(&lie, HOOK_SECRET)).await;
        assert_eq!((got, said["code"].as_str()), (422, Some(code)));
        place.world.refused(&sha, STAGING, "failure", code).await;
        assert_eq!(place.tell(&errand, "done").await, (200, status("duplicate")), "it is too late to mend it");
        place.world.quiet().await;
    }
    let told = |state: &str| place.world.shop.deployments().iter().filter(|d| d.state() == state).count();
    assert_eq!((told("success"), told("failure")), (0, 2));
    place.world.finish().await;
}

/// The deployer moves users too. What it said of one step says nothing of the next, however often it is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_counts_for_its_own_step_only() {
    let place = Place::new("strategy = { kind = \"blue_green\", bake = \"1s\" }").await;
    let (sha, first) = place.begun("feat: one").await;
    let bring_up = place.deployer.errand("bring_up").await;
    assert_eq!((&first.body, &bring_up.body["slot"], &bring_up.body["weight"]), (&bring_up.body, &json!("blue"), &Value::Null));
    assert_eq!(place.tell(&bring_up, "done").await.1, status("taken"));
    let shift = place.deployer.errand("shift").await;
    assert_eq!((&shift.body["slot"], &shift.body["weight"]), (&json!("blue"), &json!(100)));
    assert_ne!(shift.body["step"], bring_up.body["step"]);
    assert_eq!(place.tell(&bring_up, "done").await.1, status("duplicate"));
    assert_eq!(place.tell(&bring_up, "failed").await.1, status("duplicate"));
    assert!(place.world.shop.newest_check(&sha, STAGING).is_none_or(|check| check.status != "completed"));
    assert_eq!(place.tell(&shift, "done").await.1, status("taken"));
    place.world.check(&sha, STAGING, "success").await;
    place.world.quiet().await;
    assert_eq!(place.deployer.asked().len(), 2, "{:?}", place.deployer.asked());
    place.world.finish().await;
}

/// It reports before it answers, or instead of answering: whoever has reported is asked no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_may_come_before_the_answer_or_instead_of_it() {
    let place = Place::new("").await;
    for (message, answer) in [("feat: one", Some((500, json!({})))), ("feat: two", None)] {
        let asked_before = place.deployer.asked().len();
        place.deployer.answers(move |_| answer.clone());
        let (sha, errand) = place.begun(message).await;
        assert_eq!(place.tell(&errand, "done").await, (202, status("taken")));
        place.world.check(&sha, STAGING, "success").await;
        place.world.quiet().await;
        let asked = place.deployer.asked().len() - asked_before;
        assert!(asked <= 4, "it was asked {asked} times");
    }
    place.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_right_after_the_report_loses_nothing() {
    let deployer = Deployer::start().await;
    let github = Sandbox::start(SandboxConfig::default()).unwrap();
    let first = CommitSeed::new("feat: begin").tagged("v1.0.0").file(".github/lockkeeper.toml", &config(""));
    let shop = github.create_repo(RepoSeed::new("acme/shop").commit(first)).unwrap();
    let process = Process::of(&github);
    process.settings(&format!(
        "[hooks.deployer]\nurl = \"{}/deploy\"\nsecret = \"{HOOK_SECRET}\"\nrepositories = [\"acme/shop\"]\n",
        deployer.url
    ));
    github.set_webhook(&process.webhook(), SECRET);
    block_in_place(|| process.start());
    let at = format!("127.0.0.1:{}", process.port());
    for n in 0..4 {
        let sha = shop.commit("main", CommitSeed::new(&format!("feat: part {n}"))).unwrap();
        shop.check("github-actions", &sha, "build", "success").unwrap();
        let errand = deployer.until(|asked| asked.body["sha"] == sha.as_str()).await;
        assert_eq!(errand.body["callback"], Value::Null, "nobody knows where the server can be reached");
        let run = errand.body["run"].as_str().unwrap().to_owned();
        let told = sent(&at, &run, signed(&report(&errand, "done"), HOOK_SECRET)).await;
        block_in_place(|| process.kill());
        assert_eq!(told, (202, status("taken")));
        block_in_place(|| process.start());
        let begun = Instant::now();
        while shop.newest_check(&sha, STAGING).is_none_or(|check| check.conclusion.as_deref() != Some("success")) {
            assert!(begun.elapsed() < Duration::from_secs(40), "{}", process.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let again = sent(&at, &run, signed(&report(&errand, "done"), HOOK_SECRET)).await;
        assert_eq!(again, (200, status("duplicate")));
    }
    // The answer to the errand may have been lost with the process; then it is sent again, and not more.
    assert!((4..=8).contains(&deployer.asked().len()), "{}", deployer.asked().len());
    block_in_place(|| process.kill());
}
