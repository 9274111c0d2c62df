//! The official conformance suite against the shipped server. It sends no key, so a small door before ours puts one on each
//! request and passes everything else through as it came.
//!
//! The suite's other scenarios need tools, prompts and resources of fixed names, which no server of a product has: the files
//! in `tests/contract` list them, and an entry that passes is an error too. `tests/run` installs the suite and names its folder
//! in `LOCKKEEPER_MCP_CONFORMANCE`; without it nothing is run.

use super::{Agent, key};
use crate::world::Setup;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use std::path::Path;

const CONFIG: &str = "[environments.staging]\non = [\"manual\"]\ntarget = \"cluster\"\nagents = \"allow\"\n\n\
                      [targets.cluster]\nkind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n";

/// (client, URL, key)
type Door = (reqwest::Client, String, String);

async fn with_key(State((http, url, key)): State<Door>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let mut passed = http.request(parts.method, &url).body(body).bearer_auth(key);
    for (name, value) in parts.headers.iter().filter(|(name, _)| *name != "content-length" && *name != "authorization") {
        passed = passed.header(name, value);
    }
    let answer = passed.send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = Body::from_stream(answer.bytes_stream()).into_response();
    *response.status_mut() = status;
    for (name, value) in headers.iter().filter(|(name, _)| *name != "transfer-encoding" && *name != "content-length") {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

async fn passes(revision: &str) {
    let Some(folder) = std::env::var_os("LOCKKEEPER_MCP_CONFORMANCE").filter(|folder| Path::new(folder).exists()) else {
        return;
    };
    let modules = Path::new(&folder).join("node_modules");
    let world = Setup::new().config(CONFIG).start().await;
    let (_, good) = key(&world, "read,plan,validate,deploy,rollback,control,publish,lock", "staging").await;
    let agent = Agent::at(&world, &good);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let door = Router::new().fallback(with_key).with_state((http, agent.url, good));
    let served = tokio::spawn(axum::serve(listener, door).into_future());
    let results = tempfile::tempdir().unwrap();
    let expected = format!("{}/tests/contract/mcp-{revision}.yml", env!("CARGO_MANIFEST_DIR"));
    let mut suite = tokio::process::Command::new(modules.join("node/bin/node"));
    suite.arg(modules.join("@modelcontextprotocol/conformance/dist/index.js"));
    suite
        .args(["server", "--url", &url, "--requirements", revision, "--expected-failures", &expected, "-o"])
        .arg(results.path());
    let run = suite.kill_on_drop(true).output().await.unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{text}");
    assert!(text.contains("server-stateless") || text.contains("server-initialize"), "{text}");
    served.abort();
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_of_2026_07_28_finds_nothing_new() {
    passes("2026-07-28").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_of_2025_11_25_finds_nothing_new() {
    passes("2025-11-25").await;
}
