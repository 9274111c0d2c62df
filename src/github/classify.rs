//! An answer that is not a success → a [`Trouble`]: pure, by status, headers and GitHub's message.
//!
//! Sources: GitHub's "Troubleshooting the REST API", "Rate limits for the REST API", and the wordings that GitHub uses today.

use super::{Class, Operation, Trouble};
use crate::domain::Millis;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use std::time::Duration;

/// What GitHub puts into an error's body.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    message: String,
    errors: Vec<serde_json::Value>,
}

/// What is known about the failed call.
pub(super) struct Answer<'a> {
    pub operation: Operation,
    pub status: StatusCode,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
    pub now: Millis,
}

impl Answer<'_> {
    pub(super) fn trouble(&self) -> Trouble {
        let said: Said = serde_json::from_slice(self.body).unwrap_or_default();
        let lower = said.message.to_ascii_lowercase();
        let mut trouble = match self.status.as_u16() {
            401 => unauthorized(&lower),
            403 | 429 => self.forbidden(&lower),
            404 => gone("github_not_found", "GitHub knows nothing there, or does not show it to the App"),
            410 | 451 => gone("github_gone", "GitHub no longer serves this"),
            408 => Trouble::retry(self.wait(), "github_timeout", "GitHub took too long to answer."),
            501 => refused("github_unsupported", "This GitHub server does not know the call"),
            status @ 500.. => Trouble::retry(self.wait(), "github_unavailable", format!("GitHub answered {status}.")),
            422 if lower.contains("submitted too quickly") => {
                Trouble::retry(self.wait().or(Some(DEFAULT_WAIT)), "github_secondary_limit", "GitHub asks us to slow down.")
            }
            409 => refused("github_conflict", "GitHub sees a conflict"),
            422 => rejected(&said),
            400 => refused("github_bad_request", "GitHub did not understand the call"),
            status => refused("github_refused", &format!("GitHub answered {status}")),
        };
        let detail = detail(&said);
        if !detail.is_empty() && !trouble.is_retryable() {
            trouble.message = format!("{}: {detail}", trouble.message.trim_end_matches('.'));
        }
        if !trouble.message.ends_with('.') {
            trouble.message.push('.');
        }
        trouble.status = Some(self.status.as_u16());
        trouble.at(self.operation)
    }

    /// 403 and 429 stand for many things; limits come first, because they are the only ones that pass by themselves.
    fn forbidden(&self, lower: &str) -> Trouble {
        let used_up = header(self.headers, "x-ratelimit-remaining") == Some(0);
        if lower.contains("secondary rate limit") || lower.contains("abuse detection") {
            return Trouble::retry(
                self.wait().or(Some(DEFAULT_WAIT)),
                "github_secondary_limit",
                "GitHub asks us to slow down.",
            );
        }
        if used_up || lower.contains("rate limit exceeded") {
            let wait = self.wait().or(Some(DEFAULT_WAIT));
            return Trouble::retry(wait, "github_rate_limit", "The installation's calls for this hour are used up.");
        }
        if self.status == StatusCode::TOO_MANY_REQUESTS || self.headers.contains_key("retry-after") {
            return Trouble::retry(
                self.wait().or(Some(DEFAULT_WAIT)),
                "github_secondary_limit",
                "GitHub asks us to slow down.",
            );
        }
        if lower.contains("not accessible by integration") {
            return self.permission();
        }
        if lower.contains("suspended") {
            let fix = "Unsuspend the installation in the organization's settings, under GitHub Apps.";
            return misconfigured("github_installation_suspended", "The App's installation is suspended", fix);
        }
        if lower.contains("ip allow list") || lower.contains("ip address") {
            let fix = "Add the server's address to the organization's IP allow list.";
            return misconfigured("github_ip_not_allowed", "The organization does not let this server's address in", fix);
        }
        if lower.contains("saml") {
            let fix = "Ask an owner of the organization to authorize the App for SAML single sign-on.";
            return misconfigured("github_saml", "The organization asks for SAML authorization", fix);
        }
        if lower.contains("archived") {
            return refused("github_repository_archived", "The repository is archived, so nothing can be changed in it");
        }
        if lower.contains("access blocked") || lower.contains("disabled") {
            return gone("github_repository_blocked", "GitHub has blocked or disabled the repository");
        }
        refused("github_forbidden", "GitHub does not allow this")
    }

    fn permission(&self) -> Trouble {
        let (message, fix) = permission_texts(self.operation);
        Trouble::new(Class::Misconfigured, "github_permission_missing", message, fix)
    }

    /// `Retry-After` in seconds, or the reset time if the quota is used up.
    fn wait(&self) -> Option<Duration> {
        if let Some(seconds) = header(self.headers, "retry-after") {
            return Some(Duration::from_secs(seconds.min(MAX_WAIT)));
        }
        if header(self.headers, "x-ratelimit-remaining") != Some(0) {
            return None;
        }
        let reset = header(self.headers, "x-ratelimit-reset")?;
        // One second more: both clocks are cut to whole seconds.
        let at = Millis(i64::try_from(reset.saturating_add(1)).ok()?.saturating_mul(1000));
        Some(self.now.until(at).min(Duration::from_secs(MAX_WAIT)))
    }
}

/// GitHub's advice when it names no time: "wait for at least one minute".
const DEFAULT_WAIT: Duration = Duration::from_secs(60);
/// Nobody can make us wait longer than this, in seconds.
const MAX_WAIT: u64 = 3600 + 60;

pub(super) fn header(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

pub(super) fn permission_texts(operation: Operation) -> (String, String) {
    let wanted: Vec<String> = operation.needs().iter().map(|(p, a)| format!("{}: {}", p.label(), a.key())).collect();
    let wanted = if wanted.is_empty() { "what app.yml lists".into() } else { wanted.join(", ") };
    let message = format!("The App may not do this ({}); it needs the permission {wanted}.", operation.name());
    (message, "Give the App this permission and let the owner accept it; `lockkeeper doctor` shows what is missing.".into())
}

fn unauthorized(lower: &str) -> Trouble {
    let fix = "Check APP_ID, the private key and the server's clock with `lockkeeper doctor`.";
    let message = match lower {
        said if said.contains("expiration time") || said.contains("issued at") => "GitHub refuses our clock",
        said if said.contains("integration not found") => "GitHub knows no App with this id",
        _ => "GitHub does not accept the App's credentials",
    };
    misconfigured("github_unauthorized", message, fix)
}

fn rejected(said: &Said) -> Trouble {
    if said.errors.iter().any(|e| e.get("code").and_then(|c| c.as_str()) == Some("already_exists")) {
        return refused("github_already_exists", "It already exists at GitHub");
    }
    refused("github_rejected", "GitHub rejected the values")
}

fn refused(code: &'static str, message: &str) -> Trouble {
    Trouble::new(Class::Refused, code, message, "Look at what GitHub said, change it and try again.")
}

fn gone(code: &'static str, message: &str) -> Trouble {
    Trouble::new(Class::Gone, code, message, "Check that it exists and that the App is installed on the repository.")
}

fn misconfigured(code: &'static str, message: &str, fix: &str) -> Trouble {
    Trouble::new(Class::Misconfigured, code, message, fix)
}

/// GitHub's message and the fields that it names, made safe to show.
fn detail(said: &Said) -> String {
    let field = |e: &serde_json::Value| -> Option<String> {
        if let Some(text) = e.as_str() {
            return Some(text.to_owned());
        }
        let text = |key: &str| e.get(key).and_then(|v| v.as_str());
        text("message").map(str::to_owned).or_else(|| Some(format!("{} {}", text("field")?, text("code")?)))
    };
    let mut parts = vec![said.message.clone()];
    parts.extend(said.errors.iter().take(5).filter_map(field));
    parts.retain(|p| !p.trim().is_empty());
    printable(&parts.join("; "))
}

/// At most 300 characters on one line, without control characters and without words that look like a credential.
pub(super) fn printable(text: &str) -> String {
    let secret = |word: &str| {
        ["ghs_", "ghp_", "gho_", "ghu_", "ghr_", "github_pat_", "eyJ", "x-access-token"].iter().any(|mark| word.contains(mark))
    };
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<&str> = clean.split_whitespace().map(|w| if secret(w) { "[hidden]" } else { w }).collect();
    words.join(" ").chars().take(300).collect()
}
