//! A long range by `git fetch` without trees and files: two requests instead of a hundred. Messages and parents come from git,
//! pull requests from subjects, logins by one commit of each address.
//!
//! A fetch that fails, for whatever reason, is not an error: the range is then read in another way.

use super::git_objects::Login;
use super::git_process::{Git, GitFailed};
use super::range::{finish, only_newest};
use super::{Installation, Operation, Secret, Trouble};
use crate::domain::{Commit, Range, RepoName, Sha, Tag};
use base64::Engine as _;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::time::Duration;

const AUTHOR_LOGINS: &str = include_str!("queries/author_logins.graphql");
const DEADLINE: Duration = Duration::from_secs(120);
/// More commits are not listed in any notes.
const MAX_COMMITS: usize = 20_000;
const MAX_OUTPUT: usize = 128 * 1024 * 1024;
/// Addresses in one query, and queries.
const PER_QUERY: usize = 50;
const MAX_QUERIES: usize = 10;

const HEAD: &str = "refs/lockkeeper/head";
const BASE: &str = "refs/lockkeeper/base";

impl Installation {
    /// `None` when git is not there, does not manage or brings another number of commits than GitHub counted.
    pub(super) async fn fetched(
        &self,
        repo: &RepoName,
        base: Option<&Tag>,
        head: &Sha,
        expected: Option<u64>,
    ) -> Result<Option<Range>, Trouble> {
        let inner = &self.github.inner;
        let Ok(_turn) = inner.fetches.acquire().await else { return Ok(None) };
        let token = self.token().await?;
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{}", token.expose()));
        let header = Secret::new(format!("Authorization: Basic {pair}"));
        let (remote, protocol) = (format!("{}/{repo}.git", inner.bases.git_root()), inner.bases.git_protocol());
        let result = match Git::new(&inner.config.git, remote, protocol, Some(header), DEADLINE).await {
            Ok(git) => fetch_and_log(&git, base, head).await,
            Err(failed) => Err(failed),
        };
        inner.count(Operation::GitFetch, if result.is_ok() { 200 } else { 0 });
        let mut commits = match result {
            Ok(commits) => commits,
            Err(failed) => {
                tracing::warn!(%repo, %failed, "git fetch failed; the range is read by the API");
                return Ok(None);
            }
        };
        let (have, most) = (u64::try_from(commits.len()).unwrap_or(u64::MAX), u64::try_from(MAX_COMMITS).unwrap_or(u64::MAX));
        let total = expected.unwrap_or(have);
        if have != total.min(most) {
            tracing::warn!(%repo, have, total, "git fetch brought another number of commits; the range is read by the API");
            return Ok(None);
        }
        self.fill_logins(repo, &mut commits).await;
        let missing = (have < total).then(|| only_newest(commits.len(), total));
        Ok(Some(finish(base.cloned(), head, commits, missing)))
    }

    /// GitHub's accounts for the authors, as far as ten queries go; names and addresses do where they do not.
    async fn fill_logins(&self, repo: &RepoName, commits: &mut [Commit]) {
        let mut by_address: BTreeMap<String, (usize, Sha)> = BTreeMap::new();
        for commit in commits.iter().filter(|c| !c.author_email.is_empty()) {
            let entry = by_address.entry(commit.author_email.clone()).or_insert_with(|| (0, commit.sha.clone()));
            entry.0 += 1;
        }
        let mut busiest: Vec<(String, (usize, Sha))> = by_address.into_iter().collect();
        busiest.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        let mut logins: HashMap<String, String> = HashMap::new();
        for chunk in busiest.chunks(PER_QUERY).take(MAX_QUERIES) {
            match self.logins_of(repo, chunk.iter().map(|(_, (_, sha))| sha)).await {
                Ok(found) => {
                    let pairs = chunk.iter().zip(found).filter_map(|((address, _), login)| Some((address.clone(), login?)));
                    logins.extend(pairs);
                }
                Err(trouble) => {
                    tracing::warn!(%repo, %trouble, "the authors' accounts could not be read; the notes show names");
                    break;
                }
            }
        }
        for commit in commits {
            commit.login = logins.get(&commit.author_email).cloned();
        }
    }

    async fn logins_of<'a>(
        &self,
        repo: &RepoName,
        shas: impl Iterator<Item = &'a Sha>,
    ) -> Result<Vec<Option<String>>, Trouble> {
        #[derive(Deserialize)]
        struct Data {
            repository: BTreeMap<String, Option<Authored>>,
        }
        #[derive(Deserialize)]
        struct Authored {
            author: Option<Author>,
        }
        #[derive(Deserialize)]
        struct Author {
            user: Option<Login>,
        }
        let (mut declared, mut aliases) = (String::new(), String::new());
        let mut variables: Value = json!({"owner": repo.owner(), "name": repo.name()});
        let mut count = 0;
        for (at, sha) in shas.enumerate() {
            // Writing to a String cannot fail.
            let _ = writeln!(declared, "  $c{at}: GitObjectID!");
            let _ = writeln!(aliases, "    c{at}: object(oid: $c{at}) {{ ... on Commit {{ author {{ user {{ login }} }} }} }}");
            variables[format!("c{at}")] = json!(sha);
            count += 1;
        }
        let document = AUTHOR_LOGINS.replace("  #variables\n", &declared).replace("    #commits\n", &aliases);
        let answered = self.query::<Data>(Operation::AuthorLogins, &document, variables).await?.tolerating(&[])?;
        let mut found = answered.data.repository;
        let mut login = |at: usize| found.remove(&format!("c{at}"))??.author?.user.map(|u| u.login);
        Ok((0..count).map(&mut login).collect())
    }
}

async fn fetch_and_log(git: &Git, base: Option<&Tag>, head: &Sha) -> Result<Vec<Commit>, GitFailed> {
    let common = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--filter=tree:0"];
    let head_spec = format!("{head}:{HEAD}");
    if let Some(tag) = base {
        let exclude = format!("--shallow-exclude=refs/tags/{tag}");
        let mut arguments = common.to_vec();
        arguments.extend([exclude.as_str(), "origin", head_spec.as_str()]);
        if git.run(&arguments, 64 * 1024).await.is_ok() {
            return log(git, &[HEAD]).await;
        }
    }
    // No base, or a server that does not cut history off: bring all of it, still without files.
    let base_spec = base.map(|tag| format!("refs/tags/{tag}:{BASE}"));
    let mut arguments = common.to_vec();
    arguments.extend(["origin", head_spec.as_str()]);
    arguments.extend(base_spec.as_deref());
    git.run(&arguments, 64 * 1024).await?;
    match base {
        Some(_) => log(git, &[HEAD, "--not", BASE]).await,
        None => log(git, &[HEAD]).await,
    }
}

async fn log(git: &Git, revisions: &[&str]) -> Result<Vec<Commit>, GitFailed> {
    let most = format!("--max-count={MAX_COMMITS}");
    let mut arguments = vec!["log", "-z", "--pretty=raw", "--topo-order", "--reverse", "--no-color", "--no-notes"];
    arguments.extend(["--no-decorate", "--encoding=UTF-8", most.as_str()]);
    arguments.extend(revisions);
    arguments.push("--");
    Ok(super::git_log::parse(&git.run(&arguments, MAX_OUTPUT).await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// A repository with `count` commits, the tag `v1` on the 4th, and partial clones allowed.
    fn repository(folder: &Path, count: usize) -> Sha {
        let run = |arguments: &[&str]| {
            let output = std::process::Command::new("git")
                .args(["-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false"])
                .args(arguments)
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .current_dir(folder)
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        run(&["init", "-q", "-b", "main"]);
        run(&["config", "uploadpack.allowFilter", "true"]);
        for n in 1..=count {
            std::fs::write(folder.join("file"), n.to_string()).unwrap();
            run(&["add", "."]);
            run(&["commit", "-q", "-m", &format!("feat: change {n} (#{n})\n\nbody {n}")]);
            if n == 4 {
                run(&["tag", "-a", "-m", "one", "v1"]);
            }
        }
        Sha::parse(&run(&["rev-parse", "HEAD"])).unwrap()
    }

    #[tokio::test]
    async fn exactly_the_range_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let head = repository(folder.path(), 9);
        let url = format!("file://{}", folder.path().display());
        let new = || Git::new(Path::new("git"), url.clone(), "file", None, DEADLINE);
        let tag = Tag::parse("v1").unwrap();
        let after = fetch_and_log(&new().await.unwrap(), Some(&tag), &head).await.unwrap();
        let subjects: Vec<&str> = after.iter().map(|c| c.message.lines().next().unwrap()).collect();
        assert_eq!(subjects, (5..=9).map(|n| format!("feat: change {n} (#{n})")).collect::<Vec<_>>());
        assert_eq!(after[0].parents.len(), 1, "true parents, also where history was cut");
        assert_eq!(after[4].sha, head);
        assert_eq!(after[0].pull_request.as_ref().unwrap().number, 5);
        let all = fetch_and_log(&new().await.unwrap(), None, &head).await.unwrap();
        assert_eq!(all.len(), 9);
        let gone = Tag::parse("v0").unwrap();
        assert!(fetch_and_log(&new().await.unwrap(), Some(&gone), &head).await.is_err());
    }
}
