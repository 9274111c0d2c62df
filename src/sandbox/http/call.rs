//! One request as a handler sees it: who calls, for which repository, with what.

use super::reply::{Refused, Reply};
use crate::sandbox::world::{Permissions, World};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Who calls.
#[derive(Clone, Debug)]
pub(in crate::sandbox) enum Caller {
    Nobody,
    /// With the App's own JWT.
    App,
    /// With the App's client id and secret.
    Client,
    /// With an installation token.
    Installation {
        id: u64,
        permissions: Permissions,
        repos: BTreeSet<u64>,
    },
}

impl Caller {
    /// At least this level of a permission.
    pub fn may(&self, name: &str, level: &str) -> bool {
        let Self::Installation { permissions, .. } = self else { return false };
        if name == "metadata" {
            return level == "read";
        }
        let rank = |level: &str| match level {
            "read" => 1,
            "write" => 2,
            "admin" => 3,
            _ => 0,
        };
        permissions.get(name).is_some_and(|has| rank(has) >= rank(level))
    }
}

#[derive(Debug)]
pub(in crate::sandbox) struct Call {
    pub params: BTreeMap<&'static str, String>,
    pub query: BTreeMap<String, String>,
    pub body: Value,
    pub caller: Caller,
    pub accept: String,
    /// Path and query as they came, for `Link` headers.
    pub path: String,
    /// The repository of `/repos/{owner}/{repo}`; checked before the handler runs.
    pub repo: u64,
    pub api_version: String,
}

impl Call {
    pub fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }
    /// A numeric part of the path; anything else is a path that GitHub does not have.
    pub fn id(&self, name: &str) -> Result<u64, Refused> {
        self.param(name).parse().map_err(|_| Refused::not_found())
    }
    pub fn text(&self, name: &str) -> Option<&str> {
        self.body.get(name).and_then(Value::as_str)
    }
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.body.get(name).and_then(Value::as_bool)
    }
    pub fn asked(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// `per_page` (30 unless asked, at most 100) and `page`.
    pub fn page(&self) -> (usize, usize) {
        let number = |name: &str| self.asked(name).and_then(|n| n.parse::<usize>().ok());
        (number("per_page").unwrap_or(30).clamp(1, 100), number("page").unwrap_or(1).max(1))
    }

    /// One page of a whole list with GitHub's `Link` header; `wrap` puts it under a key beside `total_count`.
    pub fn paged<T>(&self, world: &World, all: &[T], wrap: Option<&str>, view: impl Fn(&T) -> Value) -> Reply {
        let (size, page) = self.page();
        let last = all.len().div_ceil(size).max(1);
        let items = all.iter().skip((page - 1) * size).take(size).map(view).collect::<Vec<_>>();
        let body = match wrap {
            Some(key) => serde_json::json!({ "total_count": all.len(), key: items }),
            None => Value::Array(items),
        };
        let rels = [
            ("prev", page.saturating_sub(1), page > 1),
            ("next", page + 1, page < last),
            ("last", last, page < last),
            ("first", 1, page > 1),
        ];
        let links = rels.into_iter().filter(|(.., shown)| *shown);
        let link = links.map(|(rel, n, _)| format!("<{}>; rel=\"{rel}\"", self.page_url(world, n))).collect::<Vec<_>>();
        let headers = if link.is_empty() { vec![] } else { vec![("link".to_owned(), link.join(", "))] };
        Reply { headers, ..Reply::ok(body) }
    }

    fn page_url(&self, world: &World, page: usize) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        let kept = self.query.iter().filter(|(name, _)| *name != "page");
        let kept = kept.map(|(name, value)| format!("{name}={}&", crate::sandbox::http::encode(value))).collect::<String>();
        format!("{}{path}?{kept}page={page}", world.base)
    }
}
