//! Accepted, fsynced deliveries beside Probot: CPU per delivery, p99 at 200/s, idle memory, time to the first 2xx.
//!
//! `cargo bench --bench webhook` runs both in turns on the same payload, five times, and prints a table of medians. It
//! installs Probot from npm into `target/`; without Node it says so and measures Lockkeeper alone. Figures are for reading,
//! not for passing.
//!
//! The payload is a push to a side branch, which asks for nothing: Lockkeeper checks, stores and settles it. Its second row
//! is a commit status of the same size, which goes the whole way: stored, translated, looked up in the engine, settled.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SECRET: &str = "bench-secret";
const WARM_UP: usize = 200;
const BURST: usize = 4_000;
/// Connections of the burst.
const LANES: usize = 16;
const ROUNDS: usize = 5;
const PACED: usize = 1_000;
const RATE: u64 = 200;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let dir = tempfile::tempdir()?;
    let key = write_key(dir.path())?;
    let home = install_probot()?;
    let mut rounds: [Vec<Row>; 3] = Default::default();
    let mut disks = Vec::new();
    for round in 0..ROUNDS {
        disks.extend(disk(dir.path())?);
        let [pushes, statuses, theirs] = &mut rounds;
        let data = |what: &str| dir.path().join(format!("{what}-{round}"));
        pushes.push(runtime.block_on(measure(&lockkeeper(&data("push"), &key)?, "push"))?);
        if let Some(home) = &home {
            theirs.push(runtime.block_on(measure(&probot(home, &key)?, "push"))?);
        }
        statuses.push(runtime.block_on(measure(&lockkeeper(&data("status"), &key)?, "status"))?);
    }
    disks.sort_by(f64::total_cmp);
    let [pushes, statuses, theirs] = rounds.map(|rows| median(&rows));
    println!("\npayload {} bytes; {PACED} at {RATE}/s, then a burst of {BURST} on {LANES} connections", payload(0).len());
    println!("median of {ROUNDS} rounds; CPU in µs per delivery, the whole process\n");
    println!("| server | CPU, burst | per CPU second | CPU, {RATE}/s | p50 ms | p99 ms | idle MB | first 2xx ms |");
    println!("|---|---|---|---|---|---|---|---|");
    println!("{}", pushes.line("Lockkeeper, stored and fsynced"));
    println!("{}", statuses.line("Lockkeeper, also through the engine"));
    println!("| the disk alone, 16 kB and fsync | | | | {:.2} | {:.2} | | |", at(&disks, 0.5), at(&disks, 0.99));
    if home.is_none() {
        println!("Probot is not measured: npm or node is missing.");
        return Ok(());
    }
    println!("{}", theirs.line("Probot, nothing stored"));
    let ratio = Row(std::array::from_fn(|n| pushes.0[n] / theirs.0[n]));
    println!("| ratio, first row to Probot | {} |", ratio.0.map(|value| format!("{value:.2}")).join(" | "));
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

/// CPU µs in the burst, deliveries per CPU second, CPU µs when paced, p50 ms, p99 ms, idle MB, first 2xx ms.
#[derive(Clone, Copy)]
struct Row([f64; 7]);

impl Row {
    fn line(&self, name: &str) -> String {
        let [cpu, per_second, paced_cpu, p50, p99, idle, first] = self.0;
        format!("| {name} | {cpu:.0} | {per_second:.0} | {paced_cpu:.0} | {p50:.2} | {p99:.2} | {idle:.1} | {first:.0} |")
    }
}

fn median(rows: &[Row]) -> Row {
    Row(std::array::from_fn(|n| {
        let mut values: Vec<f64> = rows.iter().map(|row| row.0[n]).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }))
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

fn lockkeeper(data: &Path, key: &Path) -> Outcome<Server> {
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
        .env("LOCKKEEPER_DATA_DIR", data)
        .env("LOCKKEEPER_LOG", "error")
        .stdout(Stdio::null())
        .spawn()?;
    Ok(Server { child, url: format!("http://127.0.0.1:{port}/webhook"), started })
}

/// Probot from npm, installed below `target/`; `None` where there is no Node.
fn install_probot() -> Outcome<Option<PathBuf>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/probot");
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-probot");
    std::fs::create_dir_all(&home)?;
    for file in ["package.json", "server.mjs"] {
        std::fs::copy(source.join(file), home.join(file))?;
    }
    let install = Command::new("npm").args(["install", "--no-audit", "--no-fund", "--silent"]).current_dir(&home).status();
    Ok(install.is_ok_and(|status| status.success()).then_some(home))
}

fn probot(home: &Path, key: &Path) -> Outcome<Server> {
    let port = free_port()?;
    let started = Instant::now();
    let child = Command::new("node")
        .arg("server.mjs")
        .args([&port.to_string(), SECRET])
        .arg(key)
        .current_dir(home)
        .env("NODE_ENV", "production")
        .stdout(Stdio::null())
        .spawn()?;
    Ok(Server { child, url: format!("http://127.0.0.1:{port}/webhook"), started })
}

async fn measure(server: &Server, event: &'static str) -> Outcome<Row> {
    let client = reqwest::Client::builder().pool_max_idle_per_host(LANES).build()?;
    let first_ms = first_answer(&client, server).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let idle_mb = resident_mb(server.child.id())?;
    burst(&client, server, parcels(event, 1_000_000, WARM_UP)?).await?;
    // Before the burst, whose 60 MB the disk goes on writing for a while.
    let before = cpu_us(server.child.id())?;
    let mut times = paced(&client, server, parcels(event, 4_000_000, PACED)?).await?;
    at_rest(server.child.id()).await?;
    let paced_cpu = (cpu_us(server.child.id())? - before) / PACED as f64;
    let whole = parcels(event, 2_000_000, BURST)?;
    let before = cpu_us(server.child.id())?;
    burst(&client, server, whole).await?;
    // What is done after the answers belongs to them.
    at_rest(server.child.id()).await?;
    let cpu = (cpu_us(server.child.id())? - before) / BURST as f64;
    times.sort_by(f64::total_cmp);
    Ok(Row([cpu, 1e6 / cpu, paced_cpu, at(&times, 0.5), at(&times, 0.99), idle_mb, first_ms]))
}

fn at(sorted: &[f64], share: f64) -> f64 {
    sorted.get(((sorted.len() as f64 - 1.0) * share) as usize).copied().unwrap_or_default()
}

/// What no program that keeps its promise can be faster than: as much as a delivery writes, and an fsync, at the same pace.
fn disk(dir: &Path) -> Outcome<Vec<f64>> {
    let mut file = std::fs::File::create(dir.join("disk"))?;
    let mut times = Vec::new();
    for _ in 0..PACED {
        let start = Instant::now();
        file.write_all(&[7; 16 * 1024])?;
        file.sync_all()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        std::thread::sleep(Duration::from_micros(1_000_000 / RATE).saturating_sub(start.elapsed()));
    }
    Ok(times)
}

/// Waits until the process does next to nothing.
async fn at_rest(pid: u32) -> Outcome<()> {
    let mut before = cpu_us(pid)?;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = cpu_us(pid)?;
        if now - before < 5_000.0 {
            return Ok(());
        }
        before = now;
    }
}

async fn first_answer(client: &reqwest::Client, server: &Server) -> Outcome<f64> {
    for n in 0..4_000 {
        let parcel = parcels("push", 3_000_000 + n, 1)?.swap_remove(0);
        if send(client, &server.url, parcel).await.is_ok() {
            return Ok(server.started.elapsed().as_secs_f64() * 1e3);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Err("the server never answered".into())
}

/// A delivery, made and signed before anything is measured, so that the sender's own work does not thin the load.
struct Parcel {
    event: &'static str,
    id: String,
    signature: String,
    body: String,
}

fn parcels(event: &'static str, from: usize, count: usize) -> Outcome<Vec<Parcel>> {
    let signed = |n: usize| {
        let body = payload(n);
        let mut mac = <Hmac<Sha256>>::new_from_slice(SECRET.as_bytes())?;
        mac.update(body.as_bytes());
        let digits: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
        let id = format!("00000000-0000-4000-8000-{n:012}");
        Ok(Parcel { event, id, signature: format!("sha256={digits}"), body })
    };
    (from..from + count).map(signed).collect()
}

/// On all connections, as fast as they are answered.
async fn burst(client: &reqwest::Client, server: &Server, parcels: Vec<Parcel>) -> Outcome<()> {
    let mut lanes: Vec<Vec<Parcel>> = (0..LANES).map(|_| Vec::new()).collect();
    for (n, parcel) in parcels.into_iter().enumerate() {
        lanes[n % LANES].push(parcel);
    }
    let mut tasks = tokio::task::JoinSet::new();
    for lane in lanes {
        let (client, url) = (client.clone(), server.url.clone());
        tasks.spawn(async move {
            for parcel in lane {
                send(&client, &url, parcel).await.map_err(|e| e.to_string())?;
            }
            Ok::<_, String>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

async fn paced(client: &reqwest::Client, server: &Server, parcels: Vec<Parcel>) -> Outcome<Vec<f64>> {
    let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / RATE));
    let mut tasks = tokio::task::JoinSet::new();
    for parcel in parcels {
        ticks.tick().await;
        let (client, url) = (client.clone(), server.url.clone());
        tasks.spawn(async move {
            let start = Instant::now();
            send(&client, &url, parcel).await.map_err(|e| e.to_string())?;
            Ok::<_, String>(start.elapsed().as_secs_f64() * 1e3)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.push(done??);
    }
    Ok(times)
}

async fn send(client: &reqwest::Client, url: &str, parcel: Parcel) -> Outcome<()> {
    let answer = client
        .post(url)
        .header("content-type", "application/json")
        .header("x-github-event", parcel.event)
        .header("x-github-delivery", parcel.id)
        .header("x-hub-signature-256", parcel.signature)
        .body(parcel.body)
        .send()
        .await?;
    if answer.status().is_success() { Ok(()) } else { Err(format!("answered {}", answer.status()).into()) }
}

/// A push to a side branch of about 7.7 kB, as GitHub sends it; with what makes it a commit status, too.
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
        "installation": {"id": 11}, "sha": format!("{n:040x}"), "context": "build", "state": "success", "commits": commits, "head_commit": commit(9),
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
