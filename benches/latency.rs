//! Commands on pull requests: how soon people see something, and what becomes of 500 commands in one minute.
//!
//! `cargo bench --bench latency` measures the first with the real program against a stand-in for GitHub that answers at once, in
//! this process; the second with the server in this process too, whose minutes are a second long, as those of the stand-in are,
//! which refuses what is beyond GitHub's limits. Figures are for reading; what is wrong in the second ends it with an error.

use lockkeeper::app::{Server, Tuning};
use lockkeeper::config::Secret;
use lockkeeper::config::settings::{App, CommandPrefix, CommandSettings, Local, LogFormat, Repositories, Resources, Serve};
use lockkeeper::domain::Role;
use lockkeeper::github::Pacing;
use lockkeeper::sandbox::{
    CommentSeed, CommitSeed, HookAction, HookRule, Moment, Order, PullSeed, RepoHandle, RepoSeed, RequestInfo, Sandbox,
    SandboxConfig,
};
use lockkeeper::store::runs::{Filter, Run, RunState};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const SECRET: &str = "bench-secret";
/// GitHub takes 80 new things a minute from one installation, and we keep to that: the commands are spread over so many.
const OWNERS: usize = 25;
const COMMANDS: usize = 200;
const PULLS: usize = 500;
const ENVIRONMENTS: usize = 10;
/// A minute of the crowd; its hour is sixty of them.
const MINUTE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(3_600);

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    println!("{profile} build\n\n{COMMANDS} times /status, one after the other, from the delivery, in ms");
    println!("| what | p50 | p99 | max |\n|---|---|---|---|");
    first_seen()?;
    println!("\n{PULLS} pull requests with one command each in one minute, a minute being {} s", MINUTE.as_secs_f64());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(crowd())
}

/// A pull request, and its head.
fn topic(repo: &RepoHandle, n: usize) -> Outcome<(u64, String)> {
    let name = format!("topic-{n}");
    repo.branch(&name, &repo.resolve("main").ok_or("no main")?)?;
    let head = repo.commit(&name, CommitSeed::new(&format!("feat: part {n}")).file(&format!("{name}.txt"), &name))?;
    Ok((repo.open_pull(PullSeed::new(&format!("feat: part {n}"), &name))?, head.to_string()))
}

fn at(sorted: &[f64], share: f64) -> f64 {
    sorted.get(((sorted.len() as f64 - 1.0) * share) as usize).copied().unwrap_or_default()
}

/// When what people see arrives: reactions and replies.
fn seen(github: &Sandbox) -> Receiver<(Instant, bool)> {
    let (tell, told) = channel();
    github.on(Moment::BeforeEffect, move |request: &RequestInfo| {
        let reaction = request.path.ends_with("/reactions");
        if request.method == "POST" && (reaction || request.path.ends_with("/comments")) {
            // Nobody may be listening any more.
            let _ = tell.send((Instant::now(), reaction));
        }
    });
    told
}

fn first_seen() -> Outcome<()> {
    let github = Sandbox::start(SandboxConfig::default())?;
    let _server = Program::start(&github)?;
    let mut repositories = Vec::new();
    for owner in 0..OWNERS {
        let repo = github.create_repo(RepoSeed::new(&format!("owner-{owner}/app")).commit(CommitSeed::new("feat: one")))?;
        repo.set_role("ann", Role::Write);
        let (pull, _) = topic(&repo, 0)?;
        repositories.push((repo, pull));
    }
    github.settle(Duration::from_secs(60));
    std::thread::sleep(Duration::from_secs(2));
    let told = seen(&github);
    github.hook_rule(HookRule::new("issue_comment", HookAction::Hold));
    let (mut eyes, mut replies) = (Vec::new(), Vec::new());
    for nth in 0..=COMMANDS / OWNERS {
        for (repo, pull) in &repositories {
            repo.comment(*pull, CommentSeed::new("ann", "/status"))?;
            let left = Instant::now();
            github.release_hooks(Order::Kept);
            let (mut seen, mut answered) = (None, None);
            // 👀, the reply, and 🚀.
            for _ in 0..3 {
                let (arrived, reaction) = told.recv_timeout(Duration::from_secs(20))?;
                let first = if reaction { &mut seen } else { &mut answered };
                first.get_or_insert(arrived.duration_since(left).as_secs_f64() * 1e3);
            }
            // The first of each installation fetches its token; that is not measured.
            if nth > 0 {
                eyes.extend(seen);
                replies.extend(answered);
            }
            github.settle(Duration::from_secs(20));
        }
    }
    for (name, all) in [("👀", &mut eyes), ("the first reply", &mut replies)] {
        all.sort_by(f64::total_cmp);
        println!("| {name} | {:.1} | {:.1} | {:.1} |", at(all, 0.5), at(all, 0.99), at(all, 1.0));
    }
    Ok(())
}

/// The real program.
struct Program {
    child: Child,
    _folder: TempDir,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    fn start(github: &Sandbox) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("key.pem"), github.private_key_pem())?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        github.set_webhook(&format!("http://127.0.0.1:{port}/webhook"), SECRET);
        let child = Command::new(env!("CARGO_BIN_EXE_lockkeeper"))
            .arg("serve")
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("LOCKKEEPER_APP_ID", github.app_id().to_string())
            .env("LOCKKEEPER_PRIVATE_KEY_FILE", folder.path().join("key.pem"))
            .env("LOCKKEEPER_WEBHOOK_SECRET", SECRET)
            .env("LOCKKEEPER_GITHUB_API_URL", github.base_url())
            .env("LOCKKEEPER_LISTEN", format!("127.0.0.1:{port}"))
            .env("LOCKKEEPER_DATA_DIR", folder.path().join("data"))
            .env("LOCKKEEPER_LOG", "error")
            .stdout(Stdio::null())
            .spawn()?;
        let end = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if Instant::now() >= end {
                return Err("the server does not start".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { child, _folder: folder })
    }
}

/// A server in this process, in which a minute is short.
async fn hurried(github: &Sandbox, folder: &TempDir) -> Outcome<Server> {
    let mut resources = Resources::default();
    let deploy = CommandSettings {
        run: vec!["/bin/true".to_owned()],
        observe: None,
        env: BTreeMap::new(),
        pass_env: Vec::new(),
        directory: None,
        timeout: Duration::from_secs(20),
        repositories: Repositories(vec!["**".into()]),
    };
    resources.commands.insert("deploy".into(), deploy);
    let settings = Serve {
        local: Local {
            listen: "127.0.0.1:0".into(),
            data_dir: folder.path().join("data"),
            log: "error".into(),
            log_format: LogFormat::Text,
        },
        app: App {
            app_id: github.app_id().to_string(),
            private_key: Secret::new(github.private_key_pem()),
            github_api_url: github.base_url().to_owned(),
            public_url: None,
        },
        webhook_secrets: vec![Secret::new(SECRET)],
        allow_addresses: Vec::new(),
        resources,
        command_prefix: CommandPrefix::default(),
        sign_in: None,
    };
    let default = Pacing::default();
    let pacing = Pacing { minute: MINUTE, longest_wait: default.longest_wait / 60, ..default };
    let program = Some(env!("CARGO_BIN_EXE_lockkeeper").into());
    let tuning = Tuning { pacing, edits: Tuning::default().edits / 60, program, ..Tuning::default() };
    let server = Server::start(settings, tuning).await?;
    github.set_webhook(&format!("http://{}/webhook", server.address), SECRET);
    Ok(server)
}

fn config() -> String {
    let one = |n| format!("[environments.env-{n}]\ntarget = \"shell\"\ngates = []\nmirror = false\n");
    let all: String = (0..ENVIRONMENTS).map(one).collect();
    format!("{all}[targets.shell]\nkind = \"command\"\ncommand = \"deploy\"\n")
}

/// When things were made at GitHub, and how often it refused to.
type Made = Arc<Mutex<Vec<Instant>>>;

fn made(github: &Sandbox) -> Made {
    let (made, kept) = (Made::default(), Made::default());
    let tell = Arc::clone(&made);
    github.on(Moment::AfterEffect, move |request: &RequestInfo| {
        if request.method == "POST" && request.path.starts_with("/repos/") {
            tell.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        }
    });
    drop(kept);
    made
}

/// The most in any span of this length.
fn most(times: &[Instant], span: Duration) -> usize {
    let mut from = 0;
    let mut most = 0;
    for (at, time) in times.iter().enumerate() {
        while times.get(from).is_some_and(|first| time.duration_since(*first) >= span) {
            from += 1;
        }
        most = most.max(at + 1 - from);
    }
    most
}

async fn runs(server: &Server, workflow: Option<&str>, state: Option<RunState>) -> Outcome<Vec<Run>> {
    let workflow = workflow.map(str::to_owned);
    Ok(server.host.list(Filter { workflow, state, limit: Some(5_000), ..Filter::default() }).await?)
}

async fn at_rest(github: &Sandbox, server: &Server) -> Outcome<()> {
    let end = Instant::now() + PATIENCE;
    let mut calm = 0;
    while calm < 5 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let idle = github.settle(Duration::ZERO) && runs(server, None, Some(RunState::Active)).await?.is_empty();
        calm = if idle { calm + 1 } else { 0 };
        if Instant::now() >= end {
            return Err("it does not come to rest".into());
        }
    }
    Ok(())
}

async fn crowd() -> Outcome<()> {
    let github = Sandbox::start(SandboxConfig { rate_limit: 10_000_000, ..SandboxConfig::default() })?;
    let first = CommitSeed::new("feat: one").file(".github/lockkeeper.toml", &config());
    let repo = github.create_repo(RepoSeed::new("acme/shop").commit(first))?;
    repo.set_role("ann", Role::Write);
    let folder = tempfile::tempdir()?;
    let server = hurried(&github, &folder).await?;
    let all: Vec<(u64, String)> = (0..PULLS).map(|n| topic(&repo, n)).collect::<Outcome<_>>()?;
    let (pulls, heads): (Vec<u64>, Vec<String>) = all.into_iter().unzip();
    at_rest(&github, &server).await?;
    // The hour in which their previews were made is over.
    tokio::time::sleep(MINUTE * 61).await;
    // GitHub's clock is ahead: each head was there long before the comment.
    github.set_clock_offset(600_000);
    github.scale_secondary_limits(i64::try_from(MINUTE.as_millis())?);
    github.clear_log();
    let (made, begun) = (made(&github), Instant::now());
    for (n, pull) in pulls.iter().enumerate() {
        repo.comment(*pull, CommentSeed::new("ann", &format!("/deploy env-{} --wait", n % ENVIRONMENTS)))?;
        tokio::time::sleep_until((begun + MINUTE / u32::try_from(PULLS)? * u32::try_from(n)?).into()).await;
    }
    println!("said within {:.1} s", begun.elapsed().as_secs_f64());
    at_rest(&github, &server).await?;
    let took = begun.elapsed() - Duration::from_millis(2_500);
    // The last edits.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let times = made.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let refused = github.log().iter().filter(|entry| entry.status == 403).count();
    println!("all over after {:.0} s; {} things made", took.as_secs_f64(), times.len());
    println!("in the fullest minute {}, in the fullest hour {}", most(&times, MINUTE), most(&times, MINUTE * 60));
    println!("refused by GitHub: {refused}");
    let mut wrong = answers(&repo, &pulls);
    wrong.extend(order(&repo, &heads));
    server.stop().await;
    if wrong.is_empty() {
        println!("every command has one reply that says it is live; each environment kept its order");
        return Ok(());
    }
    Err(wrong.join("\n").into())
}

/// Each pull request has one reply, and its last words are true.
fn answers(repo: &RepoHandle, pulls: &[u64]) -> Vec<String> {
    let all = repo.comments();
    let mut wrong = Vec::new();
    for pull in pulls {
        let replies: Vec<_> = all.iter().filter(|comment| comment.by_app && comment.pull == *pull).collect();
        if replies.len() != 1 || !replies.iter().all(|reply| reply.body.contains("is live in")) {
            wrong.push(format!("#{pull}: {:?}", replies.iter().map(|reply| reply.body.clone()).collect::<Vec<_>>()));
        }
    }
    wrong.truncate(5);
    wrong
}

/// Who wrote first was live first, in each environment.
fn order(repo: &RepoHandle, heads: &[String]) -> Vec<String> {
    let deployments = repo.deployments();
    let mut wrong = Vec::new();
    for nth in 0..ENVIRONMENTS {
        let environment = format!("env-{nth}");
        let asked: Vec<&String> = heads.iter().skip(nth).step_by(ENVIRONMENTS).collect();
        let mut live: Vec<(u64, String)> = Vec::new();
        for made in deployments.iter().filter(|made| made.environment == environment) {
            let good = made.statuses.iter().find(|status| status.state == "success");
            live.extend(good.map(|status| (status.id, made.sha.to_string())));
        }
        live.sort();
        let live: Vec<&String> = live.iter().map(|(_, sha)| sha).collect();
        if asked != live {
            let first = asked.iter().zip(&live).position(|(asked, live)| asked != live);
            wrong.push(format!("{environment}: {} asked, {} live, other at {first:?}", asked.len(), live.len()));
        }
    }
    wrong
}
