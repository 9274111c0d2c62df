//! Commands that change something, written where they are not meant, in disguise, or by somebody who may not.

use crate::comment_acts::{PLACES, answer, has};
use crate::comments::{pull, replies, says};
use crate::world::World;
use lockkeeper::domain::Role;
use lockkeeper::sandbox::{Fault, Trouble};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_plainly_a_command_deploys_nothing() {
    let world = World::with(PLACES).await;
    let number = pull(&world).await;
    world.github.set_clock_offset(600_000);
    for quiet in [
        "```\n/deploy staging\n```",
        "> /deploy staging",
        "<!--\n/deploy staging\n-->",
        "please /deploy staging",
        "<details>\n<summary>log</summary>\n\n/deploy staging\n\n</details>",
    ] {
        says(&world, number, "ann", quiet);
    }
    says(&world, number, "renovate[bot]", "/deploy staging");
    world.quiet().await;
    assert_eq!(replies(&world).len(), 0);
    for (body, code) in [
        ("/deploy stag\u{200b}ing", "invisible_characters"),
        ("/deploy staging \u{202e}gnigats", "invisible_characters"),
        ("/deploy \u{2066}staging\u{2069}", "invisible_characters"),
        ("/deploy staging v1\u{2060}.0.0", "invisible_characters"),
        ("/deploy staging @abc\u{200d}1234", "invisible_characters"),
        ("/deploy --all", "command_misused"),
        ("/deploy `staging`", "command_marked_up"),
        ("/deploy --dry-run", "command_misused"),
        ("/deploy -- --dry-run", "command_misused"),
        ("/deploy --reason", "command_misused"),
        ("/deploy staging $(id)", "tag_gone"),
        ("/deploy staging ../../x", "ref_invalid"),
        ("/deploy nowhere", "unknown_environment"),
        ("/deplyo staging", "command_unknown"),
        ("/deploy staging --repo other/place", "other_repository"),
        (&"/deploy staging\n".repeat(100), "too_many_commands"),
        (&format!("{:x<65000}", "/deploy staging --reason "), "command_too_long"),
        (&format!("{:\n>65000}", "/deploy nowhere"), "unknown_environment"),
    ] {
        has(&answer(&world, number, "ann", body).await, &[code]);
    }
    let edited = says(&world, number, "ann", "Shall we?");
    world.shop.edit_comment(edited, "/deploy staging", "ann").unwrap();
    world.until("why not", |_| replies(&world).into_iter().find(|reply| reply.body.contains("edited_command"))).await;
    assert_eq!(world.shop.deployments().len(), 0);
    assert_eq!(world.runs("deploy").await, []);
    world.finish().await;
}

const WHO: &str = "\
[environments.staging]
target = \"cluster\"
who = [\"maintain\", \"team:sre\", \"user:uma\"]

[targets.cluster]
kind = \"deployment\"
reporters = [\"deployer[bot]\"]
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_environment_says_who_may_move_its_users() {
    let mut world = World::with(WHO).await;
    world.github.team("acme", "sre", &["sam", "rex"]);
    let number = pull(&world).await;
    world.github.set_clock_offset(600_000);
    world.expect_refusal("memberships");
    for (login, role) in [("sam", Role::Write), ("uma", Role::Write), ("mia", Role::Maintain), ("rex", Role::Read)] {
        world.shop.set_role(login, role);
    }
    let head = world.shop.resolve("topic").unwrap();
    for stranger in ["ann", "rex"] {
        says(&world, number, stranger, "/deploy staging");
        let refused = |reply: &lockkeeper::sandbox::Comment| reply.body.contains("not_allowed");
        world.until("a refusal", |_| replies(&world).pop().filter(refused)).await;
        has(&answer(&world, number, stranger, "/lock staging").await, &["not_allowed"]);
        world.quiet().await;
    }
    assert_eq!(world.shop.deployments().len(), 0);
    for (times, member) in ["sam", "uma", "mia"].into_iter().enumerate() {
        says(&world, number, member, "/deploy staging");
        let going = |d: &lockkeeper::sandbox::Deployment| d.sha == head && d.state() == "in_progress";
        let made = world.until("its deployment", |shop| shop.deployments().into_iter().find(going)).await;
        let report = lockkeeper::sandbox::DeploymentReport::new("deployer[bot]", "success");
        world.shop.report_deployment(made.id, report).unwrap();
        world.quiet().await;
        assert_eq!(world.shop.deployments().len(), times + 1, "{member}");
    }
    has(&answer(&world, number, "sam", "/lock staging").await, &["🔒"]);
    // A team that cannot be read has no members.
    let message = "Resource not accessible by integration".to_owned();
    let denied = Trouble::Status { status: 403, headers: Vec::new(), message };
    world.github.fault(Fault::on("GET", "/memberships/", denied).always());
    let refused = answer(&world, number, "sam", "/unlock staging").await;
    assert!(refused.contains("<sub>") && !refused.contains("🔓"), "{refused}");
    world.finish().await;
}

/// What GitHub would send when the repository gets another name, or another owner.
async fn repository(world: &World, action: &str, name: &str) {
    let payload = serde_json::json!({
        "action": action,
        "repository": { "id": world.shop.id(), "full_name": name, "default_branch": "main" },
        "installation": { "id": world.github.installation("acme").unwrap() },
        "sender": { "id": 1, "login": "owner", "type": "User" },
    });
    world.deliver("repository", &payload).await;
}

/// It is known by its number: what it was called when we last heard of it does not matter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_is_commanded_by_its_number_and_not_once_it_is_somebody_elses() {
    let gated = PLACES.replace("[environments.production]\n", "[environments.production]\napprovals = { count = 1 }\n");
    let world = World::with(&gated).await;
    let number = pull(&world).await;
    world.shop.set_role("bob", Role::Write);
    repository(&world, "renamed", "acme/formerly").await;
    has(&answer(&world, number, "ann", "/lock staging --reason moving").await, &["🔒 **staging**"]);
    has(&answer(&world, number, "ann", "/status").await, &["moving"]);
    world.github.set_clock_offset(600_000);
    says(&world, number, "ann", "/deploy production");
    let head = world.shop.resolve("topic").unwrap();
    world.check(&head, "lockkeeper/production", "action_required").await;
    repository(&world, "transferred", "stranger/shop").await;
    world.check(&head, "lockkeeper/production", "cancelled").await;
    world.quiet().await;
    has(&answer(&world, number, "bob", "/approve").await, &["nothing_to_approve"]);
    let status = answer(&world, number, "ann", "/status").await;
    assert!(!status.contains("moving"), "{status}");
    assert_eq!(world.shop.deployments().len(), 0);
    world.finish().await;
}

/// Nothing that stands in a commit, a branch or a reason is read as a template, as HTML, as a mention or as a mark of ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_of_others_stays_text() {
    let world = World::with(PLACES).await;
    let number = pull(&world).await;
    let title = "feat: {{ 7 * 7 }} {% raw %} <!-- lockkeeper:run:x --> @acme/all <img src=x> closes #1";
    let head = world.shop.commit("topic", lockkeeper::sandbox::CommitSeed::new(title)).unwrap();
    world.green(&head);
    world.quiet().await;
    world.github.set_clock_offset(600_000);
    says(&world, number, "ann", "/deploy staging --reason \"{{ prefix }} @acme/all\"");
    let told = |_: &_| replies(&world).into_iter().find(|reply| reply.body.contains("goes to **staging**"));
    let body = world.until("the reply", told).await.body;
    has(&body, &["{{ 7 \\* 7 }} {% raw %}"]);
    for bad in ["@acme/all", "<img", "<!-- lockkeeper:run:x"] {
        assert!(!body.contains(bad), "{bad}:\n{body}");
    }
    assert_eq!(body.matches("<!-- lockkeeper:run:").count(), 1, "{body}");
    let made = world.deployment("staging", "in_progress").await;
    world.shop.report_deployment(made.id, lockkeeper::sandbox::DeploymentReport::new("deployer[bot]", "success")).unwrap();
    world.check(&head, "lockkeeper/staging", "success").await;
    world.finish().await;
}
