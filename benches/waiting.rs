//! What it costs to wait: 1,000 environments, half of them in a long bake under a metric, half of them in a long soak.
//!
//! `cargo bench --bench waiting` measures the real program against stand-ins that answer at once, in this process: its memory,
//! its processor time, what it asks GitHub, and how evenly it asks the metrics' server. Figures are for reading, not for passing.

use axum::routing::{get, post};
use axum::{Json, Router};
use lockkeeper::sandbox::{CommitSeed, RepoHandle, RepoSeed, Sandbox, SandboxConfig};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const SECRET: &str = "bench-secret";
/// GitHub takes 80 new things a minute from one installation, and we keep to that: the environments are spread over so many.
const OWNERS: usize = 100;
const EACH: usize = 5;
const PATIENCE: Duration = Duration::from_secs(600);
/// How long the waiting is watched.
const WATCHED: Duration = Duration::from_secs(120);
const INTERVAL: &str = "30s";

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;
/// When the metrics' server was asked.
type Asked = Arc<Mutex<Vec<Instant>>>;

fn main() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let asked = Asked::default();
    let services = runtime.block_on(services(Arc::clone(&asked)))?;
    let github = Sandbox::start(SandboxConfig::default())?;
    let mut repositories = Vec::new();
    for owner in 0..OWNERS {
        let first = CommitSeed::new("feat: one").file("part.txt", "1").file(".github/lockkeeper.toml", &config());
        repositories.push(github.create_repo(RepoSeed::new(&format!("owner-{owner}/app")).commits([first]))?);
    }
    let server = Server::start(&github, &services)?;
    println!("idle: {}", server.used()?);
    for message in ["feat: two", "feat: three"] {
        for repo in &repositories {
            repo.commit("main", CommitSeed::new(message).file("part.txt", message))?;
        }
        settled(&github, &repositories)?;
    }
    println!("{} bake and {} soak: {}", OWNERS * EACH, OWNERS * EACH, server.used()?);
    github.clear_log();
    asked.lock().unwrap_or_else(PoisonError::into_inner).clear();
    let before = server.cpu()?;
    let begun = Instant::now();
    std::thread::sleep(WATCHED);
    let cpu = (server.cpu()? - before) * 60.0 / WATCHED.as_secs_f64();
    println!("after {} s more: {}", WATCHED.as_secs(), server.used()?);
    println!("processor time: {cpu:.2} s a minute; requests to GitHub: {}", github.log().len());
    told(&asked, begun);
    Ok(())
}

fn config() -> String {
    let bake = |n| {
        format!(
            "[environments.bake-{n}]\non = [\"merge\"]\ntarget = \"hook\"\ntraffic = \"target\"\ngates = []\n\
             strategy = {{ kind = \"blue_green\", bake = \"7d\" }}\nanalysis = [{{ kind = \"prometheus\", query = \"up\", \
             expect = \"value < 2.0\", interval = \"{INTERVAL}\" }}]\n"
        )
    };
    let soak = |n| {
        format!(
            "[environments.soak-{n}]\non = [\"merge\"]\ntarget = \"hook\"\ngates = []\n\
             after = [{{ environment = \"staging\", soak = \"20d\", deadline = \"30d\" }}]\n"
        )
    };
    let all: String = (0..EACH).map(bake).chain((0..EACH).map(soak)).collect();
    format!(
        "[environments.staging]\non = [\"merge\"]\ntarget = \"hook\"\ngates = []\n{all}\
         [targets.hook]\nkind = \"http\"\nhook = \"deployer\"\n"
    )
}

/// Every environment waits for a long time: the metrics are asked for all that bake, and GitHub hears nothing new.
fn settled(github: &Sandbox, repositories: &[RepoHandle]) -> Outcome<()> {
    let end = Instant::now() + PATIENCE;
    let mut last = (0, Instant::now());
    loop {
        github.settle(Duration::from_secs(5));
        let seen: usize = repositories.iter().map(|repo| repo.deployments().len() + repo.check_runs().len()).sum();
        let sent = github.log().len();
        if last.0 != sent {
            last = (sent, Instant::now());
        }
        if last.1.elapsed() > Duration::from_secs(15) {
            println!("  {seen} deployments and check runs");
            return Ok(());
        }
        if Instant::now() >= end {
            return Err("it does not come to rest".into());
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// How the questions are spread over the seconds.
fn told(asked: &Asked, begun: Instant) {
    let asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
    let mut seconds = vec![0_u32; usize::try_from(WATCHED.as_secs()).unwrap_or_default()];
    for at in asked.iter() {
        let second = usize::try_from(at.duration_since(begun).as_secs()).unwrap_or(usize::MAX);
        if let Some(count) = seconds.get_mut(second) {
            *count += 1;
        }
    }
    seconds.sort_unstable();
    let mean = asked.len() as f64 / WATCHED.as_secs_f64();
    let at = |share: f64| seconds.get(((seconds.len() as f64 - 1.0) * share) as usize).copied().unwrap_or_default();
    println!(
        "metrics asked: {mean:.1} a second; the median second {}, the 99th of 100 {}, the fullest {}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

/// A deployer that does as asked, and a metrics' server to which all is well.
async fn services(asked: Asked) -> Outcome<u16> {
    let done = |Json(body): Json<Value>| async move { Json(json!({ "status": "done", "sha": body["sha"] })) };
    let query = move || {
        asked.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        let vector = json!({ "resultType": "vector", "result": [{ "metric": {}, "value": [1_790_000_000, "1"] }] });
        std::future::ready(Json(json!({ "status": "success", "data": vector })))
    };
    let app = Router::new().route("/deploy", post(done)).route("/api/v1/query", get(query.clone()).post(query));
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(port)
}

struct Server {
    child: Child,
    _folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(github: &Sandbox, services: &u16) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("key.pem"), github.private_key_pem())?;
        std::fs::write(folder.path().join("hook.secret"), "a secret of this bench, long enough")?;
        let hook = format!(
            "[hooks.deployer]\nurl = \"http://127.0.0.1:{services}/deploy\"\nsecret_file = \"{}\"\nrepositories = [\"*/*\"]\n",
            folder.path().join("hook.secret").display()
        );
        std::fs::write(folder.path().join("lockkeeper.toml"), hook)?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        github.set_webhook(&format!("http://127.0.0.1:{port}/webhook"), SECRET);
        let child = Command::new(env!("CARGO_BIN_EXE_lockkeeper"))
            .arg("serve")
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("LOCKKEEPER_APP_ID", github.app_id().to_string())
            .env("LOCKKEEPER_PRIVATE_KEY_FILE", folder.path().join("key.pem"))
            .env("LOCKKEEPER_WEBHOOK_SECRET", SECRET)
            .env("LOCKKEEPER_GITHUB_API_URL", github.base_url())
            .env("LOCKKEEPER_LISTEN", format!("127.0.0.1:{port}"))
            .env("LOCKKEEPER_DATA_DIR", folder.path().join("data"))
            .env("LOCKKEEPER_PROMETHEUS_URL", format!("http://127.0.0.1:{services}"))
            .env("LOCKKEEPER_LOG", "error")
            .stdout(Stdio::null())
            .spawn()?;
        let end = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if Instant::now() >= end {
                return Err("the server does not start".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { child, _folder: folder })
    }

    /// Memory now and at most.
    fn used(&self) -> Outcome<String> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<f64>().ok().map(|kb| kb / 1024.0)
        };
        let (now, most) = (of("VmRSS:").ok_or("no VmRSS")?, of("VmHWM:").ok_or("no VmHWM")?);
        Ok(format!("{now:.1} MB in memory, {most:.1} MB at most"))
    }

    /// Seconds of a processor so far.
    fn cpu(&self) -> Outcome<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit_once(") ").ok_or("no stat")?.1.split_whitespace().collect();
        let ticks = |n: usize| fields.get(n).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
        // 100 ticks a second on Linux.
        Ok((ticks(11) + ticks(12)) / 100.0)
    }
}
