//! A world with an environment of two slots behind a real HAProxy, and its users.

use crate::haproxy::stage::{Stage, Users};
use crate::world::{Setup, World};
use lockkeeper::config::settings::{BalancerAddress, BalancerSettings, Repositories};
use lockkeeper::domain::{PerSlot, Sha, Slot};
use lockkeeper::sandbox::{CheckRun, Deployment, DeploymentReport};
use lockkeeper::targets::traffic::Observed;
use lockkeeper::targets::{Split, Traffic};
use serde_json::Value;
use std::time::{Duration, Instant};

pub const LIVE: &str = "lockkeeper/live";
const BOTH: [&str; 2] = ["blue1", "green1"];
const PATIENCE: Duration = Duration::from_secs(30);

pub fn config(strategy: &str, more: &str) -> String {
    format!(
        "[environments.live]\non = [\"merge\"]\ntarget = \"cluster\"\nstrategy = {strategy}\n\
         traffic = {{ kind = \"haproxy\", balancer = \"edge\", backend = \"web\", slots = {{ blue = [\"blue1\"], green = \
         [\"green1\"] }} }}\n{more}\n\n[targets.cluster]\nkind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n"
    )
}

pub struct Place {
    pub stage: Stage,
    pub world: World,
    pub users: Users,
}

impl Place {
    /// All users are in the slot blue, with something that Lockkeeper has not deployed.
    pub async fn new(strategy: &str, more: &str) -> Self {
        Self::with(strategy, more, |setup| setup).await
    }

    pub async fn with(strategy: &str, more: &str, change: impl FnOnce(Setup) -> Setup) -> Self {
        let stage = Stage::new(&BOTH, "").await;
        stage.traffic(&BOTH[..1], &BOTH[1..]).shift(Split::all(Slot::Blue)).await.unwrap();
        let mut setup = Setup::new().config(&config(strategy, more));
        let edge = BalancerSettings {
            address: BalancerAddress::Unix(stage.folder.path().join("admin")),
            timeout: Duration::from_secs(5),
            backends: Vec::new(),
            repositories: Repositories(vec!["*/*".into()]),
        };
        setup.resources.balancers.insert("edge".into(), edge);
        let world = change(setup).start().await;
        let users = stage.users();
        Self { stage, world, users }
    }

    /// A commit is pushed, and its deployment waits for its copy.
    pub async fn begun(&self, message: &str) -> (Sha, Deployment) {
        let sha = self.world.commit(message);
        let going = self.world.until("its deployment", |shop| {
            shop.deployments().into_iter().find(|d| d.sha == sha && d.state() == "in_progress")
        });
        let made = going.await;
        (sha, made)
    }

    pub fn report(&self, made: &Deployment, state: &str) {
        self.world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", state)).unwrap();
    }

    /// A commit is pushed, and its copy is up in the slot that it was told.
    pub async fn brought_up(&self, message: &str) -> (Sha, Deployment) {
        let (sha, made) = self.begun(message).await;
        self.report(&made, "success");
        (sha, made)
    }

    /// The same to its good end.
    pub async fn deployed(&self, message: &str) -> Sha {
        let (sha, _) = self.brought_up(message).await;
        self.world.check(&sha, LIVE, "success").await;
        sha
    }

    /// The same with a strategy of one step, which a person ends early.
    pub async fn promoted(&self, message: &str, title: &str) -> Sha {
        let (sha, _) = self.brought_up(message).await;
        self.titled(&sha, title).await;
        self.told(&["promote", &self.run().await]).await;
        self.world.check(&sha, LIVE, "success").await;
        sha
    }

    pub async fn share(&self, slot: Slot) -> f64 {
        // Requests that were on their way may still count for the step before.
        self.users.shares(40).await;
        *self.users.shares(300).await.get(slot)
    }

    /// What the balancer itself says.
    pub async fn observed(&self) -> Observed {
        self.stage.traffic(&BOTH[..1], &BOTH[1..]).observe().await.unwrap()
    }

    /// An operator's own hand.
    pub async fn by_hand(&self, split: Split) {
        self.stage.traffic(&BOTH[..1], &BOTH[1..]).shift(split).await.unwrap();
    }

    /// Waits until new users are shared like this; how long it took.
    pub async fn shared(&self, split: Split) -> Duration {
        let begun = Instant::now();
        while !self.observed().await.split.is_some_and(|shares| shares.are(split)) {
            assert!(
                begun.elapsed() < PATIENCE,
                "it does not become {split}: {:?}\n{}",
                self.observed().await,
                self.world.scene().await
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        begun.elapsed()
    }

    /// Waits until the balancer sees so many healthy copies in the slots.
    pub async fn healthy(&self, blue: u32, green: u32) {
        let begun = Instant::now();
        loop {
            let slots = self.observed().await.slots;
            if (PerSlot { blue: slots.blue.healthy, green: slots.green.healthy }) == (PerSlot { blue, green }) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{slots:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn titled(&self, sha: &Sha, title: &str) {
        let there = |_: &_| self.world.our_checks(sha, LIVE).iter().any(|c| c.title.as_deref() == Some(title)).then_some(());
        self.world.until(title, there).await;
    }

    /// It ended without a success: the run's own word for it, and the check run.
    pub async fn ended(&self, sha: &Sha) -> (String, CheckRun) {
        let over = |_: &_| {
            let all = self.world.our_checks(sha, LIVE);
            // A pause completes it too, because people are asked for something.
            let ended = |c: &CheckRun| {
                c.status == "completed" && !matches!(c.conclusion.as_deref(), Some("success" | "action_required"))
            };
            all.into_iter().rev().find(ended)
        };
        let check = self.world.until("an end that is no success", over).await;
        self.world.quiet().await;
        let runs = self.world.runs("deploy").await;
        let of_it = runs.iter().filter(|run| run.subject.sha.as_ref() == Some(sha)).max_by_key(|run| run.created_at).unwrap();
        let outcome = of_it.outcome.clone().unwrap();
        let word = outcome.pointer("/finished/state").or_else(|| outcome.pointer("/Finished/state"));
        (word.and_then(Value::as_str).unwrap_or_else(|| panic!("{outcome}")).to_owned(), check)
    }

    /// The run that goes on.
    pub async fn run(&self) -> String {
        let all = self.world.runs("deploy").await;
        let active = all.iter().find(|run| run.outcome.is_none()).expect("no deployment goes on");
        active.id.to_string()
    }

    pub async fn told(&self, arguments: &[&str]) {
        let (code, said, problem) = self.world.command_told(arguments).await;
        assert_eq!(code, 0, "{arguments:?}: {said} {problem}");
    }

    /// What `lockkeeper status` says of the repository.
    pub async fn status(&self) -> Value {
        let (code, said) = self.world.command(&["status", "--format", "json"]).await;
        assert_eq!(code, 0);
        serde_json::from_str::<Value>(&said).unwrap()["repositories"][0].take()
    }

    /// The commit that is live by our own record.
    pub async fn live(&self) -> Option<String> {
        self.status().await["live"][0]["sha"].as_str().map(str::to_owned)
    }

    /// Users leave for a while, because the balancer is about to fail them.
    pub async fn send_users_away(&mut self) {
        let away = std::mem::replace(&mut self.users, self.stage.nobody());
        let (total, failures) = away.stop().await;
        assert!(failures.is_empty(), "{} of {total} failed: {failures:?}", failures.len());
    }

    pub async fn finish(self) {
        let (total, failures) = self.users.stop().await;
        assert!(failures.is_empty(), "{} of {total} failed: {failures:?}", failures.len());
        self.world.finish().await;
        drop(self.stage);
    }

    /// The same where some requests had to fail; how many did.
    pub async fn finish_with_failures(self) -> usize {
        let (_, failures) = self.users.stop().await;
        self.world.finish().await;
        drop(self.stage);
        failures.len()
    }
}
