//! Tags as versions: which component and which version a tag names, and which tag came before it.
//!
//! Grammar without a pattern: `[component separator] [v|V] version`, where the separator is one character that is neither
//! letter nor digit and the version is strict SemVer (release-please's `TagName.parse`, corrected by SemVer 2.0.0 rules 2
//! and 9). With patterns (`tag = "v{version}"`, `[[component]] tag = "api-v{version}"`) only these count.
//!
//! Previous tags are chosen by version alone, never by paths or by how many there are; the caller walks the candidates and
//! takes the first whose commit the new one contains.

use crate::config::repo::{RepoConfig, glob};
use crate::domain::{Refusal, Tag, TagRef, Version};
use serde::Serialize;

/// What a tag says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ParsedTag {
    pub tag: Tag,
    pub component: Option<String>,
    /// What stands before the version.
    pub prefix: String,
    pub version: Version,
}

/// A tag that is no version of anything here, for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TagError {
    pub code: &'static str,
    pub message: String,
}

/// How one repository names its tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scheme {
    /// Component (`None`: the repository itself) and its pattern; empty means the grammar.
    patterns: Vec<(Option<String>, Pattern)>,
    /// Globs of tags that are not ours.
    ignore: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    before: String,
    after: String,
}

impl ParsedTag {
    pub fn is_prerelease(&self) -> bool {
        !self.version.pre.is_empty()
    }
    /// The component's other version `version`, as a tag of the same shape.
    pub fn with_version(&self, version: &Version) -> String {
        format!("{}{version}", self.prefix)
    }
    fn is_sibling(&self, other: &ParsedTag) -> bool {
        self.component == other.component && self.tag != other.tag
    }
}

impl Scheme {
    /// A repository's own scheme.
    ///
    /// # Errors
    /// `tag_pattern_invalid` if a pattern does not hold `{version}` exactly once; a checked configuration has no such pattern.
    pub fn from_config(config: &RepoConfig) -> Result<Self, Refusal> {
        let components = config.components.iter().map(|c| (c.name.as_str(), c.tag.as_str()));
        Self::new(config.release.tag.as_deref(), components, &config.release.ignore)
    }

    /// From the `tag` and `ignore` of a repository's configuration and its components' names and tags.
    pub fn new<'a>(
        release: Option<&str>,
        components: impl IntoIterator<Item = (&'a str, &'a str)>,
        ignore: &[String],
    ) -> Result<Self, Refusal> {
        let mut patterns = Vec::new();
        for (name, tag) in components {
            patterns.push((Some(name.to_owned()), Pattern::parse(tag)?));
        }
        patterns.extend(release.map(Pattern::parse).transpose()?.map(|p| (None, p)));
        // The most specific first: `api-v{version}` before `{version}`.
        patterns.sort_by_key(|(_, p)| std::cmp::Reverse(p.before.len() + p.after.len()));
        Ok(Self { patterns, ignore: ignore.to_vec() })
    }

    /// Reads a tag; a leading `refs/tags/` is dropped.
    pub fn parse(&self, text: &str) -> Result<ParsedTag, TagError> {
        let name = text.strip_prefix("refs/tags/").unwrap_or(text);
        let tag = Tag::parse(name).map_err(|e| TagError { code: "tag_name_invalid", message: e.to_string() })?;
        if self.ignore.iter().any(|glob| glob::matches(glob, name)) {
            return Err(TagError { code: "tag_ignored", message: format!("{name} is one of the tags to ignore.") });
        }
        if self.patterns.is_empty() {
            let (component, prefix, version) = by_grammar(name).ok_or_else(|| no_version(name))?;
            return Ok(ParsedTag { tag, component: component.map(str::to_owned), prefix: prefix.to_owned(), version });
        }
        let hit = self.patterns.iter().find_map(|(component, p)| Some((component, p, p.version(name)?)));
        let (component, pattern, version) = hit.ok_or_else(|| self.mismatch(name))?;
        Ok(ParsedTag { tag, component: component.clone(), prefix: pattern.before.clone(), version })
    }

    /// Every tag of the list that is a version of something here.
    pub fn parse_all<'t>(&self, tags: &'t [TagRef]) -> Vec<(ParsedTag, &'t TagRef)> {
        tags.iter().filter_map(|t| Some((self.parse(t.name.as_str()).ok()?, t))).collect()
    }

    /// Tags that may be the one before `new`, best first: same component, lower version; for a stable tag stable ones only,
    /// for a prerelease stable ones and those of the same line (`2.0.0-rc.*`). The caller takes the first whose commit is
    /// an ancestor of the new tag's commit.
    pub fn previous_candidates<'t>(&self, new: &ParsedTag, tags: &'t [TagRef]) -> Vec<(ParsedTag, &'t TagRef)> {
        let mut lower: Vec<_> = self.parse_all(tags);
        lower.retain(|(old, _)| {
            old.is_sibling(new) && old.version.cmp_precedence(&new.version).is_lt() && may_precede(old, new)
        });
        lower.sort_by(|(a, _), (b, _)| b.version.cmp(&a.version));
        lower
    }

    /// Whether `new` is stable and no other stable tag of its component is higher: what `make_latest` asks.
    pub fn is_highest_stable(&self, new: &ParsedTag, tags: &[TagRef]) -> bool {
        let higher =
            |old: &ParsedTag| old.is_sibling(new) && !old.is_prerelease() && old.version.cmp_precedence(&new.version).is_gt();
        !new.is_prerelease() && !self.parse_all(tags).iter().any(|(old, _)| higher(old))
    }

    fn mismatch(&self, name: &str) -> TagError {
        let patterns: Vec<String> = self.patterns.iter().map(|(_, p)| format!("{}{{version}}{}", p.before, p.after)).collect();
        let message = format!("{name} matches none of the tag patterns {} with a SemVer version.", patterns.join(", "));
        TagError { code: "tag_pattern_mismatch", message }
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, Refusal> {
        match text.split_once("{version}") {
            Some((before, after)) if !after.contains("{version}") => {
                Ok(Self { before: before.to_owned(), after: after.to_owned() })
            }
            _ => Err(Refusal::user(
                "tag_pattern_invalid",
                format!("The tag pattern {text:?} does not hold {{version}} exactly once."),
                "Write it like \"v{version}\".",
            )),
        }
    }

    fn version(&self, name: &str) -> Option<Version> {
        Version::parse(name.strip_prefix(self.before.as_str())?.strip_suffix(self.after.as_str())?).ok()
    }
}

/// Prereleases follow stable versions and their own line; a line is the numbers and the first word (`rc`, `beta`).
fn may_precede(old: &ParsedTag, new: &ParsedTag) -> bool {
    if !old.is_prerelease() {
        return true;
    }
    let line = |t: &ParsedTag| {
        let word =
            t.version.pre.split('.').next().unwrap_or_default().trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
        (t.version.major, t.version.minor, t.version.patch, word)
    };
    new.is_prerelease() && line(old) == line(new)
}

/// The leftmost version that reaches to the end and has a component, a `v`, or nothing before it.
fn by_grammar(name: &str) -> Option<(Option<&str>, &str, Version)> {
    let digit = |at: usize| name.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let starts = name.char_indices().filter(|(at, c)| c.is_ascii_digit() && !(*at > 0 && digit(at - 1)));
    starts.filter_map(|(at, _)| name.split_at_checked(at)).find_map(|(prefix, rest)| {
        let component = component_of(prefix)?;
        Some((Some(component).filter(|c| !c.is_empty()), prefix, Version::parse(rest).ok()?))
    })
}

/// The component in what stands before a version; `None` if nothing may stand there like that.
fn component_of(prefix: &str) -> Option<&str> {
    let bare = prefix.strip_suffix(['v', 'V']).filter(|bare| !bare.ends_with(char::is_alphanumeric)).unwrap_or(prefix);
    let Some(last) = bare.chars().next_back() else { return Some("") };
    let component = bare.strip_suffix(last)?;
    // `1.2.3.4` is no version 2.3.4 of a component 1.
    let number_goes_on = last == '.' && component.ends_with(|c: char| c.is_ascii_digit()) && bare == prefix;
    (!last.is_alphanumeric() && !number_goes_on).then_some(component)
}

fn no_version(name: &str) -> TagError {
    let message = format!("{name} does not end in a SemVer version (three numbers, no leading zeros), like v1.2.3.");
    TagError { code: "tag_not_a_version", message }
}

#[cfg(test)]
mod tests;
