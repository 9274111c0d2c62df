//! One scenario: a tag is pushed while a check runs, the check passes, the release is published, and a deployment with a
//! check of its own is brought up by its reporter. At some point the program is killed, and started again.

use super::receipt::stand_between;
use super::trap::{Trap, label_of_entry};
use super::world::World;
use crate::process::{Process, SECRET};
use lockkeeper::domain::Sha;
use lockkeeper::sandbox::{CommitSeed, DeploymentReport, Moment, RepoHandle, RepoSeed, Sandbox, SandboxConfig};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

const TAG: &str = "v1.1.0";
const CONFIG: &str = r#"
[environments.production]
on = ["tag"]
target = "cluster"
url = "https://shop.example.com"
gates = [{ kind = "tag" }, { kind = "checks", names = ["smoke"] }]

[targets.cluster]
kind = "deployment"
reporters = ["shop-deployer[bot]"]
"#;
/// The reconciler's last request of a round.
const ROUND_ENDS: &str = "GET /repos/{owner}/{repo}/tags";
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(10);

/// What happens to the program.
#[derive(Debug)]
pub enum Kill {
    Never,
    /// At the `nth` request of this label; `late` after an answer. The second kill is before the effect of that many
    /// requests after the restart.
    Request {
        label: String,
        nth: u32,
        moment: Moment,
        late: Duration,
        second: Option<u32>,
    },
    /// While this webhook comes in: so long after it was handed on, or when it was answered and the answer got lost.
    Receipt {
        event: &'static str,
        after: Option<Duration>,
    },
    /// While the deployment waits for its reporter, who reports before or after the restart.
    Reporting {
        while_dead: bool,
    },
    /// SIGTERM before the effect of the first request of this label, which takes a while then.
    Terminate {
        label: String,
    },
}

/// How a scenario ended.
pub struct Played {
    pub world: World,
    pub requests: Vec<String>,
    /// What must not be in any scenario.
    pub trouble: Vec<String>,
    /// Kills that had no occasion.
    pub missed: u32,
    pub log: String,
}

impl Played {
    pub fn differs(&self, undisturbed: &Self) -> Option<String> {
        if self.world == undisturbed.world && self.trouble.is_empty() {
            return None;
        }
        let world = format!("{:#?}", self.world);
        let expected = format!("{:#?}", undisturbed.world);
        let (ours, theirs): (BTreeSet<&str>, BTreeSet<&str>) = (world.lines().collect(), expected.lines().collect());
        let only = |one: &BTreeSet<&str>, other: &BTreeSet<&str>| one.difference(other).copied().collect::<Vec<_>>().join("\n");
        Some(format!(
            "{:?}\nonly here:\n{}\nonly undisturbed:\n{}\nrequests: {:#?}\n{}",
            self.trouble,
            only(&ours, &theirs),
            only(&theirs, &ours),
            self.requests,
            self.log
        ))
    }
}

struct Stage {
    github: Sandbox,
    shop: RepoHandle,
    head: Sha,
    build: u64,
    process: Arc<Process>,
    /// The kills that are still to come.
    left: Arc<AtomicU32>,
    fired: Arc<AtomicBool>,
}

pub fn play(kill: &Kill) -> Played {
    let stage = Stage::set(kill);
    stage.process.start();
    stage.push();
    let mut trouble = Vec::new();
    let end = Instant::now() + PATIENCE;
    let mut over_since = None;
    while !stage.is_over(kill, &mut over_since) {
        if Instant::now() >= end {
            trouble.push("it is not over in time".to_owned());
            break;
        }
        stage.act(kill);
        stage.revive(kill, &mut trouble);
        std::thread::sleep(LOOK);
    }
    trouble.extend(stage.wait_for_quiet(end));
    stage.process.terminate();
    let status = stage.process.ended();
    if !status.success() {
        trouble.push(format!("SIGTERM ended in {status}"));
    }
    stage.look(trouble)
}

impl Stage {
    fn set(kill: &Kill) -> Self {
        let github = Sandbox::start(SandboxConfig::default()).unwrap();
        let shop = shop(&github);
        let head = shop.resolve("main").unwrap();
        let build = shop.start_check("github-actions", &head, "build").unwrap();
        let process = Arc::new(Process::of(&github));
        let (left, fired) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let mut webhook = process.webhook();
        match kill {
            Kill::Never => {}
            Kill::Reporting { .. } => left.store(1, Ordering::SeqCst),
            Kill::Receipt { event, after } => webhook = stand_between(&process, event, *after, &fired),
            Kill::Request { .. } | Kill::Terminate { .. } => Trap::lay(&github, kill, &process, &left),
        }
        github.set_webhook(&webhook, SECRET);
        Self { github, shop, head, build, process, left, fired }
    }

    /// Pushes the tag once the program has seen the repository, or when it is dead already.
    fn push(&self) {
        let end = Instant::now() + PATIENCE;
        let unseen = || !self.github.counts().keys().any(|route| route == ROUND_ENDS);
        while self.process.is_running() && unseen() {
            assert!(Instant::now() < end, "nobody looks at the tags: {:?}\n{}", self.github.counts(), self.process.log());
            std::thread::sleep(LOOK);
        }
        self.shop.annotated_tag(TAG, &self.head, "The cart remembers").unwrap();
    }

    /// What people and machines do when they see what the program shows.
    fn act(&self, kill: &Kill) {
        let shown = |name: &str| self.shop.newest_check(&self.head, name);
        let passed = |name: &str| shown(name).is_some_and(|check| check.status == "completed");
        if shown("lockkeeper/release").is_some() && !passed("build") {
            self.shop.complete_check(self.build, "success").unwrap();
        }
        if shown("lockkeeper/production").is_some() && shown("smoke").is_none() {
            self.shop.check("smoke-tests", &self.head, "smoke", "success").unwrap();
        }
        for deployment in self.shop.deployments() {
            let reported = deployment.statuses.iter().any(|status| !status.by_app);
            if reported || deployment.state() != "in_progress" {
                continue;
            }
            if let Kill::Reporting { while_dead } = kill
                && self.left.swap(0, Ordering::SeqCst) > 0
            {
                // It has begun to wait.
                std::thread::sleep(Duration::from_millis(100));
                self.process.kill();
                if !while_dead {
                    self.process.start();
                }
            }
            let report = DeploymentReport::new("shop-deployer[bot]", "success").description("three copies answer");
            self.shop.report_deployment(deployment.id, report).unwrap();
        }
    }

    /// Starts the program again if it is dead.
    fn revive(&self, kill: &Kill, trouble: &mut Vec<String>) {
        let told = matches!(kill, Kill::Terminate { .. }) && self.left.load(Ordering::SeqCst) == 0;
        if told && !self.fired.swap(true, Ordering::SeqCst) {
            let status = self.process.ended();
            trouble.extend((!status.success()).then(|| format!("SIGTERM ended in {status}")));
        }
        if !self.process.is_running() {
            // What was told to a dead program is lost before it is back.
            self.github.settle(Duration::from_secs(5));
            self.process.start();
        }
    }

    /// Everything is shown as over and the program runs. A kill that was meant for a later repetition of a request may have
    /// had no occasion: how often gates are looked at depends on when webhooks come.
    fn is_over(&self, kill: &Kill, since: &mut Option<Instant>) -> bool {
        let over = |name: &str| self.shop.newest_check(&self.head, name).is_some_and(|check| check.status == "completed");
        if !over("lockkeeper/release") || !over("lockkeeper/production") || !self.process.is_running() {
            return false;
        }
        let (killed, optional) = match kill {
            Kill::Receipt { .. } => (self.fired.load(Ordering::SeqCst), false),
            Kill::Request { nth, second, .. } => (self.left.load(Ordering::SeqCst) == 0, *nth > 1 || second.is_some()),
            _ => (self.left.load(Ordering::SeqCst) == 0, false),
        };
        killed || optional && since.get_or_insert_with(Instant::now).elapsed() > Duration::from_secs(2)
    }

    /// Waits until every run has ended and every webhook has arrived and is done with; what is left when it gives up.
    fn wait_for_quiet(&self, end: Instant) -> Vec<String> {
        loop {
            if !self.process.is_running() {
                return vec!["it died late".to_owned()];
            }
            let left = self.restless();
            if left.is_empty() || Instant::now() >= end {
                return left;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn restless(&self) -> Vec<String> {
        let mut left = Vec::new();
        if !self.github.settle(Duration::from_secs(5)) {
            left.push("webhooks are on their way".to_owned());
        }
        let sent = self.github.deliveries();
        // Asked by what is stored: the answer to one that has arrived may have been lost.
        let stored = self.process.ask(&["deliveries", "list", "--limit", "500"]);
        let stored: BTreeSet<&str> = stored.as_array().unwrap().iter().filter_map(|row| row["delivery"].as_str()).collect();
        let lost = sent.iter().filter(|d| !stored.contains(d.guid.as_str()));
        left.extend(lost.map(|d| format!("{} {:?} {} never arrived", d.event, d.action, d.guid)));
        if !left.is_empty() {
            return left;
        }
        for (what, rest) in [("runs", "active"), ("deliveries", "pending"), ("deliveries", "dead"), ("runs", "dead")] {
            let flag = if what == "runs" { "--state" } else { "--status" };
            let rows = self.process.ask(&[what, "list", flag, rest, "--limit", "500"]);
            left.extend(rows.as_array().unwrap().iter().map(|row| format!("{what} {rest}: {row}")));
            if !left.is_empty() {
                return left;
            }
        }
        left
    }

    fn look(&self, mut trouble: Vec<String>) -> Played {
        let runs = self.process.ask(&["runs", "list"]);
        let world = World::of(&self.shop, self.github.app_id(), &runs);
        let violations = self.github.violations();
        trouble.extend(violations.iter().map(|v| format!("violation: {} {} {}", v.route, v.status, v.message)));
        let requests = self.github.log().iter().map(label_of_entry).collect();
        let missed = self.left.load(Ordering::SeqCst);
        Played { world, requests, trouble, missed, log: self.process.log() }
    }
}

/// One release, and what has been merged since.
fn shop(github: &Sandbox) -> RepoHandle {
    let day = |n: i64| 1_790_000_000 + n * 86_400;
    let commits = [
        CommitSeed::new("feat: open the shop (#1)").author("ann").file("shop.txt", "open").date(day(0)),
        CommitSeed::new("chore: deploy with Lockkeeper (#2)")
            .author("ann")
            .file(".github/lockkeeper.toml", CONFIG)
            .date(day(1))
            .tagged("v1.0.0"),
        CommitSeed::new("feat(cart): remember it for a week (#3)").author("ben").file("cart.txt", "week").date(day(3)),
        CommitSeed::new("fix(pay): count the discount once (#4)").author("cleo").file("pay.txt", "once").date(day(5)),
    ];
    github.create_repo(RepoSeed::new("acme/shop").commits(commits)).unwrap()
}
