//! Changes that more than one door makes: references move, checks complete, releases appear, and GitHub tells the App.

use super::SandboxError;
use super::hooks::Event;
use super::http::Refused;
use super::ids::Kind;
use super::model::{CheckRun, CheckSuite};
use super::repo::Target;
use super::views;
use super::world::World;
use crate::domain::Sha;
use serde_json::{Value, json};

/// All zeros: "no object" in a push event.
pub(super) const ZERO: &str = "0000000000000000000000000000000000000000";
/// GitHub sends no events for tags when more than three are pushed at once.
const MOST_TAGS: usize = 3;
/// Commits that one push event lists.
const MOST_COMMITS: usize = 2_048;

/// One reference of a push: what it points at afterwards, nothing for a deletion.
pub(super) struct RefChange {
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
        let of_branch = |p: &&mut super::model::Pull| p.open && p.head == branch && p.head_repo.is_none();
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
        let (app, slug) = (self.config.app_id, self.config.app_slug.clone());
        let suite = self.suite_for(id, app, &slug, &after.commit, Some(branch.to_owned()));
        self.tell_suite(id, suite, "requested", actor);
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

    /// The suite of an App on a commit, made when it is missing.
    pub fn suite_for(&mut self, id: u64, app_id: u64, slug: &str, sha: &Sha, branch: Option<String>) -> u64 {
        let at = self.now();
        let new = self.ids.next(Kind::CheckSuite);
        let Some(repo) = self.repos.get_mut(&id) else { return new };
        if let Some(suite) = repo.suites.iter().find(|s| s.app_id == app_id && s.sha == *sha) {
            return suite.id;
        }
        let on = |(name, t): (&String, &Target)| {
            (t.commit == *sha).then(|| name.strip_prefix("refs/heads/")).flatten().map(str::to_owned)
        };
        let branch = branch.or_else(|| repo.refs.iter().find_map(on));
        repo.suites.push(CheckSuite { id: new, app_id, app_slug: slug.to_owned(), sha: sha.clone(), branch, before: None, at });
        new
    }

    pub fn tell_suite(&mut self, id: u64, suite: u64, action: &'static str, actor: &str) {
        let Some(repo) = self.repos.get(&id) else { return };
        let Some(suite) = repo.suites.iter().find(|s| s.id == suite) else { return };
        let payload = json!({ "check_suite": views::suite(self, repo, suite) });
        self.emit(id, Event { name: "check_suite", action: Some(action), payload, actor: actor.to_owned() });
    }

    pub fn tell_check(&mut self, id: u64, check: u64, action: &'static str, actor: &str, extra: Value) {
        let Some(repo) = self.repos.get(&id) else { return };
        let Some(run) = repo.checks.iter().find(|c| c.id == check) else { return };
        let (suite, done) = (run.suite, repo.suite_state(run.suite).0 == "completed");
        let mut payload = json!({ "check_run": views::check_run(self, repo, run) });
        if let (Value::Object(into), Value::Object(extra)) = (&mut payload, extra) {
            into.extend(extra);
        }
        self.emit(id, Event { name: "check_run", action: Some(action), payload, actor: actor.to_owned() });
        if action == "completed" && done {
            self.tell_suite(id, suite, "completed", actor);
        }
    }

    /// Adds a check run of any App and tells about it.
    pub fn add_check(&mut self, id: u64, mut run: CheckRun, actor: &str) -> u64 {
        run.id = self.ids.next(Kind::CheckRun);
        run.suite = self.suite_for(id, run.app_id, &run.app_slug.clone(), &run.sha.clone(), None);
        let (check, done) = (run.id, run.status == "completed");
        if let Some(repo) = self.repos.get_mut(&id) {
            repo.checks.push(run);
        }
        self.tell_check(id, check, "created", actor, json!({}));
        if done {
            self.tell_check(id, check, "completed", actor, json!({}));
        }
        check
    }

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
