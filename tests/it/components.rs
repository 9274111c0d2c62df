//! Repositories that release several things: each release tells of the commits that touch its folder, and of no others.

use crate::range::grow;
use crate::world::{RELEASE, World};
use lockkeeper::sandbox::{CommitSeed, Fault, Trouble};
use serde_json::json;
use std::time::Duration;

const CONFIG: &str = r#"
[[release.gates]]
kind = "tag"
[[release.gates]]
kind = "checks"
[[release.gates]]
kind = "commits"

[[component]]
name = "api"
path = "services/api"
tag = "api-v{version}"

[[component]]
name = "web"
path = "services/web/"
tag = "web-v{version}"

[[component]]
name = "all"
path = "."
tag = "v{version}"
"#;

/// `api-v1.0.0` and `web-v1.0.0` stand at the head.
async fn two_services() -> World {
    let world = World::with(CONFIG).await;
    let sha = world.head();
    world.shop.tag("api-v1.0.0", &sha).unwrap();
    world.shop.tag("web-v1.0.0", &sha).unwrap();
    for tag in ["api-v1.0.0", "web-v1.0.0"] {
        world.released(tag, &sha).await;
    }
    world.quiet().await;
    world
}

fn change(message: &str, folder: &str) -> CommitSeed {
    CommitSeed::new(message).file(&format!("services/{folder}/{}", message.len()), message)
}

fn summary(world: &World, tag: &str) -> String {
    let sha = world.shop.resolve(tag).unwrap();
    world.shop.newest_check(&sha, RELEASE).unwrap().summary.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_tells_of_the_commits_that_touch_its_folder() {
    let world = two_services().await;
    world.commit_with(change("feat: sort the api", "api"));
    // Nobody can say what this is; it is not the api's trouble.
    world.commit_with(change("stuff", "web"));
    world.commit_with(change("feat!: break the web", "web"));
    world.commit_with(change("fix: both at once", "api").file("services/web/both", "x"));
    // A folder whose name begins alike.
    let sha = world.commit_with(change("fix: look alike", "api-docs"));
    world.quiet().await;
    world.github.clear_log();
    world.shop.tag("api-v1.1.0", &sha).unwrap();
    let body = world.released("api-v1.1.0", &sha).await.body;
    assert!(body.contains("ort the api") && body.contains("oth at once"), "{body}");
    assert!(!body.contains("stuff") && !body.contains("the web") && !body.contains("alike"), "{body}");
    assert!(body.contains("api-v1.0.0...api-v1.1.0"), "{body}");
    let told = summary(&world, "api-v1.1.0");
    assert!(told.contains("3 commit(s) of the range do not touch services/api and are left out."), "{told}");
    assert!(!told.contains("call for"), "what breaks the web calls for no version of the api: {told}");
    world.quiet().await;
    let counts = world.github.counts();
    let calls: u64 = counts.iter().filter(|(route, _)| !route.ends_with("/access_tokens")).map(|(_, n)| n).sum();
    assert!(calls <= 5, "as many as without components: {counts:?}");

    // The other one has the commit without a type.
    let next = world.commit_with(change("fix: web again", "web"));
    world.shop.tag("web-v2.0.0", &next).unwrap();
    let check = world.refused(&next, RELEASE, "failure", "commits_unclassified").await;
    assert!(check.summary.is_some_and(|text| text.contains("stuff")));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_at_the_root_tells_of_all() {
    let world = two_services().await;
    let sha = world.commit_with(change("feat: sort the api", "api"));
    world.shop.tag("v1.1.0", &sha).unwrap();
    let body = world.released("v1.1.0", &sha).await.body;
    assert!(body.contains("ort the api") && body.contains("ount right"), "{body}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_that_is_read_apart_is_narrowed_too() {
    let world = two_services().await;
    let many = (1..=130).map(|n| change(&format!("fix: part {n} of the api"), "api").file("services/api/n", &n.to_string()));
    world.shop.commits("main", many.collect(), "ann").unwrap();
    let sha = grow(&world, 120);
    let slow = ["slow", "slower"].map(|name| world.shop.start_check("github-actions", &sha, name).unwrap());
    world.quiet().await;
    world.github.clear_log();
    world.shop.tag("api-v1.0.1", &sha).unwrap();
    world.waiting(&sha, RELEASE).await;
    // The run looks again when its time has come, and when the last check has.
    world.jump(Duration::from_secs(301));
    world.requests("POST /graphql Recheck", 1).await;
    for check in slow {
        world.shop.complete_check(check, "success").unwrap();
    }
    let body = world.released("api-v1.0.1", &sha).await.body;
    for n in 1..=130 {
        assert_eq!(body.matches(&format!("- part {n} of the api")).count(), 1, "{n}: {body}");
    }
    assert!(!body.contains("of it"), "{body}");
    assert!(summary(&world, "api-v1.0.1").contains("120 commit(s)"));
    assert_eq!(world.count("POST /graphql TouchedCommits"), 1, "130 commits in pages of 100, asked for once");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_told_apart_is_told_and_nothing_is_left_out() {
    let world = two_services().await;
    let many = (1..=101).map(|n| change(&format!("fix: part {n} of the api"), "api").file("services/api/n", &n.to_string()));
    world.shop.commits("main", many.collect(), "ann").unwrap();
    let sha = world.commit_with(change("fix: a web", "web"));
    let error = json!({ "type": "INTERNAL", "message": "No.", "path": ["repository", "asked", "touched"] });
    let partial = json!({ "data": { "repository": { "asked": { "touched": null } } }, "errors": [error] });
    world.github.fault(Fault::on("POST", "/graphql TouchedCommits$", Trouble::Answer(partial)));
    world.shop.tag("api-v1.0.1", &sha).unwrap();
    let body = world.released("api-v1.0.1", &sha).await.body;
    assert!(body.contains("- a web") && body.contains("- part 101 of the api"), "{body}");
    let told = summary(&world, "api-v1.0.1");
    assert!(
        told.contains("Which commits touch services/api could not be read, so all commits of the range are listed."),
        "{told}"
    );
    world.finish().await;
}
