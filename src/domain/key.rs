//! Keys that the operator gives to agents and scripts: what each may do, and where.
//!
//! Invariant: nothing is implied. A key may do what its scopes name, in its one repository and in the environments that it
//! names; staging does not imply production, deploying does not imply reading.

use super::{EnvName, KeyId, KeyName, Millis, RepoId, RepoName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One kind of thing that a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// See what is live, what runs and what it waits for.
    Read,
    /// Ask what would happen.
    Plan,
    /// Judge gates.
    Validate,
    Deploy,
    Rollback,
    /// Pause, resume, promote and abort.
    Control,
    Publish,
    /// Lock and unlock.
    Lock,
}

impl Scope {
    pub const ALL: [Self; 8] =
        [Self::Read, Self::Plan, Self::Validate, Self::Deploy, Self::Rollback, Self::Control, Self::Publish, Self::Lock];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Plan => "plan",
            Self::Validate => "validate",
            Self::Deploy => "deploy",
            Self::Rollback => "rollback",
            Self::Control => "control",
            Self::Publish => "publish",
            Self::Lock => "lock",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }

    /// It is about an environment, and worth nothing without one.
    pub fn needs_environment(self) -> bool {
        matches!(self, Self::Validate | Self::Deploy | Self::Rollback | Self::Control | Self::Lock)
    }
}

/// What a key may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub scopes: BTreeSet<Scope>,
    pub repo: RepoId,
    pub environments: BTreeSet<EnvName>,
}

/// A key without its secret, of which only a digest is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Counts up; never given twice.
    pub number: u64,
    pub id: KeyId,
    pub name: KeyName,
    /// What the repository was called when the key was made; its id decides.
    pub repository: RepoName,
    #[serde(flatten)]
    pub grant: Grant,
    pub created_at: Millis,
    pub expires_at: Millis,
    pub revoked_at: Option<Millis>,
}

impl Key {
    pub fn is_good(&self, now: Millis) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_they_are_written() {
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.as_str());
        }
        assert_eq!(Scope::parse("Deploy"), None);
    }
}
