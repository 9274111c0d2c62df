//! Commands in comments that change something: what they do, who may, and that they do it once.

use crate::comments::{pull, reactions, replies, says};
use crate::world::World;
use lockkeeper::domain::Role;
use lockkeeper::sandbox::DeploymentReport;
use serde_json::Value;

pub const PLACES: &str = "\
[environments.staging]
on = [\"merge\"]
target = \"cluster\"

[environments.production]
target = \"cluster\"

[targets.cluster]
kind = \"deployment\"
reporters = [\"deployer[bot]\"]
";

/// Says it, and gives the reply to it.
pub async fn answer(world: &World, pull: u64, by: &str, body: &str) -> String {
    let before = replies(world).len();
    let asked = says(world, pull, by, body);
    let reply = world.until("a reply", |_| replies(world).get(before).cloned()).await.body;
    world.until("its reaction", |_| (reactions(world, asked).len() == 2).then_some(())).await;
    reply
}

async fn holds(world: &World) -> Vec<Value> {
    let (_, said) = world.command(&["status", "--format", "json"]).await;
    let status: Value = serde_json::from_str(&said).unwrap();
    status["repositories"][0]["holds"].as_array().unwrap().clone()
}

#[track_caller]
pub fn has(body: &str, parts: &[&str]) {
    for part in parts {
        assert!(body.contains(part), "no {part}:\n{body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_is_its_owners_and_others_need_rank_and_a_reason() {
    let mut world = World::with(PLACES).await;
    let pull = pull(&world).await;
    for (login, role) in [("bob", Role::Write), ("mia", Role::Maintain), ("rex", Role::Read)] {
        world.shop.set_role(login, role);
    }
    has(&answer(&world, pull, "rex", "/lock staging").await, &["not_allowed", "needs the role write"]);
    has(&answer(&world, pull, "ann", "/lock stagin").await, &["unknown_environment", "staging, production"]);
    has(&answer(&world, pull, "ann", "/lock staging --for soon").await, &["command_misused", "30m"]);
    assert_eq!(holds(&world).await, [] as [Value; 0]);
    let locked = answer(&world, pull, "ann", "/lock staging --reason \"move @all\" --for 2h").await;
    has(&locked, &["🔒 **staging** is closed", "by a lock of ann until", "move @\u{200d}all", "`/unlock staging`"]);
    let open = holds(&world).await;
    assert_eq!((open.len(), &open[0]["what"], &open[0]["owner"]["login"]), (1, &Value::Null, &"ann".into()));
    has(&answer(&world, pull, "bob", "/unlock staging --reason done").await, &["not_allowed", "Ask ann"]);
    has(&answer(&world, pull, "mia", "/unlock staging").await, &["reason_missing", "`/unlock staging --reason \"…\"`"]);
    assert_eq!(holds(&world).await.len(), 1);
    has(&answer(&world, pull, "mia", "/unlock staging --reason done").await, &["🔓 **staging** is open"]);
    has(&answer(&world, pull, "ann", "/unlock staging").await, &["not_locked"]);
    answer(&world, pull, "ann", "/lock production").await;
    has(&answer(&world, pull, "ann", "/unlock production").await, &["🔓 **production** is open"]);
    assert_eq!(holds(&world).await, [] as [Value; 0]);
    let told: Vec<(String, String, String)> = (world.audit().await.into_iter())
        .filter(|row| row.door == "comment" && row.action.ends_with("lock") && row.decision == "accepted")
        .map(|row| (row.actor.login, row.action, row.detail["environment"].as_str().unwrap_or_default().to_owned()))
        .collect();
    let row = |who: &str, what: &str, place: &str| (who.to_owned(), what.to_owned(), place.to_owned());
    let expected = [
        row("ann", "unlock", "production"),
        row("ann", "lock", "production"),
        row("mia", "unlock", "staging"),
        row("ann", "lock", "staging"),
    ];
    assert_eq!(told, expected);
    world.finish().await;
}

/// As a crash between the act and the record of its answer leaves it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_done_before_a_crash_is_not_done_again() {
    let mut world = World::with(PLACES).await;
    let pull = pull(&world).await;
    answer(&world, pull, "ann", "/lock staging --reason x").await;
    world.quiet().await;
    world.stop().await;
    let file = rusqlite::Connection::open(world.data_dir().join("lockkeeper.db")).unwrap();
    file.execute_batch(
        "UPDATE runs SET state = 'active', outcome = NULL WHERE workflow = 'comment';
         UPDATE steps SET state = 'pending', result = NULL, finished_at = NULL WHERE name = 'act.0';",
    )
    .unwrap();
    drop(file);
    world.boot().await;
    world.quiet().await;
    assert_eq!(holds(&world).await.len(), 1, "it was locked once more");
    assert_eq!(replies(&world).len(), 1);
    let locks = world.audit().await.into_iter().filter(|row| row.action == "lock").count();
    assert_eq!(locks, 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_is_steered_by_its_place() {
    let world = World::with(PLACES).await;
    let pull = pull(&world).await;
    has(&answer(&world, pull, "ann", "/abort").await, &["nothing_goes_on", "`/status`"]);
    let sha = world.commit("feat: more");
    let made = world.deployment("staging", "in_progress").await;
    assert_eq!(made.sha, sha);
    has(&answer(&world, pull, "ann", "/abort production").await, &["nothing_goes_on", "`staging`"]);
    has(&answer(&world, pull, "rex", "/abort").await, &["not_allowed"]);
    has(&answer(&world, pull, "ann", "/pause").await, &["nothing_to_pause"]);
    world.shop.set_role("ann", Role::Maintain);
    has(&answer(&world, pull, "ann", "/abort staging --reason \"it smells\"").await, &["⏹️", "**staging**"]);
    let check = world.check(&sha, "lockkeeper/staging", "cancelled").await;
    assert!(check.title.is_some_and(|title| title.contains("ann asked for it: it smells")));
    world.finish().await;
}

/// Nobody steers what began after they wrote.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_began_after_the_comment_is_not_meant() {
    let mut world = World::with(PLACES).await;
    let pull = pull(&world).await;
    world.jump(std::time::Duration::from_secs(300));
    world.commit("feat: more");
    let made = world.deployment("staging", "in_progress").await;
    for command in ["/abort", "/abort staging", "/promote", "/pause staging"] {
        has(&answer(&world, pull, "ann", command).await, &["nothing_goes_on"]);
    }
    let run = world.runs("deploy").await.remove(0).id;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    world.check(&made.sha, "lockkeeper/staging", "success").await;
    has(&answer(&world, pull, "ann", &format!("/abort {run}")).await, &["nothing_goes_on"]);
    let refused = world.audit().await.into_iter().filter(|row| row.decision == "refused:nothing_goes_on");
    assert_eq!(refused.filter(|row| row.door == "comment" && row.action == "control").count(), 5);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_tells_what_waits_and_what_was_refused() {
    let world = World::with(PLACES).await;
    let pull = pull(&world).await;
    has(&answer(&world, pull, "rex", "/why").await, &["not_allowed"]);
    world.shop.set_role("rex", Role::Read);
    has(&answer(&world, pull, "rex", "/why").await, &["Nothing waits"]);
    has(&answer(&world, pull, "rex", "/why nowhere").await, &["nothing_like_it", "`/status`"]);
    let sha = world.shop.commit("main", lockkeeper::sandbox::CommitSeed::new("feat: more")).unwrap();
    world.waiting(&sha, "lockkeeper/staging").await;
    let body = answer(&world, pull, "rex", "/why staging").await;
    has(&body, &["**deploy** of", sha.short(), "it waits for checks: ", "| **checks** | ⏳ waiting |"]);
    world.green(&sha);
    let made = world.deployment("staging", "in_progress").await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "failure").description("no room")).unwrap();
    world.check(&sha, "lockkeeper/staging", "failure").await;
    has(&answer(&world, pull, "rex", "/why").await, &["ended at", "no room", "target_failed"]);
    let body = answer(&world, pull, "ann", "/validate production").await;
    has(&body, &["may go to **production**", "Nothing was moved.", "| **checks** | ✅ passed |"]);
    world.finish().await;
}
