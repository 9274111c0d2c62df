//! Real servers of the rmcp crate over real HTTP, of both eras of the protocol; and things that are no MCP server.

use super::super::guard::AllowList;
use super::super::http::tests::{answer, named, prober, serve};
use super::*;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use rmcp::model::{ListToolsResult, ServerCapabilities, ServerConfig, Tool};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::StreamableHttpServerConfig;
use rmcp::transport::streamable_http_server::{session::local::LocalSessionManager, tower::StreamableHttpService};
use rmcp::{ErrorData, ServerHandler};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How the server under test behaves.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Modern,
    /// Knows nothing of `server/discover`'s era.
    Legacy,
    /// Says that it has no tools.
    Bare,
    /// Its list never ends.
    Endless,
    /// Refuses to list.
    Broken,
    /// Takes its time.
    Slow,
}

#[derive(Clone)]
struct Tools(Kind);

impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        let capabilities = match self.0 {
            Kind::Bare => ServerCapabilities::default(),
            _ => ServerCapabilities::builder().enable_tools().build(),
        };
        ServerConfig::new(capabilities).with_server_info(Implementation::new("release <b>secret</b>", "1.2.3"))
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        match self.0 {
            Kind::Legacy => Cow::Borrowed(&[ProtocolVersion::V_2025_06_18]),
            _ => Cow::Borrowed(ProtocolVersion::KNOWN_VERSIONS),
        }
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tool = |name: &'static str| Tool::new(name, "secret", serde_json::Map::new());
        let mut page = ListToolsResult::with_all_items(vec![tool("deploy"), tool("status")]);
        match (self.0, request.and_then(|r| r.cursor)) {
            (Kind::Broken, _) => return Err(ErrorData::internal_error("secret", None)),
            (Kind::Slow, _) => tokio::time::sleep(Duration::from_secs(30)).await,
            (Kind::Endless, _) => page.next_cursor = Some("more".into()),
            // Two pages.
            (_, None) => page.next_cursor = Some("2".into()),
            (_, Some(_)) => page = ListToolsResult::with_all_items(vec![tool("rollback")]),
        }
        Ok(page)
    }
}

async fn start(kind: Kind, config: StreamableHttpServerConfig) -> u16 {
    let service = StreamableHttpService::new(
        move || Ok(Tools(kind)),
        Arc::new(LocalSessionManager::default()),
        config.with_allowed_hosts(["127.0.0.1", "mcp.example"]),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, Router::new().nest_service("/mcp", service)).await });
    port
}

async fn ask(prober: &Prober, url: &str, expect: &str) -> ProbeReport {
    let sha = Some("0123456789012345678901234567890123456789");
    let timeout = Duration::from_secs(3);
    let subject = Subject { version: Some("1.2.3"), sha, environment: Some("staging") };
    prober.mcp(&McpProbe { url, expect, timeout, subject }).await
}

const WHOLE: &str = "tools.exists(t, t == 'deploy') && tools == ['deploy', 'status', 'rollback'] && server.version == version
    && server.name.startsWith('release') && latency_ms < 5000 && environment == 'staging' && sha.startsWith('0123')";

#[tokio::test]
async fn servers_of_both_eras_and_all_manners_of_answering() {
    for (kind, protocol) in [(Kind::Modern, "2026-07-28"), (Kind::Legacy, "2025-06-18")] {
        for (sessions, json) in [(true, false), (false, false), (false, true)] {
            let config = StreamableHttpServerConfig::default().with_legacy_session_mode(sessions).with_json_response(json);
            let port = start(kind, config).await;
            let expect = format!("{WHOLE} && protocol == '{protocol}'");
            let report = ask(&prober(), &format!("http://127.0.0.1:{port}/mcp"), &expect).await;
            assert!(report.ok && report.code == "healthy", "{protocol} {sessions} {json} {report:?}");
            assert!(!report.reason.contains("secret"), "{report:?}");
        }
    }
}

/// A server from before `server/discover`, with as little as the protocol of 2025-03-26 asks for.
#[tokio::test]
async fn an_old_server_is_well_too() {
    let answer = |message: Json| async move {
        let id = message["id"].clone();
        let result = match message["method"].as_str() {
            Some("initialize") => json!({
                "protocolVersion": "2025-03-26", "capabilities": { "tools": {} },
                "serverInfo": { "name": "old", "version": "0.9" }
            }),
            Some("tools/list") => json!({ "tools": [{ "name": "ping", "inputSchema": { "type": "object" } }] }),
            Some("notifications/initialized") => return (StatusCode::ACCEPTED, axum::Json(Json::Null)),
            _ => {
                let error = json!({ "code": -32601, "message": "Method not found" });
                return (StatusCode::OK, axum::Json(json!({ "jsonrpc": "2.0", "id": id, "error": error })));
            }
        };
        (StatusCode::OK, axum::Json(json!({ "jsonrpc": "2.0", "id": id, "result": result })))
    };
    let app = Router::new().route("/mcp", post(move |axum::Json(message): axum::Json<Json>| answer(message)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let report = ask(&prober(), &url, "tools == ['ping'] && server.version == '0.9' && protocol == '2025-03-26'").await;
    assert!(report.ok, "{report:?}");
}

#[tokio::test]
async fn what_people_read() {
    let modern = start(Kind::Modern, StreamableHttpServerConfig::default()).await;
    let url = |port: u16| format!("http://127.0.0.1:{port}/mcp?key=secret");
    let at = |kind: Kind| start(kind, StreamableHttpServerConfig::default());
    let plain = |text: String| serve(move |_| text.clone());
    let html = plain(answer(200, "Content-Type: text/html\r\n", "secret")).await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let json = "Content-Type: application/json\r\n";
    let cases: Vec<(&str, String, &str)> = vec![
        ("another version", url(modern), "server.version == '2'"),
        ("a name of HTTP checks", url(modern), "status == 200"),
        ("not an expression", url(modern), "tools =="),
        ("no tools", url(at(Kind::Bare).await), "size(tools) > 0"),
        ("an endless list", url(at(Kind::Endless).await), "true"),
        ("a list that is refused", url(at(Kind::Broken).await), "true"),
        ("a slow list", url(at(Kind::Slow).await), "true"),
        ("not the endpoint", format!("http://127.0.0.1:{modern}/other"), "true"),
        ("a web page", url(html), "true"),
        ("an error page", url(plain(answer(503, "Content-Type: text/html\r\n", "secret")).await), "true"),
        ("authorization", url(plain(answer(401, "WWW-Authenticate: Bearer realm=\"secret\"\r\n", "")).await), "true"),
        ("other JSON", url(plain(answer(200, json, "{\"secret\": 1}")).await), "true"),
        ("a large answer", url(plain(answer(200, json, &" ".repeat(LARGEST + 1))).await), "true"),
        ("nobody", url(closed), "true"),
        ("a private address", "http://10.0.0.1/mcp".into(), "true"),
        ("a metadata service", "http://169.254.169.254/mcp".into(), "true"),
        ("credentials", "http://a:secret@mcp.example/mcp".into(), "true"),
        ("a file", "file:///etc/passwd".into(), "true"),
    ];
    let mut table = String::new();
    for (name, url, expect) in cases {
        let report = ask(&prober(), &url, expect).await;
        let hopeless = if report.hopeless { " (hopeless)" } else { "" };
        let line = format!("{name}: [{}{hopeless}] {} {}", report.code, report.reason, report.fix);
        assert!(!report.ok && !line.contains("secret"), "{line}");
        let port = url.split(':').nth(2).and_then(|rest| rest.split('/').next()).unwrap_or("-");
        let line = line.replace(&format!(":{port}/"), ":PORT/").replace(&format!(" in {} ms", report.latency_ms), " in N ms");
        writeln!(table, "{line}").unwrap();
    }
    insta::assert_snapshot!(table);
}

/// Neither a redirect nor a second answer of a name server leads to where the guard has not looked.
#[tokio::test]
async fn redirects_and_rebinding_lead_nowhere() {
    let hits = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&hits);
    let inner = serve(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        answer(200, "", "")
    })
    .await;
    for status in [301, 302, 303, 307, 308] {
        let port = serve(move |_| answer(status, &format!("Location: http://127.0.0.1:{inner}/mcp\r\n"), "")).await;
        let report = ask(&prober(), &format!("http://127.0.0.1:{port}/mcp"), "true").await;
        assert!(!report.ok, "{report:?}");
    }
    assert_eq!(hits.load(Ordering::SeqCst), 0, "a redirect was followed");

    let port = start(Kind::Modern, StreamableHttpServerConfig::default()).await;
    let url = format!("http://mcp.example:{port}/mcp");
    assert!(ask(&named("127.0.0.1", |_| vec!["127.0.0.1"]), &url, WHOLE).await.ok);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let rebinding = named("127.0.0.1", move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => vec!["127.0.0.1"],
        _ => vec!["127.0.0.2"],
    });
    let report = ask(&rebinding, &url, "true").await;
    assert_eq!((report.code.as_str(), report.hopeless), ("address_not_allowed", true), "{report:?}");
    let closed = Prober::new(AllowList::default()).unwrap();
    assert_eq!(ask(&closed, &format!("http://127.0.0.1:{port}/mcp"), "true").await.code, "address_not_allowed");
}
