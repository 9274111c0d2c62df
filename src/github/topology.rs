//! Commits in an order in which parents stand before their children, and what a subject says about its pull request. Pure.

use crate::domain::{Commit, PullRequest, Sha};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// Parents before children; otherwise the order stays as it was (or is turned round, if that alone does it).
pub(super) fn oldest_first(mut commits: Vec<Commit>) -> Vec<Commit> {
    if is_ordered(commits.iter()) {
        return commits;
    }
    if is_ordered(commits.iter().rev()) {
        commits.reverse();
        return commits;
    }
    let position: HashMap<Sha, usize> = commits.iter().enumerate().map(|(at, c)| (c.sha.clone(), at)).collect();
    let mut waits: Vec<usize> = Vec::with_capacity(commits.len());
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); commits.len()];
    for (at, commit) in commits.iter().enumerate() {
        let parents: Vec<usize> = commit.parents.iter().filter_map(|p| position.get(p).copied()).filter(|p| *p != at).collect();
        waits.push(parents.len());
        parents.iter().for_each(|parent| children[*parent].push(at));
    }
    let mut ready: BinaryHeap<Reverse<usize>> = (0..commits.len()).filter(|at| waits[*at] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(commits.len());
    while let Some(Reverse(at)) = ready.pop() {
        order.push(at);
        for child in &children[at] {
            waits[*child] -= 1;
            if waits[*child] == 0 {
                ready.push(Reverse(*child));
            }
        }
    }
    // A circle cannot be made of commits, but an answer could hold one: such commits come last, as they came.
    order.extend((0..commits.len()).filter(|at| waits[*at] > 0));
    let mut slots: Vec<Option<Commit>> = commits.into_iter().map(Some).collect();
    order.into_iter().filter_map(|at| slots[at].take()).collect()
}

fn is_ordered<'a>(commits: impl Iterator<Item = &'a Commit> + Clone) -> bool {
    let position: HashMap<&Sha, usize> = commits.clone().enumerate().map(|(at, c)| (&c.sha, at)).collect();
    let before = |at: usize, parent: &Sha| position.get(parent).is_none_or(|p| *p < at);
    commits.enumerate().all(|(at, commit)| commit.parents.iter().all(|parent| before(at, parent)))
}

/// The pull request that a subject names: `… (#12)` or `Merge pull request #12 from …`. Its author and labels stay unknown.
pub(super) fn pull_request_of(message: &str) -> Option<PullRequest> {
    let mut lines = message.lines();
    let subject = lines.next()?.trim_end();
    if let Some(rest) = subject.strip_prefix("Merge pull request #") {
        let number = rest.split(' ').next()?.parse().ok()?;
        let title = lines.map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        return Some(PullRequest { number, title: title.to_owned(), author: None, labels: Vec::new() });
    }
    let (title, number) = subject.strip_suffix(')')?.rsplit_once("(#")?;
    let title = title.trim_end().to_owned();
    Some(PullRequest { number: number.parse().ok()?, title, author: None, labels: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn commit(n: usize, parents: &[usize]) -> Commit {
        let sha = |n: usize| Sha::parse(&format!("{n:040x}")).unwrap();
        Commit {
            sha: sha(n),
            message: n.to_string(),
            parents: parents.iter().map(|p| sha(*p)).collect(),
            author_name: String::new(),
            author_email: String::new(),
            time: 0,
            login: None,
            account: None,
            pull_request: None,
            first_contribution: None,
        }
    }

    #[test]
    fn order_is_kept_or_turned_where_that_is_enough() {
        let line = [commit(1, &[0]), commit(2, &[1]), commit(3, &[2])];
        assert_eq!(oldest_first(line.to_vec()), line);
        assert_eq!(oldest_first(line.iter().rev().cloned().collect()), line);
        let circle = [commit(1, &[2]), commit(2, &[1]), commit(3, &[])];
        assert_eq!(oldest_first(circle.to_vec()).len(), 3, "nothing is lost, whatever GitHub says");
    }

    proptest! {
        #[test]
        fn parents_come_first_and_nothing_is_lost(
            edges in proptest::collection::vec(proptest::collection::vec(0usize..40, 0..3), 1..40),
            seed in any::<u64>(),
        ) {
            let mut commits: Vec<Commit> = edges
                .iter()
                .enumerate()
                .map(|(n, parents)| commit(n, &parents.iter().map(|p| p % n.max(1)).filter(|p| *p < n).collect::<Vec<_>>()))
                .collect();
            let mut state = seed;
            for at in (1..commits.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                commits.swap(at, usize::try_from(state >> 33).unwrap() % (at + 1));
            }
            let sorted = oldest_first(commits.clone());
            prop_assert!(is_ordered(sorted.iter()));
            let names = |list: &[Commit]| { let mut n: Vec<_> = list.iter().map(|c| c.sha.clone()).collect(); n.sort(); n };
            prop_assert_eq!(names(&sorted), names(&commits));
        }
    }

    #[test]
    fn pull_requests_are_read_from_subjects() {
        for (message, number, title) in [
            ("feat: a thing (#12)", 12, "feat: a thing"),
            ("feat: a (#1) thing (#12)\n\nbody", 12, "feat: a (#1) thing"),
            ("Merge pull request #7 from a/b\n\nfix: it\n\nmore", 7, "fix: it"),
            ("Merge pull request #7 from a/b", 7, ""),
        ] {
            let found = pull_request_of(message).unwrap();
            assert_eq!((found.number, found.title.as_str()), (number, title), "{message}");
        }
        for none in
            ["", "feat: x", "feat: x (#a)", "feat: x (#12", "feat: x\n\nsee (#12)", "fix #12", "x (#99999999999999999999)"]
        {
            assert_eq!(pull_request_of(none), None, "{none}");
        }
    }
}
