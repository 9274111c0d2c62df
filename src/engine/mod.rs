//! Runs, their steps, and the one door to them.

pub mod accept;
pub mod client;
pub mod host;
pub mod intent;
pub mod reconcile;
pub mod steps;
