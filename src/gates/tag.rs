//! The gate `tag`: the tag is a version, still names the commit that the event named, stands on a branch that may be
//! released, has no release yet, and the manifests at the commit say the same version.
//!
//! A pushed tag is a person's decision: another version than the commits call for is noted, not refused. Without a tag (a
//! merge) only the commit's branch is judged.
//!
//! Known race: a tag can move after the newest read; the run reads and judges again before it publishes.

use super::manifest::{self, Comparison};
use super::text::{join, link, list, plain};
use super::{BranchStanding, GateView, TagView, Verdict};
use crate::config::repo::{CONFIG_PATH, glob};
use crate::domain::{Ancestry, ReleaseInfo, TagRef, Version};

const GATE: &str = "tag";
const RERUN: &str = "Then re-run this check.";

pub(super) fn judge(view: &GateView<'_>) -> Verdict {
    try_judge(view).unwrap_or_else(|refusal| *refusal)
}

/// An early answer; boxed, since a verdict is large.
type Early = Box<Verdict>;

fn try_judge(view: &GateView<'_>) -> Result<Verdict, Early> {
    let Some(tag) = &view.tag else {
        right_commit(view)?;
        let branch = on_allowed_branch(view)?;
        let reason = format!("Commit {} is on {}; it was not asked for by a tag.", view.pinned.short(), quoted(&branch));
        return Ok(Verdict::pass(GATE, "no_tag", reason));
    };
    let version = is_version(view, tag)?;
    not_moved(view, tag)?;
    right_commit(view)?;
    let branch = on_allowed_branch(view)?;
    not_released(view, tag)?;
    let manifests = same_as_manifests(view, tag, version)?;
    Ok(Verdict::pass(GATE, "tag_ok", passed(view, tag, version, &branch, &manifests)))
}

fn early<T>(verdict: Verdict) -> Result<T, Early> {
    Err(Box::new(verdict))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", plain(text))
}

fn is_version<'a>(view: &GateView<'a>, tag: &TagView<'a>) -> Result<&'a Version, Early> {
    if let Some(version) = tag.version {
        return Ok(version);
    }
    let name = quoted(tag.name.as_str());
    let (reason, example) = match &view.config.release.tag {
        None => (format!("Tag {name} is not a version such as v1.2.3."), "v1.2.3".to_owned()),
        Some(pattern) => {
            let reason = format!("Tag {name} is not a version by the pattern {}.", quoted(pattern));
            (reason, plain(&pattern.replace("{version}", "1.2.3")))
        }
    };
    early(Verdict::fail(
        GATE,
        "not_a_version",
        reason,
        format!("Push a tag such as {example}, or list this one under `ignore` in `[release]` of {CONFIG_PATH}."),
    ))
}

/// The tag still exists and names what the event named and what the run is pinned to.
fn not_moved(view: &GateView<'_>, tag: &TagView<'_>) -> Result<(), Early> {
    let name = quoted(tag.name.as_str());
    let Some(now) = tag.now.filter(|now| now.name == *tag.name) else {
        return early(Verdict::fail(
            GATE,
            "tag_gone",
            format!("Tag {name} does not exist any more."),
            format!("If this commit is to be released, push the tag {name} for it again. {RERUN}"),
        ));
    };
    if now.commit != *view.pinned {
        return early(moved(tag, &format!("named commit {} and now names {}", view.pinned.short(), now.commit.short())));
    }
    let first = view.facts.tag.as_ref().filter(|first| first.name == *tag.name);
    if let Some(first) = first.filter(|first| first.commit != *view.pinned || replaced(first, now)) {
        return early(moved(tag, &format!("named commit {} when the run began and was replaced since", first.commit.short())));
    }
    let Some(event) = tag.event_sha else { return Ok(()) };
    if *event == now.commit || now.object.as_ref() == Some(event) {
        return Ok(());
    }
    if now.annotated && now.object.is_none() {
        return early(Verdict::unavailable(
            GATE,
            "tag_unreadable",
            format!("Whether the annotated tag {name} is still the one that was pushed could not be read."),
            "Re-run this check.",
        ));
    }
    early(moved(tag, &format!("was pushed as {} and has been replaced since", event.short())))
}

/// An annotated tag written again is another tag, even for the same commit.
fn replaced(first: &TagRef, now: &TagRef) -> bool {
    matches!((&first.object, &now.object), (Some(before), Some(after)) if before != after)
}

fn moved(tag: &TagView<'_>, what: &str) -> Verdict {
    Verdict::fail(
        GATE,
        "tag_moved",
        format!("Tag {} {what}.", quoted(tag.name.as_str())),
        "Leave published tags alone: push the commit that you mean under a new version.",
    )
}

/// The facts are about the pinned commit and no other.
fn right_commit(view: &GateView<'_>) -> Result<(), Early> {
    if view.facts.sha.as_ref() == Some(view.pinned) {
        return Ok(());
    }
    early(Verdict::unavailable(
        GATE,
        "commit_unreadable",
        format!("Commit {} could not be read.", view.pinned.short()),
        "See whether the commit still exists in the repository. Then re-run this check.",
    ))
}

/// The branch that contains the commit.
fn on_allowed_branch(view: &GateView<'_>) -> Result<String, Early> {
    let globs = &view.config.release.branches;
    let default = &view.facts.default_branch.name;
    let allowed = |name: &str| if globs.is_empty() { name == default } else { globs.iter().any(|g| glob::matches(g, name)) };
    let standing = BranchStanding { name: default.clone(), ancestry: view.facts.on_default_branch };
    // Without a list only the default branch counts; with one, the others must have been read to say "on none".
    let others_read = globs.is_empty() || view.branches.is_some();
    let others = view.branches.unwrap_or_default();
    let all: Vec<&BranchStanding> = [&standing].into_iter().chain(others).filter(|b| allowed(&b.name)).collect();
    if let Some(branch) = all.iter().find(|b| b.ancestry == Some(Ancestry::Contained)) {
        return Ok(branch.name.clone());
    }
    let names = if globs.is_empty() { vec![plain(default)] } else { globs.iter().map(|g| plain(g)).collect() };
    if !others_read || all.iter().any(|b| b.ancestry.is_none()) {
        return early(Verdict::unavailable(
            GATE,
            "branch_unknown",
            format!("Whether commit {} is on {} could not be read.", view.pinned.short(), list(&names)),
            "Re-run this check.",
        ));
    }
    early(Verdict::fail(
        GATE,
        "not_on_branch",
        format!("Commit {} is not on {}.", view.pinned.short(), list(&names)),
        format!("Push or merge the commit to {}, or add its branch to `branches` in `[release]`. {RERUN}", list(&names)),
    ))
}

/// No release of this name but our own.
fn not_released(view: &GateView<'_>, tag: &TagView<'_>) -> Result<(), Early> {
    let marker = format!("<!-- lockkeeper:run={} -->", view.run);
    let of_tag = || view.releases.iter().filter(|r| r.tag == tag.name.as_str());
    let foreign = || of_tag().filter(|r| !r.body.contains(&marker));
    let Some(release) = foreign().find(|r| !r.draft).or_else(|| foreign().next()) else { return Ok(()) };
    let name = quoted(tag.name.as_str());
    let verdict = match (release.draft, release.body.contains("<!-- lockkeeper:run=")) {
        (false, _) => Verdict::fail(
            GATE,
            "already_released",
            format!("A release of {name} is already published."),
            "Push a new version; a published release is never replaced.",
        ),
        (true, false) => Verdict::fail(
            GATE,
            "draft_exists",
            format!("Somebody has written a draft release for {name}."),
            format!("Publish that draft yourself, or delete it to have Lockkeeper write the release. {RERUN}"),
        ),
        (true, true) => Verdict::fail(
            GATE,
            "draft_of_another_run",
            format!("An earlier run of Lockkeeper left a draft release for {name}."),
            format!("Delete that draft. {RERUN}"),
        ),
    };
    early(with_link(verdict, release))
}

fn with_link(verdict: Verdict, release: &ReleaseInfo) -> Verdict {
    let name = plain(&release.tag);
    let links = link(&name, Some(&release.url)).into_iter().collect();
    verdict.names(vec![name]).links(links)
}

fn same_as_manifests(view: &GateView<'_>, tag: &TagView<'_>, version: &Version) -> Result<Comparison, Early> {
    let component = tag.component.and_then(|name| view.config.components.iter().find(|c| c.name == name));
    let directory = component.map_or(".", |c| c.path.as_str());
    let found = manifest::compare(&view.facts.manifests, directory, version);
    if !found.differ.is_empty() {
        let says: Vec<String> = found.differ.iter().map(|(path, v)| format!("{} says {}", plain(path), plain(v))).collect();
        let paths: Vec<String> = found.differ.iter().map(|(path, _)| plain(path)).collect();
        let reason = format!("Tag {} means version {version}, but {}.", quoted(tag.name.as_str()), join(&says));
        let fix = format!(
            "Never move a tag: set the next version in {}, commit it, and push that version's tag on that commit.",
            paths.join(", ")
        );
        return early(Verdict::fail(GATE, "manifest_differs", reason, fix).names(paths));
    }
    if let Some((path, why)) = found.unreadable.first() {
        let reason = format!("{} could not be compared with the tag: {why}.", plain(path));
        let fix = format!("Mend {} and push a new version.", plain(path));
        let verdict = Verdict::new(GATE, super::Status::Inconclusive, "manifest_unreadable", reason, fix);
        return early(verdict.names(vec![plain(path)]));
    }
    Ok(found)
}

fn passed(view: &GateView<'_>, tag: &TagView<'_>, version: &Version, branch: &str, found: &Comparison) -> String {
    let mut reason = format!("Tag {} is version {version}", quoted(tag.name.as_str()));
    if let Some(component) = tag.component {
        reason += &format!(" of {}", quoted(component));
    }
    reason += &format!(", at commit {} on {}", view.pinned.short(), quoted(branch));
    if !found.agree.is_empty() {
        let say = if found.agree.len() == 1 { "says" } else { "say" };
        reason += &format!("; {} {say} the same", join(&found.agree));
    }
    for (path, other) in &found.noted {
        reason += &format!("; {path} is private and says {}", plain(other));
    }
    if let Some(next) = view.next_version.filter(|next| *next != version) {
        reason += &format!("; the commits call for {next}, and the tag decides");
    }
    reason + "."
}
