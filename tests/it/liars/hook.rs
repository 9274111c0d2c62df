//! A deploy hook that misbehaves with one version, and behaves with the one before it.

use super::scene::{STAGING, config, ends, is_back, is_untouched, left};
use crate::deployer::{Asked, Deployer};
use crate::world::{Setup, World};
use lockkeeper::config::settings::HookSettings;
use lockkeeper::domain::Sha;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const HOOK: &str = "kind = \"http\"\nhook = \"deployer\"\ninterval = \"1s\"\ntimeout = \"1m\"";

pub async fn world(deployer: &Deployer, text: &str) -> World {
    let mut setup = Setup::new().config(text);
    let impatient = HookSettings { timeout: Duration::from_millis(200), ..deployer.settings() };
    setup.resources.hooks.insert("deployer".into(), impatient);
    setup.start().await
}

/// Deployed by a hook that obeys.
async fn good(world: &World, deployer: &Deployer) -> Sha {
    deployer.obeys();
    let sha = world.commit("feat: one");
    world.check(&sha, STAGING, "success").await;
    sha
}

/// What it says to the n-th question about the new version; nothing: it hangs.
type Says = fn(usize, &Asked) -> Option<(u16, Value)>;

fn done(asked: &Asked) -> Option<(u16, Value)> {
    Some((200, json!({ "status": "done", "sha": asked.body["sha"] })))
}

fn says(status: u16, word: &str) -> Option<(u16, Value)> {
    Some((status, json!({ "status": word })))
}

fn other() -> Option<(u16, Value)> {
    Some((200, json!({ "status": "done", "sha": "b".repeat(40) })))
}

/// A name, what it says, and how that ends: the state and the code; no code for a success.
const LIARS: [(&str, Says, (&str, &str)); 12] = [
    ("hangs", |_, _| None, ("rolled_back", "target_timed_out")),
    ("works for ever", |_, _| says(202, "working"), ("rolled_back", "target_failed")),
    ("hangs after a while", |n, _| if n == 0 { says(202, "working") } else { None }, ("rolled_back", "target_timed_out")),
    ("lies at once", |_, _| other(), ("rolled_back", "target_lied")),
    ("lies after a while", |n, _| if n == 0 { says(202, "working") } else { other() }, ("rolled_back", "target_lied")),
    ("names no commit", |_, _| says(200, "done"), ("rolled_back", "target_unproven")),
    ("answers 500", |_, _| says(500, "done"), ("rolled_back", "target_failing")),
    ("answers with something", |_, _| Some((200, json!("<html>"))), ("rolled_back", "target_answer_unreadable")),
    (
        "flaps",
        |n, asked| {
            if n % 2 == 0 {
                says(500, "x")
            } else if n < 3 {
                says(202, "working")
            } else {
                done(asked)
            }
        },
        ("succeeded", ""),
    ),
    (
        "fails and then succeeds",
        |n, asked| if n == 0 { says(200, "failed") } else { done(asked) },
        ("rolled_back", "target_failed"),
    ),
    ("does not know us", |_, _| says(401, "x"), ("failed", "target_denied")),
    ("leads elsewhere", |_, _| says(307, "x"), ("rolled_back", "target_redirected")),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_liar_ends_with_a_reason() {
    for (name, says, end) in LIARS {
        let deployer = Deployer::start().await;
        let world = world(&deployer, &config("", HOOK)).await;
        let good = good(&world, &deployer).await;
        let (asked, was) = (AtomicUsize::new(0), good.to_string());
        deployer.answers(move |errand| match errand.body["sha"] == was.as_str() {
            true => done(errand),
            false => says(asked.fetch_add(1, Ordering::SeqCst), errand),
        });
        let sha = world.commit("feat: two");
        println!("{name}");
        if name == "works for ever" {
            // Its time has begun when it is asked again.
            let about = |asked: &&Asked| asked.body["sha"] == sha.as_str();
            world.until("a second question", |_| (deployer.asked().iter().filter(about).count() > 1).then_some(())).await;
            world.jump(Duration::from_secs(61));
        }
        ends(&world, &sha, end).await;
        match end.0 {
            "rolled_back" => is_back(&world, &good).await,
            "failed" => is_untouched(&world, &good).await,
            _ => is_untouched(&world, &sha).await,
        }
        let keys: std::collections::BTreeSet<_> = deployer.asked().iter().map(|asked| asked.body["step"].to_string()).collect();
        assert!(keys.iter().all(|key| ["\"errand\"", "\"back.errand\""].contains(&key.as_str())), "{name}: {keys:?}");
        world.finish().await;
    }
}

/// Nobody is there any more, neither for the way there nor for the way back: the environment is locked, and people know.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_gone_for_good_leaves_a_lock() {
    let deployer = Deployer::start().await;
    let world = world(&deployer, &config("", HOOK)).await;
    let good = good(&world, &deployer).await;
    deployer.answers(|_| says(202, "working"));
    let sha = world.commit("feat: two");
    deployer.until(|asked| asked.body["sha"] == sha.as_str()).await;
    deployer.goes_away();
    let check = ends(&world, &sha, ("rollback_failed", "target_unreachable")).await;
    assert!(check.title.is_some_and(|title| title.contains("staging is locked")));
    let (live, holds) = left(&world).await;
    assert_eq!(holds, ["lock"]);
    assert_ne!(live, Some(good.to_string()), "nobody can say that it is");
    world.finish().await;
}
