//! One HTTP exchange with GitHub over octocrab's client: headers, deadline, size cap. No judgement, no retry.
//!
//! Octocrab is given our own connection (hyper and rustls, which it uses anyway), because its own sends a second
//! `User-Agent`, retries POSTs and follows redirects with the credentials of the first host.

use super::config::GitHubConfig;
use super::paths::Bases;
use super::{Class, Trouble};
use crate::domain::{Millis, Refusal};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use octocrab::{AuthState, OctoBody, Octocrab, OctocrabBuilder};
use std::time::Duration;

/// The version of the REST API that every call asks for; GHES knows it too.
pub(super) const API_VERSION: &str = "2022-11-28";
const AGENT: &str = concat!("lockkeeper/", env!("CARGO_PKG_VERSION"));

pub(super) struct Transport {
    octocrab: Octocrab,
    timeout: Duration,
    max_answer: usize,
}

/// A request, complete but for the deadline.
pub(super) struct Outgoing {
    pub method: Method,
    /// Absolute.
    pub url: String,
    /// `Bearer …`, marked as sensitive.
    pub authorization: HeaderValue,
    pub body: Option<Bytes>,
    pub if_none_match: Option<HeaderValue>,
}

/// What came back, whole.
pub(super) struct Incoming {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Incoming {
    /// GitHub's clock when it answered.
    pub fn date(&self) -> Option<Millis> {
        let text = self.headers.get("date")?.to_str().ok()?;
        let time = jiff::fmt::rfc2822::parse(text).ok()?;
        Some(Millis(time.timestamp().as_millisecond()))
    }
}

impl Transport {
    /// Needs a tokio runtime: octocrab starts a task.
    pub fn new(config: &GitHubConfig, bases: &Bases) -> Result<Self, Refusal> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(config.connect_timeout));
        tcp.enforce_http(false);
        let octocrab = if bases.origin.starts_with("https:") { over_tls(tcp)? } else { plain(tcp) };
        Ok(Self { octocrab, timeout: config.request_timeout, max_answer: config.max_answer })
    }

    /// Sends and reads everything, within the deadline and the size cap.
    pub async fn exchange(&self, out: Outgoing) -> Result<Incoming, Trouble> {
        let request = build(out)?;
        match tokio::time::timeout(self.timeout, self.run(request)).await {
            Ok(result) => result,
            Err(_) => Err(Trouble::retry(None, "github_timeout", "GitHub did not answer in time.")),
        }
    }

    async fn run(&self, request: Request<OctoBody>) -> Result<Incoming, Trouble> {
        let unreachable = |_| Trouble::retry(None, "github_unreachable", "The connection to GitHub failed.");
        let response = self.octocrab.send(request).await.map_err(unreachable)?;
        let (parts, body) = response.into_parts();
        let body = match Limited::new(body, self.max_answer).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                let fix = "Ask for less: the repository holds more here than Lockkeeper reads at once.";
                return Err(Trouble::new(Class::Refused, "github_answer_too_long", "GitHub's answer is too long.", fix));
            }
            Err(_) => return Err(Trouble::retry(None, "github_unreachable", "The connection to GitHub broke off.")),
        };
        Ok(Incoming { status: parts.status, headers: parts.headers, body })
    }
}

fn build(out: Outgoing) -> Result<Request<OctoBody>, Trouble> {
    let mut request = Request::builder()
        .method(out.method)
        .uri(out.url)
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, "application/vnd.github+json")
        .header("x-github-api-version", API_VERSION)
        .header(AUTHORIZATION, out.authorization);
    if let Some(etag) = out.if_none_match {
        request = request.header(http::header::IF_NONE_MATCH, etag);
    }
    let body = match out.body {
        Some(body) => {
            request = request.header(CONTENT_TYPE, "application/json");
            OctoBody::from(body)
        }
        None => OctoBody::from(Bytes::new()),
    };
    let bug = |_| Trouble::new(Class::Refused, "github_bad_request", "The request could not be built.", "Report this bug.");
    request.body(body).map_err(bug)
}

fn plain(tcp: HttpConnector) -> Octocrab {
    finish(client_builder().build(tcp))
}

fn over_tls(tcp: HttpConnector) -> Result<Octocrab, Refusal> {
    let tls = hyper_rustls::HttpsConnectorBuilder::new().with_native_roots().map_err(|_| {
        let fix = "Install the package ca-certificates or set SSL_CERT_FILE.";
        Refusal::operator("no_root_certificates", "This machine has no root certificates, so GitHub cannot be verified.", fix)
    })?;
    Ok(finish(client_builder().build(tls.https_only().enable_http1().wrap_connector(tcp))))
}

fn client_builder() -> hyper_util::client::legacy::Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    // GitHub closes idle connections after about a minute; be first, so that a write is not sent into a closed one.
    builder.pool_timer(TokioTimer::new()).pool_idle_timeout(Duration::from_secs(30));
    builder
}

fn finish<C>(client: Client<C, OctoBody>) -> Octocrab
where
    C: hyper_util::client::legacy::connect::Connect + Clone + Send + Sync + 'static,
{
    let built = OctocrabBuilder::new_empty().with_service(client).with_auth(AuthState::None).build();
    match built {
        Ok(octocrab) => octocrab,
        Err(never) => match never {},
    }
}
