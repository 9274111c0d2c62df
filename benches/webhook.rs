//! Accepted, fsynced deliveries beside Probot: CPU per delivery, p99 at 200/s, idle memory, time to the first 2xx.
//!
//! `cargo bench --bench webhook` runs both in one go on the same payload and prints one table. It installs Probot from npm
//! into `target/`; without Node it says so and measures Lockkeeper alone. Figures are for reading, not for passing.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SECRET: &str = "bench-secret";
const WARM_UP: usize = 200;
const BURST: usize = 4_000;
const PACED: usize = 1_000;
const RATE: u64 = 200;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let dir = tempfile::tempdir()?;
    let key = write_key(dir.path())?;
    let mut rows = vec![runtime.block_on(measure("lockkeeper", lockkeeper(dir.path(), &key)?))?];
    match probot(&key)? {
        Some(server) => rows.push(runtime.block_on(measure("probot", server))?),
        None => println!("Probot is not measured: npm or node is missing."),
    }
    println!("\npayload {} bytes, burst of {BURST}, then {PACED} at {RATE}/s", payload(0).len());
    println!("| server | CPU µs per delivery | deliveries per CPU second | p50 ms | p99 ms | idle MB | first 2xx ms |");
    println!("|---|---|---|---|---|---|---|");
    for row in &rows {
        println!("{}", row.line());
    }
    if let [ours, theirs] = rows.as_slice() {
        println!(
            "\nratio ours/theirs: CPU {:.2}, p99 {:.2}, memory {:.2}",
            ours.cpu_us / theirs.cpu_us,
            ours.p99 / theirs.p99,
            ours.idle_mb / theirs.idle_mb
        );
    }
    Ok(())
}

struct Server {
    child: Child,
    url: String,
    started: Instant,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Row {
    name: &'static str,
    cpu_us: f64,
    p50: f64,
    p99: f64,
    idle_mb: f64,
    first_ms: f64,
}

impl Row {
    fn line(&self) -> String {
        let per_second = 1e6 / self.cpu_us;
        format!(
            "| {} | {:.0} | {per_second:.0} | {:.2} | {:.2} | {:.1} | {:.0} |",
            self.name, self.cpu_us, self.p50, self.p99, self.idle_mb, self.first_ms
        )
    }
}

fn write_key(dir: &Path) -> Outcome<PathBuf> {
    let path = dir.join("key.pem");
    let made = Command::new("openssl")
        .args(["genrsa", "-traditional", "-out"])
        .arg(&path)
        .arg("2048")
        .stderr(Stdio::null())
        .status()?;
    if made.success() { Ok(path) } else { Err("openssl genrsa failed".into()) }
}

fn free_port() -> Outcome<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn lockkeeper(dir: &Path, key: &Path) -> Outcome<Server> {
    let port = free_port()?;
    let started = Instant::now();
    let child = Command::new(env!("CARGO_BIN_EXE_lockkeeper"))
        .arg("serve")
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .env("LOCKKEEPER_APP_ID", "1")
        .env("LOCKKEEPER_PRIVATE_KEY_FILE", key)
        .env("LOCKKEEPER_WEBHOOK_SECRET", SECRET)
        .env("LOCKKEEPER_GITHUB_API_URL", "http://127.0.0.1:9")
        .env("LOCKKEEPER_LISTEN", format!("127.0.0.1:{port}"))
        .env("LOCKKEEPER_DATA_DIR", dir.join("data"))
        .env("LOCKKEEPER_LOG", "error")
        .stdout(Stdio::null())
        .spawn()?;
    Ok(Server { child, url: format!("http://127.0.0.1:{port}/webhook"), started })
}

/// Probot from npm, installed below `target/`; `None` where there is no Node.
fn probot(key: &Path) -> Outcome<Option<Server>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/probot");
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-probot");
    std::fs::create_dir_all(&home)?;
    for file in ["package.json", "server.mjs"] {
        std::fs::copy(source.join(file), home.join(file))?;
    }
    let install = Command::new("npm").args(["install", "--no-audit", "--no-fund", "--silent"]).current_dir(&home).status();
    if !install.is_ok_and(|status| status.success()) {
        return Ok(None);
    }
    let port = free_port()?;
    let started = Instant::now();
    let child = Command::new("node")
        .arg("server.mjs")
        .args([&port.to_string(), SECRET])
        .arg(key)
        .current_dir(&home)
        .stdout(Stdio::null())
        .spawn()?;
    Ok(Some(Server { child, url: format!("http://127.0.0.1:{port}/webhook"), started }))
}

async fn measure(name: &'static str, server: Server) -> Outcome<Row> {
    let client = reqwest::Client::builder().pool_max_idle_per_host(8).build()?;
    let first_ms = first_answer(&client, &server).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let idle_mb = resident_mb(server.child.id())?;
    burst(&client, &server.url, 1_000_000, WARM_UP).await?;
    let before = cpu_us(server.child.id())?;
    burst(&client, &server.url, 2_000_000, BURST).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let spent = cpu_us(server.child.id())? - before;
    let mut times = paced(&client, &server.url).await?;
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get(((times.len() as f64 - 1.0) * share) as usize).copied().unwrap_or_default();
    Ok(Row { name, cpu_us: spent / BURST as f64, p50: at(0.5), p99: at(0.99), idle_mb, first_ms })
}

async fn first_answer(client: &reqwest::Client, server: &Server) -> Outcome<f64> {
    for n in 0..4_000 {
        if send(client, &server.url, 3_000_000 + n).await.is_ok() {
            return Ok(server.started.elapsed().as_secs_f64() * 1e3);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Err("the server never answered".into())
}

/// Eight at a time, as fast as they are answered.
async fn burst(client: &reqwest::Client, url: &str, from: usize, count: usize) -> Outcome<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..8 {
        let (client, url) = (client.clone(), url.to_owned());
        tasks.spawn(async move {
            for n in (lane..count).step_by(8) {
                send(&client, &url, from + n).await.map_err(|e| e.to_string())?;
            }
            Ok::<_, String>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

async fn paced(client: &reqwest::Client, url: &str) -> Outcome<Vec<f64>> {
    let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / RATE));
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..PACED {
        ticks.tick().await;
        let (client, url) = (client.clone(), url.to_owned());
        tasks.spawn(async move {
            let start = Instant::now();
            send(&client, &url, 4_000_000 + n).await.map_err(|e| e.to_string())?;
            Ok::<_, String>(start.elapsed().as_secs_f64() * 1e3)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.push(done??);
    }
    Ok(times)
}

async fn send(client: &reqwest::Client, url: &str, n: usize) -> Outcome<()> {
    let body = payload(n);
    let mut mac = <Hmac<Sha256>>::new_from_slice(SECRET.as_bytes())?;
    mac.update(body.as_bytes());
    let signature: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    let answer = client
        .post(url)
        .header("content-type", "application/json")
        .header("x-github-event", "push")
        .header("x-github-delivery", format!("00000000-0000-4000-8000-{n:012}"))
        .header("x-hub-signature-256", format!("sha256={signature}"))
        .body(body)
        .send()
        .await?;
    if answer.status().is_success() { Ok(()) } else { Err(format!("answered {}", answer.status()).into()) }
}

/// A push to a side branch of about 7.7 kB, as GitHub sends it.
fn payload(n: usize) -> String {
    let commit = |i: usize| {
        serde_json::json!({
            "id": format!("{:040x}", n * 16 + i), "tree_id": format!("{:040x}", i), "distinct": true,
            "message": "feat(api): answer with the new shape\n\nThe old shape stays for a while.",
            "timestamp": "2026-11-24T10:00:00Z", "url": "https://github.com/acme/web/commit/0",
            "author": {"name": "Alice Example", "email": "alice@example.com", "username": "alice"},
            "committer": {"name": "GitHub", "email": "noreply@github.com", "username": "web-flow"},
            "added": ["src/a.rs"], "removed": [], "modified": ["src/b.rs", "README.md"],
        })
    };
    let commits: Vec<_> = (0..10).map(commit).collect();
    let mut body = serde_json::json!({
        "ref": "refs/heads/topic", "before": "0".repeat(40), "after": format!("{n:040x}"), "created": false, "deleted": false,
        "forced": false, "base_ref": null, "compare": "https://github.com/acme/web/compare/a...b",
        "repository": {"id": 7, "name": "web", "full_name": "acme/web", "default_branch": "main", "private": true,
            "owner": {"login": "acme", "id": 3}, "html_url": "https://github.com/acme/web"},
        "pusher": {"name": "alice", "email": "alice@example.com"}, "sender": {"login": "alice", "id": 5, "type": "User"},
        "installation": {"id": 11}, "commits": commits, "head_commit": commit(9),
    });
    let short = 7_700usize.saturating_sub(body.to_string().len() + 14);
    body["padding"] = "x".repeat(short).into();
    body.to_string()
}

fn resident_mb(pid: u32) -> Outcome<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    let kb: f64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kb / 1024.0)
}

/// User and system time of a process in microseconds, all threads.
fn cpu_us(pid: u32) -> Outcome<f64> {
    let mut total = 0.0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        total += text.split_whitespace().next().ok_or("no figure")?.parse::<f64>()? / 1e3;
    }
    Ok(total)
}
