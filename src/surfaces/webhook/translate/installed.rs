//! Repositories that come under our care and leave it.

use super::{Delivery, Intents, Translation, nothing, one, repo_ref};
use crate::domain::{Refusal, RepoRef};
use crate::engine::intent::Intent;
use crate::surfaces::webhook::event;

impl Delivery<'_> {
    pub(super) fn repository(&self) -> Intents {
        let (installation, repo) = (self.installation_id()?, self.repo()?);
        let repositories = vec![repo];
        match self.action {
            "deleted" | "transferred" | "archived" => one(Intent::RepositoryGone { installation, repositories }),
            "created" | "renamed" | "unarchived" => one(Intent::InstallationChanged { installation, repositories }),
            _ => nothing("settings of a repository are read again whenever they matter"),
        }
    }

    pub(super) fn installation(&self) -> Intents {
        let lists: event::Installation = self.payload()?;
        let installation = self.installation_id()?;
        let refs = |list: Option<Vec<event::Repository>>| -> Result<Vec<RepoRef>, Refusal> {
            list.unwrap_or_default().iter().map(|repository| repo_ref(repository, installation)).collect()
        };
        match (self.event, self.action) {
            ("installation", "deleted" | "suspend") => {
                one(Intent::RepositoryGone { installation, repositories: refs(lists.repositories)? })
            }
            ("installation", _) => one(Intent::InstallationChanged { installation, repositories: refs(lists.repositories)? }),
            _ => {
                let (added, removed) = (refs(lists.repositories_added)?, refs(lists.repositories_removed)?);
                let mut intents = Vec::new();
                if !removed.is_empty() {
                    intents.push(Intent::RepositoryGone { installation, repositories: removed });
                }
                if !added.is_empty() {
                    intents.push(Intent::InstallationChanged { installation, repositories: added });
                }
                if intents.is_empty() {
                    nothing("no repository was added or removed")
                } else {
                    Ok(Translation::Intents(intents))
                }
            }
        }
    }
}
