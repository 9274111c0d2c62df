//! The operator's desk: what has come in, what runs, a second try, and every action. Two doors lead to it: one for the command
//! line on the same machine, one over the network for whoever holds a key.

mod attempts;
mod desk;
mod door;
mod file;
mod keys;
mod remote;
mod routes;
mod view;

pub use attempts::{Attempts, Count};
pub use desk::{AuditFilter, DeliveryFilter, Desk, RunFilter, sees};
pub use door::{Door, Of};
pub use file::ControlFile;
pub use keys::{KeyAsk, KeyRow};
pub use remote::{bearer, remote};
pub use routes::Seen;
pub use view::{DeliveryDetail, DeliveryRow, RunDetail, RunRow, Status, StepRow};
