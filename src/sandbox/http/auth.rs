//! Who may call: the App's JWT, installation tokens, and what GitHub says to everything else.

use super::call::Caller;
use super::reply::Refused;
use crate::domain::Millis;
use crate::sandbox::world::{Token, World};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

/// GitHub's limit on how far `exp` may lie ahead.
const LONGEST_JWT_S: i64 = 600;

impl World {
    /// Reads the `Authorization` header.
    pub fn authenticate(&self, header: Option<&str>) -> Result<Caller, Refused> {
        let bad = || Refused::new(401, "Bad credentials");
        let Some(header) = header else { return Ok(Caller::Nobody) };
        let (scheme, rest) = header.split_once(' ').ok_or_else(bad)?;
        let token = match scheme.to_ascii_lowercase().as_str() {
            "bearer" | "token" => rest.trim().to_owned(),
            "basic" => {
                let (user, password) = basic(rest).ok_or_else(bad)?;
                if user == self.client_id() {
                    return if password == self.client_secret() { Ok(Caller::Client) } else { Err(bad()) };
                }
                password
            }
            _ => return Err(bad()),
        };
        if token.starts_with("ghs_") {
            return self.installation_caller(&token);
        }
        if token.split('.').count() == 3 {
            return self.check_jwt(&token).map(|()| Caller::App);
        }
        Err(bad())
    }

    fn installation_caller(&self, token: &str) -> Result<Caller, Refused> {
        let bad = || Refused::new(401, "Bad credentials");
        let token = self.tokens.get(token).filter(|t| t.expires > self.now()).ok_or_else(bad)?;
        let install = self.installs.get(&token.install).ok_or_else(bad)?;
        if install.suspended_at.is_some() {
            return Err(Refused::new(403, "This installation has been suspended"));
        }
        // A repository or permission that was taken away is gone for older tokens too.
        let repos = token.repos.intersection(&install.repos).copied().collect();
        let permissions = token.permissions.iter().filter(|(name, _)| install.permissions.contains_key(*name));
        let permissions = permissions.map(|(k, v)| (k.clone(), v.clone())).collect();
        Ok(Caller::Installation { id: install.id, permissions, repos })
    }

    /// Source: "Generating a JSON Web Token (JWT) for a GitHub App" and the error texts that GitHub answers.
    fn check_jwt(&self, token: &str) -> Result<(), Refused> {
        let no = |text: &str| Refused::new(401, text);
        let unread = || no("A JSON web token could not be decoded");
        if decode_header(token).map_err(|_| unread())?.alg != Algorithm::RS256 {
            return Err(unread());
        }
        let mut rules = Validation::new(Algorithm::RS256);
        rules.validate_exp = false;
        rules.validate_aud = false;
        rules.required_spec_claims.clear();
        let key = DecodingKey::from_rsa_der(&self.public_key);
        let claims = decode::<Value>(token, &key, &rules).map_err(|_| unread())?.claims;
        let issuer = match &claims["iss"] {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return Err(no("'Issuer' claim ('iss') must be an Integer")),
        };
        if issuer != self.config.app_id.to_string() && issuer != self.client_id() {
            return Err(Refused::new(404, "Integration not found"));
        }
        let now = self.now().0 / 1_000;
        let seconds = |claim: &str| claims[claim].as_i64();
        match seconds("exp") {
            Some(exp) if exp - now > LONGEST_JWT_S => {
                return Err(no("'Expiration time' claim ('exp') is too far in the future"));
            }
            Some(exp) if exp > now => {}
            _ => {
                let text = "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the \
                            assertion expires";
                return Err(no(text));
            }
        }
        if seconds("iat").is_none_or(|iat| iat > now) {
            let text = "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued";
            return Err(no(text));
        }
        Ok(())
    }

    pub fn client_id(&self) -> String {
        format!("Iv23li{:014x}", self.config.app_id)
    }

    pub fn client_secret(&self) -> String {
        format!("{:040x}", self.config.app_id)
    }

    /// A new token in today's long form, `ghs_<app>_<jwt>`: nothing may depend on 40 characters.
    pub fn issue(&mut self, token: Token) -> String {
        let segment = |n: usize| URL_SAFE_NO_PAD.encode((0..n).map(|_| rand::random::<u8>()).collect::<Vec<_>>());
        let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","typ":"JWT","kid":"sandbox"}"#);
        let text = format!("ghs_{}_{head}.{}.{}", self.config.app_id, segment(270), segment(64));
        self.tokens.retain(|_, t| t.expires > Millis(token.expires.0 - 7_200_000));
        self.tokens.insert(text.clone(), token);
        text
    }
}

/// User and password.
fn basic(encoded: &str) -> Option<(String, String)> {
    let plain = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    plain.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}
