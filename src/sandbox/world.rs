//! The whole state behind one lock. Handlers and the control API change it; webhooks that follow are queued in the same
//! breath, so that the order of events is the order of changes.

use super::SandboxError;
use super::config::{SandboxConfig, Webhook};
use super::hooks::Outbox;
use super::ids::{Ids, Kind};
use super::model::{Account, AccountKind};
use super::repo::Repo;
use crate::domain::Millis;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) type Permissions = BTreeMap<String, String>;

/// The App installed on one account.
#[derive(Clone, Debug)]
pub(super) struct Install {
    pub id: u64,
    pub account: String,
    pub repos: BTreeSet<u64>,
    pub permissions: Permissions,
    pub created_at: Millis,
    pub suspended_at: Option<Millis>,
}

/// An installation token that was handed out.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub install: u64,
    pub permissions: Permissions,
    pub repos: BTreeSet<u64>,
    pub expires: Millis,
}

/// A token that a person has let GitHub make for an App.
#[derive(Clone, Debug)]
pub(super) struct UserToken {
    pub login: String,
    /// The App's client id.
    pub client: String,
    pub expires: Millis,
}

/// Another App, known by the check runs that it makes.
#[derive(Clone, Debug)]
pub(super) struct OtherApp {
    pub id: u64,
    pub slug: String,
}

/// Requests used in the current hour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    pub used: u64,
    /// Seconds since the epoch.
    pub reset: i64,
}

pub(super) struct World {
    pub config: SandboxConfig,
    pub dir: PathBuf,
    pub base: String,
    pub hook_id: u64,
    pub webhook: Option<Webhook>,
    /// The App's public key as PKCS#1 DER.
    pub public_key: Vec<u8>,
    /// What the issuer of jobs' tokens publishes.
    pub job_keys: serde_json::Value,
    pub ids: Ids,
    pub accounts: BTreeMap<String, Account>,
    /// `(organisation, team) → members`, all in lower case.
    pub teams: BTreeMap<(String, String), BTreeSet<String>>,
    pub apps: Vec<OtherApp>,
    pub repos: BTreeMap<u64, Repo>,
    pub installs: BTreeMap<u64, Install>,
    pub tokens: HashMap<String, Token>,
    /// Tokens of people, of this App and of others.
    pub user_tokens: HashMap<String, UserToken>,
    pub buckets: HashMap<String, Bucket>,
    pub outbox: Outbox,
    /// Added to this machine's clock, for tests of clocks that disagree.
    pub clock_offset_ms: i64,
    /// What was made in the last hour, if GitHub's secondary limits are on.
    pub creates: Option<Creates>,
}

/// When things were made.
pub(super) struct Creates {
    /// A minute, in milliseconds.
    minute: i64,
    made: VecDeque<Millis>,
}

impl Creates {
    pub fn per(minute: i64) -> Self {
        Self { minute, made: VecDeque::new() }
    }

    /// Whether one more may be made, which is counted then; else after how many seconds.
    pub fn admit(&mut self, now: Millis) -> Result<(), i64> {
        let Self { minute, made } = self;
        made.retain(|at| now.0 - at.0 < *minute * 60);
        let last_minute = made.iter().filter(|at| now.0 - at.0 < *minute).count();
        if last_minute >= 80 || made.len() >= 500 {
            return Err((*minute / 1_000).max(1));
        }
        made.push_back(now);
        Ok(())
    }
}

impl World {
    pub fn now(&self) -> Millis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
        Millis(i64::try_from(since).unwrap_or(i64::MAX).saturating_add(self.clock_offset_ms))
    }

    /// Now as GitHub writes it, whole seconds.
    pub fn stamp(&self) -> String {
        self.now().rfc3339()
    }

    pub fn bot(&self) -> String {
        format!("{}[bot]", self.config.app_slug)
    }

    /// The account of that login, made on first mention.
    pub fn account(&mut self, login: &str) -> Account {
        if let Some(known) = self.accounts.get(&login.to_lowercase()) {
            return known.clone();
        }
        let kind = if login.ends_with("[bot]") { AccountKind::Bot } else { AccountKind::User };
        let id = self.ids.next(Kind::Account);
        let email = format!("{id}+{login}@users.noreply.github.com");
        let account = Account { id, login: login.to_owned(), kind, email };
        self.accounts.insert(login.to_lowercase(), account.clone());
        account
    }

    pub fn find_account(&self, login: &str) -> Option<&Account> {
        self.accounts.get(&login.to_lowercase())
    }

    /// The account behind a commit's email, as GitHub links them.
    pub fn login_of_email(&self, email: &str) -> Option<String> {
        if let Some(plain) = email.strip_suffix("@users.noreply.github.com") {
            return Some(plain.split_once('+').map_or(plain, |(_, login)| login).to_owned());
        }
        self.accounts.values().find(|a| a.email.eq_ignore_ascii_case(email)).map(|a| a.login.clone())
    }

    /// Another App by its slug, made on first mention. GitHub's own Actions has its real id.
    pub fn other_app(&mut self, slug: &str) -> OtherApp {
        if slug == self.config.app_slug {
            return OtherApp { id: self.config.app_id, slug: slug.to_owned() };
        }
        if let Some(app) = self.apps.iter().find(|a| a.slug == slug) {
            return app.clone();
        }
        let id = if slug == "github-actions" { 15_368 } else { self.ids.next(Kind::App) };
        let app = OtherApp { id, slug: slug.to_owned() };
        self.apps.push(app.clone());
        app
    }

    pub fn repo_id(&self, full_name: &str) -> Option<u64> {
        self.repos.values().find(|r| r.full_name().eq_ignore_ascii_case(full_name)).map(|r| r.id)
    }

    pub fn repo_named(&self, full_name: &str) -> Result<&Repo, SandboxError> {
        let id = self.repo_id(full_name).and_then(|id| self.repos.get(&id));
        id.ok_or_else(|| SandboxError::Refused(format!("there is no repository {full_name}")))
    }

    /// The installation that covers a repository.
    pub fn install_of(&self, repo: u64) -> Option<&Install> {
        self.installs.values().find(|i| i.repos.contains(&repo))
    }
}
