//! Outcomes of actions for people: what it is, its gates with reasons, and what to do next.

use super::table::{facts, plain, table};
use crate::actions::control::Verb;
use crate::actions::outcome::{
    Active, Gates, HealthReport, Live, Locked, Outcome, Overview, Planned, QuotaLeft, RepoOverview, Started, Steered,
    Validated, Written,
};
use crate::config::repo::CONFIG_PATH;
use crate::domain::{EnvName, Hold, Sha, Tag};
use crate::gates::{Status, Verdict};
use crate::render::all_of;

pub fn text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Planned(planned) => plan(planned),
        Outcome::Started(started) => start(started),
        Outcome::Validated(validated) => validation(validated),
        Outcome::Health(report) => health(report),
        Outcome::Notes(written) => notes(written),
        Outcome::Status(overview) => status(overview),
        Outcome::Locks(locked) => locks(locked),
        Outcome::Steered(steered) => steered_text(steered),
        Outcome::Reviewed(reviewed) => format!("It is on record for the run {}.\n", reviewed.run),
    }
}

fn plan(planned: &Planned) -> String {
    let plan = &planned.plan;
    let head = facts(&[
        ("plan", plan.digest.to_string()),
        ("kept in run", planned.run.to_string()),
        ("action", plan.action.clone()),
        ("repository", plan.repo.name.to_string()),
        ("environment", plan.environment.clone().unwrap_or_default()),
        ("version", what(plan.pin.tag.as_ref(), Some(&plan.pin.sha))),
        ("commit", plan.pin.sha.to_string()),
        ("previous", planned.notes.as_ref().and_then(|n| n.previous.as_ref()).map(ToString::to_string).unwrap_or_default()),
        ("commits call for", planned.notes.as_ref().and_then(|n| n.next_version.clone()).unwrap_or_default()),
    ]);
    let steps: String =
        plan.steps.iter().enumerate().map(|(i, step)| format!("  {}. {}\n", i + 1, plain(&step.what))).collect();
    let notes = planned.notes.as_ref().map(|n| format!("\nnotes\n{}", indented(&n.markdown))).unwrap_or_default();
    let remarks = remarks(&planned.remarks);
    let next = match planned.gates.status {
        Status::Pass => "Nothing has been done. The same command without --dry-run does it.",
        Status::Pending => "Nothing has been done. Without --dry-run the run waits for the open gates by itself.",
        _ => "Nothing has been done. Without --dry-run it would be refused as things are.",
    };
    format!("{head}\nsteps\n{steps}\n{}{notes}\n{remarks}{next}\n", gates(&planned.gates))
}

fn start(started: &Started) -> String {
    let head = facts(&[("run", started.run.to_string()), ("plan", started.plan.to_string())]);
    let first = if started.new { "Started." } else { "A run does or did this already; nothing new was started." };
    let remarks = remarks(&started.remarks);
    format!("{first}\n{head}\n{}\n{remarks}`lockkeeper runs show {}` follows it.\n", gates(&started.gates), started.run)
}

pub(super) fn remarks(all: &[String]) -> String {
    all.iter().map(|remark| format!("{}\n", plain(remark))).collect()
}

fn locks(locked: &Locked) -> String {
    let Some(environment) = &locked.environment else { return freezes(locked) };
    if locked.holds.is_empty() {
        return format!("{environment} takes deployments again.\n");
    }
    let ended = match locked.ended {
        0 => String::new(),
        _ => format!("What you had put in the way of {environment} has ended; it stays closed.\n"),
    };
    format!("{ended}{}\n`lockkeeper unlock {environment} --repo …` ends it.\n", held(locked))
}

fn freezes(locked: &Locked) -> String {
    match locked.holds.is_empty() {
        true => "No environment is frozen any more.\n".to_owned(),
        false => format!("{}\n`lockkeeper unlock --all --repo …` ends the freezes.\n", held(locked)),
    }
}

fn held(locked: &Locked) -> String {
    let row = |hold: &Hold| {
        vec![
            hold.what.kind.as_str().to_owned(),
            hold.what.environment.to_string(),
            hold.what.owner.login.clone(),
            hold.what.until.map_or_else(|| "until it is ended".to_owned(), |at| at.rfc3339()) + &with_pull(hold),
            hold.what.reason.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = locked.holds.iter().map(row).collect();
    table(&["", "ENVIRONMENT", "BY", "END", "WHY"], &rows)
}

fn with_pull(hold: &Hold) -> String {
    hold.what.pull.map(|pull| format!(", or the end of #{pull}")).unwrap_or_default()
}

fn steered_text(steered: &Steered) -> String {
    let what = match steered.verb {
        Verb::Pause => "waits after the step that it is in",
        Verb::Resume => "goes on with its next step",
        Verb::Promote => "moves all users now",
        Verb::Abort => "stops and gives users back what they had",
    };
    format!("The deployment {} {what}.\n", steered.run)
}

fn validation(validated: &Validated) -> String {
    let version = what(validated.tag.as_ref(), Some(&validated.sha));
    let next = if validated.gates.status == Status::Pass {
        format!("{version} may go to {}. Nothing has moved.", validated.environment)
    } else {
        format!("{version} may not go to {} now. Nothing has moved.", validated.environment)
    };
    format!("{}\n{}\n", gates(&validated.gates), plain(&next))
}

fn health(report: &HealthReport) -> String {
    if report.checks.is_empty() {
        return format!("{} has no health checks in {CONFIG_PATH}.\n", report.environment);
    }
    let rows: Vec<Vec<String>> = report
        .checks
        .iter()
        .map(|check| {
            let fix = check.fix.clone().filter(|_| !check.ok).unwrap_or_default();
            vec![mark(check.ok), check.url.clone(), check.reason.clone(), fix]
        })
        .collect();
    let word = if report.healthy { "healthy" } else { "not healthy" };
    let version = report.version.clone().unwrap_or_else(|| report.sha.short().to_owned());
    format!(
        "{}\n{} at {} is {word}.\n",
        table(&["", "CHECK", "WHAT", "WHAT TO DO"], &rows),
        report.environment,
        plain(&version)
    )
}

fn notes(written: &Written) -> String {
    let remarks: String = written.remarks.iter().map(|remark| format!("({})\n", plain(remark))).collect();
    let gap = if remarks.is_empty() { "" } else { "\n" };
    format!("{}{gap}{remarks}", multiline(&written.markdown))
}

fn status(overview: &Overview) -> String {
    if overview.repositories.is_empty() {
        return "No repository is known yet. Install the App on one; GitHub then tells the server.\n".to_owned();
    }
    let live: Vec<Vec<String>> = overview.repositories.iter().flat_map(live_rows).collect();
    let active: Vec<Vec<String>> = overview.repositories.iter().flat_map(active_rows).collect();
    let mut out = String::new();
    if live.is_empty() {
        out += "Nothing has been released or deployed yet.\n";
    } else {
        out += &table(&["REPOSITORY", "WHERE", "VERSION", "COMMIT", "SINCE", "BY", "PAGE"], &live);
    }
    let held: Vec<Vec<String>> = overview.repositories.iter().flat_map(held_rows).collect();
    if !held.is_empty() {
        out += "\n";
        out += &table(&["REPOSITORY", "LOCKED", "KIND", "BY", "END", "WHY"], &held);
    }
    out += "\n";
    if active.is_empty() {
        out += "Nothing runs.\n";
    } else {
        out += &table(&["REPOSITORY", "RUN", "WHAT", "VERSION", "SINCE", "BY", "TURN", "WAITS FOR"], &active);
    }
    let quota = overview.quota.iter().map(|quota| ("GitHub calls left", left(quota)));
    let inbox = [("inbox", overview.inbox_depth), ("given up", overview.dead_letters)];
    let inbox = inbox.into_iter().filter_map(|(name, count)| Some((name, count?.to_string())));
    out + "\n" + &facts(&inbox.chain(quota).collect::<Vec<_>>())
}

fn live_rows(repo: &RepoOverview) -> Vec<Vec<String>> {
    let row = |live: &Live| {
        vec![
            repo.repo.to_string(),
            live.environment.as_ref().map_or("release", EnvName::as_str).to_owned(),
            format!("{}{}", what(live.tag.as_ref(), live.sha.as_ref()), remark(live)),
            live.sha.as_ref().map(|sha| sha.short().to_owned()).unwrap_or_default(),
            live.since.rfc3339(),
            live.by.clone().unwrap_or_default(),
            live.url.clone().unwrap_or_default(),
        ]
    };
    repo.release.iter().chain(&repo.live).map(row).collect()
}

fn remark(live: &Live) -> String {
    let bad = if live.bad { " (found bad)" } else { "" };
    let drift = live.drift.as_ref().map(|drift| format!(" (then {} reported by {})", drift.sha.short(), drift.by));
    format!("{bad}{}", drift.unwrap_or_default())
}

fn held_rows(repo: &RepoOverview) -> Vec<Vec<String>> {
    let row = |hold: &Hold| {
        let what = &hold.what;
        vec![
            repo.repo.to_string(),
            what.environment.to_string(),
            what.sha.as_ref().map_or_else(|| what.kind.as_str().to_owned(), |sha| format!("hold on {}", sha.short())),
            what.owner.login.clone(),
            what.until.map_or_else(|| "until it is ended".to_owned(), |at| at.rfc3339()),
            what.reason.clone(),
        ]
    };
    repo.holds.iter().map(row).collect()
}

fn active_rows(repo: &RepoOverview) -> Vec<Vec<String>> {
    let row = |run: &Active| {
        vec![
            repo.repo.to_string(),
            run.run.to_string(),
            run.environment.as_ref().map_or(run.workflow.clone(), |place| format!("{} to {place}", run.workflow)),
            what(run.tag.as_ref(), run.sha.as_ref()),
            run.since.rfc3339(),
            run.by.clone().unwrap_or_default(),
            turn(run),
            all_of(&run.waits_for),
        ]
    };
    repo.active.iter().map(row).collect()
}

/// Its place in the environment's queue.
fn turn(run: &Active) -> String {
    match run.before {
        _ if run.holds_lock => "now".to_owned(),
        Some(before) => format!("after {before}"),
        None => String::new(),
    }
}

fn left(quota: &QuotaLeft) -> String {
    let whose = quota.installation.map_or("the App itself".to_owned(), |id| format!("installation {id}"));
    format!("{} of {} ({}, {whose}), renewed {}", quota.remaining, quota.limit, quota.resource, quota.reset.rfc3339())
}

fn gates(gates: &Gates) -> String {
    if gates.verdicts.is_empty() {
        return "No gates are asked for.\n".to_owned();
    }
    let row = |verdict: &Verdict| {
        let fix = if verdict.status.advances() { String::new() } else { verdict.fix.clone() };
        vec![word(verdict.status).to_owned(), verdict.gate.clone(), verdict.reason.clone(), fix]
    };
    table(&["", "GATE", "WHY", "WHAT TO DO"], &gates.verdicts.iter().map(row).collect::<Vec<_>>())
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Pass => "✓ pass",
        Status::Overridden => "✓ opened",
        Status::Fail => "✗ fail",
        Status::Pending => "… waits",
        Status::Inconclusive => "? undecided",
        Status::Unavailable => "? unreadable",
    }
}

fn mark(ok: bool) -> String {
    if ok { "✓".to_owned() } else { "✗".to_owned() }
}

/// The tag, or the short commit.
fn what(tag: Option<&Tag>, sha: Option<&Sha>) -> String {
    let short = || sha.map(|sha| sha.short().to_owned());
    tag.map(ToString::to_string).or_else(short).unwrap_or_default()
}

fn multiline(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", plain(line))).collect()
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {}", plain(line)).trim_end().to_owned() + "\n").collect()
}

#[cfg(test)]
mod tests;
