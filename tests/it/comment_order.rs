//! Who comments first is deployed first, however GitHub's answers come.

use crate::comments::says;
use crate::world::{Setup, World};
use lockkeeper::domain::{Role, Sha};
use lockkeeper::sandbox::{CommitSeed, Fault, PullSeed, Trouble};
use std::time::Duration;

const PULLS: usize = 4;
const CONFIG: &str = "[environments.staging]\ntarget = \"shell\"\ngates = []\nmirror = false\n\n\
                      [environments.gated]\ntarget = \"shell\"\nmirror = false\n\n\
                      [targets.shell]\nkind = \"command\"\ncommand = \"deploy\"\n";

async fn world() -> (World, Vec<(u64, Sha)>) {
    let mut setup = Setup::new().config(CONFIG);
    setup.resources.commands.insert("deploy".into(), crate::command::settings(&["/bin/true"]));
    let world = setup.start().await;
    world.shop.set_role("ann", Role::Write);
    let mut pulls = Vec::new();
    for n in 0..PULLS {
        let branch = format!("topic-{n}");
        world.shop.branch(&branch, &world.head()).unwrap();
        let sha = world.shop.commit(&branch, CommitSeed::new(&format!("feat: part {n}")).file(&branch, "")).unwrap();
        pulls.push((world.shop.open_pull(PullSeed::new(&branch, &branch)).unwrap(), sha));
    }
    world.quiet().await;
    // GitHub's clock is ahead, so that each head was there long before what is said of it.
    world.github.set_clock_offset(600_000);
    (world, pulls)
}

/// What was live in the environment, the oldest first.
fn live(world: &World, environment: &str) -> Vec<Sha> {
    let mut live = Vec::new();
    for made in world.shop.deployments().into_iter().filter(|made| made.environment == environment) {
        let good = made.statuses.iter().find(|status| status.state == "success");
        live.extend(good.map(|status| (status.id, made.sha.clone())));
    }
    live.sort();
    live.into_iter().map(|(_, sha)| sha).collect()
}

/// The first of each kind of question is answered last.
fn answer_the_first_last(world: &World) {
    let slow = |method: &str, path: &str, delay| {
        world.github.fault(Fault::on(method, path, Trouble::Delay(delay)));
    };
    slow("GET", "/permission$", Duration::from_millis(600));
    slow("POST", "/graphql", Duration::from_millis(600));
    slow("POST", "/deployments$", Duration::from_millis(1_500));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_first_is_live_first_though_github_is_slow_with_it() {
    let (world, pulls) = world().await;
    answer_the_first_last(&world);
    for (pull, _) in &pulls {
        says(&world, *pull, "ann", "/deploy staging --wait");
    }
    world.until("all of them", |_| Some(()).filter(|()| live(&world, "staging").len() == PULLS)).await;
    world.quiet().await;
    assert_eq!(live(&world, "staging"), pulls.iter().map(|(_, sha)| sha.clone()).collect::<Vec<_>>());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_at_a_gate_or_is_refused_holds_nobody_up() {
    let (world, pulls) = world().await;
    let shas: Vec<&Sha> = pulls.iter().map(|(_, sha)| sha).collect();
    world.green(shas[3]);
    says(&world, pulls[0].0, "ann", "/deploy gated");
    world.waiting(shas[0], "lockkeeper/gated").await;
    says(&world, pulls[1].0, "stranger", "/deploy gated");
    says(&world, pulls[2].0, "ann", "/deploy gated --strategy none-such");
    says(&world, pulls[3].0, "ann", "/deploy gated");
    world.check(shas[3], "lockkeeper/gated", "success").await;
    world.green(shas[0]);
    world.check(shas[0], "lockkeeper/gated", "success").await;
    world.quiet().await;
    assert_eq!(live(&world, "gated"), [shas[3].clone(), shas[0].clone()]);
    world.finish().await;
}

/// The second comment waits for the first one, and its author may do less by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_waited_for_a_turn_may_do_what_they_may_now() {
    let (world, pulls) = world().await;
    world.shop.set_role("bob", Role::Write);
    world.github.clear_log();
    world.github.fault(Fault::on("POST", "/graphql ReleaseFacts", Trouble::Delay(Duration::from_secs(3))));
    says(&world, pulls[0].0, "bob", "/deploy staging --wait");
    let asked = "GET /repos/{owner}/{repo}/collaborators/{user}/permission";
    world.requests(asked, 1).await;
    says(&world, pulls[1].0, "ann", "/deploy staging --wait\n/lock staging --reason mine");
    world.requests(asked, 2).await;
    world.requests("POST /graphql ReleaseFacts", 1).await;
    world.jump(Duration::from_secs(120));
    world.shop.set_role("ann", Role::Read);
    world.until("the first", |_| Some(()).filter(|()| live(&world, "staging").len() == 1)).await;
    world.quiet().await;
    assert_eq!(live(&world, "staging"), [pulls[0].1.clone()]);
    let (_, said) = world.command(&["status", "--repo", "acme/shop"]).await;
    assert!(!said.contains("LOCKED"), "{said}");
    world.finish().await;
}
