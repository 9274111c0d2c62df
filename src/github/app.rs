//! The App itself: who it is, where it is installed, and its webhook with the deliveries that failed.

use super::client::{Call, GitHub, Reply};
use super::paths::encode;
use super::{Installation, Operation, Trouble};
use crate::domain::{InstallationId, Millis, RepoId, RepoName, RepoRef, Role, UserId};
use serde::Deserialize;
use std::collections::BTreeMap;

/// No list that we follow is longer than this many pages of 100.
const MAX_PAGES: usize = 100;

/// The App as GitHub has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AppInfo {
    pub id: u64,
    #[serde(default)]
    pub slug: String,
    pub name: String,
    #[serde(default)]
    pub html_url: String,
    /// Permission → `read`, `write` or `admin`.
    #[serde(default)]
    pub permissions: BTreeMap<String, String>,
    #[serde(default)]
    pub events: Vec<String>,
}

/// One installation of the App.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallationInfo {
    pub id: InstallationId,
    /// The organization or user.
    pub account: String,
    pub suspended: bool,
    pub permissions: BTreeMap<String, String>,
    pub events: Vec<String>,
}

/// A repository that an installation covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryInfo {
    pub repo: RepoRef,
    pub default_branch: String,
    pub archived: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct HookConfig {
    pub url: Option<String>,
    pub content_type: Option<String>,
    #[serde(default)]
    pub insecure_ssl: serde_json::Value,
}

/// One try of GitHub to deliver a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookDelivery {
    /// Of this try; what [`GitHub::redeliver`] takes.
    pub id: u64,
    /// `X-GitHub-Delivery`, the same for every try.
    pub guid: String,
    pub at: Millis,
    pub redelivery: bool,
    /// 2xx was answered.
    pub ok: bool,
    pub status_code: i64,
    pub event: String,
    pub action: Option<String>,
}

impl GitHub {
    pub async fn app(&self) -> Result<AppInfo, Trouble> {
        self.call(Call::new(Operation::AppInfo, "/app")).await?.json()
    }

    /// Our own App's numeric id; asks GitHub once if only the client id is known.
    pub async fn own_app_id(&self) -> Result<u64, Trouble> {
        match self.inner.config.app_id.parse() {
            Ok(id) => Ok(id),
            Err(_) => Ok(self.own_app().await?.id),
        }
    }

    /// Our own App's slug, as in `slug[bot]`; asks GitHub once.
    pub async fn own_slug(&self) -> Result<String, Trouble> {
        Ok(self.own_app().await?.slug.clone())
    }

    async fn own_app(&self) -> Result<&AppInfo, Trouble> {
        self.inner.own_app.get_or_try_init(|| self.app()).await
    }

    pub async fn installations(&self) -> Result<Vec<InstallationInfo>, Trouble> {
        #[derive(Deserialize)]
        struct Raw {
            id: u64,
            account: Option<Account>,
            suspended_at: Option<String>,
            #[serde(default)]
            permissions: BTreeMap<String, String>,
            #[serde(default)]
            events: Vec<String>,
        }
        let mut all = Vec::new();
        let mut next = Some("/app/installations?per_page=100".to_owned());
        for _ in 0..MAX_PAGES {
            let Some(target) = next else { break };
            let reply = self.call(Call::new(Operation::Installations, target)).await?;
            next = reply.next_page();
            all.extend(reply.json::<Vec<Raw>>()?.into_iter().map(|raw| InstallationInfo {
                id: InstallationId(raw.id),
                account: raw.account.map(|a| a.login).unwrap_or_default(),
                suspended: raw.suspended_at.is_some(),
                permissions: raw.permissions,
                events: raw.events,
            }));
        }
        Ok(all)
    }

    /// The installation that covers a repository.
    pub async fn installation_of(&self, repo: &RepoName) -> Result<InstallationId, Trouble> {
        #[derive(Deserialize)]
        struct Raw {
            id: u64,
        }
        let path = super::paths::repo_path(repo, "installation");
        let raw: Raw = self.call(Call::new(Operation::RepositoryInstallation, path)).await?.json()?;
        Ok(InstallationId(raw.id))
    }

    pub async fn hook_config(&self) -> Result<HookConfig, Trouble> {
        self.call(Call::new(Operation::HookConfig, "/app/hook/config")).await?.json()
    }

    /// Deliveries whose newest try since `since` failed, newest first; the tries of one GUID count as one delivery.
    /// GitHub keeps them for three days; 100 a request.
    pub async fn failed_deliveries(&self, since: Millis) -> Result<Vec<HookDelivery>, Trouble> {
        let mut newest: BTreeMap<String, HookDelivery> = BTreeMap::new();
        let mut next = Some("/app/hook/deliveries?per_page=100".to_owned());
        for _ in 0..MAX_PAGES {
            let Some(target) = next else { break };
            let reply = self.call(Call::new(Operation::HookDeliveries, target)).await?;
            next = reply.next_page();
            let page = deliveries(&reply)?;
            if page.iter().any(|d| d.at < since) {
                next = None;
            }
            for delivery in page.into_iter().filter(|d| d.at >= since) {
                keep(&mut newest, delivery);
            }
        }
        let mut failed: Vec<HookDelivery> = newest.into_values().filter(|d| !d.ok).collect();
        failed.sort_by_key(|d| std::cmp::Reverse(d.id));
        Ok(failed)
    }

    /// Asks GitHub to send a delivery again; it arrives under the same GUID.
    pub async fn redeliver(&self, delivery: u64) -> Result<(), Trouble> {
        let path = format!("/app/hook/deliveries/{delivery}/attempts");
        self.call(Call::new(Operation::HookRedeliver, path)).await.map(drop)
    }
}

/// One try that succeeded settles the delivery, whatever came after it.
fn keep(newest: &mut BTreeMap<String, HookDelivery>, delivery: HookDelivery) {
    match newest.get(&delivery.guid) {
        Some(old) if old.ok || (!delivery.ok && old.id > delivery.id) => {}
        _ => {
            newest.insert(delivery.guid.clone(), delivery);
        }
    }
}

fn deliveries(reply: &Reply) -> Result<Vec<HookDelivery>, Trouble> {
    #[derive(Deserialize)]
    struct Raw {
        id: u64,
        guid: String,
        delivered_at: String,
        #[serde(default)]
        redelivery: bool,
        #[serde(default)]
        status_code: i64,
        event: String,
        action: Option<String>,
    }
    let raw: Vec<Raw> = reply.json()?;
    Ok(raw
        .into_iter()
        .map(|raw| HookDelivery {
            id: raw.id,
            guid: raw.guid,
            at: Millis::parse_rfc3339(&raw.delivered_at).unwrap_or_default(),
            redelivery: raw.redelivery,
            ok: (200..300).contains(&raw.status_code),
            status_code: raw.status_code,
            event: raw.event,
            action: raw.action,
        })
        .collect())
}

#[derive(Deserialize)]
struct Account {
    login: String,
}

#[derive(Deserialize)]
struct RawRepository {
    id: u64,
    full_name: String,
    default_branch: String,
    #[serde(default)]
    archived: bool,
}

impl Installation {
    fn repository_info(&self, raw: &RawRepository) -> Option<RepositoryInfo> {
        let name = RepoName::parse(&raw.full_name).ok()?;
        let repo = RepoRef { id: RepoId(raw.id), name, installation: self.id };
        Some(RepositoryInfo { repo, default_branch: raw.default_branch.clone(), archived: raw.archived })
    }

    /// Every repository that the installation covers; 100 a request.
    pub async fn repositories(&self) -> Result<Vec<RepositoryInfo>, Trouble> {
        #[derive(Deserialize)]
        struct Raw {
            repositories: Vec<RawRepository>,
        }
        let mut all = Vec::new();
        let mut next = Some("/installation/repositories?per_page=100".to_owned());
        for _ in 0..MAX_PAGES {
            let Some(target) = next else { break };
            let reply = self.call(Call::new(Operation::InstallationRepositories, target)).await?;
            next = reply.next_page();
            all.extend(reply.json::<Raw>()?.repositories.iter().filter_map(|raw| self.repository_info(raw)));
        }
        Ok(all)
    }

    /// A repository by its present name; follows a rename.
    pub async fn repository(&self, name: &RepoName) -> Result<RepositoryInfo, Trouble> {
        let reply = self.call(Call::new(Operation::RepositoryInfo, super::paths::repo_path(name, ""))).await?;
        let raw: RawRepository = reply.json()?;
        self.repository_info(&raw).ok_or_else(|| Trouble::nonsense(reply.operation, "the name is not owner/name"))
    }
}

impl Installation {
    /// Whether an account is an active member of a team of the repository's owner.
    pub async fn is_team_member(&self, org: &str, team: &str, login: &str) -> Result<bool, Trouble> {
        #[derive(Deserialize)]
        struct Raw {
            state: String,
        }
        let path = format!("/orgs/{}/teams/{}/memberships/{}", encode(org), encode(team), encode(login));
        match self.call(Call::new(Operation::TeamMembership, path)).await {
            Ok(reply) => Ok(reply.json::<Raw>()?.state == "active"),
            Err(trouble) if trouble.is_gone() => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }

    /// `None` also when the login is no account, or another one than `account` by now.
    pub async fn role(&self, repo: &RepoName, login: &str, account: UserId) -> Result<Role, Trouble> {
        #[derive(Deserialize)]
        struct Raw {
            permission: String,
            role_name: Option<String>,
            user: Option<Id>,
        }
        #[derive(Deserialize)]
        struct Id {
            id: u64,
        }
        let path = super::paths::repo_path(repo, &format!("collaborators/{}/permission", encode(login)));
        let raw = match self.call(Call::new(Operation::UserPermission, path)).await {
            Ok(reply) => reply.json::<Raw>()?,
            Err(trouble) if trouble.is_gone() => return Ok(Role::None),
            Err(trouble) => return Err(trouble),
        };
        if raw.user.is_none_or(|user| user.id != account.0) {
            return Ok(Role::None);
        }
        // An organization's own roles have names of their own; GitHub folds them into the words of `permission`.
        let named = raw.role_name.as_deref().and_then(Role::parse);
        Ok(named.or_else(|| Role::parse(&raw.permission)).unwrap_or(Role::None))
    }
}
