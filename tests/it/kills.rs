//! Kills the real program with SIGKILL while it moves users between two copies behind a real HAProxy: at every request that
//! it makes of GitHub, at every question that it asks HAProxy, and at random moments. Each time the world ends as it does
//! undisturbed: the same words for everybody who looks, one visible effect for each step, no lock left behind, nobody sent
//! to a copy that was not found healthy, and not one request of users lost.

mod copies;
mod scene;
mod trap;

use lockkeeper::sandbox::Moment;
use scene::{Fate, Played, Scene};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use trap::Kill;

const BLUE_GREEN: &str = "{ kind = \"blue_green\", bake = \"0s\" }";
const GRADUAL: &str = "{ kind = \"gradual\", steps = [{ weight = 20, bake = \"0s\" }] }";
const BAKES: &str = "{ kind = \"blue_green\", bake = \"1s\" }";
const STEPS: &str = "{ kind = \"gradual\", steps = [{ weight = 10, bake = \"1s\" }, { weight = 50, bake = \"0s\" }] }";
const MOMENTS: [Moment; 3] = [Moment::BeforeEffect, Moment::AfterEffect, Moment::AfterAnswer];

/// The first deployment finds users of an unknown version; the second is like all that follow.
async fn undisturbed(scene: &mut Scene) -> Played {
    for _ in 0..2 {
        let played = scene.play(Fate::Good, Kill::Never).await;
        assert!(played.succeeded, "{}", played.seen);
    }
    let played = scene.play(Fate::Good, Kill::Never).await;
    assert!(played.succeeded && played.requests > 8 && played.questions > 8, "{played:?}");
    played
}

async fn each(strategy: &str, kills: impl Fn(&Played) -> Vec<Kill>) {
    let mut scene = Scene::set(Some(strategy), "").await;
    let undisturbed = undisturbed(&mut scene).await;
    let all = kills(&undisturbed);
    let (mut missed, count) = (0, all.len());
    for kill in all {
        let played = scene.play(Fate::Good, kill).await;
        assert_eq!(played.seen, undisturbed.seen, "{kill:?}");
        missed += usize::from(played.missed);
    }
    assert!(missed * 4 <= count, "{missed} of {count} kills had no occasion");
    let users = scene.finish().await;
    assert!(users > 1_000, "{users}");
    println!("{strategy}: {} of {count} killed, {users} requests of users, 0 failed", count - missed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_kill_at_any_question_to_haproxy_changes_nothing() {
    each(GRADUAL, |undisturbed| {
        let at = [Moment::BeforeEffect, Moment::AfterEffect];
        (1..=undisturbed.questions).flat_map(|n| at.map(|moment| Kill::Question(n, moment))).collect()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_kill_at_any_request_of_a_blue_green_deployment_changes_nothing() {
    each(BLUE_GREEN, |undisturbed| {
        (1..=undisturbed.requests).flat_map(|n| MOMENTS.map(|moment| Kill::Request(n, moment))).collect()
    })
    .await;
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// So many deployments of each strategy in the long version.
const HOW_MANY: u32 = 67;

/// Random moments and fates. Prints its figures.
async fn random(name: &str, strategy: Option<&str>, count: u32, seed: u64) {
    let begun = Instant::now();
    let mut dice = Dice(seed);
    let mut scene = Scene::set(strategy, "rollback = \"automatic\"").await;
    let first = scene.play(Fate::Good, Kill::Never).await;
    let span = u64::try_from(first.took.as_millis()).unwrap();
    let mut usual = BTreeMap::new();
    for fate in usual_fates(strategy) {
        usual.insert(fate.name(), scene.play(fate, Kill::Never).await.seen);
    }
    let (mut killed, mut ends) = (0, BTreeMap::new());
    for n in 0..count {
        let fate = match n % 8 {
            0 | 1 | 4 | 6 => Fate::Good,
            2 => Fate::ReporterFails,
            3 | 7 if strategy.is_some() => Fate::Sick,
            _ => Fate::Stopped(Duration::from_millis(dice.roll(span))),
        };
        let played = scene.play(fate, Kill::After(Duration::from_millis(dice.roll(span)))).await;
        killed += u32::from(!played.missed);
        if let Some(usual) = usual.get(fate.name()) {
            assert_eq!(played.seen, *usual, "{fate:?}");
        }
        *ends.entry((fate.name(), if played.succeeded { "succeeded" } else { "did not" })).or_insert(0) += 1;
    }
    assert!(killed * 2 >= count, "{killed} of {count} were killed");
    let users = scene.finish().await;
    let took = begun.elapsed();
    println!("{name}: {count} deployments, {killed} killed, {users} requests of users, 0 failed, {took:.0?}; {ends:?}");
}

/// Those whose end does not depend on when something happens.
fn usual_fates(strategy: Option<&str>) -> Vec<Fate> {
    let sick = strategy.map(|_| Fate::Sick);
    [Fate::Good, Fate::ReporterFails].into_iter().chain(sick).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_kill_at_a_random_moment_changes_nothing_whatever_the_deployment_comes_to() {
    random("gradual", Some(STEPS), 8, 0x5eed_0000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "minutes: see benches/README.md"]
async fn long_blue_green() {
    random("blue_green", Some(BAKES), HOW_MANY, 0x5eed_0001).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "minutes: see benches/README.md"]
async fn long_gradual() {
    random("gradual", Some(STEPS), HOW_MANY, 0x5eed_0002).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "minutes: see benches/README.md"]
async fn long_direct() {
    random("direct", None, HOW_MANY, 0x5eed_0003).await;
}
