//! The client of all health checks, and the guard of their addresses.
//!
//! The address is guarded at every hop: the URL before each request, and each name when it is resolved, by the resolver that
//! the connection itself uses, so that no second answer of a name server can lead elsewhere. A name is refused if any of
//! its addresses is closed. What a name leads to is logged for the operator and not told to the repository.

use super::guard::{AllowList, port_is_open};
use super::names::{self, Guarded, Lookup};
use super::report::{LONGEST_URL, ProbeReport, closed};
use super::text::shown;
use crate::domain::Refusal;
use reqwest::{Client, Url, redirect};
use std::net::IpAddr;
use std::sync::Arc;

/// Makes probes; one for the whole process.
#[derive(Clone, Debug)]
pub struct Prober {
    pub(super) client: Client,
    pub(super) allow: Arc<AllowList>,
    pub(super) names: Guarded,
}

impl Prober {
    pub fn new(allow: AllowList) -> Result<Self, Refusal> {
        Self::with_lookup(allow, names::system())
    }

    pub(super) fn with_lookup(allow: AllowList, lookup: Lookup) -> Result<Self, Refusal> {
        let allow = Arc::new(allow);
        let names = Guarded::new(Arc::clone(&allow), lookup);
        let client = Client::builder()
            .user_agent(concat!("lockkeeper/", env!("CARGO_PKG_VERSION"), " health check"))
            .no_proxy()
            .referer(false)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            // A kept connection would hide that the service no longer accepts new ones.
            .pool_max_idle_per_host(0)
            .dns_resolver(names.clone())
            .build()
            .map_err(|_| {
                Refusal::operator(
                    "probes_unavailable",
                    "Health checks cannot be made: the TLS library did not start.",
                    "See that the machine has root certificates (package ca-certificates).",
                )
            })?;
        Ok(Self { client, allow, names })
    }

    /// What can be told from the URL alone; names are guarded when they are resolved.
    pub(super) fn guard(&self, url: &Url) -> Result<(), ProbeReport> {
        let shown = shown(url.as_str());
        let refused = |code, what: &str, fix: &str| Err(ProbeReport::not(code, format!("{shown} {what}."), fix).hopeless());
        if !matches!(url.scheme(), "http" | "https") {
            return refused("scheme_not_allowed", "is neither http nor https", "Use an address that begins with https://.");
        }
        if !url.username().is_empty() || url.password().is_some() {
            let fix = "Remove the user name and password; it must work without them.";
            return refused("credentials_not_allowed", "holds a user name or password", fix);
        }
        if !url.port_or_known_default().is_some_and(port_is_open) {
            return refused("port_not_allowed", "has a port that is kept for other services", "Use another port, such as 443.");
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let Ok(address) = host.parse::<IpAddr>() else { return Ok(()) };
        self.allow.check(address).map_err(|why| closed(&shown, why))
    }
}

pub(super) fn read_url(text: &str) -> Result<Url, ProbeReport> {
    let url = if text.len() > LONGEST_URL { None } else { Url::parse(text).ok() };
    url.filter(Url::has_host).ok_or_else(|| {
        let reason = format!("{} is not an address of the web.", shown(text));
        ProbeReport::not("bad_url", reason, "Give a `url` such as https://example.com/healthz.").hopeless()
    })
}
