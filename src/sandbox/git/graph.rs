//! Questions about the commit graph, answered in memory: commits are numbered, a set of them is a list of marks.

use super::Git;
use crate::domain::Sha;
use std::collections::BinaryHeap;

impl Git {
    fn number(&self, sha: &Sha) -> Option<u32> {
        self.numbers.get(sha).copied()
    }

    /// Marks everything that the tips reach, themselves included.
    fn reach(&self, tips: impl IntoIterator<Item = u32>) -> Vec<bool> {
        let mut marks = vec![false; self.graph.len()];
        let mut open = tips.into_iter().collect::<Vec<_>>();
        while let Some(n) = open.pop() {
            let Some(mark) = marks.get_mut(n as usize).filter(|mark| !**mark) else { continue };
            *mark = true;
            open.extend(self.graph.get(n as usize).into_iter().flatten());
        }
        marks
    }

    pub fn is_ancestor(&self, ancestor: &Sha, tip: &Sha) -> bool {
        let marked = |n: u32| self.reach(self.number(tip)).get(n as usize).copied().unwrap_or(false);
        ancestor == tip || self.number(ancestor).is_some_and(marked)
    }

    /// The commits that `tip` reaches and none of `without` does, newest first, children before parents.
    pub fn range(&self, without: &[&Sha], tip: &Sha) -> Vec<Sha> {
        let hidden = self.reach(without.iter().filter_map(|sha| self.number(sha)));
        let mut shown = self.reach(self.number(tip));
        shown.iter_mut().zip(hidden).for_each(|(shown, hidden)| *shown &= !hidden);
        let is_shown = |n: u32| shown.get(n as usize).copied().unwrap_or(false);
        let parents = |n: u32| self.graph.get(n as usize).into_iter().flatten().copied().filter(|p| is_shown(*p));
        let mut children = vec![0_u32; self.graph.len()];
        for parent in (0..).take(self.graph.len()).filter(|n| is_shown(*n)).flat_map(parents) {
            if let Some(count) = children.get_mut(parent as usize) {
                *count += 1;
            }
        }
        // By time, and for equal times the one that was made later first.
        let time = |n: u32| (self.commits.get(n as usize).map_or(0, |c| c.committer.time), n);
        let mut ready = self.number(tip).filter(|n| is_shown(*n)).map(time).into_iter().collect::<BinaryHeap<_>>();
        let mut out = Vec::new();
        while let Some((_, n)) = ready.pop() {
            out.extend(self.commits.get(n as usize).map(|c| c.sha.clone()));
            for parent in parents(n) {
                if let Some(left) = children.get_mut(parent as usize) {
                    *left = left.saturating_sub(1);
                    ready.extend((*left == 0).then(|| time(parent)));
                }
            }
        }
        out
    }

    /// How far `head` is ahead of and behind `base`.
    pub fn ahead_behind(&self, base: &Sha, head: &Sha) -> (u64, u64) {
        let (ours, theirs) = (self.reach(self.number(base)), self.reach(self.number(head)));
        let only = |a: &[bool], b: &[bool]| a.iter().zip(b).map(|(a, b)| u64::from(*a && !*b)).sum();
        (only(&theirs, &ours), only(&ours, &theirs))
    }

    /// The newest commit that both reach.
    pub fn merge_base(&self, a: &Sha, b: &Sha) -> Option<Sha> {
        let theirs = self.reach(self.number(b));
        let shared = |sha: &Sha| self.number(sha).is_some_and(|n| theirs.get(n as usize).copied().unwrap_or(false));
        self.range(&[], a).into_iter().find(shared)
    }
}
