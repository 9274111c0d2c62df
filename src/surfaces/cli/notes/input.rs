//! Commits as JSON: what GitHub's compare API answers, or the least that has a sha and a message.

use super::{Source, site};
use crate::domain::Refusal;
use crate::notes::render::{CommitText, Person, Site, TagText};
use serde::Deserialize;
use std::collections::HashSet;
use std::io::Read;
use std::path::Path;

/// Largest input, in bytes; a compare page of 250 commits has about 2 MB.
const SIZE_LIMIT: u64 = 256 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    List(Vec<serde_json::Value>),
    Compare(Compare),
}

#[derive(Deserialize)]
struct Compare {
    commits: Vec<serde_json::Value>,
    #[serde(default)]
    html_url: Option<String>,
}

/// Both shapes of a commit; what is not needed may be missing or strange.
#[derive(Deserialize)]
struct Item {
    sha: String,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    commit: Option<Inner>,
    #[serde(default)]
    parents: Vec<Parent>,
    #[serde(default)]
    author: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Inner {
    message: String,
    #[serde(default)]
    author: Option<Who>,
    #[serde(default)]
    committer: Option<Who>,
}

#[derive(Deserialize, Default)]
struct Who {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    date: Option<String>,
}

#[derive(Deserialize)]
struct Parent {
    sha: String,
}

/// Reads a file, or standard input for `-`.
///
/// # Errors
/// `commits_unreadable`, `commits_invalid`.
pub fn read(path: &Path) -> Result<Source, Refusal> {
    let bytes = bytes(path).map_err(|e| {
        let message = format!("{} cannot be read: {e}.", path.display());
        Refusal::user("commits_unreadable", message, "Check the path and its permissions.")
    })?;
    parse(&bytes)
}

fn bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(SIZE_LIMIT).read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(path)?.take(SIZE_LIMIT).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Result<Source, Refusal> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let value: serde_json::Value = serde_json::from_slice(text).map_err(|e| invalid(format!("it is not JSON: {e}")))?;
    let shape = "it is neither an array of commits nor an object with `commits`";
    let (items, url) = match Input::deserialize(value).map_err(|_| invalid(shape.to_owned()))? {
        Input::List(items) => (items, None),
        Input::Compare(compare) => (compare.commits, compare.html_url),
    };
    let (mut seen, mut commits) = (HashSet::new(), Vec::new());
    for (at, item) in items.into_iter().enumerate() {
        let commit = commit(item).map_err(|why| invalid(format!("commit {}: {why}", at + 1)))?;
        if seen.insert(commit.id.clone()) {
            commits.push(commit);
        }
    }
    let (site, previous) = url.and_then(|url| compared(&url)).unzip();
    Ok(Source { commits, tags: Vec::new(), previous, unseen: Vec::new(), skipped: Vec::new(), site, config: None })
}

fn commit(item: serde_json::Value) -> Result<CommitText, String> {
    let item = Item::deserialize(item).map_err(|e| e.to_string())?;
    let login = item.author.as_ref().and_then(|a| a.get("login")).and_then(|l| l.as_str()).map(str::to_owned);
    let (message, author, committer) = match (item.commit, item.message) {
        (Some(inner), _) => (inner.message, inner.author.unwrap_or_default(), inner.committer.unwrap_or_default()),
        (None, Some(message)) => (message, Who::default(), Who::default()),
        (None, None) => return Err("it has no `message` and no `commit.message`".to_owned()),
    };
    Ok(CommitText {
        id: item.sha,
        message,
        parents: item.parents.into_iter().map(|p| p.sha).collect(),
        author: person(author),
        committer: person(committer),
        login,
        pull_request: None,
        first_contribution: false,
    })
}

fn person(who: Who) -> Person {
    let time = who.date.and_then(|date| date.parse::<jiff::Timestamp>().ok()).map_or(0, jiff::Timestamp::as_second);
    Person { name: who.name, email: who.email, time }
}

/// Repository and older end of `https://github.com/owner/name/compare/v1.0.0...v1.1.0`.
fn compared(url: &str) -> Option<(Site, TagText)> {
    let (base, ends) = url.split_once("/compare/")?;
    let (rest, name) = base.rsplit_once('/')?;
    let (server, owner) = rest.rsplit_once('/')?;
    let (from, _) = ends.split_once("...")?;
    let site = site(server, &format!("{owner}/{name}")).ok().filter(|_| server.starts_with("https://"))?;
    Some((site, TagText { name: from.to_owned(), on_branch: true, ..TagText::default() }))
}

fn invalid(why: String) -> Refusal {
    Refusal::user(
        "commits_invalid",
        format!("The list of commits cannot be used: {why}."),
        "Give what GitHub's compare API answers, or [{\"sha\": \"…\", \"message\": \"…\"}].",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_shapes_are_read() {
        let list = br#"[{"sha":"a1","message":"fix: a"},{"sha":"a1","message":"again"}]"#;
        assert_eq!(parse(list).unwrap().commits.len(), 1);
        let compare = br#"{"html_url":"https://github.com/acme/web/compare/v1.0.0...v1.1.0","commits":[{"sha":"b2",
            "commit":{"message":"feat: b","author":{"name":"Ann","email":"a@b","date":"2023-11-14T22:13:20Z"}},
            "author":{"login":"ann"},"parents":[{"sha":"a1"}]},{"sha":"c3","commit":{"message":"x","author":null},"author":null}]}"#;
        let source = parse(compare).unwrap();
        let first = &source.commits[0];
        assert_eq!((first.login.as_deref(), first.author.time, first.parents.len()), (Some("ann"), 1_700_000_000, 1));
        assert_eq!(source.site.unwrap().repo.as_str(), "acme/web");
        assert_eq!(source.previous.unwrap().name, "v1.0.0");
    }

    #[test]
    fn nonsense_is_refused_with_its_place() {
        for (text, part) in [
            ("", "not JSON"),
            ("{\"a\":1}", "neither"),
            ("3", "neither"),
            ("[{\"sha\":\"a\",\"message\":\"x\"},{\"sha\":\"a\"}]", "commit 2"),
            ("[{\"message\":\"x\"}]", "commit 1: missing field `sha`"),
            ("[{\"sha\":1,\"message\":\"x\"}]", "commit 1"),
        ] {
            let refusal = parse(text.as_bytes()).err().unwrap();
            assert_eq!(refusal.code, "commits_invalid");
            assert!(refusal.message.contains(part), "{}", refusal.message);
        }
    }
}
