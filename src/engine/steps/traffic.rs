//! Moves users with the operator's balancers.
//!
//! A balancer that does not answer is asked again for about two minutes; after that the deployment decides, because users
//! may be with a version that is not good for them.

use super::{Done, Steps, answer};
use crate::domain::{Millis, Refusal, Slot};
use crate::engine::host::{StepCtx, StepError};
use crate::plan::TrafficCall;
use crate::targets::haproxy::Haproxy;
use crate::targets::traffic::Kept;
use crate::targets::{Again, Split, Traffic, Trouble};
use crate::workflow::deploy::HEALTH_STALE;
use std::time::Duration;

/// Pauses are doubled from one to thirty seconds: about two minutes.
const ATTEMPTS: u32 = 8;

impl Steps {
    pub(super) async fn observe_traffic(&self, ctx: &StepCtx, call: &TrafficCall) -> Done {
        answer(&self.balancer(call)?.observe().await.map_err(|why| troubled(ctx, why))?)
    }

    pub(super) async fn shift(
        &self,
        ctx: &StepCtx,
        call: &TrafficCall,
        (slot, percent): (Slot, u8),
        healthy_until: Option<Millis>,
    ) -> Done {
        let (balancer, split) = (self.balancer(call)?, split(slot, percent)?);
        if self.is_stale(healthy_until) {
            let now = balancer.observe().await.map_err(|why| troubled(ctx, why))?;
            let there = now.split.is_some_and(|shares| shares.are(split));
            return if there { answer(&now) } else { Err(health_stale()) };
        }
        answer(&balancer.shift(split).await.map_err(|why| troubled(ctx, why))?)
    }

    /// Whether a copy was seen healthy too long ago for users to be moved to it: a call may wait for its turn, be tried for
    /// long, or outlive a restart.
    pub(super) fn is_stale(&self, healthy_until: Option<Millis>) -> bool {
        healthy_until.is_some_and(|until| self.now() > until)
    }

    /// A slot where nobody serves is told at once: whoever asks has users there.
    pub(super) async fn keep(&self, ctx: &StepCtx, call: &TrafficCall, slot: Slot, percent: u8) -> Done {
        let (balancer, split) = (self.balancer(call)?, split(slot, percent)?);
        let now = balancer.observe().await.map_err(|why| troubled(ctx, why))?;
        if let Some(deaf) = now.deaf(split, slot) {
            return answer(&Kept::Deaf(deaf));
        }
        if !now.split.is_some_and(|shares| shares.are(split)) {
            balancer.shift(split).await.map_err(|why| troubled(ctx, why))?;
        }
        answer(&Kept::Kept)
    }

    pub(super) async fn drain(&self, ctx: &StepCtx, call: &TrafficCall, slot: Slot, limit: Duration) -> Done {
        answer(&self.balancer(call)?.drain(slot, limit).await.map_err(|why| troubled(ctx, why))?)
    }

    pub(super) async fn count_traffic(&self, ctx: &StepCtx, call: &TrafficCall) -> Done {
        answer(&self.balancer(call)?.counters().await.map_err(|why| troubled(ctx, why))?)
    }

    fn balancer(&self, call: &TrafficCall) -> Result<Haproxy, StepError> {
        let settings = self.resources.balancer(&call.haproxy.balancer, &call.repo.name).map_err(StepError::Fail)?;
        Haproxy::new(settings, &call.haproxy, &call.repo.name).map_err(StepError::Fail)
    }
}

fn split(slot: Slot, percent: u8) -> Result<Split, StepError> {
    Split::to(slot, percent).ok_or_else(|| StepError::Fail(Refusal::us("share_invalid", "A share is at most 100 percent.")))
}

pub(super) fn health_stale() -> StepError {
    let text = "The new copy was seen healthy too long ago for users to be moved to it.";
    StepError::Fail(Refusal::world(HEALTH_STALE, text, "Nothing: Lockkeeper asks its health again by itself."))
}

pub(super) fn troubled(ctx: &StepCtx, why: Trouble) -> StepError {
    match why.again {
        Again::Later(after) if ctx.attempt < ATTEMPTS => StepError::Retry { after, refusal: why.refusal },
        Again::Later(_) | Again::Never => StepError::Fail(why.refusal),
    }
}
