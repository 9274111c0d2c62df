//! References move: on disk, in memory, and in what GitHub tells.

use crate::domain::Sha;
use crate::sandbox::SandboxError;
use crate::sandbox::hooks::Event;
use crate::sandbox::model::Pull;
use crate::sandbox::repo::Target;
use crate::sandbox::views;
use crate::sandbox::world::World;
use serde_json::{Value, json};

/// All zeros: "no object" in a push event.
const ZERO: &str = "0000000000000000000000000000000000000000";
/// GitHub sends no events for tags when more than three are pushed at once.
const MOST_TAGS: usize = 3;
/// Commits that one push event lists.
const MOST_COMMITS: usize = 2_048;

/// One reference of a push: what it points at afterwards, nothing for a deletion.
pub(in crate::sandbox) struct RefChange {
    pub name: String,
    pub to: Option<Sha>,
}

impl World {
    /// Moves references on disk and in memory and sends what GitHub sends for a push of them together.
    /// `written` says that the branches are on disk already (commits were imported into them).
    pub fn push(&mut self, id: u64, actor: &str, changes: Vec<RefChange>, written: bool) -> Result<(), SandboxError> {
        let now = self.now();
        let tags = changes.iter().filter(|c| c.name.starts_with("refs/tags/")).count();
        let repo = self.repos.get_mut(&id).ok_or_else(|| SandboxError::Refused("no such repository".into()))?;
        if !written {
            let on_disk = changes.iter().map(|c| (c.name.clone(), c.to.clone())).collect::<Vec<_>>();
            repo.git.update_refs(&on_disk)?;
        }
        repo.pushed_at = now;
        let mut moved = Vec::new();
        for change in changes {
            let after = match change.to {
                Some(object) => {
                    let commit = repo.git.peel(&object);
                    let commit = commit.ok_or_else(|| SandboxError::Refused(format!("{object} is no commit")))?;
                    Some(Target { object, commit })
                }
                None => None,
            };
            let before = match &after {
                Some(target) => repo.refs.insert(change.name.clone(), target.clone()),
                None => repo.refs.remove(&change.name),
            };
            if before != after {
                moved.push((change.name, before, after));
            }
        }
        for (name, before, after) in moved {
            if !(name.starts_with("refs/tags/") && tags > MOST_TAGS) {
                self.tell_push(id, actor, &name, before.as_ref(), after.as_ref());
            }
        }
        Ok(())
    }

    /// After somebody pushed with git itself: finds what moved on disk.
    pub fn notice_push(&mut self, id: u64, actor: &str) -> Result<(), SandboxError> {
        let Some(repo) = self.repos.get_mut(&id) else { return Ok(()) };
        let on_disk = repo.git.refs()?;
        let new = on_disk.iter().filter(|(name, to)| repo.refs.get(*name).is_none_or(|t| t.object != **to));
        let mut changes = new.map(|(name, to)| RefChange { name: name.clone(), to: Some(to.clone()) }).collect::<Vec<_>>();
        let gone = repo.refs.keys().filter(|name| !on_disk.contains_key(*name));
        changes.extend(gone.map(|name| RefChange { name: name.clone(), to: None }));
        changes.sort_by(|a, b| a.name.cmp(&b.name)); // branches before tags
        let tips = changes.iter().filter_map(|c| c.to.clone()).collect::<Vec<_>>();
        repo.git.learn(&tips)?;
        self.push(id, actor, changes, true)
    }

    fn tell_push(&mut self, id: u64, actor: &str, name: &str, before: Option<&Target>, after: Option<&Target>) {
        let Some(repo) = self.repos.get(&id) else { return };
        let branch = name.strip_prefix("refs/heads/");
        let short = branch.or_else(|| name.strip_prefix("refs/tags/")).unwrap_or(name).to_owned();
        let kind = if branch.is_some() { "branch" } else { "tag" };
        let commits = branch.zip(after).map(|_| self.new_commits(id, name, before, after)).unwrap_or_default();
        let forced = match (before, after) {
            (Some(b), Some(a)) if branch.is_some() => !repo.git.is_ancestor(&b.commit, &a.commit),
            (Some(_), Some(_)) => true,
            _ => false,
        };
        let object = |t: Option<&Target>| t.map_or(ZERO.to_owned(), |t| t.object.to_string());
        let head = after.map(|t| views::hook_commit(self, repo, &t.commit));
        let (from, to) = (object(before), object(after));
        let on_branch = |t: &Target| repo.refs.iter().find(|(n, r)| n.starts_with("refs/heads/") && r.commit == t.commit);
        let base_ref = after.filter(|_| branch.is_none()).and_then(on_branch).map(|(n, _)| n.clone());
        let default = repo.default_branch.clone();
        let payload = json!({
            "ref": name, "before": object(before), "after": object(after), "base_ref": base_ref,
            "created": before.is_none(), "deleted": after.is_none(), "forced": forced,
            "compare": format!("https://github.com/{}/compare/{}", repo.full_name(), short),
            "commits": commits, "head_commit": head,
            "pusher": { "name": actor, "email": format!("{actor}@users.noreply.github.com") },
        });
        let (new, gone) = (before.is_none(), after.is_none());
        self.note_push(id, actor, name, [from, to], forced);
        self.emit(id, Event { name: "push", action: None, payload, actor: actor.to_owned() });
        let about =
            json!({ "ref": short, "ref_type": kind, "master_branch": default, "description": null, "pusher_type": "user" });
        if new {
            self.emit(id, Event { name: "create", action: None, payload: about, actor: actor.to_owned() });
        } else if gone {
            let about = json!({ "ref": short, "ref_type": kind, "pusher_type": "user" });
            self.emit(id, Event { name: "delete", action: None, payload: about, actor: actor.to_owned() });
        }
        if let (Some(branch), Some(after)) = (branch, after) {
            self.branch_moved(id, actor, branch, before, after);
        }
    }

    fn new_commits(&self, id: u64, name: &str, before: Option<&Target>, after: Option<&Target>) -> Vec<Value> {
        let (Some(repo), Some(after)) = (self.repos.get(&id), after) else { return Vec::new() };
        let others = repo.refs.iter().filter(|(n, _)| *n != name && n.starts_with("refs/heads/")).map(|(_, t)| &t.commit);
        let hidden = before.map_or_else(|| others.collect::<Vec<_>>(), |b| vec![&b.commit]);
        let mut range = repo.git.range(&hidden, &after.commit);
        range.truncate(MOST_COMMITS);
        range.iter().rev().map(|sha| views::hook_commit(self, repo, sha)).collect()
    }

    /// Open pull requests of the branch get their new head; the App gets a check suite.
    fn branch_moved(&mut self, id: u64, actor: &str, branch: &str, before: Option<&Target>, after: &Target) {
        let now = self.now();
        let Some(repo) = self.repos.get_mut(&id) else { return };
        let of_branch = |p: &&mut Pull| p.open && p.head == branch && p.head_repo.is_none();
        let mut touched = Vec::new();
        for pull in repo.pulls.values_mut().filter(of_branch) {
            pull.head_sha = after.commit.clone();
            pull.updated_at = now;
            touched.push(pull.number);
        }
        let before_sha = before.map_or(ZERO.to_owned(), |t| t.commit.to_string());
        for number in touched {
            let extra = json!({ "before": before_sha, "after": after.commit });
            self.tell_pull(id, number, "synchronize", actor, extra);
        }
        self.merged_by_push(id, actor, branch, before, after);
        let (app, slug) = (self.config.app_id, self.config.app_slug.clone());
        let suite = self.suite_for(id, app, &slug, &after.commit, Some(branch.to_owned()));
        self.tell_suite(id, suite, "requested", actor);
    }

    /// Whose head is on its base branch now is merged, without anybody having pressed a button.
    fn merged_by_push(&mut self, id: u64, actor: &str, branch: &str, before: Option<&Target>, after: &Target) {
        let now = self.now();
        let (Some(repo), Some(before)) = (self.repos.get_mut(&id), before) else { return };
        let mut merged = Vec::new();
        for pull in repo.pulls.values_mut().filter(|p| p.open && p.base == branch) {
            if repo.git.is_ancestor(&pull.head_sha, &after.commit) {
                (pull.open, pull.merged_at, pull.updated_at) = (false, Some(now), now);
                pull.merge_commit = Some(pull.head_sha.clone());
                pull.merged_by = Some(actor.to_owned());
                pull.commits = repo.git.range(&[&before.commit], &pull.head_sha);
                merged.push(pull.number);
            }
        }
        for number in merged {
            self.tell_pull(id, number, "closed", actor, json!({}));
        }
    }

    pub fn tell_pull(&mut self, id: u64, number: u64, action: &'static str, actor: &str, extra: Value) {
        let Some(repo) = self.repos.get(&id) else { return };
        let Some(pull) = repo.pulls.get(&number) else { return };
        let mut payload = json!({ "number": number, "pull_request": views::pull(self, repo, pull) });
        if let (Value::Object(into), Value::Object(extra)) = (&mut payload, extra) {
            into.extend(extra);
        }
        self.emit(id, Event { name: "pull_request", action: Some(action), payload, actor: actor.to_owned() });
    }
}
