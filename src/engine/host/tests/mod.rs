//! The host over a real store and a world that is played.

mod crash;
mod life;
mod retry;
mod together;

use super::*;
use crate::domain::{Actor, InstallationId, Millis, RepoId, RepoName, RepoRef};
use crate::flow::{Flow, Outcome, Stop, WorkflowFn};
use crate::store::runs::Subject;
use futures::future::BoxFuture;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// What a played step does, by the fields of its call: `fail` (attempts to fail before it succeeds), `refuse` (a code),
/// `bug` (panics), `hang` (until the world lets it go), `value` (its result).
#[derive(Default)]
pub struct World {
    /// Effects that can be seen, by run and step; the number says how often it was brought about.
    effects: Mutex<BTreeMap<(String, String), u32>>,
    /// Everything that the executor was asked, in order.
    asked: Mutex<Vec<StepCtx>>,
    /// Steps that stop before (`true`) or after their effect, while they are named here.
    stops: Mutex<BTreeMap<String, bool>>,
    failed: Mutex<BTreeMap<(String, String), u64>>,
}

impl World {
    fn effect(&self, ctx: &StepCtx) {
        let key = (ctx.run.to_string(), ctx.step.clone());
        let mut effects = self.effects.lock().unwrap();
        // As real steps do: one that is not the first looks for its own earlier work.
        if ctx.first || !effects.contains_key(&key) {
            *effects.entry(key).or_default() += 1;
        }
    }
    async fn stop(&self, step: &str, before: bool) {
        while self.stops.lock().unwrap().get(step) == Some(&before) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    fn stop_at(&self, step: &str, before: bool) {
        self.stops.lock().unwrap().insert(step.into(), before);
    }
    fn let_go(&self) {
        self.stops.lock().unwrap().clear();
    }
    fn asked(&self, step: &str) -> Vec<StepCtx> {
        self.asked.lock().unwrap().iter().filter(|ctx| ctx.step == step).cloned().collect()
    }
    fn order(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|ctx| ctx.step.clone()).collect()
    }
    async fn until_asked(&self, step: &str, times: usize) {
        until(|| self.asked(step).len() >= times).await;
    }
    fn all_once(&self) -> bool {
        self.effects.lock().unwrap().values().all(|count| *count == 1)
    }
}

impl Executor for World {
    fn execute(&self, ctx: StepCtx, call: Value) -> BoxFuture<'_, Result<Value, StepError>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(ctx.clone());
            self.stop(&ctx.step, true).await;
            assert!(call.get("bug").is_none(), "a bug");
            if let Some(code) = call["refuse"].as_str() {
                return Err(StepError::Fail(Refusal::user(code, "Refused.", "Do otherwise.")));
            }
            let tries = call["fail"].as_u64().unwrap_or(0);
            let failures = {
                let mut failed = self.failed.lock().unwrap();
                let count = failed.entry((ctx.run.to_string(), ctx.step.clone())).or_default();
                *count += 1;
                *count
            };
            if failures <= tries {
                let refusal = Refusal::world("github_down", "GitHub is down.", "Wait.");
                return Err(StepError::Retry { after: None, refusal });
            }
            self.effect(&ctx);
            self.stop(&ctx.step, false).await;
            Ok(call.get("value").cloned().unwrap_or(json!("ok")))
        })
    }
}

async fn until(condition: impl Fn() -> bool) {
    for _ in 0..5_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("it did not come true within ten seconds");
}

fn fast() -> Options {
    Options {
        first_retry: Duration::from_millis(4),
        longest_retry: Duration::from_millis(20),
        dead_after: Duration::from_secs(600),
        ..Options::default()
    }
}

fn workflow(name: &'static str, run: WorkflowFn) -> Workflow {
    Workflow { name, version: 1, run }
}

async fn open(dir: &Path, world: &Arc<World>, workflows: &[Workflow], options: Options) -> Host {
    let store = Store::open(dir).unwrap();
    Host::start(store, workflows.to_vec(), Arc::clone(world) as Arc<dyn Executor>, options).await.unwrap()
}

/// Ends a host as a crash would: nothing in flight comes to its end.
async fn crash(host: Host) {
    host.drain(Duration::ZERO).await;
    host.store.close().await;
}

fn subject(repo: u64) -> Subject {
    let repo = RepoRef { id: RepoId(repo), name: RepoName::parse("acme/web").unwrap(), installation: InstallationId(1) };
    Subject { repo, tag: None, sha: None, environment: None, delivery: None, actor: Actor::schedule() }
}

fn new_run(workflow: &str, key: &str, input: Value) -> NewRun {
    NewRun { workflow: workflow.into(), key: key.into(), subject: subject(1), input }
}

async fn start(host: &Host, new: NewRun) -> RunId {
    match host.submit(new).await.unwrap() {
        Submitted::New(id) => id,
        other => panic!("{other:?}"),
    }
}

async fn end(host: &Host, run: &RunId) -> (RunState, Outcome) {
    let run = host.wait(run, Duration::from_secs(20)).await.unwrap().unwrap();
    assert_ne!(run.state, RunState::Active, "the run did not end");
    (run.state, super::rows::outcome(&run).unwrap().unwrap())
}

fn finished(value: Value) -> (RunState, Outcome) {
    (RunState::Finished, Outcome::Finished(value))
}
