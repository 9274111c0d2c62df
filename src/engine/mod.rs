//! Runs, their steps, and the one door to them.

pub mod host;
pub mod intent;
