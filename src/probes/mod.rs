//! Looking at a running service from outside: one attempt of an HTTP health check.
//!
//! Invariants: the address comes from a repository's file or from whoever reports a deployment, so it is hostile: nothing is
//! connected to that [`AllowList`] and the guard have not passed, redirects and names included; nothing secret goes along (no
//! cookies, no credentials, no proxy of the environment); and nothing of the answer is repeated in a text for people.

mod caller;
mod guard;
mod http;
mod names;

pub use caller::{Answer, Ask, CallError, Caller, Trust};
pub use guard::AllowList;
pub use http::{HttpProbe, ProbeReport, Prober};
