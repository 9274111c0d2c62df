//! One request that is not a health check: to a deploy hook or for somebody's public keys.
//!
//! Invariants: an address that a repository or an answer gives passes the guard, as those of health checks do; one that the
//! operator gives need not. Redirects are never followed: what is sent is signed for one receiver. No proxy of the
//! environment, no cookies, bounded time and size, and nothing of the answer in an error.

use super::guard::{AllowList, Closed, port_is_open};
use super::names::{self, Blocked, Guarded};
use crate::domain::Refusal;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use reqwest::{Client, Url, redirect};
use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Most that is read of an answer, in bytes.
const LARGEST_ANSWER: usize = 64 << 10;
const LONGEST_URL: usize = 2_048;

/// Whose address it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The operator's: it may be private.
    Operator,
    /// A repository's or an answer's.
    Guarded,
}

pub struct Ask<'a> {
    pub method: Method,
    pub url: &'a str,
    pub trust: Trust,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// For all of it.
    pub timeout: Duration,
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError {
    /// It is no address of the web, or has a user, a password or a port of another service.
    BadUrl,
    /// The address is not open to repositories, in words that follow "is".
    Closed(&'static str),
    TimedOut,
    /// No connection, no trusted certificate, no name, or an answer that broke off.
    Unreachable,
    TooLarge,
}

/// Makes requests; one for the whole process.
#[derive(Clone, Debug)]
pub struct Caller {
    guarded: Client,
    open: Client,
    allow: Arc<AllowList>,
}

impl Caller {
    /// # Errors
    /// `calls_unavailable`: the TLS library did not start.
    pub fn new(allow: AllowList) -> Result<Self, Refusal> {
        let allow = Arc::new(allow);
        let client = || {
            Client::builder()
                .user_agent(concat!("lockkeeper/", env!("CARGO_PKG_VERSION")))
                .no_proxy()
                .referer(false)
                .redirect(redirect::Policy::none())
                .retry(reqwest::retry::never())
                .pool_max_idle_per_host(0)
        };
        let unavailable = |_| {
            let fix = "See that the machine has root certificates (package ca-certificates).";
            Refusal::operator("calls_unavailable", "Requests cannot be made: the TLS library did not start.", fix)
        };
        let resolver = Guarded::new(Arc::clone(&allow), names::system());
        let guarded = client().dns_resolver(resolver).build().map_err(unavailable)?;
        Ok(Self { guarded, open: client().build().map_err(unavailable)?, allow })
    }

    /// # Errors
    /// See [`CallError`]; an answer with any status is none.
    pub async fn call(&self, ask: Ask<'_>) -> Result<Answer, CallError> {
        let url = if ask.url.len() > LONGEST_URL { None } else { Url::parse(ask.url).ok() };
        let plain = |url: &Url| {
            matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty() && url.password().is_none()
        };
        let url = url.filter(plain).ok_or(CallError::BadUrl)?;
        let client = match ask.trust {
            Trust::Operator => &self.open,
            Trust::Guarded => {
                self.guard(&url)?;
                &self.guarded
            }
        };
        let request = client.request(ask.method, url).headers(ask.headers).body(ask.body);
        let whole = async {
            let response = request.send().await.map_err(|why| unreachable(&why))?;
            read(response).await
        };
        tokio::time::timeout(ask.timeout, whole).await.unwrap_or(Err(CallError::TimedOut))
    }

    /// What can be told from the URL alone; names are guarded when they are resolved.
    fn guard(&self, url: &Url) -> Result<(), CallError> {
        if !url.port_or_known_default().is_some_and(port_is_open) {
            return Err(CallError::BadUrl);
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        match host.parse::<IpAddr>() {
            Ok(address) => self.allow.check(address).map_err(|Closed { what, .. }| CallError::Closed(what)),
            Err(_) => Ok(()),
        }
    }
}

async fn read(mut response: reqwest::Response) -> Result<Answer, CallError> {
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|why| unreachable(&why))? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return Err(CallError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, headers, body: body.into() })
}

fn unreachable(why: &reqwest::Error) -> CallError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(why);
    while let Some(error) = cause {
        if let Some(Blocked(closed)) = error.downcast_ref::<Blocked>() {
            return CallError::Closed(closed.what);
        }
        cause = error.source();
    }
    CallError::Unreachable
}
