//! GitHub Actions as an issuer of tokens (OpenID Connect), where GitHub Enterprise Server has it: below
//! `/_services/token`. The App's own key signs, so that no second one has to be made.

use super::{Sandbox, SandboxError};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

const ISSUER: &str = "/_services/token";
const KEY: &str = "one";

/// Where everybody may read the keys.
pub(super) fn is_keys(path: &str) -> bool {
    path.strip_prefix(ISSUER) == Some("/.well-known/jwks")
}

/// The public keys of this private one, as they are published.
pub(super) fn keys(private_key_pem: &str) -> Result<Value, SandboxError> {
    let key = signing_key(private_key_pem)?;
    let mut jwk = Jwk::from_encoding_key(&key, Algorithm::RS256).map_err(|why| unusable(&why))?;
    jwk.common.key_id = Some(KEY.to_owned());
    Ok(json!({ "keys": [jwk] }))
}

fn signing_key(private_key_pem: &str) -> Result<EncodingKey, SandboxError> {
    EncodingKey::from_rsa_pem(private_key_pem.as_bytes()).map_err(|why| unusable(&why))
}

fn unusable(why: &jsonwebtoken::errors::Error) -> SandboxError {
    SandboxError::Start(format!("the key signs no token: {why}"))
}

impl Sandbox {
    /// A token as a job of GitHub Actions gets it. `claims` are added to the issuer and a lifetime of five minutes.
    pub fn job_token(&self, claims: &Value) -> Result<String, SandboxError> {
        let now = self.shared().world().now().0 / 1_000;
        let issuer = format!("{}{ISSUER}", self.base_url());
        let mut all = json!({ "iss": issuer, "iat": now, "nbf": now - 5, "exp": now + 300 });
        if let (Some(all), Some(claims)) = (all.as_object_mut(), claims.as_object()) {
            all.extend(claims.clone());
        }
        let header = Header { kid: Some(KEY.to_owned()), ..Header::new(Algorithm::RS256) };
        encode(&header, &all, &signing_key(self.private_key_pem())?).map_err(|why| unusable(&why))
    }
}
