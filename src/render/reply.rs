//! Replies on pull requests.

mod acts;
mod deployed;
mod overview;
mod why;

use super::check::mark;
use super::markdown::{code, escape, prose};
use super::{fit, here};
use crate::actions::outcome::{CheckReport, HealthReport, Outcome, Reason, Written};
use crate::domain::Refusal;
use crate::gates::Verdict;
use askama::Template;

pub use deployed::{Change, Deployed, Phase};

/// GitHub's limit for a comment, with room for the marker.
const LIMIT: usize = 65_000;

/// The hidden mark by which our reply about a run is found again.
pub fn marker(run: &str) -> String {
    format!("<!-- lockkeeper:run:{run} -->")
}

/// What stands around an answer: the command, and a refusal's own words.
const AROUND: usize = 500;

/// What one command was answered with: Markdown of ours, or why it was not done.
pub struct Answer<'a> {
    /// The command as it was written.
    pub line: &'a str,
    pub answer: Result<String, Refusal>,
}

/// The answers to all commands of one comment.
#[derive(Template)]
#[template(path = "reply/answers.md", config = "templates/askama.toml")]
pub struct Page<'a> {
    /// Who asked.
    pub to: &'a str,
    /// What commands begin with here.
    pub prefix: &'a str,
    pub answers: &'a [Answer<'a>],
}

impl Page<'_> {
    pub fn text(&self) -> String {
        // A template that compiled can only fail on a broken formatter.
        fit(self.render().unwrap_or_default().trim().to_owned(), LIMIT)
    }

    fn said(&self, text: &str) -> String {
        prose(&here(text, self.prefix))
    }

    /// A login with nothing in it that Markdown could make something of; an escaped `_` would be no mention.
    fn name(&self) -> String {
        self.to.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect()
    }
}

/// What a command answers, one of so many in a comment.
pub fn outcome(outcome: &Outcome, prefix: &str, answers: usize) -> String {
    let share = share(answers);
    let text = match outcome {
        // It has its own way to be cut: a fence has an end.
        Outcome::Notes(written) => return notes(written, share),
        Outcome::Status(overview) => overview::text(overview),
        Outcome::Health(report) => health(report),
        Outcome::Locks(locked) => acts::locks(locked, prefix),
        Outcome::Steered(steered) => acts::steered(steered, prefix),
        Outcome::Validated(validated) => acts::validated(validated, prefix),
        Outcome::Planned(planned) => acts::planned(planned, prefix),
        Outcome::Started(started) => acts::started(started, prefix),
        Outcome::Reviewed(reviewed) => acts::reviewed(reviewed),
    };
    fit(text, share)
}

/// On a pull request that a release has brought.
pub fn part_of(tag: &str, url: &str) -> String {
    format!("Released in [{}](<{url}>).", code(tag))
}

/// Why things wait or were refused.
pub fn why(reasons: &[Reason], prefix: &str, answers: usize) -> String {
    fit(why::text(reasons, prefix), share(answers))
}

/// A deployment as it is now. What is least of all needed is left out first: nothing is cut that has been begun.
pub fn deployment(view: Deployed<'_>, answers: usize) -> String {
    let share = share(answers);
    let fits = |text: &String| text.chars().count() <= share;
    let whole = Some(deployed::text(&view)).filter(fits);
    let view = Deployed { changes: &[], more: false, ..view };
    let shorter = whole.or_else(|| Some(deployed::text(&view)).filter(fits));
    let view = Deployed { gates: &[], progress: &[], ..view };
    shorter.unwrap_or_else(|| fit(deployed::text(&view), share))
}

/// A release that is over.
pub fn released(tag: &str, url: Option<&str>, refusal: Option<&Refusal>, prefix: &str) -> String {
    acts::released(tag, url, refusal, prefix)
}

/// Each has its share, so that none pushes another out of the reply.
fn share(answers: usize) -> usize {
    LIMIT / answers.max(1) - AROUND
}

/// The gates as a table, with what to do where they do not pass.
fn gates(verdicts: &[Verdict], prefix: &str) -> String {
    let row = |verdict: &Verdict| {
        let fix = Some(verdict.fix.as_str()).filter(|fix| !fix.is_empty() && !verdict.status.advances());
        let fix = fix.map(|fix| format!(" **{}**", prose(&here(fix, prefix)))).unwrap_or_default();
        format!("| **{}** | {} | {}{fix} |\n", escape(&verdict.gate), mark(&verdict.status), prose(&verdict.reason))
    };
    let rows: String = verdicts.iter().map(row).collect();
    format!("| Gate | | |\n|---|---|---|\n{}", rows.trim_end())
}

fn health(report: &HealthReport) -> String {
    if report.checks.is_empty() {
        return format!("**{}** has no health checks.", report.environment);
    }
    let row = |check: &CheckReport| {
        let fix = check.fix.as_deref().filter(|_| !check.ok).map(|fix| format!(" **{}**", prose(fix))).unwrap_or_default();
        format!("| {} | {} | {}{fix} |\n", if check.ok { "✅" } else { "❌" }, escape(&check.url), escape(&check.reason))
    };
    let word = if report.healthy { "healthy" } else { "not healthy" };
    let what = report.version.as_deref().map_or_else(|| report.sha.short().to_owned(), escape);
    let rows: String = report.checks.iter().map(row).collect();
    format!("**{}** is **{word}** at {what}.\n\n| | Check | |\n|---|---|---|\n{}", report.environment, rows.trim_end())
}

/// As source, so that nobody is mentioned by what is only a preview.
fn notes(written: &Written, share: usize) -> String {
    let longest = written.markdown.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let remarks: String = written.remarks.iter().map(|remark| format!("\n\n> {}", escape(remark))).collect();
    let remarks = fit(remarks, share / 4);
    let text = fit(written.markdown.trim_end().to_owned(), share / 2);
    format!("**{}** would be released with:\n\n{fence}markdown\n{text}\n{fence}{remarks}", escape(written.tag.as_str()))
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod deployed_tests;
