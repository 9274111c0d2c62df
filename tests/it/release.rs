//! A pushed tag becomes a release, or a check run that says why not.

use crate::world::{RELEASE, Setup, World};
use lockkeeper::sandbox::CommitSeed;
use std::time::{Duration, Instant};

const CREATE: &str = "POST /repos/{owner}/{repo}/releases";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_is_released_without_any_configuration() {
    let world = World::start().await;
    let sha = world.head();
    world.shop.tag("v1.2.3", &sha).unwrap();
    let release = world.released("v1.2.3", &sha).await;
    assert_eq!((release.name.as_deref(), release.prerelease), (Some("v1.2.3"), false));
    assert!(release.body.to_lowercase().contains("count right"), "{}", release.body);
    assert!(!release.body.contains("begin"), "what v1.0.0 has is not new: {}", release.body);
    assert!(release.body.contains("<!-- lockkeeper:run="), "{}", release.body);
    assert_eq!(world.shop.latest_release().map(|r| r.tag), Some("v1.2.3".to_owned()));
    let check = world.check(&sha, RELEASE, "success").await;
    assert_eq!(check.title.as_deref(), Some("Released v1.2.3"));
    assert!(check.details_url.is_some_and(|url| url.ends_with("/releases/tag/v1.2.3")));
    assert!(check.summary.is_some_and(|text| text.contains("after v1.0.0")));
    let log = world.github.log();
    let of = |method: &str| log.iter().filter(|e| e.method == method && e.path.contains("/releases")).collect::<Vec<_>>();
    let (made, changed) = (of("POST"), of("PATCH"));
    assert_eq!((made.len(), changed.len()), (1, 1));
    assert!(made[0].body.contains("\"draft\":true") && changed[0].body.contains("\"draft\":false"));
    assert!(made[0].seq < changed[0].seq, "a draft first, then published");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn annotated_tags_prereleases_and_old_lines() {
    let world = World::start().await;
    let sha = world.head();
    world.shop.annotated_tag("v1.2.0", &sha, "The second one").unwrap();
    world.released("v1.2.0", &sha).await;
    let next = world.commit("feat: try out");
    world.shop.tag("v2.0.0-rc.1", &next).unwrap();
    assert!(world.released("v2.0.0-rc.1", &next).await.prerelease);
    assert_eq!(world.shop.latest_release().map(|r| r.tag), Some("v1.2.0".to_owned()), "a prerelease is never latest");
    let old = world.commit("fix: an old line");
    world.shop.tag("v1.1.1", &old).unwrap();
    world.released("v1.1.1", &old).await;
    assert_eq!(world.shop.latest_release().map(|r| r.tag), Some("v1.2.0".to_owned()), "only the highest version is latest");
    let new = world.commit("feat: more");
    world.shop.tag("v1.3.0", &new).unwrap();
    world.released("v1.3.0", &new).await;
    assert_eq!(world.shop.latest_release().map(|r| r.tag), Some("v1.3.0".to_owned()));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn components_have_tags_of_their_own_and_ignored_ones_do_nothing() {
    let config = "[release]\nignore = [\"nightly-*\"]\n\n[[component]]\nname = \"api\"\npath = \"services/api\"\ntag = \"api/v{version}\"\n";
    let world = World::with(config).await;
    let sha = world.head();
    world.shop.tag("nightly-1", &sha).unwrap();
    world.quiet().await;
    assert!(world.our_checks(&sha, RELEASE).is_empty(), "an ignored tag is left alone");
    world.shop.tag("api/v2.0.0", &sha).unwrap();
    let release = world.released("api/v2.0.0", &sha).await;
    assert_eq!(release.name.as_deref(), Some("api/v2.0.0"));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_is_no_version_is_told_what_one_is() {
    let world = World::start().await;
    let sha = world.head();
    world.shop.tag("release-candidate", &sha).unwrap();
    let check = world.refused(&sha, RELEASE, "failure", "tag_not_a_version").await;
    assert!(check.summary.is_some_and(|text| text.contains("release-candidate") && text.contains("v1.2.3")));
    assert_eq!(world.count(CREATE), 0, "no draft was ever made");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pending_check_holds_the_release() {
    let world = World::start().await;
    let sha = world.shop.commit("main", CommitSeed::new("feat: sell more")).unwrap();
    let build = world.shop.start_check("github-actions", &sha, "build").unwrap();
    world.shop.tag("v1.1.0", &sha).unwrap();
    let check = world.waiting(&sha, RELEASE).await;
    assert!(check.summary.is_some_and(|text| text.contains("build")), "it says what it waits for");
    assert_eq!(world.count(CREATE), 0, "no draft while a gate is pending");
    world.shop.complete_check(build, "success").unwrap();
    world.released("v1.1.0", &sha).await;
    assert_eq!(world.our_checks(&sha, RELEASE).len(), 1, "the same check run ends well");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_check_refuses_at_once_and_its_rerun_starts_again() {
    let world = World::start().await;
    let sha = world.shop.commit("main", CommitSeed::new("feat: sell more")).unwrap();
    world.shop.start_check("github-actions", &sha, "slow").unwrap();
    world.shop.check("github-actions", &sha, "lint", "failure").unwrap();
    world.shop.tag("v1.1.0", &sha).unwrap();
    let check = world.refused(&sha, RELEASE, "failure", "check_failed").await;
    assert!(check.summary.is_some_and(|text| text.contains("lint") && text.contains("checks")));
    world.quiet().await;
    let again = world.shop.start_check("github-actions", &sha, "lint").unwrap();
    world.waiting(&sha, RELEASE).await;
    assert_eq!(world.count(CREATE), 0);
    world.shop.complete_check(again, "success").unwrap();
    world.until("the other run", |shop| shop.check_runs().into_iter().find(|c| c.name == "slow")).await;
    let slow = world.shop.check_runs().into_iter().find(|c| c.name == "slow").unwrap().id;
    world.shop.complete_check(slow, "success").unwrap();
    world.released("v1.1.0", &sha).await;
    assert_eq!(world.our_checks(&sha, RELEASE).len(), 2, "the refusal stays, the release is told beside it");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_check_run_can_be_run_again() {
    let world = World::start().await;
    let sha = world.shop.commit("main", CommitSeed::new("feat: sell more")).unwrap();
    world.shop.check("github-actions", &sha, "lint", "failure").unwrap();
    world.shop.tag("v1.1.0", &sha).unwrap();
    let refused = world.refused(&sha, RELEASE, "failure", "check_failed").await;
    world.quiet().await;
    world.shop.rerequest_check(refused.id, "ann").unwrap();
    let again = |shop: &lockkeeper::sandbox::RepoHandle| shop.newest_check(&sha, RELEASE).filter(|c| c.id > refused.id);
    let check = world.until("a second answer", again).await;
    world.quiet().await;
    assert_eq!(world.shop.newest_check(&sha, RELEASE).map(|c| (c.id, c.conclusion)), Some((check.id, Some("failure".into()))));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn named_checks_and_commit_statuses() {
    let config = "[[release.gates]]\nkind = \"tag\"\n[[release.gates]]\nkind = \"checks\"\nnames = [\"ci/build\"]\n";
    let world = World::with(config).await;
    let sha = world.shop.commit("main", CommitSeed::new("feat: sell more")).unwrap();
    world.shop.check("github-actions", &sha, "spelling", "failure").unwrap();
    world.shop.tag("v1.1.0", &sha).unwrap();
    let check = world.waiting(&sha, RELEASE).await;
    assert!(check.summary.is_some_and(|text| text.contains("ci/build")), "what is named and absent is waited for");
    world.shop.status("ci", &sha, "ci/build", "pending").unwrap();
    world.shop.status("ci", &sha, "ci/build", "success").unwrap();
    world.released("v1.1.0", &sha).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_counts_as_passed_after_a_wait() {
    let config = "[[release.gates]]\nkind = \"tag\"\n[[release.gates]]\nkind = \"checks\"\nwait = \"2s\"\n";
    let world = World::with(config).await;
    let sha = world.shop.commit("main", CommitSeed::new("feat: sell more")).unwrap();
    let begun = Instant::now();
    world.shop.tag("v1.1.0", &sha).unwrap();
    world.waiting(&sha, RELEASE).await;
    world.released("v1.1.0", &sha).await;
    assert!(begun.elapsed() >= Duration::from_secs(2));
    let check = world.check(&sha, RELEASE, "success").await;
    assert!(check.summary.is_some_and(|text| text.contains("No check reported on commit")), "it says so");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_ends_the_wait_even_when_the_clock_jumps_there() {
    let world = World::start().await;
    let sha = world.shop.commit("main", CommitSeed::new("feat: sell more")).unwrap();
    world.shop.start_check("github-actions", &sha, "build").unwrap();
    world.shop.tag("v1.1.0", &sha).unwrap();
    world.waiting(&sha, RELEASE).await;
    world.jump(Duration::from_secs(7 * 3600));
    let check = world.refused(&sha, RELEASE, "timed_out", "checks_deadline").await;
    assert!(check.summary.is_some_and(|text| text.contains("build")));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn manifests_that_say_another_version_refuse() {
    let world = World::start().await;
    let manifests = [
        ("Cargo.toml", "[package]\nname = \"shop\"\nversion = \"1.0.9\"\n"),
        ("package.json", "{\"name\": \"shop\", \"version\": \"1.0.9\"}"),
        ("pyproject.toml", "[project]\nname = \"shop\"\nversion = \"1.0.9\"\n"),
    ];
    for (n, (path, text)) in manifests.into_iter().enumerate() {
        let sha = world.commit_with(CommitSeed::new("chore: package").file(path, text));
        world.shop.tag(&format!("v1.1.{n}"), &sha).unwrap();
        let check = world.refused(&sha, RELEASE, "failure", "manifest_differs").await;
        assert!(check.summary.is_some_and(|text| text.contains(path) && text.contains("1.0.9")));
        world.shop.commit("main", CommitSeed::new("chore: unpackage").without_file(path)).unwrap();
    }
    let same = "[package]\nname = \"shop\"\nversion = \"1.2.0\"\n";
    let sha = world.commit_with(CommitSeed::new("chore: package").file("Cargo.toml", same));
    world.shop.tag("v1.2.0", &sha).unwrap();
    world.released("v1.2.0", &sha).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_commit_of_an_allowed_branch_is_released() {
    let world = World::with("[release]\nbranches = [\"release/*\"]\n").await;
    for branch in ["side", "release/1"] {
        world.shop.branch(branch, &world.head()).unwrap();
    }
    let side = world.shop.commit("side", CommitSeed::new("feat: aside")).unwrap();
    world.green(&side);
    world.shop.tag("v1.1.0", &side).unwrap();
    world.refused(&side, RELEASE, "failure", "not_on_branch").await;
    let line = world.shop.commit("release/1", CommitSeed::new("fix: the line")).unwrap();
    world.green(&line);
    world.shop.tag("v1.0.1", &line).unwrap();
    world.released("v1.0.1", &line).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_or_draft_of_a_person_is_left_alone() {
    let world = World::start().await;
    let sha = world.head();
    world.shop.release_as("ann", "v1.1.0", false).unwrap();
    world.refused(&sha, RELEASE, "failure", "already_released").await;
    world.quiet().await;
    let next = world.commit("fix: more");
    world.shop.release_as("ann", "v1.2.0", true).unwrap();
    world.shop.tag("v1.2.0", &next).unwrap();
    world.refused(&next, RELEASE, "failure", "draft_exists").await;
    world.quiet().await;
    assert_eq!(world.shop.releases().len(), 2);
    assert_eq!(world.count(CREATE), 0);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_configuration_refuses_and_tells_the_problem() {
    let world = World::with("[release]\nbranchs = [\"main\"]\n").await;
    let sha = world.head();
    world.shop.tag("v1.1.0", &sha).unwrap();
    let check = world.refused(&sha, RELEASE, "failure", "config_invalid").await;
    assert!(check.summary.is_some_and(|text| text.contains("branchs") && text.contains("lockkeeper check")));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_enforced_refuses_that_deployment_only() {
    let config = "[environments.production]\non = [\"tag\"]\ntarget = \"cluster\"\nhealth = [{ kind = \"peer\", peer = \"watch\", \
                  tool = \"look\", expect = \"true\" }]\n\n\
                  [targets.cluster]\nkind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n";
    let world = Setup::new().config(config).start().await;
    let sha = world.head();
    world.shop.tag("v1.1.0", &sha).unwrap();
    world.released("v1.1.0", &sha).await;
    let check = world.refused(&sha, "lockkeeper/production", "failure", "not_available").await;
    assert!(check.summary.is_some_and(|text| text.contains("peer")));
    assert!(world.shop.deployments().is_empty(), "nothing was begun");
    world.finish().await;
}
