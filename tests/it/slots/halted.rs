//! `rollback = "forbidden"` halts in the middle of a rollout: it says who sees what, and a fix goes ahead when a person says so,
//! without anybody's hand on weights.

use super::place::{LIVE, Place};
use crate::deployer::Deployer;
use crate::world::{Setup, World};
use lockkeeper::domain::{Sha, Slot};
use lockkeeper::targets::Split;
use serde_json::{Value, json};

const SLOW: &str = "{ kind = \"gradual\", steps = [{ weight = 10, bake = \"30s\" }] }";
const TENTH: &str = "10 % of users are moved";
const FORBIDDEN: &str = "rollback = \"forbidden\"";

/// Deploys by hand, with or without a reason; the exit code and what it says.
async fn by_hand(world: &World, sha: &Sha, reason: Option<&str>) -> i32 {
    let mut words = vec!["deploy", "live", "--repo", "acme/shop", "--ref", sha.as_str(), "--detach"];
    words.extend(reason.into_iter().flat_map(|why| ["--reason", why]));
    let (code, said, problem) = world.command_told(&words).await;
    assert!(code == 0, "{said} {problem}");
    code
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollout_that_halts_in_the_middle_is_mended_by_the_next_deployment() {
    let place = Place::new(SLOW, FORBIDDEN).await;
    let first = place.promoted("feat: one", TENTH).await;
    let (second, made) = place.brought_up("feat: two").await;
    assert_eq!(made.payload["slot"], "blue");
    place.titled(&second, TENTH).await;
    place.report(&made, "failure");
    let (state, check) = place.ended(&second).await;
    assert_eq!(state, "halted_forward");
    let (one, two) = (first.short(), second.short());
    let shares = format!("10 % of users are with commit {two} in the slot blue, 90 % with {one} in the slot green.");
    let text = check.summary.unwrap_or_default();
    assert!(text.contains(&shares) && text.contains("rollback = \"forbidden\""), "{text}");
    let tenth = Split::to(Slot::Blue, 10).unwrap();
    place.shared(tenth).await;

    // No merge decides who sees what.
    let third = place.world.commit("fix: three");
    let check = place.world.refused(&third, LIVE, "failure", "traffic_shared").await;
    let command = format!("/deploy live {third} --reason …");
    let text = check.summary.unwrap_or_default();
    assert!(text.contains(&command) && text.contains("to the slot green"), "{text}");
    place.shared(tenth).await;

    // A person does: users leave the slot before the fix comes up in it.
    by_hand(&place.world, &third, Some("the fix")).await;
    let made = place
        .world
        .until("its deployment", |shop| shop.deployments().into_iter().find(|d| d.sha == third && d.state() == "in_progress"));
    let made = made.await;
    assert_eq!(made.payload["slot"], "blue");
    assert_eq!(place.share(Slot::Green).await, 100.0);
    assert_eq!(place.live().await.as_deref(), Some(first.as_str()));
    place.report(&made, "success");
    place
        .world
        .until("its share", |_| {
            place.world.our_checks(&third, LIVE).iter().any(|c| c.title.as_deref() == Some(TENTH)).then_some(())
        })
        .await;
    place.told(&["promote", &place.run().await]).await;
    place.world.check(&third, LIVE, "success").await;
    assert_eq!(place.share(Slot::Blue).await, 100.0);
    place.finish().await;
}

/// A deployer that moves users itself, and fails to when it should give half of them to the second version.
fn refuses_half(asked: &crate::deployer::Asked) -> Option<(u16, Value)> {
    let (sha, weight) = (&asked.body["sha"], asked.body["weight"].as_u64());
    let status = if weight == Some(50) { "failed" } else { "done" };
    Some((200, json!({"status": status, "sha": sha})))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_balancer_our_record_says_where_most_users_are() {
    let deployer = Deployer::start().await;
    let config = format!(
        "[environments.live]\non = [\"merge\"]\ntarget = \"cluster\"\n{FORBIDDEN}\nstrategy = {{ kind = \"gradual\", steps = [{{ \
         weight = 10, bake = \"0s\" }}, {{ weight = 50, bake = \"0s\" }}] }}\n\n[targets.cluster]\nkind = \"http\"\nhook = \
         \"deployer\"\n"
    );
    let mut setup = Setup::new().config(&config);
    setup.resources.hooks.insert("deployer".into(), deployer.settings());
    let world = setup.start().await;
    deployer.answers(refuses_half);
    let first = world.commit("feat: one");
    world.check(&first, LIVE, "success").await;
    let second = world.commit("feat: two");
    let check = world.refused(&second, LIVE, "failure", "traffic_not_moved").await;
    let text = check.summary.unwrap_or_default();
    assert!(text.contains("in the slot green, 90 % with"), "{text}");
    let asked = deployer.asked().len();
    let third = world.commit("fix: three");
    world.refused(&third, LIVE, "failure", "traffic_shared").await;
    assert_eq!(deployer.asked().len(), asked, "nobody is asked for anything");
    deployer.obeys();
    by_hand(&world, &third, Some("the fix")).await;
    world.check(&third, LIVE, "success").await;
    let told: Vec<String> = deployer.asked()[asked..]
        .iter()
        .map(|asked| {
            let of = |sha: &Sha| asked.body["sha"] == sha.as_str();
            let who = if of(&first) {
                "one"
            } else if of(&third) {
                "three"
            } else {
                "another"
            };
            format!("{} {who} {} {}", asked.body["action"], asked.body["slot"], asked.body["weight"]).replace('"', "")
        })
        .collect();
    let wanted = [
        "shift one blue 100",
        "bring_up three green null",
        "shift three green 10",
        "shift three green 50",
        "shift three green 100",
    ];
    assert_eq!(told, wanted);
    world.finish().await;
}
