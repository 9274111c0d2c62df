//! Which commits of a range take each other back.
//!
//! Source: git's own text (`This reverts commit <sha>.`) and GitHub's Revert button (`Reverts owner/repo#12`). A pair in one
//! range changes nothing and counts for nothing; a revert whose target is older is a change of its own (a patch). The newest
//! commit decides first, so that a reverted revert brings the change back. Words count, contents are not compared: whoever
//! lets something go because of a revert looks at what comes of it.

use std::collections::{BTreeMap, HashMap};

/// A commit as this module needs it, oldest first.
pub struct Candidate<'a> {
    pub sha: &'a str,
    pub subject: &'a str,
    pub body: &'a str,
    /// Git's own text or a commit of type `revert`.
    pub is_revert: bool,
}

/// For each commit whether it was cancelled by, or cancelled, another of the list.
pub fn cancelled(commits: &[Candidate<'_>]) -> Vec<bool> {
    let by_sha: BTreeMap<&str, usize> = commits.iter().enumerate().map(|(at, c)| (c.sha, at)).collect();
    let by_number: HashMap<&str, usize> =
        commits.iter().enumerate().filter_map(|(at, c)| Some((pull_number(c.subject)?, at))).collect();
    let mut gone = vec![false; commits.len()];
    for (at, commit) in commits.iter().enumerate().rev() {
        if !commit.is_revert || gone.get(at).copied().unwrap_or(true) {
            continue;
        }
        let target = reverted_sha(commit.body).and_then(|sha| find(&by_sha, sha));
        let target = target.or_else(|| reverted_number(commit.body).and_then(|n| by_number.get(n).copied()));
        if let Some(target) = target.filter(|target| *target < at)
            && let Some(false) = gone.get(target)
        {
            gone[target] = true;
            gone[at] = true;
        }
    }
    gone
}

/// The number in a subject that ends in `(#12)`.
pub fn pull_number(subject: &str) -> Option<&str> {
    let (_, number) = subject.trim_end().strip_suffix(')')?.rsplit_once("(#")?;
    (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())).then_some(number)
}

fn reverted_sha(body: &str) -> Option<&str> {
    let (_, rest) = body.split_once("This reverts commit ")?;
    let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
    rest.get(..end).filter(|sha| sha.len() >= 7)
}

fn reverted_number(body: &str) -> Option<&str> {
    let rest = body.lines().find_map(|line| line.strip_prefix("Reverts "))?;
    let (repo, number) = rest.trim().split_once('#')?;
    let plain = !repo.contains(char::is_whitespace) && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    plain.then_some(number)
}

/// The one commit whose id starts with `prefix`.
fn find(by_sha: &BTreeMap<&str, usize>, prefix: &str) -> Option<usize> {
    let mut hits = by_sha.range(prefix..).take_while(|(sha, _)| sha.starts_with(prefix));
    let (_, at) = hits.next()?;
    hits.next().is_none().then_some(*at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit<'a>(sha: &'a str, subject: &'a str, body: &'a str) -> Candidate<'a> {
        Candidate { sha, subject, body, is_revert: subject.starts_with("Re") }
    }

    #[test]
    fn a_pair_cancels_and_a_reverted_revert_brings_back() {
        let list = [
            commit("aaaaaaaaaa", "feat: a", ""),
            commit("bbbbbbbbbb", "Revert \"feat: a\"", "This reverts commit aaaaaaaaaa."),
            commit("cccccccccc", "Reapply \"feat: a\"", "This reverts commit bbbbbbb."),
        ];
        assert_eq!(cancelled(&list[..2]), [true, true]);
        assert_eq!(cancelled(&list), [false, true, true]);
    }

    #[test]
    fn github_names_the_pull_request() {
        let list = [commit("a", "feat: a (#12)", ""), commit("b", "Revert \"feat: a (#12)\" (#13)", "Reverts acme/web#12")];
        assert_eq!(cancelled(&list), [true, true]);
    }

    #[test]
    fn what_is_outside_newer_or_unclear_stays() {
        let outside = [commit("a", "Revert \"x\"", "This reverts commit 1234567890.")];
        assert_eq!(cancelled(&outside), [false]);
        let newer = [commit("b", "Revert \"x\"", "This reverts commit ccccccccc."), commit("ccccccccc", "feat: x", "")];
        assert_eq!(cancelled(&newer), [false, false]);
        let unclear = [
            commit("aaaaaaa1", "feat: a", ""),
            commit("aaaaaaa2", "feat: b", ""),
            commit("c", "Revert \"x\"", "This reverts commit aaaaaaa."),
        ];
        assert_eq!(cancelled(&unclear), [false, false, false]);
        let no_revert = [commit("aaaaaaaa", "feat: a", ""), commit("b", "docs: how", "This reverts commit aaaaaaaa.")];
        assert_eq!(cancelled(&no_revert), [false, false]);
    }
}
