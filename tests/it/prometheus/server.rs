//! Prometheus as a child process in a folder of its own, and something for it to scrape.
//!
//! Invariant: the process does not outlive its owner.

use super::{Prometheus, ask};
use axum::Router;
use axum::routing::get;
use lockkeeper::config::settings::{PrometheusSettings, Repositories};
use lockkeeper::domain::Sample;
use rustix::process::{Pid, Signal, kill_process};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// Serves metrics until the test ends.
pub struct Exporter {
    pub port: u16,
    metrics: Arc<Mutex<&'static str>>,
}

impl Exporter {
    pub async fn start(metrics: &'static str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let metrics = Arc::new(Mutex::new(metrics));
        let served = Arc::clone(&metrics);
        let app = Router::new().route("/metrics", get(move || async move { *served.lock().unwrap() }));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { port, metrics }
    }

    /// From the next scrape on.
    pub fn says(&self, metrics: &'static str) {
        *self.metrics.lock().unwrap() = metrics;
    }
}

pub struct Server {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Server {
    pub fn start(exporter: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "global: {{ scrape_interval: 200ms }}\nscrape_configs:\n- job_name: t\n  static_configs: [{{ targets: ['127.0.0.1:{exporter}'] }}]\n"
        );
        std::fs::write(folder.path().join("prometheus.yml"), config).unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", folder.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        let child = child.unwrap_or_else(|why| {
            panic!("Prometheus cannot be started ({why}). This test asks the real one: run `apt-get install -y --no-install-recommends prometheus`.")
        });
        Self { child, port, folder }
    }

    /// Lent to everybody.
    pub fn settings(&self) -> PrometheusSettings {
        let url = format!("http://127.0.0.1:{}", self.port);
        PrometheusSettings { url, repositories: Repositories(vec!["**".to_owned()]) }
    }

    pub async fn until_scraped(&self, prometheus: &Prometheus) {
        let start = Instant::now();
        while ask(prometheus, "up").await.sample != Sample::value(1.0) {
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(start.elapsed() < PATIENCE, "Prometheus scraped nothing within {PATIENCE:?}:\n{}", log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Keeps its port and answers nothing.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    pub fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}
