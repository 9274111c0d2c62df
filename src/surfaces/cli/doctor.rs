//! `lockkeeper doctor`: its arguments, and its findings as people read them.

use super::operator::Format;
use super::table::plain;
use crate::config::settings::Flags;
use crate::domain::Refusal;
use serde::{Deserialize, Serialize};

#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    pub settings: Flags,
    /// How to show the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// What was looked at and how it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable, for scripts: `key`, `permissions`, `events`, `installation`, `lent`, `webhook`,
    /// `clock`, `peer`, `data_dir`, `git`, `quota`.
    pub check: String,
    /// One sentence: what was found.
    pub found: String,
    /// Nothing when it is well.
    pub problem: Option<Refusal>,
}

impl Finding {
    pub fn well(check: &str, found: impl Into<String>) -> Self {
        Self { check: check.to_owned(), found: found.into(), problem: None }
    }
    pub fn bad(check: &str, problem: Refusal) -> Self {
        Self { check: check.to_owned(), found: problem.message.clone(), problem: Some(problem) }
    }
}

/// A line for each finding, and what to do below each bad one.
pub fn text(findings: &[Finding]) -> String {
    let mut out = String::new();
    for finding in findings {
        let (mark, code) = match &finding.problem {
            None => ("✓", String::new()),
            Some(problem) => ("✗", format!(" [{}]", problem.code)),
        };
        out += &format!("{mark} {:<12}  {}{code}\n", finding.check, plain(&finding.found));
        if let Some(problem) = &finding.problem {
            out += &format!("  {:<12}  {}\n", "", plain(&problem.fix));
        }
    }
    let bad = findings.iter().filter(|finding| finding.problem.is_some()).count();
    let end = match bad {
        0 => "\nEverything is as it must be.\n".to_owned(),
        n => format!("\n{n} of {} need you.\n", findings.len()),
    };
    out + &end
}
