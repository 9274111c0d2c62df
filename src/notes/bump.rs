//! The next version, from the current one and what changed.
//!
//! Source: Semantic Versioning 2.0.0 and the Conventional Commits FAQ. Our choices where they leave one:
//! - Below 1.0.0 a breaking change raises the minor number and everything else the patch number; 1.0.0 comes only when
//!   somebody asks for it (`Release-As: 1.0.0`, or a tag). [`Policy::git_cliff`] has what git-cliff does instead.
//! - `feat` (`feature`) is a minor change, `fix`, `perf` and `revert` are patches, other types change no version unless they
//!   are breaking. A revert whose target is in the same range cancels with it.
//! - A prerelease goes on counting (`rc.3` → `rc.4`, `beta` → `beta.1`) as long as its own numbers cover the change;
//!   `1.0.1-rc.1` with a feature is followed by `1.1.0-rc.1`.
//! - Build metadata belongs to one build and is dropped.
//! - A number that cannot be raised is an error. Prerelease counters end at 2^32-1: tools in wide use wrap there.

use super::classify::{Classified, Entry, Why};
use crate::domain::{Refusal, Version};
use semver::{BuildMetadata, Prerelease};
use serde::{Deserialize, Serialize};

/// The size of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bump {
    #[default]
    None,
    Patch,
    Minor,
    Major,
}

/// How versions below 1.0.0 and first versions are chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Below 1.0.0 a feature raises the minor number, not the patch number.
    pub features_always_bump_minor: bool,
    /// Below 1.0.0 a breaking change leads to 1.0.0, not to the next minor number.
    pub breaking_always_bump_major: bool,
    /// What the first release is called.
    pub initial: Version,
}

/// A step and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    pub bump: Bump,
    /// The current version if nothing changes it; `None` only if there is no current version either.
    pub version: Option<Version>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { features_always_bump_minor: false, breaking_always_bump_major: false, initial: Version::new(0, 1, 0) }
    }
}

impl Policy {
    /// What git-cliff does unless its `[bump]` table says otherwise.
    pub fn git_cliff() -> Self {
        Self { features_always_bump_minor: true, breaking_always_bump_major: true, ..Self::default() }
    }
}

/// The next version after `current`, or the first one.
///
/// # Errors
/// `version_overflow` if a number of the version cannot be raised.
pub fn next(current: Option<&Version>, changes: &Classified, policy: &Policy) -> Result<Next, Refusal> {
    let size = changes.entries.iter().map(size_of).chain(lone_reverts(changes)).max().unwrap_or_default();
    if let Some(asked) = &changes.release_as {
        let bump = current.map_or(size, |current| distance(current, asked));
        return Ok(Next { bump, version: Some(asked.clone()) });
    }
    let Some(current) = current else {
        let version = (size > Bump::None).then(|| policy.initial.clone());
        return Ok(Next { bump: size, version });
    };
    let bump = below_one(current, size, policy);
    if bump == Bump::None {
        return Ok(Next { bump, version: Some(current.clone()) });
    }
    let version = raise(current, bump).ok_or_else(|| overflow(current))?;
    Ok(Next { bump, version: Some(version) })
}

/// What one entry asks for from 1.0.0 on.
pub fn size_of(entry: &Entry) -> Bump {
    let is = |kinds: &[&str]| kinds.iter().any(|kind| entry.kind.eq_ignore_ascii_case(kind));
    match () {
        () if entry.reverted => Bump::None,
        () if entry.breaking => Bump::Major,
        () if is(&["feat", "feature"]) => Bump::Minor,
        () if is(&["fix", "perf", "revert"]) => Bump::Patch,
        () => Bump::None,
    }
}

/// Git's own reverts of something older than the range.
fn lone_reverts(changes: &Classified) -> impl Iterator<Item = Bump> {
    changes.unclassified.iter().filter(|u| u.why == Why::Revert && !u.reverted).map(|_| Bump::Patch)
}

fn below_one(current: &Version, size: Bump, policy: &Policy) -> Bump {
    match size {
        Bump::Major if current.major == 0 && !policy.breaking_always_bump_major => Bump::Minor,
        Bump::Minor if current.major == 0 && !policy.features_always_bump_minor => Bump::Patch,
        same => same,
    }
}

fn raise(current: &Version, bump: Bump) -> Option<Version> {
    let covered = match bump {
        Bump::Major => current.minor == 0 && current.patch == 0,
        Bump::Minor => current.patch == 0,
        Bump::Patch | Bump::None => true,
    };
    let mut next = current.clone();
    next.build = BuildMetadata::EMPTY;
    if !current.pre.is_empty() && covered {
        next.pre = count_up(&current.pre)?;
        return Some(next);
    }
    match bump {
        Bump::Major => (next.major, next.minor, next.patch) = (current.major.checked_add(1)?, 0, 0),
        Bump::Minor => (next.minor, next.patch) = (current.minor.checked_add(1)?, 0),
        Bump::Patch | Bump::None => next.patch = current.patch.checked_add(1)?,
    }
    if !current.pre.is_empty() {
        next.pre = restart(&current.pre)?;
    }
    Some(next)
}

/// `rc.3` → `rc.4`, `beta` → `beta.1`, `rc1` → `rc1.1` (`rc10` would sort before `rc9`).
fn count_up(pre: &Prerelease) -> Option<Prerelease> {
    let (stem, counter) = split_counter(pre);
    let Some(counter) = counter else {
        return Prerelease::new(&format!("{stem}.1")).ok();
    };
    let counter = counter.parse::<u32>().ok()?.checked_add(1)?;
    let dot = if stem.is_empty() { "" } else { "." };
    Prerelease::new(&format!("{stem}{dot}{counter}")).ok()
}

/// The same channel for a new base: `rc.3` → `rc.1`.
fn restart(pre: &Prerelease) -> Option<Prerelease> {
    match split_counter(pre) {
        ("", _) => Prerelease::new("1").ok(),
        (stem, _) => Prerelease::new(&format!("{stem}.1")).ok(),
    }
}

fn split_counter(pre: &Prerelease) -> (&str, Option<&str>) {
    let (stem, last) = pre.as_str().rsplit_once('.').unwrap_or(("", pre.as_str()));
    if !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()) {
        return (stem, Some(last));
    }
    (pre.as_str(), None)
}

fn distance(from: &Version, to: &Version) -> Bump {
    match () {
        () if to.major != from.major => Bump::Major,
        () if to.minor != from.minor => Bump::Minor,
        () if to == from => Bump::None,
        () => Bump::Patch,
    }
}

fn overflow(current: &Version) -> Refusal {
    Refusal::user(
        "version_overflow",
        format!("The version after {current} has a number that is too large."),
        "Choose the next version yourself: push the tag, or add a Release-As footer to a commit.",
    )
}

#[cfg(test)]
mod tests;
