//! The words of `lockkeeper deliveries` beside a real server.

use crate::world::World;
use regex::Regex;

/// Ids, times and sizes differ in each run.
fn plain(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, instead) in [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<guid>"),
        (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "<time>"),
        (r"\d+ bytes", "<n> bytes"),
        (r"(?m)^(installation +)\d+", "${1}<number>"),
        (r"(?m) +$", ""),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, instead).into_owned();
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_are_told_in_words() {
    let world = World::start().await;
    let sha = world.head();
    world.quiet().await;
    world.shop.tag("v1.1.0", &sha).unwrap();
    world.released("v1.1.0", &sha).await;
    world.quiet().await;

    let (code, list, problem) = world.command_told(&["deliveries", "list"]).await;
    assert_eq!((code, problem.as_str()), (0, ""));
    let list = plain(&list);
    let mut lines: Vec<&str> = list.lines().collect();
    // What comes at the same moment comes in any order.
    lines[1..].sort_unstable();
    insta::assert_snapshot!(lines.join("\n"), @r"
    RECEIVED              DELIVERY                              EVENT                  REPOSITORY  STATUS   ATTEMPTS  NOTE
    <time>  <guid>  check_run.completed    acme/shop   ignored  0         this is the echo of something that Lockkeeper did itself
    <time>  <guid>  check_run.created      acme/shop   ignored  0         this is the echo of something that Lockkeeper did itself
    <time>  <guid>  check_suite.completed  acme/shop   ignored  0         this is the echo of something that Lockkeeper did itself
    <time>  <guid>  create                 acme/shop   done     0
    <time>  <guid>  push                   acme/shop   done     0
    <time>  <guid>  release.created        acme/shop   ignored  0         this is the echo of something that Lockkeeper did itself
    <time>  <guid>  release.published      acme/shop   ignored  0         this is the echo of something that Lockkeeper did itself
    <time>  <guid>  release.released       acme/shop   ignored  0         this is the echo of something that Lockkeeper did itself
    ");

    let push = world.github.deliveries().into_iter().find(|d| d.event == "push").unwrap();
    let (code, shown, problem) = world.command_told(&["deliveries", "show", &push.guid]).await;
    assert_eq!((code, problem.as_str()), (0, ""));
    let (facts, payload) = shown.split_once("\n\n").unwrap();
    insta::assert_snapshot!(plain(facts), @r"
    delivery      <guid>
    event         push
    repository    acme/shop
    installation  <number>
    received      <time>
    status        done
    attempts      0
    runs          <guid>
    size          <n> bytes
    ");
    let payload: serde_json::Value = serde_json::from_str(payload).unwrap();
    assert_eq!(payload["ref"], "refs/tags/v1.1.0");

    let unknown = "00000000-0000-0000-0000-000000000000";
    let (code, said, problem) = world.command_told(&["deliveries", "show", unknown]).await;
    assert_eq!((code, said.as_str()), (2, ""));
    insta::assert_snapshot!(problem, @r"
    lockkeeper: delivery_unknown: There is no delivery with this id. List them with `lockkeeper deliveries` and copy the id from there.
    ");
    world.finish().await;
}
