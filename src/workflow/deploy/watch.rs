//! Watches a version for a while: looks after users, listens to people, and says what came of it.
//!
//! Invariants: a failed metric decides at once, and time alone makes no pass where something is measured; a person's abort
//! ends it whatever else is seen; while it goes on users are shared as the step says, also when the balancer is restarted; a
//! copy where nobody serves, or that its own deployer calls a failure, is no success. A week of it leaves no more behind than
//! a minute: rounds are folded into what counts of them.

use super::bring_up::{Members, reported};
use super::drive::Drive;
use super::measure::{Measured, Metrics};
use super::slots::unhealthy;
use crate::actions::control::Verb;
use crate::config::repo::Target;
use crate::domain::{Millis, Refusal};
use crate::flow::{Flow, StepFailure, Stop, Turn, Waited};
use crate::plan::Call;
use crate::rollout::analysis::Verdict;
use crate::rollout::machine::Event;
use crate::targets::Progress;
use crate::targets::traffic::Kept;
use crate::workflow::pace::early;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// How long a paused deployment waits for a person before users go back.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);
/// Between two looks after users: at first, and at most.
const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(60);

/// What came of a watch, and why.
#[derive(Serialize, Deserialize)]
pub(super) struct Watched {
    pub event: Event,
    pub refusal: Option<Refusal>,
}

impl Watched {
    pub fn of(event: Event) -> Self {
        Self { event, refusal: None }
    }

    fn because(event: Event, refusal: Refusal) -> Self {
        Self { event, refusal: Some(refusal) }
    }
}

/// What counts of the rounds so far.
#[derive(Serialize, Deserialize)]
struct Watching {
    begun: Millis,
    /// When this round began.
    from: Millis,
    /// A person wants it to pause at the end.
    pause: bool,
    measured: Vec<Measured>,
}

/// Where somebody is waited for: since when, since when in this round, and whether nobody could be told of it.
#[derive(Serialize, Deserialize)]
struct Listening(Millis, Millis, #[serde(default)] bool);

/// What a person has said to a run.
#[derive(Deserialize)]
struct Said {
    verb: Verb,
}

/// The last thing that was said counts.
fn last(told: &[Value]) -> Option<Verb> {
    told.iter().rev().find_map(|value| Said::deserialize(value).ok()).map(|said| said.verb)
}

/// What goes wrong goes wrong soon after users came: looks become rarer, so that a day costs 1,500 of them and not 40,000.
/// Environments that began together do not look together.
fn pace(watched: Duration, run: &str) -> Duration {
    let longest = rarer(watched);
    longest - early(longest / 8, run, u32::try_from(watched.as_millis()).unwrap_or(u32::MAX))
}

/// The pause after so long.
pub(super) fn rarer(watched: Duration) -> Duration {
    (watched / 20).clamp(FIRST, LONGEST)
}

impl Drive<'_> {
    /// Watches for `span` at least, with `percent` of users at the new version, and until every metric has passed. `name` is
    /// unique in the run.
    pub(super) fn watch(&self, f: &mut Flow, name: &str, span: Duration, percent: u8) -> Result<Watched, Stop> {
        let metrics = match Metrics::of(&self.this.environment.analysis) {
            Ok(metrics) => metrics,
            Err(refusal) => return Ok(Watched::because(Event::Failed, refusal)),
        };
        let first = metrics.count_first(f, self, name)?;
        let (now, seed) = (f.now(), format!("{}.{name}", self.this.ground.run));
        let begin = || Watching { begun: now, from: now, pause: false, measured: metrics.begin(first, now, &seed) };
        f.fold(name, begin, |f, so| self.watch_on(f, &metrics, so, span, percent))
    }

    /// A round: waits for what comes first, and looks.
    fn watch_on(
        &self,
        f: &mut Flow,
        metrics: &Metrics,
        mut so: Watching,
        span: Duration,
        percent: u8,
    ) -> Result<Turn<Watching, Watched>, Stop> {
        let due = match self.due(metrics, &so, so.begun.plus(span)) {
            Ok(Some(due)) => due,
            Ok(None) => return Ok(Turn::End(Watched::of(if so.pause { Event::Pause } else { Event::Done }))),
            Err(watched) => return Ok(Turn::End(watched)),
        };
        let due = if self.is_looked_after() { due.min(so.from.plus(self.pace(so.begun, so.from))) } else { due };
        match f.signal_or_timeout("wait", "control", Some(due))? {
            Waited::Cancelled(reason) => return Ok(Turn::End(stopped(&reason))),
            Waited::Signalled(told) => match last(&told) {
                Some(Verb::Promote) => return Ok(Turn::End(Watched::of(Event::Promote))),
                Some(verb @ (Verb::Pause | Verb::Resume)) => so.pause = verb == Verb::Pause,
                Some(Verb::Abort) | None => {}
            },
            Waited::TimedOut => {
                if let Some(seen) = self.look(f, percent)? {
                    return Ok(Turn::End(seen));
                }
                metrics.measure(f, self, &mut so.measured, due.max(so.from))?;
            }
        }
        Ok(Turn::Next(Watching { from: f.now(), ..so }))
    }

    /// When there is something to do next; nothing when all is done and good.
    fn due(&self, metrics: &Metrics, so: &Watching, end: Millis) -> Result<Option<Millis>, Watched> {
        match (metrics.verdict(&so.measured), Metrics::next_at(&so.measured)) {
            (Verdict::Failed { code, reason }, _) => Err(self.judged(Event::Failed, &code, &reason)),
            (Verdict::Inconclusive { code, reason }, Some(_)) => Err(self.judged(Event::Inconclusive, &code, &reason)),
            (Verdict::Passed, _) | (_, None) if so.from >= end => Ok(None),
            (Verdict::Passed, Some(next)) => Ok(Some(next.min(end))),
            (_, Some(next)) => Ok(Some(next)),
            (_, None) => Ok(Some(end)),
        }
    }

    fn judged(&self, event: Event, code: &str, reason: &str) -> Watched {
        let what = if event == Event::Failed { "did not stand the analysis" } else { "could not be judged" };
        let name = super::what(&self.leg.subject);
        let fix = "Look at these numbers, mend the version or the metric, and deploy again.";
        Watched::because(event, Refusal::user(code, format!("{name} {what}: {reason}."), fix))
    }

    /// Waits for a person. Nobody there for a day: users go back. Who asks for the pause again is given another day.
    pub(super) fn paused(&self, f: &mut Flow, name: &str, percent: u8, unsaid: Option<Call>) -> Result<Watched, Stop> {
        let heard = self.listen(f, (name, PATIENCE), percent, unsaid, |verb| match verb {
            Verb::Resume => Some(Event::Resume),
            Verb::Promote => Some(Event::Promote),
            Verb::Pause | Verb::Abort => None,
        })?;
        Ok(heard.unwrap_or_else(|| Watched::because(Event::Expired, nobody())))
    }

    /// Waits and looks; nothing when the time is over and all is well.
    fn listen(
        &self,
        f: &mut Flow,
        (name, span): (&str, Duration),
        percent: u8,
        unsaid: Option<Call>,
        mut hear: impl FnMut(Verb) -> Option<Event>,
    ) -> Result<Option<Watched>, Stop> {
        let now = f.now();
        f.fold(
            name,
            || Listening(now, now, unsaid.is_some()),
            |f, Listening(begun, from, mut silent)| {
                let end = begun.plus(span);
                let looks = silent || self.is_looked_after();
                let until = if looks { end.min(from.plus(self.pace(begun, from))) } else { end };
                match f.signal_or_timeout("wait", "control", Some(until))? {
                    Waited::Cancelled(reason) => return Ok(Turn::End(Some(stopped(&reason)))),
                    Waited::Signalled(told) => {
                        let said = last(&told);
                        if let Some(event) = said.and_then(&mut hear) {
                            return Ok(Turn::End(Some(Watched::of(event))));
                        }
                        if said == Some(Verb::Pause) {
                            return Ok(Turn::Next(Listening(f.now(), f.now(), silent)));
                        }
                    }
                    Waited::TimedOut => {
                        let seen = self.look(f, percent)?;
                        if seen.is_some() || until >= end {
                            return Ok(Turn::End(seen));
                        }
                        if let Some(call) = unsaid.as_ref().filter(|_| silent) {
                            let said: Result<Value, StepFailure> = f.try_step("say", call)?;
                            silent = said.is_err();
                        }
                    }
                }
                Ok(Turn::Next(Listening(begun, f.now(), silent)))
            },
        )
    }

    fn pace(&self, begun: Millis, from: Millis) -> Duration {
        pace(begun.until(from), self.this.ground.run.as_str())
    }

    /// There is something that could be seen between the beginning and the end.
    fn is_looked_after(&self) -> bool {
        self.balancer().is_some() || matches!(self.this.target, Target::Deployment(_))
    }

    /// Why it cannot go on, if something is wrong. Once in a round.
    fn look(&self, f: &mut Flow, percent: u8) -> Result<Option<Watched>, Stop> {
        if let Some((slots, traffic)) = self.slots.zip(self.balancer()) {
            let call = Call::Keep { traffic, slot: slots.new, percent };
            let kept: Result<Kept, StepFailure> = f.try_step("keep", &call)?;
            match kept {
                Ok(Kept::Kept) => {}
                Ok(Kept::Deaf(slot)) if slot == slots.new => {
                    return Ok(Some(Watched::because(Event::Failed, unhealthy(slot, "the new version"))));
                }
                Ok(Kept::Deaf(slot)) => {
                    return Ok(Some(Watched::because(Event::StableUnhealthy, unhealthy(slot, "the version before"))));
                }
                Err(failure) => {
                    let event = if failure.dead { Event::Unknown } else { Event::Failed };
                    return Ok(Some(Watched::because(event, failure.refusal)));
                }
            }
        }
        self.taken_back(f)
    }

    /// Who has reported success may find out better. Reports are read only when somebody has told of a new one.
    fn taken_back(&self, f: &mut Flow) -> Result<Option<Watched>, Stop> {
        let Target::Deployment(target) = self.this.target else { return Ok(None) };
        let now = f.now();
        match f.signal_or_timeout("told", "report", Some(now))? {
            Waited::Cancelled(reason) => return Ok(Some(stopped(&reason))),
            Waited::TimedOut => return Ok(None),
            Waited::Signalled(_) => {}
        }
        let progress = reported(f, self.this, &self.leg, target, &mut Members::new())?;
        Ok(match progress {
            Progress::Failed { reason } => Some(Watched::because(Event::Failed, disowned(&reason))),
            Progress::Done { .. } | Progress::Working | Progress::Stopped { .. } => None,
        })
    }
}

fn stopped(reason: &str) -> Watched {
    Watched::because(Event::Abort, super::cancelled(reason))
}

fn disowned(reason: &str) -> Refusal {
    Refusal::user(
        "success_taken_back",
        format!("The version was brought up, and then {reason}."),
        "Look at what the deployer says, mend it, and deploy again.",
    )
}

fn nobody() -> Refusal {
    let text = format!("The deployment was paused and nobody decided within {} hours.", PATIENCE.as_secs() / 3600);
    Refusal::user("pause_expired", text, "Deploy again, and `lockkeeper resume` or `promote` it in time.")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs that began to wait before there was a third part.
    #[test]
    fn what_was_kept_of_a_wait_can_be_read() {
        let Listening(begun, from, silent) = serde_json::from_str("[5,7]").unwrap();
        assert_eq!((begun, from, silent), (Millis(5), Millis(7), false));
    }

    #[test]
    fn looks_become_rarer_and_a_day_costs_not_too_many() {
        let (mut at, mut looks) = (Duration::ZERO, 0);
        while at < PATIENCE {
            let next = pace(at, "run");
            assert!((FIRST * 7 / 8..=LONGEST).contains(&next), "{next:?}");
            at += next;
            looks += 1;
        }
        assert!((1_000..2_000).contains(&looks), "{looks}");
        assert!(pace(Duration::from_secs(30), "run") <= FIRST);
        let of = |run: &str| pace(Duration::from_secs(300), run);
        assert!(of("one") != of("two") && of("one") <= Duration::from_secs(15), "{:?} {:?}", of("one"), of("two"));
    }
}
