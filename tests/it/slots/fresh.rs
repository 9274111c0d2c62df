//! A copy that was healthy once: before users are moved on an old answer it is asked again.

use super::place::{LIVE, Place};
use crate::deployer::Deployer;
use crate::world::Setup;
use axum::Router;
use axum::extract::Path;
use http::StatusCode;
use lockkeeper::domain::Slot;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// Longer than a good answer counts.
const LONG: Duration = Duration::from_secs(90);
const TWO_STEPS: &str = "{ kind = \"gradual\", steps = [{ weight = 10, bake = \"30s\" }, { weight = 50, bake = \"1s\" }] }";

/// Answers for the copies, beside the balancer, which finds all of them well.
#[derive(Clone, Default)]
struct Doctor {
    asked: Arc<AtomicU32>,
    smoked: Arc<AtomicU32>,
    sick: Arc<AtomicBool>,
    port: u16,
}

impl Doctor {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let doctor = Self { port: listener.local_addr().unwrap().port(), ..Self::default() };
        let (health, smoke) = (doctor.clone(), doctor.clone());
        let app = Router::new()
            .route(
                "/health/{slot}",
                axum::routing::get(move |Path(slot): Path<String>| async move {
                    assert!(["blue", "green"].contains(&slot.as_str()), "{slot}");
                    health.asked.fetch_add(1, Ordering::SeqCst);
                    if health.sick.load(Ordering::SeqCst) { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
                }),
            )
            .route(
                "/smoke",
                axum::routing::get(move || async move {
                    let first = smoke.smoked.fetch_add(1, Ordering::SeqCst) == 0;
                    if first { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
                }),
            );
        tokio::spawn(async move { axum::serve(listener, app).await });
        doctor
    }

    fn health(&self) -> String {
        let port = self.port;
        format!(
            "[[environments.live.health]]\nkind = \"http\"\nurl = \"http://127.0.0.1:{port}/health/{{{{ slot }}}}\"\ninterval = \
             \"1s\"\n"
        )
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

/// The check run is told before the watch begins, which must not begin after the jump.
async fn jump(place: &Place) {
    tokio::time::sleep(Duration::from_secs(1)).await;
    place.world.jump(LONG);
}

async fn place(strategy: &str, more: &str) -> Place {
    Place::with(strategy, more, |setup| setup.allow("127.0.0.1")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_move_asks_again_and_only_when_the_answer_is_old() {
    let doctor = Doctor::start().await;
    let place = place(TWO_STEPS, &doctor.health()).await;
    let (sha, _) = place.brought_up("feat: one").await;
    place.titled(&sha, "10 % of users are moved").await;
    assert_eq!(doctor.asked(), 1);
    jump(&place).await;
    place.world.check(&sha, LIVE, "success").await;
    assert_eq!(doctor.asked(), 2, "before the second move, not before the last one");
    assert_eq!(place.share(Slot::Green).await, 100.0);
    place.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_not_healthy_any_more_gets_nobody_else() {
    let doctor = Doctor::start().await;
    let place = place(TWO_STEPS, &doctor.health()).await;
    let (sha, _) = place.brought_up("feat: one").await;
    place.titled(&sha, "10 % of users are moved").await;
    doctor.sick.store(true, Ordering::SeqCst);
    jump(&place).await;
    let (state, check) = place.ended(&sha).await;
    assert_eq!(state, "rolled_back");
    assert!(check.title.is_some_and(|title| title.contains("is not healthy") && title.contains("is live again")));
    assert!((3..=4).contains(&doctor.asked()), "one bad answer may be chance: {}", doctor.asked());
    assert_eq!(place.share(Slot::Blue).await, 100.0);
    place.finish().await;
}

/// The smoke tests take their time, and the copy dies meanwhile: nobody was moved, so nothing is rolled back or held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_dies_before_the_first_move_is_no_rollback() {
    let doctor = Doctor::start().await;
    let smoke = format!(
        "{}[[environments.live.smoke]]\nname = \"pays\"\nkind = \"http\"\nurl = \"http://127.0.0.1:{}/smoke\"\nretries = \
         1\ninterval = \"1m\"\n",
        doctor.health(),
        doctor.port
    );
    let place = place("{ kind = \"blue_green\", bake = \"1s\" }", &smoke).await;
    let (sha, _) = place.brought_up("feat: one").await;
    place.world.until("the smoke test", |_| (doctor.smoked.load(Ordering::SeqCst) == 1).then_some(())).await;
    doctor.sick.store(true, Ordering::SeqCst);
    jump(&place).await;
    let (state, check) = place.ended(&sha).await;
    assert_eq!(state, "failed");
    assert!(check.title.is_some_and(|title| title.contains("is not healthy")));
    assert_eq!((place.share(Slot::Blue).await, place.live().await), (100.0, None));
    let status = place.status().await;
    assert!(status["holds"].as_array().unwrap().is_empty(), "{status}");
    place.finish().await;
}

/// A deployer that is not there for a while: the call that moves users is made again, and by then the answer that it stands on
/// is old.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_comes_late_is_not_made_on_an_old_answer() {
    let (doctor, deployer) = (Doctor::start().await, Deployer::start().await);
    let config = format!(
        "[environments.live]\non = [\"merge\"]\ntarget = \"cluster\"\nstrategy = {{ kind = \"blue_green\", bake = \"0s\" \
         }}\n{}\n[targets.cluster]\nkind = \"http\"\nhook = \"deployer\"\n",
        doctor.health()
    );
    let mut setup = Setup::new().config(&config).allow("127.0.0.1");
    setup.resources.hooks.insert("deployer".into(), deployer.settings());
    let world = setup.start().await;
    let again = |asked: &crate::deployer::Asked| asked.body["step"].as_str().is_some_and(|step| step.contains(".again."));
    deployer.answers(move |asked| {
        let there = asked.body["action"] != "shift" || again(asked);
        Some((if there { 200 } else { 503 }, json!({"status": "done", "sha": asked.body["sha"]})))
    });
    let sha = world.commit("feat: one");
    deployer.errand("shift").await;
    assert_eq!(doctor.asked(), 1);
    world.jump(LONG);
    world.check(&sha, LIVE, "success").await;
    assert_eq!(doctor.asked(), 2);
    assert_eq!(deployer.asked().iter().filter(|asked| again(asked)).count(), 1);
    world.finish().await;
}
