//! From text to [`RepoConfig`], or to every problem at once.
//!
//! Invariants: never panics; every position lies inside the text; a file of the largest size allowed, however nested or
//! repetitive, is judged within milliseconds (its size, its depth and the number of reported problems are bounded).

use super::raw::File;
use super::schema::Part;
use super::shape::{Finding, ValidateExpression, Walk, capital};
use super::{RepoConfig, gate_rules, links, lower, rollout, watch};
use crate::config::problem::{Lines, Problem, Problems};
use serde::Deserialize;
use std::collections::BTreeSet;
use toml::de::DeTable;

/// Largest file, in bytes.
pub const SIZE_LIMIT: usize = 64 * 1024;

/// How many problems are shown; a file with more is not one that somebody mends entry by entry.
const PROBLEM_LIMIT: usize = 100;

/// What there is to say about a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The configuration, or what stands in its way.
    pub outcome: Result<RepoConfig, Problems>,
    /// Settings that are valid but that this version cannot enforce: what they guard is refused.
    pub warnings: Vec<Problem>,
}

/// The configuration, or every problem of the file. `validate_expression` judges CEL.
pub fn parse(text: &str, validate_expression: ValidateExpression<'_>) -> Result<RepoConfig, Problems> {
    check(text, validate_expression).outcome
}

/// As [`parse`], with warnings.
pub fn check(text: &str, validate_expression: ValidateExpression<'_>) -> Report {
    let lines = Lines::new(text);
    let mut walk = Walk::new(validate_expression);
    if text.len() > SIZE_LIMIT {
        let message = format!("The file has {} bytes; at most {SIZE_LIMIT} are read.", text.len());
        walk.report(SIZE_LIMIT..SIZE_LIMIT, "too_large", message, "Make the file shorter.");
        return refused(&lines, walk.findings, Vec::new());
    }
    let (file, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        syntax(&mut walk, error);
    }
    let broken = std::mem::take(&mut walk.findings);
    if let Some(root) = Part::root() {
        walk.table(root, file.get_ref(), file.span());
    }
    links::check(&mut walk, file.get_ref());
    rollout::check(&mut walk, file.get_ref());
    gate_rules::check(&mut walk, file.get_ref());
    watch::check(&mut walk, file.get_ref());
    drop_echoes(text, &lines, &mut walk.findings, broken);
    let Walk { mut findings, mut later, .. } = walk;
    later.sort_by_key(|l| l.span.start);
    let warnings = later.iter().map(|l| problem(&lines, warning(l))).collect();
    if findings.is_empty() {
        let order = in_file_order(file.get_ref());
        let raw = File::deserialize(toml::de::Deserializer::from(file)).map_err(|e| e.message().to_owned());
        match raw.and_then(|raw| lower::lower(raw, &order, &later)) {
            Ok(config) => return Report { outcome: Ok(config), warnings },
            Err(why) => findings.push(Finding {
                span: 0..0,
                code: "internal",
                message: format!(
                    "Lockkeeper could not read the file, though it found no mistake in it: {}.",
                    why.escape_debug()
                ),
                fix: "Report this to the authors of Lockkeeper.".into(),
            }),
        }
    }
    refused(&lines, findings, warnings)
}

/// A syntax error leaves half a line behind: what else is said about that line, or about keys that its table misses, may
/// only be its echo.
fn drop_echoes(text: &str, lines: &Lines<'_>, findings: &mut Vec<Finding>, broken: Vec<Finding>) {
    if broken.is_empty() {
        return;
    }
    let spoiled: BTreeSet<usize> = broken.iter().map(|b| lines.place(b.span.clone()).0).collect();
    let headers: BTreeSet<usize> =
        text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with('[')).map(|(i, _)| i + 1).collect();
    let echo = |f: &Finding| {
        let first = lines.place(f.span.clone()).0;
        let next = headers.range(first + 1..).next().copied().unwrap_or(usize::MAX);
        let last = if f.code.starts_with("missing_") { next } else { first + 1 };
        spoiled.range(first..last).next().is_some()
    };
    findings.retain(|finding| !echo(finding));
    findings.extend(broken);
}

fn refused(lines: &Lines<'_>, findings: Vec<Finding>, warnings: Vec<Problem>) -> Report {
    let sorted: BTreeSet<Problem> = findings.into_iter().map(|finding| problem(lines, finding)).collect();
    let hidden = sorted.len().saturating_sub(PROBLEM_LIMIT);
    let mut problems: Vec<Problem> = sorted.into_iter().take(PROBLEM_LIMIT).collect();
    if let (1.., Some(last)) = (hidden, problems.last().cloned()) {
        let message = format!("There are {hidden} more problems.");
        problems.push(Problem { code: "more_problems".into(), message, fix: "Mend these first.".into(), ..last });
    }
    Report { outcome: Err(Problems(problems)), warnings }
}

fn problem(lines: &Lines<'_>, finding: Finding) -> Problem {
    let (line, column, length) = lines.place(finding.span);
    Problem { line, column, length, code: finding.code.into(), message: finding.message, fix: finding.fix }
}

fn syntax(walk: &mut Walk<'_>, error: &toml::de::Error) {
    let (code, fix) = match error.message() {
        "recursion limit" => ("too_deep", "Use fewer levels."),
        m if m.starts_with("duplicate key") => ("duplicate_key", "Keep one of the two."),
        _ => ("syntax", "See https://toml.io for how the file is written."),
    };
    let message = match code {
        "too_deep" => "The file is nested too deeply.".into(),
        _ => format!("{}.", capital(error.message())),
    };
    walk.report(error.span().unwrap_or(0..0), code, message, fix);
}

fn warning(later: &super::shape::Later) -> Finding {
    let what = match later.path.as_slice() {
        [root, name, ..] if root == "environments" => format!("deployments to {name} are refused"),
        [root, name, ..] if root == "targets" => format!("deployments by the target {name} are refused"),
        _ => "releases are refused".into(),
    };
    Finding {
        span: later.span.clone(),
        code: "not_supported_yet",
        message: format!("This version cannot enforce `{}`; {what} until you remove it.", later.label),
        fix: "Remove it, or wait for a version that can.".into(),
    }
}

/// Names of the environments as they stand in the file.
fn in_file_order(file: &DeTable<'_>) -> Vec<String> {
    let table = file.get("environments").and_then(|node| node.get_ref().as_table());
    let mut names: Vec<(usize, String)> =
        table.into_iter().flatten().map(|(key, _)| (key.span().start, key.get_ref().to_string())).collect();
    names.sort();
    names.into_iter().map(|(_, name)| name).collect()
}
