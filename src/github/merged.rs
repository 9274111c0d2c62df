//! Which pull requests a range of commits has brought: one GraphQL request for each hundred commits, never one for each commit.
//!
//! A pull request counts where its merge commit is. The range is told by the parents of what was read: what the base contains
//! is left out, wherever the history lists it.

use super::git_objects::{Oid, Owner, same_repository};
use super::graphql::{Page, PageSize};
use super::{Installation, Operation, Trouble};
use crate::domain::{MergedPull, MergedPulls, RepoName, Sha};
use serde::Deserialize;
use serde_json::json;
use std::collections::HashSet;

const MERGED_PULLS: &str = include_str!("queries/merged_pulls.graphql");
/// Older commits than these (1,000 at full pages) are not looked through.
const MAX_PAGES: usize = 10;

#[derive(Deserialize)]
struct Data {
    repository: Option<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    asked: Option<Asked>,
}

#[derive(Deserialize)]
struct Asked {
    history: Option<Page<Node>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    oid: String,
    repository: Option<Owner>,
    parents: Option<Page<Oid>>,
    associated_pull_requests: Option<Page<PullNode>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PullNode {
    repository: Option<Owner>,
    number: u64,
    state: String,
    head_ref_oid: String,
    merge_commit: Option<Oid>,
}

impl Node {
    /// Those whose merge is this very commit.
    fn merged(self) -> impl Iterator<Item = MergedPull> {
        let (oid, owner) = (self.oid, self.repository);
        let all = self.associated_pull_requests.into_iter().flat_map(Page::into_nodes);
        let here = all.filter(move |pull| {
            let merges = pull.state == "MERGED" && pull.merge_commit.as_ref().is_some_and(|c| c.oid == oid);
            merges && same_repository(owner.as_ref(), pull.repository.as_ref())
        });
        here.filter_map(|pull| Some(MergedPull { number: pull.number, head: Sha::parse(&pull.head_ref_oid).ok()? }))
    }
}

impl Installation {
    /// Pull requests whose merges `head` contains and `base` does not, newest first, at most `most`; without a base those of
    /// `head` alone. One request where the base is among the newest hundred commits.
    pub async fn merged_pulls(
        &self,
        repo: &RepoName,
        base: Option<&Sha>,
        head: &Sha,
        most: usize,
    ) -> Result<MergedPulls, Trouble> {
        let mut size = if base.is_some() { PageSize::full() } else { PageSize::one() };
        let (mut after, mut nodes, mut stop) = (None::<String>, Vec::new(), base.cloned());
        for page in 0..MAX_PAGES {
            let read = self.merged_page(repo, head, &mut size, after.as_deref()).await?;
            after = read.page_info.end_cursor.clone().filter(|_| read.page_info.has_next_page);
            nodes.extend(read.into_nodes());
            let Some(base) = base else { return Ok(brought(nodes, None, most)) };
            let found = |stop: &Option<Sha>| {
                stop.as_ref().is_some_and(|stop| nodes.iter().any(|node: &Node| node.oid == stop.as_str()))
            };
            if page == 0 && !found(&stop) {
                // It may be far back, or on a line of its own: then what both have in common counts.
                stop = Some(self.merge_base(repo, base, head).await?);
            }
            if found(&stop) {
                return Ok(brought(nodes, stop.as_ref(), most));
            }
            if after.is_none() {
                break;
            }
        }
        let mut all = brought(nodes, None, most);
        all.cut
            .get_or_insert_with(|| "The version before is too far back for every pull request since to be found.".to_owned());
        Ok(all)
    }

    async fn merged_page(
        &self,
        repo: &RepoName,
        head: &Sha,
        size: &mut PageSize,
        after: Option<&str>,
    ) -> Result<Page<Node>, Trouble> {
        loop {
            let variables = json!({
                "owner": repo.owner(), "name": repo.name(), "head": head, "size": size.get(), "after": after,
            });
            match self.query::<Data>(Operation::MergedPulls, MERGED_PULLS, variables).await {
                Ok(answered) => {
                    let asked = answered.absent_is_none(&["asked"]).tolerating(&[])?.data.repository.and_then(|r| r.asked);
                    let history = asked.ok_or_else(|| Trouble::commit_gone(head).at(Operation::MergedPulls))?.history;
                    return history.ok_or_else(|| Trouble::nonsense(Operation::MergedPulls, "the commit has no history"));
                }
                Err(trouble) => size.shrink(trouble)?,
            }
        }
    }
}

/// The merges in what was read, but for what `base` contains. Pure.
fn brought(nodes: Vec<Node>, base: Option<&Sha>, most: usize) -> MergedPulls {
    let old = contained(&nodes, base);
    let new = nodes.into_iter().filter(|node| !old.contains(&node.oid));
    let mut seen = HashSet::new();
    let mut pulls: Vec<MergedPull> = new.flat_map(Node::merged).filter(|pull| seen.insert(pull.number)).collect();
    let found = pulls.len();
    pulls.truncate(most);
    let cut = (found > most).then(|| format!("Only the newest {most} of {found} pull requests are shown."));
    MergedPulls { pulls, cut }
}

/// What a commit contains, of the commits that were read.
fn contained(nodes: &[Node], tip: Option<&Sha>) -> HashSet<String> {
    let (mut all, mut open) = (HashSet::new(), Vec::from_iter(tip.map(ToString::to_string)));
    while let Some(oid) = open.pop() {
        let parents = nodes.iter().find(|node| node.oid == oid).and_then(|node| node.parents.as_ref());
        let parents = parents.into_iter().flat_map(|page| page.nodes.iter().flatten());
        open.extend(parents.map(|parent| parent.oid.clone()).filter(|parent| !all.contains(parent)));
        all.insert(oid);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn oid(name: &str) -> String {
        format!("{:0>40}", name.bytes().map(|b| format!("{b:02x}")).collect::<String>())
    }

    /// `name: parents: number state merge`, newest first; each pull request's head is `head` and its number.
    fn history(lines: &[&str]) -> Vec<Node> {
        let node = |line: &&str| -> Node {
            let mut parts = line.split(':').map(str::trim);
            let (name, parents) = (parts.next().unwrap(), parts.next().unwrap());
            let parents: Vec<Value> = parents.split_whitespace().map(|name| json!({ "oid": oid(name) })).collect();
            let pulls: Vec<Value> = parts
                .map(|pull| {
                    let [number, state, merge] = pull.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{pull}") };
                    let number: u64 = number.parse().unwrap();
                    // A number from 90 on is a fork's.
                    json!({
                        "repository": { "databaseId": if number < 90 { 1 } else { 2 } }, "number": number, "state": state, "headRefOid": format!("{number:0>40}"),
                        "mergeCommit": { "oid": oid(merge) },
                    })
                })
                .collect();
            let node = json!({
                "oid": oid(name), "repository": { "databaseId": 1 }, "parents": { "nodes": parents }, "associatedPullRequests": { "nodes": pulls },
            });
            serde_json::from_value(node).unwrap()
        };
        lines.iter().map(node).collect()
    }

    fn numbers(lines: &[&str], base: &str, most: usize) -> (Vec<u64>, bool) {
        let base = Sha::parse(&oid(base)).unwrap();
        let all = brought(history(lines), Some(&base), most);
        (all.pulls.iter().map(|pull| pull.number).collect(), all.cut.is_some())
    }

    #[test]
    fn a_pull_request_is_where_its_merge_is() {
        // A squash (in a fork too), a merge of a branch that is older than the base, an open one, and one that was merged somewhere else.
        let lines = [
            "e: d: 91 MERGED e: 5 MERGED e",
            "d: c x: 4 MERGED d: 9 OPEN d",
            "c: b: 3 MERGED z",
            "b: a: 2 MERGED b",
            "x: w: 4 MERGED d",
            "w: a: 4 MERGED d",
            "a: : 1 MERGED a",
        ];
        assert_eq!(numbers(&lines, "b", 100), (vec![5, 4], false));
        assert_eq!(numbers(&lines, "a", 100), (vec![5, 4, 2], false));
        assert_eq!(numbers(&lines, "a", 2), (vec![5, 4], true));
        assert_eq!(numbers(&lines, "e", 100), (vec![], false));
        // What both have in common counts where the base stands on a line of its own.
        assert_eq!(numbers(&lines, "w", 100), (vec![5, 4, 2], false));
    }

    #[test]
    fn a_merge_into_another_branch_that_was_merged_is_there_too() {
        let lines = ["d: a c: 2 MERGED d", "c: a b: 1 MERGED c: 2 MERGED d", "b: a: 1 MERGED c: 2 MERGED d", "a: "];
        assert_eq!(numbers(&lines, "a", 100), (vec![2, 1], false));
    }
}
