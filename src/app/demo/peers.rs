//! The peers of `lockkeeper demo --peers`: the programs of `examples/peers`, named and pinned as an operator would do it.
//!
//! Invariant: they are found beside this program and nowhere else.

use super::balancer::local;
use super::progressive::no_port;
use crate::config::settings::{
    NotifierKind, NotifierSettings, PeerAddress, PeerProcess, PeerSettings, Repositories, Resources,
};
use crate::domain::{NewsKind, Refusal};
use crate::peers::Peers;
use axum::{Json, Router, routing::post};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

/// The gate that asks one of them, after those that every tag passes.
pub const GATES: &str = r#"
[[environments.production.gates]]
kind = "tag"
[[environments.production.gates]]
kind = "checks"
[[environments.production.gates]]
kind = "peer"
peer = "testing"
tool = "run_suite"
arguments = { ref = "{{ sha }}", environment = "{{ environment }}" }
expect = "result.passed"
"#;

/// The suite of the shop.
const SUITE: &str = "echo \"3 tests of $TEST_REF passed\"";
const EVENTS: [NewsKind; 2] = [NewsKind::Released, NewsKind::Deployed];
const TIMEOUT: Duration = Duration::from_secs(10);

/// Who plays beside GitHub and the server.
pub struct Cast {
    pub resources: Resources,
    /// What was announced in the team's room.
    pub heard: UnboundedReceiver<String>,
    /// So much is to be announced.
    pub expected: usize,
    /// Ended when they are dropped.
    _room: JoinSet<()>,
}

impl Cast {
    pub fn nobody() -> Self {
        Self { resources: Resources::default(), heard: unbounded_channel().1, expected: 0, _room: JoinSet::new() }
    }

    pub async fn hire() -> Result<Self, Refusal> {
        let (says, heard) = unbounded_channel();
        let (url, room) = room(says).await?;
        let mut resources = Resources::default();
        for (name, arguments) in [("testing", vec!["/bin/sh", "-c", SUITE]), ("communications", vec![url.as_str()])] {
            resources.peers.insert(name.to_owned(), pinned(name, &arguments).await?);
        }
        let announcer = NotifierSettings {
            kind: NotifierKind::Peer { peer: "communications".to_owned(), tool: "announce".to_owned() },
            events: EVENTS.to_vec(),
            repositories: everybody(),
            environments: Vec::new(),
            timeout: TIMEOUT,
        };
        resources.notifiers.insert("announcer".to_owned(), announcer);
        Ok(Self { resources, heard, expected: EVENTS.len(), _room: room })
    }
}

fn everybody() -> Repositories {
    Repositories(vec!["**".to_owned()])
}

/// With every tool that it has now pinned.
async fn pinned(name: &str, arguments: &[&str]) -> Result<PeerSettings, Refusal> {
    let program =
        std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join("examples").join(format!("peer-{name}"))));
    let Some(program) = program.filter(|program| program.is_file()) else {
        let text = format!("The example peer-{name} is not beside this program.");
        return Err(Refusal::operator("example_missing", text, "Build the examples first: `cargo build --examples`."));
    };
    let run = std::iter::once(program.display().to_string()).chain(arguments.iter().map(|text| (*text).to_owned())).collect();
    let mut settings = PeerSettings {
        at: PeerAddress::Process(PeerProcess { run, env: BTreeMap::new() }),
        tools: BTreeMap::new(),
        timeout: TIMEOUT,
        max_bytes: 64 << 10,
        credential: None,
        repositories: everybody(),
    };
    let tools = Peers::new(&[(name.to_owned(), settings.clone())].into())?.tools(name).await?;
    settings.tools = tools.into_iter().filter_map(|tool| Some((tool.tool, tool.digest?))).collect();
    Ok(settings)
}

/// The webhook of a room where people talk.
async fn room(says: UnboundedSender<String>) -> Result<(String, JoinSet<()>), Refusal> {
    let listener = local().await.map_err(no_port)?;
    let address = listener.local_addr().map_err(no_port)?;
    let hear = move |Json(said): Json<Value>| async move {
        // Nobody listens any more once the show is over.
        let _ = says.send(said["text"].as_str().unwrap_or_default().to_owned());
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        // It does not end by itself.
        let _ = axum::serve(listener, Router::new().route("/room", post(hear))).await;
    });
    Ok((format!("http://{address}/room"), tasks))
}
