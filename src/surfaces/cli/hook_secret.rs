//! `lockkeeper hook-secret`: the secret that signs between Lockkeeper and a repository's own deployer.
//!
//! Only a running server tells it, at its operator's door: it follows from the App's key, which the command line does not need.

use super::operator::{self, Common, Place};
use crate::domain::{EnvName, RepoName};
use crate::engine::client::HookSecret;
use crate::surfaces::control::Of;
use std::process::ExitCode;

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Repository, as owner/name
    #[arg(long, value_parser = |s: &str| RepoName::parse(s))]
    pub repo: RepoName,
    /// Environment that it deploys to; each has its own secret
    #[arg(long, value_parser = |s: &str| EnvName::parse(s))]
    pub environment: EnvName,
    #[command(flatten)]
    pub common: Common,
}

/// Exit code 0: shown; 2: it could not be.
pub fn run(args: Args) -> ExitCode {
    let of = Of { repo: args.repo, environment: args.environment };
    let whose = format!("the deployer of {} to {}", of.repo, of.environment);
    super::warn(&format!("what follows is a secret: give it to {whose} and to nobody else"));
    let ask = |place: Place| async move { operator::hook_secret(&place, &of).await };
    args.common.judge(ask, |told: &HookSecret| format!("{}\n", told.secret), |_| true)
}
