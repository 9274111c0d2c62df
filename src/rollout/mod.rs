//! How a version takes over: the states of one deployment ([`machine`]) and what samples say about it ([`analysis`]). Pure.

pub mod analysis;
pub mod machine;
