//! A service whose health check leads to a private address: nobody follows, and the deployment says why it ended.

use super::scene::{STAGING, config, ends, left};
use crate::world::Setup;
use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use lockkeeper::sandbox::DeploymentReport;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpListener;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_health_check_that_leads_to_a_private_address_is_not_followed() {
    let asked = Arc::new(AtomicUsize::new(0));
    let inner = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let secret = format!("http://{}/secret", inner.local_addr().unwrap());
    let count = Arc::clone(&asked);
    let app = Router::new().fallback(move || {
        count.fetch_add(1, Ordering::SeqCst);
        async { "the inside" }
    });
    tokio::spawn(async move { axum::serve(inner, app).await });
    let outer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = outer.local_addr().unwrap();
    let leads = Router::new().route("/healthz", get(move || async move { Redirect::temporary(&secret) }));
    tokio::spawn(async move { axum::serve(outer, leads).await });

    let health = format!(
        "health = [{{ kind = \"http\", url = \"http://{at}/healthz\", expect = \"status == 200\", within = \"3s\", interval = \"1s\" }}]"
    );
    let text = config(&health, "kind = \"deployment\"\nreporters = [\"deployer[bot]\"]");
    let world = Setup::new().config(&text).allow("127.0.0.1").start().await;
    let sha = world.commit("feat: one");
    let made = world.deployment("staging", "in_progress").await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    let check = ends(&world, &sha, ("failed", "address_not_allowed")).await;
    let told = format!("{} {}", check.title.unwrap_or_default(), check.summary.unwrap_or_default());
    assert!(!told.contains("the inside"), "{told}");
    assert_eq!(asked.load(Ordering::SeqCst), 0, "it was followed");
    assert_eq!(left(&world).await.1, [""; 0]);
    assert!(world.our_checks(&sha, STAGING).len() == 1);
    world.finish().await;
}
