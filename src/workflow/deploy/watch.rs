//! Watches a version for a while: measures, listens to people, and says what came of it.
//!
//! Invariants: a failed metric decides at once; time alone never makes a pass where something is measured; a person's abort
//! ends it whatever the numbers say.

use super::drive::Drive;
use super::measure::Metrics;
use crate::actions::control::Verb;
use crate::domain::{Millis, Refusal};
use crate::flow::{Flow, Stop, Waited};
use crate::rollout::analysis::Verdict;
use crate::rollout::machine::Event;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// How long a paused deployment waits for a person before users go back.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// What came of a watch, and why.
pub(super) struct Watched {
    pub event: Event,
    pub refusal: Option<Refusal>,
}

impl Watched {
    pub fn of(event: Event) -> Self {
        Self { event, refusal: None }
    }
}

/// What a person has said to a run.
#[derive(Deserialize)]
struct Said {
    verb: Verb,
}

/// The last thing that was said counts.
fn last(told: &[Value]) -> Option<Verb> {
    told.iter().rev().find_map(|value| Said::deserialize(value).ok()).map(|said| said.verb)
}

impl Drive<'_> {
    /// Watches for `span` at least, and until every metric has passed. `name` is unique in the run.
    pub(super) fn watch(&self, f: &mut Flow, name: &str, span: Duration) -> Result<Watched, Stop> {
        let now = f.now();
        let mut at: Millis = f.record(&format!("{name}.at"), || now)?;
        let end = at.plus(span);
        let seed = format!("{}.{name}", self.this.ground.run);
        let mut metrics = match Metrics::begin(&self.this.environment.analysis, at, &seed) {
            Ok(metrics) => metrics,
            Err(refusal) => return Ok(Watched { event: Event::Failed, refusal: Some(refusal) }),
        };
        metrics.count_first(f, self, name)?;
        let mut pause = false;
        for round in 0_u32.. {
            let due = match (metrics.verdict(), metrics.next_at()) {
                (Verdict::Failed { code, reason }, _) => return Ok(self.judged(Event::Failed, &code, &reason)),
                (Verdict::Inconclusive { code, reason }, Some(_)) => {
                    return Ok(self.judged(Event::Inconclusive, &code, &reason));
                }
                (Verdict::Passed, _) | (_, None) if at >= end => {
                    return Ok(Watched::of(if pause { Event::Pause } else { Event::Done }));
                }
                (Verdict::Passed, Some(next)) => next.min(end),
                (_, Some(next)) => next,
                (_, None) => end,
            };
            match f.signal_or_timeout(&format!("{name}.wait.{round}"), "control", Some(due))? {
                Waited::Cancelled(reason) => {
                    return Ok(Watched { event: Event::Abort, refusal: Some(super::cancelled(&reason)) });
                }
                Waited::TimedOut => {
                    at = at.max(due);
                    metrics.measure(f, self, &format!("{name}.{round}"), at)?;
                }
                Waited::Signalled(told) => match last(&told) {
                    Some(Verb::Pause) => pause = true,
                    Some(Verb::Resume) => pause = false,
                    Some(Verb::Promote) => return Ok(Watched::of(Event::Promote)),
                    Some(Verb::Abort) | None => {}
                },
            }
        }
        Err(Stop::Suspended)
    }

    fn judged(&self, event: Event, code: &str, reason: &str) -> Watched {
        let what = if event == Event::Failed { "did not stand the analysis" } else { "could not be judged" };
        let name = super::what(&self.leg.subject);
        let fix = "Look at these numbers, mend the version or the metric, and deploy again.";
        Watched { event, refusal: Some(Refusal::user(code, format!("{name} {what}: {reason}."), fix)) }
    }

    /// Waits for a person. Nobody there for a day: users go back.
    pub(super) fn paused(&self, f: &mut Flow, name: &str) -> Result<Watched, Stop> {
        let now = f.now();
        let begun: Millis = f.record(&format!("{name}.at"), || now)?;
        let end = begun.plus(PATIENCE);
        for round in 0_u32.. {
            match f.signal_or_timeout(&format!("{name}.wait.{round}"), "control", Some(end))? {
                Waited::Cancelled(reason) => {
                    return Ok(Watched { event: Event::Abort, refusal: Some(super::cancelled(&reason)) });
                }
                Waited::TimedOut => return Ok(Watched { event: Event::Expired, refusal: Some(nobody()) }),
                Waited::Signalled(told) => match last(&told) {
                    Some(Verb::Resume) => return Ok(Watched::of(Event::Resume)),
                    Some(Verb::Promote) => return Ok(Watched::of(Event::Promote)),
                    Some(Verb::Pause | Verb::Abort) | None => {}
                },
            }
        }
        Err(Stop::Suspended)
    }
}

fn nobody() -> Refusal {
    let text = format!("The deployment was paused and nobody decided within {} hours.", PATIENCE.as_secs() / 3600);
    Refusal::user("pause_expired", text, "Deploy again, and `lockkeeper resume` or `promote` it in time.")
}
