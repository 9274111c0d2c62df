//! `/mcp` over HTTP, and the page that tells a client which server authorizes it.
//!
//! Invariants: without a good key, or a token of a job or a person, nothing is answered and nothing is read but the key's digest; a key that was revoked is no
//! key at the next request, because there are no sessions; only the names of this server are answered to, as host and as
//! origin, so that no page in a browser reaches it by another name; a request has a size and a time.
//!
//! A tool that the key has no scope for is answered with 403 where a header names it; older protocols have no such header, so
//! the tool itself looks again.

use super::catalog::Tool;
use super::jobs::is_token;
use super::people;
use super::server::{Agents, may_ever};
use crate::actions::access::Caller;
use crate::domain::{Refusal, Scope};
use crate::surfaces::control::{Attempts, Count, bearer};
use crate::surfaces::http::{Unread, whole};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::{self, HeaderValue};
use http::{StatusCode, Uri};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

const PATH: &str = "/mcp";
const METADATA: &str = "/.well-known/oauth-protected-resource/mcp";
/// Requests with a good key that are worked on at once.
const AT_ONCE: usize = 256;
/// From the header to the end of a request.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a request.
const LARGEST: usize = 256 << 10;

/// Where the door is.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where people and agents reach the server, without a slash at its end.
    pub public_url: Option<String>,
    pub listen: SocketAddr,
    /// Where GitHub authorizes people.
    pub github: String,
    /// Where its Actions make tokens for jobs.
    pub issuer: String,
}

#[derive(Clone)]
struct Guard {
    agents: Agents,
    attempts: Arc<Attempts>,
    places: Arc<Semaphore>,
    /// URL of the page about this resource.
    metadata: Arc<str>,
}

/// The routes of this door; none where the server has no name that could be checked.
pub fn mcp_router(agents: Agents, place: &Place) -> Router {
    let Some(base) = place.base() else { return Router::new() };
    let resource = json!({
        "resource": format!("{base}{PATH}"),
        "resource_name": "Lockkeeper",
        "authorization_servers": [place.authorizes(&agents)],
        "scopes_supported": Scope::ALL,
        "bearer_methods_supported": ["header"],
    });
    let guard = Guard {
        agents: agents.clone(),
        attempts: Arc::default(),
        places: Arc::new(Semaphore::new(AT_ONCE)),
        metadata: format!("{base}{METADATA}").into(),
    };
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(LARGEST)
        .with_allowed_hosts(place.hosts())
        .with_allowed_origins(place.origins())
        .enforce_origin_validation();
    let service = StreamableHttpService::new(move || Ok(agents.clone()), Arc::new(NeverSessionManager::default()), config);
    Router::new()
        .nest_service(PATH, service)
        .layer(from_fn_with_state(guard, with_key))
        .route(METADATA, get(move || async move { Json(resource) }))
}

impl Place {
    /// Who makes the tokens that are taken here: GitHub for people, where their tokens are; else its Actions for jobs.
    fn authorizes(&self, agents: &Agents) -> String {
        if agents.people.is_some() { format!("{}/login/oauth", self.github) } else { self.issuer.clone() }
    }

    fn base(&self) -> Option<String> {
        let own = || self.listen.ip().is_loopback().then(|| format!("http://{}", self.listen));
        self.public_url.clone().or_else(own)
    }

    fn public(&self) -> Option<Uri> {
        self.public_url.as_ref()?.parse().ok()
    }

    fn hosts(&self) -> Vec<String> {
        let public = self.public().and_then(|url| url.authority().map(ToString::to_string));
        public.into_iter().chain(self.loopback().iter().map(|host| (*host).to_owned())).collect()
    }

    fn origins(&self) -> Vec<String> {
        let public = self.public().and_then(|url| {
            let port = match (url.port_u16(), url.scheme_str()?) {
                (Some(port), _) => port,
                (None, "http") => 80,
                (None, _) => 443,
            };
            Some(format!("{}://{}:{port}", url.scheme_str()?, url.host()?))
        });
        let loopback = self.loopback().iter().flat_map(|host| {
            let host = if host.contains(':') { format!("[{host}]") } else { (*host).to_owned() };
            [format!("http://{host}:*"), format!("https://{host}:*")]
        });
        public.into_iter().chain(loopback).collect()
    }

    fn loopback(&self) -> &'static [&'static str] {
        if self.listen.ip().is_loopback() { &["localhost", "127.0.0.1", "::1"] } else { &[] }
    }
}

async fn with_key(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let given = bearer(&request);
    let caller = match guard.recognised(given.unwrap_or_default()).await {
        Ok(Some(caller)) => caller,
        Ok(None) => return guard.turned_away(given.is_some()),
        Err(told) => return (StatusCode::SERVICE_UNAVAILABLE, Json(told)).into_response(),
    };
    let (parts, body) = request.into_parts();
    let body = match whole(body, LARGEST, READ_TIMEOUT).await {
        Ok(body) => body,
        Err(Unread::TooLarge) => return unread(StatusCode::PAYLOAD_TOO_LARGE),
        Err(Unread::Broken) => return unread(StatusCode::BAD_REQUEST),
        Err(Unread::TooSlow) => return unread(StatusCode::REQUEST_TIMEOUT),
    };
    // Only now, so that nobody keeps a place by being slow.
    let Ok(_place) = guard.places.clone().try_acquire_owned() else {
        let busy = Refusal::world("rate_limited", "Too many requests are worked on now.", "Try again in a moment.");
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, HeaderValue::from_static("1"))], Json(busy))
            .into_response();
    };
    let named = parts.headers.get("mcp-name").and_then(|name| name.to_str().ok()).and_then(Tool::named);
    let lacking = named.filter(|tool| may_ever(*tool, &caller).is_err());
    let mut request = Request::from_parts(parts, Body::from(body));
    request.extensions_mut().insert::<Caller>(caller);
    let mut response = next.run(request).await;
    if let Some(tool) = lacking.filter(|_| response.status() == StatusCode::OK) {
        *response.status_mut() = StatusCode::FORBIDDEN;
        let scopes: Vec<&str> = tool.face().scopes.iter().map(|scope| scope.as_str()).collect();
        guard.challenge(&mut response, &format!("error=\"insufficient_scope\", scope=\"{}\"", scopes.join(" ")));
    }
    response
}

impl Guard {
    /// Whose key or token it is; nothing for what is none.
    async fn recognised(&self, given: &str) -> Result<Option<Caller>, Refusal> {
        if let Some(jobs) = self.agents.jobs.as_ref().filter(|_| is_token(given)) {
            let found = jobs.caller(given).await.map_err(|_| {
                let text = "The keys of GitHub Actions cannot be read, so that nobody can say whose token it is.";
                Refusal::world("token_not_looked_up", text, "Try again in a minute.")
            })?;
            let Some(caller) = found else { return Ok(None) };
            // The issuer makes tokens for all of GitHub: those of repositories that we do not look after open nothing.
            return Ok(self.agents.own_repo(&caller).await.map(|_| caller));
        }
        if let Some(people) = self.agents.people.as_ref().filter(|_| people::is_token(given)) {
            return people.caller(given).await.map_err(|refusal| {
                tracing::warn!(code = refusal.code, message = refusal.message, "GitHub does not say whose token it is");
                let text = "GitHub does not say whose token it is.";
                Refusal::world("token_not_looked_up", text, "Try again in a minute.")
            });
        }
        self.agents.desk.holder(given).await.map_err(|refusal| {
            tracing::error!(code = refusal.code, message = refusal.message, "a key could not be looked up");
            Refusal::world("key_not_looked_up", "The key could not be looked up.", "Try again in a minute.")
        })
    }

    fn turned_away(&self, given: bool) -> Response {
        // Whoever shows no key has tried none.
        let (status, wait) = match given.then(|| self.attempts.add(Instant::now())) {
            None | Some(Count::Within) => (StatusCode::UNAUTHORIZED, None),
            Some(Count::Over { left, first }) => {
                if first {
                    tracing::warn!("somebody tries keys that are none");
                }
                (StatusCode::TOO_MANY_REQUESTS, Some(left.as_secs() + 1))
            }
        };
        let fix = "Send `Authorization: Bearer KEY` with a key that `lockkeeper keys create` printed, with a token of GitHub \
                   Actions whose audience is this server's public URL, or, where the operator lets people in, with a token that \
                   GitHub made for you and for this App.";
        let refusal = Refusal::user("key_invalid", "The key is missing, unknown, expired or revoked.", fix);
        let mut response = (status, Json(refusal)).into_response();
        if let Some(seconds) = wait {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        let error = if given { "error=\"invalid_token\", " } else { "" };
        self.challenge(&mut response, &format!("{error}scope=\"{}\"", Scope::Read.as_str()));
        response
    }

    fn challenge(&self, response: &mut Response, what: &str) {
        let text = format!("Bearer {what}, resource_metadata=\"{}\"", self.metadata);
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
    }
}

fn unread(status: StatusCode) -> Response {
    let text = format!("The request did not arrive whole within {} seconds, or is larger than 256 KB.", READ_TIMEOUT.as_secs());
    let refusal = Refusal::user("input_invalid", text, "Send it again, with shorter arguments.");
    (status, Json(refusal)).into_response()
}
