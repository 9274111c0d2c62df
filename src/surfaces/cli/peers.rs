//! `lockkeeper peers`: its arguments, and what is shown of the operator's peers: their tools, and the digests to pin.

use super::operator::Format;
use super::table::{plain, table};
use crate::config::settings::Flags;
use crate::domain::Refusal;
use crate::peers::{Defined, Pinned};
use serde::Serialize;

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Peer of [peers.…] in lockkeeper.toml [default: all of them]
    pub name: Option<String>,
    #[command(flatten)]
    pub settings: Flags,
    /// How to show the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// A peer, and what it says it can do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Looked {
    pub peer: String,
    pub tools: Vec<Defined>,
    /// Why nothing is known of its tools.
    pub problem: Option<Refusal>,
}

impl Looked {
    /// It answers, and what is pinned is as it is pinned.
    pub fn is_well(&self) -> bool {
        self.problem.is_none() && self.changed().next().is_none()
    }

    /// Pinned tools that may not be called any more.
    pub fn changed(&self) -> impl Iterator<Item = &Defined> {
        self.tools.iter().filter(|tool| matches!(tool.pinned, Pinned::Changed | Pinned::Missing))
    }
}

/// A table for each peer, and what to write for what it has.
pub fn text(all: &[Looked]) -> String {
    if all.is_empty() {
        return "No peer is configured; write [peers.NAME] in lockkeeper.toml.\n".to_owned();
    }
    all.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn one(peer: &Looked) -> String {
    if let Some(problem) = &peer.problem {
        return format!("{}: {} [{}]\n  {}\n", peer.peer, plain(&problem.message), problem.code, plain(&problem.fix));
    }
    let state = |pinned: Pinned| match pinned {
        Pinned::Yes => "pinned",
        Pinned::No => "not pinned",
        Pinned::Changed => "CHANGED: not called",
        Pinned::Missing => "MISSING: not called",
    };
    let row = |tool: &Defined| {
        vec![tool.tool.clone(), state(tool.pinned).to_owned(), tool.digest.clone().unwrap_or_else(|| "-".to_owned())]
    };
    let rows: Vec<Vec<String>> = peer.tools.iter().map(row).collect();
    let mut said = format!("{}\n{}", peer.peer, table(&["TOOL", "STATE", "DIGEST"], &rows));
    if peer.tools.iter().any(|tool| matches!(tool.pinned, Pinned::No | Pinned::Changed)) {
        said += &format!(
            "Read what the tools say they do; then write those that may be called in `tools` of [peers.{}].\n",
            peer.peer
        );
    }
    said
}
