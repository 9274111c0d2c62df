//! Which commit a command on a pull request means: the one that whoever wrote it had before their eyes.
//!
//! Invariants: a head that came at the same time as the comment or after it is never deployed without being named; what a
//! commit says of its own time is never asked; a command that names a commit gets that one or none. Times of GitHub have
//! seconds, so that the same second is "not before".

use crate::domain::{Millis, PullHead, Refusal, RepoId, SeenHead, Sha};
use std::collections::BTreeSet;
use std::time::Duration;

/// How much GitHub's clock is what we take it for: it tells whole seconds, and its answers take time.
const CLOCKS_DIFFER: Duration = Duration::from_secs(2);
/// A head that we heard of so long before the comment was there before it, whatever became of our clock since.
const LONG_BEFORE: Duration = Duration::from_secs(120);

/// What a command says of the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meant {
    /// Nothing: the head.
    Head,
    /// `@abc1234`: at least seven of its digits.
    Named(String),
}

impl Meant {
    /// Nothing for what is no name of a head: a tag, a whole commit id.
    pub fn of(git_ref: Option<&str>) -> Option<Self> {
        let Some(text) = git_ref else { return Some(Self::Head) };
        let digits = text.strip_prefix('@')?.to_ascii_lowercase();
        let hex = (7..=40).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        hex.then_some(Self::Named(digits))
    }
}

/// Everything that is known of the pull request.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    pub repo: RepoId,
    /// What GitHub says now; nothing when there is no such pull request.
    pub now: Option<&'a PullHead>,
    /// What we have heard of, newest first.
    pub seen: &'a [SeenHead],
    /// When the comment was written, by GitHub's clock.
    pub commented_at: Millis,
    /// The command as it would be written with the commit in it, which goes where `{}` stands.
    pub again: &'a str,
}

/// What follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pinned {
    To(Sha),
    /// Only GitHub's record of pushes can tell: when did this become the head of its branch?
    AskWhen(Sha),
}

/// The commit to look at first: most likely the one that is meant.
pub fn likely<'a>(meant: &Meant, seen: &'a [SeenHead]) -> Option<&'a Sha> {
    let fits = |head: &&SeenHead| match meant {
        Meant::Head => true,
        Meant::Named(digits) => head.sha.as_str().starts_with(digits.as_str()),
    };
    seen.iter().find(fits).map(|head| &head.sha)
}

/// # Errors
/// `pull_request_gone`, `pull_request_closed`, `fork`, `not_the_head`, `head_ambiguous`.
pub fn decide(meant: &Meant, known: &Known<'_>) -> Result<Pinned, Refusal> {
    let now = known.now.ok_or_else(gone)?;
    if now.repo != Some(known.repo) {
        return Err(fork());
    }
    if !now.open {
        return Err(closed());
    }
    match meant {
        Meant::Named(digits) => named(digits, known, now).map(Pinned::To),
        Meant::Head => {
            let newest = known.seen.first().filter(|newest| newest.sha == now.sha);
            let long_ago = newest.is_some_and(|newest| newest.at.plus(LONG_BEFORE) < known.commented_at);
            Ok(if long_ago { Pinned::To(now.sha.clone()) } else { Pinned::AskWhen(now.sha.clone()) })
        }
    }
}

/// Once GitHub has said when that became the head; where it does not know, the delivery that told us of it counts.
///
/// # Errors
/// `head_moved`, `head_unknown`: both ask to name the commit.
pub fn when(head: &Sha, moved_at: Option<Millis>, known: &Known<'_>) -> Result<Sha, Refusal> {
    let heard = known.seen.first().filter(|newest| newest.sha == *head).map(|newest| newest.at.plus(CLOCKS_DIFFER));
    match moved_at.or(heard) {
        Some(at) if at.0.div_euclid(1_000) < known.commented_at.0.div_euclid(1_000) => Ok(head.clone()),
        Some(_) => Err(moved(head, known.again)),
        None => Err(unknown(head, known.again)),
    }
}

/// Exactly one of the heads that were ever seen begins so, and it is the one that was seen last before the comment or the one
/// that is the head now.
fn named(digits: &str, known: &Known<'_>, now: &PullHead) -> Result<Sha, Refusal> {
    let all: BTreeSet<&Sha> = known.seen.iter().map(|head| &head.sha).chain([&now.sha]).collect();
    let mut fit = all.into_iter().filter(|sha| sha.as_str().starts_with(digits));
    let (Some(sha), None) = (fit.next(), fit.next()) else {
        let several = known.seen.iter().filter(|head| head.sha.as_str().starts_with(digits)).count() > 0;
        return Err(if several { ambiguous(digits) } else { not_the_head(digits, &now.sha) });
    };
    let before = known.seen.iter().find(|head| head.at <= known.commented_at).map(|head| &head.sha);
    if *sha == now.sha || Some(sha) == before { Ok(sha.clone()) } else { Err(not_the_head(digits, &now.sha)) }
}

fn gone() -> Refusal {
    Refusal::user("pull_request_gone", "GitHub knows no such pull request any more.", "Comment on another one.")
}

fn closed() -> Refusal {
    Refusal::user(
        "pull_request_closed",
        "The pull request is closed, so that it has no head to deploy.",
        "Name a tag or the whole id of a commit on the default branch, or open it again.",
    )
}

fn fork() -> Refusal {
    Refusal::user(
        "fork",
        "The pull request comes from a fork, and what comes from a fork is never deployed.",
        "Push the branch to this repository after reviewing it, and open a pull request from there.",
    )
}

fn ambiguous(digits: &str) -> Refusal {
    let text = format!("More than one head of this pull request begins with {digits}.");
    Refusal::user("head_ambiguous", text, "Write all 40 digits of the commit that is meant.")
}

fn not_the_head(digits: &str, now: &Sha) -> Refusal {
    let text = format!("{digits} is neither the head of the pull request nor what it was when this was written.");
    Refusal::user("not_the_head", text, format!("Look at it again; its head is {} now.", name(now)))
}

fn moved(head: &Sha, again: &str) -> Refusal {
    let text =
        format!("Commit {} was pushed when this was written or after it, so nobody can say that it is meant.", name(head));
    Refusal::user("head_moved", text, confirm(head, again))
}

fn unknown(head: &Sha, again: &str) -> Refusal {
    let text = format!("Nobody can say whether commit {} was there when this was written.", name(head));
    Refusal::user("head_unknown", text, confirm(head, again))
}

fn confirm(head: &Sha, again: &str) -> String {
    format!(
        "Look at that commit. If it is the one, write `{}` in a new comment.",
        again.replace("{}", &format!("@{}", name(head)))
    )
}

/// So many digits that nobody makes another commit which begins with them while somebody types.
fn name(sha: &Sha) -> &str {
    sha.as_str().get(..12).unwrap_or_else(|| sha.as_str())
}

#[cfg(test)]
mod tests;
