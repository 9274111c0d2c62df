//! What payloads mean: our own fixtures one by one, GitHub's examples as a whole, and anything that a fuzzer makes of them.

use lockkeeper::engine::intent::Intent;
use lockkeeper::surfaces::webhook::{Own, Translation, translate};
use proptest::prelude::*;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/webhooks");

fn own() -> Own {
    let api = "https://api.github.com".into();
    Own { app_id: Some(4242), slug: Some("lockkeeper".into()), api, ..Own::default() }
}

/// (file name without `.json`, event, payload), sorted by name. A file is named `<event>.<what>.json`.
fn fixtures() -> Vec<(String, String, Vec<u8>)> {
    let mut all: Vec<_> = std::fs::read_dir(FIXTURES)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let event = name.split('.').next().unwrap().to_owned();
            (name, event, std::fs::read(&path).unwrap())
        })
        .collect();
    all.sort();
    all
}

fn shown(translation: &Translation) -> String {
    match translation {
        Translation::Intents(intents) => {
            intents.iter().map(|i| serde_json::to_string(i).unwrap()).collect::<Vec<_>>().join("\n  ")
        }
        Translation::Nothing(why) => format!("nothing: {why}"),
        Translation::Ignored(why) => format!("ignored: {}", why.reason()),
        Translation::Refused(why) => format!("refused: {why}\n  {}", why.fix),
    }
}

#[test]
fn every_fixture_means_what_it_says() {
    let mut text = String::new();
    for (name, event, body) in fixtures() {
        writeln!(text, "{name}\n  {}", shown(&translate(&event, &body, &own()))).unwrap();
    }
    insta::assert_snapshot!(text);
}

/// A payload made from the tag push by replacing what `pointer` points at.
fn changed(file: &str, pointer: &str, value: Value) -> (String, Vec<u8>) {
    let (_, event, body) = fixtures().into_iter().find(|(name, ..)| name == file).unwrap();
    let mut payload: Value = serde_json::from_slice(&body).unwrap();
    *payload.pointer_mut(pointer).unwrap_or_else(|| panic!("{file} has no {pointer}")) = value;
    (event, serde_json::to_vec(&payload).unwrap())
}

#[test]
fn odd_payloads_are_refused_or_ignored_with_a_reason() {
    let cases = [
        ("push.tag", "/ref", Value::from("refs/tags/v1..2"), "tag_invalid"),
        ("push.tag", "/ref", Value::from("refs/tags/-x"), "tag_invalid"),
        ("push.tag", "/ref", Value::from("refs/tags/"), "tag_invalid"),
        ("push.tag", "/head_commit/id", Value::from("main"), "sha_invalid"),
        ("push.tag", "/repository/full_name", Value::from("acme/../x"), "repository_invalid"),
        ("push.tag", "/repository", Value::Null, "payload_unreadable"),
        ("push.tag", "/repository/id", Value::from(-1), "payload_unreadable"),
        ("push.tag", "/repository/id", Value::from(1e300), "payload_unreadable"),
        ("push.tag", "/after", Value::Null, "payload_unreadable"),
        ("push.default_branch", "/repository/default_branch", Value::Null, "payload_unreadable"),
        ("pull_request.merged", "/pull_request/merge_commit_sha", Value::Null, "payload_unreadable"),
        ("check_run.completed", "/check_run/head_sha", Value::from("abc"), "sha_invalid"),
    ];
    for (file, pointer, value, code) in cases {
        let (event, body) = changed(file, pointer, value);
        match translate(&event, &body, &own()) {
            Translation::Refused(refusal) => assert_eq!(refusal.code, code, "{file} {pointer}"),
            other => panic!("{file} {pointer}: {}", shown(&other)),
        }
    }
    for (file, pointer, value, reason) in [
        ("push.tag", "/installation", Value::Null, "no installation"),
        ("check_run.completed", "/action", Value::from("frobnicated"), "action"),
        ("release.published", "/sender/login", Value::from("lockkeeper[bot]"), "echo"),
        ("status.failure", "/sender/login", Value::from("Lockkeeper[bot]"), "echo"),
    ] {
        let (event, body) = changed(file, pointer, value);
        match translate(&event, &body, &own()) {
            Translation::Ignored(why) => assert!(why.reason().contains(reason), "{file}: {}", why.reason()),
            other => panic!("{file} {pointer}: {}", shown(&other)),
        }
    }
}

#[test]
fn other_actions_and_branches_are_known_and_ask_nothing() {
    for (file, pointer, value) in [
        ("push.default_branch", "/ref", Value::from("refs/heads/feature/x")),
        ("push.default_branch", "/deleted", Value::from(true)),
        ("create.tag", "/ref_type", Value::from("branch")),
        ("pull_request.opened_fork", "/action", Value::from("labeled")),
        ("pull_request.opened_fork", "/pull_request/state", Value::from("closed")),
        ("check_suite.completed", "/action", Value::from("requested")),
        ("check_run.ours_rerequested", "/check_run/app/id", Value::from(15368)),
        ("check_suite.rerequested", "/check_suite/app/id", Value::from(15368)),
    ] {
        let (event, body) = changed(file, pointer, value);
        let translation = translate(&event, &body, &own());
        assert!(matches!(translation, Translation::Nothing(_)), "{file} {pointer}: {}", shown(&translation));
    }
}

/// It ends what was to end with it; only a merge to the default branch deploys.
#[test]
fn a_pull_request_that_is_closed_is_no_merge() {
    for (pointer, value) in
        [("/pull_request/merged", Value::from(false)), ("/pull_request/base/ref", Value::from("release-1.x"))]
    {
        let (event, body) = changed("pull_request.merged", pointer, value);
        match translate(&event, &body, &own()) {
            Translation::Intents(all) => {
                assert!(matches!(all.as_slice(), [Intent::PullRequestClosed { number: 42, merged: None, .. }]), "{all:?}");
            }
            other => panic!("{pointer}: {}", shown(&other)),
        }
    }
}

#[test]
fn an_annotated_tag_is_peeled_and_a_tag_of_something_else_keeps_its_object() {
    let (event, body) = changed("push.tag", "/head_commit", Value::Null);
    let text = shown(&translate(&event, &body, &own()));
    assert!(text.contains(&"7".repeat(40)), "{text}");
}

/// GitHub's own examples, from npm's `@octokit/webhooks-examples`; `tests/run` fetches them and names the folder.
#[test]
fn githubs_examples_are_understood() {
    let Ok(folder) = std::env::var("LOCKKEEPER_WEBHOOK_EXAMPLES") else { return };
    let (mut read, mut strange) = (0, Vec::new());
    for path in index_files(Path::new(&folder)) {
        let index: Vec<Value> = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for event in &index {
            let name = event["name"].as_str().unwrap();
            for example in event["examples"].as_array().unwrap() {
                let mut example = example.clone();
                if example.get("installation").is_none_or(|i| i.get("id").is_none()) {
                    example["installation"] = serde_json::json!({ "id": 1 });
                }
                read += 1;
                if let Translation::Refused(why) = translate(name, &serde_json::to_vec(&example).unwrap(), &own()) {
                    strange.push(format!("{} {name}: {why}", path.display()));
                }
            }
        }
    }
    assert!(read > 300, "only {read} examples in {folder}");
    // GitHub's examples of old servers hold texts such as `Codertocat/Hello-World` everywhere, so nothing is refused.
    assert!(strange.is_empty(), "{}", strange.join("\n"));
}

fn index_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let inner = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().join("index.json"));
    inner.filter(|path| path.is_file()).collect()
}

/// Any JSON value, small.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(Value::from("refs/tags/v1.0.0")),
        Just(Value::from("0".repeat(40))),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::hash_map("[a-z_]{1,6}", inner, 0..3).prop_map(Value::from_iter),
        ]
    })
}

/// Replaces the n-th value of a tree, counted in reading order.
fn replace(tree: &mut Value, countdown: &mut usize, with: &Value) {
    if *countdown == 0 {
        *tree = with.clone();
    }
    *countdown = countdown.wrapping_sub(1);
    match tree {
        Value::Object(map) => map.values_mut().for_each(|value| replace(value, countdown, with)),
        Value::Array(list) => list.iter_mut().for_each(|value| replace(value, countdown, with)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_mutated_payload_never_panics(which in any::<prop::sample::Index>(), at in 0_usize..60, with in json()) {
        let all = fixtures();
        let (_, event, body) = which.get(&all);
        let mut payload: Value = serde_json::from_slice(body).unwrap();
        replace(&mut payload, &mut { at }, &with);
        let _ = translate(event, &serde_json::to_vec(&payload).unwrap(), &own());
    }

    #[test]
    fn cut_and_flipped_bytes_never_panic(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let all = fixtures();
        let (_, event, body) = which.get(&all);
        let mut body = body.clone();
        let at = at.index(body.len());
        if cut { body.truncate(at) } else { body[at] = byte }
        let _ = translate(event, &body, &own());
    }
}
