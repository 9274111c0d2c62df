//! The App's JWT.
//!
//! Invariants: issued 60 s in the past and valid for 8 minutes from now (GitHub allows 10), by GitHub's clock as far as its
//! `Date` header told us; reused until a minute before its end, so that RSA is not in the way of each call.

use super::Secret;
use crate::domain::{Millis, Refusal};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use std::sync::{Mutex, PoisonError};

const BACKDATE: i64 = 60;
const LIFETIME: i64 = 8 * 60;
/// Clocks that differ by less are not the reason for a refusal, in seconds.
const TOLERANCE: i64 = 20;

pub(super) struct AppAuth {
    app_id: String,
    key: EncodingKey,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// GitHub's clock minus ours, in seconds; applied to what is signed.
    skew: i64,
    /// The last difference seen, applied or not.
    seen: Option<i64>,
    jwt: Option<(Secret, i64)>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: i64,
    exp: i64,
}

impl AppAuth {
    pub fn new(app_id: &str, private_key: &Secret) -> Result<Self, Refusal> {
        let key = EncodingKey::from_rsa_pem(private_key.expose().as_bytes()).map_err(|_| {
            // The parser's own error is left out: it may quote the key.
            let fix = "Set PRIVATE_KEY or PRIVATE_KEY_FILE to the PEM file that GitHub made for the App (RSA).";
            Refusal::operator("app_private_key", "The App's private key is not an RSA key in PEM form.", fix)
        })?;
        Ok(Self { app_id: app_id.to_owned(), key, state: Mutex::default() })
    }

    /// A JWT that is valid for at least a minute.
    pub fn jwt(&self, now: Millis) -> Result<Secret, Refusal> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now.0 / 1000 + state.skew;
        if let Some((jwt, until)) = &state.jwt
            && now < *until
            && *until - now <= LIFETIME
        {
            return Ok(jwt.clone());
        }
        let claims = Claims { iss: &self.app_id, iat: now - BACKDATE, exp: now + LIFETIME };
        let jwt = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key)
            .map_err(|_| Refusal::us("app_jwt", "The App's token could not be signed."))?;
        let jwt = Secret::new(jwt);
        state.jwt = Some((jwt.clone(), now + LIFETIME - 60));
        Ok(jwt)
    }

    /// Remembers how GitHub's clock differs from ours.
    pub fn saw_clock(&self, github: Millis, ours: Millis) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.seen = Some((github.0 - ours.0) / 1000);
    }

    /// After a 401: true if GitHub's clock differs so much from the one we signed by that signing anew can help.
    pub fn adopt_clock(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.seen {
            Some(seen) if (seen - state.skew).abs() > TOLERANCE => {
                state.skew = seen;
                state.jwt = None;
                true
            }
            _ => false,
        }
    }

    /// GitHub's clock minus ours in seconds, once an answer has told.
    pub fn skew(&self) -> Option<i64> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).seen
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use base64::Engine as _;

    /// A fresh RSA key as PEM, the same for all tests of one process.
    pub fn key() -> Secret {
        use aws_lc_rs::encoding::AsDer as _;
        use aws_lc_rs::rsa::{KeyPair, KeySize};
        static KEY: std::sync::OnceLock<String> = std::sync::OnceLock::new();
        let pem = KEY.get_or_init(|| {
            let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
            let der: aws_lc_rs::encoding::Pkcs8V1Der<'static> = pair.as_der().unwrap();
            let text = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
            let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
        });
        Secret::new(pem.clone())
    }

    fn claims(jwt: &Secret) -> serde_json::Value {
        let body = jwt.expose().split('.').nth(1).unwrap();
        serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap()
    }

    #[test]
    fn backdated_and_short_and_reused() {
        let auth = AppAuth::new("42", &key()).unwrap();
        let first = auth.jwt(Millis(1_000_000_000)).unwrap();
        let made = claims(&first);
        assert_eq!(made, serde_json::json!({"iss": "42", "iat": 999_940, "exp": 1_000_480}));
        assert_eq!(auth.jwt(Millis(1_000_400_000)).unwrap(), first, "reused");
        assert_ne!(auth.jwt(Millis(1_000_421_000)).unwrap(), first, "renewed a minute before its end");
        assert_ne!(auth.jwt(Millis(900_000_000)).unwrap(), first, "our clock jumped back");
    }

    #[test]
    fn a_wrong_clock_is_adopted_once() {
        let auth = AppAuth::new("42", &key()).unwrap();
        let ours = Millis(1_000_000_000);
        assert!(!auth.adopt_clock(), "nothing seen");
        auth.saw_clock(Millis(1_000_010_000), ours);
        assert!(!auth.adopt_clock(), "ten seconds are no reason");
        auth.saw_clock(Millis(1_000_600_000), ours);
        assert!(auth.adopt_clock());
        assert!(!auth.adopt_clock(), "already signed by that clock");
        assert_eq!(claims(&auth.jwt(ours).unwrap())["iat"], 1_000_540);
        assert_eq!(auth.skew(), Some(600));
    }

    #[test]
    fn a_bad_key_is_not_quoted() {
        let bad = "-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0\n-----END RSA PRIVATE KEY-----";
        let Err(refusal) = AppAuth::new("42", &Secret::new(bad)) else { panic!("taken") };
        assert_eq!(refusal.code, "app_private_key");
        assert!(!format!("{refusal:?}").contains("c2VjcmV0"));
    }
}
