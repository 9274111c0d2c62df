//! Settings that this version reads but cannot enforce; see [`super::raw`].

use schemars::JsonSchema;
use serde::Deserialize;

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
