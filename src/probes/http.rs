//! One attempt of an HTTP health check. The URL is guarded before each request, redirects included.

use super::prober::{Prober, read_url};
use super::report::{LONGEST_URL, ProbeReport, Subject, expectation, settle, timed, unreachable};
use super::text::{millis, shown};
use crate::expect::Expression;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Response, Url};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Most that is read of an answer's body, in bytes.
pub const LARGEST_BODY: usize = 64 << 10;
const MOST_REDIRECTS: usize = 5;

/// What to ask and what to expect; placeholders are already filled in.
#[derive(Clone, Copy, Debug)]
pub struct HttpProbe<'a> {
    pub url: &'a str,
    /// CEL over `status`, `body`, `headers`, `latency_ms` and what follows.
    pub expect: &'a str,
    /// For the whole attempt, redirects included; at most a minute.
    pub timeout: Duration,
    pub subject: Subject<'a>,
}

impl Prober {
    /// One attempt; trying again until a deadline is up to the caller.
    pub async fn http(&self, probe: &HttpProbe<'_>) -> ProbeReport {
        let start = Instant::now();
        let expression = match expectation(probe.expect) {
            Ok(expression) => expression,
            Err(report) => return report,
        };
        timed(&shown(probe.url), probe.timeout, start, self.attempt(probe, &expression, start)).await
    }

    async fn attempt(
        &self,
        probe: &HttpProbe<'_>,
        expression: &Expression,
        start: Instant,
    ) -> Result<ProbeReport, ProbeReport> {
        let (url, response) = self.follow(probe.url).await?;
        judge(probe, expression, &url, response, millis(start)).await
    }

    /// Asks, and goes where the answer leads.
    pub(super) async fn follow(&self, url: &str) -> Result<(Url, Response), ProbeReport> {
        let mut url = read_url(url)?;
        let first = url.clone();
        for hop in 0..=MOST_REDIRECTS {
            // Where a service leads may change with its next version; what the repository asks for does not.
            self.guard(&url).map_err(|report| ProbeReport { hopeless: report.hopeless && hop == 0, ..report })?;
            let request = self.client.get(url.clone()).header(ACCEPT, "application/json, text/plain;q=0.9, */*;q=0.8");
            let response = request.send().await.map_err(|error| unreachable(&url, &error))?;
            match next(&url, &response)? {
                Some(onward) => url = onward,
                None => return Ok((url, response)),
            }
        }
        let reason = format!("{} leads on more than {MOST_REDIRECTS} times.", shown(first.as_str()));
        Err(ProbeReport::not("too_many_redirects", reason, "Give the address that answers at the end as the `url`."))
    }
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
    let mut variables =
        probe.subject.variables(latency_ms).with("status", &json!(status)).with("headers", &json!(headers(response.headers())));
    if expression.uses().contains(&"body") {
        let body = read_body(url, response).await.map_err(|report| ProbeReport { latency_ms, ..report })?;
        variables = variables.with("body", &body);
    }
    let answered = format!("{shown} answered {status} in {latency_ms} ms");
    Ok(settle(expression, &variables, &answered, Some(status), latency_ms))
}

/// The body, unless there is more of it than the cap.
pub(super) async fn read_body(url: &Url, mut response: Response) -> Result<Json, ProbeReport> {
    let says_json = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).is_some_and(|t| t.contains("json"));
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(url, &error))? {
        if body.len() + chunk.len() > LARGEST_BODY {
            return Err(too_large(url, response.status().as_u16()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(parse_body(&body, says_json))
}

pub(super) fn too_large(url: &Url, status: u16) -> ProbeReport {
    let reason = format!("{} answered {status} with more than {} KB.", shown(url.as_str()), LARGEST_BODY >> 10);
    ProbeReport { status: Some(status), ..ProbeReport::not("answer_too_large", reason, "Ask for something smaller.") }
}

/// JSON if the service says so or if it looks like an object or a list; otherwise text, without blanks around it.
fn parse_body(body: &[u8], says_json: bool) -> Json {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    let json = (says_json || text.starts_with(['{', '['])).then(|| serde_json::from_str(text).ok()).flatten();
    json.unwrap_or_else(|| Json::String(text.to_owned()))
}

/// Names in lower case; several values of one name are joined by `, `.
pub(super) fn headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let values = |name| {
        let all: Vec<_> = headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
        all.join(", ")
    };
    headers.keys().map(|name| (name.as_str().to_owned(), values(name))).collect()
}

#[cfg(test)]
pub(super) mod tests;
