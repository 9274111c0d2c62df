//! Commits and tags as git-cliff's command makes releases of them, and their rendering.
//!
//! Source: git-cliff 2.14.2, `process_repository` and `Repository::{tags, commits, commit_tag_ownership}`; the library
//! leaves all this to its caller. A commit belongs to the oldest tag that contains it. One pass over the graph, where the
//! command walks it once for each tag.

use super::message;
use super::neutral::{Place, lenient};
use super::settings::one_line;
use super::{CommitText, Person, RenderRequest, TagText};
use crate::domain::Refusal;
use crate::notes::order::{Node, topological};
use git_cliff_core::changelog::Changelog;
use git_cliff_core::commit::{Commit, Range, Signature};
use git_cliff_core::config::{Config, GitConfig};
use git_cliff_core::contributor::RemoteContributor;
use git_cliff_core::release::Release;
use regex::Regex;
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// `commit.github.username` and the like, which git-cliff's command still fills and its library does not.
static OLD_FIELDS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\b(\w+)\.github\.(username|pr_title|pr_number|pr_labels|is_first_time)\b").ok());

/// The text of the repository's own templates.
pub fn render(request: &RenderRequest, mut config: Config) -> Result<String, Refusal> {
    let log = &mut config.changelog;
    let (mut raw, mut old) = (false, false);
    for template in [Some(&mut log.body), log.header.as_mut(), log.footer.as_mut()].into_iter().flatten() {
        raw |= template.contains("raw_message");
        if let Some(fields) = OLD_FIELDS.as_ref().filter(|fields| fields.is_match(template)) {
            *template = fields.replace_all(template, "$1.remote.$2").into_owned();
            old = true;
        }
    }
    let mut releases = releases(request, &config.git, raw);
    if old {
        releases
            .iter_mut()
            .flat_map(|r| &mut r.commits)
            .for_each(|c| c.remote = c.remote.take().or_else(|| Some(RemoteContributor::default())));
    }
    let mut changelog = Changelog::new(releases, config, None).map_err(failed)?;
    // The command, which can talk to all of these, has them always.
    for name in ["github", "gitlab", "gitea", "bitbucket", "azure_devops"] {
        let known = if name == "github" { contributors(&request.commits, request.verbatim) } else { Vec::new() };
        changelog.add_context(name, json!({ "contributors": known })).map_err(failed)?;
    }
    write(&changelog)
}

/// The text of a changelog that stands.
pub fn write(changelog: &Changelog<'_>) -> Result<String, Refusal> {
    let mut out = Vec::new();
    changelog.generate(&mut out).map_err(failed)?;
    String::from_utf8(out).map_err(failed)
}

pub fn failed(error: impl std::fmt::Display) -> Refusal {
    Refusal::user(
        "notes_template_failed",
        format!("The release notes could not be rendered: {}.", one_line(&error.to_string())),
        "Try the configuration with `git cliff` on your machine, or remove it to get the notes of Lockkeeper's own template.",
    )
}

fn releases<'a>(request: &RenderRequest, git: &GitConfig, raw: bool) -> Vec<Release<'a>> {
    let tags = tags(request, git);
    let mut commits = ordered(request, git.topo_order_commits);
    commits.truncate(git.limit_commits.unwrap_or(usize::MAX));
    let by_commit: HashMap<&str, &TagText> = tags.iter().map(|t| (t.commit.as_str(), t)).collect();
    let mut all = vec![Release::default()];
    let (mut previous, mut first_tag) = (Release::default(), None);
    for commit in grouped(&commits, &tags, &request.unseen) {
        let Some(release) = all.last_mut() else { break };
        release.commits.push(commit_of(commit, request.verbatim, raw));
        release.commit_id = Some(commit.id.clone());
        if let Some(tag) = by_commit.get(commit.id.as_str()) {
            release.version = Some(tag.name.clone());
            release.message = tag.message.as_deref().map(|text| safe(text, Place::Lines, request.verbatim));
            release.timestamp = Some(tag.time);
            first_tag = first_tag.or(Some(tag.name.as_str()));
            previous.previous = None;
            release.previous = Some(Box::new(previous));
            previous = release.clone();
            all.push(Release::default());
        }
    }
    if let Some(last) = all.last_mut().filter(|_| first_tag.is_some()) {
        previous.previous = None;
        last.previous = Some(Box::new(previous));
    }
    name_first_previous(&mut all, request, &tags, first_tag);
    for release in &mut all {
        if let (Some(first), Some(last)) = (release.commits.first(), release.commits.last()) {
            release.commit_range = Some(Range::new(first, last));
        }
        if git.sort_commits.eq_ignore_ascii_case("newest") {
            release.commits.reverse();
        }
    }
    all
}

fn name_first_previous(all: &mut [Release<'_>], request: &RenderRequest, tags: &[TagText], first_tag: Option<&str>) {
    let Some(first) = all.first_mut().filter(|r| r.previous.as_ref().and_then(|p| p.version.as_ref()).is_none()) else {
        return;
    };
    let before = match first_tag {
        Some(name) => tags.iter().position(|t| t.name == name).and_then(|at| at.checked_sub(1)).and_then(|at| tags.get(at)),
        None => tags.last(),
    };
    // For a range that holds no tag the command names the newest one of all, wherever that is.
    let known = request.previous.as_ref();
    if let Some(tag) = if request.verbatim { before.or(known) } else { known.or(before) } {
        first.previous = Some(Box::new(Release {
            commit_id: Some(tag.commit.clone()).filter(|id| !id.is_empty()),
            version: Some(tag.name.clone()),
            timestamp: Some(tag.time),
            ..Release::default()
        }));
    }
}

/// The tags that count, oldest first; of two on one commit the later name has it, at the earlier one's place.
fn tags(request: &RenderRequest, git: &GitConfig) -> Vec<TagText> {
    let matches = |pattern: &Option<Regex>, name: &str| pattern.as_ref().map(|p| p.is_match(name));
    let mut sorted: Vec<&TagText> = request
        .tags
        .iter()
        .filter(|t| matches(&git.tag_pattern, &t.name) != Some(false) && (!git.use_branch_tags || t.on_branch))
        .collect();
    if !git.topo_order {
        sorted.sort_by_key(|t| t.time);
    }
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut tags: Vec<TagText> = Vec::new();
    for tag in sorted {
        match places.get(tag.commit.as_str()).and_then(|at| tags.get_mut(*at)) {
            Some(same) => *same = tag.clone(),
            None => {
                places.insert(&tag.commit, tags.len());
                tags.push(tag.clone());
            }
        }
    }
    let ignore = git.ignore_tags.clone().filter(|r| !r.as_str().trim().is_empty());
    tags.retain(|t| {
        let skipped = matches(&git.skip_tags, &t.name) == Some(true);
        skipped || (matches(&git.count_tags, &t.name) != Some(false) && matches(&ignore, &t.name) != Some(true))
    });
    tags
}

/// Newest first, as the command walks: by the graph or by time. A list without parents keeps its order.
pub fn ordered(request: &RenderRequest, topological_order: bool) -> Vec<&CommitText> {
    let mut newest_first: Vec<&CommitText> = request.commits.iter().rev().collect();
    if request.commits.iter().all(|c| c.parents.is_empty()) {
        return newest_first;
    }
    if !topological_order {
        newest_first.sort_by_key(|c| std::cmp::Reverse(c.committer.time));
        return newest_first;
    }
    let parents: Vec<Vec<&str>> = newest_first.iter().map(|c| c.parents.iter().map(String::as_str).collect()).collect();
    let nodes: Vec<Node<'_>> = newest_first.iter().zip(&parents).map(|(c, p)| Node { id: &c.id, parents: p }).collect();
    topological(&nodes).into_iter().filter_map(|at| newest_first.get(at).copied()).collect()
}

/// Oldest first, tag by tag, each tag's own commit last, then what no tag contains.
fn grouped<'r>(newest_first: &[&'r CommitText], tags: &[TagText], unseen: &[String]) -> Vec<&'r CommitText> {
    let unseen: HashSet<&str> = unseen.iter().map(String::as_str).collect();
    let place: HashMap<&str, usize> = newest_first.iter().enumerate().map(|(at, c)| (c.id.as_str(), at)).collect();
    let has_parents = newest_first.iter().any(|c| !c.parents.is_empty());
    let mut owner: Vec<Option<usize>> = vec![None; newest_first.len()];
    for (nth, tag) in tags.iter().enumerate() {
        let Some(&at) = place.get(tag.commit.as_str()).filter(|_| !unseen.contains(tag.commit.as_str())) else { continue };
        if !has_parents {
            // A list without a graph: everything up to the tagged commit is in the tag.
            owner.iter_mut().skip(at).filter(|o| o.is_none()).for_each(|o| *o = Some(nth));
            continue;
        }
        let mut todo = vec![at];
        while let Some(at) = todo.pop() {
            if let Some(free) = owner.get_mut(at).filter(|o| o.is_none()) {
                *free = Some(nth);
                let parents = newest_first.get(at).into_iter().flat_map(|c| &c.parents);
                todo.extend(parents.filter_map(|p| place.get(p.as_str()).copied()));
            }
        }
    }
    let mut groups: Vec<Vec<&CommitText>> = vec![Vec::new(); tags.len() + 1];
    for (commit, owner) in newest_first.iter().zip(&owner).rev().filter(|(c, _)| !unseen.contains(c.id.as_str())) {
        groups[owner.unwrap_or(tags.len())].push(commit);
    }
    for (group, tag) in groups.iter_mut().zip(tags) {
        if let Some(at) = group.iter().position(|c| c.id == tag.commit) {
            let tagged = group.remove(at);
            group.push(tagged);
        }
    }
    groups.into_iter().flatten().collect()
}

fn commit_of<'a>(commit: &CommitText, verbatim: bool, raw: bool) -> Commit<'a> {
    let text = commit.message.trim_end();
    let message = if verbatim { text.to_owned() } else { message::neutral(text, raw) };
    Commit {
        author: signature(&commit.author, verbatim),
        committer: signature(&commit.committer, verbatim),
        merge_commit: commit.parents.len() > 1,
        remote: remote(commit, verbatim),
        ..Commit::new(commit.id.clone(), message)
    }
}

fn signature(person: &Person, verbatim: bool) -> Signature {
    let text = |text: &Option<String>| text.as_deref().map(|t| safe(t, Place::Line, verbatim));
    Signature { name: text(&person.name), email: text(&person.email), timestamp: person.time }
}

fn remote(commit: &CommitText, verbatim: bool) -> Option<RemoteContributor> {
    let pull = commit.pull_request.as_ref();
    if commit.login.is_none() && pull.is_none() {
        return None;
    }
    let number = pull.and_then(|p| i64::try_from(p.number).ok());
    let text = |text: &str| safe(text, Place::Line, verbatim);
    Some(RemoteContributor {
        username: commit.login.as_deref().map(text),
        pr_author: pull.and_then(|p| p.author.as_deref()).map(text),
        pr_title: pull.map(|p| text(&p.title)),
        pr_number: number,
        pr_numbers: number.into_iter().collect(),
        pr_labels: pull.map(|p| p.labels.iter().map(|l| text(l)).collect()).unwrap_or_default(),
        is_first_time: commit.first_contribution,
    })
}

/// Each account once, with the pull requests that it brought.
fn contributors(commits: &[CommitText], verbatim: bool) -> Vec<RemoteContributor> {
    let (mut places, mut all) = (HashMap::new(), Vec::<RemoteContributor>::new());
    for one in commits.iter().filter_map(|c| remote(c, verbatim)).filter(|r| r.username.is_some()) {
        let at = *places.entry(one.username.clone()).or_insert(all.len());
        match all.get_mut(at) {
            Some(known) => {
                known.pr_numbers.extend(one.pr_numbers);
                known.pr_numbers.sort_unstable();
                known.pr_numbers.dedup();
                known.pr_number = known.pr_number.or(one.pr_number);
                known.is_first_time |= one.is_first_time;
            }
            None => all.push(RemoteContributor { pr_author: None, ..one }),
        }
    }
    all
}

fn safe(text: &str, place: Place, verbatim: bool) -> String {
    if verbatim { text.to_owned() } else { lenient(text, place).into_owned() }
}
