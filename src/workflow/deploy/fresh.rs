//! How old the last good answer of a copy may be when users are moved to it.
//!
//! Invariant: no users are moved to the new copy whose health checks did not all hold within [`WINDOW`] before the move is
//! made, however long it was watched, and however late the call is made. Where an environment has no health checks there is
//! nothing to ask; the balancer's own checks count in any case.

use super::drive::{Drive, So};
use super::health;
use super::page::Shown;
use crate::domain::{Millis, Refusal};
use crate::flow::{Flow, Stop};
use std::time::Duration;

/// The probe window: for so long a copy counts as healthy after its health checks have held.
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// The code of a move that was not made because its health checks had held too long ago.
pub const HEALTH_STALE: &str = "health_stale";
/// How often a move may come too late.
const ROUNDS: u32 = 5;
/// Runs of the first version asked once, before the first move.
const SINCE: u32 = 2;

/// What came of a move of users.
pub(super) enum Moved {
    Yes,
    /// Nobody has been asked to move them.
    Unasked(Refusal),
    No(Refusal),
}

impl Drive<'_> {
    /// Moves users to the new copy. Its health checks are asked again before, if they held too long ago.
    pub(super) fn shift_to_healthy(
        &self,
        f: &mut Flow,
        shown: &mut Shown,
        name: &str,
        percent: u8,
        so: &mut So,
    ) -> Result<Moved, Stop> {
        let mut last = None;
        for round in 0..ROUNDS {
            let name = if round == 0 { name.to_owned() } else { format!("{name}.again.{round}") };
            let until = match self.healthy_until(f, &name, so) {
                Ok(Ok(until)) => until,
                Ok(Err(refusal)) => return Ok(unhealthy(refusal, round)),
                // Whatever was in the way: nobody is moved by a question.
                Err(Stop::Failed(failure)) => return Ok(unhealthy(failure.refusal, round)),
                Err(suspended) => return Err(suspended),
            };
            match self.shift(f, shown, &self.leg, &name, percent, until)? {
                Ok(()) => return Ok(Moved::Yes),
                Err(refusal) if refusal.code == HEALTH_STALE => last = Some(refusal),
                Err(refusal) => return Ok(Moved::No(refusal)),
            }
        }
        Ok(Moved::No(last.unwrap_or_else(|| Refusal::us("undecided", "Nobody was asked to move users."))))
    }

    /// Until when users may be moved; nothing: for ever.
    fn healthy_until(&self, f: &mut Flow, name: &str, so: &mut So) -> Result<Result<Option<Millis>, Refusal>, Stop> {
        let Some(held) = so.healthy_at.filter(|_| !self.this.environment.health.is_empty() && f.flow_version() >= SINCE) else {
            return Ok(Ok(None));
        };
        let now = f.now();
        // A clock that was set back tells no age.
        let fresh = f.record(&format!("{name}.fresh"), || held <= now && now <= held.plus(WINDOW))?;
        if !fresh {
            match health::verify_again(f, self.this, &self.leg, so.url.as_deref(), name)? {
                Ok(held) => so.healthy_at = Some(held),
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        Ok(Ok(so.healthy_at.map(|held| held.plus(WINDOW))))
    }
}

/// A call that came too late may have been made all the same.
fn unhealthy(refusal: Refusal, round: u32) -> Moved {
    if round == 0 { Moved::Unasked(refusal) } else { Moved::No(refusal) }
}
