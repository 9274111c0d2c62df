//! `lockkeeper peers`, and what `lockkeeper doctor` says of peers: whether they answer, and with which tools.

use crate::config::settings::Resources;
use crate::domain::Refusal;
use crate::peers::Peers;
use crate::surfaces::cli::doctor::Finding;
use crate::surfaces::cli::operator::Format;
use crate::surfaces::cli::peers::{Args, Looked, text};
use futures::future::join_all;
use std::process::ExitCode;

/// Exit code 0 when they answer and are as they are pinned, 1 when one is not, 2 when there is no such peer, 64 when the
/// settings are wrong.
pub fn peers(args: &Args) -> ExitCode {
    let resources = match args.settings.resources() {
        Ok(resources) => resources,
        Err(problems) => return super::say(&problems),
    };
    if let Some(name) = args.name.as_ref().filter(|name| !resources.peers.contains_key(*name)) {
        let known: Vec<&str> = resources.peers.keys().map(String::as_str).collect();
        let fix = format!(
            "The peers in lockkeeper.toml are: {}.",
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        );
        super::say(&[Refusal::user("peer_unknown", format!("There is no peer {}.", name.escape_debug()), fix)]);
        return ExitCode::from(2);
    }
    super::with_runtime(async {
        let all = match look(&resources, args.name.as_deref()).await {
            Ok(all) => all,
            Err(refusal) => return super::say(&[refusal]),
        };
        match args.format {
            Format::Text => super::narrator::print(&text(&all)),
            Format::Json => super::narrator::print(&(serde_json::to_string_pretty(&all).unwrap_or_default() + "\n")),
        }
        if all.iter().all(Looked::is_well) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    })
}

/// Asks all peers, or one, side by side.
async fn look(resources: &Resources, only: Option<&str>) -> Result<Vec<Looked>, Refusal> {
    let peers = Peers::new(&resources.peers)?;
    let asked = peers.names().filter(|name| only.is_none_or(|only| only == *name));
    let all = asked.map(async |name| match peers.tools(name).await {
        Ok(tools) => Looked { peer: name.to_owned(), tools, problem: None },
        Err(trouble) => Looked { peer: name.to_owned(), tools: Vec::new(), problem: Some(trouble.into()) },
    });
    Ok(join_all(all).await)
}

/// One for each peer; none when there are no peers.
pub(super) async fn findings(resources: &Resources) -> Vec<Finding> {
    match look(resources, None).await {
        Ok(all) => all.iter().map(finding).collect(),
        Err(refusal) => vec![Finding::bad("peer", refusal)],
    }
}

fn finding(looked: &Looked) -> Finding {
    let peer = &looked.peer;
    if let Some(problem) = &looked.problem {
        return Finding::bad("peer", problem.clone());
    }
    let changed: Vec<&str> = looked.changed().map(|tool| tool.tool.as_str()).collect();
    if !changed.is_empty() {
        let message = format!("The peer {peer} defines otherwise than it is pinned, or has no more: {}.", changed.join(", "));
        let fix = format!("Look at it with `lockkeeper peers {peer}`; until it is pinned again it is not called.");
        return Finding::bad("peer", Refusal::operator("peer_tool_changed", message, fix));
    }
    let pinned = looked.tools.iter().filter(|tool| tool.pinned == crate::peers::Pinned::Yes).count();
    Finding::well("peer", format!("{peer} answers; tools that may be called: {pinned} of {}.", looked.tools.len()))
}
