//! One attempt of an HTTP health check.
//!
//! The address is guarded at every hop: the URL before each request, and each name when it is resolved, by the resolver that
//! the connection itself uses, so that no second answer of a name server can lead elsewhere. A name is refused if any of
//! its addresses is closed. What a name leads to is logged for the operator and not told to the repository.

use super::guard::{AllowList, port_is_open};
use super::names::{self, Blocked, Guarded, Lookup, Nowhere};
use super::text::{millis, short, shown};
use crate::config::repo::CONFIG_PATH;
use crate::domain::Refusal;
use crate::expect::{self, Expression, Variables};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Client, Response, Url, redirect};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most that is read of an answer's body, in bytes.
pub const LARGEST_BODY: usize = 64 << 10;
const MOST_REDIRECTS: usize = 5;
const LONGEST_URL: usize = 2_048;
/// No attempt takes longer, whatever is asked for.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

/// What to ask and what to expect; placeholders are already filled in.
#[derive(Clone, Copy, Debug)]
pub struct HttpProbe<'a> {
    pub url: &'a str,
    /// CEL over `status`, `body`, `headers`, `latency_ms` and what follows.
    pub expect: &'a str,
    /// For the whole attempt, redirects included; at most a minute.
    pub timeout: Duration,
    pub version: Option<&'a str>,
    pub sha: Option<&'a str>,
    pub environment: Option<&'a str>,
}

/// What one attempt found. Texts hold nothing of the answer but its status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeReport {
    pub ok: bool,
    /// `healthy`, or why not; stable, lower-case words joined by `_`.
    pub code: String,
    /// Of the last answer, if there was one.
    pub status: Option<u16>,
    /// From the first request to the last answer's head, or to the end of a failed attempt, in milliseconds.
    pub latency_ms: u64,
    /// One plain sentence.
    pub reason: String,
    /// What to do next; empty when nothing need be done.
    pub fix: String,
    /// Another attempt cannot end otherwise: the address or the expression is at fault, not the service.
    pub hopeless: bool,
}

/// Makes probes; one for the whole process.
#[derive(Clone, Debug)]
pub struct Prober {
    client: Client,
    allow: Arc<AllowList>,
}

impl Prober {
    pub fn new(allow: AllowList) -> Result<Self, Refusal> {
        Self::with_lookup(allow, names::system())
    }

    fn with_lookup(allow: AllowList, lookup: Lookup) -> Result<Self, Refusal> {
        let allow = Arc::new(allow);
        let client = Client::builder()
            .user_agent(concat!("lockkeeper/", env!("CARGO_PKG_VERSION"), " health check"))
            .no_proxy()
            .referer(false)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            // A kept connection would hide that the service no longer accepts new ones.
            .pool_max_idle_per_host(0)
            .dns_resolver(Guarded::new(Arc::clone(&allow), lookup))
            .build()
            .map_err(|_| {
                Refusal::operator(
                    "probes_unavailable",
                    "Health checks cannot be made: the TLS library did not start.",
                    "See that the machine has root certificates (package ca-certificates).",
                )
            })?;
        Ok(Self { client, allow })
    }

    /// One attempt; trying again until a deadline is up to the caller.
    pub async fn http(&self, probe: &HttpProbe<'_>) -> ProbeReport {
        let expression = match expect::compile(probe.expect) {
            Ok(expression) => expression,
            Err(why) => {
                let reason = format!("The expectation of the health check cannot be used: {why}.");
                let fix = format!("Mend `expect` of the health check in {CONFIG_PATH}.");
                return ProbeReport::not("bad_expectation", reason, fix).hopeless();
            }
        };
        let start = Instant::now();
        let limit = probe.timeout.min(LONGEST_TIMEOUT);
        match tokio::time::timeout(limit, self.attempt(probe, &expression, start)).await {
            Ok(Ok(report)) => report,
            Ok(Err(report)) => ProbeReport { latency_ms: millis(start), ..report },
            Err(_) => {
                let reason = format!("{} did not answer within {} ms.", shown(probe.url), limit.as_millis());
                let fix = "See whether the service runs and answers in time.";
                ProbeReport { latency_ms: millis(start), ..ProbeReport::not("probe_timed_out", reason, fix) }
            }
        }
    }

    async fn attempt(
        &self,
        probe: &HttpProbe<'_>,
        expression: &Expression,
        start: Instant,
    ) -> Result<ProbeReport, ProbeReport> {
        let mut url = read_url(probe.url)?;
        for hop in 0..=MOST_REDIRECTS {
            // Where a service leads may change with its next version; what the repository asks for does not.
            self.guard(&url).map_err(|report| ProbeReport { hopeless: report.hopeless && hop == 0, ..report })?;
            let request = self.client.get(url.clone()).header(ACCEPT, "application/json, text/plain;q=0.9, */*;q=0.8");
            let response = request.send().await.map_err(|error| unreachable(&url, &error))?;
            match next(&url, &response)? {
                Some(onward) => url = onward,
                None => return judge(probe, expression, &url, response, millis(start)).await,
            }
        }
        let reason = format!("{} leads on more than {MOST_REDIRECTS} times.", shown(probe.url));
        Err(ProbeReport::not("too_many_redirects", reason, "Give the address that answers at the end as the `url`."))
    }

    /// What can be told from the URL alone; names are guarded when they are resolved.
    fn guard(&self, url: &Url) -> Result<(), ProbeReport> {
        let shown = shown(url.as_str());
        let refused = |code, what: &str, fix: &str| Err(ProbeReport::not(code, format!("{shown} {what}."), fix).hopeless());
        if !matches!(url.scheme(), "http" | "https") {
            return refused("scheme_not_allowed", "is neither http nor https", "Use an address that begins with https://.");
        }
        if !url.username().is_empty() || url.password().is_some() {
            let fix = "Remove the user name and password; a health check must work without them.";
            return refused("credentials_not_allowed", "holds a user name or password", fix);
        }
        if !url.port_or_known_default().is_some_and(port_is_open) {
            return refused("port_not_allowed", "has a port that is kept for other services", "Use another port, such as 443.");
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let Ok(address) = host.parse::<IpAddr>() else { return Ok(()) };
        self.allow.check(address).map_err(|closed| {
            let fix = match closed.range() {
                Some(range) => {
                    format!("Ask the operator to add {range} to LOCKKEEPER_ALLOW_ADDRESSES, or use a public address.")
                }
                None => "Use the public address of the service itself.".into(),
            };
            let reason = format!("{shown} is {}, which health checks may not reach.", closed.what);
            ProbeReport::not("address_not_allowed", reason, fix).hopeless()
        })
    }
}

fn read_url(text: &str) -> Result<Url, ProbeReport> {
    let url = if text.len() > LONGEST_URL { None } else { Url::parse(text).ok() };
    url.filter(Url::has_host).ok_or_else(|| {
        let reason = format!("{} is not an address of the web.", shown(text));
        ProbeReport::not("bad_url", reason, "Give a `url` such as https://example.com/healthz.").hopeless()
    })
}

/// Where the answer leads, if it is a redirect. Its target has not been guarded yet.
fn next(url: &Url, response: &Response) -> Result<Option<Url>, ProbeReport> {
    let location = match response.status().as_u16() {
        301 | 302 | 303 | 307 | 308 => response.headers().get(LOCATION),
        _ => None,
    };
    let Some(location) = location else { return Ok(None) };
    let onward = location.to_str().ok().filter(|l| l.len() <= LONGEST_URL).and_then(|l| url.join(l).ok());
    let status = Some(response.status().as_u16());
    let Some(onward) = onward.filter(Url::has_host) else {
        let reason = format!("{} leads to something that is not an address.", shown(url.as_str()));
        return Err(ProbeReport { status, ..ProbeReport::not("bad_redirect", reason, "See where the service redirects to.") });
    };
    if url.scheme() == "https" && onward.scheme() != "https" {
        let reason = format!("{} leads from https to an address without it.", shown(url.as_str()));
        let fix = "Let the service redirect to https, or give the address that answers as the `url`.";
        return Err(ProbeReport { status, ..ProbeReport::not("redirect_not_secure", reason, fix) });
    }
    Ok(Some(onward))
}

async fn judge(
    probe: &HttpProbe<'_>,
    expression: &Expression,
    url: &Url,
    response: Response,
    latency_ms: u64,
) -> Result<ProbeReport, ProbeReport> {
    let status = response.status().as_u16();
    let shown = shown(url.as_str());
    let says_json = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).is_some_and(|t| t.contains("json"));
    let mut variables = Variables::new()
        .with("status", &json!(status))
        .with("latency_ms", &json!(latency_ms))
        .with("headers", &headers(response.headers()));
    for (name, value) in [("version", probe.version), ("sha", probe.sha), ("environment", probe.environment)] {
        if let Some(value) = value {
            variables = variables.with(name, &json!(value));
        }
    }
    let finish = |ok, code: &str, reason, fix: &str| ProbeReport {
        ok,
        code: code.into(),
        status: Some(status),
        latency_ms,
        reason,
        fix: fix.into(),
        hopeless: false,
    };
    if expression.uses().contains(&"body") {
        let body = read_body(url, response).await?.ok_or_else(|| {
            let reason = format!("{shown} answered {status} with more than {} KB.", LARGEST_BODY >> 10);
            finish(false, "answer_too_large", reason, "Let the health check ask for something smaller.")
        })?;
        variables = variables.with("body", &parse_body(&body, says_json));
    }
    let answered = format!("{shown} answered {status} in {latency_ms} ms");
    let wanted = short(expression.as_str());
    Ok(match expression.evaluate(&variables) {
        Ok(true) => finish(true, "healthy", format!("{answered}, as expected."), ""),
        Ok(false) => {
            let reason = format!("{answered}, but `{wanted}` does not hold.");
            finish(false, "expectation_failed", reason, "See what the service answers and why.")
        }
        Err(error) => {
            let reason = format!("{answered}, but `{wanted}` cannot be judged: {error}.");
            finish(false, error.code(), reason, "See what the service answers, or mend `expect` of the health check.")
        }
    })
}

/// The body up to the cap, `None` if there is more.
async fn read_body(url: &Url, mut response: Response) -> Result<Option<Vec<u8>>, ProbeReport> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(url, &error))? {
        if body.len() + chunk.len() > LARGEST_BODY {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// JSON if the service says so or if it looks like an object or a list; otherwise text, without blanks around it.
fn parse_body(body: &[u8], says_json: bool) -> Json {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    let json = (says_json || text.starts_with(['{', '['])).then(|| serde_json::from_str(text).ok()).flatten();
    json.unwrap_or_else(|| Json::String(text.to_owned()))
}

/// Names in lower case; several values of one name are joined by `, `.
fn headers(headers: &HeaderMap) -> Json {
    let mut map = serde_json::Map::new();
    for name in headers.keys() {
        let values: Vec<_> = headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
        map.insert(name.as_str().to_owned(), Json::String(values.join(", ")));
    }
    Json::Object(map)
}

fn unreachable(url: &Url, error: &reqwest::Error) -> ProbeReport {
    let shown = shown(url.as_str());
    if let Some(blocked) = find::<Blocked>(error) {
        let reason = format!("{shown} leads to {}, which health checks may not reach.", blocked.0.what);
        let fix = "Ask the operator to add its address to LOCKKEEPER_ALLOW_ADDRESSES, or use a public address.";
        return ProbeReport::not("address_not_allowed", reason, fix).hopeless();
    }
    if find::<Nowhere>(error).is_some() {
        let reason = format!("The name in {shown} was not found.");
        return ProbeReport::not("name_not_found", reason, "See whether the name is right and already published.");
    }
    let (code, what) = match find::<std::io::Error>(error).map(std::io::Error::kind) {
        Some(std::io::ErrorKind::ConnectionRefused) => ("connection_refused", "refused the connection"),
        Some(std::io::ErrorKind::InvalidData) if error.is_connect() => ("tls_failed", "has no certificate that can be trusted"),
        _ if error.is_connect() => ("not_reachable", "could not be reached"),
        _ => ("answer_broken", "broke off its answer"),
    };
    ProbeReport::not(code, format!("{shown} {what}."), "See whether the service runs and is open to the network.")
}

fn find<T: Error + 'static>(error: &reqwest::Error) -> Option<&T> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    let mut found = None;
    while let Some(error) = cause {
        // Keep the innermost: outer errors of one type wrap what really happened.
        found = error.downcast_ref::<T>().or(found);
        cause = error.source();
    }
    found
}

impl ProbeReport {
    fn not(code: &str, reason: String, fix: impl Into<String>) -> Self {
        Self { ok: false, code: code.into(), status: None, latency_ms: 0, reason, fix: fix.into(), hopeless: false }
    }
    fn hopeless(self) -> Self {
        Self { hopeless: true, ..self }
    }
}

#[cfg(test)]
pub(super) mod tests;
