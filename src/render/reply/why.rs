//! `/why`: what waits for what, and why something did not come about.

use super::{gates, here};
use crate::actions::outcome::Reason;
use crate::gates::asks_people;
use crate::render::markdown::{escape, prose};
use crate::render::when;

pub(super) fn text(reasons: &[Reason], prefix: &str) -> String {
    if reasons.is_empty() {
        return "Nothing waits, and nothing was refused lately.".to_owned();
    }
    reasons.iter().map(|reason| one(reason, prefix)).collect::<Vec<_>>().join("\n\n---\n\n")
}

fn one(reason: &Reason, prefix: &str) -> String {
    let what = reason.tag.as_ref().map(|tag| escape(tag.as_str()));
    let what = what.or_else(|| reason.sha.as_ref().map(|sha| format!("`{}`", sha.short()))).unwrap_or_default();
    let to = reason.environment.as_ref().map(|environment| format!(" to **{environment}**")).unwrap_or_default();
    let (verb, at) = (escape(&reason.workflow), when(reason.at));
    let mut out = if reason.active {
        format!("**{verb}** of {what}{to}, since {at} <sub>{}</sub>: {}", reason.run, waits(&reason.waits_for, prefix))
    } else {
        format!("**{verb}** of {what}{to} ended at {at} <sub>{}</sub>.", reason.run)
    };
    if let Some(refusal) = &reason.refusal {
        let (message, fix) = (prose(&here(&refusal.message, prefix)), prose(&here(&refusal.fix, prefix)));
        out += &format!("\n\n**{message}** {fix} <sub>{}</sub>", refusal.code);
    }
    if reason.gates.iter().any(|verdict| !verdict.status.advances()) {
        out += &format!("\n\n{}", gates(&reason.gates, prefix));
    }
    if reason.active && asks_people(&reason.gates).is_some() {
        let run = &reason.run;
        out += &format!("\n\n`{prefix}approve {run}` agrees to it, `{prefix}reject {run} --reason …` ends it.");
    }
    out
}

fn waits(all: &[String], prefix: &str) -> String {
    if all.is_empty() {
        return "it works, and waits for nothing.".to_owned();
    }
    let all: Vec<String> = all.iter().map(|one| prose(&here(one, prefix))).collect();
    format!("it waits for {}", all.join("; "))
}
