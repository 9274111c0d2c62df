//! What people have said to a run, as its gates are to see it: who asked for the deployment and who wrote what it brings is
//! found out here, by the numbers of accounts, whatever a door has made of it.
//!
//! What it brings are the commits that are known, but for those that are live already. Who wrote them is what the commits say:
//! whoever has written under another name is not found. An author is known by the account, by the login where facts of an
//! earlier version have no number, and as a co-author by an address.

use crate::domain::{Actor, Commit, Review, Reviews, Said, Sha};
use crate::gates::{Approval, Rejection};
use std::collections::HashSet;

/// What GitHub gives accounts that show no address of their own.
const NOREPLY: &str = "@users.noreply.github.com";

pub(super) fn approvals(reviews: &Reviews, requester: &Actor, brought: &[&Commit], known: &[Commit]) -> Vec<Approval> {
    let approved = reviews.said.iter().filter(|review| review.said == Said::Approved);
    approved.map(|review| approval(review, requester, brought, known)).collect()
}

fn approval(review: &Review, requester: &Actor, brought: &[&Commit], known: &[Commit]) -> Approval {
    let Review { by, at, digest, teams, .. } = review.clone();
    let (is_requester, is_author) = (by.is_account_of(requester), is_author(&by, brought, known));
    Approval { by, at, digest, teams, is_requester, is_author }
}

pub(super) fn rejections(reviews: &Reviews) -> Vec<Rejection> {
    let rejected = |review: &Review| match &review.said {
        Said::Approved => None,
        Said::Rejected { reason } => {
            let Review { by, at, digest, .. } = review.clone();
            Some(Rejection { by, at, digest, reason: reason.clone() })
        }
    };
    reviews.said.iter().filter_map(rejected).collect()
}

/// Whether they have written any of it.
pub fn is_author(by: &Actor, brought: &[&Commit], known: &[Commit]) -> bool {
    let wrote = |commit: &Commit| match (commit.account, &commit.login) {
        (Some(account), _) => account == by.id,
        (None, login) => login.as_ref().is_some_and(|login| login.eq_ignore_ascii_case(&by.login)),
    };
    let addresses: HashSet<&str> = known.iter().filter(|c| wrote(c)).map(|commit| commit.author_email.as_str()).collect();
    let theirs = |address: &str| addresses.contains(address) || is_noreply_of(by, address);
    brought.iter().any(|commit| wrote(commit) || theirs(&commit.author_email) || co_authors(&commit.message).any(theirs))
}

/// `12345+login@users.noreply.github.com`, in former times without the number.
fn is_noreply_of(by: &Actor, address: &str) -> bool {
    let Some(name) = address.strip_suffix(NOREPLY) else { return false };
    match name.split_once('+') {
        Some((number, _)) => number.parse() == Ok(by.id.0),
        None => name.eq_ignore_ascii_case(&by.login),
    }
}

fn co_authors(message: &str) -> impl Iterator<Item = &str> {
    message.lines().filter_map(|line| {
        let (key, person) = line.trim().split_once(':')?;
        let (_, address) = person.trim().strip_suffix('>')?.rsplit_once('<')?;
        key.eq_ignore_ascii_case("co-authored-by").then_some(address.trim())
    })
}

/// The commits that a deployment of `head` brings where `live` is live: `known` is `head`'s history, newest first. The head
/// itself is always among them.
pub fn brought<'c>(known: &'c [Commit], head: &Sha, live: Option<&Sha>) -> Vec<&'c Commit> {
    let mut there: HashSet<&Sha> = HashSet::new();
    let mut open: Vec<&Sha> = live.into_iter().collect();
    while let Some(sha) = open.pop() {
        if there.insert(sha) {
            let parents = known.iter().find(|commit| commit.sha == *sha).map(|commit| commit.parents.iter());
            open.extend(parents.into_iter().flatten());
        }
    }
    known.iter().filter(|commit| commit.sha == *head || !there.contains(&commit.sha)).collect()
}

#[cfg(test)]
mod tests;
