//! What a run will do, as data: the calls that touch the world, and the stored, printable plan with its digest.
//!
//! Invariants: a [`Call`] is complete (its executor reads nothing but the call, the world and earlier results of the same
//! run) and serializable, so that it survives a restart; a [`Plan`]'s digest covers everything that decides what happens.

mod call;
mod check;
mod configured;
mod deployments;
mod parts;
mod results;
mod stored;

pub use call::Call;
pub use check::{Annotation, CheckAction, CheckOutcome, CheckRunCall};
pub use configured::Configured;
pub use deployments::{DeploymentCall, MirrorCall, ReviewCall, StatusCall, Task};
pub use parts::{
    AskCall, AskPeerCall, Base, DraftCall, ErrandCall, Given, LandCall, Latest, MeasureCall, NotesCall, ProbeCall, PublishCall,
    ReplyCall, TrafficCall,
};
pub use results::{
    Awaiting, CheckRunMade, DeploymentMade, DispatchMade, DraftMade, Ground, NotesMade, ProbeAnswer, PublishMade, Replied,
    Settings,
};
pub use stored::{Pin, Plan, PlannedStep, Work};

pub use crate::domain::{Digest, canonical};

/// What every release body of ours holds, followed by `run=<id> -->`.
pub const MARKER: &str = "<!-- lockkeeper:";
