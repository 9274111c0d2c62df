//! Commits and tags of a local repository, through the `git` program.
//!
//! Nothing in the repository's configuration can run a command or fetch: only plumbing is called, with an own environment,
//! no global configuration, hooks and transports off. References are resolved to ids before anything else sees them.

use super::{Source, site};
use crate::domain::{FileAt, Refusal};
use crate::notes::render::{CONFIG_PLACES, CommitText, Person, Site, TagText, own_config};
use std::collections::HashSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Reads what `B` contains and `A` does not. `config` stands in for the repository's own git-cliff configuration.
///
/// # Errors
/// `range_invalid`, `range_unknown`, `git_unavailable`, `git_failed`.
pub fn read(repo: &Path, range: &str, config: Option<FileAt>) -> Result<Source, Refusal> {
    let (from, to) = ends(range)?;
    let (old, new) = (format!("{from}^{{commit}}"), format!("{to}^{{commit}}"));
    let paths: Vec<String> = CONFIG_PLACES.iter().map(|path| format!("HEAD:{path}")).collect();
    let mut names = vec![new.as_str(), if from.is_empty() { &new } else { &old }];
    names.extend(paths.iter().map(String::as_str));
    let found = objects(repo, &names)?;
    let id_of =
        |at: usize, name: &str| found.get(at).and_then(Option::as_ref).map(|o| o.id.clone()).ok_or_else(|| unknown(repo, name));
    let (head, base) = (id_of(0, to)?, id_of(1, from)?);
    let mut files = found.into_iter().skip(2).map(|o| String::from_utf8(o?.bytes).ok());
    let configs: Vec<FileAt> =
        CONFIG_PLACES.iter().filter_map(|path| Some(FileAt { path: (*path).to_owned(), text: files.next()?? })).collect();
    let (blamed, skipped) = (ignore_lines(repo, ".git-blame-ignore-revs"), ignore_lines(repo, ".cliffignore"));
    let hidden = format!("^{base}");
    let list = git(repo, &["rev-list", &head, if from.is_empty() { &head } else { &hidden }], &[])?;
    let ids: Vec<&str> = std::str::from_utf8(&list).unwrap_or_default().lines().collect();
    let mut commits = commits(repo, &ids)?;
    commits.reverse();
    let config = config.or_else(|| own_config(&configs, None));
    let tags = tags(repo, config.as_ref().is_some_and(|c| c.text.contains("use_branch_tags")))?;
    let previous = tags.iter().find(|t| t.name == from.trim_start_matches("refs/tags/")).cloned();
    let unseen = unseen(repo, &ids, &blamed)?;
    Ok(Source { commits, tags, previous, unseen, skipped, site: origin(repo), config })
}

fn ends(range: &str) -> Result<(&str, &str), Refusal> {
    let refuse = || {
        let message = format!("{range:?} is no range of commits.");
        Refusal::user("range_invalid", message, "Write it as A..B, with tags, branches or commit ids.")
    };
    let (from, to) = range.split_once("..").ok_or_else(refuse)?;
    let odd = |name: &str| name.starts_with(['-', '.']) || name.contains("..") || name.contains(char::is_control);
    if odd(from) || odd(to) {
        return Err(refuse());
    }
    Ok((from, if to.is_empty() { "HEAD" } else { to }))
}

fn unknown(repo: &Path, name: &str) -> Refusal {
    Refusal::user(
        "range_unknown",
        format!("{name:?} names no commit in {}.", repo.display()),
        "Check the name and that the clone has it (`git fetch --tags`).",
    )
}

/// One object as `git cat-file --batch` gives it.
struct Object {
    id: String,
    bytes: Vec<u8>,
}

/// Objects by any name that git knows, in the order asked for; `None` for what is not there.
fn objects(repo: &Path, names: &[&str]) -> Result<Vec<Option<Object>>, Refusal> {
    let input = names.join("\n") + "\n";
    let output = git(repo, &["cat-file", "--batch"], input.as_bytes())?;
    let (mut rest, mut found) = (output.as_slice(), Vec::with_capacity(names.len()));
    while let Some(end) = rest.iter().position(|b| *b == b'\n') {
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        let words: Vec<&str> = head.rsplitn(3, ' ').collect();
        rest = &rest[end + 1..];
        // `<id> <type> <size>`, or `<name> missing` and the like.
        let (Some(size), Some(id)) = (words.first().and_then(|s| s.parse::<usize>().ok()), words.get(2)) else {
            found.push(None);
            continue;
        };
        let bytes = rest.get(..size).ok_or_else(|| failed("it gave half an object"))?.to_vec();
        found.push(Some(Object { id: (*id).to_owned(), bytes }));
        rest = rest.get(size + 1..).unwrap_or_default();
    }
    Ok(found)
}

/// The commit ids in a file of the working tree, as git-cliff reads it; a bare repository has none.
fn ignore_lines(repo: &Path, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(repo.join(name)).unwrap_or_default();
    text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned).collect()
}

/// Commits that `.git-blame-ignore-revs` names, and those that change nothing but that file.
fn unseen(repo: &Path, ids: &[&str], ignored: &[String]) -> Result<Vec<String>, Refusal> {
    if ignored.is_empty() {
        return Ok(Vec::new());
    }
    let named = ids.iter().filter(|id| ignored.iter().any(|prefix| id.starts_with(prefix.as_str())));
    let mut unseen: HashSet<&str> = named.copied().collect();
    let arguments = ["diff-tree", "--stdin", "-r", "--name-only", "--root", "--no-renames", "--diff-merges=first-parent"];
    let input = ids.join("\n") + "\n";
    let changed = git(repo, &arguments, input.as_bytes())?;
    let text = String::from_utf8_lossy(&changed);
    let known: HashSet<&str> = ids.iter().copied().collect();
    let (mut current, mut files) = (None, Vec::new());
    for line in text.lines().chain([""]) {
        let next = known.get(line).copied();
        if (next.is_some() || line.is_empty()) && files == [".git-blame-ignore-revs"] {
            unseen.extend(current);
        }
        match next {
            Some(id) => (current, files) = (Some(id), Vec::new()),
            None => files.push(line),
        }
    }
    Ok(unseen.into_iter().map(str::to_owned).collect())
}

fn commits(repo: &Path, ids: &[&str]) -> Result<Vec<CommitText>, Refusal> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let found: Vec<CommitText> = objects(repo, ids)?.iter().flatten().map(|object| commit(&object.id, &object.bytes)).collect();
    if found.len() == ids.len() { Ok(found) } else { Err(failed("it did not give every commit of the range")) }
}

/// A commit object as libgit2 reads it: a message that is not UTF-8 is empty, a NUL ends it.
fn commit(id: &str, object: &[u8]) -> CommitText {
    let split = object.windows(2).position(|pair| pair == b"\n\n").unwrap_or(object.len());
    let mut one = CommitText { id: id.to_owned(), ..CommitText::default() };
    for line in object[..split].split(|b| *b == b'\n') {
        if let Some(parent) = line.strip_prefix(b"parent ") {
            one.parents.push(String::from_utf8_lossy(parent).into_owned());
        } else if let Some(person) = line.strip_prefix(b"author ") {
            one.author = signature(person);
        } else if let Some(person) = line.strip_prefix(b"committer ") {
            one.committer = signature(person);
        }
    }
    let message = object.get(split + 2..).unwrap_or_default();
    let message = message.split(|b| *b == 0).next().unwrap_or_default();
    one.message = std::str::from_utf8(message).unwrap_or_default().trim_start_matches('\n').to_owned();
    one
}

/// `Name <email> seconds zone`.
fn signature(line: &[u8]) -> Person {
    let cut = line.iter().rposition(|b| *b == b'>').unwrap_or(line.len());
    let (who, when) = line.split_at(cut);
    let open = who.iter().position(|b| *b == b'<').unwrap_or(who.len());
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(|text| text.trim().to_owned());
    let time = text(when.get(1..).unwrap_or_default()).and_then(|t| t.split(' ').next()?.parse().ok());
    Person { name: text(&who[..open]), email: text(who.get(open + 1..).unwrap_or_default()), time: time.unwrap_or(0) }
}

/// All tags that name commits, in the order of their names.
fn tags(repo: &Path, by_branch: bool) -> Result<Vec<TagText>, Refusal> {
    let message = "%(if:equals=tag)%(objecttype)%(then)%(contents)%(end)";
    let fields = ["%(refname:strip=2)", "%(objecttype)", "%(objectname)", "%(committerdate:unix)", "%(*objecttype)"];
    let peeled = ["%(*objectname)", "%(*committerdate:unix)", "%(tag)", message];
    let format = format!("--format={}%00{}%00", fields.join("%00"), peeled.join("%00"));
    let output = git(repo, &["for-each-ref", &format, "refs/tags"], &[])?;
    let text = String::from_utf8_lossy(&output);
    let parts: Vec<&str> = text.split('\0').collect();
    let on_branch: HashSet<String> = if by_branch { merged(repo) } else { HashSet::new() };
    let mut tags = Vec::new();
    for row in parts.chunks_exact(9) {
        let name = row[0].trim_start_matches('\n');
        let (commit, time) = match (row[1], row[4]) {
            ("commit", _) => (row[2].to_owned(), row[3]),
            ("tag", "commit") => (row[5].to_owned(), row[6]),
            ("tag", "tag") => (peeled_fully(repo, name).unwrap_or_default(), row[6]),
            _ => continue,
        };
        let annotated = row[1] == "tag";
        let own_name = if annotated && !row[7].is_empty() { row[7] } else { name };
        tags.push(TagText {
            name: own_name.to_owned(),
            commit,
            message: annotated.then(|| without_signature(row[8])),
            time: time.parse().unwrap_or(0),
            on_branch: on_branch.contains(name),
        });
    }
    Ok(tags)
}

/// The commit behind a tag of a tag.
fn peeled_fully(repo: &Path, name: &str) -> Option<String> {
    let object = objects(repo, &[&format!("refs/tags/{name}^{{commit}}")]).ok()?.pop()??;
    Some(object.id)
}

/// Names of the tags that the checked-out commit contains; none if there is no commit.
fn merged(repo: &Path) -> HashSet<String> {
    let output = git(repo, &["for-each-ref", "--merged=HEAD", "--format=%(refname:strip=2)", "refs/tags"], &[]);
    String::from_utf8_lossy(&output.unwrap_or_default()).lines().map(str::to_owned).collect()
}

fn without_signature(message: &str) -> String {
    let start = ["-----BEGIN PGP SIGNATURE-----", "-----BEGIN SSH SIGNATURE-----", "-----BEGIN SIGNED MESSAGE-----"];
    let end = start.iter().filter_map(|s| message.find(s)).min().unwrap_or(message.len());
    message[..end].trim().to_owned()
}

/// The repository behind the remote `origin`, if that is a GitHub address.
fn origin(repo: &Path) -> Option<Site> {
    let url = git(repo, &["config", "--get", "remote.origin.url"], &[]).ok()?;
    let url = String::from_utf8(url).ok()?;
    let url = url.trim().trim_end_matches('/').trim_end_matches(".git");
    let path = ["https://github.com/", "git@github.com:", "ssh://git@github.com/"].iter().find_map(|p| url.strip_prefix(p))?;
    site("https://github.com", path).ok()
}

/// Runs git in an environment of its own.
fn git(repo: &Path, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, Refusal> {
    let off =
        ["core.fsmonitor=false", "core.hooksPath=/dev/null", "protocol.allow=never", "safe.directory=*", "diff.external="];
    let mut command = Command::new("git");
    command.arg("-C").arg(repo).args(off.iter().flat_map(|setting| ["-c", setting])).args(arguments).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LC_ALL", "C").env("HOME", "/nonexistent");
    for (name, value) in [
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_NO_LAZY_FETCH", "1"),
        ("GIT_NO_REPLACE_OBJECTS", "1"),
    ] {
        command.env(name, value);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|e| {
        let message = format!("git cannot be started: {e}.");
        Refusal::operator("git_unavailable", message, "Install git, or give the commits with --commits.")
    })?;
    let (stdin, input) = (child.stdin.take(), input.to_vec());
    // Written beside the reading, or both pipes may fill up. What git does not read it does not want.
    let writer = std::thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&input)));
    let output = child.wait_with_output().map_err(|e| failed(&e.to_string()))?;
    drop(writer.join());
    if output.status.success() {
        return Ok(output.stdout);
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(failed(why.lines().next().unwrap_or("it gave no reason")))
}

fn failed(why: &str) -> Refusal {
    Refusal::user("git_failed", format!("git could not read the repository: {why}."), "Check the path given with --repo.")
}
