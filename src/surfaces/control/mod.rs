//! The operator's door: what has come in, what runs, and a second try; for the command line on the same machine.

mod desk;
mod door;
mod file;
mod view;

pub use desk::{DeliveryFilter, Desk, RunFilter};
pub use door::Door;
pub use file::ControlFile;
pub use view::{DeliveryDetail, DeliveryRow, RunDetail, RunRow, Status, StepRow};
