//! Who asked first has the first turn in an environment, though GitHub may answer sooner what we ask for somebody else.
//!
//! A run takes its place in the line at its very start, and leaves it for one in the queue of the environment's lock. Nothing that
//! may take long is done there: whoever has to wait at a gate, is refused or ends steps out.
//!
//! Invariants: a way back lines up behind nobody; a place is kept for [`IN_LINE`] at most, so that nobody waits for ever for those
//! before, who may be waiting for an answer that does not come. Runs that wait at gates have their turns in the order in which
//! their gates pass.

use super::page::Shown;
use super::{Deployment, Input};
use crate::domain::EnvPlace;
use crate::flow::{Flow, Stop};
use std::time::Duration;

/// How long a place in a line is kept, whether its turn has come or not.
pub const IN_LINE: Duration = Duration::from_secs(15 * 60);

/// The step that stands for the place.
const STEP: &str = "line";

fn key(place: &EnvPlace) -> String {
    format!("line:{}:{}", place.repo, place.environment)
}

impl Input {
    /// Runs before the fifth version are past this.
    pub(super) fn keeps_its_order(&self, f: &Flow) -> bool {
        f.flow_version() >= 5 && !self.rollback
    }

    pub(super) fn line_up(&self, f: &mut Flow) -> Result<(), Stop> {
        let until = f.now().plus(IN_LINE);
        if self.keeps_its_order(f) { f.line_up(STEP, &key(&self.place()), Some(until)) } else { Ok(()) }
    }

    /// Lets those go ahead who are behind.
    pub(super) fn step_out(&self, f: &mut Flow) {
        f.unlock(&key(&self.place()));
    }

    /// Takes a place in the queue of the lock instead.
    pub(super) fn change_lines(&self, f: &mut Flow, shown: &Shown, lease: &str, lock: &str) -> Result<(), Stop> {
        // Who had to wait at a gate has stepped out.
        if !shown.waiting {
            f.turn(STEP)?;
        }
        f.line_up(lease, lock, None)?;
        self.step_out(f);
        Ok(())
    }
}

impl Deployment<'_> {
    /// Makes GitHub's deployment: once the place in the queue is sure, or when there is something to wait for or to refuse. Whoever
    /// acts on a GitHub deployment acts when it is made: there is none before the lease then.
    pub(super) fn appear(&self, f: &mut Flow, shown: &mut Shown) -> Result<(), Stop> {
        self.input.step_out(f);
        if !self.starts_when_made() && shown.deployment.is_none() {
            self.deployment(f, shown, &self.leg(shown), self.task())?;
        }
        Ok(())
    }
}
