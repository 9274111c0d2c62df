//! Merges of pull requests, looked for by a head: one GraphQL request.
//!
//! Invariant: only pull requests of this repository from this repository count. What a fork calls its head, anybody can choose.

use super::git_objects::{Oid, Owner};
use super::graphql::Page;
use super::{Installation, Operation, Trouble};
use crate::domain::{HeadMerge, RepoId, RepoRef, Sha};
use serde::Deserialize;
use serde_json::json;

const MERGES_OF_HEAD: &str = include_str!("queries/merges_of_head.graphql");

#[derive(Deserialize)]
struct Data {
    repository: Option<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    asked: Option<Asked>,
    recorded: Option<Node>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    associated_pull_requests: Option<Page<Node>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    repository: Option<Owner>,
    head_repository: Option<Owner>,
    number: u64,
    state: String,
    head_ref_oid: String,
    merge_commit: Option<Oid>,
}

impl Node {
    fn merge(self, repo: RepoId) -> Option<HeadMerge> {
        let here = |owner: Option<&Owner>| owner.is_some_and(|owner| owner.is(repo));
        let ours = here(self.repository.as_ref()) && here(self.head_repository.as_ref());
        let commit = self.merge_commit.filter(|_| ours && self.state == "MERGED")?;
        let head = Sha::parse(&self.head_ref_oid).ok()?;
        Some(HeadMerge { pull: self.number, head, commit: Sha::parse(&commit.oid).ok()? })
    }
}

impl Installation {
    /// Merges of the pull requests whose head this is, and of the one that is `recorded` to have had it.
    pub async fn merges_of_head(&self, repo: &RepoRef, head: &Sha, recorded: Option<u64>) -> Result<Vec<HeadMerge>, Trouble> {
        let variables = json!({
            "owner": repo.name.owner(), "name": repo.name.name(), "head": head,
            "recorded": recorded.unwrap_or_default(), "withRecorded": recorded.is_some(),
        });
        let answered = self.query::<Data>(Operation::MergesOfHead, MERGES_OF_HEAD, variables).await?;
        let found = answered.absent_is_none(&["asked", "recorded"]).tolerating(&[])?.data.repository;
        Ok(found.map(|found| merges(found, repo.id, head)).unwrap_or_default())
    }
}

/// A pull request that only contains the commit is another one. Pure.
fn merges(found: Repository, repo: RepoId, head: &Sha) -> Vec<HeadMerge> {
    let all = found.asked.and_then(|asked| asked.associated_pull_requests).into_iter().flat_map(Page::into_nodes);
    let now = all.filter(|pull| pull.head_ref_oid == head.as_str());
    let mut merges: Vec<HeadMerge> = now.chain(found.recorded).filter_map(|pull| pull.merge(repo)).collect();
    merges.dedup();
    merges
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn oid(digit: u64) -> String {
        digit.to_string().repeat(40)
    }

    /// Number, repository, the head's repository, head, state.
    type Told = (u64, Option<u64>, Option<u64>, u64, &'static str);

    fn pull((number, of, from, head, state): Told) -> Value {
        json!({
            "repository": { "databaseId": of }, "headRepository": from.map(|id| json!({ "databaseId": id })), "number": number,
            "state": state, "headRefOid": oid(head), "mergeCommit": (state == "MERGED").then(|| json!({ "oid": oid(9) })),
        })
    }

    fn found(listed: &[Told], recorded: Option<Told>) -> Vec<u64> {
        let nodes: Vec<Value> = listed.iter().copied().map(pull).collect();
        let answer = json!({ "asked": { "associatedPullRequests": { "nodes": nodes } }, "recorded": recorded.map(pull) });
        let head = Sha::parse(&oid(1)).unwrap();
        let all = merges(serde_json::from_value(answer).unwrap(), RepoId(7), &head);
        assert!(all.iter().all(|merge| merge.commit.as_str() == oid(9)));
        all.iter().map(|merge| merge.pull).collect()
    }

    #[test]
    fn only_what_came_from_here_and_was_merged_counts() {
        let (here, fork, none) = (Some(7), Some(8), [] as [u64; 0]);
        assert_eq!(found(&[(1, here, here, 1, "MERGED"), (2, here, here, 1, "OPEN"), (3, here, here, 1, "CLOSED")], None), [1]);
        assert_eq!(
            found(&[(1, here, fork, 1, "MERGED"), (2, here, None, 1, "MERGED"), (3, fork, here, 1, "MERGED")], None),
            none
        );
        assert_eq!(found(&[(1, None, here, 1, "MERGED"), (2, fork, fork, 1, "MERGED")], None), none);
        // Another head that contains the commit; the recorded one had it once.
        assert_eq!(found(&[(1, here, here, 2, "MERGED")], None), none);
        assert_eq!(found(&[(1, here, here, 2, "MERGED")], Some((1, here, here, 2, "MERGED"))), [1]);
        assert_eq!(found(&[(1, here, here, 1, "MERGED")], Some((1, here, here, 1, "MERGED"))), [1]);
        assert_eq!(found(&[], Some((1, here, fork, 2, "MERGED"))), none);
        assert_eq!(found(&[], Some((1, here, here, 2, "CLOSED"))), none);
    }

    #[test]
    fn a_commit_that_is_gone_was_merged_by_what_is_recorded() {
        let recorded = pull((4, Some(7), Some(7), 2, "MERGED"));
        let found = serde_json::from_value(json!({ "asked": null, "recorded": recorded })).unwrap();
        assert_eq!(merges(found, RepoId(7), &Sha::parse(&oid(1)).unwrap()).len(), 1);
    }
}
