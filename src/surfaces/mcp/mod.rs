//! The agents' door: an MCP server whose tools are the actions of the catalog.
//!
//! Invariants: an agent gets nothing here that its key, or its job, has no right to at any other door, because the same authorization
//! decides; what it may never use is not listed, and refused when it is called all the same; every answer, also a refusal, is
//! data of the tool's own output schema; no argument is a URL, a path or a command; what others wrote is cleaned and marked.

mod arguments;
mod audited;
mod call;
mod catalog;
mod changes;
mod clean;
mod deployments;
mod envelope;
mod http;
mod jobs;
mod limits;
mod listen;
mod next;
mod people;
mod prompts;
mod refuse;
mod resources;
mod schema;
mod server;
mod tasks;
mod views;

pub use http::{Place, mcp_router};
pub use jobs::Jobs;
pub use people::People;
pub use server::Agents;
