//! One run from start to end.

use super::*;
use crate::flow::Waited;
use crate::store::signals;

/// Calls the steps that its input lists, one after the other.
pub fn listed(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
    let mut last = Value::Null;
    for call in input["steps"].as_array().unwrap() {
        last = f.step(call["name"].as_str().unwrap(), call)?;
    }
    f.finish(&last)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_from_step_to_step_and_its_key_makes_it_the_only_one() {
    let (dir, world) = (tempfile::tempdir().unwrap(), Arc::new(World::default()));
    let host = open(dir.path(), &world, &[workflow("listed", listed)], fast()).await;
    let mut events = host.watch();
    let input = json!({"steps": [{"name": "a"}, {"name": "b", "value": 7}]});
    let run = start(&host, new_run("listed", "k", input.clone())).await;
    assert_eq!(end(&host, &run).await, finished(json!(7)));
    let again = host.submit(new_run("listed", "k", input.clone())).await.unwrap();
    assert_eq!(again, Submitted::Existing(run.clone(), RunState::Finished));
    assert_eq!(world.order(), ["a", "b"]);
    assert!(world.asked.lock().unwrap().iter().all(|ctx| ctx.first && ctx.attempt == 1 && ctx.workflow == "listed"));
    let view = host.get(&run).await.unwrap().unwrap();
    let states: Vec<_> = view.steps.iter().map(|step| (step.name.as_str(), step.state.as_str())).collect();
    assert_eq!((states, view.input), (vec![("a", "done"), ("b", "done")], input));
    let mut seen = vec![];
    while let Ok(event) = events.try_recv() {
        seen.push(match event.what {
            What::Started { key, .. } => key,
            What::Step { name, state, .. } => format!("{name} {state}"),
            What::Retry { name, .. } => name,
            What::Ended { state } => state.as_str().to_owned(),
        });
    }
    assert_eq!(seen, ["k", "a pending", "a done", "b pending", "b done", "finished"]);
    assert_eq!(host.list(Filter { state: Some(RunState::Active), ..Filter::default() }).await.unwrap().len(), 0);
    let unknown = host.submit(new_run("nobody", "k2", json!({}))).await.unwrap_err();
    assert_eq!(unknown.refusal().code, "workflow_unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_transaction_undoes_never_starts() {
    let (dir, world) = (tempfile::tempdir().unwrap(), Arc::new(World::default()));
    let host = open(dir.path(), &world, &[workflow("listed", listed)], fast()).await;
    let inner = host.clone();
    let undone = host.store.write(move |tx| -> Result<(), StoreError> {
        inner.submit_in(tx, new_run("listed", "k", json!({"steps": [{"name": "a"}]})))?;
        Err(Refusal::user("no", "No.", "Do not.").into())
    });
    assert!(undone.await.is_err());
    let run = start(&host, new_run("listed", "k", json!({"steps": [{"name": "b"}]}))).await;
    end(&host, &run).await;
    assert_eq!(world.order(), ["b"]);
}

fn waits(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
    f.sleep("nap", Duration::from_millis(30))?;
    f.step::<Value>("a", &json!({}))?;
    let deadline = f.now().plus(Duration::from_secs(600));
    let got = match f.signal_or_timeout("wait", "news", Some(deadline))? {
        Waited::Signalled(values) => json!(values),
        Waited::TimedOut => json!("timed out"),
        Waited::Cancelled(reason) => json!(reason),
    };
    f.sleep("short", Duration::from_millis(20))?;
    f.finish(&got)
}

#[tokio::test(flavor = "multi_thread")]
async fn timers_fire_and_signals_that_come_early_are_kept() {
    let (dir, world) = (tempfile::tempdir().unwrap(), Arc::new(World::default()));
    let host = open(dir.path(), &world, &[workflow("waits", waits)], fast()).await;
    world.stop_at("a", true);
    let run = start(&host, new_run("waits", "k", json!({}))).await;
    assert!(host.signal(&run, "news", json!(1)).await.unwrap());
    assert!(host.signal(&run, "other", json!(1)).await.unwrap());
    assert!(host.signal(&run, "news", json!(2)).await.unwrap());
    world.let_go();
    assert_eq!(end(&host, &run).await, finished(json!([1, 2])));
    assert!(!host.signal(&run, "news", json!(3)).await.unwrap(), "it is over");
    assert_eq!(host.load(), Load { running: 0, waiting: 0, timed: 0 });
    assert_eq!(host.store.read(stored_timers::all).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_ends_where_it_waits() {
    let (dir, world) = (tempfile::tempdir().unwrap(), Arc::new(World::default()));
    let host = open(dir.path(), &world, &[workflow("waits", waits)], fast()).await;
    let run = start(&host, new_run("waits", "k", json!({}))).await;
    world.until_asked("a", 1).await;
    host.cancel(&run, "not wanted").await.unwrap();
    assert_eq!(end(&host, &run).await, finished(json!("not wanted")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panicking_workflow_unwinds_and_is_dead_and_a_panicking_step_is_a_failure_of_ours() {
    fn panics(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        f.on_undo("undo", &json!({}))?;
        let value: Value = f.step("a", &json!({"value": 1}))?;
        assert!(value.is_null(), "a bug at {value}");
        f.finish(&value)
    }
    let (dir, world) = (tempfile::tempdir().unwrap(), Arc::new(World::default()));
    let flows = [workflow("panics", panics), workflow("listed", listed)];
    let host = open(dir.path(), &world, &flows, fast()).await;
    let run = start(&host, new_run("panics", "k", json!({}))).await;
    let (state, outcome) = end(&host, &run).await;
    assert!(matches!((state, outcome), (RunState::Dead, Outcome::Failed(why)) if why.code == "workflow_panicked"));
    assert_eq!(world.order(), ["a", "undo"]);
    let run = start(&host, new_run("listed", "k2", json!({"steps": [{"name": "b", "bug": true}]}))).await;
    let (state, outcome) = end(&host, &run).await;
    assert!(matches!((state, outcome), (RunState::Dead, Outcome::Failed(why)) if why.code == "step_panicked"));
}

/// A run may wait for weeks for something else than what it is told all the time.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_waits_for_is_kept_once_and_changes_of_mind_are_kept_all() {
    let (dir, world) = (tempfile::tempdir().unwrap(), Arc::new(World::default()));
    let host = open(dir.path(), &world, &[workflow("waits", waits)], fast()).await;
    let run = start(&host, new_run("waits", "k", Value::Null)).await;
    let tell = async |name: &'static str, value: Value| {
        let (inner, id) = (host.clone(), run.clone());
        host.store.write(move |tx| inner.signal_in(tx, &id, name, &value)).await.unwrap()
    };
    for _ in 0..100 {
        assert!(tell("other", Value::Null).await);
    }
    for word in ["pause", "resume", "resume", "pause"] {
        tell("mind", json!(word)).await;
    }
    let id = run.clone();
    let kept = host.store.read(move |rx| signals::of(rx, &id)).await.unwrap();
    let kept: Vec<_> = kept.into_iter().map(|signal| signal.value).collect();
    assert_eq!(kept, [Value::Null, json!("pause"), json!("resume"), json!("pause")]);
    tell("news", json!(1)).await;
    assert_eq!(end(&host, &run).await, finished(json!([1])));
}
