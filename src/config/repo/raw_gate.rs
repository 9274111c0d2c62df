//! `[[…gates]]` as it is written; see [`super::raw`].

#![expect(dead_code, reason = "settings of later versions are read for their shape only")]

use super::text::{Duration, EnvRef, Expression, Timezone, WindowSpan};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A question that must be answered before anything moves.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Gate {
    /// The tag is a version, stands on an allowed branch, has not moved, and agrees with the manifest.
    Tag {},
    /// Check runs and commit statuses of the commit have passed. What cannot be read is never "none".
    Checks {
        /// Names that must be there and pass. Without it: all that appear.
        #[serde(default)]
        #[schemars(inner(length(min = 1, max = 250)))]
        names: Vec<String>,
        /// How long a commit on which no check appears waits before it passes.
        #[serde(default = "one_minute")]
        #[schemars(extend("x-max" = "1d"))]
        wait: Duration,
        /// How long checks may stay pending.
        #[serde(default = "six_hours")]
        #[schemars(extend("x-min" = "1m", "x-max" = "30d"))]
        deadline: Duration,
    },
    /// Every commit since the release before can be classified.
    Commits {},
    /// A tool of another MCP server.
    #[schemars(extend("x-later" = true))]
    Peer {
        #[schemars(extend("x-format" = "name"))]
        peer: String,
        #[schemars(extend("x-format" = "name"))]
        tool: String,
        #[serde(default)]
        arguments: BTreeMap<String, serde_json::Value>,
        /// CEL over `result`.
        expect: Expression,
    },
    /// An older commit never replaces a newer one.
    #[schemars(extend("x-later" = true))]
    Order {},
    /// The same version has run elsewhere for a while.
    #[schemars(extend("x-later" = true))]
    Soak { environment: EnvRef, soak: Duration },
    /// A time of the week.
    #[schemars(extend("x-later" = true))]
    Window { allow: Option<WindowSpan>, deny: Option<WindowSpan>, timezone: Option<Timezone> },
    /// An answer of a web service.
    #[schemars(extend("x-later" = true))]
    Http {
        #[schemars(extend("x-format" = "url_template"))]
        url: String,
        expect: Option<Expression>,
        #[schemars(extend("x-min" = "1s", "x-max" = "1m"))]
        timeout: Option<Duration>,
    },
    /// A signed statement about how the artifact was built.
    #[schemars(extend("x-later" = true))]
    Attestation {
        /// Workflow that must have built it.
        workflow: Option<String>,
    },
    /// People who must agree.
    #[schemars(extend("x-later" = true))]
    Approvals {
        #[serde(default = "one")]
        #[schemars(range(min = 1, max = 20))]
        count: u8,
        #[serde(default)]
        teams: Vec<String>,
        #[serde(default)]
        users: Vec<String>,
    },
}

fn one_minute() -> Duration {
    Duration("1m".into())
}
fn six_hours() -> Duration {
    Duration("6h".into())
}
fn one() -> u8 {
    1
}
