//! Users are moved by the target itself, step by step: one that obeys, and those that misbehave when half of all users are
//! to come.

use super::hook::world;
use super::scene::{STAGING, config, ends, is_back, is_untouched};
use crate::deployer::{Asked, Deployer};
use crate::world::{Setup, World};
use lockkeeper::domain::Sha;
use lockkeeper::sandbox::WorkflowRun;
use serde_json::{Value, json};
use std::time::Duration;

const GRADUAL: &str =
    "strategy = { kind = \"gradual\", steps = [{ weight = 10, bake = \"1s\" }, { weight = 50, bake = \"1s\" }] }";
const HOOK: &str = "kind = \"http\"\nhook = \"deployer\"\ninterval = \"1s\"\ntimeout = \"1m\"";

/// Users go back, and the copy that they have left is ended.
const BACK: [&str; 2] = ["shift blue 100", "take_down green"];

/// What was asked for, in order, without what was asked again: action, slot and weight.
fn told(deployer: &Deployer) -> Vec<String> {
    let line = |asked: &Asked| {
        let word = |key: &str| asked.body[key].as_str().unwrap_or_default().to_owned();
        format!(
            "{} {} {}",
            word("action"),
            word("slot"),
            asked.body["weight"].as_u64().map_or_else(String::new, |w| w.to_string())
        )
    };
    let mut all: Vec<String> = deployer.asked().iter().map(|asked| line(asked).trim_end().to_owned()).collect();
    all.dedup();
    all
}

async fn good(world: &World, deployer: &Deployer) -> Sha {
    deployer.obeys();
    let sha = world.commit("feat: one");
    world.check(&sha, STAGING, "success").await;
    world.quiet().await;
    sha
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_moves_users_step_by_step() {
    let deployer = Deployer::start().await;
    let world = world(&deployer, &config(GRADUAL, HOOK)).await;
    good(&world, &deployer).await;
    assert_eq!(told(&deployer), ["bring_up blue", "shift blue 100"], "there was nobody to move step by step");
    let sha = world.commit("feat: two");
    world.check(&sha, STAGING, "success").await;
    world.quiet().await;
    let all = ["bring_up green", "shift green 10", "shift green 50", "shift green 100", "take_down blue"];
    assert_eq!(told(&deployer)[2..], all, "the copy that users have left is ended last");
    is_untouched(&world, &sha).await;
    world.finish().await;
}

type Says = fn(&Asked) -> Option<(u16, Value)>;

/// A name, what it says when half of all users are to come, and the code of the end.
const LIARS: [(&str, Says, &str); 5] = [
    ("hangs", |_| None, "target_timed_out"),
    ("lies", |_| Some((200, json!({ "status": "done", "sha": "b".repeat(40) }))), "target_lied"),
    ("answers 500", |_| Some((500, json!({}))), "target_failing"),
    ("fails", |_| Some((200, json!({ "status": "failed", "message": "no room" }))), "traffic_not_moved"),
    ("does not know us any more", |_| Some((401, json!({}))), "target_denied"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_liar_gives_users_back() {
    for (name, says, code) in LIARS {
        let deployer = Deployer::start().await;
        let world = world(&deployer, &config(GRADUAL, HOOK)).await;
        let good = good(&world, &deployer).await;
        deployer.answers(move |asked| match asked.body["weight"] == 50 {
            true => says(asked),
            false => Some((200, json!({ "status": "done", "sha": asked.body["sha"] }))),
        });
        println!("{name}");
        let sha = world.commit("feat: two");
        ends(&world, &sha, ("rolled_back", code)).await;
        assert!(told(&deployer).ends_with(&BACK.map(str::to_owned)), "{name}: {:?}", told(&deployer));
        is_back(&world, &good).await;
        world.finish().await;
    }
}

/// It shifts badly once and well when it is asked again: one move, and nobody is told of trouble.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_flaps_is_asked_again() {
    let deployer = Deployer::start().await;
    let world = world(&deployer, &config(GRADUAL, HOOK)).await;
    good(&world, &deployer).await;
    let times = std::sync::atomic::AtomicUsize::new(0);
    deployer.answers(move |asked| match times.fetch_add(1, std::sync::atomic::Ordering::SeqCst) % 3 {
        2 => Some((200, json!({ "status": "done", "sha": asked.body["sha"] }))),
        _ => Some((503, json!({}))),
    });
    let sha = world.commit("feat: two");
    world.check(&sha, STAGING, "success").await;
    world.quiet().await;
    let all = ["bring_up green", "shift green 10", "shift green 50", "shift green 100", "take_down blue"];
    assert_eq!(told(&deployer)[2..], all, "the copy that users have left is ended last");
    world.finish().await;
}

/// Gone in the middle of the move: nobody can give users back either, so the environment is locked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_disappears_leaves_a_lock() {
    let deployer = Deployer::start().await;
    let world = world(&deployer, &config(GRADUAL, HOOK)).await;
    good(&world, &deployer).await;
    deployer.answers(|asked| match asked.body["weight"] == 10 {
        true => Some((202, json!({ "status": "working" }))),
        false => Some((200, json!({ "status": "done", "sha": asked.body["sha"] }))),
    });
    let sha = world.commit("feat: two");
    deployer.until(|asked| asked.body["weight"] == 10).await;
    deployer.goes_away();
    let check = ends(&world, &sha, ("rollback_failed", "target_unreachable")).await;
    assert!(check.title.is_some_and(|title| title.contains("staging is locked")));
    world.finish().await;
}

/// Ends the n-th run of the workflow well and gives what it was told.
async fn ran(world: &World, nth: usize) -> String {
    let run: WorkflowRun = world.until("a run of the workflow", |shop| shop.runs().into_iter().nth(nth)).await;
    world.shop.move_run(run.id, Some("success")).unwrap();
    let word = |key: &str| run.inputs[key].as_str().unwrap_or_default().to_owned();
    format!("{} {} {}", word("action"), word("slot"), word("weight"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workflow_moves_users_step_by_step() {
    let inputs = ["sha", "action", "slot", "weight"].map(|name| format!("      {name}: {{}}\n")).concat();
    let workflow = format!("on:\n  workflow_dispatch:\n    inputs:\n{inputs}");
    let text = config(GRADUAL, "kind = \"workflow\"\nworkflow = \"deploy.yml\"");
    let world = Setup::new().config(&text).file(".github/workflows/deploy.yml", &workflow).start().await;
    let first = world.commit("feat: one");
    assert_eq!([ran(&world, 0).await, ran(&world, 1).await], ["bring_up blue 0", "shift blue 100"]);
    world.check(&first, STAGING, "success").await;
    let second = world.commit("feat: two");
    let mut all = Vec::new();
    for nth in 2..6 {
        all.push(ran(&world, nth).await);
    }
    assert_eq!(all, ["bring_up green 0", "shift green 10", "shift green 50", "shift green 100"]);
    world.check(&second, STAGING, "success").await;
    world.quiet().await;
    is_untouched(&world, &second).await;
    // One of its moves fails: users are given back by the same workflow.
    let third = world.commit("feat: three");
    assert_eq!([ran(&world, 6).await, ran(&world, 7).await], ["bring_up blue 0", "shift blue 10"]);
    let bad = world.until("the move that fails", |shop| shop.runs().into_iter().nth(8)).await;
    world.shop.move_run(bad.id, Some("failure")).unwrap();
    assert_eq!(ran(&world, 9).await, "shift green 100");
    ends(&world, &third, ("rolled_back", "traffic_not_moved")).await;
    is_back(&world, &second).await;
    assert_eq!(world.shop.runs().len(), 10);
    world.finish().await;
}

/// A bake that nobody ends, with a word from a person in the middle of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_stops_it_at_half() {
    let deployer = Deployer::start().await;
    let slow = GRADUAL.replace("weight = 50, bake = \"1s\"", "weight = 50, bake = \"1h\"");
    let world = world(&deployer, &config(&slow, HOOK)).await;
    let good = good(&world, &deployer).await;
    let sha = world.commit("feat: two");
    deployer.until(|asked| asked.body["weight"] == 50).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let runs = world.runs("deploy").await;
    let run = runs.iter().find(|run| run.outcome.is_none()).unwrap().id.to_string();
    let (code, said, problem) = world.command_told(&["abort", &run, "--reason", "it smells"]).await;
    assert_eq!(code, 0, "{said} {problem}");
    ends(&world, &sha, ("rolled_back", "cancelled")).await;
    assert!(told(&deployer).ends_with(&BACK.map(str::to_owned)), "{:?}", told(&deployer));
    is_back(&world, &good).await;
    world.finish().await;
}
