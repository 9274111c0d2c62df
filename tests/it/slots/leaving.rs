//! Copies that users leave: who is still there is not cut, who has left all of a copy ends it, and a pause finds people also
//! when GitHub was away at its beginning.

use super::place::{LIVE, Place, config};
use crate::deployer::Deployer;
use lockkeeper::domain::Slot;
use lockkeeper::sandbox::{Fault, Trouble};
use serde_json::json;
use std::time::Duration;

const AT_ONCE: &str = "{ kind = \"blue_green\", bake = \"1s\" }";
/// Longer than users have to leave.
const LONG: Duration = Duration::from_secs(11 * 60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_comes_up_where_users_still_are_unless_a_person_says_why() {
    let place = Place::new(AT_ONCE, "").await;
    place.stage.services["blue1"].takes(Duration::from_secs(25));
    let slow = place.users.one();
    while place.observed().await.slots.blue.sessions == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (one, _) = place.brought_up("feat: one").await;
    place.titled(&one, "100 % of users are moved").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    place.world.jump(LONG);
    let check = place.world.check(&one, LIVE, "success").await;
    assert!(check.summary.is_some_and(|text| text.contains("they are not cut")));
    let two = place.world.commit("feat: two");
    tokio::time::sleep(Duration::from_secs(1)).await;
    place.world.jump(LONG);
    place.world.refused(&two, LIVE, "failure", "slot_in_use").await;
    assert_eq!(place.world.shop.deployments().len(), 1);
    let ask = ["deploy", "live", "--repo", "acme/shop", "--ref", two.as_str(), "--reason", "now", "--detach"];
    place.told(&ask).await;
    let goes = |shop: &lockkeeper::sandbox::RepoHandle| shop.deployments().into_iter().find(|made| made.sha == two);
    let made = place.world.until("its deployment", goes).await;
    place.report(&made, "success");
    place.world.check(&two, LIVE, "success").await;
    drop(slow);
    place.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_copy_that_all_users_have_left_is_ended_once_nobody_came_for_a_while() {
    let deployer = Deployer::start().await;
    deployer.obeys();
    let cluster = "kind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n";
    let text = config(AT_ONCE, "").replace(cluster, "kind = \"http\"\nhook = \"deployer\"\ninterval = \"1s\"\n");
    let hook = deployer.settings();
    let change = move |setup: crate::world::Setup| {
        let mut setup = setup.config(&text);
        setup.resources.hooks.insert("deployer".into(), hook);
        setup
    };
    let place = Place::with(AT_ONCE, "", change).await;
    let one = place.world.commit("feat: one");
    place.world.check(&one, LIVE, "success").await;
    place.world.quiet().await;
    assert!(deployer.asked().iter().all(|asked| asked.body["action"] != "take_down"), "blue is not ours");
    let two = place.world.commit("feat: two");
    place.world.check(&two, LIVE, "success").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(deployer.asked().iter().all(|asked| asked.body["action"] != "take_down"), "somebody may come yet");
    place.world.jump(Duration::from_secs(11));
    let asked = deployer.errand("take_down").await;
    assert_eq!(asked.body["sha"], json!(one.as_str()));
    assert_eq!(asked.body["slot"], json!("green"));
    place.world.quiet().await;
    assert_eq!(place.share(Slot::Blue).await, 100.0);
    place.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_that_github_did_not_hear_of_is_told_again() {
    let place = Place::new("{ kind = \"gradual\", steps = [{ weight = 10, bake = \"1s\" }] }", "").await;
    let (sha, _) = place.brought_up("feat: one").await;
    place.titled(&sha, "10 % of users are moved").await;
    let down = Trouble::Status { status: 503, headers: Vec::new(), message: "Service Unavailable".into() };
    place.world.github.fault(Fault::on("PATCH", "/check-runs/", down).always());
    let run = place.run().await;
    let before = place.world.count("PATCH /repos/{owner}/{repo}/check-runs/{id}");
    place.told(&["pause", &run]).await;
    place.world.requests("PATCH /repos/{owner}/{repo}/check-runs/{id}", before + 3).await;
    place.world.github.clear_faults();
    place.titled(&sha, "Paused at 10 % of users").await;
    place.told(&["promote", &run]).await;
    place.world.check(&sha, LIVE, "success").await;
    place.finish().await;
}
