//! How often one key may call one tool: so that an agent that runs in a circle takes nothing from the others.

use super::catalog::Tool;
use crate::domain::{Actor, ActorKind, UserId};
use crate::engine::limit::Limit;
use std::time::{Duration, Instant};

type Who = (ActorKind, UserId, Tool);

pub(super) struct Limits {
    looks: Limit<Who>,
    /// Each of them asks GitHub or the environment's services.
    costly: Limit<Who>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { looks: Limit::new(300, Duration::from_secs(5)), costly: Limit::new(60, Duration::from_secs(60)) }
    }
}

impl Limits {
    /// The error is how long until the next call.
    pub fn take(&self, actor: &Actor, tool: Tool) -> Result<(), Duration> {
        let limit = if tool.face().is_costly() { &self.costly } else { &self.looks };
        let (kind, id) = actor.id_of();
        limit.take(&(kind, id, tool), Instant::now())
    }
}
