//! A running server as the command line asks it: on this machine with the token of `control.json`, elsewhere with a key.
//!
//! Invariants: a key comes from the environment, so that no list of processes shows it; it crosses the network encrypted, unless
//! somebody insists; no redirect is followed, so that it reaches nobody else.

use crate::actions::Action;
use crate::actions::outcome::Outcome;
use crate::config::Secret;
use crate::domain::Refusal;
use crate::surfaces::control::{ControlFile, RunDetail, Seen};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::time::Duration;

/// An action may read GitHub and probe services; the server itself gives up after a minute.
const ACTION: Duration = Duration::from_secs(75);
const ANSWER: Duration = Duration::from_secs(10);
/// Longer than the server holds back an answer.
const NEWS: Duration = Duration::from_secs(20);

/// The variable that holds the key.
const KEY: &str = "LOCKKEEPER_KEY";

/// A server on another machine, and the key for it.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    base: String,
    key: Secret,
    is_here: bool,
}

impl Remote {
    /// # Errors
    /// `server_url_invalid`, `server_url_insecure`, `key_missing`.
    pub fn at(url: &str, insecure: bool) -> Result<Self, Refusal> {
        let (base, is_here) = address(url, insecure)?;
        Ok(Self { base, key: key()?, is_here })
    }

    pub fn is_here(&self) -> bool {
        self.is_here
    }

    /// Where agents are served.
    pub fn mcp(&self) -> String {
        format!("{}/mcp", self.base.trim_end_matches("/control"))
    }
}

/// # Errors
/// `key_missing`.
pub(super) fn key() -> Result<Secret, Refusal> {
    let key = std::env::var(KEY).ok().map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
    key.map(Secret::new).ok_or_else(|| {
        let fix = format!("Set {KEY} to a key that `lockkeeper keys create` printed on the server's machine.");
        Refusal::user("key_missing", "This is asked with a key, and there is none.", fix)
    })
}

/// Where the desk is, and whether that is this machine.
fn address(text: &str, insecure: bool) -> Result<(String, bool), Refusal> {
    let bad = |why: &str| {
        let fix = "Write it like https://lockkeeper.example.com.";
        Refusal::user("server_url_invalid", format!("The server's URL {why}."), fix)
    };
    let url = Url::parse(text).map_err(|_| bad("is none"))?;
    let host = url.host_str().ok_or_else(|| bad("names no host"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("holds a name or a password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("holds more than a place"));
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_here = bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "https" => {}
        "http" if is_here || insecure => {}
        "http" => {
            let fix = "Use https://, or --insecure-http where the way there is safe by other means.";
            return Err(Refusal::user("server_url_insecure", "The key would cross the network for everybody to read.", fix));
        }
        _ => return Err(bad("begins with neither https:// nor http://")),
    }
    Ok((format!("{}/control", url.as_str().trim_end_matches('/')), is_here))
}

/// Who is asked.
pub(super) struct Server {
    http: Client,
    base: String,
    token: Secret,
    /// Elsewhere, some questions are not answered.
    by_key: bool,
}

impl Server {
    pub fn of(remote: &Remote) -> Result<Self, Refusal> {
        let http = client(remote.is_here)?;
        Ok(Self { http, base: remote.base.clone(), token: remote.key.clone(), by_key: true })
    }

    /// Nothing if no server answers: then its file was left behind.
    pub async fn find(data_dir: &Path) -> Result<Option<Self>, Refusal> {
        let Some(file) = ControlFile::read(data_dir) else { return Ok(None) };
        let (base, token) = (format!("http://{}", file.address), Secret::new(file.token));
        let server = Self { http: client(true)?, base, token, by_key: false };
        match server.request(Method::GET, &["status"]).send().await {
            Ok(response) if response.status().is_success() => Ok(Some(server)),
            Ok(_) => Ok(None),
            Err(error) if error.is_connect() => Ok(None),
            Err(error) => Err(no_answer(&error)),
        }
    }

    /// For what only somebody at the server's machine may ask.
    ///
    /// # Errors
    /// `only_here`.
    pub fn here(&self) -> Result<&Self, Refusal> {
        if !self.by_key {
            return Ok(self);
        }
        let fix = "Run the same command on the server's machine, without --server.";
        Err(Refusal::user("only_here", "Deliveries, keys and secrets are shown on the server's own machine only.", fix))
    }

    /// Where agents are served by the server on this machine.
    pub fn mcp(&self) -> String {
        format!("{}/mcp", self.base)
    }

    pub async fn act(&self, action: &Action) -> Result<Outcome, Refusal> {
        answered(self.request(Method::POST, &["actions"]).timeout(ACTION).json(action)).await
    }

    pub async fn get<T: DeserializeOwned, Q: Serialize>(&self, path: &[&str], query: &Q) -> Result<T, Refusal> {
        answered(self.request(Method::GET, path).query(query)).await
    }

    pub async fn post<T: DeserializeOwned, B: Serialize>(&self, path: &[&str], body: &B) -> Result<T, Refusal> {
        answered(self.request(Method::POST, path).json(body)).await
    }

    /// The run as soon as there is more to tell than what was seen, or after some seconds.
    pub async fn news(&self, id: &str, seen: &Seen) -> Result<RunDetail, Refusal> {
        answered(self.request(Method::GET, &["runs", id]).timeout(NEWS).query(seen)).await
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let segments: Vec<String> = path.iter().map(|segment| escaped(segment)).collect();
        let url = format!("{}/{}", self.base, segments.join("/"));
        self.http.request(method, url).timeout(ANSWER).bearer_auth(self.token.expose())
    }
}

pub(super) fn client(is_here: bool) -> Result<Client, Refusal> {
    let builder = Client::builder().redirect(Policy::none()).user_agent(concat!("lockkeeper/", env!("CARGO_PKG_VERSION")));
    // A proxy has no business on the loopback address.
    let builder = if is_here { builder.no_proxy() } else { builder };
    builder.build().map_err(|error| no_answer(&error))
}

async fn answered<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, Refusal> {
    let response = request.send().await.map_err(|error| no_answer(&error))?;
    if response.status() == StatusCode::OK {
        return response.json().await.map_err(|error| no_answer(&error));
    }
    Err(refused(response).await)
}

async fn refused(response: Response) -> Refusal {
    let status = response.status();
    response.json::<Refusal>().await.unwrap_or_else(|_| {
        let text = format!("The server answers in a way that is not Lockkeeper's ({status}).");
        Refusal::operator("server_strange", text, "Check the URL, and that the proxy before it passes `/control` on.")
    })
}

/// One segment of a path: what is not plain is percent-encoded.
fn escaped(segment: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    segment.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

pub(super) fn no_answer(why: &reqwest::Error) -> Refusal {
    let cause = std::error::Error::source(why).map(|cause| format!(" ({cause})")).unwrap_or_default();
    let text = format!("The server does not answer: {why}{cause}.");
    Refusal::operator("server_silent", text, "See that it runs and can be reached; its log says more.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_crosses_the_network_encrypted_or_not_at_all() {
        let told = |url: &str, insecure: bool| match address(url, insecure) {
            Ok((base, is_here)) => format!("{base} {is_here}"),
            Err(refusal) => refusal.code,
        };
        for (url, insecure, expected) in [
            ("https://keeper.example.com", false, "https://keeper.example.com/control false"),
            ("https://example.com/keeper/", false, "https://example.com/keeper/control false"),
            ("http://keeper.example.com", false, "server_url_insecure"),
            ("http://keeper.example.com", true, "http://keeper.example.com/control false"),
            ("http://127.0.0.1:8080", false, "http://127.0.0.1:8080/control true"),
            ("http://127.0.0.1.example.com", false, "server_url_insecure"),
            ("http://localhost.example.com", false, "server_url_insecure"),
            ("http://localhost:1", false, "http://localhost:1/control true"),
            ("http://[::1]:1/", false, "http://[::1]:1/control true"),
            ("http://192.168.0.1", false, "server_url_insecure"),
            ("https://me:secret@keeper.example.com", false, "server_url_invalid"),
            ("https://keeper.example.com?a=b", false, "server_url_invalid"),
            ("ftp://keeper.example.com", true, "server_url_invalid"),
            ("keeper.example.com", true, "server_url_invalid"),
            ("", true, "server_url_invalid"),
        ] {
            assert_eq!(told(url, insecure), expected, "{url}");
        }
    }
}
