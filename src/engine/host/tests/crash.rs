//! A process that ends anywhere, and one that comes back as another version.

use super::life::listed;
use super::*;
use crate::flow::Waited;

/// Gates side by side, a nap, an approval, two effects, a check that fails, and back down again.
pub fn deploy(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
    f.step::<Value>("create", &json!({}))?;
    let _: Vec<Value> = f.all(&[("gate_a", json!({})), ("gate_b", json!({}))])?;
    f.sleep("soak", Duration::from_millis(20))?;
    if let Waited::Cancelled(reason) = f.signal_or_timeout("approval", "approve", None)? {
        return f.finish(&reason);
    }
    f.lock("env", "env:prod")?;
    f.step::<Value>("deploy", &json!({}))?;
    f.on_undo("undo_deploy", &json!({}))?;
    f.step::<Value>("switch", &json!({}))?;
    f.on_undo("undo_switch", &json!({}))?;
    let healthy: bool = f.step("verify", &json!({"value": input["healthy"]}))?;
    if healthy {
        return f.finish(&"deployed");
    }
    f.unwind()?;
    f.step::<Value>("report", &json!({}))?;
    f.finish(&"rolled back")
}

pub const STEPS: [&str; 9] =
    ["create", "gate_a", "gate_b", "deploy", "switch", "verify", "undo_switch", "undo_deploy", "report"];

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_step_before_or_after_its_effect_changes_nothing_that_can_be_seen() {
    for step in STEPS {
        for before in [true, false] {
            let (dir, world) = (tempfile::tempdir().unwrap(), Arc::new(World::default()));
            let flows = [workflow("deploy", deploy)];
            world.stop_at(step, before);
            let host = open(dir.path(), &world, &flows, fast()).await;
            let run = start(&host, new_run("deploy", "k", json!({"healthy": false}))).await;
            host.signal(&run, "approve", json!("early")).await.unwrap();
            let key = (run.to_string(), step.to_owned());
            until(|| if before { !world.asked(step).is_empty() } else { world.effects.lock().unwrap().contains_key(&key) })
                .await;
            crash(host).await;
            world.let_go();
            let host = open(dir.path(), &world, &flows, fast()).await;
            assert_eq!(end(&host, &run).await, finished(json!("rolled back")), "{step} {before}");
            let asked = world.asked(step);
            assert_eq!(asked.len(), 2, "{step} {before}");
            assert_eq!((asked[0].first, asked[1].first, asked[1].attempt), (true, false, 1), "{step} {before}");
            assert!(world.all_once(), "{step} {before}");
            assert_eq!(world.effects.lock().unwrap().len(), STEPS.len());
            let mut order: Vec<_> = world.order();
            order.dedup();
            order.retain(|name| !name.starts_with("gate"));
            order.dedup();
            assert_eq!(order, ["create", "deploy", "switch", "verify", "undo_switch", "undo_deploy", "report"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_while_it_waits_loses_neither_timer_nor_signal_nor_lock() {
    let (dir, world) = (tempfile::tempdir().unwrap(), Arc::new(World::default()));
    let flows = [workflow("deploy", deploy)];
    let host = open(dir.path(), &world, &flows, fast()).await;
    let one = start(&host, new_run("deploy", "one", json!({"healthy": true}))).await;
    world.until_asked("gate_b", 1).await;
    crash(host).await;
    let host = open(dir.path(), &world, &flows, fast()).await;
    world.stop_at("deploy", true);
    assert!(host.signal(&one, "approve", json!(1)).await.unwrap());
    world.until_asked("deploy", 1).await;
    let two = start(&host, new_run("deploy", "two", json!({"healthy": true}))).await;
    assert!(host.signal(&two, "approve", json!(1)).await.unwrap());
    let waits = || host.store.read(|rx| crate::store::locks::queue(rx, "env:prod"));
    while waits().await.unwrap().len() < 2 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    crash(host).await;
    let host = open(dir.path(), &world, &flows, fast()).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(world.asked("deploy").iter().filter(|ctx| ctx.run == two).count(), 0, "one holds the lock still");
    world.let_go();
    assert_eq!(end(&host, &one).await, finished(json!("deployed")));
    assert_eq!(end(&host, &two).await, finished(json!("deployed")));
    assert!(world.all_once());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_version_1_finishes_under_version_2_with_an_extra_step() {
    fn v2(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
        f.step::<Value>("precheck", &json!({}))?;
        if f.flow_version() >= 2 {
            f.step::<Value>("only_new_runs", &json!({}))?;
        }
        deploy(f, input)
    }
    let (dir, world) = (tempfile::tempdir().unwrap(), Arc::new(World::default()));
    let host = open(dir.path(), &world, &[workflow("deploy", deploy)], fast()).await;
    let old = start(&host, new_run("deploy", "old", json!({"healthy": true}))).await;
    world.until_asked("gate_b", 1).await;
    crash(host).await;
    let second = [Workflow { name: "deploy", version: 2, run: v2 }];
    let host = open(dir.path(), &world, &second, fast()).await;
    world.until_asked("precheck", 1).await;
    host.signal(&old, "approve", json!(1)).await.unwrap();
    assert_eq!(end(&host, &old).await, finished(json!("deployed")));
    let new = start(&host, new_run("deploy", "new", json!({"healthy": true}))).await;
    host.signal(&new, "approve", json!(1)).await.unwrap();
    assert_eq!(end(&host, &new).await, finished(json!("deployed")));
    let extra = |step: &str| world.asked(step).iter().map(|ctx| ctx.run.clone()).collect::<Vec<_>>();
    assert_eq!((extra("precheck"), extra("only_new_runs")), (vec![old, new.clone()], vec![new]));
    assert!(world.all_once());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_does_not_know_the_workflow_keeps_everything_for_one_that_does() {
    let (dir, world) = (tempfile::tempdir().unwrap(), Arc::new(World::default()));
    let flows = [workflow("deploy", deploy)];
    world.stop_at("create", true);
    let host = open(dir.path(), &world, &flows, fast()).await;
    let run = start(&host, new_run("deploy", "k", json!({"healthy": true}))).await;
    world.until_asked("create", 1).await;
    crash(host).await;
    world.let_go();
    let host = open(dir.path(), &world, &[], fast()).await;
    assert!(host.signal(&run, "approve", json!(1)).await.unwrap());
    world.until_asked("create", 2).await;
    until(|| host.load().running == 0).await;
    while host.get(&run).await.unwrap().unwrap().steps[0].state != "done" {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    crash(host).await;
    let host = open(dir.path(), &world, &flows, fast()).await;
    assert_eq!(end(&host, &run).await, finished(json!("deployed")));
    assert_eq!(world.asked("create").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_runs_in_flight_continue_within_two_seconds() {
    let (dir, world) = (tempfile::tempdir().unwrap(), Arc::new(World::default()));
    let flows = [workflow("listed", listed)];
    let host = open(dir.path(), &world, &flows, fast()).await;
    world.stop_at("a", true);
    let steps = json!({"steps": [{"name": "a"}, {"name": "b", "value": "end"}]});
    let submitted = (0..1_000).map(|n| host.submit(new_run("listed", &format!("k{n}"), steps.clone())));
    let ids: Vec<RunId> = futures::future::join_all(submitted).await.into_iter().map(|s| s.unwrap().id().clone()).collect();
    crash(host).await;
    world.let_go();
    let before = world.order().len();
    let began = std::time::Instant::now();
    let host = open(dir.path(), &world, &flows, fast()).await;
    until(|| world.order()[before..].iter().filter(|step| *step == "a").count() == 1_000).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    for id in &ids {
        assert_eq!(end(&host, id).await, finished(json!("end")));
    }
    assert!(world.all_once());
}
