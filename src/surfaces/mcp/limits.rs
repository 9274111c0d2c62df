//! How often one key may call one tool: so that an agent that runs in a circle takes nothing from the others.

use super::catalog::Tool;
use crate::domain::{Actor, ActorKind, UserId};
use crate::engine::limit::Limit;
use std::time::{Duration, Instant};

const SPAN: Duration = Duration::from_secs(5);

type Who = (ActorKind, UserId, Tool);

pub(super) struct Limits {
    looks: Limit<Who>,
    /// Each of them asks GitHub or the environment's services.
    costly: Limit<Who>,
    /// Those who are turned away are put on record once in a while, or they would fill it.
    recorded: Limit<Who>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { looks: Limit::new(300, SPAN), costly: Limit::new(300, Duration::from_secs(60)), recorded: Limit::new(1, SPAN) }
    }
}

impl Limits {
    /// The error is how long until the next call.
    pub fn take(&self, actor: &Actor, tool: Tool) -> Result<(), Duration> {
        let limit = if tool.face().is_costly() { &self.costly } else { &self.looks };
        let (kind, id) = actor.id_of();
        limit.take(&(kind, id, tool), Instant::now())
    }

    /// Whether one who was turned away is to be put on record.
    pub fn is_news(&self, actor: &Actor, tool: Tool) -> bool {
        let (kind, id) = actor.id_of();
        self.recorded.take(&(kind, id, tool), Instant::now()).is_ok()
    }
}
