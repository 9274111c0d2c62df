//! Tokens that people have let GitHub make for our App: whether one is good, and whose it is.
//!
//! Invariants: GitHub itself is asked, for our own App, so that a token made for another one is none here; the token goes to
//! GitHub alone, and is in no error.

use super::client::{Call, GitHub};
use super::paths::encode;
use super::{Operation, Secret, Trouble};
use crate::domain::{Millis, UserId};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use serde::Deserialize;

/// Whose token it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenHolder {
    pub id: UserId,
    pub login: String,
    /// Nothing where it does not end by itself.
    pub expires_at: Option<Millis>,
}

impl GitHub {
    /// Nothing for a token that is not of this App, has ended or was taken back, and for somebody who is suspended.
    ///
    /// # Errors
    /// Those of the call; `github_unauthorized` where the client id or secret is wrong.
    pub async fn token_holder(
        &self,
        client_id: &str,
        client_secret: &Secret,
        token: &str,
    ) -> Result<Option<TokenHolder>, Trouble> {
        #[derive(Deserialize)]
        struct Raw {
            app: App,
            user: Option<User>,
            expires_at: Option<String>,
        }
        #[derive(Deserialize)]
        struct App {
            client_id: String,
        }
        #[derive(Deserialize)]
        struct User {
            id: u64,
            login: String,
            suspended_at: Option<String>,
        }
        let path = format!("/applications/{}/token", encode(client_id));
        let call = Call::new(Operation::TokenCheck, path).with(serde_json::json!({ "access_token": token }));
        let basic =
            basic(client_id, client_secret).ok_or_else(|| Trouble::nonsense(Operation::TokenCheck, "odd credentials"))?;
        let raw = match self.inner.send_basic(&call, basic).await {
            Ok(reply) => reply.json::<Raw>()?,
            Err(trouble) if trouble.is_gone() => return Ok(None),
            Err(trouble) => return Err(trouble),
        };
        let ours = raw.app.client_id == client_id;
        let user = raw.user.filter(|user| ours && user.suspended_at.is_none());
        let expires_at = raw.expires_at.as_deref().map(|text| Millis::parse_rfc3339(text).unwrap_or_default());
        Ok(user.map(|user| TokenHolder {
            id: UserId(user.id),
            login: user.login,
            expires_at: expires_at.map(|at| self.to_ours(at)),
        }))
    }
}

fn basic(user: &str, password: &Secret) -> Option<HeaderValue> {
    let encoded = STANDARD.encode(format!("{user}:{}", password.expose()));
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}
