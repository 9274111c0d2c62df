//! `[[…gates]]` as it is written, and the keys of an environment that become gates; see [`super::raw`].

use super::raw::{five_minutes, ten_seconds};
use super::raw_health::any_success;
use super::text::{Duration, EnvRef, Expression, Glob, Login, TeamSlug, Timezone, WindowSpan, Workflow};
use schemars::JsonSchema;
use serde::Deserialize;

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
    /// A tool of another MCP server that the operator lends. It is asked once every other gate passes, and its answer
    /// decides; only where it gives none is it asked again. Deployments only.
    Peer {
        /// One of the operator's `[peers]`.
        #[schemars(extend("x-format" = "name"))]
        peer: String,
        /// One of its tools that the operator has pinned.
        #[schemars(extend("x-format" = "name"))]
        tool: String,
        /// What the tool is given. Texts may hold `{{ environment }}`, `{{ environment_url }}`, `{{ ref }}`,
        /// `{{ repository }}`, `{{ sha }}`, `{{ tag }}` and `{{ version }}`.
        #[serde(default)]
        arguments: serde_json::Map<String, serde_json::Value>,
        /// CEL over `result` (what the tool answers as data), `version`, `sha` and `environment`.
        #[schemars(extend("examples" = ["result.critical == 0"]))]
        expect: Expression,
        /// Whether it blocks. What only advises is shown.
        #[serde(default = "yes")]
        required: bool,
        /// How long to go on asking one that does not answer, from the first time.
        #[serde(default = "five_minutes")]
        #[schemars(extend("x-max" = "30d"))]
        within: Duration,
        /// Pause between two tries; it grows to a tenth of the time that has gone.
        #[serde(default = "half_a_minute")]
        #[schemars(extend("x-min" = "1s", "x-max" = "1h"))]
        interval: Duration,
    },
    /// An older commit never replaces a newer one. Every environment asks this, listed or not; only a rollback goes back.
    /// Deployments only.
    Order {},
    /// The same commit runs in another environment; as `after` of an environment. Deployments only.
    Soak {
        environment: EnvRef,
        /// How long it must have run there without a break, until now.
        soak: Duration,
        /// How long to wait for the commit to get there.
        #[serde(default = "one_day")]
        #[schemars(extend("x-max" = "30d"))]
        deadline: Duration,
    },
    /// A time of the week; as `windows` of an environment.
    Window {
        /// Only then.
        allow: Option<WindowSpan>,
        /// Not then.
        deny: Option<WindowSpan>,
        /// Name in the IANA database.
        #[serde(default = "utc")]
        timezone: Timezone,
    },
    /// An answer of a web service, which is asked once every other gate passes, and again until it is as expected. An
    /// address that is not public must be allowed by the operator. Deployments only.
    Http {
        /// May hold `{{ environment_url }}`, `{{ version }}`, `{{ sha }}` and `{{ environment }}`.
        #[schemars(extend("x-format" = "url_template", "examples" = ["https://changes.example.com/{{ sha }}"]))]
        url: String,
        /// CEL over `status`, `body` (JSON or text), `headers`, `latency_ms`, `version`, `sha` and `environment`.
        #[serde(default = "any_success")]
        expect: Expression,
        /// For one request.
        #[serde(default = "ten_seconds")]
        #[schemars(extend("x-min" = "1s", "x-max" = "1m"))]
        timeout: Duration,
        /// How long to go on asking, from the first time.
        #[serde(default = "five_minutes")]
        #[schemars(extend("x-max" = "30d"))]
        within: Duration,
        /// Pause between two requests; it grows to a tenth of the time that has gone.
        #[serde(default = "half_a_minute")]
        #[schemars(extend("x-min" = "1s", "x-max" = "1h"))]
        interval: Duration,
    },
    /// Of every file of the tag's release that is deployed, GitHub keeps an artifact attestation, and its signature holds.
    /// A file that changes before its deployment begins is refused. That the target brings up exactly these files is for the
    /// target to see to. Deployments of tags only.
    Attestation {
        /// Workflow of this repository that must have made it. Without it: any of them.
        workflow: Option<Workflow>,
        /// The files that are deployed, as a pattern in which `*` stands for anything. At least one must be there, at most 20.
        #[serde(default = "any_file")]
        #[schemars(extend("examples" = ["shop-*.tar.gz"]))]
        assets: Glob,
        /// How long to wait for files and attestations, once the other gates pass.
        #[serde(default = "one_hour")]
        #[schemars(extend("x-min" = "1m", "x-max" = "7d"))]
        deadline: Duration,
    },
    /// People who must agree; as `approvals` of an environment. Deployments only.
    Approvals {
        /// How many.
        #[serde(default = "one")]
        #[schemars(range(min = 1, max = 20))]
        count: u8,
        /// Slugs of teams of the organization whose members may approve.
        #[serde(default)]
        teams: Vec<TeamSlug>,
        /// Logins of people who may approve, whatever their role in the repository is.
        #[serde(default)]
        users: Vec<Login>,
        /// Whether the author of the commit may not approve.
        #[serde(default)]
        not_author: bool,
        /// How long an approval counts, and how long to wait for one.
        #[serde(default = "one_week")]
        #[schemars(extend("x-min" = "1m", "x-max" = "30d"))]
        expiry: Duration,
    },
}

/// A tool of a peer that supplies the configuration of an environment: plain values, and where secrets are found.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// One of the operator's `[peers]`.
    #[schemars(extend("x-format" = "name"))]
    pub peer: String,
    /// One of its tools that the operator has pinned.
    #[schemars(extend("x-format" = "name"))]
    pub tool: String,
    /// What the tool is given; texts may hold the placeholders of the gate `peer`.
    #[serde(default)]
    pub arguments: serde_json::Map<String, serde_json::Value>,
}

/// An environment in which the same commit must run first.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct After {
    pub environment: EnvRef,
    /// How long it must have run there without a break, until now. Without it: it must be live there.
    #[serde(default = "no_time")]
    pub soak: Duration,
    /// How long to wait for the commit to get there.
    #[serde(default = "one_day")]
    #[schemars(extend("x-max" = "30d"))]
    pub deadline: Duration,
}

/// People who must agree: never the one who asked, never a bot or an agent. Without teams and users: whoever may deploy.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approvals {
    /// How many.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 20))]
    pub count: u8,
    /// Slugs of teams of the organization whose members may approve.
    #[serde(default)]
    pub teams: Vec<TeamSlug>,
    /// Logins of people who may approve, whatever their role in the repository is.
    #[serde(default)]
    pub users: Vec<Login>,
    /// Whether the author of the commit may not approve.
    #[serde(default)]
    pub not_author: bool,
    /// How long an approval counts, and how long to wait for one.
    #[serde(default = "one_week")]
    #[schemars(extend("x-min" = "1m", "x-max" = "30d"))]
    pub expiry: Duration,
}

/// Times of the week by a clock on the wall of the time zone: from a day and time to another, a time of every day, or of
/// certain days as `Mon-Fri 09:00 - 17:00`. What is denied is denied; if anything is allowed, nothing else is. A deployment
/// waits for the next time that is allowed; a rollback does not.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Only then.
    pub allow: Option<WindowSpan>,
    /// Not then.
    pub deny: Option<WindowSpan>,
    /// Name in the IANA database.
    #[serde(default = "utc")]
    pub timezone: Timezone,
}

fn one_minute() -> Duration {
    Duration("1m".into())
}
fn six_hours() -> Duration {
    Duration("6h".into())
}
fn one_hour() -> Duration {
    Duration("1h".into())
}
fn any_file() -> Glob {
    Glob("*".into())
}
fn one() -> u8 {
    1
}
fn one_day() -> Duration {
    Duration("1d".into())
}
fn one_week() -> Duration {
    Duration("7d".into())
}
fn half_a_minute() -> Duration {
    Duration("30s".into())
}
fn no_time() -> Duration {
    Duration("0s".into())
}
fn yes() -> bool {
    true
}
fn utc() -> Timezone {
    Timezone("UTC".into())
}
