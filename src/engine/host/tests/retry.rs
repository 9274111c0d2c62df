//! Failures: tried again, given up, replayed.

use super::life::listed;
use super::*;
use crate::domain::DeliveryId;
use crate::store::inbox::{DeliveryStatus, NewDelivery};

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_step_is_tried_again_and_its_attempts_survive_a_crash_that_uses_up_none() {
    let (dir, world) = (tempfile::tempdir().unwrap(), Arc::new(World::default()));
    let flows = [workflow("listed", listed)];
    let options = || Options { first_retry: Duration::from_millis(80), longest_retry: Duration::from_millis(80), ..fast() };
    let host = open(dir.path(), &world, &flows, options()).await;
    let run = start(&host, new_run("listed", "k", json!({"steps": [{"name": "a", "fail": 3}]}))).await;
    world.until_asked("a", 2).await;
    world.stop_at("a", true);
    world.until_asked("a", 3).await;
    crash(host).await;
    world.let_go();
    let host = open(dir.path(), &world, &flows, options()).await;
    assert_eq!(end(&host, &run).await, finished(json!("ok")));
    let asked: Vec<_> = world.asked("a").iter().map(|ctx| (ctx.attempt, ctx.first)).collect();
    // The third was cut off by the crash and is made again.
    assert_eq!(asked, [(1, true), (2, false), (3, false), (3, false), (4, false)]);
    let step = host.get(&run).await.unwrap().unwrap().steps.remove(0);
    assert_eq!((step.attempts, step.state.as_str()), (3, "done"));
    assert_eq!(step.first_error.as_deref(), Some("GitHub is down. (github_down)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_github_names_is_kept() {
    struct Limited(std::sync::atomic::AtomicU32);
    impl Executor for Limited {
        fn execute(&self, _: StepCtx, _: Value) -> BoxFuture<'_, Result<Value, StepError>> {
            let tries = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let refusal = Refusal::world("rate_limited", "Too many requests.", "Wait.");
            let limited = StepError::Retry { after: Some(Duration::from_millis(300)), refusal };
            Box::pin(async move { if tries == 0 { Err(limited) } else { Ok(json!(tries)) } })
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let host = Host::start(store, vec![workflow("listed", listed)], Arc::new(Limited(0.into())), fast()).await.unwrap();
    let began = std::time::Instant::now();
    let run = start(&host, new_run("listed", "k", json!({"steps": [{"name": "a"}]}))).await;
    assert_eq!(end(&host, &run).await, finished(json!(1)));
    assert!(began.elapsed() >= Duration::from_millis(300));
}

/// What was held back has left nothing to look for; what may have been done has, also when the next attempt is held back.
#[tokio::test(flavor = "multi_thread")]
async fn only_an_attempt_that_may_have_acted_is_doubted() {
    struct Held(std::sync::Mutex<Vec<bool>>);
    impl Executor for Held {
        fn execute(&self, ctx: StepCtx, _: Value) -> BoxFuture<'_, Result<Value, StepError>> {
            let mut asked = self.0.lock().unwrap();
            asked.push(ctx.first);
            let refusal = Refusal::world("held", "Not now.", "Wait.");
            let after = Some(Duration::from_millis(5));
            let end = match asked.len() {
                1 | 2 | 4 => Err(StepError::Untried { after, refusal }),
                3 => Err(StepError::Retry { after, refusal }),
                _ => Ok(json!(0)),
            };
            Box::pin(async move { end })
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let held = Arc::new(Held(std::sync::Mutex::default()));
    let store = Store::open(dir.path()).unwrap();
    let host = Host::start(store, vec![workflow("listed", listed)], held.clone(), fast()).await.unwrap();
    let run = start(&host, new_run("listed", "k", json!({"steps": [{"name": "a"}]}))).await;
    assert_eq!(end(&host, &run).await, finished(json!(0)));
    assert_eq!(*held.0.lock().unwrap(), [true, true, true, false, false]);
}

/// As a real one: what it cannot do it reports.
fn reports(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
    match f.try_step::<Value>("a", &input["a"])? {
        Ok(value) => Ok(value),
        Err(failure) => {
            f.step::<Value>("report", &json!({}))?;
            f.finish(&json!({"code": failure.refusal.code, "message": failure.refusal.message}))
        }
    }
}

async fn received(host: &Host, id: &str) -> DeliveryId {
    let id = DeliveryId::parse(id).unwrap();
    let new = NewDelivery {
        id: id.clone(),
        event: "push".into(),
        action: None,
        repo: None,
        installation: None,
        received_at: Millis(1),
        status: DeliveryStatus::Done,
        note: String::new(),
        payload: vec![],
    };
    host.store.write(move |tx| inbox::receive(tx, &new)).await.unwrap();
    id
}

async fn status(host: &Host, id: &DeliveryId) -> DeliveryStatus {
    let id = id.clone();
    host.store.read(move |rx| inbox::get(rx, &id)).await.unwrap().unwrap().status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_fails_for_too_long_is_reported_dead_and_starts_again_by_a_replay() {
    let (dir, world) = (tempfile::tempdir().unwrap(), Arc::new(World::default()));
    let options = Options { dead_after: Duration::ZERO, least_attempts: 3, ..fast() };
    let host = open(dir.path(), &world, &[workflow("reports", reports)], options).await;
    let delivery = received(&host, "d1").await;
    let mut new = new_run("reports", "k", json!({"a": {"fail": 3}}));
    new.subject.delivery = Some(delivery.clone());
    let run = start(&host, new.clone()).await;
    let (state, outcome) = end(&host, &run).await;
    assert_eq!(state, RunState::Dead);
    let text = "GitHub is down. Lockkeeper gave up after 0 seconds and 3 attempts.";
    assert_eq!(outcome, Outcome::Finished(json!({"code": "github_down", "message": text})));
    assert_eq!(world.order(), ["a", "a", "a", "report"]);
    assert_eq!(status(&host, &delivery).await, DeliveryStatus::Dead);
    assert_eq!(host.submit(new).await.unwrap(), Submitted::Existing(run.clone(), RunState::Dead));

    assert_eq!(host.replay(&delivery).await.unwrap(), Replayed::Runs(vec![run.clone()]));
    assert_eq!(end(&host, &run).await, finished(json!("ok")));
    assert!(!world.asked("a").last().unwrap().first, "there may be earlier work");
    assert_eq!(status(&host, &delivery).await, DeliveryStatus::Done);
    assert_eq!(host.replay(&delivery).await.unwrap(), Replayed::Pending, "no dead run: the delivery itself");
    let nobody = DeliveryId::parse("nobody").unwrap();
    assert_eq!(host.replay(&nobody).await.unwrap(), Replayed::Unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_or_a_long_pause_gives_up_nothing_that_was_hardly_tried() {
    let (dir, world) = (tempfile::tempdir().unwrap(), Arc::new(World::default()));
    let wall = Arc::new(std::sync::atomic::AtomicI64::new(1_000));
    let clock = Arc::clone(&wall);
    let options = Options {
        dead_after: Duration::from_secs(86_400),
        // Each look at the clock finds it a day later.
        clock: Arc::new(move || Millis(clock.fetch_add(86_400_000, std::sync::atomic::Ordering::SeqCst))),
        ..fast()
    };
    let host = open(dir.path(), &world, &[workflow("listed", listed)], options).await;
    let run = start(&host, new_run("listed", "k", json!({"steps": [{"name": "a", "fail": 6}]}))).await;
    assert_eq!(end(&host, &run).await, finished(json!("ok")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_an_end_and_no_dead_letter() {
    let (dir, world) = (tempfile::tempdir().unwrap(), Arc::new(World::default()));
    let host = open(dir.path(), &world, &[workflow("listed", listed)], fast()).await;
    let delivery = received(&host, "d1").await;
    let mut new = new_run("listed", "k", json!({"steps": [{"name": "a", "refuse": "tag_moved"}]}));
    new.subject.delivery = Some(delivery.clone());
    let run = start(&host, new).await;
    let (state, outcome) = end(&host, &run).await;
    assert!(matches!((state, outcome), (RunState::Finished, Outcome::Failed(why)) if why.code == "tag_moved"));
    assert_eq!(world.order(), ["a"]);
    assert_eq!(status(&host, &delivery).await, DeliveryStatus::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_child_is_started_again_by_its_parents_replay() {
    fn parent(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
        match f.child("kid", "listed", "kid", &input["kid"])? {
            Outcome::Finished(value) => Ok(value),
            Outcome::Failed(refusal) => Err(Stop::Failed(crate::flow::StepFailure {
                step: "kid".into(),
                refusal: Refusal::us("kid", refusal.code),
                dead: true,
            })),
        }
    }
    let (dir, world) = (tempfile::tempdir().unwrap(), Arc::new(World::default()));
    let flows = [workflow("parent", parent), workflow("listed", listed)];
    let options = Options { dead_after: Duration::ZERO, least_attempts: 1, ..fast() };
    let host = open(dir.path(), &world, &flows, options).await;
    let delivery = received(&host, "d1").await;
    let mut new = new_run("parent", "p", json!({"kid": {"steps": [{"name": "a", "fail": 1, "value": 5}]}}));
    new.subject.delivery = Some(delivery.clone());
    let run = start(&host, new).await;
    assert_eq!(end(&host, &run).await.0, RunState::Dead);
    assert_eq!(host.replay(&delivery).await.unwrap(), Replayed::Runs(vec![run.clone()]));
    assert_eq!(end(&host, &run).await, finished(json!(5)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_cannot_be_stored_is_kept_and_the_call_is_not_made_again() {
    let (dir, world) = (tempfile::tempdir().unwrap(), Arc::new(World::default()));
    let host = open(dir.path(), &world, &[workflow("listed", listed)], fast()).await;
    world.stop_at("a", false);
    let run = start(&host, new_run("listed", "k", json!({"steps": [{"name": "a"}, {"name": "b"}]}))).await;
    until(|| !world.order().is_empty()).await;
    let other = crate::store::hold(&host.store, dir.path()).await;
    world.let_go();
    let refused = host.submit(new_run("listed", "k2", json!({"steps": []}))).await.unwrap_err();
    assert_eq!(refused.refusal().code, "store_busy");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(world.order(), ["a"], "nothing is known of a");
    drop(other);
    assert_eq!(end(&host, &run).await, finished(json!("ok")));
    assert_eq!(world.order(), ["a", "b"]);
}
