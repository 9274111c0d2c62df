//! Target `http`: a signed request to a service that deploys, which answers how far it is.
//!
//! A `POST` holds the errand as JSON, signed over its bytes; a `GET` to the status address is signed over its
//! `Idempotency-Key`, since it has no body. The same errand is sent again after a crash, with the same key.
//!
//! Invariants: the operator's own hook may be private, everything else is guarded, the status address that an answer gives
//! included; nobody is followed to another place; an answer about another commit ends it.

use super::errand::{Errand, Running, Target, Ticket};
use super::report::Report;
use super::sign::{self, sign};
use super::{Again, Progress, Trouble, fill_address};
use crate::config::Secret;
use crate::config::settings::HookSettings;
use crate::domain::Refusal;
use crate::probes::{Answer, Ask, CallError, Caller, Trust};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Method, Uri};
use serde_json::json;
use std::time::Duration;

/// One request of a repository's own hook.
const PATIENCE: Duration = Duration::from_secs(10);
/// No deployer decides to be left alone for longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// A deploy hook, ready to be asked.
#[derive(Clone, Debug)]
pub struct Hook {
    caller: Caller,
    /// May hold placeholders if it is a repository's.
    url: String,
    status_url: Option<String>,
    secret: Secret,
    trust: Trust,
    timeout: Duration,
    /// Our public address, if there is one: where it may report without being asked.
    public_url: Option<String>,
}

impl Hook {
    /// The operator's.
    pub fn lent(settings: &HookSettings, caller: Caller) -> Self {
        Self {
            caller,
            url: settings.url.clone(),
            status_url: settings.status_url.clone(),
            secret: settings.secret.clone(),
            trust: Trust::Operator,
            timeout: settings.timeout,
            public_url: None,
        }
    }

    /// A repository's own; `secret` is the one derived for it.
    pub fn own(url: &str, secret: Secret, caller: Caller) -> Self {
        let (url, trust) = (url.to_owned(), Trust::Guarded);
        Self { caller, url, status_url: None, secret, trust, timeout: PATIENCE, public_url: None }
    }

    /// Tells whoever is asked where to report.
    #[must_use]
    pub fn reporting_to(self, public_url: Option<&str>) -> Self {
        Self { public_url: public_url.map(str::to_owned), ..self }
    }

    fn url(&self, errand: &Errand) -> Result<String, Trouble> {
        if self.trust == Trust::Operator {
            return Ok(self.url.clone());
        }
        fill_address(&self.url, &errand.values()).map_err(|why| {
            let message = format!("The address of the deploy hook cannot be filled in: {why}.");
            Trouble::never(Refusal::user("target_url_invalid", message, MEND_URL))
        })
    }

    /// An address that an answer gave is trusted only where it is the operator's own place.
    fn trust(&self, url: &str) -> Trust {
        let place = |url: &str| url.parse::<Uri>().ok().and_then(|uri| Some((uri.scheme()?.clone(), uri.authority()?.clone())));
        let known = [Some(&self.url), self.status_url.as_ref()].into_iter().flatten().filter_map(|url| place(url));
        let same = place(url).is_some_and(|there| known.into_iter().any(|here| here == there));
        if self.trust == Trust::Operator && same { Trust::Operator } else { Trust::Guarded }
    }

    async fn send(&self, method: Method, url: &str, trust: Trust, errand: &Errand, body: Bytes) -> Result<Report, Trouble> {
        let key = errand.key();
        let signed = sign(&self.secret, if body.is_empty() { key.as_bytes() } else { &body });
        let mut headers = HeaderMap::new();
        let mut put =
            |name: HeaderName, value: &str| HeaderValue::from_str(value).map(|value| drop(headers.insert(name, value)));
        put(ACCEPT, "application/json")
            .and_then(|()| put(CONTENT_TYPE, "application/json"))
            .and_then(|()| put(HeaderName::from_static("idempotency-key"), &key))
            .and_then(|()| put(HeaderName::from_static(sign::HEADER), &signed))
            .map_err(|_| Trouble::never(Refusal::us("target_header_invalid", "A request to the target cannot be written.")))?;
        let asked = self.caller.call(Ask { method, url, trust, headers, body, timeout: self.timeout }).await;
        let answer = asked.map_err(uncalled)?;
        accepted(&answer)?;
        Report::read(&answer.body)
    }

    fn status_url(&self, ticket: Option<&Ticket>) -> Option<String> {
        ticket.and_then(|ticket| ticket.status_url.clone()).or_else(|| self.status_url.clone())
    }
}

/// The errand as it is sent.
fn body(errand: &Errand, public_url: Option<&str>) -> Bytes {
    let mut body = json!({
        "callback": public_url.map(|base| format!("{base}/callback/{}", errand.run)),
        "run": errand.run,
        "step": errand.step,
        "action": errand.action,
        "environment": errand.environment,
        "slot": errand.slot,
        "weight": errand.weight,
        "repository": errand.repository,
        "sha": errand.sha,
        "tag": errand.tag,
        "version": errand.version,
    });
    if let (Some(configuration), Some(body)) = (&errand.configuration, body.as_object_mut()) {
        body.insert("configuration".to_owned(), configuration.clone());
    }
    body.to_string().into()
}

impl Target for Hook {
    /// Asks the operator's status address, if there is one, whose report may say what runs.
    async fn observe(&self, errand: &Errand) -> Result<Option<Running>, Trouble> {
        let Some(url) = self.status_url(None) else { return Ok(None) };
        self.send(Method::GET, &url, self.trust(&url), errand, Bytes::new()).await?.running()
    }

    /// Does not look first: the key makes it safe to ask again.
    async fn carry_out(&self, errand: &Errand) -> Result<Ticket, Trouble> {
        let report =
            self.send(Method::POST, &self.url(errand)?, self.trust, errand, body(errand, self.public_url.as_deref())).await?;
        let progress = report.progress(errand)?;
        Ok(Ticket { progress, status_url: report.status_url.filter(|url| !url.is_empty()) })
    }

    /// Where no status address is known, the errand is sent again: with its key, that asks how far it is.
    async fn follow(&self, errand: &Errand, ticket: &Ticket) -> Result<Progress, Trouble> {
        if ticket.progress != Progress::Working {
            return Ok(ticket.progress.clone());
        }
        match self.status_url(Some(ticket)) {
            Some(url) => self.send(Method::GET, &url, self.trust(&url), errand, Bytes::new()).await?.progress(errand),
            None => Ok(self.carry_out(errand).await?.progress),
        }
    }
}

const MEND_URL: &str = "Mend the `url` of the target in .github/lockkeeper.toml.";
const SEE: &str = "See whether the deployer runs, and what its log says.";

/// What a status alone says.
fn accepted(answer: &Answer) -> Result<(), Trouble> {
    let status = answer.status.as_u16();
    let (code, message, fix) = match status {
        200..=299 => return Ok(()),
        408 | 425 | 429 | 500..=599 => {
            let refusal = Refusal::world("target_failing", format!("The target answered {status}."), SEE);
            return Err(Trouble { again: Again::Later(pause(&answer.headers)), refusal });
        }
        300..=399 => ("target_redirected", format!("The target leads elsewhere ({status})."), MEND_URL),
        401 | 403 => {
            let fix = "See that the deployer checks X-Lockkeeper-Signature-256 with the secret of this hook.";
            ("target_denied", format!("The target does not know us ({status})."), fix)
        }
        _ => ("target_refused", format!("The target refused ({status})."), SEE),
    };
    Err(Trouble::never(Refusal::user(code, message, fix)))
}

fn pause(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_PAUSE))
}

fn uncalled(why: CallError) -> Trouble {
    match why {
        CallError::BadUrl => {
            let message = "The address of the deploy hook cannot be used.";
            Trouble::never(Refusal::user("target_url_invalid", message, MEND_URL))
        }
        CallError::Closed(what) => {
            let message = format!("The address of the deploy hook is {what}, which a repository may not reach.");
            let fix = "Let the operator lend it as one of [hooks], or add its address to LOCKKEEPER_ALLOW_ADDRESSES.";
            Trouble::never(Refusal::user("address_not_allowed", message, fix))
        }
        CallError::TimedOut => Trouble::later(Refusal::world("target_timed_out", "The target did not answer in time.", SEE)),
        CallError::Unreachable => Trouble::later(Refusal::world(
            "target_unreachable",
            "The target could not be reached, or broke off its answer.",
            SEE,
        )),
        CallError::TooLarge => {
            let message = "The target's answer is larger than 64 KB.";
            Trouble::never(Refusal::user("target_answer_too_large", message, "Let it answer with a short report."))
        }
    }
}
