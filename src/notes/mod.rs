//! From commits to the next version and to release notes: parsing, classification, bump, tags, ranges, rendering.
//!
//! Invariants: everything here but [`sandboxed`] is pure; nothing in a commit's body can void a valid header; a commit that
//! cannot be classified is listed, never dropped; all work is linear in the length of its input (hostile messages are
//! ordinary input). Rendering with git-cliff happens only in the child process that [`sandboxed`] starts, because the
//! library leaks every message, reads its host's environment and can be made to abort.

mod body;
pub mod bump;
mod classify;
mod header;
mod order;
pub mod range;
pub mod render;
mod reverts;
pub mod sandboxed;
pub mod tags;

pub use classify::{Classified, Entry, Message, Unclassified, Why, classify, classify_messages, takes_back};
