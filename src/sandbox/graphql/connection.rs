//! Relay pages: `first`/`last`, `after`/`before`, and what GitHub refuses about them.

use super::GqlError;
use super::exec::Got;
use super::nodes::Node;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

const LARGEST: i64 = 100;

/// One page of a whole list.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub type_name: &'static str,
    pub total: usize,
    pub nodes: Vec<Node>,
    /// Where the page starts in the whole list.
    start: usize,
    first: Option<i64>,
    last: Option<i64>,
    bad_cursor: Option<String>,
}

fn cursor(at: usize) -> String {
    STANDARD.encode(format!("cursor:v2:{at}"))
}

fn place(text: &str) -> Option<usize> {
    let plain = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    plain.strip_prefix("cursor:v2:")?.parse().ok()
}

impl Connection {
    /// `all` is the whole list; only the page's items become nodes.
    pub fn of<T>(type_name: &'static str, args: &Value, all: &[T], node: impl Fn(&T) -> Node) -> Self {
        let number = |name: &str| args.get(name).and_then(Value::as_i64);
        let text = |name: &str| args.get(name).and_then(Value::as_str).map(str::to_owned);
        let (first, last) = (number("first"), number("last"));
        let mut bad_cursor = None;
        let mut at = |name: &str, otherwise: usize, plus: usize| match text(name) {
            None => otherwise,
            Some(given) => place(&given).map_or_else(
                || {
                    bad_cursor = Some(given.clone());
                    otherwise
                },
                |n| n + plus,
            ),
        };
        let mut start = at("after", 0, 1).min(all.len());
        let mut end = at("before", all.len(), 0).min(all.len()).max(start);
        let size = |n: i64| usize::try_from(n).unwrap_or(0);
        match (first, last) {
            (Some(n), _) => end = end.min(start.saturating_add(size(n))),
            (None, Some(n)) => start = start.max(end.saturating_sub(size(n))),
            (None, None) => end = start,
        }
        let nodes = all.get(start..end).unwrap_or_default().iter().map(node).collect();
        Self { type_name, total: all.len(), nodes, start, first, last, bad_cursor }
    }

    /// What GitHub says to an impossible page.
    pub fn refuse(&self, field: &str, wants_items: bool) -> Option<GqlError> {
        let say = |kind: &str, text: String| Some(GqlError::new(kind, &text));
        if let Some(cursor) = &self.bad_cursor {
            return say("INVALID_CURSOR_ARGUMENTS", format!("`{cursor}` does not appear to be a valid cursor."));
        }
        match (self.first, self.last) {
            (Some(_), Some(_)) => say(
                "INVALID_PAGINATION_BOUNDARIES",
                format!("Passing both `first` and `last` to paginate the `{field}` connection is not supported."),
            ),
            (None, None) if wants_items => say(
                "MISSING_PAGINATION_BOUNDARIES",
                format!("You must provide a `first` or `last` value to properly paginate the `{field}` connection."),
            ),
            (first, last) => {
                let (side, n) = first.map_or(("last", last.unwrap_or(0)), |n| ("first", n));
                if n > LARGEST {
                    let text = format!(
                        "Requesting {n} records on the `{field}` connection exceeds the `{side}` limit of 100 records."
                    );
                    return say("EXCESSIVE_PAGINATION", text);
                }
                if n < 0 {
                    return say(
                        "INVALID_PAGINATION_BOUNDARIES",
                        format!("`{side}` on the `{field}` connection cannot be less than zero."),
                    );
                }
                None
            }
        }
    }

    /// Fields that every connection has.
    pub fn field(&self, name: &str) -> Option<Got> {
        let end = self.start + self.nodes.len();
        Some(match name {
            "totalCount" => Got::Leaf(self.total.into()),
            "nodes" => Got::Many(self.nodes.clone()),
            "edges" => {
                let edge = |(n, node): (usize, &Node)| Node::Edge(cursor(self.start + n), Box::new(node.clone()));
                Got::Many(self.nodes.iter().enumerate().map(edge).collect())
            }
            "pageInfo" => Got::One(Some(Node::PageInfo {
                next: end < self.total,
                previous: self.start > 0,
                start: (!self.nodes.is_empty()).then(|| cursor(self.start)),
                end: (!self.nodes.is_empty()).then(|| cursor(end - 1)),
            })),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pages_join_up_and_nonsense_is_refused() {
        let all = (0..25).collect::<Vec<u64>>();
        let page = |args: Value| Connection::of("X", &args, &all, |n| Node::Repository(*n));
        let mut seen = 0;
        let mut after = Value::Null;
        while seen < 25 {
            let got = page(json!({ "first": 10, "after": after }));
            seen += got.nodes.len();
            let Some(Got::One(Some(Node::PageInfo { next, end, .. }))) = got.field("pageInfo") else { panic!("no page info") };
            assert_eq!(next, seen < 25);
            after = end.into();
        }
        assert_eq!(page(json!({ "last": 3 })).nodes.len(), 3);
        for (args, kind) in [
            (json!({}), "MISSING_PAGINATION_BOUNDARIES"),
            (json!({ "first": 101 }), "EXCESSIVE_PAGINATION"),
            (json!({ "first": 1, "last": 1 }), "INVALID_PAGINATION_BOUNDARIES"),
            (json!({ "first": -1 }), "INVALID_PAGINATION_BOUNDARIES"),
            (json!({ "first": 1, "after": "x" }), "INVALID_CURSOR_ARGUMENTS"),
        ] {
            assert_eq!(page(args).refuse("refs", true).unwrap().0["type"], kind);
        }
        assert!(page(json!({})).refuse("refs", false).is_none());
    }
}
