//! Runs workflows on the store.

mod types;

pub use types::{Clock, Event, Executor, NewRun, Options, StepCtx, StepError, Submitted, What};
