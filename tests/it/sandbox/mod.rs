//! The stand-in for GitHub, asked as an App asks it: over HTTP.

mod adapter;
mod bot;
mod code;
mod faults;
mod graphql;
mod hooks;
mod refusals;
mod release;

use lockkeeper::sandbox::{CommitSeed, RepoHandle, RepoSeed, Sandbox, SandboxConfig};

/// `acme/shop` with three commits, the first of them tagged `v0.1.0`.
fn shop() -> (Sandbox, RepoHandle) {
    let sandbox = Sandbox::start(SandboxConfig::default()).unwrap();
    let seed = RepoSeed::new("acme/shop")
        .commit(CommitSeed::new("feat: begin").file("Cargo.toml", "[package]\nversion = \"0.1.0\"\n").tagged("v0.1.0"))
        .commit(CommitSeed::new("fix: count right\n\nIt was one off.").author("ann").file("src/lib.rs", "// x\n"))
        .commit(CommitSeed::new("feat!: sell more").author("Bob Smith <bob@example.org>").file("src/a/b.rs", "// y\n"));
    let shop = sandbox.create_repo(seed).unwrap();
    (sandbox, shop)
}
