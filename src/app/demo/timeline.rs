//! What the demo of a progressive deployment tells, line by line: what Lockkeeper does, and what users get meanwhile.

use super::users::Tally;
use crate::app::narrator::Narrator;
use crate::domain::Slot;
use crate::engine::host::{Event, What};
use crate::workflow::deploy;
use std::collections::HashSet;
use std::time::Instant;

/// Characters of a bar.
const WIDTH: u64 = 20;

pub struct Timeline {
    pub narrator: Narrator,
    /// Runs that are told of: deployments, and not releases, of which the plain demo tells.
    ours: HashSet<String>,
    /// What users had got at the last line.
    told: Tally,
    /// When users were back with the old version.
    pub back: Option<Instant>,
}

/// The two versions of the story, and what the balancer says of them.
pub struct Scene<'a> {
    pub old: &'a str,
    pub new: &'a str,
    /// Users that are sent to the new version, in percent.
    pub sent: Option<u32>,
    /// Where the new version is.
    pub slot: Slot,
}

impl Timeline {
    pub fn new(narrator: Narrator) -> Self {
        Self { narrator, ours: HashSet::new(), told: Tally::default(), back: None }
    }

    /// Tells of an event of the deployment.
    pub async fn event(&mut self, event: &Event, scene: &Scene<'_>) {
        let run = event.run.as_str();
        if matches!(&event.what, What::Started { workflow, .. } if workflow == deploy::WORKFLOW.name) {
            self.ours.insert(run.to_owned());
        }
        match &event.what {
            _ if !self.ours.contains(run) => {}
            What::Step { name, state, .. } if state == "done" => {
                self.narrator.event(event).await;
                self.moved(name, scene);
            }
            _ => self.narrator.event(event).await,
        }
    }

    fn moved(&mut self, name: &str, scene: &Scene<'_>) {
        let Scene { old, new, slot, .. } = scene;
        let sent = scene.sent.map_or_else(|| "nobody".to_owned(), |percent| format!("{percent} % of users"));
        let text = match name {
            "slots" => format!("looked at the balancer: {new} goes into the slot {slot}"),
            "promote" => format!("{sent} to {new}, in the slot {slot}"),
            "mark_bad" => format!("{new} does not stand the analysis: on record as bad"),
            "back.shift" => {
                self.back.get_or_insert_with(Instant::now);
                format!("all users back to {old}, in the slot {}", slot.other())
            }
            "drain.0" => format!("the slot {} is drained: nobody was cut off", slot.other()),
            "back.drain.0" => format!("the slot {slot} is drained: nobody was cut off"),
            "land" => format!("{new} is on record as live"),
            "back.land" => format!("{old} is on record as live again"),
            name if name.strip_prefix("shift.").is_some_and(|at| at.parse::<u32>().is_ok()) => {
                format!("{sent} to {new}, in the slot {slot}; the analysis watches")
            }
            _ => return,
        };
        self.narrator.say("production", &text);
    }

    /// What users got since the last line.
    pub fn users(&mut self, now: Tally, scene: &Scene<'_>) {
        let since = |of: fn(&Tally, &str) -> u64, version: &str| of(&now, version).saturating_sub(of(&self.told, version));
        let (old, new) = (since(Tally::of, scene.old), since(Tally::of, scene.new));
        let failed = now.failures().saturating_sub(self.told.failures());
        let requests = now.requests().saturating_sub(self.told.requests());
        self.told = now;
        let all = (old + new).max(1);
        let filled = (new * WIDTH).div_ceil(all);
        let bar: String = (0..WIDTH).map(|at| if at < filled { '█' } else { '░' }).collect();
        let share = (100 * new + all / 2) / all;
        let text = format!("{bar} {share:>3} % got {}   {requests:>3} requests, {failed} failed", scene.new);
        self.narrator.say("users", &text);
    }
}
