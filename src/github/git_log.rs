//! `git log --pretty=raw -z` → commits. Pure.
//!
//! Why raw: it is the one format that shows true parents where a shallow fetch has cut history off.

use super::topology::pull_request_of;
use crate::domain::{Commit, Sha};

/// Reads every record; one that is no commit is left out.
pub(super) fn parse(output: &[u8]) -> Vec<Commit> {
    output.split(|byte| *byte == 0).filter_map(record).collect()
}

fn record(bytes: &[u8]) -> Option<Commit> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.trim_start_matches('\n').split_once("\n\n").unwrap_or((text.as_ref(), ""));
    let mut sha = None;
    let mut parents = Vec::new();
    let mut author = None;
    for line in head.lines() {
        match line.split_once(' ') {
            Some(("commit", rest)) if sha.is_none() => sha = rest.split(' ').next().and_then(|s| Sha::parse(s).ok()),
            Some(("parent", rest)) => parents.extend(Sha::parse(rest)),
            Some(("author", rest)) if author.is_none() => author = Some(person(rest)),
            _ => {}
        }
    }
    let message = message(body);
    let (author_name, author_email, time) = author.unwrap_or_default();
    Some(Commit {
        sha: sha?,
        pull_request: pull_request_of(&message),
        message,
        parents,
        author_name,
        author_email,
        time,
        login: None,
        account: None,
        first_contribution: None,
    })
}

/// `Name <address> seconds zone`.
fn person(text: &str) -> (String, String, i64) {
    let Some((name, rest)) = text.split_once('<') else { return (text.trim().to_owned(), String::new(), 0) };
    let Some((address, time)) = rest.rsplit_once('>') else { return (name.trim().to_owned(), rest.to_owned(), 0) };
    let seconds = time.split_whitespace().next().and_then(|s| s.parse().ok()).unwrap_or(0);
    (name.trim().to_owned(), address.trim().to_owned(), seconds)
}

/// Raw messages are indented by four spaces.
fn message(body: &str) -> String {
    let lines: Vec<&str> = body.lines().map(|line| line.strip_prefix("    ").unwrap_or(line)).collect();
    lines.join("\n").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_records_are_read_whatever_they_hold() {
        let sha = |c: char| c.to_string().repeat(40);
        let raw = format!(
            "commit {a}\ntree {t}\nparent {b}\nparent {c}\nauthor Ann <x> Lee <ann@example.com> 1700000000 +0200\n\
             committer C <c@example.com> 1700000001 +0000\ngpgsig -----BEGIN\n parent {t}\n -----END\n\n    \
             feat: ä (#3)\n    \n        indented\n    parent {t}\n\0commit {b} (grafted)\ntree {t}\n\
             author <> 0 +0000\n\n\0\0garbage\0",
            a = sha('a'),
            b = sha('b'),
            c = sha('c'),
            t = sha('d'),
        );
        let commits = parse(raw.as_bytes());
        assert_eq!(commits.len(), 2);
        let first = &commits[0];
        assert_eq!(first.sha.as_str(), sha('a'));
        assert_eq!(first.parents.iter().map(Sha::as_str).collect::<Vec<_>>(), [sha('b'), sha('c')]);
        assert_eq!(first.message, format!("feat: ä (#3)\n\n    indented\nparent {}", sha('d')));
        assert_eq!((first.author_name.as_str(), first.author_email.as_str()), ("Ann", "x> Lee <ann@example.com"));
        assert_eq!(first.time, 1_700_000_000);
        assert_eq!(first.pull_request.as_ref().unwrap().number, 3);
        assert_eq!(commits[1].sha.as_str(), sha('b'));
        assert_eq!(commits[1].message, "");
    }
}
