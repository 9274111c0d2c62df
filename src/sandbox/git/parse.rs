//! Raw commit and tag objects as structs. Bytes that are not UTF-8 become replacement characters.

use crate::domain::Sha;

/// `Name <email> seconds zone` of a commit or tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sandbox) struct Identity {
    pub name: String,
    pub email: String,
    /// Seconds since the epoch; the zone is kept apart because GitHub answers in UTC.
    pub time: i64,
    pub zone: String,
}

impl Identity {
    pub fn line(&self) -> String {
        let plain = |text: &str| text.replace(['<', '>', '\n', '\0'], "");
        let name = plain(&self.name);
        let name = if name.trim().is_empty() { "nobody" } else { name.trim() };
        format!("{name} <{}> {} {}", plain(&self.email), self.time, self.zone)
    }

    fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once('<')?;
        let (email, rest) = rest.split_once('>')?;
        let mut words = rest.split_whitespace();
        let time = words.next()?.parse().ok()?;
        let zone = words.next().unwrap_or("+0000").to_owned();
        Some(Self { name: name.trim_end().to_owned(), email: email.to_owned(), time, zone })
    }
}

#[derive(Clone, Debug)]
pub(in crate::sandbox) struct CommitObject {
    pub sha: Sha,
    pub tree: Sha,
    pub parents: Vec<Sha>,
    pub author: Identity,
    pub committer: Identity,
    pub message: String,
}

impl CommitObject {
    pub fn parse(sha: Sha, bytes: &[u8]) -> Option<Self> {
        let (head, message) = split(bytes);
        let all = |key: &str| values(&head, key);
        let person = |key: &str| all(key).first().and_then(|line| Identity::parse(line));
        Some(Self {
            tree: Sha::parse(all("tree").first()?).ok()?,
            parents: all("parent").iter().filter_map(|p| Sha::parse(p).ok()).collect(),
            author: person("author")?,
            committer: person("committer")?,
            message: message.trim_end_matches('\n').to_owned(),
            sha,
        })
    }
}

#[derive(Clone, Debug)]
pub(in crate::sandbox) struct TagObject {
    pub target: Sha,
    pub kind: String,
    pub name: String,
    pub tagger: Option<Identity>,
    pub message: String,
}

impl TagObject {
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, message) = split(bytes);
        let one = |key: &str| values(&head, key).into_iter().next();
        Some(Self {
            target: Sha::parse(&one("object")?).ok()?,
            kind: one("type")?,
            name: one("tag")?,
            tagger: one("tagger").and_then(|line| Identity::parse(&line)),
            message,
        })
    }
}

fn split(bytes: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(bytes);
    let (head, message) = text.split_once("\n\n").unwrap_or((&text, ""));
    (head.to_owned(), message.to_owned())
}

/// Header values by name; continuation lines (signatures) start with a space and are skipped.
fn values(head: &str, key: &str) -> Vec<String> {
    head.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix(' ')).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_merge_is_read() {
        let raw = format!(
            "tree {0}\nparent {1}\nparent {2}\nauthor A B <a@b> 12 +0200\ncommitter C <c@d> 13 -0100\ngpgsig -----BEGIN\n author X\n\nfeat: x\n\nbody\n",
            "a".repeat(40),
            "b".repeat(40),
            "c".repeat(40)
        );
        let commit = CommitObject::parse(Sha::parse(&"d".repeat(40)).unwrap(), raw.as_bytes()).unwrap();
        assert_eq!((commit.parents.len(), commit.author.name.as_str(), commit.author.time), (2, "A B", 12));
        assert_eq!((commit.committer.zone.as_str(), commit.message.as_str()), ("-0100", "feat: x\n\nbody"));
    }

    #[test]
    fn a_name_cannot_break_the_header() {
        let who = Identity { name: "a<\nb".into(), email: "x>y".into(), time: 1, zone: "+0000".into() };
        assert_eq!(who.line(), "ab <xy> 1 +0000");
    }
}
