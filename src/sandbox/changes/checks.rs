//! Check runs and suites come and change.

use crate::domain::Sha;
use crate::sandbox::hooks::Event;
use crate::sandbox::ids::Kind;
use crate::sandbox::model::{CheckRun, CheckSuite};
use crate::sandbox::repo::Target;
use crate::sandbox::views;
use crate::sandbox::world::World;
use serde_json::{Value, json};

impl World {
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
}
