//! The gate `http`: a real service is asked before anything moves, when it is its turn, and not more often than it must be.

use crate::process::{self, Process};
use crate::world::{Setup, World};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use lockkeeper::config::repo::CONFIG_PATH;
use lockkeeper::sandbox::{CommitSeed, DeploymentReport, RepoHandle, RepoSeed, Sandbox, SandboxConfig};
use serde_json::Value;
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PRODUCTION: &str = "lockkeeper/production";
const CHANGES: &str = "status == 200 && body.approved && body.sha == sha";

/// What a service does with each request, in order; the last one for all that follow.
type Script = Arc<Mutex<Vec<Answer>>>;

#[derive(Clone)]
enum Answer {
    /// As the gate of these stories wants it.
    Good,
    Busy,
    To(&'static str),
    /// Not before so many are asking at once.
    Together(Arc<tokio::sync::Barrier>),
    /// The program that asks dies while it waits.
    Kills(Arc<Process>),
}

#[derive(Clone)]
struct Service {
    port: u16,
    /// Paths with queries, as they came.
    asked: Arc<Mutex<Vec<String>>>,
    script: Script,
}

impl Service {
    async fn start(script: &[Answer]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let service = Self { port, asked: Arc::default(), script: Arc::new(Mutex::new(script.to_vec())) };
        let app = Router::new().fallback(answer).with_state(service.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        service
    }
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
    fn now_says(&self, answer: Answer) {
        *self.script.lock().unwrap() = vec![answer];
    }
    async fn is_asked(&self, times: usize) {
        let end = Instant::now() + Duration::from_secs(40);
        while self.asked().len() < times {
            assert!(Instant::now() < end, "{:?}", self.asked());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    fn gate(&self, path: &str, more: &str) -> String {
        gate(&format!("http://127.0.0.1:{}{path}", self.port), CHANGES, more)
    }
}

async fn answer(State(service): State<Service>, uri: Uri) -> Response {
    service.asked.lock().unwrap().push(uri.to_string());
    let next = {
        let mut script = service.script.lock().unwrap();
        if script.len() > 1 { script.remove(0) } else { script[0].clone() }
    };
    let good = || {
        let sha = uri.path().rsplit('/').next().unwrap_or_default();
        let body = serde_json::json!({ "approved": true, "sha": sha }).to_string();
        ([(header::CONTENT_TYPE, "application/json")], body).into_response()
    };
    match next {
        Answer::Good => good(),
        Answer::Busy => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Answer::To(place) => (StatusCode::FOUND, [(header::LOCATION, place)]).into_response(),
        Answer::Together(barrier) => {
            barrier.wait().await;
            good()
        }
        Answer::Kills(process) => {
            process.kill();
            good()
        }
    }
}

fn gate(url: &str, expect: &str, more: &str) -> String {
    let more = if more.is_empty() { String::new() } else { format!(", {more}") };
    format!("{{ kind = \"http\", url = \"{url}\", expect = \"{expect}\"{more} }},\n")
}

/// A shop whose production has these gates, and nothing else in the way; its release asks for nothing but a tag.
fn config(gates: &str) -> String {
    format!(
        "[release]\ngates = [{{ kind = \"tag\" }}]\n\n[environments.production]\non = [\"tag\"]\ntarget = \"cluster\"\n\
         url = \"https://shop.example.com\"\ngates = [\n{gates}]\n\n\
         [targets.cluster]\nkind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n"
    )
}

async fn shop(gates: &str) -> World {
    Setup::new().config(&config(gates)).allow("127.0.0.1").start().await
}

async fn succeeds(world: &World) {
    let made = world.deployment("production", "in_progress").await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    world.check(&world.head(), PRODUCTION, "success").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_agrees_is_asked_once_with_everything_filled_in() {
    let service = Service::start(&[Answer::Good]).await;
    let world = shop(&service.gate("/{{ environment }}/{{ version }}/{{ sha }}?of={{ environment_url }}", "")).await;
    world.shop.tag("v1.1.0", &world.head()).unwrap();
    succeeds(&world).await;
    let path = format!("/production/1.1.0/{}?of=https://shop.example.com", world.head());
    assert_eq!(service.asked(), [path]);
    let summary = world.check(&world.head(), PRODUCTION, "success").await.summary.unwrap_or_default();
    assert!(summary.contains("answered 200, as expected"), "{summary}");
    world.finish().await;
}

/// However long it takes, GitHub is not asked more often, and nothing of the rounds is left behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_not_ready_is_asked_again_and_github_is_not() {
    let mut seen = Vec::new();
    for busy in [2, 8] {
        let service = Service::start(&[Answer::Busy]).await;
        let world = shop(&service.gate("/{{ sha }}", "interval = \"1s\"")).await;
        world.github.clear_log();
        world.shop.tag("v1.1.0", &world.head()).unwrap();
        let waiting = world.waiting(&world.head(), PRODUCTION).await.summary.unwrap_or_default();
        assert!(waiting.contains("answered 503, but"), "{waiting}");
        service.is_asked(busy).await;
        service.now_says(Answer::Good);
        succeeds(&world).await;
        assert!(service.asked().len() <= busy + 2, "{:?}", service.asked());
        world.quiet().await;
        let run = world.runs("deploy").await.remove(0);
        let steps = world.server().host.get(&run.id).await.unwrap().unwrap().steps.len();
        seen.push((world.github.counts(), steps));
        world.finish().await;
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_never_agrees_ends_the_deployment_in_time() {
    let service = Service::start(&[Answer::Busy]).await;
    let world = shop(&service.gate("/{{ sha }}?token=hidden", "interval = \"1s\", within = \"5s\"")).await;
    world.shop.tag("v1.1.0", &world.head()).unwrap();
    let summary = world.refused(&world.head(), PRODUCTION, "timed_out", "http_deadline").await.summary.unwrap_or_default();
    assert!(summary.contains("The deadline passed.") && summary.contains("answered 503"), "{summary}");
    assert!(!summary.contains("hidden"), "{summary}");
    assert!((3..=6).contains(&service.asked().len()), "{:?}", service.asked());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_cannot_lead_into_the_operators_network() {
    let service = Service::start(&[Answer::To("http://10.0.0.1/secrets")]).await;
    let world = shop(&service.gate("/{{ sha }}", "interval = \"1s\", within = \"1s\"")).await;
    world.shop.tag("v1.1.0", &world.head()).unwrap();
    let summary = world.refused(&world.head(), PRODUCTION, "timed_out", "http_deadline").await.summary.unwrap_or_default();
    assert!(summary.contains("is a private address, which a repository may not reach"), "{summary}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_not_allowed_refuses_at_once() {
    let world = shop(&gate("http://10.0.0.1/{{ sha }}", "status == 200", "within = \"30d\"")).await;
    world.shop.tag("v1.1.0", &world.head()).unwrap();
    let summary = world.refused(&world.head(), PRODUCTION, "failure", "http_refused").await.summary.unwrap_or_default();
    assert!(summary.contains("10.0.0.0/8") && summary.contains("which a repository may not reach"), "{summary}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_not_asked_while_anything_else_is_waited_for() {
    let service = Service::start(&[Answer::Good]).await;
    let other = "{ kind = \"checks\", names = [\"security review\"] },\n";
    let world = shop(&format!("{}{other}", service.gate("/{{ sha }}", "interval = \"1s\", within = \"1s\""))).await;
    let sha = world.head();
    let review = world.shop.start_check("reviewer", &sha, "security review").unwrap();
    world.shop.tag("v1.1.0", &sha).unwrap();
    let summary = world.waiting(&sha, PRODUCTION).await.summary.unwrap_or_default();
    assert!(summary.contains("is asked once every other gate passes"), "{summary}");
    // Longer than its own time, which counts from when it is asked.
    world.jump(Duration::from_secs(3600));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(service.asked(), [""; 0]);
    world.shop.complete_check(review, "success").unwrap();
    succeeds(&world).await;
    assert_eq!(service.asked().len(), 1);
    world.finish().await;
}

/// Each waits for the other to be asked, so that one after the other would never end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_services_are_asked_side_by_side_and_one_that_two_gates_name_once() {
    let together = Answer::Together(Arc::new(tokio::sync::Barrier::new(2)));
    let (one, two) =
        (Service::start(std::slice::from_ref(&together)).await, Service::start(std::slice::from_ref(&together)).await);
    let twice = gate(&format!("http://127.0.0.1:{}/{{{{ sha }}}}", one.port), "status == 200", "");
    let world = shop(&format!("{}{twice}{}", one.gate("/{{ sha }}", ""), two.gate("/{{ sha }}", ""))).await;
    world.shop.tag("v1.1.0", &world.head()).unwrap();
    succeeds(&world).await;
    assert_eq!((one.asked().len(), two.asked().len()), (1, 1));
    world.finish().await;
}

/// What it said before the deployment waited for another one counts no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_asked_again_after_a_wait_for_another_deployment() {
    let service = Service::start(&[Answer::Good]).await;
    let world = shop(&service.gate("/{{ sha }}", "interval = \"1s\", within = \"1s\"")).await;
    let first = world.commit("feat: one");
    world.shop.tag("v1.1.0", &first).unwrap();
    let made = world.deployment("production", "in_progress").await;
    let second = world.commit("feat: two");
    world.shop.tag("v1.2.0", &second).unwrap();
    service.is_asked(2).await;
    let queued = |title: &str| title.contains("Waits for the deployment before it");
    let look = |shop: &RepoHandle| shop.newest_check(&second, PRODUCTION).filter(|c| c.title.as_deref().is_some_and(queued));
    world.until("a deployment that waits for another", look).await;
    service.now_says(Answer::Busy);
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    world.refused(&second, PRODUCTION, "timed_out", "http_deadline").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_kill_while_it_is_asked_changes_nothing() {
    let service = Service::start(&[Answer::Good]).await;
    let github = Sandbox::start(SandboxConfig::default()).unwrap();
    let config = config(&service.gate("/{{ sha }}", ""));
    let seed = CommitSeed::new("feat: begin").file(CONFIG_PATH, &config);
    let shop = github.create_repo(RepoSeed::new("acme/shop").commit(seed)).unwrap();
    let mut process = Process::of(&github);
    process.set("LOCKKEEPER_ALLOW_ADDRESSES", "127.0.0.1");
    let process = Arc::new(process);
    process.start();
    github.set_webhook(&process.webhook(), process::SECRET);
    let tell = async |arguments: &[&str], wanted: i32| {
        let end = Instant::now() + Duration::from_secs(40);
        loop {
            let output = process.tell(arguments);
            if output.status.code() == Some(wanted) {
                return json(&output);
            }
            assert!(Instant::now() < end, "{arguments:?} {output:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    // A dry run asks nobody, and somebody who wants to know asks once.
    let planned = tell(&["deploy", "production", "--repo", "acme/shop", "--dry-run"], 1).await;
    assert_eq!((&planned["gates"]["verdicts"][0]["code"], service.asked().len()), (&"http_not_asked".into(), 0), "{planned}");
    let validated = tell(&["validate", "production", "--repo", "acme/shop"], 0).await;
    let code = &validated["gates"]["verdicts"][0]["code"];
    assert_eq!((code, service.asked().len()), (&"http_as_expected".into(), 1), "{validated}");
    *service.script.lock().unwrap() = vec![Answer::Kills(Arc::clone(&process)), Answer::Good];
    let head = shop.resolve("main").unwrap();
    shop.tag("v1.0.0", &head).unwrap();
    service.is_asked(2).await;
    while process.is_running() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    process.start();
    let end = Instant::now() + Duration::from_secs(40);
    let made = loop {
        if let Some(made) = shop.deployments().into_iter().find(|d| d.state() == "in_progress") {
            break made;
        }
        assert!(Instant::now() < end, "{:?}", shop.deployments());
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    while shop.newest_check(&head, PRODUCTION).and_then(|check| check.conclusion).as_deref() != Some("success") {
        assert!(Instant::now() < end, "{:?}", shop.check_runs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((service.asked().len(), shop.deployments().len()), (3, 1));
    process.kill();
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}
