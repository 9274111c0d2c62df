//! The examples of peers, as they are built: each does what it is for, and the scanner is a real one.

use crate::world::Setup;
use lockkeeper::config::settings::{PeerAddress, PeerProcess, PeerSettings, Repositories};
use lockkeeper::domain::Sha;
use lockkeeper::peers::{PeerTrouble, Peers, Said};
use lockkeeper::sandbox::{CommitSeed, DeploymentReport};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

const PRODUCTION: &str = "lockkeeper/production";

/// As a process, with all of its tools pinned.
async fn example(name: &str, arguments: &[&str]) -> PeerSettings {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().and_then(Path::parent).unwrap().join("examples").join(name);
    let run = std::iter::once(program.to_str().unwrap()).chain(arguments.iter().copied()).map(str::to_owned).collect();
    let path = std::env::var("PATH").unwrap_or_default();
    let env = [("PATH".to_owned(), path.as_str().into())].into();
    let mut settings = PeerSettings {
        at: PeerAddress::Process(PeerProcess { run, env }),
        tools: [].into(),
        timeout: Duration::from_secs(60),
        max_bytes: 64 << 10,
        credential: None,
        repositories: Repositories(vec!["**".into()]),
    };
    let defined = one(settings.clone()).tools("it").await.unwrap();
    settings.tools = defined.into_iter().map(|tool| (tool.tool, tool.digest.unwrap())).collect();
    settings
}

fn one(settings: PeerSettings) -> Peers {
    Peers::new(&[("it".to_owned(), settings)].into()).unwrap()
}

async fn called(settings: &PeerSettings, tool: &str, arguments: Value) -> Result<Said, PeerTrouble> {
    one(settings.clone()).call("it", tool, arguments.as_object().unwrap().clone()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_one_for_testing_runs_a_suite_and_nothing_that_a_caller_says() {
    let script = "echo \"about $TEST_REF\"; [ \"$TEST_REF\" = good ]";
    let peer = example("peer-testing", &["/bin/sh", "-c", script]).await;
    let good = called(&peer, "run_suite", json!({ "ref": "good" })).await.unwrap().result;
    assert_eq!((&good["passed"], &good["output"]), (&json!(true), &json!("about good\n")));
    let hostile = called(&peer, "run_suite", json!({ "ref": "$(touch /tmp/it-was-run); exit 0" })).await.unwrap().result;
    assert_eq!((&hostile["passed"], &hostile["output"]), (&json!(false), &json!("about $(touch /tmp/it-was-run); exit 0\n")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_one_for_configuration_serves_a_branch_and_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let who = ["-c", "user.name=ann", "-c", "user.email=ann@example.com"];
        let done = std::process::Command::new("git").arg("-C").arg(folder.path()).args(who).args(arguments).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    git(&["init", "-q", "-b", "main"]);
    std::fs::create_dir(folder.path().join("environments")).unwrap();
    let file = |name: &str, text: &str| std::fs::write(folder.path().join("environments").join(name), text).unwrap();
    file("production.json", r#"{ "values": { "replicas": 3 }, "secrets": { "db": "vault:shop/db" } }"#);
    file("wrong.json", r#"{ "password": "hunter2" }"#);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "feat: begin"]);
    file("production.json", r#"{ "values": { "replicas": 4 } }"#);
    let peer = example("peer-configuration", &[folder.path().to_str().unwrap(), "main"]).await;
    let found = called(&peer, "environment", json!({ "name": "production" })).await.unwrap().result;
    assert_eq!(found, json!({ "values": { "replicas": 3 }, "secrets": { "db": "vault:shop/db" } }), "what is committed counts");
    for name in ["staging", "../environments/production", "wrong", "--output=x"] {
        let refused = called(&peer, "environment", json!({ "name": name })).await.unwrap_err();
        assert!(!refused.reason.contains("hunter2"), "{refused:?}");
    }
}

/// A finding of a real scanner in the code of the very commit holds its tag.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_one_for_security_holds_what_it_finds_until_it_is_mended() {
    let Some(scanner) = std::env::var_os("LOCKKEEPER_SCANNER").map(PathBuf::from).filter(|scanner| scanner.is_file()) else {
        return;
    };
    let config = "[release]\ngates = [{ kind = \"tag\" }]\n\n[environments.production]\non = [\"tag\"]\ntarget = \"cluster\"\n\
                  gates = [{ kind = \"peer\", peer = \"security\", tool = \"scan\", expect = \"result.high == 0\", \
                  arguments = { ref = \"{{ sha }}\" } }]\n\n\
                  [targets.cluster]\nkind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n";
    let mut world = Setup::new().config(config).github_only();
    let repository = world.shop.git_dir();
    let peer = example("peer-security", &[scanner.to_str().unwrap(), repository.to_str().unwrap()]).await;
    world.lend_peer("security", peer);
    world.boot().await;
    world.baseline().await;
    let code = |call: &str| CommitSeed::new("feat: run it").file("run.py", &format!("import subprocess\n{call}\n"));
    let unsafe_one: Sha = world.commit_with(code("subprocess.call(input(), shell=True)"));
    world.shop.tag("v1.1.0", &unsafe_one).unwrap();
    world.refused(&unsafe_one, PRODUCTION, "failure", "peer_not_as_expected").await;
    let mended = world.commit_with(code("subprocess.call([\"/bin/true\"])"));
    world.shop.tag("v1.1.1", &mended).unwrap();
    let made = world.deployment("production", "in_progress").await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    world.check(&mended, PRODUCTION, "success").await;
    world.finish().await;
}
