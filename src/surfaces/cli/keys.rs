//! `lockkeeper keys`: keys for agents, scripts and other machines.

use super::operator::Common;
use super::table::{self, facts, plain};
use crate::actions::lock::span;
use crate::domain::{EnvName, KeyName, RepoName, Scope};
use crate::surfaces::control::{KeyAsk, KeyRow};
use std::collections::BTreeSet;
use std::process::ExitCode;

#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub common: Common,
}

#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// All keys, newest first, without the keys themselves (the default)
    List,
    /// Make a key and print it, once
    Create(Create),
    /// End a key; the next request with it is refused
    Revoke {
        /// The key's id, as `keys list` shows it
        id: String,
    },
}

#[derive(clap::Args, Debug)]
pub struct Create {
    /// What it is called in the list and in the audit
    #[arg(value_parser = |s: &str| KeyName::parse(s))]
    pub name: KeyName,
    /// What it may do: read, plan, validate, deploy, rollback, control, publish, lock; several with commas between
    #[arg(long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',', value_parser = scope)]
    pub scopes: Vec<Scope>,
    /// The one repository that it is for, as owner/name
    #[arg(long, value_parser = |s: &str| RepoName::parse(s))]
    pub repo: RepoName,
    /// The environments that it is for, each by name; none implies another
    #[arg(long = "environment", value_name = "ENV", value_delimiter = ',', num_args = 1.., value_parser = |s: &str| EnvName::parse(s))]
    pub environments: Vec<EnvName>,
    /// How long it is good, for example 12h or 90d; at most 365d
    #[arg(long, value_name = "TIME", default_value = "90d", value_parser = |s: &str| span(s).map(|_| s.to_owned()))]
    pub expires: String,
}

/// Exit code 0: done or shown; 2: it could not be.
pub fn run(args: Args) -> ExitCode {
    let common = args.common;
    match args.command.unwrap_or(Command::List) {
        Command::List => common.show(|operator| async move { operator.keys().await }, |rows: &Vec<_>| list(rows)),
        Command::Create(create) => {
            let ask = KeyAsk {
                name: create.name,
                scopes: create.scopes.into_iter().collect(),
                repo: create.repo,
                environments: create.environments.into_iter().collect(),
                expires: create.expires,
            };
            common.show(|operator| async move { operator.create_key(ask).await }, made)
        }
        Command::Revoke { id } => common.show(|operator| async move { operator.revoke_key(&id).await }, ended),
    }
}

fn list(rows: &[KeyRow]) -> String {
    let head = ["ID", "NAME", "STATE", "EXPIRES", "REPOSITORY", "ENVIRONMENTS", "SCOPES"];
    table::list(rows, "No keys. `lockkeeper keys create` makes one.", &head, |row| {
        vec![
            row.id.to_string(),
            row.name.to_string(),
            row.state.clone(),
            row.expires_at.clone(),
            row.repository.to_string(),
            joined(&row.environments),
            scopes(row),
        ]
    })
}

fn made(row: &KeyRow) -> String {
    let head = facts(&[
        ("id", row.id.to_string()),
        ("name", row.name.to_string()),
        ("may", scopes(row)),
        ("repository", row.repository.to_string()),
        ("environments", joined(&row.environments)),
        ("expires", row.expires_at.clone()),
    ]);
    let key = row.key.clone().unwrap_or_default();
    format!("{head}\n{}\n\nThis is the only time that it is shown. Use it as LOCKKEEPER_KEY, with --server URL.\n", plain(&key))
}

fn ended(row: &KeyRow) -> String {
    format!("The key {} ({}) is {}: the next request with it is refused.\n", row.name, row.id, row.state)
}

fn scopes(row: &KeyRow) -> String {
    row.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ")
}

fn joined(names: &BTreeSet<EnvName>) -> String {
    names.iter().map(EnvName::as_str).collect::<Vec<_>>().join(", ")
}

fn scope(text: &str) -> Result<Scope, String> {
    let known: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
    Scope::parse(text).ok_or_else(|| format!("a scope is one of {}", known.join(", ")))
}
