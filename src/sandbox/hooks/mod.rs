//! Webhooks: what is sent, in which order, what a test may do to it on the way, and the record that the App can read.
//!
//! As GitHub does: signed, ten seconds for an answer, never retried; a redelivery keeps its GUID.

mod deliver;
mod emit;
mod outbox;

pub(super) use deliver::deliver_forever;
pub(super) use emit::Event;
pub use outbox::{Delivery, HookAction, HookRule, Order};
pub(super) use outbox::{Outbox, Outgoing};
