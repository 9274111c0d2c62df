//! What a run knows after its first read: the repository's settings and, for a tag, what it says.

use crate::actions::deploy::Subject;
use crate::config::repo::{self, CONFIG_PATH, RepoConfig};
use crate::domain::{Ancestry, CommitFacts, FileAt, Refusal, Sha, Tag, TagRef, Unreadable};
use crate::expect;
use crate::notes::tags::{ParsedTag, Scheme};
use crate::plan::Ground;

/// The repository's settings at its default branch. A file that cannot be read or has mistakes refuses everything.
pub fn settings(config: &Result<Option<FileAt>, Unreadable>) -> Result<RepoConfig, Refusal> {
    let file = config.as_ref().map_err(|why| {
        Refusal::operator(
            "config_unreadable",
            format!("{CONFIG_PATH} could not be read: {}", why.reason),
            "Give the App read access to the repository's contents and run this check again.",
        )
    })?;
    let Some(file) = file else { return Ok(RepoConfig::default()) };
    repo::parse(&file.text, &|text| expect::compile(text).map(|_| ())).map_err(|problems| {
        Refusal::user(
            "config_invalid",
            format!("{CONFIG_PATH} on the default branch has mistakes: {}", first_lines(&problems.to_string())),
            format!(
                "Mend {CONFIG_PATH} on the default branch and run this check again; `lockkeeper check` shows every mistake."
            ),
        )
    })
}

/// Whether this is the default branch, and stands at this commit. A tag of its name is what everybody else would take.
pub fn is_default(facts: &CommitFacts, branch: &Tag, head: Option<&Sha>) -> bool {
    let tagged = facts.tags.iter().any(|tag| tag.name == *branch);
    !tagged && facts.default_branch.name == branch.as_str() && head == Some(&facts.default_branch.head)
}

/// How the repository names its tags.
pub fn scheme(config: &RepoConfig) -> Result<Scheme, Refusal> {
    let components = config.components.iter().map(|c| (c.name.as_str(), c.tag.as_str()));
    Scheme::new(config.release.tag.as_deref(), components, &config.release.ignore)
}

/// What a tag says by the repository's own grammar; `None` for a tag that is to be left alone.
pub fn read_tag(config: &RepoConfig, tag: &Tag) -> Result<Option<(Scheme, ParsedTag)>, Refusal> {
    let scheme = scheme(config)?;
    match scheme.parse(tag.as_str()) {
        Ok(parsed) => Ok(Some((scheme, parsed))),
        Err(error) if error.code == "tag_ignored" => Ok(None),
        Err(error) => Err(Refusal::user(
            error.code,
            error.message,
            format!("Push a tag such as v1.2.3, or list this one under `ignore` in `[release]` of {CONFIG_PATH}."),
        )),
    }
}

/// What is deployed where a commit is named, by what was read of it.
pub fn subject(ground: &Ground, config: &RepoConfig, sha: &Sha) -> Result<Subject, Refusal> {
    let scheme = scheme(config)?;
    let tag = ground.facts.tag.as_ref().map(|tag| tag.name.clone());
    let parsed = tag.as_ref().and_then(|tag| scheme.parse(tag.as_str()).ok());
    Ok(Subject {
        sha: sha.clone(),
        tag,
        version: parsed.as_ref().map(|parsed| parsed.version.to_string()),
        component: parsed.and_then(|parsed| parsed.component),
    })
}

/// It is on the default branch, or a tag's. What is not is deployed as the head of a pull request is.
pub fn is_released(facts: &CommitFacts, subject: &Subject) -> bool {
    facts.on_default_branch == Some(Ancestry::Contained) || subject.tag.is_some()
}

/// The tag at this commit that something was started for, among those that were read.
pub fn tag_of<'f>(facts: &'f CommitFacts, git_ref: &str, sha: &Sha) -> Option<&'f TagRef> {
    let name = git_ref.strip_prefix("refs/tags/").unwrap_or(git_ref);
    facts.tags.iter().find(|tag| tag.name.as_str() == name && tag.commit == *sha)
}

fn first_lines(text: &str) -> String {
    let mut lines = text.lines();
    let shown: Vec<&str> = lines.by_ref().take(3).collect();
    let more = lines.count();
    let tail = if more > 0 { format!(" (and {more} more)") } else { String::new() };
    shown.join("; ") + &tail
}
