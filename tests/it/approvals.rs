//! Environments that ask people: what waits, who may agree, what ends it.

use crate::world::{Setup, World};
use lockkeeper::domain::Sha;
use std::time::Duration;

const PRODUCTION: &str = "lockkeeper/production";

/// A workflow brings it up, so that GitHub's deployment is there while people are asked.
fn asks(approvals: &str) -> Setup {
    let config = format!(
        "[environments.production]\ntarget = \"actions\"\napprovals = {approvals}\n\n[targets.actions]\nkind = \"workflow\"\nworkflow = \
         \"deploy.yml\"\n"
    );
    Setup::new().config(&config).file(".github/workflows/deploy.yml", "on:\n  workflow_dispatch:\n    inputs:\n      sha: {}\n")
}

/// The operator asks for the newest commit.
async fn asked(world: &World) -> Sha {
    let sha = world.head();
    let ask = ["deploy", "production", "--repo", "acme/shop", "--ref", sha.as_str(), "--detach"];
    let (code, _, problem) = world.command_told(&ask).await;
    assert_eq!(code, 0, "{problem}");
    sha
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_waits_for_people_says_for_whom_and_not_for_ever() {
    let world = asks("{ count = 2, teams = [\"sre\"], expiry = \"2d\" }").start().await;
    world.github.clear_log();
    let sha = asked(&world).await;
    let check = world.check(&sha, PRODUCTION, "action_required").await;
    let says = "Waits for 2 of 2 approvals of members of the team sre who did not ask for it.";
    assert_eq!(check.title.as_deref(), Some(says));
    let made = world.deployment("production", "pending").await;
    assert_eq!(made.statuses.last().map(|status| status.description.as_str()), Some(says));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let counts = world.github.counts();
    let counted = counts.iter().filter(|(route, _)| !route.ends_with("/access_tokens"));
    let routes: Vec<String> = counted.map(|(route, count)| format!("{count} {route}")).collect();
    insta::assert_snapshot!(routes.join("\n"), @r"
    2 POST /graphql ReleaseFacts
    1 POST /repos/{owner}/{repo}/check-runs
    1 POST /repos/{owner}/{repo}/deployments
    1 POST /repos/{owner}/{repo}/deployments/{id}/statuses
    ");
    world.jump(Duration::from_secs(2 * 24 * 3600 + 60));
    world.refused(&sha, PRODUCTION, "timed_out", "approvals_deadline").await;
    world.finish().await;
}
