//! Messages into entries: what each commit of a range says that it changes.
//!
//! Invariant: every message that comes in goes out, as one or more entries or as one that could not be classified.
//! A merge commit's body is not searched (its commits are in the range themselves), nor is that of git's own reverts.

use super::body::{self, Allowed, Item};
use super::header::Header;
use super::reverts::{self, Candidate};
use crate::domain::{Commit, Sha, Version};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A commit as classification needs it; the list is oldest first.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub sha: &'a str,
    pub text: &'a str,
    /// It has more than one parent.
    pub merge: bool,
}

impl<'a> Message<'a> {
    fn of(commit: &'a Commit) -> Self {
        Self { sha: commit.sha.as_str(), text: &commit.message, merge: commit.parents.len() > 1 }
    }
}

/// One change, in the words of its commit. A commit may hold several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub sha: String,
    /// As written; compare without regard to case.
    #[serde(rename = "type")]
    pub kind: String,
    pub scope: Option<String>,
    pub breaking: bool,
    pub description: String,
    /// What breaks and what to do, if it is breaking.
    pub breaking_description: Option<String>,
    /// Its commit and the one that takes it back are both in the list: it counts for nothing.
    #[serde(skip)]
    pub reverted: bool,
    /// Tokens and values in the order of the text.
    #[serde(skip)]
    pub footers: Vec<(String, String)>,
}

/// A commit that says nothing that we can sort.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unclassified {
    pub sha: String,
    pub subject: String,
    #[serde(skip)]
    pub why: Why,
    /// It and the commit that it takes back (or that takes it back) are both in the list.
    #[serde(skip)]
    pub reverted: bool,
}

/// Why a commit could not be classified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Why {
    /// A merge; its commits stand for themselves.
    Merge,
    /// Git's own revert text; a patch if its target is not in the list.
    Revert,
    /// Its subject is no conventional header: a person has to say what it is.
    #[default]
    Header,
}

/// All messages of a range, sorted out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classified {
    /// In the order of the messages, those of one message in the order of its text.
    pub entries: Vec<Entry>,
    pub unclassified: Vec<Unclassified>,
    /// The newest valid `Release-As:`.
    pub release_as: Option<Version>,
}

impl Classified {
    /// Those that a person has to name before a gate can know what they are.
    pub fn nameless(&self) -> impl Iterator<Item = &Unclassified> {
        self.unclassified.iter().filter(|u| u.why == Why::Header && !u.reverted)
    }
}

/// Classifies the commits of a range, oldest first.
pub fn classify(commits: &[Commit]) -> Classified {
    let messages: Vec<Message<'_>> = commits.iter().map(Message::of).collect();
    classify_messages(&messages)
}

/// Classifies messages, oldest first; shas may be any text.
pub fn classify_messages(messages: &[Message<'_>]) -> Classified {
    let texts: Vec<Cow<'_, str>> = messages.iter().map(|m| tidy(m.text)).collect();
    let read: Vec<Read<'_>> = messages.iter().zip(&texts).map(|(m, text)| Read::new(m, text)).collect();
    let gone = cancelled(&read);
    let mut all = Classified::default();
    for (one, reverted) in read.into_iter().zip(gone) {
        one.collect(reverted, &mut all);
    }
    all
}

/// Whether a commit is taken back by what comes after it, and stays taken back. The commits are oldest first; what is not
/// among them is older than all of them. What the commit itself takes back does not count: it is gone only when others say so.
pub fn takes_back(commits: &[Commit], sha: &Sha) -> bool {
    let at = commits.iter().position(|commit| commit.sha == *sha);
    let number = at.and_then(|at| reverts::pull_number(commits.get(at)?.message.lines().next()?));
    let text = number.map(|number| format!("it (#{number})")).unwrap_or_default();
    let itself = Message { sha: sha.as_str(), text: &text, merge: false };
    let after = commits.get(at.map_or(0, |at| at + 1)..).unwrap_or_default();
    let messages: Vec<Message<'_>> = std::iter::once(itself).chain(after.iter().map(Message::of)).collect();
    let texts: Vec<Cow<'_, str>> = messages.iter().map(|m| tidy(m.text)).collect();
    let read: Vec<Read<'_>> = messages.iter().zip(&texts).map(|(m, text)| Read::new(m, text)).collect();
    read.iter().zip(cancelled(&read)).any(|(one, gone)| gone && one.sha == sha.as_str())
}

fn cancelled(read: &[Read<'_>]) -> Vec<bool> {
    let candidates: Vec<Candidate<'_>> = read.iter().map(Read::candidate).collect();
    reverts::cancelled(&candidates)
}

/// A message, read.
struct Read<'a> {
    sha: &'a str,
    subject: &'a str,
    body: &'a str,
    why: Why,
    items: Vec<Item>,
    orphans: Vec<(String, String)>,
}

impl<'a> Read<'a> {
    fn new(message: &Message<'a>, text: &'a str) -> Self {
        let (subject, body) = text.split_once('\n').unwrap_or((text, ""));
        let header = Header::parse(subject);
        let why = if message.merge || is_merge(subject) {
            Why::Merge
        } else if is_git_revert(subject) {
            Why::Revert
        } else {
            Why::Header
        };
        let mut one = Self { sha: message.sha, subject: subject.trim(), body, why, items: Vec::new(), orphans: Vec::new() };
        match block(text, "BEGIN_COMMIT_OVERRIDE", "END_COMMIT_OVERRIDE") {
            Some(instead) => {
                let lines = Allowed { lists: false, paragraphs: true, lines: true };
                one.orphans = body::read(tidy(instead).lines(), lines, &mut one.items);
            }
            None => one.read_plain(header),
        }
        one
    }

    fn read_plain(&mut self, header: Option<Header<'_>>) {
        self.items.extend(header.map(Item::new));
        let search = self.why == Why::Header;
        let allowed =
            Allowed { lists: search && reverts::pull_number(self.subject).is_some(), paragraphs: search, lines: false };
        let (outer, nested) = if search { split_nested(self.body) } else { (Cow::Borrowed(self.body), Vec::new()) };
        self.orphans = body::read(outer.lines(), allowed, &mut self.items);
        self.drop_repeated_title();
        for text in nested {
            let text = text.trim();
            let (subject, body) = text.split_once('\n').unwrap_or((text, ""));
            if let Some(header) = Header::parse(subject) {
                let mut items = vec![Item::new(header)];
                body::read(body.lines(), Allowed { lists: false, paragraphs: true, lines: false }, &mut items);
                self.items.append(&mut items);
            }
        }
    }

    /// GitHub's list repeats the commit that gave the pull request its title.
    fn drop_repeated_title(&mut self) {
        let Some((title, rest)) = self.items.split_first_mut() else { return };
        let Some((plain, _)) = title.description.rsplit_once(" (#") else { return };
        let same = |item: &Item| {
            item.kind == title.kind
                && item.scope == title.scope
                && (item.description == plain || item.description == title.description)
        };
        let Some(at) = rest.iter().position(same) else { return };
        title.bang |= rest[at].bang;
        let mut footers = std::mem::take(&mut rest[at].footers);
        title.footers.append(&mut footers);
        self.items.remove(at + 1);
    }

    fn candidate(&self) -> Candidate<'_> {
        let says_so = self.items.first().is_some_and(|item| item.kind.eq_ignore_ascii_case("revert"));
        Candidate { sha: self.sha, subject: self.subject, body: self.body, is_revert: says_so || self.why == Why::Revert }
    }

    fn collect(self, reverted: bool, all: &mut Classified) {
        let footers = self.items.iter().flat_map(|item| &item.footers).chain(&self.orphans);
        if let Some(version) = footers.filter_map(release_as).next_back().filter(|_| !reverted) {
            all.release_as = Some(version);
        }
        if self.items.is_empty() {
            let (sha, subject) = (self.sha.to_owned(), self.subject.to_owned());
            all.unclassified.push(Unclassified { sha, subject, why: self.why, reverted });
        }
        all.entries.extend(self.items.into_iter().map(|item| {
            let breaking_description = item.breaking_description();
            Entry {
                sha: self.sha.to_owned(),
                breaking: breaking_description.is_some(),
                breaking_description,
                kind: item.kind,
                scope: item.scope,
                description: item.description,
                reverted,
                footers: item.footers,
            }
        }));
    }
}

fn release_as((token, value): &(String, String)) -> Option<Version> {
    let word = value.split_whitespace().next().filter(|_| token.eq_ignore_ascii_case("release-as"))?;
    Version::parse(word.strip_prefix('v').unwrap_or(word)).ok()
}

/// What git's own clean-up would leave: no byte order mark, no blank lines before the text, line feeds only.
fn tidy(text: &str) -> Cow<'_, str> {
    let mut rest = text.trim_start_matches('\u{feff}');
    while let Some((line, after)) = rest.split_once(['\n', '\r']) {
        if !line.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}').is_empty() {
            break;
        }
        rest = after.trim_start_matches('\u{feff}');
    }
    if rest.contains('\r') {
        return Cow::Owned(rest.replace("\r\n", "\n").replace('\r', "\n"));
    }
    Cow::Borrowed(rest)
}

fn is_merge(subject: &str) -> bool {
    let starts = ["Merge pull request #", "Merge branch", "Merge remote-tracking branch", "Merge tag ", "Merge commit "];
    starts.iter().any(|start| subject.starts_with(start))
}

fn is_git_revert(subject: &str) -> bool {
    subject.starts_with("Revert \"") || subject.starts_with("Reapply \"")
}

/// The text between two marker lines; to the end if the second is missing.
fn block<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(begin)?;
    Some(rest.split_once(end).map_or(rest, |(inner, _)| inner)).filter(|inner| !inner.trim().is_empty())
}

/// The body without its nested commits, and these.
fn split_nested(body: &str) -> (Cow<'_, str>, Vec<&str>) {
    let mut parts = body.split("BEGIN_NESTED_COMMIT");
    let first = parts.next().unwrap_or(body);
    if first.len() == body.len() {
        return (Cow::Borrowed(body), Vec::new());
    }
    let (mut outer, mut nested) = (first.to_owned(), Vec::new());
    for part in parts {
        let (inner, after) = part.split_once("END_NESTED_COMMIT").unwrap_or((part, ""));
        nested.push(inner);
        outer.push_str(after);
    }
    (Cow::Owned(outer), nested)
}

#[cfg(test)]
mod tests;
