//! What Lockkeeper can do: one file for each action with its request and its pure `plan()`; the catalog lists them.
//!
//! Invariant: every door builds one of these requests; what an action may do follows from its [`Traits`], never from the
//! door that it came through.

pub mod access;
pub mod agents;
pub mod approve;
pub mod ask;
pub mod authority;
pub mod button;
pub mod control;
pub mod deploy;
pub mod health;
pub mod lock;
pub mod notes;
pub mod outcome;
pub mod overriding;
pub mod pin;
pub mod publish;
pub mod rollback;
pub mod status;
pub mod validate;

use crate::domain::RepoName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One request to Lockkeeper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    Publish(publish::Publish),
    Deploy(deploy::Deploy),
    Validate(validate::Validate),
    Health(health::Health),
    Notes(notes::Notes),
    Status(status::Status),
    Rollback(rollback::Rollback),
    Control(control::Control),
    Lock(lock::Lock),
    Unlock(lock::Unlock),
    Approve(approve::Approve),
}

/// What an action may do to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// Nothing that others see changes.
    pub read_only: bool,
    /// It can replace what users of an environment see.
    pub destructive: bool,
}

impl Action {
    /// Stable name, used in runs, plans, audit and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Publish(_) => "publish",
            Self::Deploy(_) => "deploy",
            Self::Validate(_) => "validate",
            Self::Health(_) => "health",
            Self::Notes(_) => "notes",
            Self::Status(_) => "status",
            Self::Rollback(_) => "rollback",
            Self::Control(_) => "control",
            Self::Lock(_) => "lock",
            Self::Unlock(_) => "unlock",
            Self::Approve(_) => "approve",
        }
    }

    /// The repository that it is about; nothing for all of them, or where a run says it.
    pub fn repo(&self) -> Option<&RepoName> {
        match self {
            Self::Publish(ask) => Some(&ask.repo),
            Self::Deploy(ask) => Some(&ask.repo),
            Self::Validate(ask) => Some(&ask.repo),
            Self::Health(ask) => Some(&ask.repo),
            Self::Notes(ask) => Some(&ask.repo),
            Self::Status(ask) => ask.repo.as_ref(),
            Self::Rollback(ask) => Some(&ask.repo),
            Self::Control(_) => None,
            Self::Lock(ask) => Some(&ask.repo),
            Self::Unlock(ask) => Some(&ask.repo),
            Self::Approve(ask) => Some(&ask.repo),
        }
    }

    pub fn traits(&self) -> Traits {
        match self {
            Self::Publish(_) | Self::Lock(_) | Self::Unlock(_) | Self::Approve(_) => {
                Traits { read_only: false, destructive: false }
            }
            Self::Deploy(_) | Self::Rollback(_) | Self::Control(_) => Traits { read_only: false, destructive: true },
            Self::Validate(_) | Self::Health(_) | Self::Notes(_) | Self::Status(_) => {
                Traits { read_only: true, destructive: false }
            }
        }
    }
}
