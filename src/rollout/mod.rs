//! Moving users to a version, as pure state: what samples say about it ([`analysis`]).

pub mod analysis;
