//! How the command line reaches deliveries and runs: by the running server, or by its store when no server runs.
//!
//! Race: a server that starts between the look at `control.json` and the opening of the store keeps the store's lock, so the
//! command fails with `store_locked` and works when it is typed again.

use super::{fail, fail_settings, say};
use crate::actions::Action;
use crate::actions::outcome::Outcome;
use crate::config::settings::Flags;
use crate::domain::{Refusal, RepoName};
use crate::engine::client::HookSecret;
use crate::store::Store;
use crate::surfaces::control::{ControlFile, DeliveryDetail, DeliveryFilter, DeliveryRow, Desk, RunDetail, RunFilter, RunRow};
use reqwest::{Client, Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// An action may read GitHub and probe services; the server itself gives up after a minute.
const ACTION: Duration = Duration::from_secs(75);

/// Where the server is and how to show the answer.
#[derive(clap::Args, Debug, Clone)]
pub struct Common {
    /// The server's data folder [default: lockkeeper-data]
    #[arg(long, env = "LOCKKEEPER_DATA_DIR", value_name = "FOLDER", global = true)]
    pub data_dir: Option<PathBuf>,
    /// File with the server's settings [default: lockkeeper.toml, if there is one]
    #[arg(long, env = "LOCKKEEPER_SETTINGS", value_name = "FILE", global = true)]
    pub settings: Option<PathBuf>,
    /// How to show the answer
    #[arg(long, value_enum, default_value_t = Format::Text, global = true)]
    pub format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Tables for people
    Text,
    /// JSON for scripts
    Json,
}

impl Common {
    /// Asks, and shows the answer. Exit code 2: it could not be answered; 64: the settings are wrong.
    pub(super) fn show<T, F>(&self, ask: impl FnOnce(Operator) -> F, text: impl FnOnce(&T) -> String) -> ExitCode
    where
        T: Serialize,
        F: Future<Output = Result<T, Refusal>>,
    {
        self.judge(|data_dir| async move { ask(Operator::reach(&data_dir).await?).await }, text, |_| true)
    }

    /// As [`Common::show`], but with the server's data folder, and exit code 1 when the answer is not `well`.
    pub(super) fn judge<T, F>(
        &self,
        ask: impl FnOnce(PathBuf) -> F,
        text: impl FnOnce(&T) -> String,
        well: impl FnOnce(&T) -> bool,
    ) -> ExitCode
    where
        T: Serialize,
        F: Future<Output = Result<T, Refusal>>,
    {
        let (data_dir, settings) = (self.data_dir.clone(), self.settings.clone());
        let local = match (Flags { data_dir, settings, ..Flags::default() }).local() {
            Ok(local) => local,
            Err(problems) => return fail_settings(&problems),
        };
        let answer = runtime().and_then(|runtime| runtime.block_on(ask(local.data_dir)));
        let answer = match answer {
            Ok(answer) => answer,
            Err(refusal) => return fail(&refusal),
        };
        let said = match (self.format, serde_json::to_string_pretty(&answer)) {
            (Format::Text, _) => say(&text(&answer)),
            (Format::Json, Ok(json)) => say(&format!("{json}\n")),
            (Format::Json, Err(error)) => return fail(&Refusal::us("json", format!("The answer cannot be written: {error}."))),
        };
        if well(&answer) { said } else { ExitCode::FAILURE }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Refusal> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Refusal::operator("runtime", format!("The program cannot start: {error}."), "Try again."))
}

pub(super) enum Operator {
    Server(Server),
    Store(Desk),
}

impl Operator {
    async fn reach(data_dir: &Path) -> Result<Self, Refusal> {
        if let Some(server) = Server::find(data_dir).await? {
            return Ok(Self::Server(server));
        }
        // Opening would make one.
        if !data_dir.join("lockkeeper.db").is_file() {
            let message = format!("The folder {} holds no store of Lockkeeper.", data_dir.display());
            let fix = "Give the server's data folder with --data-dir or LOCKKEEPER_DATA_DIR.";
            return Err(Refusal::user("store_missing", message, fix));
        }
        Ok(Self::Store(Desk::new(Store::open(data_dir)?, Arc::default())))
    }

    pub async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<DeliveryRow>, Refusal> {
        match self {
            Self::Server(server) => server.ask(Method::GET, &["deliveries"], &filter).await,
            Self::Store(desk) => desk.deliveries(filter).await,
        }
    }

    pub async fn delivery(&self, id: &str) -> Result<DeliveryDetail, Refusal> {
        match self {
            Self::Server(server) => server.ask(Method::GET, &["deliveries", id], &()).await,
            Self::Store(desk) => desk.delivery(id).await,
        }
    }

    pub async fn replay(&self, id: &str) -> Result<DeliveryRow, Refusal> {
        match self {
            Self::Server(server) => server.ask(Method::POST, &["deliveries", id, "replay"], &()).await,
            Self::Store(desk) => desk.replay(id).await,
        }
    }

    pub async fn runs(&self, filter: RunFilter) -> Result<Vec<RunRow>, Refusal> {
        match self {
            Self::Server(server) => server.ask(Method::GET, &["runs"], &filter).await,
            Self::Store(desk) => desk.runs(filter).await,
        }
    }

    pub async fn run(&self, id: &str) -> Result<RunDetail, Refusal> {
        match self {
            Self::Server(server) => server.ask(Method::GET, &["runs", id], &()).await,
            Self::Store(desk) => desk.run(id).await,
        }
    }
}

/// Has a running server do something; without one it cannot be done.
pub(super) async fn act(data_dir: &Path, action: &Action) -> Result<Outcome, Refusal> {
    running(data_dir).await?.act(action).await
}

/// The secret of a repository's own deploy hook.
pub(super) async fn hook_secret(data_dir: &Path, repo: &RepoName) -> Result<HookSecret, Refusal> {
    running(data_dir).await?.ask(Method::POST, &["hook-secret"], &[("repo", repo.as_str())]).await
}

async fn running(data_dir: &Path) -> Result<Server, Refusal> {
    Server::find(data_dir).await?.ok_or_else(|| {
        Refusal::operator(
            "server_not_running",
            format!("No server runs with the data folder {}, and only a running one can do this.", data_dir.display()),
            "Start `lockkeeper serve`, or give its data folder with --data-dir or LOCKKEEPER_DATA_DIR.",
        )
    })
}

/// Somebody who looks at a run again and again.
pub(super) struct Watch(Operator);

impl Watch {
    pub async fn of(data_dir: &Path) -> Result<Self, Refusal> {
        Operator::reach(data_dir).await.map(Self)
    }

    pub async fn run(&self, id: &str) -> Result<RunDetail, Refusal> {
        self.0.run(id).await
    }
}

/// A running server's control door.
pub(super) struct Server {
    http: Client,
    file: ControlFile,
}

impl Server {
    /// Nothing if no server answers: then its file was left behind.
    async fn find(data_dir: &Path) -> Result<Option<Self>, Refusal> {
        let Some(file) = ControlFile::read(data_dir) else { return Ok(None) };
        // A proxy has no business on the loopback address.
        let http = Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().map_err(|error| no_answer(&error))?;
        let server = Self { http, file };
        match server.send(Method::GET, &["status"], &()).await {
            Ok(response) if response.status().is_success() => Ok(Some(server)),
            Ok(_) => Ok(None),
            Err(error) if error.is_connect() => Ok(None),
            Err(error) => Err(no_answer(&error)),
        }
    }

    async fn send<Q: Serialize>(&self, method: Method, path: &[&str], query: &Q) -> Result<reqwest::Response, reqwest::Error> {
        let segments: Vec<String> = path.iter().map(|segment| escaped(segment)).collect();
        let url = format!("http://{}/{}", self.file.address, segments.join("/"));
        self.http.request(method, url).query(query).bearer_auth(&self.file.token).send().await
    }

    async fn act(&self, action: &Action) -> Result<Outcome, Refusal> {
        let request = self.http.post(format!("http://{}/actions", self.file.address)).timeout(ACTION);
        let response = request.bearer_auth(&self.file.token).json(action).send().await;
        answered(response.map_err(|error| no_answer(&error))?).await
    }

    async fn ask<T: DeserializeOwned, Q: Serialize>(&self, method: Method, path: &[&str], query: &Q) -> Result<T, Refusal> {
        answered(self.send(method, path, query).await.map_err(|error| no_answer(&error))?).await
    }
}

async fn answered<T: DeserializeOwned>(response: reqwest::Response) -> Result<T, Refusal> {
    if response.status() == StatusCode::OK {
        return response.json().await.map_err(|error| no_answer(&error));
    }
    let status = response.status();
    Err(response.json::<Refusal>().await.unwrap_or_else(|_| no_answer(&status)))
}

/// One segment of a path: what is not plain is percent-encoded.
fn escaped(segment: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    segment.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn no_answer(why: &dyn std::fmt::Display) -> Refusal {
    Refusal::operator("server_silent", format!("The server does not answer: {why}."), "Look at the server's log.")
}
