//! Gates in a loop: judge, wait for something to change, look again. Gates pass only on a second look, so that nothing is
//! done on the strength of a read from before a wait.
//!
//! Known race: what changes between the last look and the effect; whoever publishes looks again when the look is old.

use super::range::Found;
use super::report::{failed_checks, refusal_of};
use crate::config::repo::{GatePolicy, RepoConfig};
use crate::domain::{Millis, Recheck, Refusal, RepoRef, Sha, Tag};
use crate::flow::{Flow, Stop, Waited};
use crate::gates::{self, BranchStanding, DeployView, GateView, Status, TagView, Unclassified, Verdict};
use crate::notes::tags::ParsedTag;
use crate::plan::{Call, Ground};
use crate::workflow::FailedCheck;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The longest time between two looks while a run waits: events can be lost.
const LOOK_AGAIN: Duration = Duration::from_secs(5 * 60);

/// Everything that the gates of one run look at.
pub struct Case<'a> {
    pub repo: &'a RepoRef,
    pub ground: &'a Ground,
    pub config: &'a RepoConfig,
    pub pinned: &'a Sha,
    pub tag: Option<&'a Tag>,
    pub parsed: Option<&'a ParsedTag>,
    pub event_sha: Option<&'a Sha>,
    pub gates: &'a [GatePolicy],
    pub asked_at: Millis,
    pub range: Option<&'a Found>,
    /// It is asked whether the tag may be released; a deployment does not mind that it has been.
    pub releasing: bool,
}

/// How the gates came out.
pub enum Gated {
    Passed { verdicts: Vec<Verdict>, look: Recheck },
    Refused { verdicts: Vec<Verdict>, refusal: Refusal, failed: Vec<FailedCheck>, expired: bool },
    Cancelled(String),
}

#[derive(Serialize, Deserialize)]
struct Judged {
    at: Millis,
    verdicts: Vec<Verdict>,
}

/// Runs the loop. `show` is called whenever the run has to wait.
pub fn pass(f: &mut Flow, case: &Case, mut show: impl FnMut(&mut Flow, &[Verdict]) -> Result<(), Stop>) -> Result<Gated, Stop> {
    let mut look = first_look(case.ground);
    let branches = branches(f, case)?;
    let unclassified = case.range.map(Found::nameless);
    for round in 0_u32.. {
        let now = f.now();
        let view = case.view(&look, unclassified.as_deref(), branches.as_deref());
        let judged =
            f.record(&format!("gates.{round}"), || Judged { at: now, verdicts: gates::judge_all(case.gates, &view, now) })?;
        let overall = gates::overall(&judged.verdicts);
        match (overall.status, overall.ask_again) {
            (Status::Pass, _) if round > 0 => return Ok(Gated::Passed { verdicts: judged.verdicts, look }),
            (Status::Pass, _) => {}
            (_, None) => return Ok(refused(judged.verdicts, &look)),
            (_, Some(ask_again)) => {
                show(f, &judged.verdicts)?;
                let until = ask_again.min(judged.at.plus(LOOK_AGAIN));
                if let Waited::Cancelled(reason) = f.signal_or_timeout(&format!("wake.{round}"), "wake", Some(until))? {
                    return Ok(Gated::Cancelled(reason));
                }
            }
        }
        look = f.step(&format!("look.{}", round + 1), &case.recheck())?;
    }
    Err(Stop::Suspended)
}

/// The answers on this look, for somebody who only asks.
pub(super) fn once(f: &mut Flow, case: &Case, look: &Recheck) -> Result<Vec<Verdict>, Stop> {
    let branches = branches(f, case)?;
    let unclassified = case.range.map(Found::nameless);
    let now = f.now();
    let view = case.view(look, unclassified.as_deref(), branches.as_deref());
    f.record("gates", || gates::judge_all(case.gates, &view, now))
}

fn refused(verdicts: Vec<Verdict>, look: &Recheck) -> Gated {
    let (refusal, failed) = (refusal_of(&verdicts), failed_checks(&verdicts, &look.checks));
    let expired = refusal.code.ends_with("_deadline");
    Gated::Refused { verdicts, refusal, failed, expired }
}

/// The branches that may be released from, when the settings name some. One read: a branch does not lose a commit.
fn branches(f: &mut Flow, case: &Case) -> Result<Option<Vec<BranchStanding>>, Stop> {
    let globs = &case.config.release.branches;
    if globs.is_empty() || !case.gates.contains(&GatePolicy::Tag) {
        return Ok(None);
    }
    let call = Call::ReadBranches { repo: case.repo.clone(), sha: case.pinned.clone(), globs: globs.clone() };
    f.step("branches", &call).map(Some)
}

/// The first read, in the shape of a later one.
pub(super) fn first_look(ground: &Ground) -> Recheck {
    let facts = &ground.facts;
    Recheck {
        at: facts.at,
        tag: facts.tag.clone(),
        releases: facts.releases.clone(),
        checks: facts.checks.clone(),
        ahead: None,
        behind: None,
        first_time: Vec::new(),
    }
}

impl Case<'_> {
    /// Asks, with the gates' questions, what the notes need to know: one request answers all.
    pub(super) fn recheck(&self) -> Call {
        Call::Recheck {
            repo: self.repo.clone(),
            tag: self.tag.cloned(),
            sha: self.pinned.clone(),
            base: self.range.and_then(|r| r.base.as_ref()).and_then(|b| b.commit.clone()),
            authors: self.range.map(Found::authors).unwrap_or_default(),
        }
    }

    fn view<'v>(
        &'v self,
        look: &'v Recheck,
        unclassified: Option<&'v [Unclassified]>,
        branches: Option<&'v [BranchStanding]>,
    ) -> GateView<'v> {
        GateView {
            run: &self.ground.run,
            pinned: self.pinned,
            facts: &self.ground.facts,
            checks: &look.checks,
            checks_at: look.at,
            releases: if self.releasing { &look.releases } else { &[] },
            tag: self.tag.map(|name| TagView {
                name,
                version: self.parsed.map(|p| &p.version),
                component: self.parsed.and_then(|p| p.component.as_deref()),
                event_sha: self.event_sha,
                now: look.tag.as_ref(),
            }),
            branches,
            app_id: self.ground.app_id,
            config: self.config,
            asked_at: self.asked_at,
            next_version: self.range.and_then(|r| r.next.as_ref()),
            unclassified,
            deploy: DeployView::default(),
        }
    }
}
