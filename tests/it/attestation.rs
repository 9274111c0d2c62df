//! The gate `attestation`: a file of a release goes nowhere before a sound attestation of it is found. The sound one is real:
//! GitHub Actions made it in prefix-dev/sigstore-example, so that is the repository of these stories.

use crate::world::{Setup, World};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockkeeper::domain::Sha;
use lockkeeper::sandbox::{DeploymentReport, Fault, RepoHandle};
use serde_json::{Value, json};
use std::time::Duration;

const PRODUCTION: &str = "lockkeeper/production";
const REPO: &str = "prefix-dev/sigstore-example";
const DIGEST: &str = "sha256:54303491a8418fbed24344b513546182c29b43bf282ceb433af65e2299f9271f";
const ROUTE: &str = "GET /repos/{owner}/{repo}/attestations/{digest}";

fn sound() -> Value {
    serde_json::from_str(include_str!("../../src/github/testdata/attestation.sigstore.json")).unwrap()
}

/// A statement about the same digest that nobody has signed.
fn forged() -> Value {
    let mut bundle = sound();
    let payload = STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
    let mut statement: Value = serde_json::from_slice(&payload).unwrap();
    statement["predicate"] = json!({ "builder": "trust me" });
    bundle["dsseEnvelope"]["payload"] = STANDARD.encode(statement.to_string()).into();
    bundle
}

fn config(gate: &str) -> String {
    format!(
        "[environments.production]\non = [\"tag\"]\ntarget = \"cluster\"\ngates = [{{ kind = \"attestation\"{gate} }}]\n\n\
         [targets.cluster]\nkind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n"
    )
}

/// A release without files, whose deployment waits for them.
async fn released(repo: &'static str, gate: &str) -> (World, Sha) {
    let world = Setup::new().named(repo).config(&config(gate)).start().await;
    let sha = world.head();
    world.shop.tag("v1.1.0", &sha).unwrap();
    world.released("v1.1.0", &sha).await;
    let summary = world.waiting(&sha, PRODUCTION).await.summary.unwrap_or_default();
    assert!(summary.contains("The release of v1.1.0 has no file that matches"), "{summary}");
    (world, sha)
}

/// The file is there, and its workflow has ended.
fn built(world: &World, sha: &Sha, name: &str, attestations: &[Value]) {
    world.shop.upload("v1.1.0", name, Some(DIGEST)).unwrap();
    for bundle in attestations {
        world.shop.attest(DIGEST, bundle.clone()).unwrap();
    }
    world.shop.check("github-actions", sha, "package", "success").unwrap();
}

async fn succeeds(world: &World, sha: &Sha) -> String {
    let made = world.deployment("production", "in_progress").await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    world.check(sha, PRODUCTION, "success").await.summary.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_with_a_sound_attestation_is_deployed() {
    let (world, sha) = released(REPO, ", workflow = \"action.yaml\", assets = \"*.conda\"").await;
    world.shop.upload("v1.1.0", "notes.txt", None).unwrap();
    built(&world, &sha, "shop.conda", &[sound()]);
    let summary = succeeds(&world, &sha).await;
    assert!(summary.contains("A verified attestation by action.yaml of this repository exists for shop.conda"), "{summary}");
    assert!(world.count(ROUTE) <= 2, "{}", world.count(ROUTE));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_forged_or_somebody_elses_refuses() {
    let stories: [(&'static str, &str, Value, &str); 6] = [
        (REPO, "", forged(), "attestation_unsound"),
        (REPO, "", json!({}), "attestation_unsound"),
        (REPO, "", json!({ "mediaType": "x".repeat(1 << 20) }), "attestation_unsound"),
        (REPO, "", json!("nothing"), "attestation_unsound"),
        (REPO, ", workflow = \"release.yml\"", sound(), "attestation_mismatch"),
        ("acme/shop", "", sound(), "attestation_mismatch"),
    ];
    for (repo, gate, bundle, code) in stories {
        let (world, sha) = released(repo, gate).await;
        built(&world, &sha, "shop.conda", &[bundle]);
        let summary = world.refused(&sha, PRODUCTION, "failure", code).await.summary.unwrap_or_default();
        assert!(summary.contains("shop.conda") && !summary.contains("trust me"), "{summary}");
        assert!(!summary.contains("action.yaml"), "{summary}");
        world.finish().await;
    }
}

/// A sound one counts, whatever else was added to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_forged_ones_does_not_hide_a_sound_one() {
    let (world, sha) = released(REPO, "").await;
    let mut crowd = vec![forged(); 40];
    crowd.push(sound());
    built(&world, &sha, "shop.conda", &crowd);
    succeeds(&world, &sha).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_nobody_attests_is_waited_for_and_then_refused() {
    let (world, sha) = released(REPO, ", deadline = \"10m\"").await;
    let asked = world.count(ROUTE);
    built(&world, &sha, "shop.conda", &[]);
    world.requests(ROUTE, asked + 1).await;
    world.jump(Duration::from_secs(11 * 60));
    let summary = world.refused(&sha, PRODUCTION, "timed_out", "attestation_deadline").await.summary.unwrap_or_default();
    assert!(summary.contains("GitHub keeps no attestation for shop.conda"), "{summary}");
    assert!(world.count(ROUTE) <= asked + 2, "{}", world.count(ROUTE));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_github_does_not_tell_is_no_pass() {
    let (mut world, sha) = released(REPO, ", deadline = \"10m\"").await;
    world.expect_refusal("attestations");
    world.github.fault(Fault::status("GET", "/attestations/", 422).always());
    built(&world, &sha, "shop.conda", &[sound()]);
    world.requests(ROUTE, 1).await;
    world.jump(Duration::from_secs(11 * 60));
    let summary = world.refused(&sha, PRODUCTION, "timed_out", "attestation_deadline").await.summary.unwrap_or_default();
    assert!(summary.contains("The attestations could not be read"), "{summary}");
    world.finish().await;
}

/// Whoever waits for its turn is asked for what passed, not for what lies there by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_changes_before_its_turn_is_not_deployed() {
    let (world, sha) = released(REPO, "").await;
    built(&world, &sha, "shop.conda", &[sound()]);
    let first = world.deployment("production", "in_progress").await;
    let next = world.commit("feat: more");
    world.shop.tag("v1.2.0", &next).unwrap();
    world.released("v1.2.0", &next).await;
    world.shop.upload("v1.2.0", "shop.conda", Some(DIGEST)).unwrap();
    world.shop.check("github-actions", &next, "package", "success").unwrap();
    let queued = |title: &str| title.contains("Waits for the deployment before it");
    let look = |shop: &RepoHandle| shop.newest_check(&next, PRODUCTION).filter(|c| c.title.as_deref().is_some_and(queued));
    world.until("a deployment that waits for another", look).await;
    // Attested too, so that no gate minds it.
    world.shop.upload("v1.2.0", "more.conda", Some(DIGEST)).unwrap();
    world.shop.report_deployment(first.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
    let summary = world.refused(&next, PRODUCTION, "failure", "artifact_changed").await.summary.unwrap_or_default();
    assert!(summary.contains("more.conda"), "{summary}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_without_a_tag_has_no_files_and_whoever_only_looks_is_told() {
    let (world, sha) = released(REPO, "").await;
    built(&world, &sha, "shop.conda", &[sound()]);
    succeeds(&world, &sha).await;
    let ask = async |arguments: &[&str]| {
        let (_, said) = world.command(&[arguments, &["--repo", REPO, "--format", "json"]].concat()).await;
        let said: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
        said["gates"]["verdicts"][0]["code"].as_str().unwrap_or_default().to_owned()
    };
    let asked = world.count(ROUTE);
    assert_eq!(ask(&["deploy", "production", "--ref", "v1.1.0", "--dry-run"]).await, "attestations_not_read");
    assert_eq!(world.count(ROUTE), asked);
    assert_eq!(ask(&["deploy", "production", "--ref", sha.as_str(), "--dry-run"]).await, "artifact_unknown");
    assert_eq!(ask(&["validate", "production", "--ref", "v1.1.0"]).await, "attested");
    world.finish().await;
}
