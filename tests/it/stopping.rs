//! A command of the operator's that takes its time and ignores SIGTERM: stopped by a person, and left by a server that dies.
//! Nothing of it goes on, and nothing is started beside it.

use crate::deployer::Deployer;
use crate::process::{Process, SECRET};
use crate::world::{Setup, World};
use lockkeeper::config::settings::{CommandSettings, Repositories};
use lockkeeper::domain::Sha;
use lockkeeper::sandbox::{CommitSeed, DeploymentReport, RepoSeed, Sandbox, SandboxConfig};
use lockkeeper::store::runs::Run;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::task::block_in_place;

const STAGING: &str = "lockkeeper/staging";
const PATIENCE: Duration = Duration::from_secs(40);

/// Writes down that it starts, and whether another one lives. Where there is a file `hang` it never ends, once.
const SCRIPT: &str = r#"
cd "$0"
if [ -f pid ] && kill -0 "$(cat pid)" 2>/dev/null; then echo overlap >> log; fi
echo $$ > pid
echo "start $1" >> log
if [ -f hang ]; then
  rm hang
  trap '' TERM
  sleep 1000 &
  echo $! > child
  while :; do sleep 1; done
fi
echo "end $1" >> log
"#;

fn config(target: &str) -> String {
    format!("[environments.staging]\non = [\"merge\"]\ntarget = \"cluster\"\n\n[targets.cluster]\n{target}\n")
}

fn words(folder: &Path) -> [String; 5] {
    ["/bin/sh", "-c", SCRIPT, folder.to_str().unwrap(), "{{ sha }}"].map(str::to_owned)
}

fn lines(folder: &TempDir) -> Vec<String> {
    let text = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Numbers of the process that hangs and of its child, as soon as they are there.
async fn hangs(folder: &TempDir) -> [String; 2] {
    let begun = Instant::now();
    loop {
        let read = |name| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default().trim().to_owned();
        let (pid, child) = (read("pid"), read("child"));
        if !pid.is_empty() && !child.is_empty() {
            return [pid, child];
        }
        assert!(begun.elapsed() < PATIENCE, "it does not start: {:?}", lines(folder));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

async fn aborted(world: &World) -> Duration {
    let runs = world.runs("deploy").await;
    let staging = |run: &&Run| run.subject.environment.as_ref().is_some_and(|name| name.as_str() == "staging");
    let run = runs.iter().filter(staging).find(|run| run.outcome.is_none()).unwrap().id.to_string();
    let begun = Instant::now();
    let (code, said, problem) = world.command_told(&["abort", &run, "--reason", "it hangs"]).await;
    assert_eq!(code, 0, "{said} {problem}");
    begun.elapsed()
}

/// The word for how the run of this commit ended.
async fn state(world: &World, sha: &Sha) -> String {
    world.quiet().await;
    let runs = world.runs("deploy").await;
    let of_it = runs.iter().find(|run| run.subject.sha.as_ref() == Some(sha)).unwrap();
    of_it.outcome.as_ref().unwrap().pointer("/finished/state").unwrap().as_str().unwrap().to_owned()
}

fn command(folder: &TempDir) -> CommandSettings {
    CommandSettings {
        run: words(folder.path()).to_vec(),
        observe: None,
        env: Default::default(),
        pass_env: vec!["PATH".into()],
        directory: None,
        timeout: Duration::from_secs(600),
        repositories: Repositories(vec!["**".into()]),
    }
}

/// The repository may make one call at a time, and a command of it runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_takes_its_time_holds_no_other_environment_up() {
    let folder = tempfile::tempdir().unwrap();
    let other = "[environments.preview]\non = [\"merge\"]\ntarget = \"others\"\n\n[targets.others]\nkind = \
                 \"deployment\"\nreporters = [\"deployer[bot]\"]";
    let mut setup = Setup::new().config(&format!("{}\n{other}\n", config("kind = \"command\"\ncommand = \"deploy\"")));
    setup.resources.commands.insert("deploy".into(), command(&folder));
    setup.tuning.host.per_repository = 1;
    let world = setup.start().await;
    std::fs::write(folder.path().join("hang"), "").unwrap();
    let sha = world.commit("feat: one");
    hangs(&folder).await;
    let made = world.deployment("preview", "in_progress").await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    world.check(&sha, "lockkeeper/preview", "success").await;
    aborted(&world).await;
    world.check(&sha, STAGING, "cancelled").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_ends_a_running_command_and_only_then_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut setup = Setup::new().config(&config("kind = \"command\"\ncommand = \"deploy\""));
    setup.resources.commands.insert("deploy".into(), command(&folder));
    let world = setup.start().await;
    // There is nothing to go back to yet.
    std::fs::write(folder.path().join("hang"), "").unwrap();
    let first = world.commit("feat: one");
    let pids = hangs(&folder).await;
    aborted(&world).await;
    let begun = Instant::now();
    let check = world.check(&first, STAGING, "cancelled").await;
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(check.title.is_some_and(|title| title.contains("it hangs")));
    assert!(pids.iter().all(|pid| !lives(pid)), "it goes on");
    assert_eq!(state(&world, &first).await, "cancelled");
    // Then there is.
    let good = world.commit("feat: two");
    world.check(&good, STAGING, "success").await;
    world.quiet().await;
    std::fs::remove_file(folder.path().join("child")).unwrap();
    std::fs::write(folder.path().join("hang"), "").unwrap();
    let third = world.commit("feat: three");
    let pids = hangs(&folder).await;
    aborted(&world).await;
    world.check(&third, STAGING, "failure").await;
    assert!(pids.iter().all(|pid| !lives(pid)), "it goes on");
    assert_eq!(state(&world, &third).await, "rolled_back");
    let said = [("start", &first), ("start", &good), ("end", &good), ("start", &third), ("start", &good), ("end", &good)];
    assert_eq!(lines(&folder), said.map(|(word, sha)| format!("{word} {sha}")));
    world.finish().await;
}

/// A deployer that does not answer is not waited for either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_does_not_wait_for_a_hook_that_hangs() {
    let deployer = Deployer::start().await;
    deployer.answers(|_| None);
    let mut setup = Setup::new().config(&config("kind = \"http\"\nhook = \"deployer\""));
    let patient = lockkeeper::config::settings::HookSettings { timeout: Duration::from_secs(60), ..deployer.settings() };
    setup.resources.hooks.insert("deployer".into(), patient);
    let world = setup.start().await;
    let sha = world.commit("feat: one");
    deployer.errand("bring_up").await;
    aborted(&world).await;
    let begun = Instant::now();
    world.check(&sha, STAGING, "cancelled").await;
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(state(&world, &sha).await, "cancelled");
    world.finish().await;
}

/// It is back sooner than what it has left behind has ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_killed_starts_no_second_copy_beside_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let github = Sandbox::start(SandboxConfig::default()).unwrap();
    let text = config("kind = \"command\"\ncommand = \"deploy\"");
    let first = CommitSeed::new("feat: begin").tagged("v1.0.0").file(".github/lockkeeper.toml", &text);
    let shop = github.create_repo(RepoSeed::new("acme/shop").commit(first)).unwrap();
    let process = Process::of(&github);
    std::fs::write(folder.path().join("script"), SCRIPT.replace("\"$0\"", folder.path().to_str().unwrap())).unwrap();
    process.settings(&format!(
        "[commands.deploy]\nrun = [\"/bin/sh\", \"{}/script\", \"{{{{ sha }}}}\"]\npass_env = [\"PATH\"]\nrepositories = \
         [\"acme/shop\"]\n",
        folder.path().display()
    ));
    github.set_webhook(&process.webhook(), SECRET);
    block_in_place(|| process.start());
    std::fs::write(folder.path().join("hang"), "").unwrap();
    let sha = shop.commit("main", CommitSeed::new("feat: one")).unwrap();
    shop.check("github-actions", &sha, "build", "success").unwrap();
    let pids = hangs(&folder).await;
    block_in_place(|| process.kill());
    block_in_place(|| process.start());
    let begun = Instant::now();
    while shop.newest_check(&sha, STAGING).is_none_or(|check| check.conclusion.as_deref() != Some("success")) {
        assert!(begun.elapsed() < PATIENCE, "{:?}\n{}", lines(&folder), process.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(pids.iter().all(|pid| !lives(pid)), "it goes on");
    assert_eq!(lines(&folder), ["start", "start", "end"].map(|word| format!("{word} {sha}")));
    block_in_place(|| process.kill());
}

/// Whoever waits for its turn when the server lets go has nobody left to run the command for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_waits_for_its_turn_does_not_begin_when_the_server_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (lock, mark) = (folder.path().join("lock"), folder.path().join("mark"));
    let before = std::fs::File::create(&lock).unwrap();
    before.lock().unwrap();
    let job = serde_json::json!({ "run": ["/bin/touch", mark], "env": {}, "directory": "/", "lock": lock });
    let mut waiting = std::process::Command::new(env!("CARGO_BIN_EXE_lockkeeper"))
        .arg("run-command")
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let mut leash = waiting.stdin.take().unwrap();
    std::io::Write::write_all(&mut leash, format!("{job}\n").as_bytes()).unwrap();
    drop(leash);
    assert_eq!(block_in_place(|| waiting.wait()).unwrap().code(), Some(127));
    assert!(begun.elapsed() < Duration::from_secs(8), "it waited for the lock all the same");
    before.unlock().unwrap();
    assert!(!mark.exists());
}
