//! An open pull request: what merging it would do to the next version and the notes, and whether it breaks the
//! configuration. Each is a check run on the pull request's head.

use super::report::{Outcome, State};
use super::{configuration, ground, range};
use crate::domain::{Millis, RepoRef, Sha};
use crate::flow::{Flow, StepFailure, Stop, Workflow};
use crate::notes::bump::Bump;
use crate::plan::{Call, CheckOutcome, CheckRunCall, CheckRunMade, Ground};
use crate::render::check::{Preview, Text};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub const WORKFLOW: Workflow = Workflow { name: "preview", version: 1, run };

/// The check run that says it.
pub(super) const CHECK: &str = "lockkeeper/release";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    pub repo: RepoRef,
    pub number: u64,
    pub head: Sha,
    pub asked_at: Millis,
}

fn run(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
    let input: Input = super::read_input(input)?;
    let outcome = match story(f, &input) {
        Err(Stop::Failed(failure)) => Outcome::refused(State::Failed, failure.refusal).at(&input.head),
        other => other?,
    };
    f.finish(&outcome)
}

fn story(f: &mut Flow, input: &Input) -> Result<Outcome, Stop> {
    let read = Call::ReadCommit { repo: input.repo.clone(), tag: None, sha: Some(input.head.clone()) };
    let ground: Ground = f.step("facts", &read)?;
    let (now, here) = (ground.facts.config.as_ref().ok(), ground.facts.config_here.as_ref().ok());
    if let (Some(now), Some(Some(here))) = (now, here)
        && now.as_ref().map(|file| &file.text) != Some(&here.text)
    {
        configuration::report(f, &input.repo, &input.head, &here.text)?;
    }
    let text = text(f, &input.repo, &input.head, &ground)?;
    put(f, &input.repo, &input.head, CheckOutcome::Success, text)?;
    Ok(Outcome::new(State::Succeeded).at(&input.head))
}

/// What merging this commit would do.
pub(super) fn text(f: &mut Flow, repo: &RepoRef, head: &Sha, ground: &Ground) -> Result<Text, Stop> {
    let facts = &ground.facts;
    let scheme = match ground::settings(&facts.config).and_then(|config| ground::scheme(&config)) {
        Ok(scheme) => scheme,
        Err(refusal) => return Ok(trouble(&refusal.message)),
    };
    let found = range::find(f, repo, facts, &scheme, None, head)?;
    let current = found.base.as_ref().map(|b| b.tag.to_string());
    let next = found.next.as_ref().map(ToString::to_string);
    let nameless: Vec<String> = found.nameless().iter().map(|u| format!("{} {}", u.sha.short(), u.subject)).collect();
    let lines: Vec<String> = found.changes.entries.iter().filter(|e| !e.reverted).map(entry).collect();
    let notes = (!lines.is_empty()).then(|| lines.join("\n"));
    let page = Preview {
        current: current.as_deref(),
        next: next.as_deref(),
        bump: word(found.bump),
        unclassified: &nameless,
        trouble: None,
        notes: notes.as_deref(),
    };
    Ok(page.text())
}

fn entry(entry: &crate::notes::Entry) -> String {
    use crate::render::markdown::escape;
    let scope = entry.scope.as_deref().map(|s| format!("({})", escape(s))).unwrap_or_default();
    let mark = if entry.breaking { " **breaking**" } else { "" };
    format!("- {}{scope}: {}{mark}", escape(&entry.kind), escape(&entry.description))
}

fn trouble(why: &str) -> Text {
    Preview { current: None, next: None, bump: "", unclassified: &[], trouble: Some(why), notes: None }.text()
}

fn word(bump: Bump) -> &'static str {
    match bump {
        Bump::None => "none",
        Bump::Patch => "patch",
        Bump::Minor => "minor",
        Bump::Major => "major",
    }
}

pub(super) fn check_run(repo: &RepoRef, head: &Sha, name: &str, outcome: CheckOutcome, text: Text) -> Call {
    Call::CheckRun(CheckRunCall {
        repo: repo.clone(),
        name: name.to_owned(),
        sha: head.clone(),
        queued: false,
        update: None,
        outcome: Some(outcome),
        title: text.title,
        summary: text.summary,
        details_url: None,
        annotations: Vec::new(),
        actions: Vec::new(),
    })
}

pub(super) fn put(f: &mut Flow, repo: &RepoRef, head: &Sha, outcome: CheckOutcome, text: Text) -> Result<(), Stop> {
    let made: Result<CheckRunMade, StepFailure> = f.try_step("check", &check_run(repo, head, CHECK, outcome, text))?;
    // A preview is help: where GitHub does not take it, nothing else is lost.
    drop(made);
    Ok(())
}
