//! Several runs: locks, children, shares of the executor.

use super::life::listed;
use super::*;

fn locked(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
    let token = f.lock("lock", "env:prod")?;
    f.step::<Value>(input["step"].as_str().unwrap(), &json!({}))?;
    if input["early"] == json!(true) {
        f.unlock("env:prod");
        f.step::<Value>("after", &json!({}))?;
    }
    f.finish(&token)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_goes_from_run_to_run_in_order_with_growing_tokens() {
    let (dir, world) = (tempfile::tempdir().unwrap(), Arc::new(World::default()));
    let host = open(dir.path(), &world, &[workflow("locked", locked)], fast()).await;
    world.stop_at("one", true);
    let mut ids = vec![];
    for (step, early) in [("one", true), ("two", false), ("three", false), ("four", false)] {
        ids.push(start(&host, new_run("locked", step, json!({"step": step, "early": early}))).await);
    }
    world.until_asked("one", 1).await;
    host.cancel(&ids[1], "not wanted").await.unwrap();
    assert!(matches!(end(&host, &ids[1]).await.1, Outcome::Failed(why) if why.code == "cancelled"));
    assert_eq!(world.order(), ["one"], "nobody else holds it");
    world.let_go();
    let mut tokens = vec![];
    for id in [&ids[0], &ids[2], &ids[3]] {
        match end(&host, id).await {
            (RunState::Finished, Outcome::Finished(token)) => tokens.push(token.as_u64().unwrap()),
            other => panic!("{other:?}"),
        }
    }
    assert!(tokens.is_sorted_by(|a, b| a < b), "{tokens:?}");
    let order: Vec<_> = world.order().into_iter().filter(|step| step != "after").collect();
    assert_eq!(order, ["one", "three", "four"]);
    assert_eq!(host.store.read(crate::store::locks::all).await.unwrap(), []);
}

fn parent(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
    f.spawn("other", "listed", "shared", &json!({"steps": [{"name": "shared"}]}))?;
    let kid = f.child("kid", "listed", input["key"].as_str().unwrap(), &input["kid"])?;
    let other = f.join("other")?;
    f.finish(&(kid, other))
}

#[tokio::test(flavor = "multi_thread")]
async fn children_answer_their_parents_also_when_two_share_one() {
    let (dir, world) = (tempfile::tempdir().unwrap(), Arc::new(World::default()));
    let flows = [workflow("parent", parent), workflow("listed", listed)];
    let host = open(dir.path(), &world, &flows, fast()).await;
    let sha = "a".repeat(40);
    let kid = |step: &str| json!({"environment": "prod", "sha": sha, "steps": [{"name": step, "value": step}]});
    let one = start(&host, new_run("parent", "p1", json!({"key": "c1", "kid": kid("x")}))).await;
    let two = start(&host, new_run("parent", "p2", json!({"key": "c2", "kid": kid("y")}))).await;
    let both = |value: &str| finished(json!([{"finished": value}, {"finished": "ok"}]));
    assert_eq!((end(&host, &one).await, end(&host, &two).await), (both("x"), both("y")));
    assert_eq!(world.asked("shared").len(), 1);
    let view = host.get(&one).await.unwrap().unwrap();
    assert_eq!(view.children.len(), 2);
    let kid = view.children.iter().find(|run| run.key == "c1").unwrap();
    assert_eq!(
        (kid.subject.environment.as_ref().unwrap().as_str(), kid.subject.sha.as_ref().unwrap().as_str()),
        ("prod", sha.as_str())
    );
    let three = start(&host, new_run("parent", "p3", json!({"key": "c1", "kid": {}}))).await;
    assert_eq!(end(&host, &three).await, both("x"), "a child that has ended answers too");
}

fn waits_for_ever(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
    f.step::<Value>("begun", &json!({}))?;
    match f.signal_or_timeout("wait", "never", None)? {
        crate::flow::Waited::Cancelled(reason) => f.finish(&reason),
        other => f.finish(&format!("{other:?}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_reaches_the_children_and_a_run_cannot_wait_for_itself() {
    fn family(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        let kid = f.child("kid", "waits", "kid", &json!({}))?;
        f.finish(&kid)
    }
    fn own(f: &mut Flow, _: &Value) -> Result<Value, Stop> {
        match f.child("kid", "own", "own", &json!({}))? {
            Outcome::Failed(why) => f.finish(&why.code),
            Outcome::Finished(_) => f.finish(&"what"),
        }
    }
    let (dir, world) = (tempfile::tempdir().unwrap(), Arc::new(World::default()));
    let flows = [workflow("family", family), workflow("waits", waits_for_ever), workflow("own", own)];
    let host = open(dir.path(), &world, &flows, fast()).await;
    let run = start(&host, new_run("family", "p", json!({}))).await;
    world.until_asked("begun", 1).await;
    host.cancel(&run, "stop").await.unwrap();
    assert_eq!(end(&host, &run).await, finished(json!({"finished": "stop"})));
    let run = start(&host, new_run("own", "own", json!({}))).await;
    assert_eq!(end(&host, &run).await, finished(json!("flow_own_child")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_hangs_holds_nobody_else_up() {
    fn wide(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
        let names: Vec<String> = (0..20).map(|n| format!("{}{n}", input["step"].as_str().unwrap())).collect();
        let calls: Vec<_> = names.iter().map(|name| (name, json!({}))).collect();
        let all: Vec<Value> = f.all(&calls)?;
        f.finish(&all.len())
    }
    let (dir, world) = (tempfile::tempdir().unwrap(), Arc::new(World::default()));
    let options = Options { concurrency: 12, per_repository: 8, ..fast() };
    let host = open(dir.path(), &world, &[workflow("wide", wide)], options).await;
    (0..20).for_each(|n| world.stop_at(&format!("slow{n}"), true));
    let slow = start(&host, new_run("wide", "slow", json!({"step": "slow"}))).await;
    until(|| world.order().len() == 8).await;
    let other = NewRun { subject: subject(2), ..new_run("wide", "quick", json!({"step": "quick"})) };
    let quick = start(&host, other).await;
    assert_eq!(end(&host, &quick).await, finished(json!(20)));
    assert_eq!((host.load().running, host.load().waiting), (8, 12), "steps of one run go side by side, up to the share");
    world.let_go();
    assert_eq!(end(&host, &slow).await, finished(json!(20)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_lets_calls_end_and_starts_no_others() {
    let (dir, world) = (tempfile::tempdir().unwrap(), Arc::new(World::default()));
    let host = open(dir.path(), &world, &[workflow("listed", listed)], fast()).await;
    world.stop_at("a", true);
    world.stop_at("c", true);
    let run = start(&host, new_run("listed", "k", json!({"steps": [{"name": "a"}, {"name": "b"}]}))).await;
    world.until_asked("a", 1).await;
    let draining = tokio::spawn({
        let host = host.clone();
        async move { host.drain(Duration::from_secs(20)).await }
    });
    tokio::time::sleep(Duration::from_millis(30)).await;
    world.let_go();
    assert_eq!(draining.await.unwrap(), 0);
    assert_eq!(world.order(), ["a"]);
    host.store.close().await;
    let host = open(dir.path(), &world, &[workflow("listed", listed)], fast()).await;
    assert_eq!(end(&host, &run).await, finished(json!("ok")));
    assert_eq!(world.order(), ["a", "b"], "the result of a was stored");
}
