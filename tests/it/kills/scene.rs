//! The real program before a GitHub and a real HAProxy with users, and one deployment after the other in it.

use super::copies::Copies;
use super::trap::{Kill, Trap};
use crate::haproxy::stage::{Stage, Users};
use crate::process::{Process, SECRET};
use crate::slots::place::{LIVE, config};
use lockkeeper::domain::{Sha, Slot};
use lockkeeper::sandbox::{CheckRun, CommitSeed, DeploymentReport, RepoHandle, RepoSeed, Sandbox, SandboxConfig};
use lockkeeper::targets::{Split, Traffic};
use regex::Regex;
use serde_json::Value;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use tokio::task::block_in_place;

const BOTH: [&str; 2] = ["blue1", "green1"];
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(10);
static TIMES: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"in \d+ ms").unwrap());

/// What the deployment is to come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    Good,
    ReporterFails,
    /// It is brought up, and its health check never holds.
    Sick,
    /// A person stops it after a while.
    Stopped(Duration),
}

impl Fate {
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::ReporterFails => "the reporter fails",
            Self::Sick => "sick",
            Self::Stopped(_) => "stopped",
        }
    }
}

/// What came of one.
#[derive(Clone, Debug)]
pub struct Played {
    /// Everything that others see, without ids, commits and the colour of slots.
    pub seen: String,
    pub succeeded: bool,
    pub requests: u32,
    pub questions: u32,
    /// The kill had no occasion.
    pub missed: bool,
    /// From the commit to the end.
    pub took: Duration,
}

pub struct Scene {
    github: Sandbox,
    shop: RepoHandle,
    pub process: Arc<Process>,
    balancer: Stage,
    users: Users,
    copies: Copies,
    trap: Arc<Trap>,
    /// Where users are; nothing for a strategy without slots.
    slot: Option<Slot>,
    live: Option<Sha>,
    count: u32,
}

impl Scene {
    /// `settings` of the environment; without a strategy there are no slots.
    pub async fn set(strategy: Option<&str>, more: &str) -> Self {
        let balancer = Stage::new(&BOTH, "").await;
        balancer.traffic(&BOTH[..1], &BOTH[1..]).shift(Split::all(Slot::Blue)).await.unwrap();
        let copies = Copies::serve(balancer.services.clone()).await;
        let text = match strategy {
            Some(strategy) => {
                let url = copies.url();
                let health = format!(
                    "{more}\n[[environments.live.health]]\nkind = \"http\"\nurl = \"{url}\"\nexpect = \"status == 200\"\n\
                     within = \"2s\"\ninterval = \"1s\""
                );
                config(strategy, &health)
            }
            None => format!(
                "[environments.live]\non = [\"merge\"]\ntarget = \"cluster\"\n{more}\n\n[targets.cluster]\nkind = \
                 \"deployment\"\nreporters = [\"deployer[bot]\"]\n"
            ),
        };
        let github = Sandbox::start(SandboxConfig::default()).unwrap();
        let first = CommitSeed::new("feat: begin").tagged("v1.0.0").file(".github/lockkeeper.toml", &text);
        let shop = github.create_repo(RepoSeed::new("acme/shop").commit(first)).unwrap();
        let process = Arc::new(Process::of(&github));
        let folder = balancer.folder.path();
        process.settings(&format!(
            "allow_addresses = [\"127.0.0.1\"]\n\n[balancers.edge]\naddress = \"unix:{}/tap\"\nrepositories = [\"acme/shop\"]\n",
            folder.display()
        ));
        let trap = Trap::lay(&github, folder.to_owned(), &process);
        github.set_webhook(&process.webhook(), SECRET);
        block_in_place(|| process.start());
        let users = balancer.crowd(6, Duration::from_millis(8));
        let slot = strategy.map(|_| Slot::Blue);
        let scene = Self { github, shop, process, balancer, users, copies, trap, slot, live: None, count: 0 };
        scene.seen_by_the_reconciler().await;
        scene
    }

    async fn seen_by_the_reconciler(&self) {
        let begun = Instant::now();
        while !self.github.counts().keys().any(|route| route == "GET /repos/{owner}/{repo}/tags") {
            assert!(begun.elapsed() < PATIENCE, "nobody looks at the tags\n{}", self.process.log());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// One deployment from its commit to its end, and what everybody sees then.
    pub async fn play(&mut self, fate: Fate, kill: Kill) -> Played {
        self.count += 1;
        let failed_before = self.users.so_far().1;
        self.trap.arm(kill);
        let sha = self.shop.commit("main", CommitSeed::new(&format!("feat: part {}", self.count))).unwrap();
        self.shop.check("github-actions", &sha, "build", "success").unwrap();
        let begun = Instant::now();
        let mut stopped = false;
        let check = loop {
            if let Some(check) = self.over(&sha) {
                break check;
            }
            assert!(begun.elapsed() < PATIENCE, "{kill:?}, {fate:?}: it is not over\n{}", self.scene());
            self.deploy(fate);
            if let Fate::Stopped(after) = fate
                && !stopped
                && begun.elapsed() >= after
            {
                stopped = self.stop();
            }
            self.revive();
            tokio::time::sleep(LOOK).await;
        };
        let took = begun.elapsed();
        let (requests, questions) = self.trap.seen();
        let missed = self.trap.disarm();
        self.revive();
        self.quiet(&format!("{kill:?}, {fate:?}")).await;
        let succeeded = check.conclusion.as_deref() == Some("success");
        let seen = self.look(&sha, succeeded, &format!("{kill:?}, {fate:?}")).await;
        let failed = self.users.so_far().1 - failed_before;
        assert_eq!(failed, 0, "{kill:?}, {fate:?}: users' requests failed\n{}", self.scene());
        Played { seen, succeeded, requests, questions, missed, took }
    }

    fn over(&self, sha: &Sha) -> Option<CheckRun> {
        self.shop.newest_check(sha, LIVE).filter(|check| check.status == "completed" && self.process.is_running())
    }

    /// What the deployer does: takes the slot's old copy down, brings the new one up, and reports.
    fn deploy(&self, fate: Fate) {
        for made in self.shop.deployments() {
            if made.state() != "in_progress" || made.statuses.iter().any(|status| !status.by_app) {
                continue;
            }
            let slot = made.payload["slot"].as_str();
            if let Some(slot) = slot {
                self.copies.replace(slot, fate == Fate::Sick);
                block_in_place(|| std::thread::sleep(Duration::from_millis(30)));
                self.copies.up(slot);
            }
            let fails = fate == Fate::ReporterFails && made.task == "deploy";
            let report = DeploymentReport::new("deployer[bot]", if fails { "failure" } else { "success" });
            self.shop.report_deployment(made.id, report).unwrap();
        }
    }

    /// Starts the program again if it is dead.
    fn revive(&self) {
        if !self.process.is_running() {
            block_in_place(|| {
                self.github.settle(Duration::from_secs(5));
                self.process.start();
            });
        }
    }

    /// A person types `abort`; whether somebody heard it, or it was too late.
    fn stop(&self) -> bool {
        block_in_place(|| {
            let rows = self.process.tell(&["runs", "list", "--state", "active"]);
            let rows: Value = serde_json::from_slice(&rows.stdout).unwrap_or_default();
            let run = rows.as_array().and_then(|rows| rows.iter().find(|row| row["workflow"] == "deploy"));
            let Some(run) = run.and_then(|row| row["run"].as_str()) else { return false };
            self.process.tell(&["abort", run, "--reason", "it smells"]).status.success()
        })
    }

    fn status(&self) -> Value {
        block_in_place(|| self.process.ask(&["status"]))
    }

    /// Nothing goes on, nothing waits: so nobody holds a lock either.
    async fn quiet(&self, what: &str) {
        let begun = Instant::now();
        loop {
            let settled = block_in_place(|| self.github.settle(Duration::from_secs(5)));
            let status = self.status();
            let active = status["repositories"][0]["active"].as_array().unwrap();
            if settled && active.is_empty() && status["inbox_depth"] == 0 {
                assert_eq!(status["dead_letters"], 0, "{what}: {status}");
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{what}: it does not come to rest: {status}\n{}", self.scene());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Compares our record, the balancer and GitHub with each other.
    async fn look(&mut self, sha: &Sha, succeeded: bool, what: &str) -> String {
        let (old, before) = (self.slot, self.live.clone());
        if succeeded {
            (self.live, self.slot) = (Some(sha.clone()), old.map(Slot::other));
        }
        let status = self.status();
        let here = &status["repositories"][0];
        let live = here["live"][0]["sha"].as_str();
        assert_eq!(live, self.live.as_ref().map(Sha::as_str), "{what}: {here}\n{}", self.scene());
        if let Some(slot) = self.slot {
            let observed = self.balancer.traffic(&BOTH[..1], &BOTH[1..]).observe().await.unwrap();
            assert!(observed.split.is_some_and(|s| s.are(Split::all(slot))), "{what}: {observed:?}\n{}", self.scene());
        }
        let violations = self.github.violations();
        assert!(violations.is_empty(), "{what}: {violations:#?}");
        let seen = self.seen(sha, old, before.as_ref());
        if !here["holds"].as_array().unwrap().is_empty() {
            assert!(!succeeded, "{what}: {here}");
            block_in_place(|| self.process.ask(&["unlock", "live", "--repo", "acme/shop", "--reason", "seen"]));
        }
        seen
    }

    fn seen(&self, sha: &Sha, old: Option<Slot>, before: Option<&Sha>) -> String {
        let mut lines = Vec::new();
        for check in self.shop.check_runs().into_iter().filter(|c| c.sha == *sha && c.app_id == self.github.app_id()) {
            lines.push(format!("{} {:?} {:?} {:?}", check.name, check.conclusion, check.title, check.summary));
        }
        for made in self.shop.deployments().into_iter().filter(|d| d.sha == *sha && d.task == "deploy") {
            let ours = made.statuses.iter().filter(|s| s.by_app).map(|s| format!("{} {}", s.state, s.description));
            lines.push(format!("{} {} {:?}", made.task, made.environment, ours.collect::<Vec<_>>()));
        }
        lines.sort();
        let text = TIMES.replace_all(&lines.join("\n"), "in … ms").into_owned();
        let mut text = text.replace(sha.as_str(), "SHA").replace(sha.short(), "SHA");
        if let Some(before) = before {
            text = text.replace(before.as_str(), "BEFORE").replace(before.short(), "BEFORE");
        }
        if let Some(old) = old {
            text = text.replace(old.as_str(), "OLD").replace(old.other().as_str(), "NEW");
        }
        text
    }

    fn scene(&self) -> String {
        let mut out = String::new();
        for check in self.shop.check_runs().iter().rev().take(4) {
            out += &format!(
                "{} at {}: {} {:?} {:?}\n",
                check.name,
                check.sha.short(),
                check.status,
                check.conclusion,
                check.title
            );
        }
        for made in self.shop.deployments().iter().rev().take(2) {
            let states: Vec<_> = made.statuses.iter().map(|s| format!("{} {}", s.state, s.description)).collect();
            out += &format!("{} {} {states:?}\n", made.id, made.payload);
        }
        out + &self.process.log()
    }

    /// Requests of users, of which none has failed.
    pub async fn finish(self) -> u64 {
        block_in_place(|| {
            self.process.terminate();
            assert!(self.process.ended().success());
        });
        let (total, failures) = self.users.stop().await;
        assert!(failures.is_empty(), "{} of {total} failed: {failures:?}", failures.len());
        total
    }
}
