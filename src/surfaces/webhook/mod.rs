//! The webhook door: a delivery is checked, looked at, stored and answered; only then does anything happen because of it.

mod answer;
mod body;
pub mod event;
mod inbox;
mod receive;
mod retry;
mod screen;
mod translate;
mod verify;

pub use body::MAX_BODY;
pub use inbox::{Accept, Worker};
pub use receive::{Receiver, router};
pub use screen::{Ignored, NotAnObject, Own, Screened, screen};
pub use translate::{Translation, translate};
pub use verify::Secrets;
