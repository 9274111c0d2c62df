//! What is said at `/callback/<run>`: by whom, and what it means for the errand that waits. The route is elsewhere.
//!
//! A report is signed with the hook's secret (`X-Lockkeeper-Signature-256` over the body), or comes from a job of GitHub
//! Actions with its OIDC token (`Authorization: Bearer …`, audience: our public URL). It names `run` and `step`, so that a
//! report cannot be sent again for another errand.
//!
//! Invariants: whoever is not known learns nothing but that; a wrong signature is not made good by a token.

pub mod oidc;
#[cfg(test)]
mod tests;

use super::report::Report;
use super::sign::{self, is_signed};
use super::{Errand, Progress, Trouble};
use crate::config::Secret;
use crate::domain::{Refusal, RepoId};
use crate::probes::Caller;
use http::{HeaderMap, header::AUTHORIZATION};
use oidc::{Doubt, Keys, Wanted};
use serde::{Deserialize, Serialize};

/// Largest report, in bytes; a larger one need not be kept.
pub const LARGEST_REPORT: usize = 64 << 10;
/// No token is longer.
pub const LONGEST_TOKEN: usize = 16 << 10;

/// What a report that counts is to the errand that waits for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Heard {
    /// Never `Working`: that is no news.
    Ended(Progress),
    /// It says another commit, or that it is done without one.
    Unbelievable(Refusal),
}

/// The step that a report says it is about, as long as nobody knows whose it is.
pub fn claimed_step(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Claim {
        step: String,
    }
    serde_json::from_slice::<Claim>(body).ok().map(|claim| claim.step)
}

/// The errand that waits for a report.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub errand: &'a Errand,
    pub repository: RepoId,
    /// The hook's; `None`: only a token counts.
    pub secret: Option<&'a Secret>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Take it as the errand's progress.
    Report(Progress),
    /// Known who it is, and what it says ends the errand: another commit, or done without one.
    Unbelievable(Trouble),
    /// Answer with this status and change nothing.
    Denied { status: u16, refusal: Refusal },
}

/// Judges reports; one for the whole process, because it keeps the issuer's keys.
pub struct Callbacks {
    keys: Keys,
    /// Our public URL; `None`: no token can be meant for us.
    audience: Option<String>,
}

impl Callbacks {
    /// `issuer` as of [`issuer`]; `public_url` as in the settings.
    pub fn new(issuer: &str, public_url: Option<String>, caller: Caller) -> Self {
        Self { keys: Keys::new(issuer, caller), audience: public_url }
    }

    pub async fn judge(&self, headers: &HeaderMap, body: &[u8], expected: Expected<'_>) -> Verdict {
        if body.len() > LARGEST_REPORT {
            return denied(413, "callback_too_large", "The report is larger than 64 KB.");
        }
        if let Some(denied) = self.stranger(headers, body, expected).await {
            return denied;
        }
        let errand = expected.errand;
        let report = match Report::read(body) {
            Ok(report) => report,
            Err(why) => return Verdict::Denied { status: 400, refusal: why.refusal },
        };
        if report.run.as_deref() != Some(errand.run.as_str()) || report.step.as_deref() != Some(&errand.step) {
            return denied(409, "callback_mismatch", "The report is not about the step that waits (`run`, `step`).");
        }
        report.progress(errand).map_or_else(Verdict::Unbelievable, Verdict::Report)
    }

    /// Why somebody is not known.
    async fn stranger(&self, headers: &HeaderMap, body: &[u8], expected: Expected<'_>) -> Option<Verdict> {
        if let Some(signature) = headers.get(sign::HEADER) {
            let good = expected.secret.is_some_and(|secret| is_signed(secret, signature.as_bytes(), body));
            return (!good).then(|| denied(401, "callback_signature", "The signature is not that of this hook's secret."));
        }
        let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|text| text.split_once(' '));
        let token = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        let (Some(token), Some(audience)) = (token.filter(|t| t.len() <= LONGEST_TOKEN), &self.audience) else {
            return Some(denied(401, "callback_unsigned", "The report is neither signed nor sent with a token for us."));
        };
        let Expected { errand, repository, .. } = expected;
        let wanted = Wanted { audience, repository, environment: &errand.environment, sha: &errand.sha };
        match self.keys.verify(token, wanted).await {
            Ok(()) => None,
            Err(Doubt::Invalid) => {
                Some(denied(401, "callback_token", "The token is not a valid one of GitHub Actions for us."))
            }
            Err(Doubt::Stranger(why)) => Some(denied(403, "callback_stranger", &format!("The token does not count: {why}."))),
            Err(Doubt::NoKeys) => {
                Some(denied(503, "callback_keys", "GitHub's keys for tokens cannot be read now; send the report again later."))
            }
        }
    }
}

fn denied(status: u16, code: &str, message: &str) -> Verdict {
    let fix = "Send the report as the README describes under \"Callbacks\".";
    Verdict::Denied { status, refusal: Refusal::user(code, message, fix) }
}

/// Who issues tokens of GitHub Actions, told by the base of the REST API.
pub fn issuer(github_api_url: &str) -> String {
    let (scheme, rest) = github_api_url.split_once("://").unwrap_or(("https", github_api_url));
    let host = rest.split('/').next().unwrap_or_default();
    match host.strip_prefix("api.") {
        Some("github.com") => "https://token.actions.githubusercontent.com".to_owned(),
        Some(tenant) if tenant.ends_with(".ghe.com") => format!("{scheme}://token.actions.{tenant}"),
        _ => format!("{scheme}://{host}/_services/token"),
    }
}
