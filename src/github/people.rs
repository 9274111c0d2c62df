//! What was learned on the way: which e-mail addresses an account commits with, as far as commits that were read have shown.
//!
//! Why: GitHub finds an account's commits in a history by addresses (or by an id that commits do not carry through our
//! stored facts). Bounded; forgotten at a restart, after which it is learned again from the same commits.

use crate::domain::Commit;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

const MAX_PEOPLE: usize = 20_000;
const MAX_ADDRESSES: usize = 10;

#[derive(Default)]
pub(super) struct People(Mutex<BTreeMap<String, BTreeSet<String>>>);

impl People {
    pub fn learn<'a>(&self, commits: impl IntoIterator<Item = &'a Commit>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for commit in commits {
            let Some(login) = &commit.login else { continue };
            if known.len() >= MAX_PEOPLE && !known.contains_key(login) {
                known.clear();
            }
            let addresses = known.entry(login.clone()).or_default();
            if addresses.len() < MAX_ADDRESSES && !commit.author_email.is_empty() {
                addresses.insert(commit.author_email.clone());
            }
        }
    }

    /// The addresses of an account, or nothing if none of its commits was seen.
    pub fn addresses(&self, login: &str) -> Option<Vec<String>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let addresses = known.get(login).filter(|a| !a.is_empty())?;
        Some(addresses.iter().cloned().collect())
    }
}

/// Names known for something; bounded, forgotten at a restart.
#[derive(Default)]
pub(super) struct Known(Mutex<BTreeSet<String>>);

impl Known {
    pub fn has(&self, name: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    pub fn add(&self, name: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_PEOPLE {
            known.clear();
        }
        known.insert(name.to_owned());
    }
}
