//! The official conformance suite against the shipped server. It sends no key, so a small door before ours puts one on each
//! request and passes everything else through as it came.
//!
//! The suite's other scenarios need tools, prompts and resources of fixed names, which no server of a product has: the files
//! in `tests/contract` list them, and an entry that passes is an error too. With those names added around the same core
//! ([`super::fixture`]) everything that a revision requires passes. `tests/run` installs the suite and names its folder
//! in `LOCKKEEPER_MCP_CONFORMANCE`; without it nothing is run.

use super::fixture::Fixture;
use super::{Agent, key};
use crate::world::Setup;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use lockkeeper::actions::access::{Caller, Rights};
use lockkeeper::domain::{Actor, ActorKind, Grant, RepoId, Scope, UserId};
use lockkeeper::store::Store;
use lockkeeper::surfaces::control::Desk;
use lockkeeper::surfaces::mcp::Agents;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

fn modules() -> Option<PathBuf> {
    let folder = std::env::var_os("LOCKKEEPER_MCP_CONFORMANCE").filter(|folder| Path::new(folder).exists());
    folder.map(|folder| Path::new(&folder).join("node_modules"))
}

/// What the suite says of the server there.
async fn judged(url: &str, revision: &str, expected: Option<&str>) -> String {
    let (modules, results) = (modules().unwrap(), tempfile::tempdir().unwrap());
    let mut suite = tokio::process::Command::new(modules.join("node/bin/node"));
    suite.arg(modules.join("@modelcontextprotocol/conformance/dist/index.js"));
    suite.args(["server", "--url", url, "--requirements", revision, "-o"]).arg(results.path());
    if let Some(expected) = expected {
        suite.args(["--expected-failures", expected]);
    }
    let run = suite.kill_on_drop(true).output().await.unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{text}");
    text
}

async fn passes(revision: &str) {
    if modules().is_none() {
        return;
    }
    let world = Setup::new().config(CONFIG).start().await;
    let (_, good) = key(&world, "read,plan,validate,deploy,rollback,control,publish,lock", "staging").await;
    let agent = Agent::at(&world, &good);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let door = Router::new().fallback(with_key).with_state((http, agent.url, good));
    let served = tokio::spawn(axum::serve(listener, door).into_future());
    let expected = format!("{}/tests/contract/mcp-{revision}.yml", env!("CARGO_MANIFEST_DIR"));
    let text = judged(&url, revision, Some(&expected)).await;
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

/// The core with the suite's names around it.
async fn all_passes(revision: &str) {
    if modules().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let (_stop, stopping) = tokio::sync::watch::channel(false);
    let agents = Agents::new(Desk::new(store.clone(), Arc::default()), None, "https://github.com", stopping);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = StreamableHttpServerConfig::default()
        .with_allowed_origins([format!("http://{address}"), format!("http://localhost:{}", address.port())])
        .enforce_origin_validation();
    let fixture = Fixture::new(agents);
    let service = StreamableHttpService::new(move || Ok(fixture.clone()), Arc::new(LocalSessionManager::default()), config);
    let grant = Grant { scopes: Scope::ALL.into_iter().collect(), repo: RepoId(7), environments: BTreeSet::new() };
    let caller =
        Caller { actor: Actor { kind: ActorKind::Key, id: UserId(1), login: "suite".into() }, rights: Rights::Only(grant) };
    let door = Router::new().nest_service("/mcp", service).layer(axum::Extension(caller));
    let served = tokio::spawn(axum::serve(listener, door).into_future());
    let text = judged(&format!("http://{address}/mcp"), revision, None).await;
    assert!(text.contains("tools-call-audio"), "{text}");
    served.abort();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_2026_07_28_requires_passes_around_the_core() {
    all_passes("2026-07-28").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_2025_11_25_requires_passes_around_the_core() {
    all_passes("2025-11-25").await;
}
