//! The check run `lockkeeper/config`: every mistake of a commit's `.github/lockkeeper.toml`, each at its line.

use crate::config::problem::Problem;
use crate::config::repo::{self, CONFIG_PATH};
use crate::domain::{FileAt, RepoRef, Sha, Unreadable};
use crate::expect;
use crate::flow::{Flow, StepFailure, Stop};
use crate::plan::{Annotation, Call, CheckOutcome, CheckRunCall, CheckRunMade};
use crate::render::check::{Config, ProblemLine};

pub(super) const CHECK: &str = "lockkeeper/config";
/// GitHub takes this many annotations in one request.
const ANNOTATIONS: usize = 50;

/// Reports on the file as it is at this commit.
pub(super) fn report(f: &mut Flow, repo: &RepoRef, sha: &Sha, text: &str) -> Result<(), Stop> {
    let report = repo::check(text, &|expression| expect::compile(expression).map(|_| ()));
    let problems: Vec<ProblemLine> = match &report.outcome {
        Ok(_) => Vec::new(),
        Err(problems) => problems.0.iter().map(shown).collect(),
    };
    let warnings: Vec<String> = report.warnings.iter().map(|w| format!("{} {}", w.message, w.fix)).collect();
    put(f, repo, sha, &problems, &warnings)
}

/// The same where somebody waits for an answer, whatever it is.
pub(super) fn report_any(
    f: &mut Flow,
    repo: &RepoRef,
    sha: &Sha,
    file: &Result<Option<FileAt>, Unreadable>,
) -> Result<(), Stop> {
    match file {
        Ok(Some(file)) => report(f, repo, sha, &file.text),
        Ok(None) => put(f, repo, sha, &[], &["There is no such file here, which is in order: the defaults count.".to_owned()]),
        Err(why) => {
            let unreadable = ProblemLine {
                line: 1,
                column: 1,
                code: "config_unreadable".to_owned(),
                message: format!("The file could not be read: {}", why.reason),
                fix: "Give the App read access to the repository's contents and run this check again.".to_owned(),
            };
            put(f, repo, sha, &[unreadable], &[])
        }
    }
}

fn put(f: &mut Flow, repo: &RepoRef, sha: &Sha, problems: &[ProblemLine], warnings: &[String]) -> Result<(), Stop> {
    let outcome = if problems.is_empty() { CheckOutcome::Success } else { CheckOutcome::Failure };
    let page = Config { path: CONFIG_PATH, problems, warnings }.text();
    let call = Call::CheckRun(CheckRunCall {
        queued: false,
        repo: repo.clone(),
        name: CHECK.to_owned(),
        sha: sha.clone(),
        update: None,
        outcome: Some(outcome),
        title: page.title,
        summary: page.summary,
        details_url: None,
        annotations: problems.iter().take(ANNOTATIONS).map(remark).collect(),
        actions: Vec::new(),
    });
    let made: Result<CheckRunMade, StepFailure> = f.try_step("check.config", &call)?;
    // It is help: where GitHub does not take it, the mistakes are still refused wherever the file is needed.
    drop(made);
    Ok(())
}

fn remark(problem: &ProblemLine) -> Annotation {
    Annotation {
        path: CONFIG_PATH.to_owned(),
        line: problem.line,
        column: problem.column,
        title: problem.code.clone(),
        message: format!("{} {}", problem.message, problem.fix),
    }
}

fn shown(problem: &Problem) -> ProblemLine {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    ProblemLine {
        line: number(problem.line),
        column: number(problem.column),
        code: problem.code.clone(),
        message: problem.message.clone(),
        fix: problem.fix.clone(),
    }
}
