//! Gates in a loop: judge, wait for something to change, look again. Gates pass only on a second look, so that nothing is
//! done on the strength of a read from before a wait.
//!
//! A look is a request, so a run that waits for checks by name looks again when the last of them has come or one has failed,
//! not at each; events can be lost, so it looks at longer and longer intervals anyway.
//!
//! Known race: what changes between the last look and the effect; whoever publishes looks again when the look is old.

use super::place::{Going, Place};
use super::range::Found;
use super::report::{failed_checks, refusal_of};
use crate::config::repo::{GatePolicy, RepoConfig};
use crate::domain::{CheckChange, CheckSource, CheckState, Millis, Recheck, Refusal, RepoRef, Sha, Tag, Unreadable};
use crate::flow::{Flow, Stop, Waited};
use crate::gates::{self, BranchStanding, DeployView, GateView, Status, TagView, Unclassified, Verdict};
use crate::notes::tags::ParsedTag;
use crate::plan::{Call, Ground};
use crate::workflow::FailedCheck;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// The first time between two looks while a run waits; doubled with each look, because events can be lost but seldom are.
const LOOK_AGAIN: Duration = Duration::from_secs(5 * 60);
const LOOK_AT_LEAST: Duration = Duration::from_secs(60 * 60);

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
    /// For a deployment: where to.
    pub going: Option<Going<'a>>,
    /// Begins the names of the steps; empty, but for gates that are passed anew in the same run.
    pub prefix: &'a str,
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
    let mut seen = false;
    for round in 0_u32.. {
        seen |= shows_checks(&look, case.ground.app_id);
        vanished(&mut look, seen, case.ground.app_id);
        let found = case.range.map(|range| range.within(&look));
        // The first read does not know whose commits these are. It passes nothing by itself; the second look does.
        let unclassified = found.as_ref().map(|found| match found.folder {
            Some(_) if round == 0 => Vec::new(),
            _ => found.nameless(),
        });
        let place = case.place(f, &case.step(&format!("place.{round}")))?;
        let now = f.now();
        let view = case.view(&look, found.as_ref(), unclassified.as_deref(), branches.as_deref(), place.as_ref());
        let judged = f.record(&case.step(&format!("gates.{round}")), || Judged {
            at: now,
            verdicts: gates::judge_all(case.gates, &view, now),
        })?;
        let overall = gates::overall(&judged.verdicts);
        match (overall.status, overall.ask_again) {
            (Status::Pass, _) if round > 0 => return Ok(Gated::Passed { verdicts: judged.verdicts, look }),
            (Status::Pass, _) => {}
            (_, None) => return Ok(refused(judged.verdicts, &look)),
            (_, Some(ask_again)) => {
                show(f, &judged.verdicts)?;
                let until = ask_again.min(judged.at.plus(between_looks(round)));
                if let Some(reason) = wait(f, &case.step(&format!("wake.{round}")), awaited(&judged.verdicts), until)? {
                    return Ok(Gated::Cancelled(reason));
                }
            }
        }
        let again: Recheck = f.step(&case.step(&format!("look.{}", round + 1)), &case.recheck(look.touched.is_none()))?;
        // Which commits touch a folder does not change while the run waits.
        look = Recheck { touched: again.touched.or(look.touched), ..again };
    }
    Err(Stop::Suspended)
}

fn between_looks(round: u32) -> Duration {
    LOOK_AGAIN.saturating_mul(1 << round.min(4)).min(LOOK_AT_LEAST)
}

/// The checks that must come before another look can be worth it; none when something else is waited for too.
fn awaited(verdicts: &[Verdict]) -> Vec<String> {
    let open: Vec<&Verdict> = verdicts.iter().filter(|v| !v.status.advances()).collect();
    match open.as_slice() {
        [only] if only.code == "checks_pending" => only.names.clone(),
        _ => Vec::new(),
    }
}

/// Waits until a look is worth it; gives the reason when somebody stopped the run.
fn wait(f: &mut Flow, step: &str, mut awaited: Vec<String>, until: Millis) -> Result<Option<String>, Stop> {
    for nth in 0_u32.. {
        let name = if nth == 0 { step.to_owned() } else { format!("{step}.{nth}") };
        match f.signal_or_timeout(&name, "wake", Some(until))? {
            Waited::Cancelled(reason) => return Ok(Some(reason)),
            Waited::TimedOut => return Ok(None),
            Waited::Signalled(told) => {
                if awaited.is_empty() || !told.iter().all(|value| came(value, &mut awaited)) || awaited.is_empty() {
                    return Ok(None);
                }
            }
        }
    }
    Err(Stop::Suspended)
}

/// Strikes out the check that a signal names; false when the signal says more than that a check has passed.
fn came(told: &Value, awaited: &mut Vec<String>) -> bool {
    let Ok(check) = CheckChange::deserialize(told) else { return false };
    if !matches!(check.state, CheckState::Success | CheckState::Neutral) {
        return false;
    }
    let name = gates::shown(&check.name);
    if let Some(at) = awaited.iter().position(|known| *known == name) {
        awaited.remove(at);
    }
    true
}

/// Whether a check of somebody else is on the commit.
fn shows_checks(look: &Recheck, own_app: u64) -> bool {
    let others = |source: &CheckSource| !matches!(source, CheckSource::CheckRun { app_id, .. } if *app_id == own_app);
    look.checks.as_ref().is_ok_and(|items| items.iter().any(|item| others(&item.source)))
}

/// GitHub does not forget checks: a list without those that were there is a list that could not be read.
fn vanished(look: &mut Recheck, seen: bool, own_app: u64) {
    if seen && look.checks.is_ok() && !shows_checks(look, own_app) {
        look.checks = Err(Unreadable { reason: "GitHub lists none of the checks that were there before".to_owned() });
    }
}

/// Whether everything passes at this moment.
pub(super) fn holds(f: &mut Flow, case: &Case) -> Result<bool, Stop> {
    let look: Recheck = f.step(&case.step("look"), &case.recheck(false))?;
    Ok(gates::overall(&once(f, case, &look)?).status == Status::Pass)
}

/// The answers on this look, for somebody who only asks.
pub(super) fn once(f: &mut Flow, case: &Case, look: &Recheck) -> Result<Vec<Verdict>, Stop> {
    let branches = branches(f, case)?;
    let found = case.range.map(|range| range.within(look));
    let unclassified = found.as_ref().map(Found::nameless);
    let place = case.place(f, &case.step("place"))?;
    let now = f.now();
    let view = case.view(look, found.as_ref(), unclassified.as_deref(), branches.as_deref(), place.as_ref());
    f.record(&case.step("gates"), || gates::judge_all(case.gates, &view, now))
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
    f.step(&case.step("branches"), &call).map(Some)
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
        touched: None,
    }
}

impl Case<'_> {
    fn step(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn place(&self, f: &mut Flow, step: &str) -> Result<Option<Place>, Stop> {
        self.going.as_ref().map(|going| going.read(f, step, self.gates)).transpose()
    }

    /// Asks, with the gates' questions, what the notes need to know: one request answers all. `apart`: also which commits
    /// touch the component's folder.
    pub(super) fn recheck(&self, apart: bool) -> Call {
        Call::Recheck {
            repo: self.repo.clone(),
            tag: self.tag.cloned(),
            sha: self.pinned.clone(),
            base: self.range.and_then(|r| r.base.as_ref()).and_then(|b| b.commit.clone()),
            authors: self.range.map(Found::authors).unwrap_or_default(),
            folder: self.range.filter(|_| apart).and_then(|r| r.folder.clone()),
        }
    }

    fn view<'v>(
        &'v self,
        look: &'v Recheck,
        found: Option<&'v Found>,
        unclassified: Option<&'v [Unclassified]>,
        branches: Option<&'v [BranchStanding]>,
        place: Option<&'v Place>,
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
            next_version: found.and_then(|found| found.next.as_ref()),
            unclassified,
            deploy: self.going.as_ref().zip(place).map_or_else(DeployView::default, |(going, place)| going.view(place)),
        }
    }
}
