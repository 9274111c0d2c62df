//! GitHub Enterprise Server: everything is asked below `/api/v3` and at `/api/graphql`, and links lead to that server.

use crate::range::grow;
use crate::world::Setup;
use lockkeeper::sandbox::Fault;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_on_an_enterprise_server() {
    let world = Setup::new().enterprise().start().await;
    let sha = world.head();
    world.shop.tag("v1.1.0", &sha).unwrap();
    let release = world.released("v1.1.0", &sha).await;
    let base = world.github.base_url();
    assert!(release.body.contains(&format!("{base}/acme/shop/compare/v1.0.0...v1.1.0")), "{}", release.body);
    // Pages of REST are followed by the addresses that GitHub names.
    world.github.fault(Fault::status("POST", "/graphql RangeOfCommits$", 502).always());
    let sha = grow(&world, 150);
    world.shop.tag("v1.2.0", &sha).unwrap();
    let release = world.released("v1.2.0", &sha).await;
    assert!(release.body.contains("[#150]"), "{}", release.body);
    assert_eq!(world.count("GET /repos/{owner}/{repo}/compare/{+basehead}"), 2);
    let log = world.github.log();
    let strange = log.iter().find(|e| !e.path.starts_with("/api/v3/") && e.path != "/api/graphql");
    assert!(strange.is_none(), "{strange:?}");
    let graphql = log.iter().filter(|e| e.path == "/api/graphql").count();
    assert!(graphql > 3 && graphql < log.len(), "{graphql} of {}", log.len());
    world.finish().await;
}
