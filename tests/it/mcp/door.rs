//! Who comes in, and with which words.

use super::{Agent, LEGACY, MODERN, key};
use crate::world::{Setup, World};
use rmcp::model::{CallToolRequestParams, ClientCapabilities, ClientConfig, Implementation, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const CONFIG: &str = "[environments.staging]\non = [\"manual\"]\ntarget = \"cluster\"\n\n[targets.cluster]\nkind = \
                      \"deployment\"\nreporters = [\"deployer[bot]\"]\n";
const STATUS: &str = "get_status";

fn shop() -> Value {
    json!({ "repo": "acme/shop" })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_learns_where_to_ask_and_nothing_else() {
    let world = Setup::new().config(CONFIG).public_url("https://keeper.example.com").start().await;
    let stranger = Agent::at(&world, "");
    let answer = stranger.call(STATUS, shop()).await;
    let metadata = "https://keeper.example.com/.well-known/oauth-protected-resource/mcp";
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("www-authenticate"), format!("Bearer scope=\"read\", resource_metadata=\"{metadata}\""));
    let page = format!("http://{}/.well-known/oauth-protected-resource/mcp", world.server().address);
    let page: Value =
        reqwest::Client::builder().no_proxy().build().unwrap().get(page).send().await.unwrap().json().await.unwrap();
    assert_eq!(page["resource"], "https://keeper.example.com/mcp");
    assert_eq!(page["scopes_supported"].as_array().unwrap().len(), 8);
    // No tokens of people are taken: only jobs of GitHub Actions have some that are.
    let issuer = page["authorization_servers"][0].as_str().unwrap();
    assert!(issuer.ends_with("/_services/token"), "{page}");
    let (id, good) = key(&world, "read", "staging").await;
    let flipped = format!("{}{}", &good[..good.len() - 1], if good.ends_with('0') { '1' } else { '0' });
    for bad in ["wrong", "lk_k0_0", &flipped, &good.to_uppercase()] {
        let answer = Agent::at(&world, bad).call(STATUS, shop()).await;
        assert_eq!((answer.status, answer.body["code"].as_str()), (401, Some("key_invalid")), "{bad}");
        assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""), "{bad}");
        assert!(!answer.body.to_string().contains("acme"));
    }
    let agent = Agent::at(&world, &good);
    assert_eq!(agent.call(STATUS, shop()).await.told()["outcome"], "succeeded");
    assert_eq!(world.command_told(&["keys", "revoke", &id]).await.0, 0);
    assert_eq!(agent.call(STATUS, shop()).await.status, 401, "a key that has ended is no key at the next request");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_our_own_names_are_answered_to() {
    let world = Setup::new().config(CONFIG).public_url("https://keeper.example.com").start().await;
    let (_, good) = key(&world, "read", "staging").await;
    let agent = Agent::at(&world, &good);
    let ask = || agent.request(MODERN, "tools/call", json!({ "name": STATUS, "arguments": shop() }));
    for (header, value, status) in [
        ("origin", "https://keeper.example.com", 200),
        ("origin", "http://localhost:5173", 200),
        ("origin", "https://evil.example", 403),
        ("origin", "https://keeper.example.com.evil.example", 403),
        ("origin", "http://keeper.example.com", 403),
        ("origin", "https://keeper.example.com:8443", 403),
        ("origin", "null", 403),
        ("host", "keeper.example.com", 200),
        ("host", "localhost:9", 200),
        ("host", "evil.example", 403),
    ] {
        let answer = agent.send(ask().header(header, value)).await;
        assert_eq!(answer.status, status, "{header}: {value}: {}", answer.body);
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_headers_say_must_be_what_the_body_says() {
    let world = Setup::new().config(CONFIG).start().await;
    let (_, good) = key(&world, "read", "staging").await;
    let agent = Agent::at(&world, &good);
    let params = || json!({ "name": STATUS, "arguments": shop() });
    let without = |name: &'static str| {
        let mut request = agent.request(MODERN, "tools/call", params()).build().unwrap();
        request.headers_mut().remove(name);
        request
    };
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for name in ["mcp-method", "mcp-name", "mcp-protocol-version"] {
        let missing = http.execute(without(name)).await.unwrap();
        assert_eq!(missing.status(), 400, "{name} is missing");
        let mut other = without(name);
        let value = if name == "mcp-protocol-version" { LEGACY } else { "list_releases" };
        other.headers_mut().insert(name, value.parse().unwrap());
        for answer in [missing, http.execute(other).await.unwrap()] {
            assert_eq!(answer.status(), 400, "{name}");
            let body: Value = answer.json().await.unwrap();
            assert_eq!(body["error"]["code"], -32020, "{name}: {body}");
        }
    }
    assert!(said_to_a_large_one(&agent.url, &good).await.starts_with("HTTP/1.1 413 "));
    let get = http.get(&agent.url).bearer_auth(&good).header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(get.status(), 405);
    world.finish().await;
}

/// By a client that reads nothing before it has written all, as most do.
async fn said_to_a_large_one(url: &str, key: &str) -> String {
    let address = url.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/mcp")).unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let size = 10 << 20;
    let head =
        format!("POST /mcp HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\ncontent-length: {size}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b'x'; size]).await.unwrap();
    let mut answer = [0; 512];
    let read = stream.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

/// Tools that a key may never use are not shown, and refused all the same, whatever the protocol's age.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_sees_and_uses_only_what_it_is_for() {
    let world = Setup::new().config(CONFIG).start().await;
    let validate = json!({ "repo": "acme/shop", "environment": "staging", "ref": "v1.0.0" });
    let (_, reader) = key(&world, "read", "staging").await;
    let reader = Agent::at(&world, &reader);
    let tools = reader.tools().await;
    assert!(tools.contains(&STATUS.to_owned()) && !tools.contains(&"validate_deployment".to_owned()), "{tools:?}");
    let answer = reader.call("validate_deployment", validate.clone()).await;
    answer.refused("insufficient_scope");
    assert_eq!(answer.status, 403);
    let challenge = answer.header("www-authenticate");
    assert!(challenge.contains("error=\"insufficient_scope\", scope=\"validate\""), "{challenge}");
    let answer = reader.call_as_before("validate_deployment", validate).await;
    answer.refused("insufficient_scope");
    assert_eq!(answer.status, 200);
    let unknown = reader.call("approve_deployment", json!({})).await;
    assert_eq!(unknown.body["error"]["code"], -32602, "{}", unknown.body);
    let (_, blind) = key(&world, "lock", "staging").await;
    assert!(!Agent::at(&world, &blind).tools().await.contains(&STATUS.to_owned()));
    for elsewhere in [json!({ "repo": "acme/other" }), json!({ "repo": "acme/shop", "environment": "production" })] {
        for tool in [STATUS, "list_deployments"] {
            reader.call(tool, elsewhere.clone()).await.refused("insufficient_scope");
        }
    }
    reader.call("list_releases", json!({ "repo": "acme/other" })).await.refused("insufficient_scope");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_and_new_clients_are_served_at_one_address() {
    let world = Setup::new().config(CONFIG).start().await;
    let (_, good) = key(&world, "read,validate", "staging").await;
    let agent = Agent::at(&world, &good);
    let hello = json!({ "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": { "name": "tests", "version": "1" } });
    let answer = agent.ask(LEGACY, "initialize", hello).await;
    assert_eq!(answer.body["result"]["protocolVersion"], LEGACY, "{}", answer.body);
    assert!(answer.body["result"]["instructions"].as_str().unwrap().contains("a person has to approve"));
    assert_eq!(agent.call_as_before(STATUS, shop()).await.told()["outcome"], "succeeded");
    let answer = agent.ask(MODERN, "server/discover", json!({})).await;
    assert!(answer.body["result"]["supportedVersions"].to_string().contains(MODERN), "{}", answer.body);
    for modern in [true, false] {
        let mode = match modern {
            true => ClientLifecycleMode::Auto { preferred_versions: vec![ProtocolVersion::V_2026_07_28], legacy_version: None },
            false => ClientLifecycleMode::Initialize,
        };
        let config = StreamableHttpClientTransportConfig::with_uri(agent.url.clone()).auth_header(good.clone());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let client = ClientConfig::new(ClientCapabilities::default(), Implementation::new("tests", "1"));
        let client = client.serve_with_lifecycle(StreamableHttpClientTransport::with_client(http, config), mode).await.unwrap();
        assert_eq!(client.list_all_tools().await.unwrap().len(), 7);
        let ask = CallToolRequestParams::new(STATUS).with_arguments(shop().as_object().cloned().unwrap());
        let answer = client.call_tool(ask).await.unwrap();
        assert_eq!(answer.structured_content.unwrap()["status"]["repository"], "acme/shop");
        client.cancel().await.unwrap();
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_has_many_calls_and_not_all() {
    let world = World::with(CONFIG).await;
    let (_, good) = key(&world, "read", "staging").await;
    let (_, other) = key(&world, "read", "staging").await;
    let (agent, other) = (Agent::at(&world, &good), Agent::at(&world, &other));
    let list = json!({ "repo": "acme/shop" });
    let mut refused = 0;
    for round in 0..20 {
        let calls = (0..20).map(|_| agent.call("list_releases", list.clone()));
        let answers = futures::future::join_all(calls).await;
        let now = answers.iter().filter(|answer| answer.told()["outcome"] == "refused").count();
        assert!(round > 14 || now == 0, "refused in round {round}");
        refused += now;
        if now > 0 {
            let last = answers.iter().find(|answer| answer.told()["outcome"] == "refused").unwrap();
            let refusal = last.refused("rate_limited");
            assert!(refusal["retry_after_s"].as_u64().unwrap() <= 6 && refusal["retryable"] == true, "{refusal}");
            break;
        }
    }
    assert!(refused > 0 || cfg!(debug_assertions), "nothing holds it up");
    assert_eq!(agent.call(STATUS, list.clone()).await.told()["outcome"], "succeeded", "each tool has its own");
    assert_eq!(other.call("list_releases", list).await.told()["outcome"], "succeeded", "so has each key");
    world.finish().await;
}
