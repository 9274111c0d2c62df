//! A request that carries a key of the caller's own is done once: repeated, it gets the answer that it got.
//!
//! Invariants: the answer is kept in the transaction that does what it tells of; a refusal is not kept, because nothing was
//! done and the same request may pass later; the same key with another request is refused.

use super::{Client, Once};
use crate::actions::Action;
use crate::actions::access::Caller;
use crate::actions::outcome::Outcome;
use crate::domain::{Actor, Millis, Refusal};
use crate::plan::Digest;
use crate::store::answers::{self, Answered, Known};
use crate::store::{StoreError, Tx};
use serde::Serialize;
use serde_json::Value;

/// By what a request is known again.
#[derive(Clone, Debug)]
pub struct Keyed {
    known: Known,
    /// Digest of what is asked.
    asked: String,
}

impl Keyed {
    /// `what` is the action, and `asked` all that decides what it does.
    pub fn new(actor: &Actor, what: &str, key: String, asked: &impl Serialize) -> Self {
        // A request is plain data; it is always JSON.
        let asked = Digest::of(&serde_json::to_value(asked).unwrap_or_default()).to_string();
        Self { known: Known { actor: actor.clone(), action: what.to_owned(), key }, asked }
    }

    /// # Errors
    /// Those of the store, and `answered_already` when the same request was faster.
    pub(super) fn keep(&self, tx: &Tx<'_>, answer: Value, now: Millis) -> Result<(), StoreError> {
        let answered = Answered { asked: self.asked.clone(), answer };
        match answers::keep(tx, &self.known, &answered, now)? {
            true => Ok(()),
            false => Err(StoreError::Refused(Refusal::world("answered_already", "The same request was faster.", "Repeat it."))),
        }
    }
}

impl Client {
    /// As [`Client::act`], once for each key.
    ///
    /// # Errors
    /// `idempotency_conflict`, and those of [`Client::act`].
    pub async fn act_once(&self, action: Action, keyed: Keyed, caller: &Caller) -> Result<Outcome, Refusal> {
        if let Some(answer) = self.answered(&keyed).await? {
            return Ok(answer);
        }
        match self.with(keyed.clone()).act(action, caller).await {
            // The same request may have been done beside this one.
            Err(refusal) => self.answered(&keyed).await?.ok_or(refusal),
            done => done,
        }
    }

    /// What this request was answered before.
    ///
    /// # Errors
    /// `idempotency_conflict`.
    pub async fn answered(&self, keyed: &Keyed) -> Result<Option<Outcome>, Refusal> {
        let known = keyed.known.clone();
        let Some(found) = self.read(move |rx| answers::get(rx, &known)).await? else { return Ok(None) };
        if found.asked != keyed.asked {
            let text = "This idempotency key has been used for another request.";
            return Err(Refusal::user("idempotency_conflict", text, "Use a new key for a new request."));
        }
        serde_json::from_value(found.answer).map(Some).map_err(super::unread)
    }

    /// The same door, for one request that is done once.
    pub(super) fn with(&self, keyed: Keyed) -> Self {
        Self { once: Some(Once::Key(keyed)), ..self.clone() }
    }
}
