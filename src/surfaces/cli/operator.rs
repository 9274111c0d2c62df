//! How the command line reaches runs, deliveries and keys: by the running server, here or elsewhere, or by the store on this
//! machine when no server runs.
//!
//! Race: a server that starts between the look at `control.json` and the opening of the store keeps the store's lock, so the
//! command fails with `store_locked` and works when it is typed again.

use super::server::{Remote, Server};
use super::{fail, fail_settings, say};
use crate::actions::Action;
use crate::actions::access::Caller;
use crate::actions::outcome::Outcome;
use crate::config::settings::Flags;
use crate::domain::Refusal;
use crate::engine::client::HookSecret;
use crate::store::Store;
use crate::store::chain::Link;
use crate::surfaces::control::{
    AuditFilter, DeliveryDetail, DeliveryFilter, DeliveryRow, Desk, KeyAsk, KeyRow, Of, RunDetail, RunFilter, RunRow,
};
use serde::Serialize;
use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Where the server is and how to show the answer.
#[derive(clap::Args, Debug, Clone)]
pub struct Common {
    /// Ask the server at this URL, with the key in LOCKKEEPER_KEY, instead of the one on this machine
    #[arg(long, env = "LOCKKEEPER_SERVER", value_name = "URL", global = true)]
    pub server: Option<String>,
    /// Let the key cross the network unencrypted where the URL begins with http://
    #[arg(long, global = true)]
    pub insecure_http: bool,
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

/// Whom to ask.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// The server on this machine with this data folder, or its store.
    Here(PathBuf),
    There(Remote),
}

impl Common {
    /// Asks, and shows the answer. Exit code 2: it could not be answered; 64: the settings are wrong.
    pub(super) fn show<T, F>(&self, ask: impl FnOnce(Operator) -> F, text: impl FnOnce(&T) -> String) -> ExitCode
    where
        T: Serialize,
        F: Future<Output = Result<T, Refusal>>,
    {
        self.judge(|place| async move { ask(Operator::reach(&place).await?).await }, text, |_| true)
    }

    /// As [`Common::show`], but with whom to ask, and exit code 1 when the answer is not `well`.
    pub(super) fn judge<T, F>(
        &self,
        ask: impl FnOnce(Place) -> F,
        text: impl FnOnce(&T) -> String,
        well: impl FnOnce(&T) -> bool,
    ) -> ExitCode
    where
        T: Serialize,
        F: Future<Output = Result<T, Refusal>>,
    {
        let place = match self.place() {
            Ok(place) => place,
            Err(exit) => return exit,
        };
        let answer = runtime().and_then(|runtime| runtime.block_on(ask(place)));
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

    pub(super) fn place(&self) -> Result<Place, ExitCode> {
        if let Some(url) = &self.server {
            return Remote::at(url, self.insecure_http).map(Place::There).map_err(|refusal| fail(&refusal));
        }
        let (data_dir, settings) = (self.data_dir.clone(), self.settings.clone());
        let local = (Flags { data_dir, settings, ..Flags::default() }).local();
        local.map(|local| Place::Here(local.data_dir)).map_err(|problems| fail_settings(&problems))
    }
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Refusal> {
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
    pub async fn reach(place: &Place) -> Result<Self, Refusal> {
        let data_dir = match place {
            Place::There(remote) => return Server::of(remote).map(Self::Server),
            Place::Here(data_dir) => data_dir,
        };
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
            Self::Server(server) => server.here()?.get(&["deliveries"], &filter).await,
            Self::Store(desk) => desk.deliveries(filter).await,
        }
    }

    pub async fn delivery(&self, id: &str) -> Result<DeliveryDetail, Refusal> {
        match self {
            Self::Server(server) => server.here()?.get(&["deliveries", id], &()).await,
            Self::Store(desk) => desk.delivery(id).await,
        }
    }

    pub async fn replay(&self, id: &str) -> Result<DeliveryRow, Refusal> {
        match self {
            Self::Server(server) => server.here()?.post(&["deliveries", id, "replay"], &()).await,
            Self::Store(desk) => desk.replay(id).await,
        }
    }

    /// A page of the audit.
    pub async fn audit(&self, filter: AuditFilter) -> Result<Vec<Link>, Refusal> {
        match self {
            Self::Server(server) => server.here()?.get(&["audit"], &filter).await,
            Self::Store(desk) => desk.audit(filter).await,
        }
    }

    pub async fn runs(&self, filter: RunFilter) -> Result<Vec<RunRow>, Refusal> {
        match self {
            Self::Server(server) => server.get(&["runs"], &filter).await,
            Self::Store(desk) => desk.runs(filter, &Caller::operator()).await,
        }
    }

    pub async fn run(&self, id: &str) -> Result<RunDetail, Refusal> {
        match self {
            Self::Server(server) => server.get(&["runs", id], &()).await,
            Self::Store(desk) => desk.run(id, &Caller::operator()).await,
        }
    }

    pub async fn create_key(&self, ask: KeyAsk) -> Result<KeyRow, Refusal> {
        match self {
            Self::Server(server) => server.here()?.post(&["keys"], &ask).await,
            Self::Store(desk) => desk.create_key(ask).await,
        }
    }

    pub async fn keys(&self) -> Result<Vec<KeyRow>, Refusal> {
        match self {
            Self::Server(server) => server.here()?.get(&["keys"], &()).await,
            Self::Store(desk) => desk.keys().await,
        }
    }

    pub async fn revoke_key(&self, id: &str) -> Result<KeyRow, Refusal> {
        match self {
            Self::Server(server) => server.here()?.post(&["keys", id, "revoke"], &()).await,
            Self::Store(desk) => desk.revoke_key(id).await,
        }
    }
}

/// Has a running server do something; without one it cannot be done.
pub(super) async fn act(place: &Place, action: &Action) -> Result<Outcome, Refusal> {
    running(place).await?.act(action).await
}

/// The secret of a repository's own deploy hook.
pub(super) async fn hook_secret(place: &Place, of: &Of) -> Result<HookSecret, Refusal> {
    running(place).await?.here()?.post(&["hook-secret"], of).await
}

pub(super) async fn running(place: &Place) -> Result<Server, Refusal> {
    let data_dir = match place {
        Place::There(remote) => return Server::of(remote),
        Place::Here(data_dir) => data_dir,
    };
    Server::find(data_dir).await?.ok_or_else(|| {
        Refusal::operator(
            "server_not_running",
            format!("No server runs with the data folder {}, and only a running one can do this.", data_dir.display()),
            "Start `lockkeeper serve`, give its data folder with --data-dir, or ask another machine's with --server.",
        )
    })
}
