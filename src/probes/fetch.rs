//! One request whose answer somebody else judges; guarded as health checks are.

use super::http::{LARGEST_BODY, headers, read_body, too_large};
use super::prober::Prober;
use super::report::{ProbeReport, within};
use super::text::{millis, shown};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Headers that may hold what nobody else is to know: an answer is kept.
const SECRET: [&str; 6] =
    ["set-cookie", "set-cookie2", "authorization", "www-authenticate", "proxy-authenticate", "authentication-info"];

/// What to ask; placeholders are already filled in.
#[derive(Clone, Copy, Debug)]
pub struct Fetch<'a> {
    pub url: &'a str,
    /// Whether anybody will look at it; what is not wanted is not read.
    pub headers: bool,
    pub body: bool,
    /// For the whole attempt, redirects included; at most a minute.
    pub timeout: Duration,
}

/// What a service answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetched {
    pub status: u16,
    pub latency_ms: u64,
    /// Names in lower case; several values of one name are joined by `, `.
    pub headers: BTreeMap<String, String>,
    /// JSON or text.
    pub body: Json,
}

impl Prober {
    /// One attempt.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn fetch(&self, fetch: &Fetch<'_>) -> Result<Fetched, ProbeReport> {
        within(&shown(fetch.url), fetch.timeout, self.fetch_now(fetch, Instant::now())).await
    }

    async fn fetch_now(&self, fetch: &Fetch<'_>, start: Instant) -> Result<Fetched, ProbeReport> {
        let (url, response) = self.follow(fetch.url).await?;
        let (status, latency_ms) = (response.status().as_u16(), millis(start));
        let mut kept = BTreeMap::new();
        if fetch.headers {
            let all = response.headers();
            if all.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>() > LARGEST_BODY {
                return Err(too_large(&url, status));
            }
            kept = headers(all);
            kept.retain(|name, _| !SECRET.contains(&name.as_str()));
        }
        let body = if fetch.body { read_body(&url, response).await? } else { Json::Null };
        Ok(Fetched { status, latency_ms, headers: kept, body })
    }
}
