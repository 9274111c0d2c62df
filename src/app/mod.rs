//! Builds everything once, supervises it, and takes it down in order.

mod logging;
mod serve;
mod server;
mod snapshot;

pub use serve::serve;
pub use server::{Server, Tuning};
