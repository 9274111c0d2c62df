//! Releases are told and published.

use super::RefChange;
use crate::sandbox::hooks::Event;
use crate::sandbox::http::Refused;
use crate::sandbox::views;
use crate::sandbox::world::World;
use serde_json::json;

impl World {
    /// Sends a release event.
    pub fn tell_release(&mut self, id: u64, release: u64, action: &'static str, actor: &str) {
        let Some(repo) = self.repos.get(&id) else { return };
        let Some(found) = repo.releases.iter().find(|r| r.id == release) else { return };
        let payload = json!({ "release": views::release(self, repo, found) });
        self.emit(id, Event { name: "release", action: Some(action), payload, actor: actor.to_owned() });
    }

    /// Publishes a draft, or a release that was never one: makes the tag if it is missing, and tells.
    pub fn publish(&mut self, id: u64, release: u64, make_latest: Option<&str>, actor: &str) -> Result<(), Refused> {
        let now = self.now();
        let repo = self.repos.get_mut(&id).ok_or_else(Refused::not_found)?;
        let found = repo.releases.iter().find(|r| r.id == release).cloned().ok_or_else(Refused::not_found)?;
        let tag = format!("refs/tags/{}", found.tag);
        if !repo.refs.contains_key(&tag) {
            let target =
                repo.resolve(&found.target).ok_or_else(|| Refused::validation("Release", "target_commitish", "invalid"))?;
            self.push(id, actor, vec![RefChange { name: tag, to: Some(target) }], false)?;
        }
        let repo = self.repos.get_mut(&id).ok_or_else(Refused::not_found)?;
        if let Some(release) = repo.releases.iter_mut().find(|r| r.id == release) {
            release.draft = false;
            release.published_at = Some(now);
        }
        match make_latest {
            Some("false") => {}
            Some("legacy") => repo.latest = None,
            _ if !found.prerelease => repo.latest = Some(release),
            _ => {}
        }
        self.tell_release(id, release, "published", actor);
        self.tell_release(id, release, if found.prerelease { "prereleased" } else { "released" }, actor);
        Ok(())
    }
}
