//! Which commits a release adds, and what they call for: from the first read when it reaches back far enough, otherwise by
//! a read of its own.

use super::ground;
use super::released::Pulls;
use crate::config::repo::{Component, RepoConfig};
use crate::domain::{Commit, CommitFacts, Folder, Millis, Range, Recheck, Refusal, RepoRef, Sha, Tag, Version};
use crate::flow::{Flow, Stop};
use crate::gates::Unclassified;
use crate::notes::bump::{self, Bump, Policy};
use crate::notes::tags::{ParsedTag, Scheme};
use crate::notes::{self, Classified};
use crate::plan::{Base, Call, NotesCall, NotesMade};
use std::collections::HashSet;

/// How many candidates for the previous tag are asked about.
const CANDIDATES: usize = 10;

/// A commit may have been written this much later than its author says, in milliseconds: clocks differ.
const CLOCKS_DIFFER: i64 = 24 * 3_600 * 1_000;

/// The range of a release.
#[derive(Clone)]
pub struct Found {
    pub base: Option<Base>,
    pub range: Range,
    /// It was read by the step `range`.
    pub fetched: bool,
    /// Only commits that touch this folder count; see [`Found::within`].
    pub folder: Option<Folder>,
    /// They are the only ones that the range still holds.
    narrowed: bool,
    /// What a reader should know about that.
    apart: Option<String>,
    /// The version that is out.
    current: Option<Version>,
    pub changes: Classified,
    pub bump: Bump,
    /// What the commits call for; `None` if nothing is to be released.
    pub next: Option<Version>,
}

/// Finds the range of `new` (a tag) or of what comes after the newest release (`None`), ending at `head`.
pub fn find(
    f: &mut Flow,
    repo: &RepoRef,
    facts: &CommitFacts,
    scheme: &Scheme,
    new: Option<&ParsedTag>,
    head: &Sha,
) -> Result<Found, Stop> {
    let candidates = candidates(facts, scheme, new);
    if let Some((base, range)) = from_history(facts, &candidates, head) {
        return Ok(Found::new(base, range, false, &candidates));
    }
    let bases: Vec<Base> = candidates.iter().map(|(_, base)| base.clone()).take(CANDIDATES).collect();
    let range: Range = f.step("range", &Call::ReadRange { repo: repo.clone(), candidates: bases, head: head.clone() })?;
    let base = range.from.as_ref().and_then(|tag| candidates.iter().find(|(_, b)| &b.tag == tag)).map(|(_, b)| b.clone());
    Ok(Found::new(base, range, true, &candidates))
}

/// The range that begins after this tag, whatever was released between. It has no base when the repository has no such tag, or
/// the commit does not contain it.
pub fn since(
    f: &mut Flow,
    repo: &RepoRef,
    facts: &CommitFacts,
    scheme: &Scheme,
    from: &Tag,
    head: &Sha,
) -> Result<Found, Stop> {
    let commit = facts.tags.iter().find(|tag| tag.name == *from).map(|tag| tag.commit.clone());
    let base = Base { tag: from.clone(), commit };
    let version = scheme.parse(from.as_str()).ok().map(|parsed| (parsed.version, base.clone()));
    let candidates: Vec<(Version, Base)> = version.into_iter().collect();
    let known = base.commit.as_ref().and_then(|commit| notes::range::from_facts(facts, head, Some((from, commit))).ok());
    if let Some(range) = known {
        return Ok(Found::new(Some(base), range, false, &candidates));
    }
    let call = Call::ReadRange { repo: repo.clone(), candidates: vec![base.clone()], head: head.clone() };
    let range: Range = f.step("range", &call)?;
    let base = range.from.is_some().then_some(base);
    Ok(Found::new(base, range, true, &candidates))
}

/// Whether the newest hundred tags hold no earlier version of this one's component, although there are more tags. Where
/// they hold one, it is taken: no older tag of a line is newer than a younger one.
pub fn needs_more_tags(facts: &CommitFacts, tag: &Tag) -> bool {
    if facts.tags_complete {
        return false;
    }
    let scheme = ground::settings(&facts.config).and_then(|config| ground::scheme(&config));
    let parsed = scheme.ok().and_then(|scheme| scheme.parse(tag.as_str()).ok().map(|parsed| (scheme, parsed)));
    parsed.is_some_and(|(scheme, parsed)| candidates(facts, &scheme, Some(&parsed)).is_empty())
}

/// Earlier tags, best first, with their versions.
fn candidates(facts: &CommitFacts, scheme: &Scheme, new: Option<&ParsedTag>) -> Vec<(Version, Base)> {
    let base = |tag: &Tag, commit: &Sha| Base { tag: tag.clone(), commit: Some(commit.clone()) };
    match new {
        Some(new) => scheme
            .previous_candidates(new, &facts.tags)
            .into_iter()
            .map(|(old, t)| (old.version, base(&t.name, &t.commit)))
            .collect(),
        None => {
            let mut all = scheme.parse_all(&facts.tags);
            all.retain(|(old, _)| old.component.is_none() && !old.is_prerelease());
            all.sort_by(|(a, _), (b, _)| b.version.cmp(&a.version));
            all.into_iter().map(|(old, t)| (old.version, base(&t.name, &t.commit))).collect()
        }
    }
}

/// The range as far as the first read answers it with certainty.
fn from_history(facts: &CommitFacts, candidates: &[(Version, Base)], head: &Sha) -> Option<(Option<Base>, Range)> {
    for (_, base) in candidates {
        let commit = base.commit.as_ref()?;
        if facts.history.iter().any(|c| &c.sha == commit) {
            let range = notes::range::from_facts(facts, head, Some((&base.tag, commit))).ok()?;
            return Some((Some(base.clone()), range));
        }
        // Not among the newest hundred: either far back or not contained. Only a whole history tells.
        if !facts.history_complete {
            return None;
        }
    }
    let range = notes::range::from_facts(facts, head, None).ok()?;
    Some((None, range))
}

/// What the commits are, and the version that they call for.
fn called_for(range: &Range, current: Option<&Version>) -> (Classified, Bump, Option<Version>) {
    let changes = notes::classify(&range.commits);
    // An overflow is told where the version is used; here it means that no version follows.
    let next = bump::next(current, &changes, &Policy::default());
    let bump = next.as_ref().map(|n| n.bump).unwrap_or_default();
    let next = next.ok().and_then(|n| n.version).filter(|_| bump > Bump::None || changes.release_as.is_some());
    (changes, bump, next)
}

impl Found {
    fn new(base: Option<Base>, range: Range, fetched: bool, candidates: &[(Version, Base)]) -> Self {
        let current = base.as_ref().and_then(|b| candidates.iter().find(|(_, c)| c.tag == b.tag)).map(|(v, _)| v.clone());
        let (changes, bump, next) = called_for(&range, current.as_ref());
        Self { base, range, fetched, folder: None, narrowed: false, apart: None, current, changes, bump, next }
    }

    /// Where the tag is of a component with a folder of its own, only commits that touch it count.
    pub fn of_component(mut self, config: &RepoConfig, tag: &ParsedTag) -> Self {
        let component = config.components.iter().find(|c| tag.component.as_ref() == Some(&c.name));
        let oldest = self.range.commits.iter().map(|c| c.time).min().unwrap_or(0);
        let since = Millis(oldest.saturating_mul(1_000).saturating_sub(CLOCKS_DIFFER).max(0));
        self.folder = component.and_then(Component::folder).map(|path| Folder { path: path.to_owned(), since });
        self
    }

    /// Without the commits that do not touch the folder, if there is one and this look knows them. Nothing is left out on
    /// a guess: what is not known stays, and the remarks say so.
    pub fn within(&self, look: &Recheck) -> Self {
        let mut found = self.clone();
        let Some(folder) = &self.folder else { return found };
        // A range that was read again may reach back further than was asked about.
        let asked = |commit: &Commit| commit.time.saturating_mul(1_000) >= folder.since.0;
        let Some(touched) = look.touched.as_ref().filter(|_| self.range.commits.iter().all(asked)) else {
            let path = &folder.path;
            found.apart =
                Some(format!("Which commits touch {path} could not be read, so all commits of the range are listed."));
            return found;
        };
        notes::range::keep(&mut found.range, touched);
        found.narrowed = true;
        let others = self.range.commits.len() - found.range.commits.len();
        found.apart =
            (others > 0).then(|| format!("{others} commit(s) of the range do not touch {} and are left out.", folder.path));
        (found.changes, found.bump, found.next) = called_for(&found.range, found.current.as_ref());
        found
    }

    /// The second look has counted: the commits that we hold are all there are.
    pub fn agrees(&self, ahead: Option<u64>) -> bool {
        let held = u64::try_from(self.range.commits.len()).unwrap_or(u64::MAX);
        self.base.is_none() || self.fetched || ahead.is_none_or(|n| n == held)
    }

    /// Reads the range again when the second look has counted another number of commits than we hold.
    pub fn settle(&mut self, f: &mut Flow, repo: &RepoRef, look: &Recheck) -> Result<(), Stop> {
        if self.agrees(look.ahead) {
            return Ok(());
        }
        let candidates = self.base.iter().cloned().collect();
        let call = Call::ReadRange { repo: repo.clone(), candidates, head: self.range.head.clone() };
        self.range = f.step("range", &call)?;
        self.fetched = true;
        Ok(())
    }

    /// Writes the notes of `tag`, dated `at`; `config` is the git-cliff configuration that the settings name.
    pub fn notes_call(&self, repo: &RepoRef, tag: &Tag, look: &Recheck, config: Option<&String>, at: Millis) -> Call {
        Call::RenderNotes(NotesCall {
            repo: repo.clone(),
            tag: tag.clone(),
            head: self.range.head.clone(),
            base: self.base.clone(),
            fetched: self.fetched,
            first_time: look.first_time.clone(),
            only: self.narrowed.then(|| self.range.commits.iter().map(|c| c.sha.clone()).collect()),
            config: config.cloned(),
            at,
        })
    }

    /// What a reader of the notes should know about how they were made.
    pub fn remarks(&self, notes: &NotesMade) -> Vec<String> {
        let mut remarks = Vec::new();
        if let Some(why) = &self.range.incomplete {
            remarks.push(format!("The notes are incomplete: {why}"));
        }
        remarks.extend(self.apart.clone());
        if let Some(why) = &notes.fell_back {
            remarks.push(format!("The repository's own notes configuration was not used: {why}"));
        }
        if !notes.refused_options.is_empty() {
            remarks.push(format!("Options that Lockkeeper does not follow: {}.", notes.refused_options.join(", ")));
        }
        if notes.truncated {
            remarks.push("The notes were cut to GitHub's length.".to_owned());
        }
        let nameless = self.nameless().len();
        if nameless > 0 {
            remarks.push(format!("{nameless} commit(s) have no type in their subject."));
        }
        remarks
    }

    /// Accounts to ask about, without bots and without repetition.
    pub fn authors(&self) -> Vec<String> {
        const MOST: usize = 25;
        let mut seen: Vec<String> = Vec::new();
        for commit in &self.range.commits {
            if let Some(login) = commit.login.as_ref().filter(|l| !l.ends_with("[bot]") && !seen.contains(l)) {
                seen.push(login.clone());
            }
        }
        seen.truncate(MOST);
        // Without an earlier release everybody is new; that is no news.
        if self.base.is_none() { Vec::new() } else { seen }
    }

    /// The pull requests that it has brought; nothing where that cannot be told for certain.
    pub fn brought(&self) -> Option<Pulls> {
        let all = self.range.commits.iter().rev().filter_map(|commit| commit.pull_request.as_ref());
        let mut seen = HashSet::new();
        let numbers: Vec<u64> = all.map(|pull| pull.number).filter(|number| seen.insert(*number)).collect();
        if !self.fetched {
            return Some(Pulls::Known(numbers));
        }
        let base = self.base.as_ref()?.commit.clone()?;
        Some(Pulls::Between { base, head: self.range.head.clone(), only: self.narrowed.then_some(numbers) })
    }

    /// Commits that a person has to name.
    pub fn nameless(&self) -> Vec<Unclassified> {
        let named = |u: &notes::Unclassified| Some(Unclassified { sha: Sha::parse(&u.sha).ok()?, subject: u.subject.clone() });
        self.changes.nameless().filter_map(named).collect()
    }
}

/// A baseline that we released ourselves and that is gone: better no release than one with the whole history in it.
pub fn baseline(released: &[Tag], facts: &CommitFacts, scheme: &Scheme, new: &ParsedTag) -> Result<(), Refusal> {
    let ours = released.iter().filter_map(|tag| scheme.parse(tag.as_str()).ok());
    let before = ours.filter(|old| old.component == new.component && !old.is_prerelease() && old.version < new.version);
    let Some(last) = before.max_by(|a, b| a.version.cmp(&b.version)) else { return Ok(()) };
    if !facts.tags_complete || facts.tags.iter().any(|t| t.name == last.tag) {
        return Ok(());
    }
    Err(Refusal::user(
        "baseline_missing",
        format!(
            "{} was released before and its tag does not exist any more, so the notes of {} have no beginning.",
            last.tag, new.tag
        ),
        format!("Push the tag {} again where it was, then re-run this check.", last.tag),
    ))
}
