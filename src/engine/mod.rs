//! Runs, their steps, and the one door to them.

pub mod accept;
pub mod callbacks;
pub mod client;
pub mod host;
pub mod intent;
pub mod known;
pub mod limit;
mod news;
pub mod outbox;
mod reasons;
pub mod reconcile;
pub mod replies;
pub mod steps;
