//! From classified or raw commits to Markdown, with git-cliff-core.
//!
//! Only the child process calls [`render`]; see [`super::sandboxed`]. Everything that comes in is hostile: commit messages
//! by strangers (`neutral`), and the repository's own configuration (`settings`).

mod cut;
mod message;
mod neutral;
mod own;
mod releases;
mod settings;

use crate::domain::{Commit, FileAt, PullRequest, Range, Refusal, RepoName, Tag};
use serde::{Deserialize, Serialize};

/// GitHub refuses longer release bodies (422, "body is too long (maximum is 125000 characters)").
pub const BODY_LIMIT: usize = 125_000;

/// All that notes are made of; goes to the child as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RenderRequest {
    /// Oldest first, or in any order if their parents are known.
    pub commits: Vec<CommitText>,
    /// Tags among the commits, the new one included, and the one before them. Without any, the commits are unreleased.
    pub tags: Vec<TagText>,
    /// The tag before the range where it is known for sure; else the tag before the first one among the commits.
    pub previous: Option<TagText>,
    /// Ids of commits that are walked over but not shown (`.git-blame-ignore-revs`).
    #[serde(default)]
    pub unseen: Vec<String>,
    /// Ids of commits that git-cliff skips (`.cliffignore`).
    #[serde(default)]
    pub skipped: Vec<String>,
    pub style: Style,
    /// Where links go.
    pub site: Option<Site>,
    /// Leave hostile text as it is: for comparing with git-cliff, never for publishing.
    pub verbatim: bool,
    /// Longest text, in UTF-16 units (so that it holds whether GitHub counts these or code points).
    pub limit: usize,
}

/// Whose template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// Ours.
    Own,
    /// The repository's git-cliff configuration; a Cargo.toml or pyproject.toml is recognised by its path.
    Cliff(FileAt),
}

/// A repository on a GitHub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Without a slash at its end, for example `https://github.com`.
    pub server: String,
    pub repo: RepoName,
}

/// A commit in the words of git, and what GitHub knows of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CommitText {
    pub id: String,
    pub message: String,
    #[serde(default)]
    pub parents: Vec<String>,
    #[serde(default)]
    pub author: Person,
    #[serde(default)]
    pub committer: Person,
    #[serde(default)]
    pub login: Option<String>,
    #[serde(default)]
    pub pull_request: Option<PullRequest>,
    #[serde(default)]
    pub first_contribution: bool,
}

/// Who and when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    pub name: Option<String>,
    pub email: Option<String>,
    /// Seconds since the epoch.
    pub time: i64,
}

/// A tag, peeled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagText {
    pub name: String,
    pub commit: String,
    /// The annotation, without its signature.
    pub message: Option<String>,
    /// When the tagged commit was committed, or the release's own time; seconds since the epoch.
    pub time: i64,
    /// The tag is in the history of the branch at hand; matters only to `use_branch_tags`.
    pub on_branch: bool,
}

/// Notes, and what was left out of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendered {
    pub markdown: String,
    /// Options of the repository's configuration that were not obeyed, by their names.
    pub refused_options: Vec<String>,
    /// The text was longer than the limit and ends in a link instead.
    pub truncated: bool,
    /// The configuration's `[bump]` table.
    pub bump: BumpOptions,
}

/// What a git-cliff configuration says about versions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BumpOptions {
    pub features_always_bump_minor: Option<bool>,
    pub breaking_always_bump_major: Option<bool>,
    pub initial_tag: Option<String>,
}

impl RenderRequest {
    /// Notes of one release: all commits of the range under one tag (none: unreleased), which stands at the newest of them for
    /// the renderer. `config` is the repository's own
    /// git-cliff configuration, `time` the release's, in seconds since the epoch.
    pub fn for_release(range: &Range, tag: Option<&Tag>, time: i64, config: Option<FileAt>, site: Option<Site>) -> Self {
        let named = |name: &Tag, commit: &str| TagText {
            name: name.to_string(),
            commit: commit.to_owned(),
            message: None,
            time,
            on_branch: true,
        };
        Self {
            commits: range.commits.iter().map(CommitText::from).collect(),
            tags: tag
                .map(|tag| named(tag, range.commits.last().map_or(&range.head, |c| &c.sha).as_str()))
                .into_iter()
                .collect(),
            previous: range.from.as_ref().map(|tag| named(tag, "")),
            unseen: Vec::new(),
            skipped: Vec::new(),
            style: config.map_or(Style::Own, Style::Cliff),
            site,
            verbatim: false,
            limit: BODY_LIMIT,
        }
    }

    /// Marks the commits of accounts that had none before.
    pub fn mark_first_time(&mut self, logins: &[String]) {
        for commit in &mut self.commits {
            commit.first_contribution |= commit.login.as_ref().is_some_and(|login| logins.contains(login));
        }
    }
}

impl From<&Commit> for CommitText {
    fn from(commit: &Commit) -> Self {
        let person =
            Person { name: Some(commit.author_name.clone()), email: Some(commit.author_email.clone()), time: commit.time };
        Self {
            id: commit.sha.to_string(),
            message: commit.message.clone(),
            parents: commit.parents.iter().map(ToString::to_string).collect(),
            author: person.clone(),
            committer: person,
            login: commit.login.clone(),
            pull_request: commit.pull_request.clone(),
            first_contribution: commit.first_contribution == Some(true),
        }
    }
}

/// The repository's own git-cliff configuration among files of it: `path` if it is given, else the first of git-cliff's
/// usual places, else a manifest with a table for git-cliff.
pub fn own_config(files: &[FileAt], path: Option<&str>) -> Option<FileAt> {
    let at = |path: &str| files.iter().find(|f| f.path == path);
    match path {
        Some(path) => at(path).cloned(),
        None => CONFIG_PLACES.iter().find_map(|path| at(path).filter(|f| settings::is_for_git_cliff(f))).cloned(),
    }
}

/// Where [`own_config`] looks, in this order.
pub const CONFIG_PLACES: [&str; 5] = ["cliff.toml", ".cliff.toml", ".config/cliff.toml", "Cargo.toml", "pyproject.toml"];

/// Renders in this process. Leaks the messages and may abort on a hostile configuration: for the child only.
///
/// # Errors
/// `notes_config_invalid` and `notes_config_refused` (the repository's configuration), `notes_template_failed` (its template).
pub fn render(request: RenderRequest) -> Result<Rendered, Refusal> {
    let link = own::changelog_link(&request);
    let limit = request.limit;
    let rendered = match &request.style {
        Style::Own => own::render(&request)?,
        Style::Cliff(file) => {
            let (config, refused) = settings::read(file, &request)?;
            let bump = settings::bump(&config);
            let markdown = releases::render(&request, config)?;
            Rendered { markdown, refused_options: refused, truncated: false, bump }
        }
    };
    Ok(match cut::to_limit(&rendered.markdown, limit, &link) {
        Some(shorter) => Rendered { markdown: shorter, truncated: true, ..rendered },
        None => rendered,
    })
}
