//! `lockkeeper demo --strategy …`: one version is live, users ask all the time, and the next version comes, good or bad.
//!
//! Invariant: it ends well only if users got what was promised: of a good version no failure at all, of a bad one only its
//! own answers within its step, and everybody back.

use super::balancer::Balancer;
use super::copies::{Copies, Version};
use super::timeline::{Scene, Timeline};
use super::users::{HOW_MANY, Tally, Users};
use super::{Narrator, PATIENCE, print};
use crate::app::stage::{Stage, broken};
use crate::config::repo::CONFIG_PATH;
use crate::config::settings::{BalancerAddress, BalancerSettings, Repositories, Resources};
use crate::domain::{Refusal, Sha, Slot};
use crate::engine::host::Event;
use crate::sandbox::{CheckRun, CommitSeed, Deployment, DeploymentReport, RepoHandle, RepoSeed, SandboxError};
use crate::surfaces::cli::demo::Strategy;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::broadcast::Receiver;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};

const REPO: &str = "acme/shop";
const CHECK: &str = "lockkeeper/production";
const DEPLOYER: &str = "shop-deployer[bot]";
const OLD: &str = "v1.0.0";
const NEW: &str = "v1.1.0";
/// Between two looks of the machines on the stage.
const LOOK: Duration = Duration::from_millis(25);
/// How long a copy takes to come up.
const TAKES: Duration = Duration::from_millis(400);
/// Between two lines about users.
const TICK: Duration = Duration::from_millis(500);

/// Everything on the stage; it ends with its owner.
struct Play {
    stage: Stage,
    shop: RepoHandle,
    copies: Arc<Copies>,
    balancer: Balancer,
    /// The old version, and the new one.
    commits: [Sha; 2],
    bad: bool,
}

pub async fn show(strategy: Strategy, bad: bool, keep: bool) -> Result<bool, Refusal> {
    let play = Play::set(strategy, bad).await?;
    print(&play.opening(strategy));
    let mut deployer = JoinSet::new();
    deployer.spawn(deploy(play.shop.clone(), Arc::clone(&play.copies), bad));
    // Who does not want to see the end leaves nothing behind either.
    let performed = tokio::select! {
        performed = play.perform() => performed,
        _ = tokio::signal::ctrl_c() => Ok(false),
    };
    if keep && performed.is_ok() {
        print(&format!("\nEverything but the users keeps running until Ctrl-C:\n  curl http://{}/\n", play.balancer.front));
        let _ = tokio::signal::ctrl_c().await;
    }
    // It holds on to the repository, whose files go with their last owner.
    deployer.shutdown().await;
    play.stage.strike().await;
    performed.map_err(broken)
}

/// Brings up what is asked for, and reports it.
async fn deploy(shop: RepoHandle, copies: Arc<Copies>, bad: bool) {
    loop {
        sleep(LOOK).await;
        for made in shop.deployments() {
            if made.statuses.last().is_none_or(|last| !last.by_app || last.state != "in_progress") {
                continue;
            }
            let slot = Slot::ALL.into_iter().find(|slot| made.payload["slot"] == slot.to_string());
            let (Some(slot), Some(version)) = (slot, made.payload["version"].as_str()) else { continue };
            sleep(TAKES).await;
            let name = format!("v{version}");
            copies.bring_up(slot, Version::new(&name, bad && name == NEW));
            // The balancer sees it within moments.
            sleep(TAKES / 2).await;
            let text = format!("{name} runs in the slot {slot}; its health is good");
            // A deployment that ended meanwhile needs no report.
            let _ = shop.report_deployment(made.id, DeploymentReport::new(DEPLOYER, "success").description(&text));
        }
    }
}

impl Play {
    async fn set(strategy: Strategy, bad: bool) -> Result<Self, Refusal> {
        let copies = Copies::start().await.map_err(no_port)?;
        let balancer = Balancer::start(copies.addresses).await.map_err(no_port)?;
        let mut resources = Resources::default();
        let edge = BalancerSettings {
            address: BalancerAddress::Tcp(balancer.admin.to_string()),
            timeout: Duration::from_secs(5),
            backends: vec![super::backend::NAME.to_owned()],
            repositories: Repositories(vec![REPO.to_owned()]),
        };
        resources.balancers.insert("edge".to_owned(), edge);
        let stage = Stage::lent(false, resources).await?;
        let day = |n: i64| 1_790_000_000 + n * 86_400;
        let first = CommitSeed::new("feat: open the shop (#1)").author("ann").file(CONFIG_PATH, &config(strategy)).date(day(0));
        let second = CommitSeed::new("feat(pay): one click (#2)").author("ben").file("pay.txt", "one click").date(day(1));
        let shop = stage.github.create_repo(RepoSeed::new(REPO).commits([first])).map_err(broken)?;
        let old = shop.resolve("main").ok_or_else(|| broken(SandboxError::Refused("the shop has no head".into())))?;
        let new = shop.commit("main", second).map_err(broken)?;
        Ok(Self { stage, shop, copies: Arc::new(copies), balancer, commits: [old, new], bad })
    }

    async fn perform(&self) -> Result<bool, SandboxError> {
        let [old, new] = &self.commits;
        let mut timeline = Timeline::new(Narrator::new(self.stage.server.host.clone()));
        timeline.narrator.begin();
        self.push(&timeline, OLD, old)?;
        let live = timeout(PATIENCE, async {
            while self.verdict(old).is_none_or(|check| check.conclusion.as_deref() != Some("success")) {
                sleep(LOOK).await;
            }
        });
        if live.await.is_err() {
            print(&late());
            return Ok(false);
        }
        timeline.narrator.say("production", &format!("{OLD} is live: all users are with it"));
        let users = Users::start(self.balancer.front);
        sleep(TICK).await;
        timeline.users(users.tally(), &self.scene());
        let events = self.stage.server.host.watch();
        self.push(&timeline, NEW, new)?;
        if timeout(PATIENCE, self.follow(&mut timeline, events, &users)).await.is_err() {
            print(&late());
            return Ok(false);
        }
        timeline.users(users.tally(), &self.scene());
        let tally = users.tally();
        let well = self.is_well(&tally);
        print(&self.ending(&tally, timeline.back, well));
        Ok(well)
    }

    /// Pushes a tag whose build has passed.
    fn push(&self, timeline: &Timeline, tag: &str, sha: &Sha) -> Result<(), SandboxError> {
        self.shop.check("github-actions", sha, "build", "success")?;
        timeline.narrator.say("you", &format!("git push origin {tag}"));
        self.shop.annotated_tag(tag, sha, "Next")
    }

    /// Tells what happens until the new version is live or back.
    async fn follow(&self, timeline: &mut Timeline, mut events: Receiver<Event>, users: &Users) {
        let mut ticks = interval(TICK);
        let mut look = interval(LOOK);
        let mut reported = false;
        ticks.tick().await;
        while !self.is_over() {
            let event = tokio::select! {
                event = events.recv() => event.ok(),
                _ = ticks.tick() => {
                    timeline.users(users.tally(), &self.scene());
                    None
                }
                _ = look.tick() => None,
            };
            // What came of the report is told after it.
            if !reported && let Some(text) = self.report() {
                reported = true;
                timeline.narrator.say("deployer", &text);
            }
            if let Some(event) = event {
                timeline.event(&event, &self.scene()).await;
            }
        }
        while let Ok(event) = events.try_recv() {
            timeline.event(&event, &self.scene()).await;
        }
    }

    fn is_over(&self) -> bool {
        let concluded = self.verdict(&self.commits[1]).is_some_and(|check| check.conclusion.is_some());
        concluded && (self.bad || self.is_published())
    }

    fn is_published(&self) -> bool {
        self.shop.releases().iter().any(|release| release.tag == NEW && !release.draft)
    }

    fn verdict(&self, sha: &Sha) -> Option<CheckRun> {
        self.shop.newest_check(sha, CHECK)
    }

    /// What the deployer said about the new version.
    fn report(&self) -> Option<String> {
        let made: Deployment = self.shop.deployments().into_iter().find(|made| made.sha == self.commits[1])?;
        Some(made.statuses.into_iter().find(|status| !status.by_app)?.description)
    }

    fn scene(&self) -> Scene<'static> {
        // The first version found both slots empty, and took the first.
        let slot = Slot::Green;
        Scene { old: OLD, new: NEW, sent: self.balancer.backend.percent(slot), slot }
    }

    /// Whether users got what was promised.
    fn is_well(&self, tally: &Tally) -> bool {
        let success = self.verdict(&self.commits[1]).is_some_and(|check| check.conclusion.as_deref() == Some("success"));
        let sent = self.balancer.backend.percent(Slot::Green);
        if self.bad {
            let caught = tally.failed_of(NEW) > 0 && tally.failures() == tally.failed_of(NEW);
            !success && sent == Some(0) && caught && !self.is_published()
        } else {
            success && sent == Some(100) && tally.failures() == 0
        }
    }

    fn opening(&self, strategy: Strategy) -> String {
        let how = match strategy {
            Strategy::Gradual => "10 % of users, then 50 %, then all",
            Strategy::BlueGreen => "all users at once, with the old version warm beside it",
        };
        let what = if self.bad { "a bad version, and nobody is told" } else { "a new version" };
        format!(
            "Lockkeeper {}: {what}; {how}.\n\n  a stand-in for GitHub   {}\n  the real server         http://{}\n  \
             a balancer              http://{}, built in for this demo; it speaks HAProxy's runtime API\n  \
             a copy in each slot     blue http://{}, green http://{}\n  users                   {HOW_MANY}, who ask all the time\n\n",
            env!("CARGO_PKG_VERSION"),
            self.stage.github.base_url(),
            self.stage.server.address,
            self.balancer.front,
            self.copies.addresses.blue,
            self.copies.addresses.green,
        )
    }

    fn ending(&self, tally: &Tally, back: Option<Instant>, well: bool) -> String {
        let mut out = String::from("\n");
        if let Some(check) = self.verdict(&self.commits[1]) {
            out += &format!("{CHECK}: {}\n  {}\n", check.conclusion.unwrap_or_default(), check.title.unwrap_or_default());
        }
        let release = if self.is_published() { "is published" } else { "stays a draft" };
        out += &format!(
            "Release {NEW} {release}.\nUsers sent {} requests; {} were answered by {NEW}; {} failed",
            tally.requests(),
            tally.of(NEW),
            tally.failures()
        );
        let own = tally.failed_of(NEW);
        out += if own > 0 && own == tally.failures() { ", all of them its own answers.\n" } else { ".\n" };
        if let (Some(first), Some(back)) = (tally.first_failure, back) {
            let took = back.saturating_duration_since(first).as_secs_f64();
            out += &format!("From the first failure to all users back with {OLD}: {took:.2} s.\n");
        }
        if well {
            return out + "\nWhat next\n  lockkeeper demo --help   the other strategy, with and without --break\n";
        }
        out + "This is not what was to be shown: please report it.\n"
    }
}

fn config(strategy: Strategy) -> String {
    let strategy = match strategy {
        Strategy::Gradual => "{ kind = \"gradual\", steps = [{ weight = 10, bake = \"2s\" }, { weight = 50, bake = \"2s\" }] }",
        Strategy::BlueGreen => "{ kind = \"blue_green\", bake = \"3s\" }",
    };
    format!(
        r#"# .github/lockkeeper.toml
[release]
publish_after = "production"

[environments.production]
on = ["tag"]
target = "cluster"
strategy = {strategy}
traffic = {{ kind = "haproxy", balancer = "edge", backend = "web", slots = {{ blue = ["blue"], green = ["green"] }} }}
rollback = "automatic"
analysis = [{{ kind = "haproxy", name = "errors", expect = "error_rate < 0.05", interval = "1s", count = 2 }}]

[targets.cluster]
kind = "deployment"
reporters = ["{DEPLOYER}"]
"#
    )
}

fn late() -> String {
    format!("\nIt did not end within {} s. `LOCKKEEPER_LOG=debug lockkeeper demo` says more.\n", PATIENCE.as_secs())
}

pub fn no_port(why: std::io::Error) -> Refusal {
    let message = format!("No port of this machine can be used: {why}.");
    Refusal::operator("no_port", message, "See that 127.0.0.1 can be listened on.")
}
