//! Gates in a loop: judge, wait for something to change, look again. Gates pass only on a second look, so that nothing is
//! done on the strength of a read from before a wait.
//!
//! A look is a request, so a run that waits for checks by name looks again when the last of them has come or one has failed,
//! not at each; events can be lost, so it looks at longer and longer intervals anyway. While nothing but our own record and the
//! clock can open a gate (a soak, a window, a lock), they are what is looked at, and GitHub only every hour.
//!
//! Known race: what changes between the last look and the effect; whoever publishes looks again when the look is old.

use super::asking::Asked;
use super::attesting::Attested;
use super::pace::early;
use super::place::{Going, Place};
use super::range::Found;
use super::report::{failed_checks, refusal_of};
use super::waking::{Woken, awaited, wait};
use crate::config::repo::{GatePolicy, RepoConfig};
use crate::domain::{Artifact, CheckSource, Millis, Recheck, Refusal, RepoRef, Sha, Tag, Unreadable};
use crate::flow::{Flow, Stop, Turn};
use crate::gates::{self, BranchStanding, DeployView, GateView, Status, TagView, Unclassified, Verdict};
use crate::notes::tags::ParsedTag;
use crate::plan::{Call, Ground};
use crate::workflow::FailedCheck;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
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
    /// A job of a workflow waits for the answer, until then at most.
    pub job: Option<Millis>,
    /// Begins the names of the steps; empty, but for gates that are passed anew in the same run.
    pub prefix: &'a str,
}

/// How the gates came out.
#[derive(Serialize, Deserialize)]
pub enum Gated {
    /// `artifacts`: the files that gates were about.
    Passed {
        verdicts: Vec<Verdict>,
        look: Recheck,
        #[serde(default)]
        artifacts: Vec<Artifact>,
    },
    Refused {
        verdicts: Vec<Verdict>,
        refusal: Refusal,
        failed: Vec<FailedCheck>,
        expired: bool,
    },
    Cancelled(String),
}

#[derive(Serialize, Deserialize)]
struct Judged {
    at: Millis,
    verdicts: Vec<Verdict>,
}

/// What a wake says when only our own record has changed.
pub const OUR_RECORD: &str = "our_record";
/// The name of the loop.
pub const LOOP: &str = "gates";

/// What counts of the looks so far. `S` is what people have been shown.
#[derive(Serialize, Deserialize)]
struct Looked<S> {
    /// How often GitHub has been asked again.
    looks: u32,
    look: Recheck,
    /// Nothing has been waited for since that, so that the gates may pass.
    fresh: bool,
    /// A check of somebody else has been there.
    seen: bool,
    #[serde(default)]
    asked: Asked,
    #[serde(default)]
    attested: Attested,
    shown: S,
}

/// Runs the loop. `show` is called whenever the run has to wait; what it does to `shown` is kept.
pub fn pass<S: Clone + Serialize + DeserializeOwned>(
    f: &mut Flow,
    case: &Case,
    shown: &mut S,
    mut show: impl FnMut(&mut Flow, &[Verdict], &mut S) -> Result<(), Stop>,
) -> Result<Gated, Stop> {
    let branches = branches(f, case)?;
    let first = Looked {
        looks: 0,
        look: first_look(case.ground),
        fresh: false,
        seen: false,
        asked: Asked::default(),
        attested: Attested::default(),
        shown: shown.clone(),
    };
    let (gated, said) = f.fold(
        &case.step(LOOP),
        || first,
        |f, so: Looked<S>| {
            // Who cleans up after a failure in here knows what was shown before it.
            shown.clone_from(&so.shown);
            case.round(f, so, branches.as_deref(), |f, verdicts| show(f, verdicts, shown)).map(|turn| match turn {
                Turn::Next(so) => Turn::Next(Looked { shown: shown.clone(), ..so }),
                Turn::End(gated) => Turn::End((gated, shown.clone())),
            })
        },
    )?;
    *shown = said;
    Ok(gated)
}

impl Case<'_> {
    /// Judges, waits where it has to, and looks again.
    fn round<S>(
        &self,
        f: &mut Flow,
        mut so: Looked<S>,
        branches: Option<&[BranchStanding]>,
        show: impl FnOnce(&mut Flow, &[Verdict]) -> Result<(), Stop>,
    ) -> Result<Turn<Looked<S>, Gated>, Stop> {
        so.seen |= shows_checks(&so.look, self.ground.app_id);
        vanished(&mut so.look, so.seen, self.ground.app_id);
        let judged = self.judged(f, &so, branches)?;
        if self.read_attestations_in_turn(f, &mut so.attested, &so.look, &judged.verdicts)? {
            return Ok(Turn::Next(so));
        }
        if self.ask_in_turn(f, &mut so.asked, (judged.at, &judged.verdicts))? {
            return Ok(Turn::Next(so));
        }
        let overall = gates::overall(&judged.verdicts);
        match (overall.status, overall.ask_again) {
            (Status::Pass, _) if so.fresh => {
                let artifacts = so.attested.artifacts.and_then(Result::ok).unwrap_or_default();
                let artifacts = gates::deployed(self.gates, &artifacts);
                return Ok(Turn::End(Gated::Passed { verdicts: judged.verdicts, look: so.look, artifacts }));
            }
            (Status::Pass, _) => {}
            (_, None) => return Ok(Turn::End(refused(judged.verdicts, &so.look))),
            (_, Some(_)) if self.job.is_some_and(|until| judged.at >= until) => {
                return Ok(Turn::End(too_late(judged.verdicts)));
            }
            (_, Some(ask_again)) => {
                show(f, &judged.verdicts)?;
                // The first read knows too little to be the only one for long.
                let ours = so.looks > 0 && waits_for_us(&judged.verdicts);
                let pause = between_looks(ours, self.ground.run.as_str(), so.looks);
                let from = if ours { so.look.at } else { judged.at };
                let ask_again = self.next_answer(&so.asked, &judged.verdicts).unwrap_or(ask_again);
                let until = ask_again.min(from.plus(pause));
                let until = self.job.map_or(until, |end| until.min(end));
                so.asked.waited();
                so.attested.waited();
                match wait(f, awaited(&judged.verdicts), until)? {
                    Woken::Stopped(reason) => return Ok(Turn::End(Gated::Cancelled(reason))),
                    Woken::ByUs | Woken::ByTime if ours && self.woken(f)? < from.plus(pause) => {
                        return Ok(Turn::Next(Looked { fresh: false, ..so }));
                    }
                    Woken::ByUs | Woken::ByTime | Woken::ByOthers => {}
                }
            }
        }
        let again: Recheck = f.step("look", &self.recheck(so.look.touched.is_none()))?;
        // Which commits touch a folder does not change while the run waits.
        let look = Recheck { touched: again.touched.or(so.look.touched), ..again };
        self.read_missing_attestations(f, &mut so.attested, &look, &judged.verdicts)?;
        Ok(Turn::Next(Looked { looks: so.looks.saturating_add(1), look, fresh: true, ..so }))
    }

    fn woken(&self, f: &mut Flow) -> Result<Millis, Stop> {
        let now = f.now();
        f.record("woken", || now)
    }

    fn judged<S>(&self, f: &mut Flow, so: &Looked<S>, branches: Option<&[BranchStanding]>) -> Result<Judged, Stop> {
        let found = self.range.map(|range| range.within(&so.look));
        // The first read does not know whose commits these are. It passes nothing by itself; the second look does.
        let unclassified = found.as_ref().map(|found| match found.folder {
            Some(_) if so.looks == 0 => Vec::new(),
            _ => found.nameless(),
        });
        let place = self.place(f, "place")?;
        let now = f.now();
        let place = place.as_ref().map(|place| Told { place, asked: &so.asked, attested: &so.attested });
        let view = self.view(&so.look, found.as_ref(), unclassified.as_deref(), branches, place);
        f.record("judged", || Judged { at: now, verdicts: gates::judge_all(self.gates, &view, now) })
    }
}

/// Shorter by up to a quarter, so that runs which began together do not look together.
fn between_looks(ours: bool, run: &str, looks: u32) -> Duration {
    let longest = if ours { LOOK_AT_LEAST } else { LOOK_AGAIN.saturating_mul(1 << looks.min(4)).min(LOOK_AT_LEAST) };
    longest - early(longest / 4, run, looks)
}

/// Only our own record, the clock and web services can change the answer: asking GitHub again is for when everything else is
/// settled.
fn waits_for_us(verdicts: &[Verdict]) -> bool {
    verdicts.iter().filter(|verdict| !verdict.status.advances()).all(|open| gates::is_ours(open) || gates::is_asked(open))
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
    Ok(gates::overall(&once(f, case, &look, Services::InTurn)?).status == Status::Pass)
}

/// Whether a single look asks web services, and for attestations.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Services {
    None,
    /// If the gates before them pass.
    InTurn,
    All,
}

/// The answers on this look, for somebody who only asks.
pub(super) fn once(f: &mut Flow, case: &Case, look: &Recheck, services: Services) -> Result<Vec<Verdict>, Stop> {
    let branches = branches(f, case)?;
    let found = case.range.map(|range| range.within(look));
    let unclassified = found.as_ref().map(Found::nameless);
    let place = case.place(f, &case.step("place"))?;
    let judge = |f: &mut Flow, step: &str, asked: &Asked, attested: &Attested| {
        let (now, place) = (f.now(), place.as_ref().map(|place| Told { place, asked, attested }));
        let view = case.view(look, found.as_ref(), unclassified.as_deref(), branches.as_deref(), place);
        f.record(&case.step(step), || gates::judge_all(case.gates, &view, now))
    };
    let (mut asked, mut attested) = (Asked::default(), Attested::default());
    let mut verdicts = judge(f, "gates", &asked, &attested)?;
    let asks = |passed: bool| services == Services::All || (services == Services::InTurn && passed);
    if case.has_attestations() && asks(case.only_what_is_asked_is_open(&verdicts)) {
        case.read_attestations(f, case.prefix, &mut attested, look)?;
        verdicts = judge(f, "gates.attested", &asked, &attested)?;
    }
    if case.has_services() && asks(case.others_pass(&verdicts)) {
        case.ask_all(f, case.prefix, &mut asked)?;
        verdicts = judge(f, "gates.asked", &asked, &attested)?;
    }
    Ok(verdicts)
}

/// What others have told of a deployment.
#[derive(Clone, Copy)]
struct Told<'v> {
    place: &'v Place,
    asked: &'v Asked,
    attested: &'v Attested,
}

fn refused(verdicts: Vec<Verdict>, look: &Recheck) -> Gated {
    let (refusal, failed) = (refusal_of(&verdicts), failed_checks(&verdicts, &look.checks));
    let expired = refusal.code.ends_with("_deadline");
    Gated::Refused { verdicts, refusal, failed, expired }
}

/// Nobody waits for ever.
fn too_late(verdicts: Vec<Verdict>) -> Gated {
    let why = refusal_of(&verdicts);
    let text = format!("The time for an answer is over. {}", why.message);
    let refusal = Refusal { code: "answer_deadline".to_owned(), message: text, ..why };
    Gated::Refused { verdicts, refusal, failed: Vec::new(), expired: true }
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

    /// Whether these gates pass by our own record alone, as it was read.
    pub(super) fn passes_with(&self, gates: &[GatePolicy], place: &Place, now: Millis) -> bool {
        let (look, asked, attested) = (first_look(self.ground), Asked::default(), Attested::default());
        let view = self.view(&look, None, None, None, Some(Told { place, asked: &asked, attested: &attested }));
        gates::overall(&gates::judge_all(gates, &view, now)).status == Status::Pass
    }

    fn view<'v>(
        &'v self,
        look: &'v Recheck,
        found: Option<&'v Found>,
        unclassified: Option<&'v [Unclassified]>,
        branches: Option<&'v [BranchStanding]>,
        told: Option<Told<'v>>,
    ) -> GateView<'v> {
        let deploy = self.going.as_ref().zip(told).map(|(going, Told { place, asked, attested })| DeployView {
            http: &asked.answers,
            peers: &asked.peers,
            artifacts: attested.artifacts.as_ref(),
            attestations: attested.attestations.as_ref(),
            counts_from: asked.since.or(attested.since),
            for_job: self.job.is_some(),
            ..going.view(place)
        });
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
            deploy: deploy.unwrap_or_default(),
        }
    }
}
