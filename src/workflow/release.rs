//! A pushed tag becomes a GitHub Release: read, gate, describe, draft, publish once, report; deployments go beside it.
//!
//! Invariants: no draft exists while a gate is pending; a draft that will not be published is deleted; whatever happens, the
//! tagged commit ends with a completed check run `lockkeeper/release` as far as GitHub takes one.

mod after;
mod page;
mod passed;

use self::page::{check_run, check_run_call, sheet};
use self::passed::Passed;
use super::gating::{self, Case, Gated};
use super::ground;
use super::range;
use super::released;
use super::report::{Outcome, State};
use crate::actions::deploy::Subject;
use crate::actions::publish::{self, ReadTag};
use crate::config::repo::RepoConfig;
use crate::domain::{Actor, Blame, EnvName, Millis, Refusal, RepoRef, Sha, Tag};
use crate::flow::{Flow, StepFailure, Stop, Workflow};
use crate::gates::Verdict;
use crate::notes::tags::{ParsedTag, Scheme};
use crate::plan::{Call, CheckOutcome, CheckRunMade, DraftMade, Ground, NotesMade, PublishMade};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub const WORKFLOW: Workflow = Workflow { name: "release", version: 1, run };

/// What starts a release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    pub repo: RepoRef,
    pub tag: Tag,
    /// The commit or tag object that the event named.
    pub event_sha: Option<Sha>,
    pub actor: Actor,
    /// When the event came in; deadlines count from here.
    pub asked_at: Millis,
    /// Another run or release knows this tag at another commit.
    #[serde(default)]
    pub moved_from: Option<Sha>,
    /// Found by the reconciler: a tag that has its release already is no trouble.
    #[serde(default)]
    pub found: bool,
}

fn run(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
    let input: Input = super::read_input(input)?;
    let mut shown = Shown { sha: input.event_sha.clone(), ..Shown::default() };
    let outcome = match story(f, &input, &mut shown) {
        Err(Stop::Failed(failure)) => broken(f, &input, failure, &shown)?,
        other => other?,
    };
    f.finish(&outcome)
}

/// What people can see of the run so far.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Shown {
    sha: Option<Sha>,
    /// It has said that it waits.
    waiting: bool,
    check_run: Option<u64>,
}

/// A release whose tag has been read.
struct Tagged<'a> {
    input: &'a Input,
    ground: &'a Ground,
    sha: Sha,
}

fn story(f: &mut Flow, input: &Input, shown: &mut Shown) -> Result<Outcome, Stop> {
    let read = Call::ReadCommit { repo: input.repo.clone(), tag: Some(input.tag.clone()), sha: None };
    let ground: Ground = f.step("facts", &read)?;
    let Some(sha) = ground.facts.tag.as_ref().map(|t| t.commit.clone()) else { return without_tag(f, input) };
    shown.sha = Some(sha.clone());
    let this = Tagged { input, ground: &ground, sha };
    let config = match ground::settings(&ground.facts.config) {
        Ok(config) => config,
        Err(refusal) => return this.refuse(f, State::Rejected, refusal, &[]),
    };
    let (scheme, parsed) = match ground::read_tag(&config, &input.tag) {
        Ok(Some(known)) => known,
        Ok(None) => return Ok(Outcome::new(State::Nothing).at(&this.sha)),
        Err(refusal) => return this.refuse(f, State::Rejected, refusal, &[]),
    };
    // An event that came late tells of an earlier place: the tag stands where the other run saw it, which reports there.
    if input.moved_from.as_ref() == Some(&this.sha) {
        return Ok(Outcome::new(State::Nothing).at(&this.sha));
    }
    if let Some(refusal) = this.moved() {
        return this.refuse(f, State::Rejected, refusal, &[]);
    }
    if input.found && ground.facts.releases.iter().any(|r| !r.draft) {
        return Ok(Outcome::new(State::Nothing).at(&this.sha));
    }
    this.release(f, &config, (&scheme, &parsed), shown)
}

/// The tag is gone before we could read it. There may be nothing to report on.
fn without_tag(f: &mut Flow, input: &Input) -> Result<Outcome, Stop> {
    let refusal = publish::gone(&input.tag);
    if let Some(sha) = &input.event_sha {
        let text = sheet(input, sha, Some(&refusal), &[]).text();
        let made: Result<CheckRunMade, StepFailure> =
            f.try_step("check", &check_run(input, sha, None, Some(CheckOutcome::Cancelled), text))?;
        // A tag object is no commit; then GitHub refuses the check run, and there is no other place to say it.
        drop(made);
    }
    Ok(Outcome::refused(State::Cancelled, refusal))
}

impl Tagged<'_> {
    fn moved(&self) -> Option<Refusal> {
        let from = self.input.moved_from.as_ref()?;
        Some(Refusal::user(
            "tag_moved",
            format!("The tag {} was seen at {} before and now stands at {}.", self.input.tag, from.short(), self.sha.short()),
            "Never move a tag that may have been used: put it back, or release the new commit under a new version.",
        ))
    }

    fn release(
        &self,
        f: &mut Flow,
        config: &RepoConfig,
        (scheme, parsed): (&Scheme, &ParsedTag),
        shown: &mut Shown,
    ) -> Result<Outcome, Stop> {
        let (input, facts) = (self.input, &self.ground.facts);
        let read = ReadTag { version: Some(parsed.version.clone()), component: parsed.component.clone() };
        let planned = f.record("plan", || publish::plan(&input.repo, &input.tag, &read, &input.actor, facts, config))?;
        let plan = match planned.and_then(|plan| range::baseline(&self.ground.released, facts, scheme, parsed).map(|()| plan)) {
            Ok(plan) => plan,
            Err(refusal) => return self.refuse(f, State::Rejected, refusal, &[]),
        };
        let found = range::find(f, &input.repo, facts, scheme, Some(parsed), &self.sha)?.of_component(config, parsed);
        let case = Case {
            repo: &input.repo,
            ground: self.ground,
            config,
            pinned: &self.sha,
            tag: Some(&input.tag),
            parsed: Some(parsed),
            event_sha: input.event_sha.as_ref(),
            gates: &plan.gates,
            asked_at: input.asked_at,
            range: Some(&found),
            releasing: true,
            going: None,
            job: None,
            prefix: "",
        };
        let gated = gating::pass(f, &case, shown, |f, verdicts, shown| self.show_waiting(f, verdicts, shown))?;
        match gated {
            Gated::Passed { verdicts, look, .. } => {
                let done =
                    Passed { facts, config, scheme, parsed, plan: &plan, found, verdicts, look, check_run: shown.check_run };
                self.publish(f, done)
            }
            Gated::Refused { verdicts, refusal, failed, expired } => {
                let state = match () {
                    () if expired => State::Expired,
                    // Who deletes a tag calls its release off.
                    () if refusal.code == "tag_gone" => State::Cancelled,
                    () => State::Rejected,
                };
                let mut outcome = self.refuse_with(f, state, refusal, &verdicts, shown.check_run)?;
                outcome.failed_checks = failed;
                Ok(outcome)
            }
            Gated::Cancelled(reason) => self.cancelled(f, &reason, shown.check_run),
        }
    }

    /// Puts up the check run once; while the run waits it says what for.
    fn show_waiting(&self, f: &mut Flow, verdicts: &[Verdict], shown: &mut Shown) -> Result<(), Stop> {
        if std::mem::replace(&mut shown.waiting, true) {
            return Ok(());
        }
        let text = sheet(self.input, &self.sha, None, verdicts).text();
        let made: Result<CheckRunMade, StepFailure> =
            f.try_step("check.pending", &check_run(self.input, &self.sha, None, None, text))?;
        // Without it the run goes on: the check run at the end says the same.
        shown.check_run = made.ok().map(|made| made.id);
        Ok(())
    }

    fn publish(&self, f: &mut Flow, mut passed: Passed) -> Result<Outcome, Stop> {
        let input = self.input;
        self.start_deployments(f, &passed)?;
        passed.found.settle(f, &input.repo, &passed.look)?;
        passed.found = passed.found.within(&passed.look);
        let config = passed.config.release.notes.as_ref();
        let call = passed.found.notes_call(&input.repo, &input.tag, &passed.look, config, input.asked_at);
        let notes: NotesMade = f.step("notes", &call)?;
        let draft: DraftMade = f.step("draft", &passed.draft_call(input, &self.sha, &notes))?;
        f.on_undo("draft.undo", &Call::DeleteDraft { repo: input.repo.clone(), release: draft.id })?;
        if !passed.config.release.publish_after.is_empty() {
            self.show_draft(f, &mut passed)?;
        }
        self.await_environments(f, passed.config)?;
        let published: PublishMade = f.step("publish", &passed.publish_call(input, &self.sha, draft.id))?;
        self.report_success(f, &passed, &notes, &published)?;
        if let Some(child) = passed.telling(input, &published.url) {
            f.spawn("released", released::WORKFLOW.name, &child.key(), &child)?;
        }
        let mut outcome = Outcome::new(State::Succeeded).at(&self.sha);
        outcome.version = Some(passed.parsed.version.to_string());
        outcome.url = Some(published.url);
        Ok(outcome)
    }

    /// Says that the release is written and waits for environments.
    fn show_draft(&self, f: &mut Flow, passed: &mut Passed) -> Result<(), Stop> {
        let names: Vec<&str> = passed.config.release.publish_after.iter().map(EnvName::as_str).collect();
        let mut text = sheet(self.input, &self.sha, None, &passed.verdicts).text();
        text.title = format!("A draft until {} runs it", names.join(" and "));
        let call = check_run(self.input, &self.sha, passed.check_run, None, text);
        let made: Result<CheckRunMade, StepFailure> = f.try_step("check.draft", &call)?;
        passed.check_run = made.ok().map(|made| made.id).or(passed.check_run);
        Ok(())
    }

    /// Deployments go beside the release: they have gates of their own and do not hold it up.
    fn start_deployments(&self, f: &mut Flow, passed: &Passed) -> Result<(), Stop> {
        let input = self.input;
        for name in publish::environments(passed.config, Some(&passed.parsed.version)) {
            let child = super::deploy::Input {
                repo: input.repo.clone(),
                environment: name.clone(),
                subject: Subject {
                    sha: self.sha.clone(),
                    tag: Some(input.tag.clone()),
                    version: Some(passed.parsed.version.to_string()),
                    component: passed.parsed.component.clone(),
                },
                actor: input.actor.clone(),
                asked_at: input.asked_at,
                automatic: true,
                rollback: false,
                reason: None,
                strategy: None,
                wait: false,
                remarks: Vec::new(),
                taken: None,
                by_comment: None,
                leaving: None,
                configured: None,
            };
            let key = super::deploy::key(&input.repo, &name, &self.sha, Some(&input.tag), 1);
            f.spawn(&format!("deploy.{name}"), super::deploy::WORKFLOW.name, &key, &child)?;
        }
        Ok(())
    }

    fn report_success(&self, f: &mut Flow, passed: &Passed, notes: &NotesMade, published: &PublishMade) -> Result<(), Stop> {
        let remarks = passed.remarks(notes);
        let previous = passed.found.base.as_ref().map(|b| b.tag.to_string());
        let mut page = sheet(self.input, &self.sha, None, &passed.verdicts);
        page.url = Some(&published.url);
        page.previous = previous.as_deref();
        page.remarks = &remarks;
        page.notes = Some(&notes.markdown);
        let mut call = check_run_call(self.input, &self.sha, passed.check_run, Some(CheckOutcome::Success), page.text());
        call.details_url = Some(published.url.clone());
        let made: Result<CheckRunMade, StepFailure> = f.try_step("check", &Call::CheckRun(call))?;
        // The release is out; a check run that GitHub does not take changes nothing about that.
        drop(made);
        Ok(())
    }

    fn refuse(&self, f: &mut Flow, state: State, refusal: Refusal, verdicts: &[Verdict]) -> Result<Outcome, Stop> {
        self.refuse_with(f, state, refusal, verdicts, None)
    }

    fn refuse_with(
        &self,
        f: &mut Flow,
        state: State,
        refusal: Refusal,
        verdicts: &[Verdict],
        pending: Option<u64>,
    ) -> Result<Outcome, Stop> {
        let outcome = match state {
            State::Expired => CheckOutcome::TimedOut,
            State::Cancelled => CheckOutcome::Cancelled,
            _ => CheckOutcome::Failure,
        };
        let text = sheet(self.input, &self.sha, Some(&refusal), verdicts).text();
        let made: Result<CheckRunMade, StepFailure> =
            f.try_step("check", &check_run(self.input, &self.sha, pending, Some(outcome), text))?;
        // The refusal stands also where GitHub does not take the check run; the run's record has it.
        drop(made);
        Ok(Outcome::refused(state, refusal).at(&self.sha))
    }

    fn cancelled(&self, f: &mut Flow, reason: &str, pending: Option<u64>) -> Result<Outcome, Stop> {
        let refusal = Refusal::user(
            "cancelled",
            format!("The release was stopped: {reason}."),
            "Re-run this check if it is wanted after all.",
        );
        let text = sheet(self.input, &self.sha, Some(&refusal), &[]).text();
        let made: Result<CheckRunMade, StepFailure> =
            f.try_step("check", &check_run(self.input, &self.sha, pending, Some(CheckOutcome::Cancelled), text))?;
        // Where the App is gone nobody can be told.
        drop(made);
        Ok(Outcome::refused(State::Cancelled, refusal).at(&self.sha))
    }
}

/// A step failed for good, or the run was stopped while it waited: undo, say so, end.
fn broken(f: &mut Flow, input: &Input, failure: StepFailure, shown: &Shown) -> Result<Outcome, Stop> {
    let left = f.unwind()?;
    let mut refusal = failure.refusal;
    if !left.is_empty() {
        refusal.fix = format!("{} A draft release may be left behind: delete it.", refusal.fix);
    }
    let (state, end) = match () {
        () if refusal.code == "cancelled" => (State::Cancelled, CheckOutcome::Cancelled),
        () if failure.dead && refusal.blame != Blame::Us => (State::Expired, CheckOutcome::TimedOut),
        () => (State::Failed, CheckOutcome::Failure),
    };
    let mut outcome = Outcome::refused(state, refusal.clone());
    if let Some(sha) = &shown.sha {
        let text = sheet(input, sha, Some(&refusal), &[]).text();
        let call = check_run(input, sha, shown.check_run, Some(end), text);
        let made: Result<CheckRunMade, StepFailure> = f.try_step("check.broken", &call)?;
        // Nothing more can be said where GitHub takes no check run.
        drop(made);
        outcome = outcome.at(sha);
    }
    Ok(outcome)
}
