//! A deployment that is judged by the real Prometheus: one answer that is good, and all those that are not.

use super::server::{Exporter, Server};
use super::{Prometheus, ask};
use crate::slots::place::{LIVE, Place};
use crate::world::Setup;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use lockkeeper::config::settings::PrometheusSettings;
use lockkeeper::domain::{Sha, Slot};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

const BAKES: &str = "{ kind = \"blue_green\", bake = \"1s\" }";
const STEP: &str = "{ kind = \"gradual\", steps = [{ weight = 10, bake = \"1s\" }] }";
const GOOD: &str = "bad{slot=\"green\"} 1\nall{slot=\"green\"} 100\nbad{slot=\"blue\"} 99\nall{slot=\"blue\"} 100\n";
const BAD: &str = "bad{slot=\"green\"} 30\nall{slot=\"green\"} 100\nbad{slot=\"blue\"} 0\nall{slot=\"blue\"} 100\n";
const IDLE: &str = "bad{slot=\"green\"} 0\nall{slot=\"green\"} 0\n";
const OTHERS: &str = "bad{slot=\"blue\"} 0\nall{slot=\"blue\"} 100\n";

fn errors(more: &str) -> String {
    format!(
        "rollback = \"automatic\"\nanalysis = [{{ kind = \"prometheus\", name = \"errors\", query = 'sum(bad{{slot=\"{{{{ slot }}}}\"}}) / \
         sum(all{{slot=\"{{{{ slot }}}}\"}})', expect = \"value < 0.1\", interval = \"1s\", count = 2, timeout = \"1s\"{more} }}]"
    )
}

struct Scene {
    place: Place,
    exporter: Exporter,
    server: Server,
    /// What somebody between us and Prometheus takes, in milliseconds.
    delay: Arc<AtomicU64>,
}

impl Scene {
    async fn set(metrics: &'static str, strategy: &str, more: &str) -> Self {
        let exporter = Exporter::start(metrics).await;
        let server = Server::start(exporter.port);
        let delay = Arc::<AtomicU64>::default();
        let settings =
            PrometheusSettings { url: between(&server.settings().url, Arc::clone(&delay)).await, ..server.settings() };
        let prometheus = Prometheus::new(&[("default".to_owned(), server.settings())].into()).unwrap();
        server.until_scraped(&prometheus).await;
        assert_eq!(ask(&prometheus, "up").await.warnings, [""; 0]);
        let lend = |mut setup: Setup| {
            setup.resources.prometheus.insert("default".into(), settings);
            setup
        };
        Self { place: Place::with(strategy, &errors(more), lend).await, exporter, server, delay }
    }

    /// A version is brought up in green.
    async fn begun(&self) -> Sha {
        let (sha, made) = self.place.brought_up("feat: one").await;
        assert_eq!(made.payload["slot"], "green");
        sha
    }

    /// Users are back where they were, and the check run says why.
    async fn goes_back(self, sha: &Sha, code: &str, says: &str) {
        let (state, check) = self.place.ended(sha).await;
        let summary = check.summary.unwrap_or_default();
        assert_eq!(state, "rolled_back", "{summary}");
        assert!(summary.contains(&format!("Code: `{code}`")) && summary.contains(says), "{summary}");
        assert!(summary.contains("errors: ") && summary.contains("What to do: "), "{summary}");
        assert_eq!((self.place.share(Slot::Blue).await, self.place.live().await), (100.0, None));
        self.place.finish().await;
    }
}

/// A proxy that may take its time; its address.
async fn between(behind: &str, delay: Arc<AtomicU64>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let target = format!("{behind}/api/v1/query");
    let pass = |State((client, target, delay)): State<(reqwest::Client, String, Arc<AtomicU64>)>, body: Bytes| async move {
        tokio::time::sleep(Duration::from_millis(delay.load(Ordering::SeqCst))).await;
        let kind = "application/x-www-form-urlencoded";
        match client.post(target).header("content-type", kind).body(body).send().await {
            Ok(answer) => Ok(answer.text().await.unwrap_or_default()),
            Err(_) => Err(http::StatusCode::BAD_GATEWAY),
        }
    };
    let app = Router::new().route("/api/v1/query", post(pass)).with_state((client, target, delay));
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_version_passes_whatever_the_old_one_does() {
    for strategy in [BAKES, STEP] {
        let scene = Scene::set(GOOD, strategy, "").await;
        let sha = scene.begun().await;
        scene.place.world.check(&sha, LIVE, "success").await;
        assert_eq!(scene.place.share(Slot::Green).await, 100.0);
        scene.place.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_version_goes_back_at_the_first_bad_number() {
    for strategy in [BAKES, STEP] {
        let scene = Scene::set(BAD, strategy, "").await;
        let sha = scene.begun().await;
        scene.goes_back(&sha, "analysis_failed", "value 0.3").await;
    }
}

/// It is good at first, and its numbers turn while it is watched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_turns_bad_goes_back() {
    let scene = Scene::set(GOOD, "{ kind = \"blue_green\", bake = \"1h\" }", "").await;
    let sha = scene.begun().await;
    scene.place.titled(&sha, "100 % of users are moved").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(scene.place.share(Slot::Green).await, 100.0);
    scene.exporter.says(BAD);
    scene.goes_back(&sha, "analysis_failed", "value 0.3").await;
}

/// No series, and 0 divided by 0: what it means is said by `no_data`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_answer_is_what_the_policy_says_and_never_good() {
    for (metrics, says) in [(OTHERS, "there is no data of the new copy"), (IDLE, "is not a number")] {
        for (policy, code, says) in [
            ("", "analysis_inconclusive", says),
            (", no_data = \"failure\"", "analysis_failed", says),
            (", no_data = \"wait\", within = \"3s\"", "analysis_out_of_time", "0 of 2 good measurements"),
        ] {
            println!("{policy} {says}");
            let scene = Scene::set(metrics, BAKES, &format!(", inconclusive_limit = 1{policy}")).await;
            let sha = scene.begun().await;
            scene.goes_back(&sha, code, says).await;
        }
    }
}

/// Where there is a step to wait at, nobody knowing is for a person to decide.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_step_a_person_decides_what_nobody_knows() {
    let scene = Scene::set(OTHERS, STEP, ", inconclusive_limit = 0").await;
    let sha = scene.begun().await;
    scene.place.titled(&sha, "Paused at 10 % of users").await;
    let run = scene.place.run().await;
    scene.place.told(&["abort", &run, "--reason", "no numbers"]).await;
    let (state, _) = scene.place.ended(&sha).await;
    assert_eq!((state.as_str(), scene.place.share(Slot::Blue).await), ("rolled_back", 100.0));
    scene.place.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prometheus_that_is_too_slow_is_no_pass() {
    let scene = Scene::set(GOOD, BAKES, ", consecutive_errors = 1").await;
    scene.delay.store(3_000, Ordering::SeqCst);
    let sha = scene.begun().await;
    scene.goes_back(&sha, "prometheus_slow", "did not answer within 1000 ms").await;
}

/// A moment of slowness is borne.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prometheus_that_is_slow_for_a_moment_is_asked_again() {
    let scene = Scene::set(GOOD, BAKES, "").await;
    scene.delay.store(3_000, Ordering::SeqCst);
    let sha = scene.begun().await;
    scene.place.titled(&sha, "100 % of users are moved").await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    scene.delay.store(0, Ordering::SeqCst);
    scene.place.world.check(&sha, LIVE, "success").await;
    scene.place.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prometheus_that_is_gone_in_the_middle_is_no_pass() {
    let mut scene = Scene::set(GOOD, "{ kind = \"blue_green\", bake = \"1h\" }", ", consecutive_errors = 1").await;
    let sha = scene.begun().await;
    scene.place.titled(&sha, "100 % of users are moved").await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(scene.place.share(Slot::Green).await, 100.0);
    scene.server.end();
    scene.goes_back(&sha, "prometheus_broken", "with something that is not its API's").await;
}
