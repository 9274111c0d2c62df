//! An open pull request: what merging it would do to the next version and the notes, and whether it breaks the
//! configuration. Each is a check run on the pull request's head.

use super::ground;
use super::range;
use super::report::{Outcome, State};
use crate::config::repo::{self, CONFIG_PATH};
use crate::domain::{Millis, RepoRef, Sha};
use crate::expect;
use crate::flow::{Flow, StepFailure, Stop, Workflow};
use crate::notes::bump::Bump;
use crate::plan::{Annotation, Call, CheckOutcome, CheckRunCall, CheckRunMade, Ground};
use crate::render::check::{Config, Preview, ProblemLine, Text};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub const WORKFLOW: Workflow = Workflow { name: "preview", version: 1, run };

/// GitHub takes this many annotations in one request.
const ANNOTATIONS: usize = 50;

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
        check_config(f, input, &here.text)?;
    }
    let text = preview(f, input, &ground)?;
    put(f, "check", input, "lockkeeper/release", CheckOutcome::Success, text, Vec::new())?;
    Ok(Outcome::new(State::Succeeded).at(&input.head))
}

/// The configuration that this pull request brings, with every problem at its line.
fn check_config(f: &mut Flow, input: &Input, text: &str) -> Result<(), Stop> {
    let report = repo::check(text, &|expression| expect::compile(expression).map(|_| ()));
    let problems: Vec<ProblemLine> = match &report.outcome {
        Ok(_) => Vec::new(),
        Err(problems) => problems.0.iter().map(shown).collect(),
    };
    let warnings: Vec<String> = report.warnings.iter().map(|w| format!("{} {}", w.message, w.fix)).collect();
    let remark = |p: &ProblemLine| Annotation {
        path: CONFIG_PATH.to_owned(),
        line: p.line,
        column: p.column,
        title: p.code.clone(),
        message: format!("{} {}", p.message, p.fix),
    };
    let annotations = problems.iter().take(ANNOTATIONS).map(remark).collect();
    let outcome = if problems.is_empty() { CheckOutcome::Success } else { CheckOutcome::Failure };
    let page = Config { path: CONFIG_PATH, problems: &problems, warnings: &warnings }.text();
    put(f, "check.config", input, "lockkeeper/config", outcome, page, annotations)
}

fn shown(problem: &crate::config::problem::Problem) -> ProblemLine {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    ProblemLine {
        line: number(problem.line),
        column: number(problem.column),
        code: problem.code.clone(),
        message: problem.message.clone(),
        fix: problem.fix.clone(),
    }
}

fn preview(f: &mut Flow, input: &Input, ground: &Ground) -> Result<Text, Stop> {
    let facts = &ground.facts;
    let scheme = match ground::settings(&facts.config).and_then(|config| ground::scheme(&config)) {
        Ok(scheme) => scheme,
        Err(refusal) => return Ok(trouble(&refusal.message)),
    };
    let found = range::find(f, &input.repo, facts, &scheme, None, &input.head)?;
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

fn put(
    f: &mut Flow,
    step: &str,
    input: &Input,
    name: &str,
    outcome: CheckOutcome,
    text: Text,
    annotations: Vec<Annotation>,
) -> Result<(), Stop> {
    let call = Call::CheckRun(CheckRunCall {
        repo: input.repo.clone(),
        name: name.to_owned(),
        sha: input.head.clone(),
        update: None,
        outcome: Some(outcome),
        title: text.title,
        summary: text.summary,
        details_url: None,
        annotations,
    });
    let made: Result<CheckRunMade, StepFailure> = f.try_step(step, &call)?;
    // A preview is help: where GitHub does not take it, nothing else is lost.
    drop(made);
    Ok(())
}
