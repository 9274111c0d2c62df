//! What commands that change something, or judge, are answered with.

use super::overview::is_link;
use super::{gates, here};
use crate::actions::control::Verb;
use crate::actions::outcome::{Locked, Planned, Reviewed, Started, Steered, Validated};
use crate::domain::{Hold, NewHold, Refusal, Said, Tag};
use crate::gates::{Status, plan_name};
use crate::render::markdown::{code, escape, prose};
use crate::render::when;

pub(super) fn locks(locked: &Locked, prefix: &str) -> String {
    let all: Vec<String> = locked.holds.iter().map(hold).collect();
    let Some(environment) = &locked.environment else { return freezes(locked, &all, prefix) };
    if all.is_empty() {
        let what = match locked.ended {
            1 => "what kept deployments out has ended".to_owned(),
            n => format!("{n} things that kept deployments out have ended"),
        };
        return format!("🔓 **{environment}** is open: {what}. Whoever waited for it looks again now.");
    }
    let ended =
        (locked.ended > 0).then(|| format!("🔓 What you had put in the way of **{environment}** has ended; it stays closed."));
    let all: Vec<String> = ended.into_iter().chain(all).collect();
    format!("{}\n\nIts owner ends it with `{prefix}unlock {environment}`.", all.join("\n"))
}

fn freezes(locked: &Locked, all: &[String], prefix: &str) -> String {
    if all.is_empty() {
        return format!("🔓 No environment is frozen any more ({} were). Whoever waited looks again now.", locked.ended);
    }
    let kept = (locked.ended > 0).then(|| format!("🔓 {} freezes have ended; these have not.\n", locked.ended));
    let next = format!("A rollback still goes; `{prefix}unlock --all` ends every freeze.");
    format!("{}{}\n\n{next}", kept.unwrap_or_default(), all.join("\n"))
}

/// When it ends.
pub(super) fn end(what: &NewHold) -> String {
    let end = what.until.map_or_else(|| "until somebody unlocks it".to_owned(), |at| format!("until {}", when(at)));
    what.pull.map_or_else(|| end.clone(), |pull| format!("{end}, or until #{pull} is merged or closed"))
}

fn hold(hold: &Hold) -> String {
    let what = &hold.what;
    let end = end(what);
    let (kind, owner, reason) = (what.kind.as_str(), escape(&what.owner.login), escape(&what.reason));
    format!("🔒 **{}** is closed to deployments by a {kind} of {owner} {end}: {reason}", what.environment)
}

pub(super) fn steered(steered: &Steered, prefix: &str) -> String {
    let to = steered.environment.as_ref().map(|environment| format!(" to **{environment}**")).unwrap_or_default();
    let (told, next) = match steered.verb {
        Verb::Pause => ("⏸️", "waits after this step; `{p}resume`, `{p}promote` or `{p}abort` say how it goes on"),
        Verb::Resume => ("▶️", "goes on with its next step"),
        Verb::Promote => ("⏩", "moves everybody now"),
        Verb::Abort => ("⏹️", "stops, and users get back what they had"),
    };
    format!("{told} The deployment{to} {}. <sub>{}</sub>", next.replace("{p}", prefix), steered.run)
}

pub(super) fn reviewed(reviewed: &Reviewed) -> String {
    let Reviewed { run, environment, sha, tag, digest, said } = reviewed;
    let tag = tag.as_ref().map(|tag| format!("{} ", escape(tag.as_str()))).unwrap_or_default();
    let sha = sha.as_ref().map(|sha| format!("`{}`", sha.short())).unwrap_or_default();
    let to = environment.as_ref().map(|environment| format!(" for **{environment}**")).unwrap_or_default();
    let plan = plan_name(digest);
    match said {
        Said::Approved => format!(
            "👍 You approve {tag}{sha}{to}, and exactly that: plan `{plan}`. It goes on as soon as every gate passes. \
             <sub>{run}</sub>"
        ),
        Said::Rejected { reason } => {
            format!("👎 You reject {tag}{sha}{to}, plan `{plan}`: {}. Nothing is deployed. <sub>{run}</sub>", code(reason))
        }
    }
}

pub(super) fn started(started: &Started, prefix: &str) -> String {
    let run = &started.run;
    if !started.new {
        return format!("That goes on already. `{prefix}why` says what it waits for. <sub>{run}</sub>");
    }
    format!("🚢 It goes as soon as every gate passes. `{prefix}status` shows how far it is. <sub>{run}</sub>")
}

pub(super) fn released(tag: &str, url: Option<&str>, refusal: Option<&Refusal>, prefix: &str) -> String {
    let (tag, url) = (escape(tag), url.filter(|url| is_link(url)));
    match (refusal, url) {
        (Some(refusal), _) => {
            let (message, fix) = (prose(&here(&refusal.message, prefix)), prose(&here(&refusal.fix, prefix)));
            format!("### 🛑 {tag} was not released\n\n**{message}** {fix} <sub>{}</sub>", refusal.code)
        }
        (None, Some(url)) => format!("### 📦 {tag} is [released]({url})"),
        (None, None) => format!("### 📦 {tag} is released"),
    }
}

pub(super) fn planned(planned: &Planned, prefix: &str) -> String {
    let plan = &planned.plan;
    let to = plan.environment.as_ref().map(|environment| format!(" to **{}**", escape(environment))).unwrap_or_default();
    let what = plan.pin.tag.as_ref().map_or_else(|| format!("`{}`", plan.pin.sha.short()), |tag| escape(tag.as_str()));
    let steps: String = plan.steps.iter().map(|step| format!("1. {}\n", escape(&step.what))).collect();
    let table = match planned.gates.verdicts.as_slice() {
        [] => String::new(),
        verdicts => format!("\n{}", gates(verdicts, prefix)),
    };
    format!("What would happen to {what}{to}; nothing was changed:\n\n{steps}{table}")
}

pub(super) fn validated(validated: &Validated, prefix: &str) -> String {
    let environment = &validated.environment;
    let what = validated.tag.as_ref().map_or_else(|| format!("`{}`", validated.sha.short()), |tag: &Tag| escape(tag.as_str()));
    if validated.gates.verdicts.is_empty() {
        return format!("**{environment}** has no gates: {what} may go there.");
    }
    let word = match validated.gates.status {
        Status::Pass | Status::Overridden => "may go to",
        Status::Fail => "may not go to",
        Status::Pending => "must wait to go to",
        Status::Inconclusive | Status::Unavailable => "cannot be judged for",
    };
    format!("{what} {word} **{environment}**. Nothing was moved.\n\n{}", gates(&validated.gates.verdicts, prefix))
}
