//! Names that people choose: repositories, commits, tags and environments, each refused when it could not exist on GitHub.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a text is not the name that it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NameError(pub &'static str);

macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);
        impl $name {
            pub fn parse(text: &str) -> Result<Self, NameError> {
                $check(text).map(Self)
            }
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}

checked_name!(
    /// A commit id: 40 lower-case hexadecimal digits (upper case is folded). A short or symbolic name is never a `Sha`.
    Sha,
    check_sha
);
checked_name!(
    /// A tag's name without `refs/tags/`, within git's rules for reference names.
    Tag,
    check_tag
);
checked_name!(
    /// An environment's name: 1 to 64 of `A-Z a-z 0-9 . _ -`, starting with a letter or digit, so that it is safe in a
    /// check run's name, a comment and a URL path.
    EnvName,
    check_env
);
checked_name!(
    /// `owner/name` of a repository as GitHub spells it.
    RepoName,
    check_repo
);
checked_name!(
    /// What the operator calls a key: 1 to 64 of `A-Z a-z 0-9 . _ -`, starting with a letter or digit.
    KeyName,
    check_key
);

impl Sha {
    /// The first seven digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..7]
    }
}

impl RepoName {
    pub fn owner(&self) -> &str {
        self.0.split_once('/').map_or("", |(owner, _)| owner)
    }
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }
}

fn check_sha(text: &str) -> Result<String, NameError> {
    if text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(NameError("a commit id has 40 hexadecimal digits"))
}

/// Source: `git help check-ref-format`.
fn check_tag(text: &str) -> Result<String, NameError> {
    let bad_byte = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
    let bad_part = |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
    if text.is_empty() || text.len() > 250 {
        return Err(NameError("a tag has 1 to 250 bytes"));
    }
    if text.contains(bad_byte) || text.contains("..") || text.contains("@{") || text == "@" || text.ends_with('.') {
        return Err(NameError("a tag may not hold spaces, control characters or any of ~ ^ : ? * [ \\ .. @{"));
    }
    if text.starts_with('-') || text.split('/').any(bad_part) {
        return Err(NameError("no part of a tag may be empty, start with a dot or a dash, or end in .lock"));
    }
    Ok(text.to_owned())
}

fn check_env(text: &str) -> Result<String, NameError> {
    plain_word(text)
        .ok_or(NameError("an environment's name has 1 to 64 of A-Z a-z 0-9 . _ - and starts with a letter or digit"))
}

fn check_key(text: &str) -> Result<String, NameError> {
    plain_word(text).ok_or(NameError("a key's name has 1 to 64 of A-Z a-z 0-9 . _ - and starts with a letter or digit"))
}

fn plain_word(text: &str) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    (first && text.len() <= 64 && text.bytes().all(plain)).then(|| text.to_owned())
}

fn check_repo(text: &str) -> Result<String, NameError> {
    let plain = |part: &str| {
        !part.is_empty()
            && part.len() <= 100
            && part != "."
            && part != ".."
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    match text.split_once('/') {
        Some((owner, name)) if plain(owner) && plain(name) => Ok(text.to_owned()),
        _ => Err(NameError("a repository is named owner/name")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shas_are_whole_and_folded() {
        assert_eq!(Sha::parse(&"A".repeat(40)).unwrap().as_str(), "a".repeat(40));
        for bad in ["", "abc1234", &"g".repeat(40), &"a".repeat(41), "refs/heads/main"] {
            assert!(Sha::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tags_follow_git() {
        for good in ["v1.2.3", "pkg/v1", "@scope/pkg@1.0.0", "release-1", "ü1"] {
            assert!(Tag::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a..b", "a~1", "-x", "a/", "a//b", ".a", "a.lock", "a@{1}", "@", "x.", "a\u{7}"] {
            assert!(Tag::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn environments_and_repositories_are_plain() {
        assert!(EnvName::parse("prod-eu.1").is_ok());
        for bad in ["", "-x", "a b", "a/b", "é", &"a".repeat(65)] {
            assert!(EnvName::parse(bad).is_err(), "{bad}");
        }
        let repo = RepoName::parse("acme/web.site").unwrap();
        assert_eq!((repo.owner(), repo.name()), ("acme", "web.site"));
        for bad in ["", "a", "a/b/c", "/a", "a/", "a/..", "a b/c"] {
            assert!(RepoName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn deserializing_checks_too() {
        assert!(serde_json::from_str::<Sha>("\"nope\"").is_err());
        assert!(serde_json::from_str::<RepoName>("\"a/b\"").is_ok());
    }
}
