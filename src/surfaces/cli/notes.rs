//! `lockkeeper notes`: what the App would write and which version it would expect, on this machine.

mod git;
mod input;

use super::{fail, read_text, say, warn};
use crate::domain::{FileAt, Refusal, RepoName, Version};
use crate::notes::bump::{self, Bump, Next, Policy};
use crate::notes::render::{BODY_LIMIT, CommitText, RenderRequest, Rendered, Site, Style, TagText};
use crate::notes::tags::Scheme;
use crate::notes::{Classified, Entry, Message, Unclassified, classify_messages, sandboxed};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `lockkeeper notes`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Read commits from this file (`-` for standard input): a JSON array as GitHub's compare API returns in `commits`, or
    /// the whole compare object; `sha` and `message` are enough
    #[arg(long, value_name = "FILE", conflicts_with_all = ["repo", "range"], required_unless_present = "repo")]
    commits: Option<PathBuf>,
    /// Read commits from this local repository
    #[arg(long, value_name = "PATH", requires = "range")]
    repo: Option<PathBuf>,
    /// Which commits: what B contains and A does not
    #[arg(long, value_name = "A..B", requires = "repo", allow_hyphen_values = true)]
    range: Option<String>,
    /// Use this git-cliff configuration (cliff.toml, or a Cargo.toml or pyproject.toml with one inside). Without it, a
    /// local repository's own is used if it has one, and else Lockkeeper's own template
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The version that is out; by default the one that A names
    #[arg(long, value_name = "VERSION")]
    current_version: Option<String>,
    /// Name the release like this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    #[arg(long, value_enum, default_value = "markdown")]
    format: Format,
    /// Make links to this repository on GitHub
    #[arg(long, value_name = "OWNER/NAME")]
    repository: Option<String>,
    /// Leave mentions, HTML, links and the like in commit messages as they are, so that the notes are the very bytes that
    /// git-cliff writes; not for publishing
    #[arg(long)]
    verbatim: bool,
    /// Below 1.0.0, let a feature raise the minor number instead of the patch number
    #[arg(long)]
    features_always_bump_minor: bool,
    /// Below 1.0.0, let a breaking change lead to 1.0.0 instead of the next minor number
    #[arg(long)]
    breaking_always_bump_major: bool,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq)]
enum Format {
    Markdown,
    Json,
}

/// What was read, wherever it came from; commits oldest first.
struct Source {
    commits: Vec<CommitText>,
    tags: Vec<TagText>,
    previous: Option<TagText>,
    unseen: Vec<String>,
    skipped: Vec<String>,
    site: Option<Site>,
    /// The repository's own configuration.
    config: Option<FileAt>,
}

/// 0 with notes, also when there is nothing to release; 2 with one line on standard error for input that cannot be used.
pub fn run(args: Args) -> ExitCode {
    match answer(&args) {
        Ok((text, refused)) => {
            if !refused.is_empty() {
                warn(&format!("options that Lockkeeper does not follow: {}.", refused.join(", ")));
            }
            say(&text)
        }
        Err(refusal) => fail(&refusal),
    }
}

/// The notes, and the options of the configuration that they were not written by.
fn answer(args: &Args) -> Result<(String, Vec<String>), Refusal> {
    let config = match &args.config {
        Some(path) => Some(FileAt { path: path.display().to_string(), text: read_text(path)? }),
        None => None,
    };
    let mut source = match (&args.commits, &args.repo, &args.range) {
        (Some(file), _, _) => Source { config, ..input::read(file)? },
        (None, Some(repo), Some(range)) => git::read(repo, range, config)?,
        _ => {
            return Err(Refusal::user("notes_no_input", "There is nothing to read.", "Give --commits, or --repo and --range."));
        }
    };
    if let Some(name) = &args.repository {
        source.site = Some(site("https://github.com", name)?);
    }
    name_release(&mut source, args.tag.as_deref());
    let messages: Vec<Message<'_>> =
        source.commits.iter().map(|c| Message { sha: &c.id, text: &c.message, merge: c.parents.len() > 1 }).collect();
    let all = classify_messages(&messages);
    let current = current_version(args, source.previous.as_ref())?;
    let rendered = rendered(args, source)?;
    let next = bump::next(current.as_ref(), &all, &policy(args, &rendered))?;
    Ok(match args.format {
        Format::Markdown => (rendered.markdown, rendered.refused_options),
        // The JSON names them.
        Format::Json => (json_text(&all, &next, &rendered)?, Vec::new()),
    })
}

fn site(server: &str, name: &str) -> Result<Site, Refusal> {
    let repo = RepoName::parse(name).map_err(|e| {
        Refusal::user("repository_invalid", format!("{name:?} is no repository: {e}."), "Write it as owner/name.")
    })?;
    Ok(Site { server: server.to_owned(), repo })
}

/// Puts the tag on the newest commit, unless that is tagged already.
fn name_release(source: &mut Source, tag: Option<&str>) {
    let (Some(tag), Some(head)) = (tag, source.commits.last()) else { return };
    if source.tags.iter().all(|t| t.commit != head.id) {
        let time = jiff::Timestamp::now().as_second();
        let (name, commit) = (tag.to_owned(), head.id.clone());
        source.tags.push(TagText { name, commit, message: None, time, on_branch: true });
    }
}

/// What `--current-version` says, or the tag before the range; a tag and a bare version are both understood.
fn current_version(args: &Args, previous: Option<&TagText>) -> Result<Option<Version>, Refusal> {
    let read = |text: &str| Version::parse(text).ok().or_else(|| Scheme::default().parse(text).ok().map(|t| t.version));
    match &args.current_version {
        None => Ok(previous.and_then(|tag| read(&tag.name))),
        Some(text) => read(text).map(Some).ok_or_else(|| {
            let message = format!("{text:?} is no version.");
            Refusal::user("version_invalid", message, "Write three numbers without leading zeros, like 1.2.3.")
        }),
    }
}

fn rendered(args: &Args, source: Source) -> Result<Rendered, Refusal> {
    let exe =
        std::env::current_exe().map_err(|e| Refusal::operator("notes_render_unavailable", e.to_string(), "Start it again."))?;
    let request = RenderRequest {
        commits: source.commits,
        tags: source.tags,
        previous: source.previous,
        unseen: source.unseen,
        skipped: source.skipped,
        style: source.config.map_or(Style::Own, Style::Cliff),
        site: source.site,
        verbatim: args.verbatim,
        limit: if args.verbatim { usize::MAX } else { BODY_LIMIT },
    };
    sandboxed::render(&exe, &request)
}

/// Ours, with what the configuration and the arguments say.
fn policy(args: &Args, rendered: &Rendered) -> Policy {
    let mut policy = Policy::default();
    let said = &rendered.bump;
    policy.features_always_bump_minor = args.features_always_bump_minor || said.features_always_bump_minor.unwrap_or(false);
    policy.breaking_always_bump_major = args.breaking_always_bump_major || said.breaking_always_bump_major.unwrap_or(false);
    if let Some(tag) = said.initial_tag.as_deref().and_then(|tag| Scheme::default().parse(tag).ok()) {
        policy.initial = tag.version;
    }
    policy
}

/// The answer as JSON; scripts rely on its names.
#[derive(Serialize)]
struct Answer<'a> {
    commits: &'a [Entry],
    bump: Bump,
    next_version: Option<String>,
    unclassified: &'a [Unclassified],
    refused_options: &'a [String],
    markdown: &'a str,
}

fn json_text(all: &Classified, next: &Next, rendered: &Rendered) -> Result<String, Refusal> {
    let answer = Answer {
        commits: &all.entries,
        bump: next.bump,
        next_version: next.version.as_ref().map(ToString::to_string),
        unclassified: &all.unclassified,
        refused_options: &rendered.refused_options,
        markdown: &rendered.markdown,
    };
    let text = serde_json::to_string_pretty(&answer).map_err(|e| Refusal::us("notes_json_failed", e.to_string()))?;
    Ok(text + "\n")
}
