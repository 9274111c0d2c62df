//! What every HTTP listener of ours shares.

mod serve;

pub use serve::{Limits, serve};
