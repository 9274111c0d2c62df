//! Where a repository keeps its git-cliff configuration: each place is found, and the first of them is followed.

use crate::world::World;
use lockkeeper::sandbox::CommitSeed;

/// A template that says where it stood.
fn template(table: &str, place: &str) -> String {
    let each = "{% for commit in commits %}{{ commit.message }} {% endfor %}";
    format!("[{table}]\nbody = \"told by {place}: {each}\"\n")
}

/// Commits, tags, and gives the release's text.
async fn told(world: &World, tag: &str, seed: CommitSeed) -> String {
    let sha = world.commit_with(seed);
    world.shop.tag(tag, &sha).unwrap();
    let body = world.released(tag, &sha).await.body;
    let check = world.check(&sha, crate::world::RELEASE, "success").await;
    assert!(!check.summary.unwrap().contains("was not used"), "{tag}");
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_in_a_manifest_is_followed_and_a_file_of_its_own_comes_first() {
    let world = World::start().await;
    let workspace = template("workspace.metadata.git-cliff.changelog", "the workspace");
    let body = told(&world, "v1.1.0", CommitSeed::new("feat: one").file("Cargo.toml", &workspace)).await;
    assert!(body.starts_with("told by the workspace: ") && body.contains("one"), "{body}");

    let package = template("package.metadata.git-cliff.changelog", "the package");
    let package = format!("[package]\nname = \"shop\"\nversion = \"1.2.0\"\n\n{package}");
    let body = told(&world, "v1.2.0", CommitSeed::new("feat: two").file("Cargo.toml", &package)).await;
    assert!(body.starts_with("told by the package: ") && body.contains("two"), "{body}");

    let python = template("tool.git-cliff.changelog", "pyproject");
    let seed = CommitSeed::new("feat: three").without_file("Cargo.toml").file("pyproject.toml", &python);
    let body = told(&world, "v1.3.0", seed).await;
    assert!(body.starts_with("told by pyproject: ") && body.contains("three"), "{body}");

    // A manifest without such a table is none of git-cliff's business.
    let seed = CommitSeed::new("feat: four").file("Cargo.toml", "[package]\nname = \"shop\"\nversion = \"1.4.0\"\n");
    let body = told(&world, "v1.4.0", seed).await;
    assert!(body.starts_with("told by pyproject: "), "{body}");

    let (own, hidden) = (template("changelog", "cliff.toml"), template("changelog", ".config/cliff.toml"));
    let seed = CommitSeed::new("feat: five").without_file("Cargo.toml").file(".config/cliff.toml", &hidden);
    let body = told(&world, "v1.5.0", seed).await;
    assert!(body.starts_with("told by .config/cliff.toml: "), "{body}");
    let body = told(&world, "v1.6.0", CommitSeed::new("feat: six").file("cliff.toml", &own)).await;
    assert!(body.starts_with("told by cliff.toml: ") && body.contains("six"), "{body}");
    world.finish().await;
}
