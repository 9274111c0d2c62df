//! What agents may do by themselves in an environment, and the gates that people may open.

use crate::keys::{brought_up, key, remote};
use crate::world::{Setup, World};
use lockkeeper::config::repo::CONFIG_PATH;
use lockkeeper::sandbox::CommitSeed;

const STAGING: &str = "lockkeeper/staging";

fn config(more: &str) -> String {
    let target = "[targets.cluster]\nkind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n";
    format!("[environments.staging]\ntarget = \"cluster\"\n{more}\n\n{target}")
}

/// The run that an answer of `--detach` names.
pub fn run_of(said: &str) -> String {
    let line = said.lines().find(|line| line.starts_with("run")).unwrap_or_else(|| panic!("no run in {said}"));
    line.split_whitespace().nth(1).unwrap().to_owned()
}

async fn abort(world: &World, said: &str) {
    let (code, _, problem) = world.command_told(&["abort", &run_of(said)]).await;
    assert_eq!(code, 0, "{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_asks_and_a_person_decides_where_nothing_else_is_said() {
    let world = Setup::new().config(&config("")).start().await;
    let (_, key) = key(&world, "ci", "deploy,plan,rollback", "staging").await;
    let sha = world.head();
    let ask = ["deploy", "staging", "--repo", "acme/shop", "--ref", sha.as_str()];
    let (code, said, _) = remote(&world, &key, &[&ask[..], &["--dry-run"]].concat()).await;
    assert!(code == 1 && said.contains("Waits for approval of one of those who may deploy here"), "{said}");
    let (code, said, problem) = remote(&world, &key, &[&ask[..], &["--detach"]].concat()).await;
    assert_eq!(code, 0, "{problem}");
    let check = world.check(&sha, STAGING, "action_required").await;
    let summary = check.summary.unwrap_or_default();
    assert!(summary.contains("**approvals** | ⏳ waiting") && summary.contains("the button of the check run"), "{summary}");
    assert_eq!(world.shop.deployments().len(), 0);
    abort(&world, &said).await;
    world.check(&sha, STAGING, "cancelled").await;
    // A person needs nobody.
    let (told, ()) = tokio::join!(world.command_told(&ask), brought_up(&world, &sha, "deploy"));
    assert_eq!(told.0, 0, "{told:?}");
    // It is about who asks, so it holds for an agent's way back too.
    let older = world.shop.resolve("v1.0.0").unwrap();
    let newer = world.commit("fix: more");
    let again = ["deploy", "staging", "--repo", "acme/shop", "--ref", newer.as_str()];
    let (told, ()) = tokio::join!(world.command_told(&again), brought_up(&world, &newer, "deploy"));
    assert_eq!(told.0, 0, "{told:?}");
    let back = ["rollback", "staging", "--repo", "acme/shop", "--reason", "slow", "--detach"];
    let (code, said, problem) = remote(&world, &key, &back).await;
    assert_eq!(code, 0, "{problem}");
    world.check(&sha, STAGING, "action_required").await;
    abort(&world, &said).await;
    world.check(&sha, STAGING, "cancelled").await;
    assert!(world.shop.deployments().iter().all(|d| d.sha != older && d.task == "deploy"));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_denied_deploys_and_rolls_back_nothing() {
    let mut world = Setup::new().config(&config("agents = \"deny\"")).start().await;
    let (_, key) = key(&world, "ci", "deploy,plan,rollback", "staging").await;
    let (old, new) = (world.shop.resolve("v1.0.0").unwrap(), world.head());
    world.green(&old);
    let ask =
        |sha: &lockkeeper::domain::Sha| ["deploy", "staging", "--repo", "acme/shop", "--ref", sha.as_str()].map(str::to_owned);
    for sha in [&old, &new] {
        let ask = ask(sha);
        let ask: Vec<&str> = ask.iter().map(String::as_str).collect();
        for more in [&["--dry-run"][..], &["--detach"]] {
            let (code, _, problem) = remote(&world, &key, &[&ask[..], more].concat()).await;
            assert!(code == 1 && problem.contains("agents_denied"), "{problem}");
        }
        let (told, ()) = tokio::join!(world.command_told(&ask), brought_up(&world, sha, "deploy"));
        assert_eq!(told.0, 0, "a person deploys: {told:?}");
    }
    let back = ["rollback", "staging", "--repo", "acme/shop", "--reason", "slow"];
    let (code, _, problem) = remote(&world, &key, &back).await;
    assert!(code == 1 && problem.contains("agents_denied"), "{problem}");
    let rows = world.audit().await;
    let denied = rows.iter().filter(|row| row.decision == "refused:agents_denied" && row.actor.login.starts_with("key ci"));
    assert_eq!(denied.count(), 5);
    world.finish().await;
}

/// Nothing that is asked of a deployment holds up a way back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_back_is_not_held_up_by_gates_that_came_since() {
    let world = Setup::new().config(&config("")).start().await;
    let (old, new) = (world.shop.resolve("v1.0.0").unwrap(), world.head());
    world.green(&old);
    for sha in [&old, &new] {
        let ask = ["deploy", "staging", "--repo", "acme/shop", "--ref", sha.as_str()];
        let (told, ()) = tokio::join!(world.command_told(&ask), brought_up(&world, sha, "deploy"));
        assert_eq!(told.0, 0, "{told:?}");
    }
    let strict = "approvals = { count = 2 }\nwindows = [{ deny = \"Mon 00:00 - Sun 23:59\" }]\ngates = [{ kind = \"peer\", peer = \
                  \"security\", tool = \"scan\", expect = \"true\" }]";
    world.commit_with(CommitSeed::new("chore: be strict").file(CONFIG_PATH, &config(strict)));
    let back = ["rollback", "staging", "--repo", "acme/shop", "--reason", "slow"];
    let (told, ()) = tokio::join!(world.command_told(&back), brought_up(&world, &old, "rollback"));
    assert_eq!(told.0, 0, "{told:?}");
    world.finish().await;
}

const CLOSED: &str = "windows = [{ deny = \"Mon 00:00 - Sun 23:59\" }]";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_opens_a_closed_window_for_one_plan_and_says_why() {
    let mut world = Setup::new().config(&config(CLOSED)).start().await;
    let sha = world.head();
    let ask = ["deploy", "staging", "--repo", "acme/shop", "--ref", sha.as_str()];
    let (code, said, problem) = world.command_told(&[&ask[..], &["--detach"]].concat()).await;
    assert_eq!(code, 0, "{problem}");
    let run = run_of(&said);
    let waits = world.waiting(&sha, STAGING).await;
    assert!(waits.title.unwrap_or_default().starts_with("Deployments to staging are closed"));
    let open = [&ask[..], &["--override", "window"]].concat();
    for (more, exit, code) in [
        (vec![], 2, "--reason"),
        (vec!["--reason", " "], 2, "reason_missing"),
        (vec!["--reason", "x", "--override", "lock"], 2, "override"),
    ] {
        let (exited, _, problem) = world.command_told(&[&open[..], &more].concat()).await;
        assert!(exited == exit && problem.contains(code), "{more:?} {exited} {problem}");
    }
    let open = [&open[..], &["--reason", "a `fire` @all"]].concat();
    let (code, said, problem) = world.command_told(&[&open[..], &["--dry-run"]].concat()).await;
    assert!(code == 0 && said.contains("overrode the window"), "{said}{problem}");
    let (code, said, problem) = world.command_told(&[&open[..], &["--detach"]].concat()).await;
    assert!(code == 0 && run_of(&said) == run, "{said}{problem}");
    brought_up(&world, &sha, "deploy").await;
    let check = world.check(&sha, STAGING, "success").await;
    let summary = check.summary.unwrap_or_default();
    assert!(summary.contains("🔓 overridden") && summary.contains("operator (operator) overrode the window"), "{summary}");
    assert!(!summary.contains("@all"), "nobody is mentioned: {summary}");
    // It was for that plan: the next one waits again.
    let next = world.commit("fix: more");
    let ask = ["deploy", "staging", "--repo", "acme/shop", "--ref", next.as_str(), "--detach"];
    let (code, said, problem) = world.command_told(&ask).await;
    assert_eq!(code, 0, "{problem}");
    world.waiting(&next, STAGING).await;
    abort(&world, &said).await;
    let rows = world.audit().await;
    let row = rows.iter().find(|row| row.action == "override").expect("it is on record");
    assert_eq!((row.detail["gate"].as_str(), row.detail["role"].as_str()), (Some("window"), Some("operator")));
    assert_eq!((row.detail["reason"].as_str(), row.run.as_ref().map(ToString::to_string)), (Some("a `fire` @all"), Some(run)));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_opens_no_window() {
    let world = Setup::new().config(&config(&format!("{CLOSED}\nagents = \"allow\""))).start().await;
    let (_, key) = key(&world, "ci", "deploy,plan", "staging").await;
    let sha = world.head();
    let ask = ["deploy", "staging", "--repo", "acme/shop", "--ref", sha.as_str(), "--override", "window", "--reason", "x"];
    for more in [&["--dry-run"][..], &["--detach"]] {
        let (code, _, problem) = remote(&world, &key, &[&ask[..], more].concat()).await;
        assert!(code == 1 && problem.contains("override_not_allowed"), "{problem}");
    }
    world.quiet().await;
    assert_eq!(world.runs("deploy").await.len(), 0);
    world.finish().await;
}
