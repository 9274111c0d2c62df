//! A loop that may go on for weeks: what has come of its rounds is kept, the rounds themselves are forgotten.
//!
//! Invariants: a round is forgotten in the same message that keeps what came of it, and only when all that it asked for has
//! come, so that each of its commands is given out once; names of rounds never come back, so that a late answer to a forgotten
//! one is nobody's; what would outlive a round (a lock, a child, an undo) is refused inside.

use super::context::{read, reused, write};
use super::{Command, Entry, Flow, State, StepFailure, Stop};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::ops::Bound;

/// Rounds that one message may end. More is a loop that waits for nothing.
const ROUNDS: u32 = 1_000;

/// How a round ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn<S, T> {
    /// Another one follows, from here.
    Next(S),
    /// The loop is over. What its last round asked for stays to be seen.
    End(T),
}

/// Where a fold stands.
struct Kept {
    round: u64,
    state: Value,
    dead: bool,
    heard: Option<u64>,
}

impl Kept {
    fn entry(&self) -> Entry {
        Entry::Fold { round: self.round, state: self.state.clone(), over: false, dead: self.dead, heard: self.heard }
    }
}

impl Flow<'_> {
    /// Runs `round` from `first` on until it ends the loop. Each round is given what the one before has left, which is all
    /// that is kept of it: put everything that counts into it. Names inside are those of the round.
    ///
    /// # Errors
    /// `Suspended` while a round waits; what a round fails with.
    pub fn fold<S: Serialize + DeserializeOwned, T: Serialize + DeserializeOwned>(
        &mut self,
        name: &str,
        first: impl FnOnce() -> S,
        mut round: impl FnMut(&mut Self, S) -> Result<Turn<S, T>, Stop>,
    ) -> Result<T, Stop> {
        let name = self.ask(name)?;
        let mut kept = match self.state.entry(&name).cloned() {
            Some(Entry::Fold { state, over: true, .. }) => return read(&name, state).map_err(Stop::Failed),
            Some(Entry::Fold { round, state, dead, heard, .. }) => Kept { round, state, dead, heard },
            Some(_) => return Err(reused(&name)),
            None => self.begin_fold(&name, write(&name, &first())?),
        };
        for _ in 0..ROUNDS {
            let state = read(&name, kept.state.clone()).map_err(Stop::Failed)?;
            match self.in_round(&name, kept.round, |f| round(f, state))? {
                Turn::Next(state) => self.next_round(&name, &mut kept, write(&name, &state)?),
                Turn::End(value) => {
                    let Kept { round, dead, heard, .. } = kept;
                    self.state.put(&name, Entry::Fold { round, state: write(&name, &value)?, over: true, dead, heard });
                    return Ok(value);
                }
            }
        }
        Err(Stop::Failed(StepFailure::bug(&name, "flow_fold_spins", format!("The loop `{name}` waits for nothing."))))
    }

    fn begin_fold(&mut self, name: &str, state: Value) -> Kept {
        let kept = Kept { round: 0, state, dead: false, heard: None };
        self.state.put(name, kept.entry());
        kept
    }

    /// A round that swallowed a `Suspended` has decided without knowing: what it says does not count.
    fn in_round<T>(&mut self, name: &str, round: u64, work: impl FnOnce(&mut Self) -> Result<T, Stop>) -> Result<T, Stop> {
        let outer = std::mem::replace(&mut self.scope, scope(name, round));
        let end = work(self);
        self.scope = outer;
        if self.is_suspended() { Err(Stop::Suspended) } else { end }
    }

    fn next_round(&mut self, name: &str, kept: &mut Kept, state: Value) {
        let left = self.state.forget(&scope(name, kept.round));
        self.commands.extend(left.timers.into_iter().map(|name| Command::ClearTimer { name }));
        kept.dead |= left.dead;
        kept.heard = kept.heard.max(left.heard);
        kept.round += 1;
        kept.state = state;
        self.state.put(name, kept.entry());
    }
}

fn scope(name: &str, round: u64) -> String {
    format!("{name}/{round}/")
}

/// What is still to be known of entries that are gone.
#[derive(Default)]
struct Left {
    /// Waits that had not ended.
    timers: Vec<String>,
    dead: bool,
    heard: Option<u64>,
}

impl State {
    /// Whether a round that is forgotten has taken this signal, or one that came after it.
    pub(super) fn has_heard(&self, id: u64) -> bool {
        self.entries
            .values()
            .any(|named| matches!(&named.entry, Entry::Fold { heard, .. } if heard.is_some_and(|last| last >= id)))
    }

    fn forget(&mut self, prefix: &str) -> Left {
        let all = self.entries.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        let names: Vec<String> = all.map(|(name, _)| name).take_while(|name| name.starts_with(prefix)).cloned().collect();
        let mut left = Left::default();
        for name in names {
            match self.entries.remove(&name).map(|named| named.entry) {
                Some(Entry::Call { result: Some(Err(failure)), .. }) => left.dead |= failure.dead,
                Some(Entry::Fold { dead, heard, .. }) => {
                    left.dead |= dead;
                    left.heard = left.heard.max(heard);
                }
                Some(Entry::Wait { over: None, deadline: Some(_), .. } | Entry::Sleep { over: None, .. }) => {
                    left.timers.push(name.clone());
                }
                _ => {}
            }
            self.forget_signals(&name, &mut left);
            self.changed.remove(&name);
            self.forgotten.entries.insert(name);
        }
        left
    }

    fn forget_signals(&mut self, wait: &str, left: &mut Left) {
        let (taken, forgotten) = (&mut self.taken, &mut self.forgotten.signals);
        self.signals.retain(|id, queued| {
            let mine = queued.taken_by.as_deref() == Some(wait);
            if mine {
                left.heard = left.heard.max(Some(*id));
                taken.retain(|other| other != id);
                forgotten.insert(*id);
            }
            !mine
        });
    }
}

#[cfg(test)]
mod tests;
