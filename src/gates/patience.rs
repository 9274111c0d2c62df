//! How long a gate goes on trying.

use super::{GateView, Verdict};
use crate::domain::Millis;
use std::time::Duration;

/// How soon to look again at what could not be read.
const RETRY: Duration = Duration::from_secs(30);
/// How long to go on where the settings do not say.
const LIMIT: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy)]
pub(super) struct Patience {
    now: Millis,
    deadline: Millis,
}

impl Patience {
    pub(super) fn of(view: &GateView<'_>, now: Millis) -> Self {
        Self::within(LIMIT, view, now)
    }

    pub(super) fn within(limit: Duration, view: &GateView<'_>, now: Millis) -> Self {
        Self { now, deadline: view.deploy.counts_from.unwrap_or(view.asked_at).plus(limit) }
    }

    pub(super) fn over(&self) -> bool {
        self.now >= self.deadline
    }

    /// After the pause or at the deadline, whichever comes first. Only while it is not over.
    pub(super) fn again(&self, pause: Duration) -> Millis {
        self.now.plus(pause).min(self.deadline)
    }

    /// What could not be read: tried again until the deadline.
    pub(super) fn unread(&self, gate: &str, code: &str, reason: String, fix: &str) -> Verdict {
        if self.over() {
            return Verdict::unavailable(gate, &format!("{gate}_deadline"), format!("The deadline passed. {reason}"), fix);
        }
        Verdict::unavailable(gate, code, reason, format!("Wait; it is tried again. {fix}")).again(self.again(RETRY))
    }
}
