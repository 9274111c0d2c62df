//! `lockkeeper mcp`, over standard input and output.

use super::{LEGACY, MODERN, key};
use crate::world::{Setup, World};
use rmcp::model::{CallToolRequestParams, ClientCapabilities, ClientConfig, Implementation, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt};
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

const CONFIG: &str = "[environments.staging]\non = [\"manual\"]\ntarget = \"cluster\"\nagents = \"allow\"\n\n\
                      [targets.cluster]\nkind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n";

fn started(world: &World, key: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockkeeper"));
    command.env_clear().env("LOCKKEEPER_KEY", key).args(["mcp", "--data-dir"]).arg(world.data_dir());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap()
}

/// Line by line, as a client of a new protocol.
struct Wire {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Wire {
    fn of(mut child: Child) -> Self {
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, output: BufReader::new(output).lines() }
    }
    async fn say(&mut self, line: &str) -> Value {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        serde_json::from_str(&self.output.next_line().await.unwrap().unwrap()).unwrap()
    }
    async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let meta =
            json!({ "io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {} });
        let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
        let answer =
            self.say(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string()).await;
        answer["result"]["structuredContent"].clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_and_new_clients_reach_the_running_server() {
    let world = Setup::new().config(CONFIG).start().await;
    let (_, good) = key(&world, "read,plan", "staging").await;
    for modern in [true, false] {
        let mode = match modern {
            true => ClientLifecycleMode::Auto { preferred_versions: vec![ProtocolVersion::V_2026_07_28], legacy_version: None },
            false => ClientLifecycleMode::Initialize,
        };
        let mut child = started(&world, &good);
        let wire = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
        let client = ClientConfig::new(ClientCapabilities::default(), Implementation::new("tests", "1"));
        let client = client.serve_with_lifecycle(wire, mode).await.unwrap();
        let tools = client.list_all_tools().await.unwrap();
        assert!(tools.iter().any(|tool| tool.name == "plan_deployment") && tools.iter().all(|t| t.name != "lock_environment"));
        let ask = json!({ "repo": "acme/shop", "environment": "staging" });
        let ask = CallToolRequestParams::new("plan_deployment").with_arguments(ask.as_object().cloned().unwrap());
        let answer = client.call_tool(ask).await.unwrap().structured_content.unwrap();
        assert_eq!(answer["outcome"], "planned", "{answer}");
        client.cancel().await.unwrap();
        assert!(child.wait().await.unwrap().success());
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_server_the_store_answers_what_it_can() {
    let mut world = Setup::new().config(CONFIG).start().await;
    let (_, good) = key(&world, "read,plan", "staging").await;
    let mut wire = Wire::of(started(&world, &good));
    let (status, plan) = (json!({ "repo": "acme/shop" }), json!({ "repo": "acme/shop", "environment": "staging" }));
    assert_eq!(wire.call("plan_deployment", plan.clone()).await["outcome"], "planned");
    world.quiet().await;
    world.stop().await;
    let told = wire.call("get_status", status.clone()).await;
    assert_eq!((&told["outcome"], &told["status"]["repository"]), (&json!("succeeded"), &json!("acme/shop")), "{told}");
    let told = wire.call("plan_deployment", plan.clone()).await;
    assert_eq!(
        (&told["refusal"]["code"], &told["refusal"]["cause"]),
        (&json!("upstream_unavailable"), &json!("server_not_running"))
    );
    // The store was let go of, so a server can start while the client is there.
    world.boot().await;
    assert_eq!(wire.call("plan_deployment", plan).await["outcome"], "planned");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_message_and_who_has_no_key_is_told_so() {
    let world = Setup::new().config(CONFIG).start().await;
    let none = started(&world, "").wait_with_output().await.unwrap();
    assert_eq!((none.status.code(), none.stdout.len()), (Some(2), 0));
    assert!(String::from_utf8_lossy(&none.stderr).contains("LOCKKEEPER_KEY"));
    let mut wire = Wire::of(started(&world, "lk_k0_0"));
    assert_eq!(wire.say("{").await["error"]["code"], -32700);
    assert_eq!(wire.say("[]").await["error"]["code"], -32600);
    assert_eq!(wire.say(&format!("\"{}\"", "x".repeat(300 << 10))).await["error"]["code"], -32700);
    // The rest of the long line is none either.
    let _rest = wire.output.next_line().await.unwrap();
    let hello = json!({ "jsonrpc": "2.0", "id": 4, "method": "initialize", "params": { "protocolVersion": LEGACY } });
    let refused = wire.say(&hello.to_string()).await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(4), &json!(401)), "{refused}");
    assert!(refused["error"]["message"].as_str().unwrap().contains("key_invalid"));
    drop(wire.input);
    assert!(wire.child.wait().await.unwrap().success());
    world.finish().await;
}
