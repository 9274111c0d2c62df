//! What the tests of this folder share.

use super::runs::{Run, RunState, Subject};
use crate::domain::{Actor, InstallationId, Millis, RepoId, RepoName, RepoRef, RunId};

/// A deployment that goes on.
pub fn run(id: &str) -> Run {
    let repo = RepoRef { id: RepoId(1), name: RepoName::parse("acme/web").unwrap(), installation: InstallationId(7) };
    let subject = Subject { repo, tag: None, sha: None, environment: None, delivery: None, actor: Actor::schedule() };
    Run {
        id: RunId::parse(id).unwrap(),
        workflow: "deploy".into(),
        flow_version: 1,
        key: id.into(),
        subject,
        parent: None,
        state: RunState::Active,
        cancel: None,
        outcome: None,
        starts: 0,
        created_at: Millis(0),
        updated_at: Millis(0),
    }
}
