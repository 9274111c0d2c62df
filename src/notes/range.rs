//! Which commits a release adds: those that its commit contains and the previous tag's commit does not.
//!
//! Invariant: a range that may miss a commit is not returned as a whole one. When the known history cannot tell, the caller
//! gets [`Short`] and asks GitHub to compare instead.
//!
//! Known weakness: history comes in the order of commit dates. If clocks were wrong by more than the window, a commit that
//! the previous tag contains may look new; compare [`Range::commits`]' length with GitHub's own count where it is at hand.

use super::order::{Node, topological};
use crate::domain::{Commit, CommitFacts, Range, Sha, Tag};
use std::collections::{HashMap, HashSet};

/// Why the known history does not give the range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Short {
    /// The release's own commit is not in it.
    HeadUnknown,
    /// The previous tag's commit is older than the history that is known.
    PreviousUnknown,
    /// There is no previous tag, and the history does not reach the first commit.
    FirstUnknown,
    /// A parent of this commit is unknown, and it could belong to the range.
    ParentUnknown(Sha),
}

/// The range of a release from what one read of GitHub brought.
///
/// # Errors
/// See [`Short`].
pub fn from_facts(facts: &CommitFacts, head: &Sha, previous: Option<(&Tag, &Sha)>) -> Result<Range, Short> {
    from_history(&facts.history, facts.history_complete, head, previous)
}

/// The range from a history, newest first, whose commits know their parents.
///
/// # Errors
/// See [`Short`].
pub fn from_history(history: &[Commit], complete: bool, head: &Sha, previous: Option<(&Tag, &Sha)>) -> Result<Range, Short> {
    let known: HashMap<&Sha, &Commit> = history.iter().map(|c| (&c.sha, c)).collect();
    if !known.contains_key(head) {
        return Err(Short::HeadUnknown);
    }
    let released = match previous {
        Some((_, sha)) if known.contains_key(sha) => reach(&known, sha, &HashSet::new()).0,
        Some(_) => return Err(Short::PreviousUnknown),
        None if complete => HashSet::new(),
        None => return Err(Short::FirstUnknown),
    };
    let (wanted, edge) = reach(&known, head, &released);
    if let Some(edge) = edge.filter(|_| !complete) {
        return Err(Short::ParentUnknown(edge.clone()));
    }
    let commits = history.iter().filter(|c| wanted.contains(&c.sha)).cloned().collect();
    Ok(Range {
        from: previous.map(|(tag, _)| tag.clone()),
        head: head.clone(),
        commits: oldest_first(commits),
        incomplete: None,
    })
}

/// Commits as the notes want them: each once, parents before children. A list without parents keeps its order, which must
/// then be oldest first already.
pub fn oldest_first(commits: Vec<Commit>) -> Vec<Commit> {
    if commits.iter().all(|c| c.parents.is_empty()) {
        let mut seen = HashSet::new();
        return commits.into_iter().filter(|c| seen.insert(c.sha.clone())).collect();
    }
    let parents: Vec<Vec<&str>> = commits.iter().map(|c| c.parents.iter().map(Sha::as_str).collect()).collect();
    let nodes: Vec<Node<'_>> = commits.iter().zip(&parents).map(|(c, parents)| Node { id: c.sha.as_str(), parents }).collect();
    let mut order = topological(&nodes);
    order.reverse();
    order.into_iter().filter_map(|at| commits.get(at).cloned()).collect()
}

/// Leaves only the wanted commits, each the first parent of the next, so that the newest still contains them all.
pub fn keep(range: &mut Range, wanted: &[Sha]) {
    let wanted: HashSet<&Sha> = wanted.iter().collect();
    range.commits.retain(|commit| wanted.contains(&commit.sha));
    let mut before: Option<Sha> = None;
    for commit in &mut range.commits {
        let Some(before) = before.replace(commit.sha.clone()) else { continue };
        match commit.parents.first_mut() {
            Some(first) => *first = before,
            None => commit.parents.push(before),
        }
    }
}

/// What `from` contains of the known commits, `without` left out, and a commit of it with an unknown parent.
fn reach<'a>(
    known: &HashMap<&'a Sha, &'a Commit>,
    from: &'a Sha,
    without: &HashSet<&'a Sha>,
) -> (HashSet<&'a Sha>, Option<&'a Sha>) {
    let (mut seen, mut edge, mut todo) = (HashSet::new(), None, vec![from]);
    while let Some(sha) = todo.pop() {
        let Some(commit) = known.get(sha).filter(|_| !without.contains(sha)) else { continue };
        if !seen.insert(sha) {
            continue;
        }
        if commit.parents.iter().any(|p| !known.contains_key(p)) {
            edge = edge.or(Some(sha));
        }
        todo.extend(&commit.parents);
    }
    (seen, edge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha(name: char) -> Sha {
        Sha::parse(&name.to_string().repeat(40)).unwrap()
    }

    fn history(graph: &[(char, &str)]) -> Vec<Commit> {
        graph
            .iter()
            .map(|(id, parents)| Commit {
                sha: sha(*id),
                message: format!("feat: {id}"),
                parents: parents.chars().map(sha).collect(),
                author_name: String::new(),
                author_email: String::new(),
                time: 0,
                login: None,
                account: None,
                pull_request: None,
                first_contribution: None,
            })
            .collect()
    }

    fn range(graph: &[(char, &str)], complete: bool, head: char, previous: Option<char>) -> Result<String, Short> {
        let tag = Tag::parse("v1.0.0").unwrap();
        let previous = previous.map(sha);
        let found = from_history(&history(graph), complete, &sha(head), previous.as_ref().map(|p| (&tag, p)))?;
        Ok(found.commits.iter().map(|c| &c.sha.as_str()[..1]).collect())
    }

    /// a ← b ← d ← e, and c beside b from a, merged in d.
    const MERGED: [(char, &str); 5] = [('e', "d"), ('d', "bc"), ('c', "a"), ('b', "a"), ('a', "")];

    #[test]
    fn only_what_the_previous_tag_does_not_contain() {
        assert_eq!(range(&MERGED, true, 'e', Some('b')).unwrap(), "cde");
        assert_eq!(range(&MERGED, true, 'e', Some('c')).unwrap(), "bde");
        assert_eq!(range(&MERGED, true, 'e', Some('e')).unwrap(), "");
        assert_eq!(range(&MERGED, true, 'd', None).unwrap(), "abcd");
    }

    #[test]
    fn what_is_kept_hangs_together() {
        let tag = Tag::parse("v1.0.0").unwrap();
        let mut all = from_history(&history(&MERGED), true, &sha('e'), None).unwrap();
        all.from = Some(tag);
        keep(&mut all, &[sha('d'), sha('a'), sha('f'), sha('c')]);
        let kept: Vec<(&str, String)> =
            all.commits.iter().map(|c| (&c.sha.as_str()[..1], c.parents.iter().map(|p| &p.as_str()[..1]).collect())).collect();
        assert_eq!(kept, [("a", String::new()), ("c", "a".into()), ("d", "cc".into())]);
        keep(&mut all, &[]);
        assert!(all.commits.is_empty());
    }

    #[test]
    fn a_history_that_cannot_tell_says_so() {
        let window = &MERGED[..4];
        assert_eq!(range(window, false, 'e', Some('a')), Err(Short::PreviousUnknown));
        assert_eq!(range(window, false, 'f', Some('b')), Err(Short::HeadUnknown));
        assert_eq!(range(window, false, 'e', None), Err(Short::FirstUnknown));
        // c forked from something older than the window: it may have parents that no release has.
        assert_eq!(range(window, false, 'e', Some('b')), Err(Short::ParentUnknown(sha('c'))));
        assert_eq!(range(&MERGED[..3], false, 'd', Some('c')), Err(Short::ParentUnknown(sha('d'))));
    }

    #[test]
    fn lists_without_parents_keep_their_order_and_lose_repeats() {
        let list = history(&[('b', ""), ('a', ""), ('b', "")]);
        let order: String = oldest_first(list).iter().map(|c| c.sha.as_str()[..1].to_owned()).collect();
        assert_eq!(order, "ba");
    }
}
