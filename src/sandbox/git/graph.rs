//! Questions about the commit graph, answered in memory.

use super::{CommitObject, Git};
use crate::domain::Sha;
use std::collections::{BinaryHeap, HashMap, HashSet};

impl Git {
    /// The commits that `tip` reaches, itself included.
    pub fn ancestors(&self, tip: &Sha) -> HashSet<&Sha> {
        let mut seen = HashSet::new();
        let mut open = self.commits.get_key_value(tip).map(|(sha, _)| sha).into_iter().collect::<Vec<_>>();
        while let Some(sha) = open.pop() {
            if seen.insert(sha)
                && let Some(commit) = self.commits.get(sha)
            {
                open.extend(commit.parents.iter().filter_map(|p| self.commits.get_key_value(p).map(|(sha, _)| sha)));
            }
        }
        seen
    }

    pub fn is_ancestor(&self, ancestor: &Sha, tip: &Sha) -> bool {
        ancestor == tip || self.ancestors(tip).contains(ancestor)
    }

    /// The commits that `tip` reaches and none of `without` does, newest first, children before parents.
    pub fn range(&self, without: &[&Sha], tip: &Sha) -> Vec<Sha> {
        let hidden = without.iter().flat_map(|sha| self.ancestors(sha)).collect::<HashSet<_>>();
        let shown = self.ancestors(tip).into_iter().filter(|sha| !hidden.contains(sha)).collect::<HashSet<_>>();
        let mut children: HashMap<&Sha, usize> = HashMap::new();
        for parent in shown.iter().filter_map(|sha| self.commits.get(*sha)).flat_map(|c| &c.parents) {
            *children.entry(parent).or_default() += 1;
        }
        let mut ready = BinaryHeap::new();
        let rank = |commit: &CommitObject| (commit.committer.time, commit.sha.clone());
        ready.extend(shown.get(tip).and_then(|sha| self.commits.get(*sha)).map(rank));
        let mut out = Vec::with_capacity(shown.len());
        while let Some((_, sha)) = ready.pop() {
            for parent in self.commits.get(&sha).into_iter().flat_map(|c| &c.parents).filter(|p| shown.contains(p)) {
                let left = children.entry(parent).or_default();
                *left = left.saturating_sub(1);
                if *left == 0 {
                    ready.extend(self.commits.get(parent).map(rank));
                }
            }
            out.push(sha);
        }
        out
    }

    /// How far `head` is ahead of and behind `base`.
    pub fn ahead_behind(&self, base: &Sha, head: &Sha) -> (u64, u64) {
        let (ours, theirs) = (self.ancestors(base), self.ancestors(head));
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        (count(theirs.difference(&ours).count()), count(ours.difference(&theirs).count()))
    }

    /// The newest commit that both reach.
    pub fn merge_base(&self, a: &Sha, b: &Sha) -> Option<Sha> {
        let theirs = self.ancestors(b);
        self.range(&[], a).into_iter().find(|sha| theirs.contains(sha))
    }
}
