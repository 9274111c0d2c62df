//! The process's settings: flag, then `LOCKKEEPER_*`, then `lockkeeper.toml`, then a default.
//!
//! Invariants: all mistakes are reported at once; only what a command needs is demanded; no message holds a value that
//! could be a secret.

mod address;
mod fields;
mod file;
mod flags;
mod lent;
mod notifiers;
mod peers;
mod prefix;
mod resources;
mod sign_in;
#[cfg(test)]
mod tests;
mod values;

pub use address::AddressRange;
pub use flags::Flags;
pub use lent::Lent;
pub use notifiers::{NotifierKind, NotifierSettings};
pub use peers::{PeerAddress, PeerProcess, PeerSettings};
pub use prefix::CommandPrefix;
pub use resources::{
    BalancerAddress, BalancerSettings, COMMAND_PLACEHOLDERS, CommandSettings, HookSettings, PrometheusSettings, Repositories,
    Resources,
};
pub use sign_in::SignIn;

use super::Secret;
use crate::domain::Refusal;
use std::path::PathBuf;

/// Exit code of a command whose settings are wrong (`EX_USAGE` of sysexits).
pub const EXIT_CODE: u8 = 64;

/// What every command that touches the server's data or asks the server needs; all of it has defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Local {
    /// `host:port` that the server listens on.
    pub listen: String,
    /// Folder of the database and all other files of the server.
    pub data_dir: PathBuf,
    /// A filter in tracing's syntax.
    pub log: String,
    pub log_format: LogFormat,
}

/// What talking to GitHub as the App needs.
#[derive(Clone, Debug, PartialEq)]
pub struct App {
    /// The App's id or client id.
    pub app_id: String,
    /// PEM.
    pub private_key: Secret,
    /// Base of the REST API, without a slash at its end.
    pub github_api_url: String,
    /// Where people and GitHub reach the server, without a slash at its end.
    pub public_url: Option<String>,
}

/// What the server needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Serve {
    pub local: Local,
    pub app: App,
    /// Any of them signs a webhook; at least one.
    pub webhook_secrets: Vec<Secret>,
    /// Private addresses that probes may reach nevertheless.
    pub allow_addresses: Vec<AddressRange>,
    /// What repositories may name in their configuration.
    pub resources: Resources,
    /// What commands in comments begin with.
    pub command_prefix: CommandPrefix,
    /// By which tokens of people are known; without it none are taken.
    pub sign_in: Option<SignIn>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Flags {
    /// Settings of the server, or everything that is wrong with them.
    pub fn serve(&self) -> Result<Serve, Vec<Refusal>> {
        let mut reader = values::Reader::new(self);
        let (local, app) = (reader.local(), reader.app());
        let webhook_secrets = reader.webhook_secrets();
        let allow_addresses = reader.allow_addresses();
        let resources = reader.resources();
        let prefix = reader.command_prefix();
        let sign_in = reader.sign_in();
        reader.finish(|| {
            let (webhook_secrets, allow_addresses) = (webhook_secrets?, allow_addresses?);
            let command_prefix = prefix?;
            Some(Serve { local: local?, app: app?, webhook_secrets, allow_addresses, resources, command_prefix, sign_in })
        })
    }

    /// Settings for talking to GitHub as the App, what is lent to repositories, and by what tokens of people are known.
    pub fn app(&self) -> Result<(Local, App, Resources, Option<SignIn>), Vec<Refusal>> {
        let mut reader = values::Reader::new(self);
        let (local, app, resources, sign_in) = (reader.local(), reader.app(), reader.resources(), reader.sign_in());
        reader.finish(|| Some((local?, app?, resources, sign_in)))
    }

    /// What is lent to repositories.
    pub fn resources(&self) -> Result<Resources, Vec<Refusal>> {
        let mut reader = values::Reader::new(self);
        let resources = reader.resources();
        reader.finish(|| Some(resources))
    }

    /// Settings for a command that only looks at the server's data or asks the server.
    pub fn local(&self) -> Result<Local, Vec<Refusal>> {
        let mut reader = values::Reader::new(self);
        let local = reader.local();
        reader.finish(|| local)
    }
}
