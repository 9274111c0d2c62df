//! `[peers.<name>]`: another MCP server that Lockkeeper calls, for those whom the operator lends it to.
//!
//! Invariants: only tools that are named with the digest of their definition may be called; a credential is a reference,
//! and never stands in the file itself.

use super::fields::Fields;
use super::resources::{Repositories, is_variable, line, repositories, variables, web};
use crate::config::Secret;
use std::collections::BTreeMap;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const LONGEST_TOOL: usize = 128;

#[derive(Clone, Debug, PartialEq)]
pub struct PeerSettings {
    pub at: PeerAddress,
    /// Tools that may be called, each with the digest of its definition.
    pub tools: BTreeMap<String, String>,
    /// For a whole conversation.
    pub timeout: Duration,
    /// Most that is read of one message.
    pub max_bytes: usize,
    /// Sent as a bearer token; a process has it among its variables.
    pub credential: Option<Secret>,
    pub repositories: Repositories,
}

#[derive(Clone, Debug, PartialEq)]
pub enum PeerAddress {
    /// Streamable HTTP.
    Url(String),
    /// Standard input and output of a process.
    Process(PeerProcess),
}

#[derive(Clone, Debug, PartialEq)]
pub struct PeerProcess {
    /// Program (absolute) and arguments; no shell reads them.
    pub run: Vec<String>,
    /// Everything that it finds in its environment, its credential included.
    pub env: BTreeMap<String, Secret>,
}

pub(super) fn read(fields: &mut Fields<'_, '_, '_>) -> Option<PeerSettings> {
    let url = fields.text("url").filter(|url| web(fields, "url", url));
    let run = line(fields, "command", false);
    let (mut env, pass_env) = variables(fields);
    let credential = credential(fields, run.is_some());
    let tools = tools(fields);
    let timeout = fields.duration("timeout", MINUTE, HOUR);
    let max_bytes = fields.whole("max_bytes", 256 << 10, 1 << 10..=16 << 20);
    let repositories = repositories(fields);
    let (credential, named) = credential?;
    let at = match (url, run) {
        (Some(url), None) => {
            if !env.is_empty() || !pass_env.is_empty() {
                fields.bad("env", "is for a `command`", "Remove it: a service elsewhere has an environment of its own.");
            }
            PeerAddress::Url(url)
        }
        (None, Some(run)) => {
            if run.iter().any(|word| word.contains("{{")) {
                fields.bad("command", "holds a placeholder", "Write all of it; what is to be looked at is given to the tools.");
            }
            env.extend(pass_env.into_iter().filter_map(|name| Some((name.clone(), Secret::new(std::env::var(name).ok()?)))));
            env.extend(named.zip(credential.clone()));
            PeerAddress::Process(PeerProcess { run, env })
        }
        _ => {
            fields.missing("url", "Add either `url`, for one that listens, or `command`, for a program to be started.");
            return None;
        }
    };
    let max_bytes = usize::try_from(max_bytes?).ok()?;
    Some(PeerSettings { at, tools: tools?, timeout: timeout?, max_bytes, credential, repositories: repositories? })
}

/// The credential, and the variable that a process gets it by.
fn credential(fields: &mut Fields<'_, '_, '_>, process: bool) -> Option<(Option<Secret>, Option<String>)> {
    const FIX: &str =
        "Write it like `{ env = \"SCANNER_TOKEN\" }` or `{ file = \"/run/secrets/scanner\", as = \"SCANNER_TOKEN\" }`.";
    let map = fields.map("credential");
    if map.is_empty() {
        return Some((None, None));
    }
    let text = |key: &str| map.get(key).map(Secret::expose);
    let known = map.keys().all(|key| ["env", "file", "as"].contains(&key.as_str()));
    let read = match (text("env"), text("file")) {
        (Some(name), None) if known => std::env::var(name).ok(),
        (None, Some(file)) if known => super::values::read_key(file.as_ref()).ok(),
        _ => {
            fields.bad("credential", "is no reference to one", FIX);
            return None;
        }
    };
    // It goes into a header.
    let plain = |secret: &String| !secret.is_empty() && secret.bytes().all(|byte| byte.is_ascii_graphic());
    let Some(secret) = read.map(|text| text.trim().to_owned()).filter(plain) else {
        let fix = "Name a variable or a file that the server can read and that holds one line.";
        fields.bad("credential", "cannot be read", fix);
        return None;
    };
    let named = text("as").or(text("env")).filter(|name| is_variable(name));
    if process && named.is_none() {
        fields.bad("credential", "does not say by which variable the program gets it", FIX);
        return None;
    }
    Some((Some(Secret::new(secret)), named.map(str::to_owned)))
}

fn tools(fields: &mut Fields<'_, '_, '_>) -> Option<BTreeMap<String, String>> {
    let map = fields.map("tools");
    let named = |name: &str| {
        (1..=LONGEST_TOOL).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b))
    };
    let digest = |text: &str| {
        let hex = text.strip_prefix("sha256:").unwrap_or_default();
        hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    if !map.iter().all(|(name, pinned)| named(name) && digest(pinned.expose())) {
        let fix = "See what to write with `lockkeeper peers`: each tool with `sha256:` and 64 hexadecimal digits.";
        fields.bad("tools", "holds something that is not the digest of a tool", fix);
        return None;
    }
    Some(map.into_iter().map(|(name, pinned)| (name, pinned.expose().to_owned())).collect())
}
