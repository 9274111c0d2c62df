//! What went wrong at a target or a balancer, and whether trying again can help.

use crate::domain::Refusal;
use std::fmt;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// The same would happen.
    Never,
    /// It may pass later, not before this time if one was named.
    Later(Option<Duration>),
}

/// Texts hold no secret, and of what the other side said only what is known to be harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub again: Again,
    pub refusal: Refusal,
}

impl Trouble {
    pub(super) fn never(refusal: Refusal) -> Self {
        Self { again: Again::Never, refusal }
    }

    pub(super) fn later(refusal: Refusal) -> Self {
        Self { again: Again::Later(None), refusal }
    }

    pub fn code(&self) -> &str {
        &self.refusal.code
    }

    pub fn is_retryable(&self) -> bool {
        self.again != Again::Never
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refusal.fmt(f)
    }
}

impl std::error::Error for Trouble {}
