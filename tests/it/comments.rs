//! Commands in comments: signed webhooks in, reactions and replies out.

use crate::world::{Setup, World};
use lockkeeper::domain::Role;
use lockkeeper::sandbox::{Comment, CommentSeed, CommitSeed, Fault, PullSeed, Trouble};

/// A pull request by `dev` in a repository where `ann` may write.
pub async fn pull(world: &World) -> u64 {
    world.shop.set_role("ann", Role::Write);
    world.shop.branch("topic", &world.head()).unwrap();
    let sha = world.shop.commit("topic", CommitSeed::new("feat: sell more").author("dev")).unwrap();
    world.green(&sha);
    let pull = world.shop.open_pull(PullSeed::new("feat: sell more", "topic")).unwrap();
    world.quiet().await;
    pull
}

pub fn says(world: &World, pull: u64, by: &str, body: &str) -> u64 {
    world.shop.comment(pull, CommentSeed::new(by, body)).unwrap()
}

pub fn replies(world: &World) -> Vec<Comment> {
    world.shop.comments().into_iter().filter(|comment| comment.by_app).collect()
}

pub fn reactions(world: &World, comment: u64) -> Vec<String> {
    let comment = world.shop.find_comment(comment).unwrap();
    comment.reactions.into_iter().map(|reaction| reaction.content).collect()
}

/// The one reply that there is once nothing goes on any more.
async fn reply(world: &World) -> String {
    world.until("a reply", |_| replies(world).into_iter().next()).await;
    world.quiet().await;
    let all = replies(world);
    assert_eq!(all.len(), 1, "{all:#?}");
    all[0].body.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_is_seen_answered_once_and_costs_four_calls() {
    let world = World::start().await;
    let pull = pull(&world).await;
    world.github.clear_log();
    let asked = says(&world, pull, "ann", "Where are we?\r\n\r\n/status\r\n");
    let body = reply(&world).await;
    assert!(
        body.starts_with("Nothing has been deployed from this repository yet.") && body.contains("Nothing runs."),
        "{body}"
    );
    assert!(body.trim_end().ends_with(" -->") && body.contains("<!-- lockkeeper:run:"), "{body}");
    assert_eq!(reactions(&world, asked), ["eyes", "rocket"]);
    let counts = world.github.counts();
    let counted = counts.iter().filter(|(route, _)| !route.ends_with("/access_tokens"));
    let routes: Vec<String> = counted.map(|(route, count)| format!("{count} {route}")).collect();
    insta::assert_snapshot!(routes.join("\n"), @r"
    1 GET /repos/{owner}/{repo}/collaborators/{user}/permission
    2 POST /repos/{owner}/{repo}/issues/comments/{id}/reactions
    1 POST /repos/{owner}/{repo}/issues/{number}/comments
    ");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_commands_are_answered_together_and_slips_with_what_was_meant() {
    let world = World::start().await;
    let pull = pull(&world).await;
    let asked = says(&world, pull, "ann", "/help status\n@lockkeeper status\n/statsu\n/status --repo acme/other");
    let body = reply(&world).await;
    for part in ["> `/help status`", "Usage: /status", "> `@lockkeeper status`", "Nothing runs.", "`/status`", "own repository"]
    {
        assert!(body.contains(part), "no {part}:\n{body}");
    }
    assert_eq!(reactions(&world, asked), ["eyes", "confused"]);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_answered_that_is_not_meant_for_us() {
    let world = World::start().await;
    let pull = pull(&world).await;
    for (by, body) in [
        ("ann", "```\n/status\n```"),
        ("ann", "> /status\n\nthank you"),
        ("ann", "<!-- \n/status\n-->"),
        ("ann", "please /status"),
        ("ann", "/lgtm"),
        ("renovate[bot]", "/status"),
        ("lockkeeper[bot]", "/status"),
    ] {
        says(&world, pull, by, body);
    }
    world.quiet().await;
    assert_eq!(world.runs("comment").await, []);
    assert_eq!(replies(&world).len(), 0);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_commands_nothing_and_is_answered_once_with_why() {
    let world = World::start().await;
    let pull = pull(&world).await;
    let asked = says(&world, pull, "ann", "I wonder");
    world.shop.edit_comment(asked, "/status", "ann").unwrap();
    let body = reply(&world).await;
    assert!(body.contains("edited_command") && body.contains("new comment"), "{body}");
    world.shop.edit_comment(asked, "/status and\n/help", "ann").unwrap();
    world.shop.edit_comment(asked, "/help", "eve").unwrap();
    world.quiet().await;
    assert_eq!(replies(&world).len(), 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_and_a_crowd_of_commands_are_refused() {
    let world = World::start().await;
    let pull = pull(&world).await;
    world.shop.set_role("eve", Role::None);
    let asked = says(&world, pull, "eve", "/status");
    let body = reply(&world).await;
    assert!(body.contains("@eve") && body.contains("not_allowed"), "{body}");
    assert!(!body.contains("Nothing runs."), "{body}");
    assert_eq!(reactions(&world, asked), ["eyes", "confused"]);
    let crowd = says(&world, pull, "ann", &"/status\n".repeat(100));
    let long = says(&world, pull, "ann", &format!("/status {}\n\n{}", "x".repeat(2_000), "y ".repeat(30_000)));
    world.until("their replies", |_| (replies(&world).len() == 3).then_some(())).await;
    world.quiet().await;
    let bodies: Vec<String> = replies(&world).into_iter().map(|reply| reply.body).collect();
    assert!(bodies.iter().any(|body| body.contains("too_many_commands")), "{bodies:#?}");
    assert!(bodies.iter().any(|body| body.contains("command_too_long")), "{bodies:#?}");
    for comment in [crowd, long] {
        assert_eq!(reactions(&world, comment), ["eyes", "confused"]);
    }
    world.finish().await;
}

/// What a reply costs is the whole installation's; whoever may write is answered always.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_may_not_write_is_answered_only_so_often() {
    let world = World::start().await;
    let pull = pull(&world).await;
    world.shop.set_role("eve", Role::Read);
    for by in ["eve", "ann"] {
        for _ in 0..12 {
            says(&world, pull, by, "/status");
        }
        world.quiet().await;
        let to_all = replies(&world).len();
        assert_eq!(to_all, if by == "eve" { 10 } else { 22 });
    }
    let last = says(&world, pull, "eve", "/statsu");
    world.quiet().await;
    assert_eq!(reactions(&world, last), [""; 0]);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_is_there_once_whatever_becomes_of_the_answers() {
    let mut world = World::start().await;
    let pull = pull(&world).await;
    world.expect_refusal("/reactions");
    world.github.fault(Fault::on("POST", "/reactions$", Trouble::Reset));
    world.github.fault(Fault::on("POST", "/issues/[0-9]+/comments$", Trouble::Reset).after());
    let asked = says(&world, pull, "ann", "/status");
    reply(&world).await;
    assert_eq!(reactions(&world, asked), ["rocket"], "a reaction is tried once");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_chooses_the_prefix() {
    let world = Setup::new().prefix("/lk-").start().await;
    let pull = pull(&world).await;
    says(&world, pull, "ann", "/status");
    says(&world, pull, "ann", "/lk-help");
    let body = reply(&world).await;
    assert!(body.contains("`/lk-status`") && !body.contains("`/status`"), "{body}");
    world.finish().await;
}

/// Check runs say it as it is typed here, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_runs_name_commands_as_they_are_typed() {
    let config = "[environments.staging]\non = [\"merge\"]\ntarget = \"cluster\"\napprovals = { count = 1 }\n\n\
                  [targets.cluster]\nkind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n";
    let world = Setup::new().config(config).prefix("/lk-").start().await;
    world.shop.set_role("bob", Role::Write);
    let pull = pull(&world).await;
    let sha = world.commit("fix: more");
    let check = world.check(&sha, "lockkeeper/staging", "action_required").await;
    let summary = check.summary.unwrap();
    assert!(summary.contains("`/lk-approve`") && !summary.contains("`/approve`"), "{summary}");
    world.github.set_clock_offset(600_000);
    let run = world.runs("deploy").await.remove(0).id;
    says(&world, pull, "bob", &format!("/lk-reject {run} --reason no"));
    world.check(&sha, "lockkeeper/staging", "failure").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_is_released_by_those_who_may_write() {
    let world = World::start().await;
    let number = pull(&world).await;
    let refused = crate::comment_acts::answer(&world, number, "rex", "/release v1.0.0").await;
    assert!(refused.contains("not_allowed"), "{refused}");
    let planned = crate::comment_acts::answer(&world, number, "ann", "/release v1.0.0 --dry-run").await;
    assert!(planned.contains("What would happen to v1.0.0; nothing was changed"), "{planned}");
    assert_eq!(world.shop.releases().len(), 0);
    let gone = crate::comment_acts::answer(&world, number, "ann", "/release v9.9.9").await;
    assert!(gone.contains("tag_gone"), "{gone}");
    world.green(&world.shop.resolve("v1.0.0").unwrap());
    let asked = says(&world, number, "ann", "/release v1.0.0");
    world.until("the release", |shop| shop.releases().into_iter().find(|r| r.tag == "v1.0.0" && !r.draft)).await;
    let told = |_: &_| replies(&world).into_iter().find(|reply| reply.body.contains("### 📦 v1.0.0 is [released](http"));
    world.until("the reply", told).await;
    world.until("its reactions", |_| (reactions(&world, asked) == ["eyes", "rocket"]).then_some(())).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notes_and_health_are_for_those_who_may_write() {
    let config =
        "[environments.staging]\ntarget = \"cluster\"\n\n[targets.cluster]\nkind = \"deployment\"\nreporters = [\"x\"]\n";
    let world = World::with(config).await;
    let pull = pull(&world).await;
    says(&world, pull, "ann", "/notes v1.0.0\n/health staging\n/health stagin");
    let body = reply(&world).await;
    for part in
        ["**v1.0.0** would be released with:", "```markdown", "**staging** has no health checks.", "no environment stagin"]
    {
        assert!(body.contains(part), "no {part}:\n{body}");
    }
    says(&world, pull, "eve", "/notes v1.0.0");
    let refused = world.until("a refusal", |_| replies(&world).get(1).cloned()).await;
    assert!(refused.body.contains("role write"), "{}", refused.body);
    world.finish().await;
}
