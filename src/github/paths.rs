//! Addresses: the two bases, and paths in which nothing from outside can name another path.

use crate::domain::{Refusal, RepoName};
use std::fmt::Write as _;

/// Where REST and GraphQL are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bases {
    /// Without a trailing slash.
    pub rest: String,
    pub graphql: String,
    /// Scheme and authority of `rest`: redirects elsewhere are not followed.
    pub origin: String,
}

impl Bases {
    /// GHES keeps GraphQL beside `/api/v3`; everywhere else it is below the base.
    pub fn new(api_url: &str) -> Result<Self, Refusal> {
        let rest = api_url.trim_end_matches('/').to_owned();
        let bad = |why: &str| {
            let fix = "Set LOCKKEEPER_GITHUB_API_URL to the REST base, for example https://api.github.com.";
            Refusal::operator("github_api_url", format!("The GitHub API address {why}."), fix)
        };
        let uri: http::Uri = rest.parse().map_err(|_| bad("is not a URL"))?;
        let scheme = uri.scheme_str().filter(|s| *s == "https" || *s == "http").ok_or_else(|| bad("has no http(s) scheme"))?;
        let authority = uri.authority().ok_or_else(|| bad("names no host"))?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(bad("holds a user name or a query"));
        }
        let graphql = match rest.strip_suffix("/api/v3") {
            Some(root) => format!("{root}/api/graphql"),
            None => format!("{rest}/graphql"),
        };
        Ok(Self { origin: format!("{scheme}://{authority}"), rest, graphql })
    }

    /// What `git` fetches below: `https://github.com` for the public API, the host itself otherwise.
    pub fn git_root(&self) -> &str {
        match self.rest.as_str() {
            "https://api.github.com" => "https://github.com",
            _ => &self.origin,
        }
    }

    pub fn git_protocol(&self) -> &'static str {
        if self.origin.starts_with("https:") { "https" } else { "http" }
    }
}

/// `/repos/{owner}/{repo}/{rest}`.
pub(super) fn repo_path(repo: &RepoName, rest: &str) -> String {
    let slash = if rest.is_empty() { "" } else { "/" };
    format!("/repos/{}/{}{slash}{rest}", repo.owner(), repo.name())
}

/// One segment of a path or one value of a query: all but unreserved characters become `%XX`.
pub(super) fn encode(text: &str) -> String {
    encode_keeping(text, b"")
}

/// Like [`encode`], with `/` kept: for file paths and the tails of reference names.
pub(super) fn encode_path(text: &str) -> String {
    encode_keeping(text, b"/")
}

fn encode_keeping(text: &str, keep: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || keep.contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_follow_ghes_and_refuse_the_rest() {
        for (url, rest, graphql) in [
            ("https://api.github.com", "https://api.github.com", "https://api.github.com/graphql"),
            ("https://ghes.example/api/v3/", "https://ghes.example/api/v3", "https://ghes.example/api/graphql"),
            ("http://127.0.0.1:8170", "http://127.0.0.1:8170", "http://127.0.0.1:8170/graphql"),
        ] {
            let bases = Bases::new(url).unwrap();
            assert_eq!((bases.rest.as_str(), bases.graphql.as_str()), (rest, graphql));
        }
        for bad in ["", "api.github.com", "ftp://x", "https://user:pw@host", "https://host/?a=b"] {
            assert_eq!(Bases::new(bad).unwrap_err().code, "github_api_url", "{bad}");
        }
    }

    #[test]
    fn nothing_leaves_its_segment() {
        assert_eq!(encode("a/../b?c#d%e"), "a%2F..%2Fb%3Fc%23d%25e");
        assert_eq!(encode_path("docs/ä b.md"), "docs/%C3%A4%20b.md");
        let repo = RepoName::parse("acme/web").unwrap();
        assert_eq!(repo_path(&repo, "releases"), "/repos/acme/web/releases");
        assert_eq!(repo_path(&repo, ""), "/repos/acme/web");
    }
}
