//! Questions that must be answered before traffic moves: pure functions from facts and policy to a [`Verdict`].
//! One file for each kind of gate.

mod verdict;

pub use verdict::{Status, Verdict};
