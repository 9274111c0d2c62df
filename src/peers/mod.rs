//! Other MCP servers that the operator names, called as a client: for gates, for configuration, for announcements.
//!
//! Invariants: only a tool whose definition has the pinned digest is called, and it is looked at again in the conversation
//! that calls it; the credential reaches nobody but the peer; a conversation has one deadline for all of it and every message
//! a limit, which holds while it is read; redirects are not followed; nothing is offered to the peer (no sampling, no
//! elicitation, no roots). What a peer says is data: its words are cleaned and cut before anybody reads them, and nothing
//! else of it stands in a text of ours.
//!
//! Known races: a peer can list a tool and then do something else when it is called; nobody can see that from outside. A
//! process whose server is killed finds its input closed; one that does not end by itself then is left behind.

mod answer;
mod process;
mod session;
mod trouble;

pub use answer::Said;
pub use session::{Defined, Pinned};
pub use trouble::PeerTrouble;

use crate::config::settings::{PeerAddress, PeerSettings};
use crate::domain::{Refusal, RepoName};
use futures::future::BoxFuture;
use process::{Leash, start};
use reqwest::{Client, redirect};
use serde_json::{Map, Value};
use session::{Link, Talk};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Calls peers; one for the whole process.
#[derive(Clone)]
pub struct Peers {
    client: Client,
    all: Arc<BTreeMap<String, PeerSettings>>,
    places: Arc<BTreeMap<String, Semaphore>>,
}

/// Conversations with one peer at once, since each may be a process; others wait, and their time begins after that.
const AT_ONCE: usize = 8;

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.all.keys()).finish()
    }
}

impl Peers {
    /// # Errors
    /// `peers_unavailable`: the TLS library did not start.
    pub fn new(all: &BTreeMap<String, PeerSettings>) -> Result<Self, Refusal> {
        let client = Client::builder()
            .user_agent(concat!("lockkeeper/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .referer(false)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .map_err(|_| {
                let fix = "See that the machine has root certificates (package ca-certificates).";
                Refusal::operator("peers_unavailable", "Peers cannot be called: the TLS library did not start.", fix)
            })?;
        let places = all.keys().map(|name| (name.clone(), Semaphore::new(AT_ONCE))).collect();
        Ok(Self { client, all: Arc::new(all.clone()), places: Arc::new(places) })
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all.keys().map(String::as_str)
    }

    pub fn is_lent(&self, peer: &str, repo: &RepoName) -> bool {
        self.all.get(peer).is_some_and(|settings| settings.repositories.allow(repo))
    }

    /// Every tool of the peer, and every pinned one that it has not, with what is pinned.
    ///
    /// # Errors
    /// See [`PeerTrouble`].
    pub fn tools(&self, peer: &str) -> BoxFuture<'static, Result<Vec<Defined>, PeerTrouble>> {
        let (this, peer) = (self.clone(), peer.to_owned());
        Box::pin(async move {
            let settings = this.settings(&peer)?;
            let whole = async {
                let talk = this.open(&peer, settings).await?;
                let tools = talk.tools().await;
                talk.close().await;
                tools
            };
            in_time(&peer, settings, whole).await
        })
    }

    /// Calls one tool, once. To drop the future is to end the conversation.
    ///
    /// # Errors
    /// See [`PeerTrouble`]; the tool may have been called all the same when nothing came back in time.
    pub fn call(&self, peer: &str, tool: &str, arguments: Map<String, Value>) -> BoxFuture<'static, Result<Said, PeerTrouble>> {
        let (this, peer, tool) = (self.clone(), peer.to_owned(), tool.to_owned());
        Box::pin(async move {
            let settings = this.settings(&peer)?;
            let _place = match this.places.get(&peer) {
                Some(places) => places.acquire().await.ok(),
                None => None,
            };
            let whole = async {
                let talk = this.open(&peer, settings).await?;
                let said = talk.call(&tool, arguments).await;
                talk.close().await;
                said
            };
            in_time(&peer, settings, whole).await
        })
    }

    fn settings(&self, name: &str) -> Result<&PeerSettings, PeerTrouble> {
        self.all.get(name).ok_or_else(|| PeerTrouble::unknown(name))
    }

    /// A peer that answers the question of the new era and speaks only the old one is asked again in the old way.
    async fn open(&self, name: &str, settings: &PeerSettings) -> Result<Talk, PeerTrouble> {
        let mut old = false;
        loop {
            let (link, leash) = match &settings.at {
                PeerAddress::Url(url) => (Link::Web { client: self.client.clone(), url: url.clone() }, Leash::none()),
                PeerAddress::Process(process) => {
                    let (link, leash) = start(name, process, settings.max_bytes)?;
                    (Link::Pipes(link), leash)
                }
            };
            match Talk::begin(name, settings, link, leash, old).await? {
                Some(talk) => return Ok(talk),
                None if old => return Err(PeerTrouble::broken(name)),
                None => old = true,
            }
        }
    }
}

/// One conversation, from the first byte to the last. Whatever becomes of it, its process is ended.
async fn in_time<T>(
    name: &str,
    settings: &PeerSettings,
    whole: impl Future<Output = Result<T, PeerTrouble>>,
) -> Result<T, PeerTrouble> {
    let timeout = settings.timeout;
    tokio::time::timeout(timeout, whole).await.unwrap_or_else(|_| Err(PeerTrouble::timed_out(name, timeout)))
}
