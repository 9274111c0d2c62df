//! People at the agents' door, with the agent between: whoever shows a token that GitHub has made for them and for our App.
//!
//! Invariants: GitHub says whose token it is, and for which App, at least once a minute, so that one that was taken back soon
//! opens nothing; of the token only a digest is kept, in memory; the person's role is read for the repository that a request is
//! about, and no request is let in on the role in another one. It stays an agent's door: nothing is approved here, and each
//! environment says what agents may do in it.

use super::resources::About;
use super::server::Agents;
use crate::actions::access::{Caller, Rights, Through};
use crate::config::settings::SignIn;
use crate::domain::{Actor, ActorKind, Millis, Refusal, RepoId, RepoName, RepoRef, Role, RunId, UserId};
use crate::github::{GitHub, TokenHolder};
use crate::store::{chain, plans, repos, runs};
use crate::surfaces::control::{Attempts, Count};
use crate::surfaces::now;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Who waits for longer for a question to GitHub is told to come back.
const PATIENCE: Duration = Duration::from_secs(2);
/// Of each kind; more are forgotten.
const KEPT: usize = 1_000;
/// GitHub's are about 40 characters, and may grow.
const LONGEST: usize = 1_000;

/// Recognises tokens of people.
pub struct People {
    github: GitHub,
    sign_in: SignIn,
    holders: Recent<[u8; 32], TokenHolder>,
    roles: Recent<(UserId, RepoId), (Role, Millis)>,
    /// Tokens that were none: beyond so many GitHub is not asked for a while, since each question is a call.
    strangers: Attempts,
    /// Questions at once: what waits behind them is all that the App does in its own name.
    asking: Semaphore,
    shut_until: Mutex<Option<Instant>>,
    /// As long as GitHub's word about a token or a role is good.
    pub(super) good_for: Duration,
}

/// What somebody has heard of lately.
struct Recent<K, V> {
    good_for: Duration,
    heard: Mutex<HashMap<K, (Instant, V)>>,
}

/// Whether a bearer token is a person's, of any App.
pub(super) fn is_token(text: &str) -> bool {
    let rest = text.strip_prefix("ghu_").unwrap_or_default();
    (20..=LONGEST).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

impl People {
    pub fn new(github: GitHub, sign_in: SignIn, good_for: Duration) -> Self {
        Self {
            github,
            sign_in,
            holders: Recent::new(good_for),
            roles: Recent::new(good_for),
            strangers: Attempts::default(),
            asking: Semaphore::new(2),
            shut_until: Mutex::default(),
            good_for,
        }
    }

    /// Nothing for a token that is not good here.
    ///
    /// # Errors
    /// Those of GitHub.
    pub(super) async fn caller(&self, token: &str) -> Result<Option<Caller>, Refusal> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let known = self.holders.get(&digest);
        let holder = match known {
            Some(holder) => holder,
            None => {
                let Ok(Ok(_place)) = tokio::time::timeout(PATIENCE, self.asking.acquire()).await else {
                    let text = "GitHub is asked about many tokens now.";
                    return Err(Refusal::world("token_not_looked_up", text, "Try again in a minute."));
                };
                // Whoever was let in before is not shut out by others.
                if self.is_shut() && !self.holders.knows(&digest) {
                    let text = "Too many tokens were shown that are none, so that GitHub is not asked about new ones.";
                    return Err(Refusal::world("token_not_looked_up", text, "Try again in a minute."));
                }
                let SignIn { client_id, client_secret } = &self.sign_in;
                let Some(holder) = self.github.token_holder(client_id, client_secret, token).await? else {
                    self.holders.forget(&digest);
                    self.stranger();
                    return Ok(None);
                };
                self.holders.put(digest, holder.clone());
                holder
            }
        };
        if holder.expires_at.is_some_and(|at| at <= now()) {
            return Ok(None);
        }
        let actor = Actor { kind: ActorKind::Agent, id: holder.id, login: holder.login };
        Ok(Some(Caller { actor, rights: Rights::Through(None) }))
    }

    /// `None` also where GitHub does not show the repository to us any more.
    async fn role(&self, actor: &Actor, repo: &RepoRef) -> Result<(Role, Millis), Refusal> {
        let key = (actor.id, repo.id);
        if let Some(known) = self.roles.get(&key) {
            return Ok(known);
        }
        let read_at = now();
        let role = self.github.installation(repo.installation).role(&repo.name, &actor.login, actor.id).await?;
        self.roles.put(key, (role, read_at));
        Ok((role, read_at))
    }

    fn is_shut(&self) -> bool {
        let until = *self.shut_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn stranger(&self) {
        if let Count::Over { left, .. } = self.strangers.add(Instant::now()) {
            *self.shut_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + left);
        }
    }
}

impl<K: std::hash::Hash + Eq, V: Clone> Recent<K, V> {
    fn new(good_for: Duration) -> Self {
        Self { good_for, heard: Mutex::default() }
    }

    fn get(&self, key: &K) -> Option<V> {
        let all = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(key).filter(|(at, _)| at.elapsed() < self.good_for).map(|(_, value)| value.clone())
    }

    /// Heard of, however long ago.
    fn knows(&self, key: &K) -> bool {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).contains_key(key)
    }

    fn forget(&self, key: &K) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    fn put(&self, key: K, value: V) {
        let mut all = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEPT {
            all.retain(|_, (at, _)| at.elapsed() < self.good_for);
        }
        if all.len() >= KEPT {
            all.clear();
        }
        all.insert(key, (Instant::now(), value));
    }
}

/// By what a request says which repository it is about.
pub(super) enum Names<'a> {
    Repo(&'a str),
    Run(&'a str),
    Plan(&'a str),
    Audit(u64),
}

impl<'a> Names<'a> {
    pub(super) fn of(arguments: &'a serde_json::Map<String, serde_json::Value>) -> Option<Self> {
        let text = |name: &str| arguments.get(name).and_then(serde_json::Value::as_str);
        let plan = || text("plan_digest").map(Self::Plan);
        text("repo").map(Self::Repo).or_else(|| text("deployment_id").map(Self::Run)).or_else(plan)
    }
}

impl Agents {
    /// With what the person may do in the repository that the request is about. Whoever may do nothing there hears what is heard
    /// of one that is not there.
    ///
    /// # Errors
    /// Where GitHub does not say what they may do.
    pub(super) async fn placed(&self, caller: Caller, names: Option<Names<'_>>) -> Result<Caller, Refusal> {
        let (Rights::Through(None), Some(people), Some(names)) = (&caller.rights, &self.people, names) else {
            return Ok(caller);
        };
        let Some(repo) = self.repo_of(&caller.actor, names).await? else { return Ok(caller) };
        let (role, role_read) = people.role(&caller.actor, &repo).await?;
        let at = (role > Role::None).then_some(Through { repo: repo.id, role, role_read });
        Ok(Caller { rights: Rights::Through(at), ..caller })
    }

    /// The same for an address.
    pub(super) async fn placed_at(&self, caller: Caller, about: Option<&About>) -> Result<Caller, Refusal> {
        let names = about.map(|about| match about {
            About::Repo(name) => Names::Repo(name.as_str()),
            About::Deployment(run) => Names::Run(run.as_str()),
        });
        self.placed(caller, names).await
    }

    async fn repo_of(&self, actor: &Actor, names: Names<'_>) -> Result<Option<RepoRef>, Refusal> {
        match names {
            Names::Repo(name) => {
                let Ok(name) = RepoName::parse(name) else { return Ok(None) };
                self.desk.read(move |rx| repos::named(rx, &name)).await
            }
            Names::Run(id) => {
                let Some(id) = RunId::parse(id) else { return Ok(None) };
                let found = self.desk.read(move |rx| {
                    let of = runs::get(rx, &id)?.map(|run| run.subject.repo.id);
                    of.map_or(Ok(None), |id| repos::get(rx, id))
                });
                found.await
            }
            Names::Audit(id) => {
                let found = self.desk.read(move |rx| {
                    let of = chain::get(rx, id)?.and_then(|link| link.record.repo);
                    of.map_or(Ok(None), |id| repos::get(rx, id))
                });
                found.await
            }
            Names::Plan(digest) => {
                let (actor, digest) = (actor.clone(), digest.to_owned());
                let found = self.desk.read(move |rx| {
                    let of = plans::of(rx, &actor, &digest)?.map(|plan| plan.repo);
                    of.map_or(Ok(None), |id| repos::get(rx, id))
                });
                found.await
            }
        }
    }
}
