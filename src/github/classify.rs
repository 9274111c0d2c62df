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
            404 if self.operation == Operation::InstallationToken => {
                gone("github_installation_gone", "The App is not installed there any more")
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_000_000_000);

    fn trouble(status: u16, headers: &[(&str, &str)], body: &str) -> Trouble {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        let operation = Operation::ReleaseCreate;
        let status = StatusCode::from_u16(status).unwrap();
        Answer { operation, status, headers: &map, body: body.as_bytes(), now: NOW }.trouble()
    }

    fn said(message: &str) -> String {
        serde_json::json!({"message": message, "documentation_url": "https://docs.github.com"}).to_string()
    }

    /// A wait that GitHub names, or none.
    fn later(seconds: u64) -> Class {
        Class::Retryable { after: Some(Duration::from_secs(seconds)) }
    }
    const SOON: Class = Class::Retryable { after: None };

    #[test]
    fn every_answer_has_its_class_and_code() {
        let used_up = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1000300")];
        let secondary = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
        let abuse = "You have triggered an abuse detection mechanism. Please wait a few minutes before you try again.";
        let ip = "Although you appear to have the correct authorization credentials, the `acme` organization has an IP allow \
                  list enabled, and your IP address is not permitted to access this resource.";
        type Case<'a> = (u16, &'a [(&'a str, &'a str)], &'a str, Class, &'a str);
        let cases: &[Case<'_>] = &[
            (400, &[], "Problems parsing JSON", Class::Refused, "github_bad_request"),
            (401, &[], "Bad credentials", Class::Misconfigured, "github_unauthorized"),
            (401, &[], "'Expiration time' claim ('exp') is too far in the future", Class::Misconfigured, "github_unauthorized"),
            (403, &[], "Resource not accessible by integration", Class::Misconfigured, "github_permission_missing"),
            (403, &used_up, "API rate limit exceeded for installation ID 1.", later(301), "github_rate_limit"),
            (403, &[], "API rate limit exceeded for installation ID 1.", later(60), "github_rate_limit"),
            (403, &[("retry-after", "7")], secondary, later(7), "github_secondary_limit"),
            (403, &used_up, secondary, later(301), "github_secondary_limit"),
            (403, &[], secondary, later(60), "github_secondary_limit"),
            (403, &[], abuse, later(60), "github_secondary_limit"),
            (403, &[("retry-after", "9")], "no", later(9), "github_secondary_limit"),
            (403, &[], "This installation has been suspended", Class::Misconfigured, "github_installation_suspended"),
            (403, &[], ip, Class::Misconfigured, "github_ip_not_allowed"),
            (403, &[], "Resource protected by organization SAML enforcement.", Class::Misconfigured, "github_saml"),
            (403, &[], "Repository was archived so is read-only.", Class::Refused, "github_repository_archived"),
            (403, &[], "Repository access blocked", Class::Gone, "github_repository_blocked"),
            (403, &[], "Must have admin rights to Repository.", Class::Refused, "github_forbidden"),
            (404, &[], "Not Found", Class::Gone, "github_not_found"),
            (408, &[], "", SOON, "github_timeout"),
            (409, &[], "Conflict: Commit status checks failed for main.", Class::Refused, "github_conflict"),
            (410, &[], "Gone", Class::Gone, "github_gone"),
            (415, &[], "Unsupported Media Type", Class::Refused, "github_refused"),
            (422, &[], "Validation Failed", Class::Refused, "github_rejected"),
            (422, &[], "was submitted too quickly", later(60), "github_secondary_limit"),
            (429, &[], "slow", later(60), "github_secondary_limit"),
            (429, &[("retry-after", "30")], "slow", later(30), "github_secondary_limit"),
            (429, &used_up, "slow", later(301), "github_rate_limit"),
            (451, &[], "DMCA", Class::Gone, "github_gone"),
            (500, &[], "Server Error", SOON, "github_unavailable"),
            (501, &[], "", Class::Refused, "github_unsupported"),
            (502, &[], "", SOON, "github_unavailable"),
            (503, &[("retry-after", "120")], "", later(120), "github_unavailable"),
            (503, &[("retry-after", "999999999")], "", later(MAX_WAIT), "github_unavailable"),
            (504, &[], "", SOON, "github_unavailable"),
        ];
        for (status, headers, message, class, code) in cases {
            let found = trouble(*status, headers, &said(message));
            assert_eq!((found.class, found.code), (*class, *code), "{status} {message}");
            assert_eq!(found.status, Some(*status));
            assert!(found.message.ends_with('.') && !found.fix.is_empty(), "{found:?}");
            let page = trouble(*status, headers, "<html>no JSON at all</html>");
            assert!(!page.message.contains('<'), "a page that is not GitHub's is not quoted: {page:?}");
        }
    }

    #[test]
    fn a_missing_permission_is_named_and_a_value_that_is_there_too() {
        let missing = trouble(403, &[], &said("Resource not accessible by integration"));
        assert!(missing.message.contains("Contents: write"), "{missing}");
        let body = serde_json::json!({"message": "Validation Failed", "errors": [
            {"resource": "Release", "code": "already_exists", "field": "tag_name"}]});
        let exists = trouble(422, &[], &body.to_string());
        assert_eq!(exists.code, "github_already_exists");
        assert!(exists.message.contains("tag_name already_exists"), "{exists}");
    }

    #[test]
    fn what_github_says_is_made_safe() {
        let token = format!("ghs_{}", "a".repeat(36));
        let long = format!("Bearer {token}\r\nX: eyJhbGciOi.x.y\u{7} {}", "z".repeat(1000));
        let shown = trouble(422, &[], &said(&long)).message;
        assert!(!shown.contains("ghs_") && !shown.contains("eyJ"), "{shown}");
        assert!(!shown.contains(char::is_control) && shown.chars().count() < 400);
    }
}
