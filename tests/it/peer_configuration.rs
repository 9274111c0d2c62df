//! Configuration that a peer supplies: part of what is planned, looked at again when it is the run's turn, given to the target.

use crate::approvals::{identifier, press};
use crate::deployer::{Deployer, HOOK_SECRET};
use crate::mcp::Agent;
use crate::peer::{Answer, CREDENTIAL, Peer};
use crate::process::{Process, SECRET};
use crate::world::{Setup, World};
use lockkeeper::domain::{Role, Sha};
use lockkeeper::sandbox::{CommitSeed, Deployment, DeploymentReport, RepoHandle, RepoSeed, Sandbox, SandboxConfig};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::task::block_in_place;

const PRODUCTION: &str = "lockkeeper/production";

async fn shop(peer: &Peer) -> World {
    shop_with(peer, "").await
}

async fn shop_with(peer: &Peer, more: &str) -> World {
    let config = "[release]\ngates = [{ kind = \"tag\" }]\n\n[environments.production]\non = [\"tag\"]\ntarget = \"cluster\"\n\
                  gates = []\nMORE\nconfiguration = { peer = \"configuration\", tool = \"scan\", \
                  arguments = { name = \"{{ environment }}\", of = \"{{ repository }}\" } }\n\n\
                  [targets.cluster]\nkind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n";
    let mut setup = Setup::new().config(&config.replace("MORE", more));
    setup.resources.peers.insert("configuration".into(), peer.settings().await);
    setup.start().await
}

fn supplied(replicas: u32) -> Value {
    json!({ "values": { "replicas": replicas, "log": "info" }, "secrets": { "db": "vault:shop/db" } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_goes_to_the_target_and_is_asked_for_twice() {
    let peer = Peer::start(Answer::Structured(supplied(3))).await;
    let world = shop(&peer).await;
    world.shop.tag("v1.1.0", &world.head()).unwrap();
    let made = world.deployment("production", "in_progress").await;
    let given = made.payload["configuration"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(given).unwrap(), supplied(3));
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    world.check(&world.head(), PRODUCTION, "success").await;
    let asked = json!({ "name": "production", "of": "acme/shop" });
    assert_eq!(peer.calls(), [asked.clone(), asked]);
    world.finish().await;
}

/// Live in production, to its end.
async fn live(world: &World, tag: &str, sha: &Sha) {
    world.shop.tag(tag, sha).unwrap();
    reported(world, sha, "deploy").await;
    world.check(sha, PRODUCTION, "success").await;
    world.quiet().await;
}

async fn reported(world: &World, sha: &Sha, task: &str) -> Value {
    let going = |d: &Deployment| d.sha == *sha && d.task == task && d.state() == "in_progress";
    let made = world.until("its deployment", |shop| shop.deployments().into_iter().find(going)).await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    serde_json::from_str(made.payload["configuration"].as_str().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_agree_to_the_plan_with_what_was_supplied() {
    let peer = Peer::start(Answer::Structured(supplied(3))).await;
    let world = shop_with(&peer, "approvals = { count = 1 }").await;
    world.shop.set_role("ann", Role::Write);
    world.shop.tag("v1.1.0", &world.head()).unwrap();
    let check = world.check(&world.head(), PRODUCTION, "action_required").await;
    assert_eq!(press(&world, &check, &identifier(&check, "approve"), "ann").await, None);
    assert_eq!(reported(&world, &world.head(), "deploy").await, supplied(3));
    world.check(&world.head(), PRODUCTION, "success").await;
    let next = world.commit("feat: more");
    world.shop.tag("v1.2.0", &next).unwrap();
    let check = world.check(&next, PRODUCTION, "action_required").await;
    assert_eq!(press(&world, &check, &identifier(&check, "reject"), "ann").await, None);
    world.refused(&next, PRODUCTION, "failure", "approval_rejected").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_back_goes_by_what_was_supplied_last_where_nobody_answers() {
    let peer = Peer::start(Answer::Structured(supplied(3))).await;
    let world = shop(&peer).await;
    let first = world.head();
    live(&world, "v1.1.0", &first).await;
    peer.now_says(Answer::Structured(supplied(5)));
    live(&world, "v1.2.0", &world.commit("feat: more")).await;
    peer.now_says(Answer::Status(500));
    let asks = ["rollback", "production", "--repo", "acme/shop", "--reason", "slow"];
    let ((code, said, problem), given) = tokio::join!(world.command_told(&asks), reported(&world, &first, "rollback"));
    assert_eq!((code, given), (0, supplied(5)), "{said}{problem}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drift_between_plan_and_turn_is_named_without_its_values() {
    let peer = Peer::start(Answer::Changes(supplied(3), supplied(47))).await;
    let world = shop(&peer).await;
    world.shop.tag("v1.1.0", &world.head()).unwrap();
    let summary = world.refused(&world.head(), PRODUCTION, "failure", "plan_stale").await.summary.unwrap_or_default();
    assert!(summary.contains("values.replicas") && !summary.contains("values.log") && !summary.contains("47"), "{summary}");
    assert!(world.shop.deployments().is_empty());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_table_or_too_large_is_not_used() {
    let wide: Value = (0..300).map(|n| (format!("k{n}"), json!(n))).collect::<serde_json::Map<_, _>>().into();
    for answer in [json!([1]), json!({ "big": "x".repeat(40 << 10) }), wide] {
        let peer = Peer::start(Answer::Structured(answer)).await;
        let world = shop(&peer).await;
        world.shop.tag("v1.1.0", &world.head()).unwrap();
        world.refused(&world.head(), PRODUCTION, "failure", "configuration_unusable").await;
        assert!(world.shop.deployments().is_empty());
        world.finish().await;
    }
}

/// Over the agents' door it is told when the plan is to be done, and nothing is begun.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_hears_by_name_what_has_changed_since_its_plan() {
    let peer = Peer::start(Answer::Structured(supplied(3))).await;
    let world = shop_with(&peer, "agents = \"allow\"").await;
    let agent = Agent::at(&world, &crate::mcp::key(&world, "plan,deploy", "production").await.1);
    let sha = world.head();
    let plan = json!({ "repo": "acme/shop", "environment": "production", "ref": sha.as_str() });
    let digest = agent.call("plan_deployment", plan.clone()).await.told()["plan"]["digest"].clone();
    peer.now_says(Answer::Structured(
        json!({ "values": { "replicas": 4747, "log": "info" }, "secrets": { "db": "vault:other" } }),
    ));
    let apply = |digest: &Value, key: &str| json!({ "plan_digest": digest, "idempotency_key": key, "reason": "it is time" });
    let answer = agent.call("deploy_to_environment", apply(&digest, "one")).await;
    let changed = answer.refused("plan_stale")["changed"].as_array().unwrap();
    let text = changed.iter().map(|one| one.as_str().unwrap()).collect::<Vec<_>>().join("; ");
    assert_eq!(text, "the configuration is another one: `secrets.db`, `values.replicas`");
    assert!(!answer.body.to_string().contains("4747") && !answer.body.to_string().contains("vault:"), "{}", answer.body);
    assert!(world.shop.deployments().is_empty() && world.runs("deploy").await.is_empty());
    let digest = agent.call("plan_deployment", plan).await.told()["plan"]["digest"].clone();
    let deploys = agent.call("deploy_to_environment", apply(&digest, "two"));
    let (answer, given) = tokio::join!(deploys, reported(&world, &sha, "deploy"));
    assert_eq!(
        (&answer.told()["outcome"], &given["values"]["replicas"]),
        (&json!("accepted"), &json!(4747)),
        "{}",
        answer.body
    );
    world.quiet().await;
    world.finish().await;
}

const WORKFLOW: &str = "on:\n  workflow_dispatch:\n    inputs:\n      configuration:\n        required: true\n";
const TARGETS: &str = r#"
[release]
gates = [{ kind = "tag" }]

[environments.actions]
on = ["tag"]
target = "actions"
gates = []
configuration = { peer = "configuration", tool = "scan" }

[environments.hooked]
on = ["tag"]
target = "hooked"
gates = []
configuration = { peer = "configuration", tool = "scan" }

[environments.shell]
on = ["tag"]
target = "shell"
gates = []
configuration = { peer = "configuration", tool = "scan" }

[targets.actions]
kind = "workflow"
workflow = "deploy.yml"

[targets.hooked]
kind = "http"
hook = "deployer"

[targets.shell]
kind = "command"
command = "deploy"
"#;
/// What stands behind the reference, which the target alone can look up.
const BEHIND: &str = "correct horse battery staple";

async fn seen<T>(process: &Process, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(40), "it is not there\n{}", process.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// All that GitHub shows of it.
fn shown(shop: &RepoHandle) -> String {
    format!("{:?} {:?} {:?} {:?}", shop.check_runs(), shop.deployments(), shop.releases(), shop.runs())
}

/// Where a secret is found is all that is told of one, and kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workflow_a_hook_and_a_command_get_it_and_no_secret_goes_elsewhere() {
    let (peer, deployer) = (Peer::start(Answer::Structured(supplied(3))).await, Deployer::start().await);
    deployer.obeys();
    let github = Sandbox::start(SandboxConfig::default()).unwrap();
    let first = CommitSeed::new("feat: begin").tagged("v1.0.0").file(".github/lockkeeper.toml", TARGETS);
    let first = first.file(".github/workflows/deploy.yml", WORKFLOW);
    let shop = github.create_repo(RepoSeed::new("acme/shop").commit(first).commit(CommitSeed::new("fix: it"))).unwrap();
    let mut process = Process::of(&github);
    process.set("PEER", CREDENTIAL);
    process.set("LOCKKEEPER_LOG", "debug");
    let given = process.data_dir().with_file_name("given.json");
    let pin = &peer.settings().await.tools["scan"];
    process.settings(&format!(
        "[peers.configuration]\nurl = \"{}\"\ncredential = {{ env = \"PEER\" }}\ntools = {{ scan = \"{pin}\" }}\n\
         repositories = [\"**\"]\n[hooks.deployer]\nurl = \"{}/deploy\"\nsecret = \"{HOOK_SECRET}\"\nrepositories = [\"**\"]\n\
         [commands.deploy]\nrun = [\"/bin/sh\", \"-c\", 'printf %s \"$LOCKKEEPER_CONFIGURATION\" > {}; echo \"found $BEHIND\"']\n\
         env = {{ BEHIND = \"{BEHIND}\" }}\nrepositories = [\"**\"]\n",
        peer.url(),
        deployer.url,
        given.display()
    ));
    github.set_webhook(&process.webhook(), SECRET);
    block_in_place(|| process.start());
    let sha = shop.resolve("main").unwrap();
    shop.check("github-actions", &sha, "build", "success").unwrap();
    shop.tag("v1.1.0", &sha).unwrap();
    let run = seen(&process, || shop.runs().into_iter().next()).await;
    let input = run.inputs["configuration"].as_str().unwrap_or_else(|| panic!("{run:?}"));
    assert_eq!(serde_json::from_str::<Value>(input).unwrap(), supplied(3));
    shop.move_run(run.id, Some("success")).unwrap();
    let errand = deployer.errand("bring_up").await;
    assert_eq!(errand.body["configuration"], supplied(3), "{errand:?}");
    for environment in ["actions", "hooked", "shell"] {
        let name = format!("lockkeeper/{environment}");
        let check = seen(&process, || shop.newest_check(&sha, &name).filter(|check| check.conclusion.is_some())).await;
        assert_eq!(check.conclusion.as_deref(), Some("success"), "{check:?}");
    }
    let written = std::fs::read_to_string(given).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), supplied(3));

    let audit = process.tell(&["audit", "export"]).stdout;
    block_in_place(|| process.kill());
    let mut kept = process.whole_log().into_bytes();
    kept.extend(audit);
    for file in std::fs::read_dir(process.data_dir()).unwrap() {
        kept.extend(std::fs::read(file.unwrap().path()).unwrap_or_default());
    }
    let kept = format!("{} {}", String::from_utf8_lossy(&kept), shown(&shop));
    assert!(kept.contains("vault:shop/db") && kept.contains("found ***"), "what is kept was looked through\n{}", process.log());
    for secret in [CREDENTIAL, HOOK_SECRET, BEHIND] {
        assert!(!kept.contains(secret), "{secret} is kept, logged or shown");
    }
}
