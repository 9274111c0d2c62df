//! An environment in which one version was good, and what is left of the next one's deployment.

use crate::world::World;
use lockkeeper::domain::Sha;
use lockkeeper::sandbox::CheckRun;
use serde_json::Value;

pub const STAGING: &str = "lockkeeper/staging";

/// Deployed with each merge, and taken back by itself.
pub fn config(keys: &str, target: &str) -> String {
    format!(
        "[environments.staging]\non = [\"merge\"]\ntarget = \"t\"\nrollback = \"automatic\"\n{keys}\n\n[targets.t]\n{target}\n"
    )
}

/// How the deployment of a commit ended.
pub struct Ended {
    /// The run's own word.
    pub state: String,
    pub code: String,
    pub check: CheckRun,
}

/// Waits until nothing goes on any more.
pub async fn ended(world: &World, sha: &Sha) -> Ended {
    world
        .until("an end", |_| world.our_checks(sha, STAGING).iter().any(|check| check.status == "completed").then_some(()))
        .await;
    world.quiet().await;
    let check = world.our_checks(sha, STAGING).pop().unwrap();
    let runs = world.runs("deploy").await;
    let of_it = runs.iter().filter(|run| run.subject.sha.as_ref() == Some(sha)).max_by_key(|run| run.created_at).unwrap();
    let outcome = of_it.outcome.clone().unwrap();
    let word = |at: &str| outcome.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    Ended { state: word("/finished/state"), code: word("/finished/refusal/code"), check }
}

/// The same for one that has to end like this.
pub async fn ends(world: &World, sha: &Sha, (state, code): (&str, &str)) -> CheckRun {
    let ended = ended(world, sha).await;
    assert_eq!((ended.state.as_str(), ended.code.as_str()), (state, code), "{}", world.scene().await);
    let summary = ended.check.summary.clone().unwrap_or_default();
    if code.is_empty() {
        return ended.check;
    }
    assert!(summary.contains(&format!("Code: `{code}`")) && summary.contains("What to do: "), "{summary}");
    ended.check
}

async fn status(world: &World) -> Value {
    let (code, said) = world.command(&["status", "--format", "json"]).await;
    assert_eq!(code, 0);
    serde_json::from_str::<Value>(&said).unwrap()["repositories"][0].take()
}

/// What is live by our own record, and the kinds of what keeps others out; nothing runs and nothing waits.
pub async fn left(world: &World) -> (Option<String>, Vec<String>) {
    let status = status(world).await;
    assert_eq!(status["active"], Value::Array(Vec::new()), "something goes on");
    let live = status["live"].as_array().unwrap().iter().find(|live| live["environment"] == "staging");
    let holds = status["holds"].as_array().unwrap().iter().map(|hold| hold["kind"].as_str().unwrap().to_owned()).collect();
    (live.and_then(|live| live["sha"].as_str()).map(str::to_owned), holds)
}

/// The good version is live again, and what contains the bad one is held back.
pub async fn is_back(world: &World, good: &Sha) {
    assert_eq!(left(world).await, (Some(good.to_string()), vec!["hold".to_owned()]));
}

/// Everything is as it was before.
pub async fn is_untouched(world: &World, good: &Sha) {
    assert_eq!(left(world).await, (Some(good.to_string()), Vec::new()));
}
