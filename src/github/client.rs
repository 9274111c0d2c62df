//! The one path that every call takes: its turn, credentials, ETag, the exchange, what the headers teach, judgement.

use super::app::AppInfo;
use super::app_auth::AppAuth;
use super::classify::Answer;
use super::clock::now;
use super::counters::{CallCount, Counters};
use super::etags::Etags;
use super::lanes::{Lane, Lanes};
use super::operations::Cost;
use super::paths::Bases;
use super::people::{Known, People};
use super::tokens::{Token, Tokens};
use super::transport::{Incoming, Outgoing, Transport};
use super::{Class, GitHubConfig, Operation, Quota, Secret, Trouble};
use crate::domain::{InstallationId, Millis, Refusal};
use bytes::Bytes;
use http::header::{HeaderValue, LOCATION};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// GitHub as our App sees it; cheap to clone.
#[derive(Clone)]
pub struct GitHub {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub config: GitHubConfig,
    pub bases: Bases,
    pub people: People,
    pub many_releases: Known,
    /// Commits whose authors were learned.
    pub learned: Known,
    pub own_app: tokio::sync::OnceCell<AppInfo>,
    /// Each fetch may take memory and disk.
    pub fetches: tokio::sync::Semaphore,
    transport: Transport,
    auth: AppAuth,
    tokens: Tokens,
    lanes: Lanes,
    etags: Mutex<Etags>,
    counters: Counters,
}

/// GitHub as one installation of the App sees it; cheap to clone.
#[derive(Clone, Debug)]
pub struct Installation {
    pub(super) github: GitHub,
    pub(super) id: InstallationId,
}

/// A call, complete but for credentials.
pub(super) struct Call {
    pub operation: Operation,
    /// Path and query below the REST base, or an absolute URL of the same origin.
    pub target: String,
    pub body: Option<Value>,
    /// It gives way to everything else: while half of what may be written in a time is used up, it is told to wait.
    pub spare: bool,
}

/// A successful answer.
pub(super) struct Reply {
    pub operation: Operation,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Call {
    pub fn new(operation: Operation, target: impl Into<String>) -> Self {
        Self { operation, target: target.into(), body: None, spare: false }
    }
    pub fn with(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
    pub fn spare(mut self, spare: bool) -> Self {
        self.spare = spare;
        self
    }
}

impl Reply {
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Trouble> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // Position and kind only: the text around it may hold anything.
            let what = format!("{:?} error at line {} column {}", error.classify(), error.line(), error.column());
            Trouble::nonsense(self.operation, &what)
        })
    }

    /// The address of the next page, from `Link`.
    pub fn next_page(&self) -> Option<String> {
        let link = self.headers.get("link")?.to_str().ok()?;
        let part = link.split(',').find(|part| part.contains("rel=\"next\""))?;
        let (_, rest) = part.split_once('<')?;
        Some(rest.split_once('>')?.0.to_owned())
    }
}

impl fmt::Debug for GitHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHub").field("api", &self.inner.bases.rest).finish_non_exhaustive()
    }
}

impl GitHub {
    /// Needs a tokio runtime. Fails on an address that is no URL, on a bad key and without root certificates.
    pub fn new(config: GitHubConfig) -> Result<Self, Refusal> {
        let bases = Bases::new(&config.api_url)?;
        let inner = Inner {
            transport: Transport::new(&config, &bases)?,
            auth: AppAuth::new(&config.app_id, &config.private_key)?,
            bases,
            config,
            people: People::default(),
            many_releases: Known::default(),
            learned: Known::default(),
            own_app: tokio::sync::OnceCell::new(),
            fetches: tokio::sync::Semaphore::new(2),
            tokens: Tokens::default(),
            lanes: Lanes::default(),
            etags: Mutex::default(),
            counters: Counters::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub fn installation(&self, id: InstallationId) -> Installation {
        Installation { github: self.clone(), id }
    }

    /// How often each call was made since the start.
    pub fn calls(&self) -> Vec<CallCount> {
        self.inner.counters.snapshot()
    }

    /// What is left of each installation's calls, as far as GitHub told us.
    pub fn quotas(&self) -> Vec<Quota> {
        self.inner.lanes.quotas()
    }

    /// GitHub's clock minus ours in seconds, once it answered.
    pub fn clock_skew(&self) -> Option<i64> {
        self.inner.auth.skew()
    }

    /// A time of GitHub's by our own clock, as far as it has told us the difference.
    pub fn to_ours(&self, at: Millis) -> Millis {
        Millis(at.0.saturating_sub(self.clock_skew().unwrap_or(0).saturating_mul(1_000)))
    }

    /// A call as the App itself.
    pub(super) async fn call(&self, call: Call) -> Result<Reply, Trouble> {
        self.inner.send(None, call).await
    }
}

impl Installation {
    pub fn id(&self) -> InstallationId {
        self.id
    }

    pub(super) async fn call(&self, call: Call) -> Result<Reply, Trouble> {
        self.github.inner.send(Some(self.id), call).await
    }

    pub(super) fn lane(&self) -> Arc<Lane> {
        self.github.inner.lanes.of(Some(self.id), &self.github.inner.config)
    }

    /// A token for `git`; the only way a token leaves the client.
    pub(super) async fn token(&self) -> Result<Secret, Trouble> {
        self.github.inner.token(self.id).await
    }
}

impl Inner {
    async fn send(&self, caller: Option<InstallationId>, call: Call) -> Result<Reply, Trouble> {
        let lane = self.lanes.of(caller, &self.config);
        let _writing = lane.enter(call.operation, call.spare, now()).await?;
        let mut credentials = self.credentials(caller).await?;
        let mut incoming = self.exchange(caller, &call, &credentials).await?;
        if incoming.status == StatusCode::UNAUTHORIZED && self.renew(caller, &credentials).await {
            // GitHub did not look at the request, so sending it again is safe, also for a POST.
            credentials = self.credentials(caller).await?;
            incoming = self.exchange(caller, &call, &credentials).await?;
        }
        lane.learn(&incoming.headers);
        self.judge(caller, &lane, call.operation, incoming)
    }

    /// A call of the App's with its client secret; these are the only credentials of this kind.
    pub async fn send_basic(&self, call: &Call, authorization: HeaderValue) -> Result<Reply, Trouble> {
        let lane = self.lanes.of(None, &self.config);
        let _writing = lane.enter(call.operation, call.spare, now()).await?;
        let url = self.absolute(&call.target)?;
        let body = call.body.as_ref().map(|body| Bytes::from(body.to_string()));
        let out = Outgoing { method: call.operation.method(), url, authorization, body, if_none_match: None };
        let result = self.transport.exchange(out).await;
        self.counters.add(call.operation, result.as_ref().map_or(0, |incoming| incoming.status.as_u16()));
        let incoming = result.map_err(|trouble| trouble.at(call.operation))?;
        self.judge(None, &lane, call.operation, incoming)
    }

    /// The App's JWT or the installation's token.
    async fn credentials(&self, caller: Option<InstallationId>) -> Result<Secret, Trouble> {
        match caller {
            Some(id) => self.token(id).await,
            None => self.jwt(),
        }
    }

    fn jwt(&self) -> Result<Secret, Trouble> {
        let jwt = self.auth.jwt(now());
        jwt.map_err(|refusal| Trouble::new(Class::Misconfigured, "app_jwt", refusal.message, refusal.fix))
    }

    async fn token(&self, id: InstallationId) -> Result<Secret, Trouble> {
        self.tokens.get(id, now(), self.fetch_token(id)).await
    }

    async fn fetch_token(&self, id: InstallationId) -> Result<Token, Trouble> {
        #[derive(Deserialize)]
        struct Made {
            token: String,
            expires_at: String,
        }
        let path = format!("/app/installations/{id}/access_tokens");
        let call = Call::new(Operation::InstallationToken, path).with(serde_json::json!({}));
        let asked = now();
        let reply = Box::pin(self.send(None, call)).await?;
        let made: Made = reply.json()?;
        let at = Millis::parse_rfc3339(&made.expires_at).ok_or_else(|| Trouble::nonsense(reply.operation, "no time"))?;
        // By our own clock, so that a wrong one does not make a fresh token look old.
        let skew = self.auth.skew().unwrap_or(0).saturating_mul(1000);
        let expires = Millis(at.0.saturating_sub(skew).min(asked.0 + 3_600_000));
        Ok(Token { secret: Secret::new(made.token), expires })
    }

    /// After a 401: whether there may be better credentials. Drops the refused ones.
    async fn renew(&self, caller: Option<InstallationId>, refused: &Secret) -> bool {
        match caller {
            Some(id) => {
                self.tokens.drop_if(id, refused).await;
                true
            }
            None => self.auth.adopt_clock(),
        }
    }

    async fn exchange(&self, caller: Option<InstallationId>, call: &Call, with: &Secret) -> Result<Incoming, Trouble> {
        let mut url = self.absolute(&call.target)?;
        // A renamed or moved repository answers with a redirect; one hop, never to another host.
        for hop in 0..2 {
            let incoming = self.once(caller, call, &url, with).await?;
            match redirect(call.operation, &incoming) {
                Some(to) if hop == 0 => url = self.absolute(&to)?,
                _ => return Ok(incoming),
            }
        }
        Err(Trouble::new(Class::Gone, "github_redirects", "GitHub keeps redirecting the call.", "Check the repository's name."))
    }

    /// Below the REST base; an absolute address must have the same origin.
    fn absolute(&self, target: &str) -> Result<String, Trouble> {
        if target.starts_with('/') {
            return Ok(format!("{}{target}", self.bases.rest));
        }
        match target.strip_prefix(&self.bases.origin) {
            Some(rest) if rest.starts_with('/') => Ok(target.to_owned()),
            _ => {
                let fix = "Set LOCKKEEPER_GITHUB_API_URL to the address that GitHub itself uses in its answers.";
                Err(Trouble::new(Class::Misconfigured, "github_foreign_address", "GitHub pointed to another host.", fix))
            }
        }
    }

    async fn once(&self, caller: Option<InstallationId>, call: &Call, url: &str, with: &Secret) -> Result<Incoming, Trouble> {
        let operation = call.operation;
        let key = (caller, url.to_owned());
        let cached = operation.cost() == Cost::Read && caller.is_some();
        let if_none_match = if cached { self.etags().etag(&key) } else { None };
        let authorization = bearer(with).ok_or_else(|| Trouble::nonsense(operation, "the credentials hold odd characters"))?;
        let body = call.body.as_ref().map(|body| Bytes::from(body.to_string()));
        let out = Outgoing { method: operation.method(), url: key.1.clone(), authorization, body, if_none_match };
        let started = std::time::Instant::now();
        let result = self.transport.exchange(out).await;
        let status = result.as_ref().map_or(0, |incoming| incoming.status.as_u16());
        self.counters.add(operation, status);
        let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(operation = operation.name(), status, ms, installation = caller.map(|id| id.0), "github call");
        let mut incoming = result.map_err(|trouble| trouble.at(operation))?;
        if let Some(date) = incoming.date() {
            self.auth.saw_clock(date, now());
        }
        if incoming.status == StatusCode::NOT_MODIFIED
            && let Some((headers, body)) = self.etags().get(&key)
        {
            incoming.status = StatusCode::OK;
            incoming.headers.extend(headers);
            incoming.body = body;
        } else if cached && incoming.status == StatusCode::OK {
            self.etags().put(key, &incoming.headers, &incoming.body);
        }
        Ok(incoming)
    }

    /// Counts what did not go through `send`.
    pub fn count(&self, operation: Operation, status: u16) {
        self.counters.add(operation, status);
    }

    fn etags(&self) -> std::sync::MutexGuard<'_, Etags> {
        self.etags.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn judge(
        &self,
        caller: Option<InstallationId>,
        lane: &Lane,
        operation: Operation,
        got: Incoming,
    ) -> Result<Reply, Trouble> {
        let Incoming { status, headers, body } = got;
        if status.is_success() {
            return Ok(Reply { operation, headers, body });
        }
        let answer = Answer { operation, status, headers: &headers, body: &body, now: now() };
        let trouble = answer.trouble();
        if trouble.code == "github_secondary_limit" {
            lane.hold(trouble.after().unwrap_or_default());
        }
        tracing::debug!(
            operation = operation.name(),
            code = trouble.code,
            installation = caller.map(|id| id.0),
            "github refused"
        );
        Err(trouble)
    }
}

fn bearer(secret: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", secret.expose())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Where a redirect leads, if this call may follow it.
fn redirect(operation: Operation, incoming: &Incoming) -> Option<String> {
    let keeps_method = matches!(incoming.status.as_u16(), 307 | 308);
    let reading = operation.cost() == Cost::Read && matches!(incoming.status.as_u16(), 301 | 302);
    if !keeps_method && !reading {
        return None;
    }
    Some(incoming.headers.get(LOCATION)?.to_str().ok()?.to_owned())
}
