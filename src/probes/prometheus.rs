//! One instant query to a Prometheus of the operator's: `POST /api/v1/query`.
//!
//! Invariants: the address is the operator's, so it may be private; a repository names it and never gives one. No answer but
//! exactly one number is a value: an empty one is no data, everything else an error. Redirects are not followed. Texts of the
//! answer are cut and cleaned before anybody sees them.

use super::text::{millis, short};
use crate::config::settings::{PrometheusSettings, Repositories};
use crate::domain::{Refusal, RepoName, Sample};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, Url, redirect};
use serde::Deserialize;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Most that is read of an answer, in bytes.
const LARGEST: usize = 256 << 10;
/// No query takes longer, whatever is asked for.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);
const MOST_WARNINGS: usize = 5;

/// The operator's servers; one value for the whole process.
#[derive(Clone, Debug)]
pub struct Prometheus {
    client: Client,
    servers: BTreeMap<String, (Url, Repositories)>,
}

/// Placeholders are already filled in.
#[derive(Clone, Copy, Debug)]
pub struct Query<'q> {
    /// Who asks.
    pub repo: &'q RepoName,
    /// One of the operator's names.
    pub server: &'q str,
    /// PromQL that gives a scalar, or a vector of one series.
    pub query: &'q str,
    /// For the whole question; at most a minute.
    pub timeout: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    pub sample: Sample,
    /// Prometheus's own doubts about the answer, cleaned and cut.
    pub warnings: Vec<String>,
    pub latency_ms: u64,
}

#[derive(Deserialize)]
struct Answer {
    status: String,
    #[serde(default, rename = "errorType")]
    error_type: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    warnings: Vec<String>,
    data: Option<Data>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: Json,
}

impl Prometheus {
    /// A path in an address is kept.
    ///
    /// # Errors
    /// The operator's: an address that is none.
    pub fn new(servers: &BTreeMap<String, PrometheusSettings>) -> Result<Self, Refusal> {
        let read = |(name, settings): (&String, &PrometheusSettings)| -> Result<_, Refusal> {
            let url = Url::parse(&settings.url).ok();
            let url = url.filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"));
            let mut url = url.ok_or_else(|| bad_address(name))?;
            url.set_path(&format!("{}/api/v1/query", url.path().trim_end_matches('/')));
            Ok((name.clone(), (url, settings.repositories.clone())))
        };
        let servers = servers.iter().map(read).collect::<Result<_, Refusal>>()?;
        let client = Client::builder()
            .user_agent(concat!("lockkeeper/", env!("CARGO_PKG_VERSION"), " analysis"))
            .no_proxy()
            .referer(false)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .map_err(|_| {
                let fix = "See that the machine has root certificates (package ca-certificates).";
                Refusal::operator("probes_unavailable", "Prometheus cannot be asked: the TLS library did not start.", fix)
            })?;
        Ok(Self { client, servers })
    }

    fn find(&self, repo: &RepoName, server: &str) -> Option<&Url> {
        self.servers.get(server).filter(|(_, who)| who.allow(repo)).map(|(url, _)| url)
    }

    /// One question; whatever goes wrong is a [`Sample::Error`].
    pub async fn query(&self, query: &Query<'_>) -> Measured {
        let start = Instant::now();
        let limit = query.timeout.min(LONGEST_TIMEOUT);
        let (sample, warnings) = match tokio::time::timeout(limit, self.ask(query, limit)).await {
            Ok(Ok(answer)) => read(answer),
            Ok(Err(error)) => (error, Vec::new()),
            Err(_) => (slow(limit), Vec::new()),
        };
        Measured { sample, warnings, latency_ms: millis(start) }
    }

    async fn ask(&self, query: &Query<'_>, limit: Duration) -> Result<Answer, Sample> {
        let Some(url) = self.find(query.repo, query.server) else {
            return Err(Sample::error("prometheus_unknown", "the operator lends this repository no such Prometheus"));
        };
        let request = self.client.post(url.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let response = request.body(form(url, query.query, limit)).send().await.map_err(|e| unreachable(&e))?;
        let status = response.status();
        let body = body(response).await?;
        // Errors come with a status of their own and the same JSON.
        serde_json::from_slice(&body).map_err(|_| {
            let reason = format!("Prometheus answered {} with something that is not its API's", status.as_u16());
            Sample::error("prometheus_broken", reason)
        })
    }
}

/// The server gives up in time, too.
fn form(url: &Url, query: &str, limit: Duration) -> String {
    let mut form = url.clone();
    form.query_pairs_mut().clear().append_pair("query", query).append_pair("timeout", &format!("{}ms", limit.as_millis()));
    form.query().unwrap_or_default().to_owned()
}

async fn body(mut response: Response) -> Result<Vec<u8>, Sample> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| unreachable(&e))? {
        if body.len() + chunk.len() > LARGEST {
            let reason = format!("Prometheus answered with more than {} KB; the query should give one number", LARGEST >> 10);
            return Err(Sample::error("answer_too_large", reason));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn read(answer: Answer) -> (Sample, Vec<String>) {
    let warnings = answer.warnings.iter().take(MOST_WARNINGS).map(|w| short(w)).collect();
    let sample = match (answer.status.as_str(), answer.data) {
        ("success", Some(data)) => number(&data),
        ("error", _) => refused(&answer.error_type, &answer.error),
        _ => Sample::error("prometheus_broken", "Prometheus answered neither success nor error"),
    };
    (sample, warnings)
}

fn number(data: &Data) -> Sample {
    match (data.result_type.as_str(), data.result.as_array().map(Vec::as_slice)) {
        ("vector", Some([])) => Sample::NoData,
        ("vector", Some([series])) if series.get("value").is_some() => point(&series["value"]),
        ("vector", Some([_])) => Sample::error("not_a_number", "the query gives a histogram, not a number"),
        ("vector", Some(several)) => {
            let reason = format!("the query gives {} series, not one; put sum(…) or max(…) around it", several.len());
            Sample::error("several_series", reason)
        }
        ("scalar", _) => point(&data.result),
        ("matrix", _) => {
            Sample::error("not_a_number", "the query gives a range of values; put rate(…) or another function around it")
        }
        _ => Sample::error("not_a_number", "the query gives no number"),
    }
}

/// `[1435781451.781, "0.5"]`
fn point(point: &Json) -> Sample {
    let text = point.as_array().filter(|pair| pair.len() == 2).and_then(|pair| pair[1].as_str());
    match text.and_then(|text| text.parse().ok()) {
        Some(value) => Sample::value(value),
        None => Sample::error("prometheus_broken", "Prometheus answered with something that is no number"),
    }
}

fn refused(kind: &str, error: &str) -> Sample {
    let said = short(error);
    match kind {
        "bad_data" => Sample::error("query_rejected", format!("Prometheus rejects the query: {said}")),
        "timeout" | "canceled" => Sample::error("prometheus_slow", format!("Prometheus gave up on the query: {said}")),
        _ => Sample::error("query_failed", format!("Prometheus could not answer the query: {said}")),
    }
}

fn slow(limit: Duration) -> Sample {
    Sample::error("prometheus_slow", format!("Prometheus did not answer within {} ms", limit.as_millis()))
}

fn unreachable(error: &reqwest::Error) -> Sample {
    match error.is_connect() {
        true => Sample::error("prometheus_unreachable", "Prometheus could not be reached"),
        false => Sample::error("prometheus_broken", "Prometheus broke off its answer"),
    }
}

fn bad_address(name: &str) -> Refusal {
    let message = format!("The address of the Prometheus `{}` is not an http or https URL.", short(name));
    Refusal::operator("prometheus_url_invalid", message, "Write it like `http://prometheus.internal:9090`.")
}

#[cfg(test)]
mod tests;
