//! Clients that others have written, against the shipped server. `tests/run` installs them and names where they are; without
//! that nothing is run.

use super::{Agent, key};
use crate::world::{Setup, World};
use std::path::{Path, PathBuf};

const CONFIG: &str = "[environments.staging]\non = [\"manual\"]\ntarget = \"cluster\"\nagents = \"allow\"\n\n\
                      [targets.cluster]\nkind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n";

fn installed(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).filter(|path| path.exists())
}

async fn world() -> (World, Agent) {
    let world = Setup::new().config(CONFIG).start().await;
    let (_, good) = key(&world, "read,plan,validate,deploy,rollback,control,publish,lock", "staging").await;
    let agent = Agent::at(&world, &good);
    (world, agent)
}

/// Its text when it ends well; the address of the world is no proxy's business.
async fn run(program: &Path, arguments: &[&str]) -> String {
    let mut command = tokio::process::Command::new(program);
    let run = command.args(arguments).env("NO_PROXY", "127.0.0.1").kill_on_drop(true).output().await.unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{arguments:?}: {text}");
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_inspector_has_nothing_to_warn_of() {
    let Some(folder) = installed("LOCKKEEPER_MCP_CONFORMANCE") else { return };
    let (world, agent) = world().await;
    let (node, inspector) = (folder.join("node_modules/node/bin/node"), folder.join("node_modules/.bin/mcp-inspector"));
    let (inspector, header) = (inspector.to_str().unwrap(), format!("Authorization: Bearer {}", agent.key));
    let data_dir = world.data_dir();
    for era in ["legacy", "modern"] {
        let url = [inspector, "--cli", &agent.url, "--header", &header, "--protocol-era", era];
        let told = run(&node, &[&url[..], &["--method", "tools/list", "--strict"]].concat()).await;
        assert!(told.contains("plan_deployment") && !told.to_lowercase().contains("warning"), "{told}");
        let status = ["--method", "tools/call", "--tool-name", "get_status", "--tool-arg", "repo=acme/shop"];
        assert!(run(&node, &[&url[..], &status].concat()).await.contains("acme/shop"));
    }
    let variable = format!("LOCKKEEPER_KEY={}", agent.key);
    let program = [env!("CARGO_BIN_EXE_lockkeeper"), "mcp", "--data-dir", data_dir.to_str().unwrap()];
    let stdio = [&[inspector, "--cli", "-e", &variable][..], &program, &["--method", "tools/list", "--strict"]].concat();
    assert!(run(&node, &stdio).await.contains("plan_deployment"));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_in_python_plan_and_are_refused() {
    let Some(python) = installed("LOCKKEEPER_MCP_PYTHON") else { return };
    let (world, agent) = world().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/contract/mcp_clients.py");
    let data_dir = world.data_dir();
    let told =
        run(&python, &[script, &agent.url, &agent.key, env!("CARGO_BIN_EXE_lockkeeper"), data_dir.to_str().unwrap()]).await;
    for client in ["mcp http auto ok", "mcp http legacy ok", "mcp stdio ok", "fastmcp ok"] {
        assert!(told.contains(client), "{told}");
    }
    world.finish().await;
}
