//! The server is told to stop (SIGTERM) while a command of the operator's runs: a short one comes to its end and is not run
//! again; a long one is ended, and run again by the next server. Nothing is left locked.

use crate::process::{Process, SECRET};
use lockkeeper::domain::Sha;
use lockkeeper::sandbox::{CommitSeed, RepoHandle, RepoSeed, Sandbox, SandboxConfig};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::task::block_in_place;

const STAGING: &str = "lockkeeper/staging";
const PATIENCE: Duration = Duration::from_secs(60);
const CONFIG: &str =
    "[environments.staging]\non = [\"merge\"]\ntarget = \"t\"\n\n[targets.t]\nkind = \"command\"\ncommand = \"deploy\"\n";

/// Takes as many seconds as a file says, and says it if another one is at work. Nobody hears it when the server is gone.
const SCRIPT: &str = r#"
cd "$0"
exec 2> /dev/null
if ! mkdir working 2>/dev/null; then echo overlap >> log; fi
trap 'rmdir working; echo "cut" >> log; exit 1' TERM
echo "start" >> log
sleep "$(cat seconds)" &
wait $!
rmdir working
echo "end" >> log
"#;

struct Scene {
    process: Process,
    shop: RepoHandle,
    folder: tempfile::TempDir,
    _github: Sandbox,
}

impl Scene {
    fn set(seconds: u32) -> Self {
        let github = Sandbox::start(SandboxConfig::default()).unwrap();
        let first = CommitSeed::new("feat: begin").tagged("v1.0.0").file(".github/lockkeeper.toml", CONFIG);
        let shop = github.create_repo(RepoSeed::new("acme/shop").commit(first)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().to_str().unwrap();
        std::fs::write(folder.path().join("script"), SCRIPT.replace("\"$0\"", at)).unwrap();
        std::fs::write(folder.path().join("seconds"), seconds.to_string()).unwrap();
        let process = Process::of(&github);
        process.settings(&format!(
            "[commands.deploy]\nrun = [\"/bin/sh\", \"{at}/script\"]\npass_env = [\"PATH\"]\nrepositories = [\"acme/shop\"]\n"
        ));
        github.set_webhook(&process.webhook(), SECRET);
        Self { process, shop, folder, _github: github }
    }

    fn log(&self) -> Vec<String> {
        lines(self.folder.path())
    }

    async fn until(&self, what: &str, ready: impl Fn() -> bool) {
        let begun = Instant::now();
        while !ready() {
            assert!(begun.elapsed() < PATIENCE, "{what}: {:?}\n{}", self.log(), self.process.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Pushes a commit, and stops the server as soon as its command runs.
    async fn stopped_in_the_middle(&self) -> Sha {
        block_in_place(|| self.process.start());
        let sha = self.shop.commit("main", CommitSeed::new("feat: one")).unwrap();
        self.shop.check("github-actions", &sha, "build", "success").unwrap();
        self.until("it starts", || self.log() == ["start"]).await;
        self.process.terminate();
        let status = block_in_place(|| self.process.ended());
        assert!(status.success(), "{status}\n{}", self.process.log());
        sha
    }

    /// The next server brings it to a good end, and holds no lock.
    async fn ends_well(self, sha: &Sha, log: &[&str]) {
        block_in_place(|| self.process.start());
        let good = || self.shop.newest_check(sha, STAGING).is_some_and(|check| check.conclusion.as_deref() == Some("success"));
        self.until("it succeeds", good).await;
        assert_eq!(self.log(), log);
        let over = || {
            let status = block_in_place(|| self.process.ask(&["status"]));
            let repository = &status["repositories"][0];
            repository["active"].as_array().unwrap().is_empty() && repository["holds"].as_array().unwrap().is_empty()
        };
        self.until("nothing is left", over).await;
        assert_eq!(self.shop.deployments().iter().filter(|made| made.sha == *sha).count(), 1);
        block_in_place(|| self.process.kill());
    }
}

fn lines(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_command_ends_and_is_not_run_again() {
    let scene = Scene::set(2);
    let sha = scene.stopped_in_the_middle().await;
    assert_eq!(scene.log(), ["start", "end"], "the server waited for it");
    scene.ends_well(&sha, &["start", "end"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_command_is_ended_and_run_again_by_the_next_server() {
    let scene = Scene::set(1000);
    let sha = scene.stopped_in_the_middle().await;
    scene.until("nothing of it is left", || scene.log() == ["start", "cut"]).await;
    std::fs::write(scene.folder.path().join("seconds"), "0").unwrap();
    scene.ends_well(&sha, &["start", "cut", "start", "end"]).await;
}
