//! Tokens of GitHub Actions (OpenID Connect): who is it that reports?
//!
//! Invariants: only RS256 with a key that the issuer publishes; issuer, audience and lifetime are checked; the token must be
//! of the repository's numeric id, and of the environment or the commit. A token of a job that ran for a pull request counts
//! for nothing, because its author may not be trusted.
//! Source: GitHub, "OpenID Connect reference".

use crate::domain::{EnvName, RepoId, Sha};
use crate::probes::{Ask, Caller, Trust};
use bytes::Bytes;
use http::{HeaderMap, Method};
use jsonwebtoken::jwk::{Jwk, KeyAlgorithm};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Keys are read again after this time.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// Nobody makes us read them more often, whatever key a token names.
const PAUSE: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(10);
const MOST_KEYS: usize = 50;
/// Clocks that differ by less are not the reason for a refusal, in seconds.
const TOLERANCE: u64 = 60;

/// The public keys of one issuer, read when they are needed.
pub struct Keys {
    caller: Caller,
    issuer: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    keys: KeyList,
    read: Option<Instant>,
    tried: Option<Instant>,
}

type KeyList = Vec<(String, DecodingKey)>;

/// What a token must say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub audience: &'a str,
    pub repository: RepoId,
    pub environment: &'a EnvName,
    pub sha: &'a Sha,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Not a token of this issuer for us, or no longer.
    Invalid,
    /// A good token of somebody else.
    Stranger(&'static str),
    /// The issuer's keys cannot be read now.
    NoKeys,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

/// What a token says.
#[derive(Clone, Debug, Deserialize)]
pub struct Claims {
    pub repository_id: String,
    #[serde(default)]
    sha: Option<String>,
    /// GitHub has let the job into it.
    #[serde(default)]
    pub environment: Option<String>,
    #[serde(default)]
    event_name: Option<String>,
    /// Who made the job run.
    #[serde(default)]
    pub actor: Option<String>,
    #[serde(default)]
    pub actor_id: Option<String>,
}

impl Claims {
    /// Its author may not be trusted.
    fn is_of_pull_request(&self) -> bool {
        self.event_name.as_deref().is_some_and(|event| event.starts_with("pull_request"))
    }
}

impl Keys {
    pub fn new(issuer: &str, caller: Caller) -> Self {
        Self { caller, issuer: issuer.to_owned(), state: Mutex::default() }
    }

    pub(super) async fn verify(&self, token: &str, wanted: Wanted<'_>) -> Result<(), Doubt> {
        is_wanted(&self.read_token(token, &[wanted.audience]).await?, wanted)
    }

    /// What a token of a job says that is meant for one of these audiences.
    ///
    /// # Errors
    /// Every doubt, also that the job ran for a pull request.
    pub async fn claims(&self, token: &str, audiences: &[&str]) -> Result<Claims, Doubt> {
        let claims = self.read_token(token, audiences).await?;
        if claims.is_of_pull_request() {
            return Err(Doubt::Stranger("it is of a job for a pull request"));
        }
        Ok(claims)
    }

    async fn read_token(&self, token: &str, audiences: &[&str]) -> Result<Claims, Doubt> {
        let header = decode_header(token).map_err(|_| Doubt::Invalid)?;
        let kid = header.kid.filter(|_| header.alg == Algorithm::RS256).ok_or(Doubt::Invalid)?;
        let key = self.key(&kid).await?;
        let mut rules = Validation::new(Algorithm::RS256);
        rules.set_issuer(&[&self.issuer]);
        rules.set_audience(audiences);
        rules.set_required_spec_claims(&["exp", "iss", "aud"]);
        rules.validate_nbf = true;
        rules.leeway = TOLERANCE;
        decode::<Claims>(token, &key, &rules).map(|token| token.claims).map_err(|_| Doubt::Invalid)
    }

    async fn key(&self, kid: &str) -> Result<DecodingKey, Doubt> {
        let mut state = self.state.lock().await;
        let find = |state: &State| state.keys.iter().find(|(id, _)| id == kid).map(|(_, key)| key.clone());
        let fresh = state.read.is_some_and(|at| at.elapsed() < FRESH);
        if let (true, Some(key)) = (fresh, find(&state)) {
            return Ok(key);
        }
        if state.tried.is_some_and(|at| at.elapsed() < PAUSE) {
            return Err(if fresh { Doubt::Invalid } else { Doubt::NoKeys });
        }
        state.tried = Some(Instant::now());
        state.keys = self.read().await.ok_or(Doubt::NoKeys)?;
        state.read = Some(Instant::now());
        find(&state).ok_or(Doubt::Invalid)
    }

    async fn read(&self) -> Option<KeyList> {
        let url = format!("{}/.well-known/jwks", self.issuer);
        let ask = Ask {
            method: Method::GET,
            url: &url,
            // The operator's GitHub.
            trust: Trust::Operator,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout: PATIENCE,
        };
        let answer = self.caller.call(ask).await.ok().filter(|answer| answer.status.is_success())?;
        let set: Set = serde_json::from_slice(&answer.body).ok()?;
        // One of a kind that we do not know must not spoil the others.
        let known = set.keys.into_iter().take(MOST_KEYS).filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        let usable = known.filter(|key| matches!(key.common.key_algorithm, None | Some(KeyAlgorithm::RS256)));
        Some(usable.filter_map(|key| Some((key.common.key_id.clone()?, DecodingKey::from_jwk(&key).ok()?))).collect())
    }
}

fn is_wanted(claims: &Claims, wanted: Wanted<'_>) -> Result<(), Doubt> {
    if claims.repository_id != wanted.repository.to_string() {
        return Err(Doubt::Stranger("it is of another repository"));
    }
    if claims.is_of_pull_request() {
        return Err(Doubt::Stranger("it is of a job for a pull request"));
    }
    match (claims.environment.as_deref(), claims.sha.as_deref()) {
        (Some(environment), _) if environment == wanted.environment.as_str() => Ok(()),
        (Some(_), _) => Err(Doubt::Stranger("it is of another environment")),
        (None, Some(sha)) if sha == wanted.sha.as_str() => Ok(()),
        (None, _) => Err(Doubt::Stranger("it is of another commit, and of no environment")),
    }
}
