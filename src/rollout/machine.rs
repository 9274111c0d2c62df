//! The states of one deployment from its lease to its end, as a pure table of transitions.
//!
//! Invariants (each a property test, shown to fail by a mutation): users are moved only after the new copy was verified, or by
//! a strategy that says it deploys in place; an abort leads to an end from every state without anybody's help; nothing
//! inconclusive moves users on; a rollback is begun at most once; past the point of no return nothing is undone that the
//! barrier forbids.

use crate::config::repo::Rollback;
use serde::{Deserialize, Serialize};

/// What a strategy and an environment's policy allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// There is no second copy: bringing the version up replaces what users see.
    pub in_place: bool,
    /// How many weights come before all users are moved.
    pub steps: usize,
    /// The new version is watched after all users were moved.
    pub bake: bool,
    pub rollback: Rollback,
    /// There is a version to go back to.
    pub previous: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Preparing,
    PreVerifying,
    /// Users are moved to the weight of this step.
    Shifting(usize),
    Analyzing(usize),
    /// Waits for a person after this step.
    Paused(usize),
    /// All users are moved: the point of no return.
    Promoting,
    Baking,
    /// The old copy is drained and retired.
    Finalizing,
    /// Nobody was moved; the new copy is taken down.
    CleaningUp,
    RollingBack,
    End(End),
}

/// How a deployment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    Succeeded,
    Failed,
    Cancelled,
    RolledBack,
    /// The way back failed too: nothing more is tried.
    RollbackFailed,
    /// It failed, and what went before may not or cannot come back: traffic stays where it is.
    HaltedForward,
    /// Nobody can say what runs: the lock is kept.
    Indeterminate,
}

/// What came of a phase's work, or what a person asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Done,
    Failed,
    /// Measured, and neither good nor bad.
    Inconclusive,
    /// Nobody could say in time whether it was done.
    Unknown,
    /// This piece of work was refused or stopped before it touched anybody.
    NotMoved,
    /// The old copy is unhealthy while the new one is not.
    StableUnhealthy,
    /// A person: stop and restore. Beats everything.
    Abort,
    /// A person: wait after this step.
    Pause,
    /// A person: go on with the next step.
    Resume,
    /// A person: move everybody now.
    Promote,
    /// A pause that nobody ended in time.
    Expired,
}

impl Phase {
    /// Users may have been moved to the new version, at least some of them.
    pub fn has_moved_users(self, rules: &Rules) -> bool {
        match self {
            Self::Preparing | Self::PreVerifying => rules.in_place,
            Self::Shifting(_) | Self::Analyzing(_) | Self::Paused(_) | Self::Promoting | Self::Baking | Self::Finalizing => {
                true
            }
            Self::CleaningUp | Self::RollingBack | Self::End(_) => false,
        }
    }
}

/// The phase after this one. What a phase has no use for leaves it as it is.
pub fn next(rules: &Rules, phase: Phase, event: Event) -> Phase {
    match (phase, event) {
        (Phase::End(_), _) => phase,
        (Phase::Finalizing, Event::Done | Event::Failed | Event::Unknown | Event::Inconclusive) => Phase::End(End::Succeeded),
        (Phase::CleaningUp, Event::Done | Event::Failed | Event::Unknown | Event::Inconclusive) => Phase::End(End::Failed),
        (Phase::Preparing | Phase::Shifting(0), Event::NotMoved) => Phase::CleaningUp,
        (Phase::Promoting, Event::NotMoved) if rules.steps == 0 => Phase::CleaningUp,
        (Phase::RollingBack, Event::Done) => Phase::End(End::RolledBack),
        (Phase::RollingBack, Event::Failed | Event::Unknown | Event::Inconclusive) => Phase::End(End::RollbackFailed),
        // The new copy is bad and the old one is worse: users stay where somebody answers.
        (Phase::RollingBack, Event::StableUnhealthy) => Phase::End(End::HaltedForward),
        (Phase::Finalizing | Phase::CleaningUp | Phase::RollingBack, _) => phase,
        (_, Event::Abort | Event::NotMoved) => undo(rules, phase, true),
        (_, Event::Unknown) => Phase::End(End::Indeterminate),
        (Phase::Promoting | Phase::Shifting(_) | Phase::Analyzing(_) | Phase::Paused(_), Event::StableUnhealthy) => {
            Phase::End(End::HaltedForward)
        }
        (_, Event::Failed) => undo(rules, phase, false),
        (_, event) => onward(rules, phase, event),
    }
}

fn onward(rules: &Rules, phase: Phase, event: Event) -> Phase {
    match (phase, event) {
        (Phase::Preparing, Event::Done) => Phase::PreVerifying,
        (Phase::PreVerifying, Event::Done) => match () {
            () if rules.in_place && rules.bake => Phase::Baking,
            () if rules.in_place => Phase::Finalizing,
            () => step(rules, 0),
        },
        (Phase::Shifting(at), Event::Done) => Phase::Analyzing(at),
        (Phase::Analyzing(at), Event::Done) | (Phase::Paused(at), Event::Resume) => step(rules, at + 1),
        (Phase::Analyzing(_) | Phase::Paused(_), Event::Promote) => Phase::Promoting,
        (Phase::Analyzing(at), Event::Inconclusive | Event::Pause) => Phase::Paused(at),
        (Phase::Promoting, Event::Done) if rules.bake => Phase::Baking,
        // Whoever promotes while everybody is moved already has seen enough.
        (Phase::Promoting, Event::Done) | (Phase::Baking, Event::Done | Event::Promote) => Phase::Finalizing,
        // Nobody can be asked any more whether to wait: what could not be shown to be good goes back.
        (Phase::PreVerifying | Phase::Baking | Phase::Preparing | Phase::Promoting, Event::Inconclusive)
        | (Phase::Shifting(_), Event::Inconclusive)
        | (Phase::Paused(_) | Phase::Baking, Event::Expired) => undo(rules, phase, false),
        _ => phase,
    }
}

fn step(rules: &Rules, at: usize) -> Phase {
    if at < rules.steps { Phase::Shifting(at) } else { Phase::Promoting }
}

/// The way back from a phase, as far as there is one.
fn undo(rules: &Rules, phase: Phase, asked: bool) -> Phase {
    if !phase.has_moved_users(rules) {
        return Phase::CleaningUp;
    }
    // A move to everybody that did not come to its end is no end: the old copy still runs.
    let irrevocable = rules.in_place || matches!(phase, Phase::Baking | Phase::Finalizing);
    match rules.rollback {
        Rollback::Forbidden => Phase::End(End::HaltedForward),
        _ if !rules.previous => Phase::End(if asked { End::Cancelled } else { End::Failed }),
        // The old copy still has its users; giving it the others back undoes nothing that a person must weigh.
        _ if !irrevocable => Phase::RollingBack,
        Rollback::Manual if !asked => Phase::End(End::Failed),
        Rollback::Manual | Rollback::Automatic => Phase::RollingBack,
    }
}

#[cfg(test)]
mod tests;
