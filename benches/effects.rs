//! How soon people see something, and how soon everything goes on after a kill.
//!
//! `cargo bench --bench effects` measures the real program against a stand-in for GitHub that answers at once, in this
//! process: from a tag's webhook leaving GitHub to the first write arriving there, and from the start after `kill -9` with
//! 1,000 runs in flight to the next request of the last of them. Figures are for reading, not for passing.

use lockkeeper::domain::Sha;
use lockkeeper::sandbox::{
    CommitSeed, Fault, HookAction, HookRule, Moment, Order, RepoHandle, RepoSeed, RequestInfo, Sandbox, SandboxConfig, Trouble,
};
use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const SECRET: &str = "bench-secret";
/// GitHub takes 80 new things a minute from one installation, and we keep to that: the tags are spread over so many.
const OWNERS: usize = 25;
const TAGS: usize = 200;
const IN_FLIGHT: usize = 1_000;
const PATIENCE: Duration = Duration::from_secs(120);

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    println!("{TAGS} tags one after the other, from the webhook to the first write, in ms");
    println!("| first write | p50 | p99 | max |\n|---|---|---|---|");
    first_effect("a check run that waits", false)?;
    first_effect("a draft: checks had passed", true)?;
    println!("\n{IN_FLIGHT} runs, kill -9, from the start of the program, in ms");
    println!("| the runs | accepts webhooks | half go on | 99 % go on | all go on |\n|---|---|---|---|---|");
    after_kill("wait for a check, which ends while the program is dead", InFlight::Waiting)?;
    after_kill("have called and have no answer", InFlight::Calling)
}

struct Server {
    child: Option<Child>,
    port: u16,
    folder: TempDir,
    api: String,
    app: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Server {
    fn of(github: &Sandbox) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("key.pem"), github.private_key_pem())?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        github.set_webhook(&format!("http://127.0.0.1:{port}/webhook"), SECRET);
        Ok(Self { child: None, port, folder, api: github.base_url().to_owned(), app: github.app_id().to_string() })
    }

    /// Starts it; how long until it accepts webhooks.
    fn start(&mut self) -> Outcome<Duration> {
        let started = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_lockkeeper"))
            .arg("serve")
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("LOCKKEEPER_APP_ID", &self.app)
            .env("LOCKKEEPER_PRIVATE_KEY_FILE", self.folder.path().join("key.pem"))
            .env("LOCKKEEPER_WEBHOOK_SECRET", SECRET)
            .env("LOCKKEEPER_GITHUB_API_URL", &self.api)
            .env("LOCKKEEPER_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("LOCKKEEPER_DATA_DIR", self.folder.path().join("data"))
            .env("LOCKKEEPER_LOG", "error")
            .stdout(Stdio::null())
            .spawn()?;
        self.child = Some(child);
        wait(|| self.healthy().unwrap_or(false))?;
        Ok(started.elapsed())
    }

    /// Whether it accepts webhooks.
    fn healthy(&self) -> std::io::Result<bool> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200"))
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn wait(mut until: impl FnMut() -> bool) -> Outcome<()> {
    let end = Instant::now() + PATIENCE;
    while !until() {
        if Instant::now() >= end {
            return Err("it takes too long".into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// A repository for each owner, with this many commits.
fn repositories(github: &Sandbox, commits: usize) -> Outcome<Vec<(RepoHandle, Vec<Sha>)>> {
    let seeds = |n: usize| {
        let date = 1_790_000_000 + i64::try_from(n).unwrap_or(0);
        CommitSeed::new(&format!("feat: part {n} (#{n})")).file("part.txt", &n.to_string()).date(date).tagged(&format!("p{n}"))
    };
    let mut all = Vec::new();
    for owner in 0..OWNERS {
        let repo = github.create_repo(RepoSeed::new(&format!("owner-{owner}/app")).commits((1..=commits).map(seeds)))?;
        let shas = (1..=commits).filter_map(|n| repo.resolve(&format!("p{n}"))).collect();
        all.push((repo, shas));
    }
    Ok(all)
}

/// When requests that change something people see arrive.
fn writes(github: &Sandbox) -> Receiver<(Instant, String)> {
    let (tell, told) = channel();
    github.on(Moment::BeforeEffect, move |request: &RequestInfo| {
        if request.method != "GET" && request.path.starts_with("/repos/") {
            // Nobody may be listening any more.
            let _ = tell.send((Instant::now(), request.path.clone()));
        }
    });
    told
}

fn first_effect(name: &str, checks_have_passed: bool) -> Outcome<()> {
    let github = Sandbox::start(SandboxConfig::default())?;
    let each = TAGS / OWNERS + 1;
    let repositories = repositories(&github, each)?;
    for (repo, shas) in &repositories {
        for sha in shas {
            let check = repo.start_check("github-actions", sha, "build")?;
            if checks_have_passed {
                repo.complete_check(check, "success")?;
            }
        }
    }
    let mut server = Server::of(&github)?;
    server.start()?;
    wait(|| github.counts().iter().any(|(route, n)| route == "GET /repos/{owner}/{repo}/tags" && *n >= OWNERS as u64))?;
    github.settle(PATIENCE);
    let written = writes(&github);
    github.hook_rule(HookRule::new("push", HookAction::Hold));
    github.hook_rule(HookRule::new("create", HookAction::Hold));
    let mut times = Vec::new();
    for n in 0..each {
        for (repo, shas) in &repositories {
            repo.tag(&format!("v1.{n}.0"), shas.get(n).ok_or("no such commit")?)?;
            let left = Instant::now();
            github.release_hooks(Order::Kept);
            let (arrived, _) = written.recv_timeout(PATIENCE)?;
            // The first of each installation fetches its token; that is not measured.
            if n > 0 {
                times.push(arrived.duration_since(left).as_secs_f64() * 1e3);
            }
            // A release says success at its end, one that waits says no more.
            let writes = if checks_have_passed { 2 } else { 0 };
            for _ in 0..writes {
                written.recv_timeout(PATIENCE)?;
            }
            github.settle(PATIENCE);
        }
    }
    times.sort_by(f64::total_cmp);
    println!("| {name} | {:.1} | {:.1} | {:.1} |", at(&times, 0.5), at(&times, 0.99), at(&times, 1.0));
    Ok(())
}

fn at(sorted: &[f64], share: f64) -> f64 {
    sorted.get(((sorted.len() as f64 - 1.0) * share) as usize).copied().unwrap_or_default()
}

#[derive(Clone, Copy, PartialEq)]
enum InFlight {
    Waiting,
    Calling,
}

fn after_kill(name: &str, what: InFlight) -> Outcome<()> {
    let github = Sandbox::start(SandboxConfig::default())?;
    let repositories = repositories(&github, 1)?;
    let mut builds = Vec::new();
    for (repo, shas) in &repositories {
        builds.push((repo, repo.start_check("github-actions", shas.first().ok_or("no commit")?, "build")?));
    }
    let mut server = Server::of(&github)?;
    server.start()?;
    wait(|| github.counts().iter().any(|(route, n)| route == "GET /repos/{owner}/{repo}/tags" && *n >= OWNERS as u64))?;
    if what == InFlight::Calling {
        github.fault(Fault::on("POST", "/graphql ReleaseFacts", Trouble::Hang).always());
    }
    for n in 0..IN_FLIGHT / OWNERS {
        for (repo, shas) in &repositories {
            repo.tag(&format!("v1.{n}.0"), shas.first().ok_or("no commit")?)?;
        }
    }
    if !github.settle(PATIENCE) {
        return Err("the webhooks are not delivered".into());
    }
    let shown = || repositories.iter().map(|(repo, _)| repo.check_runs().len() - 1).sum::<usize>();
    match what {
        InFlight::Waiting => wait(|| shown() == IN_FLIGHT)?,
        // The inbox is empty soon after the last webhook.
        InFlight::Calling => std::thread::sleep(Duration::from_secs(3)),
    }
    std::thread::sleep(Duration::from_secs(1));
    server.kill();
    github.clear_faults();
    if what == InFlight::Waiting {
        for (repo, build) in builds {
            repo.complete_check(build, "success")?;
        }
        github.settle(PATIENCE);
    }
    let again = requests(&github, if what == InFlight::Waiting { "Recheck" } else { "ReleaseFacts" });
    let started = Instant::now();
    let accepts = server.start()?.as_secs_f64() * 1e3;
    wait(|| times(&again).len() == IN_FLIGHT)?;
    let sorted: Vec<f64> = times(&again).iter().map(|at| at.duration_since(started).as_secs_f64() * 1e3).collect();
    println!("| {name} | {accepts:.0} | {:.0} | {:.0} | {:.0} |", at(&sorted, 0.5), at(&sorted, 0.99), at(&sorted, 1.0));
    Ok(())
}

/// When each different request of that name arrived first.
type Again = Arc<Mutex<(HashSet<Vec<u8>>, Vec<Instant>)>>;

fn requests(github: &Sandbox, operation: &'static str) -> Again {
    let again = Again::default();
    let noted = Arc::clone(&again);
    github.on(Moment::BeforeEffect, move |request| {
        if request.operation.as_deref() == Some(operation) {
            let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
            if noted.0.insert(request.body.to_vec()) {
                noted.1.push(Instant::now());
            }
        }
    });
    again
}

fn times(again: &Again) -> Vec<Instant> {
    again.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
}
