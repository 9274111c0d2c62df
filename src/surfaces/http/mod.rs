//! What every HTTP listener of ours shares: serving, request ids, health and metrics.

mod body;
mod health;
mod metrics;
mod serve;
mod trace;

pub use body::{Unread, whole};
pub use health::{Ask, Health, Readiness, health_router};
pub use metrics::{Metrics, Snapshot};
pub use serve::{Limits, serve};
pub use trace::traced;
