//! Notes in our own words, for a repository without a git-cliff configuration: breaking changes first with what to do,
//! then groups, new contributors, thanks, and a link to the whole difference. Layout: `templates/notes.tera`.
//!
//! Mentions are made on purpose and of accounts only: GitHub lists who is mentioned as a contributor of the release.

use super::neutral::{Place, strict};
use super::releases::{failed, ordered, write};
use super::{BumpOptions, CommitText, RenderRequest, Rendered};
use crate::domain::Refusal;
use crate::notes::classify::{Classified, Entry, Message, Why, classify_messages};
use crate::notes::reverts::pull_number;
use git_cliff_core::changelog::Changelog;
use git_cliff_core::commit::Commit;
use git_cliff_core::config::{Config, GitConfig};
use git_cliff_core::embed::EmbeddedConfig;
use git_cliff_core::release::Release;
use serde::Serialize;
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

const TEMPLATE: &str = include_str!("../../../templates/notes.tera");

/// Groups in the order of the notes, and the types in each.
const GROUPS: [(&str, &[&str]); 8] = [
    ("Features", &["feat", "feature"]),
    ("Bug fixes", &["fix"]),
    ("Performance", &["perf"]),
    ("Reverts", &["revert"]),
    ("Documentation", &["docs", "doc"]),
    ("Dependencies", &["deps"]),
    ("Maintenance", &["build", "chore", "ci", "refactor", "style", "test", "tests"]),
    (OTHER, &[]),
];
const OTHER: &str = "Other changes";

#[derive(Serialize)]
struct Line {
    scope: Option<String>,
    text: String,
    link: Option<String>,
    detail: Option<String>,
}

/// The notes of everything in the request, in one section.
pub fn render(request: &RenderRequest) -> Result<Rendered, Refusal> {
    let commits: Vec<&CommitText> = ordered(request, true).into_iter().rev().collect();
    let messages: Vec<Message<'_>> =
        commits.iter().map(|c| Message { sha: &c.id, text: &c.message, merge: c.parents.len() > 1 }).collect();
    let all = classify_messages(&messages);
    let by_id: HashMap<&str, &CommitText> = commits.iter().map(|c| (c.id.as_str(), *c)).collect();
    let link = |sha: &str| by_id.get(sha).and_then(|commit| link(request, commit));
    let live: Vec<&Entry> = all.entries.iter().filter(|e| !e.reverted).collect();
    let breaking: Vec<Line> = live.iter().filter(|e| e.breaking).map(|e| line(e, link(&e.sha))).collect();
    let groups = groups(&live, &all, &link);
    let extra = json!({
        "nothing": breaking.is_empty() && groups.is_empty(),
        "breaking": breaking,
        "groups": groups.iter().map(|(title, entries)| json!({ "title": title, "entries": entries })).collect::<Vec<_>>(),
        "first": first_timers(request, &commits),
        "contributors": contributors(&commits),
        "changelog": request.site.as_ref().map(|_| changelog_link(request)),
    });
    // A release without commits is not rendered, so it gets one; the template does not print it.
    let release = Release { commits: vec![Commit::default()], extra: Some(extra), ..Release::default() };
    let changelog = Changelog::new(vec![release], config()?, None).map_err(failed)?;
    let markdown = tidy(&write(&changelog)?);
    Ok(Rendered { markdown, refused_options: Vec::new(), truncated: false, bump: BumpOptions::default() })
}

fn config() -> Result<Config, Refusal> {
    let mut config = EmbeddedConfig::parse().map_err(|e| Refusal::us("notes_template_missing", e.to_string()))?;
    config.changelog.body = TEMPLATE.to_owned();
    config.changelog.trim = false;
    config.git = GitConfig::default();
    config.remote.offline = true;
    Ok(config)
}

fn groups(live: &[&Entry], all: &Classified, link: &impl Fn(&str) -> Option<String>) -> Vec<(&'static str, Vec<Line>)> {
    let title_of = |entry: &Entry| {
        let hit = GROUPS.iter().find(|(_, kinds)| kinds.iter().any(|kind| entry.kind.eq_ignore_ascii_case(kind)));
        hit.map_or(OTHER, |(title, _)| *title)
    };
    let mut groups: Vec<(&str, Vec<Line>)> = GROUPS.iter().map(|(title, _)| (*title, Vec::new())).collect();
    let mut add = |title: &str, line: Line| {
        if let Some((_, lines)) = groups.iter_mut().find(|(t, _)| *t == title) {
            lines.push(line);
        }
    };
    for entry in live.iter().filter(|e| !e.breaking) {
        add(title_of(entry), line(entry, link(&entry.sha)));
    }
    for one in all.unclassified.iter().filter(|u| u.why != Why::Merge && !u.reverted && !u.subject.is_empty()) {
        let text = strict(without_number(&one.subject), Place::Line).into_owned();
        let title = if one.why == Why::Revert { "Reverts" } else { OTHER };
        add(title, Line { scope: None, text, link: link(&one.sha), detail: None });
    }
    groups.retain(|(_, lines)| !lines.is_empty());
    groups
}

fn line(entry: &Entry, link: Option<String>) -> Line {
    let detail = entry.breaking_description.as_deref().filter(|text| entry.breaking && *text != entry.description);
    Line {
        scope: entry.scope.as_deref().map(|scope| strict(scope, Place::Line).into_owned()),
        text: strict(without_number(&entry.description), Place::Line).into_owned(),
        link,
        detail: detail.map(|text| indented(&strict(text, Place::Lines))),
    }
}

/// Lines that belong to the point above them.
fn indented(text: &str) -> String {
    let lines: Vec<String> =
        text.lines().map(|l| if l.trim().is_empty() { String::new() } else { format!("  {}", l.trim_end()) }).collect();
    lines.join("\n")
}

/// A subject without the `(#12)` at its end, which is shown as a link.
fn without_number(subject: &str) -> &str {
    match pull_number(subject).and_then(|_| subject.rsplit_once("(#")) {
        Some((text, _)) if !text.trim().is_empty() => text.trim_end(),
        _ => subject,
    }
}

/// The pull request, or else the commit, that brought a change.
fn link(request: &RenderRequest, commit: &CommitText) -> Option<String> {
    let subject = commit.message.trim_start().lines().next().unwrap_or_default();
    let number = commit.pull_request.as_ref().map(|p| p.number).or_else(|| pull_number(subject)?.parse().ok());
    let base = request.site.as_ref().map(|site| format!("{}/{}", site.server, site.repo));
    let is_id = commit.id.len() >= 40 && commit.id.bytes().all(|b| b.is_ascii_hexdigit());
    match (number, base) {
        (Some(number), Some(base)) => Some(format!("[#{number}]({base}/pull/{number})")),
        (Some(number), None) => Some(format!("#{number}")),
        (None, Some(base)) if is_id => Some(format!("[{}]({base}/commit/{})", &commit.id[..7], commit.id)),
        (None, _) => is_id.then(|| commit.id[..7].to_owned()),
    }
}

/// The account as a mention, if it is one of a person.
fn mention(login: &str) -> Option<String> {
    let plain = login.len() <= 39 && login.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (plain && !login.is_empty()).then(|| format!("@{login}"))
}

fn account(commit: &CommitText) -> Option<&str> {
    commit.pull_request.as_ref().and_then(|p| p.author.as_deref()).or(commit.login.as_deref())
}

fn contributors(commits: &[&CommitText]) -> Vec<String> {
    let mut seen = HashSet::new();
    commits.iter().filter_map(|c| account(c)).filter(|login| seen.insert(*login)).filter_map(mention).collect()
}

fn first_timers(request: &RenderRequest, commits: &[&CommitText]) -> Vec<serde_json::Value> {
    let mut seen = HashSet::new();
    let first = commits.iter().filter(|c| c.first_contribution);
    let named = first.filter_map(|c| Some((c, c.login.as_deref()?))).filter(|(_, login)| seen.insert(*login));
    named.filter_map(|(c, login)| Some(json!({ "who": mention(login)?, "link": link(request, c) }))).collect()
}

/// A link to everything that the release brings. Without a known repository it is relative to the release's page.
pub fn changelog_link(request: &RenderRequest) -> String {
    let base = request.site.as_ref().map_or("../..".to_owned(), |site| format!("{}/{}", site.server, site.repo));
    let head = request.tags.iter().max_by_key(|t| t.time).map(|t| t.name.as_str());
    let from = request.previous.as_ref().map(|t| t.name.as_str());
    let target = match (from, head) {
        (Some(from), Some(head)) => format!("compare/{}...{}", encoded(from), encoded(head)),
        (Some(from), None) => format!("compare/{}...HEAD", encoded(from)),
        (None, Some(head)) => format!("commits/{}", encoded(head)),
        (None, None) => "commits".to_owned(),
    };
    format!("[Full changelog]({base}/{target})")
}

/// For a URL inside Markdown: everything but letters, digits, `-._~/` and `@` is escaped.
fn encoded(name: &str) -> String {
    name.bytes().fold(String::new(), |mut out, b| {
        if b.is_ascii_alphanumeric() || b"-._~/@".contains(&b) {
            out.push(char::from(b));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{b:02X}");
        }
        out
    })
}

/// One blank line between blocks, one line break at the end.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut blank = true;
    for line in text.lines().map(str::trim_end) {
        if !(line.is_empty() && blank) {
            out.push_str(line);
            out.push('\n');
        }
        blank = line.is_empty();
    }
    format!("{}\n", out.trim_end())
}

#[cfg(test)]
#[path = "own_tests.rs"]
mod tests;
