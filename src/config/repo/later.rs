//! Settings that this version reads but cannot enforce; see [`super::raw`].

#![expect(dead_code, reason = "settings of later versions are read for their shape only")]

use super::text::{Duration, EnvRef, Timezone, WindowSpan};
use schemars::JsonSchema;
use serde::Deserialize;

/// An environment that must run the same version first.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct After {
    pub environment: EnvRef,
    /// How long it must have run there.
    pub soak: Option<Duration>,
}

/// People who must agree; never the one who asked.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approvals {
    /// How many.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 20))]
    pub count: u8,
    /// Slugs of teams whose members may approve.
    #[serde(default)]
    pub teams: Vec<String>,
    /// Logins of people who may approve.
    #[serde(default)]
    pub users: Vec<String>,
}

fn one() -> u8 {
    1
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Agents {
    /// As a person.
    Allow,
    /// An agent asks, a person approves.
    Request,
    /// Nothing.
    Deny,
}

/// A time of the week.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    pub allow: Option<WindowSpan>,
    pub deny: Option<WindowSpan>,
    /// Name in the IANA database. Without it: UTC.
    pub timezone: Option<Timezone>,
}
