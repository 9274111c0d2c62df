//! Health checks of every kind and smoke tests, asked of real services between "it is there" and "it is a success".

use crate::world::{Setup, World};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use lockkeeper::sandbox::DeploymentReport;
use std::sync::{Arc, Mutex};

const PRODUCTION: &str = "lockkeeper/production";

/// Paths in the order in which they were asked for.
type Asked = Arc<Mutex<Vec<String>>>;

/// `/flaky…` fails when it is asked for the first time, `/broken…` always.
async fn service() -> (u16, Asked) {
    let asked = Asked::default();
    let answer = |State(asked): State<Asked>, uri: Uri| async move {
        let path = uri.path().to_owned();
        let mut asked = asked.lock().unwrap();
        let first = !asked.contains(&path);
        asked.push(path.clone());
        let broken = path.starts_with("/broken") || (path.starts_with("/flaky") && first);
        if broken { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let app = Router::new().fallback(answer).with_state(Arc::clone(&asked));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (port, asked)
}

fn smoke(name: &str, port: u16, path: &str, retries: u8) -> String {
    format!(
        "[[environments.production.smoke]]\nname = \"{name}\"\nkind = \"http\"\nurl = \"http://127.0.0.1:{port}{path}\"\n\
         retries = {retries}\ninterval = \"1s\"\n"
    )
}

async fn deployed(checks: &str) -> World {
    let config = format!(
        "[environments.production]\non = [\"tag\"]\ntarget = \"cluster\"\n{checks}\n\
         [targets.cluster]\nkind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n"
    );
    let world = Setup::new().config(&config).allow("127.0.0.1").start().await;
    world.shop.tag("v1.1.0", &world.head()).unwrap();
    let made = world.deployment("production", "in_progress").await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suite_follows_health_in_order_and_is_tried_again() {
    let (port, asked) = service().await;
    let checks = format!(
        "[[environments.production.health]]\nkind = \"tcp\"\naddress = \"127.0.0.1:{port}\"\n\
         [[environments.production.health]]\nkind = \"http\"\nurl = \"http://127.0.0.1:{port}/health\"\n{}{}",
        smoke("a guest can order", port, "/flaky", 1),
        smoke("orders are shown", port, "/orders", 0)
    );
    let world = deployed(&checks).await;
    let summary = world.check(&world.head(), PRODUCTION, "success").await.summary.unwrap_or_default();
    for part in ["Health 2: passed", "Smoke test \"a guest can order\": passed", "Smoke test \"orders are shown\": passed"] {
        assert!(summary.contains(part), "{part}\n{summary}");
    }
    assert_eq!(*asked.lock().unwrap(), ["/health", "/flaky", "/flaky", "/orders"]);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_smoke_test_that_fails_ends_the_suite_and_the_deployment() {
    let (port, asked) = service().await;
    let checks = format!("{}{}", smoke("a guest can order", port, "/broken", 1), smoke("orders are shown", port, "/orders", 0));
    let world = deployed(&checks).await;
    let check = world.refused(&world.head(), PRODUCTION, "failure", "expectation_failed").await;
    let summary = check.summary.unwrap_or_default();
    assert!(summary.contains("The smoke test \"a guest can order\" failed"), "{summary}");
    assert_eq!(*asked.lock().unwrap(), ["/broken", "/broken"]);
    world.finish().await;
}

/// A service that is no MCP server is none, however well it answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_mcp_server_must_speak_its_protocol() {
    let (port, _) = service().await;
    let checks = format!(
        "[[environments.production.health]]\nkind = \"mcp\"\nurl = \"http://127.0.0.1:{port}/mcp\"\nwithin = \"1s\"\ninterval = \"1s\"\n"
    );
    let world = deployed(&checks).await;
    world.refused(&world.head(), PRODUCTION, "failure", "mcp_broken").await;
    world.finish().await;
}
