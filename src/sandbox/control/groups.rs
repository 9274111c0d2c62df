//! A merge queue: groups of pull requests that wait for their checks.

use super::pulls::{Merge, write_merge};
use super::{RepoHandle, no, repo_of};
use crate::domain::Sha;
use crate::sandbox::SandboxError;
use crate::sandbox::changes::RefChange;
use crate::sandbox::git::Identity;
use crate::sandbox::hooks::Event;
use crate::sandbox::views;
use crate::sandbox::world::World;
use serde_json::{Value, json};

const QUEUE: &str = "github-merge-queue[bot]";

impl RepoHandle {
    /// A pull request comes to the front of the queue: its group's head, for which checks are requested.
    pub fn queue_group(&self, number: u64) -> Result<Sha, SandboxError> {
        self.change(|world, id| {
            let bot = world.account(QUEUE);
            let now = world.now();
            let repo = repo_of(world, id)?;
            let pull = repo.pulls.get(&number).filter(|p| p.open).cloned().ok_or_else(|| no("no such open pull request"))?;
            let base = repo.branch(&pull.base).cloned().ok_or_else(|| no("its base is gone"))?;
            let work = repo.git.range(&[&base], &pull.head_sha);
            let author = Identity { name: bot.login, email: bot.email, time: now.0 / 1_000, zone: "+0000".into() };
            let sha = write_merge(repo, &pull, &base, &work, Merge::Squash, &author)?;
            let name = format!("refs/heads/gh-readonly-queue/{}/pr-{number}-{base}", pull.base);
            world.push(id, QUEUE, vec![RefChange { name: name.clone(), to: Some(sha.clone()) }], false)?;
            tell(world, id, "checks_requested", &group(world, id, &sha, &name, &pull.base, &base));
            Ok(sha)
        })
    }

    /// The queue has merged the group (`merged`), or given it up (`invalidated`, `dequeued`).
    pub fn destroy_group(&self, head: &Sha, reason: &str) -> Result<(), SandboxError> {
        self.change(|world, id| {
            let repo = repo_of(world, id)?;
            let found = repo.refs.iter().find(|(name, at)| name.contains("/gh-readonly-queue/") && at.commit == *head);
            let name = found.map(|(name, _)| name.clone()).ok_or_else(|| no("no such group"))?;
            world.push(id, QUEUE, vec![RefChange { name: name.clone(), to: None }], false)?;
            let mut told = group(world, id, head, &name, "main", head);
            told["reason"] = json!(reason);
            tell(world, id, "destroyed", &told);
            Ok(())
        })
    }
}

fn group(world: &World, id: u64, head: &Sha, name: &str, base: &str, base_sha: &Sha) -> Value {
    let commit = world.repos.get(&id).map(|repo| views::hook_commit(world, repo, head));
    json!({ "merge_group": {
        "head_sha": head, "head_ref": name, "base_sha": base_sha, "base_ref": format!("refs/heads/{base}"),
        "head_commit": commit,
    }})
}

fn tell(world: &mut World, id: u64, action: &'static str, payload: &Value) {
    let event = Event { name: "merge_group", action: Some(action), payload: payload.clone(), actor: QUEUE.to_owned() };
    world.emit(id, event);
}
