//! Where the App is installed, and what that tells it.

use crate::sandbox::hooks::Event;
use crate::sandbox::ids::{Kind, node_id};
use crate::sandbox::views;
use crate::sandbox::world::{Install, World};
use crate::sandbox::{Sandbox, SandboxError};
use serde_json::{Value, json};
use std::collections::BTreeSet;

impl Sandbox {
    /// The installation on an account, if there is one.
    pub fn installation(&self, account: &str) -> Option<u64> {
        self.shared().world().installs.values().find(|i| i.account.eq_ignore_ascii_case(account)).map(|i| i.id)
    }

    /// All installations, oldest first.
    pub fn installations(&self) -> Vec<u64> {
        self.shared().world().installs.keys().copied().collect()
    }

    /// Installs the App on repositories of one account, or adds them to the installation.
    pub fn install(&self, account: &str, repositories: &[&str]) -> Result<u64, SandboxError> {
        self.shared().change(|world| {
            let ids = repositories.iter().map(|name| world.repo_named(name).map(|r| r.id)).collect::<Result<Vec<_>, _>>()?;
            Ok(world.install_on(account, &ids))
        })
    }

    /// Takes a repository out of its installation.
    pub fn remove_from_installation(&self, repository: &str) -> Result<(), SandboxError> {
        self.shared().change(|world| {
            let id = world.repo_named(repository)?.id;
            let found = world.installs.values_mut().find(|i| i.repos.contains(&id)).map(|i| {
                i.repos.remove(&id);
                i.clone()
            });
            if let Some(install) = found {
                let lists = json!({ "repositories_added": [], "repositories_removed": world.brief(&[id]) });
                world.tell_install(&install, "installation_repositories", "removed", lists);
            }
            Ok(())
        })
    }

    /// Suspends an installation, or lifts the suspension.
    pub fn suspend(&self, account: &str, suspended: bool) -> Result<(), SandboxError> {
        self.with_install(account, |world, id| {
            let now = world.now();
            let Some(install) = world.installs.get_mut(&id) else { return };
            install.suspended_at = suspended.then_some(now);
            let install = install.clone();
            world.tell_install(&install, "installation", if suspended { "suspend" } else { "unsuspend" }, json!({}));
        })
    }

    /// Uninstalls the App; its tokens are worth nothing from now on.
    pub fn uninstall(&self, account: &str) -> Result<(), SandboxError> {
        self.with_install(account, |world, id| {
            let Some(install) = world.installs.remove(&id) else { return };
            world.tokens.retain(|_, token| token.install != id);
            world.tell_install(&install, "installation", "deleted", json!({}));
        })
    }

    /// Takes a permission away from an installation, or gives it a level.
    pub fn set_permission(&self, account: &str, name: &str, level: Option<&str>) -> Result<(), SandboxError> {
        self.with_install(account, |world, id| {
            let Some(install) = world.installs.get_mut(&id) else { return };
            match level {
                Some(level) => drop(install.permissions.insert(name.to_owned(), level.to_owned())),
                None => drop(install.permissions.remove(name)),
            }
            let install = install.clone();
            world.tell_install(&install, "installation", "new_permissions_accepted", json!({}));
        })
    }

    fn with_install(&self, account: &str, change: impl FnOnce(&mut World, u64)) -> Result<(), SandboxError> {
        let id = self.installation(account);
        let id = id.ok_or_else(|| SandboxError::Refused(format!("the App is not installed on {account}")))?;
        self.shared().change(|world| change(world, id));
        Ok(())
    }
}

impl World {
    /// The installation's id; made on first use.
    pub fn install_on(&mut self, account: &str, repos: &[u64]) -> u64 {
        self.account(account);
        let known = self.installs.values_mut().find(|i| i.account.eq_ignore_ascii_case(account));
        if let Some(install) = known {
            install.repos.extend(repos);
            let install = install.clone();
            let lists = json!({ "repositories_added": self.brief(repos), "repositories_removed": [] });
            self.tell_install(&install, "installation_repositories", "added", lists);
            return install.id;
        }
        let install = Install {
            id: self.ids.next(Kind::Installation),
            account: account.to_owned(),
            repos: repos.iter().copied().collect::<BTreeSet<_>>(),
            permissions: self.config.permissions.clone(),
            created_at: self.now(),
            suspended_at: None,
        };
        self.installs.insert(install.id, install.clone());
        self.tell_install(&install, "installation", "created", json!({}));
        install.id
    }

    fn brief(&self, repos: &[u64]) -> Value {
        let of = repos.iter().filter_map(|id| self.repos.get(id));
        of.map(|r| {
            json!({
                "id": r.id, "node_id": node_id(Kind::Repository, 0, r.id), "name": r.name, "full_name": r.full_name(), "private": r.private,
            })
        })
        .collect()
    }

    fn tell_install(&mut self, install: &Install, event: &'static str, action: &'static str, extra: Value) {
        let all = install.repos.iter().copied().collect::<Vec<_>>();
        let mut payload = json!({ "installation": views::installation(self, install), "requester": null });
        if event == "installation" {
            payload["repositories"] = self.brief(&all);
        } else {
            payload["repository_selection"] = "selected".into();
        }
        if let (Value::Object(into), Value::Object(extra)) = (&mut payload, extra) {
            into.extend(extra);
        }
        let actor = install.account.clone();
        self.emit_to(install, Event { name: event, action: Some(action), payload, actor });
    }
}
