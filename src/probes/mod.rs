//! Looking at a running service from outside: one attempt of a health check, one measurement.
//!
//! Invariants of health checks: the address comes from a repository's file or from whoever reports a deployment, so it is
//! hostile: nothing is connected to that [`AllowList`] and the guard have not passed, redirects and names included; nothing
//! secret goes along (no cookies, no credentials, no proxy of the environment); and nothing of the answer is repeated in a
//! text for people.

mod caller;
mod fetch;
mod guard;
mod http;
mod mcp;
mod names;
mod prober;
pub mod prometheus;
mod report;
mod tcp;
mod text;

pub use caller::{Answer, Ask, CallError, Caller, Trust};
pub use fetch::{Fetch, Fetched};
pub use guard::AllowList;
pub use http::HttpProbe;
pub use mcp::McpProbe;
pub use prober::Prober;
pub use report::{ProbeReport, Subject};
pub use tcp::TcpProbe;
