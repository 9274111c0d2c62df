//! One look at a backend: its servers by slot, with what they count. Pure.

use super::Trouble;
use super::state::{self, Server};
use super::wire::{MEND_SLOTS, complained};
use crate::domain::{PerSlot, Refusal, Slot};
use crate::targets::traffic::{Counters, Observed, Shares, SlotState, Split};
use std::collections::BTreeMap;

pub(super) struct Look {
    slots: PerSlot<Vec<Seen>>,
    /// Of the backend; HAProxy tells it only from level `operator` up.
    algorithm: Option<String>,
    /// Servers of neither slot that get users.
    strangers: Vec<String>,
}

struct Seen {
    server: Server,
    counted: Counted,
}

#[derive(Default)]
struct Counted {
    backup: bool,
    numbers: BTreeMap<&'static str, u64>,
}

const NUMBERS: [&str; 12] = [
    "scur",
    "qcur",
    "stot",
    "econ",
    "eresp",
    "rtime",
    "hrsp_1xx",
    "hrsp_2xx",
    "hrsp_3xx",
    "hrsp_4xx",
    "hrsp_5xx",
    "hrsp_other",
];

impl Look {
    pub(super) fn read(state: &str, stat: &str, backend: &str, slots: &PerSlot<Vec<String>>) -> Result<Self, Trouble> {
        let servers = state::servers(state, backend)?;
        let stat = state::stat(stat)?;
        let find = |name: &String| -> Result<Seen, Trouble> {
            let server = servers.iter().find(|s| s.name == *name).ok_or_else(|| complained("No such server"))?;
            let row = stat.servers.get(name).ok_or_else(|| complained("No such server"))?;
            let mut counted = Counted { backup: row.number("bck")? > 0, ..Counted::default() };
            for key in NUMBERS {
                counted.numbers.insert(key, row.number(key)?);
            }
            Ok(Seen { server: server.clone(), counted })
        };
        let find_all = |names: &Vec<String>| names.iter().map(find).collect::<Result<Vec<_>, _>>();
        let slots_seen = PerSlot { blue: find_all(&slots.blue)?, green: find_all(&slots.green)? };
        let ours = |name: &String| slots.blue.contains(name) || slots.green.contains(name);
        let strangers = servers.iter().filter(|s| !ours(&s.name) && s.effective() > 0).map(|s| s.name.clone()).collect();
        let algorithm = stat.backend.and_then(|row| row.text("algo").ok().map(str::to_owned)).filter(|a| !a.is_empty());
        Ok(Self { slots: slots_seen, algorithm, strangers })
    }

    pub(super) fn slot(&self, slot: Slot) -> impl Iterator<Item = &Server> {
        self.slots.get(slot).iter().map(|seen| &seen.server)
    }

    /// Whether shares of this backend can be what a split says.
    pub(super) fn can_share(&self, split: Split) -> Result<(), Trouble> {
        let refuse = |code, message: String, fix: &str| Err(Trouble::never(Refusal::operator(code, message, fix)));
        if let Some(name) = self.strangers.first() {
            let message = format!("The backend has a server that belongs to neither slot and gets users: {name}.");
            return refuse("balancer_stranger", message, MEND_SLOTS);
        }
        if self.slots.blue.iter().chain(&self.slots.green).any(|seen| seen.counted.backup) {
            let message = "A server of a slot is a `backup` in HAProxy: it gets no share while others are up.".into();
            return refuse("balancer_backup", message, "Remove `backup` from the servers of the slots.");
        }
        match self.algorithm.as_deref() {
            Some("first") => {
                let message = "The backend's algorithm `first` does not look at weights.".into();
                refuse("balancer_static", message, "Use `balance roundrobin`, `leastconn` or `random`.")
            }
            // It takes only all or nothing, so that the change would be refused half-way.
            Some("static-rr") if split.whole().is_none() => Err(complained("Backend is using a static LB algorithm")),
            _ => Ok(()),
        }
    }

    pub(super) fn observed(&self) -> Observed {
        let parts = PerSlot::of(|slot| self.slot(slot).map(Server::effective).sum::<u32>());
        let split = (parts.blue + parts.green > 0).then_some(Shares(parts));
        Observed { split, slots: PerSlot::of(|slot| self.state(slot)) }
    }

    fn state(&self, slot: Slot) -> SlotState {
        let count = |fits: fn(&Server) -> bool| self.slot(slot).filter(|s| fits(s)).map(|_| 1).sum();
        SlotState {
            servers: count(|_| true),
            healthy: count(Server::is_usable),
            draining: count(Server::is_draining),
            sessions: self.sessions(slot),
        }
    }

    /// Whether somebody new would be served there.
    pub(super) fn carries(&self, slot: Slot) -> bool {
        self.slot(slot).any(|server| server.effective() > 0)
    }

    pub(super) fn sessions(&self, slot: Slot) -> u64 {
        self.sum(slot, "scur") + self.sum(slot, "qcur")
    }

    pub(super) fn counters(&self, slot: Slot) -> Counters {
        let answers = ["hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx", "hrsp_other"];
        let broken = self.sum(slot, "econ") + self.sum(slot, "eresp");
        let answered: u64 = answers.iter().map(|key| self.sum(slot, key)).sum();
        let seen = self.slots.get(slot);
        let weighted: u64 = seen.iter().map(|s| s.get("rtime").saturating_mul(s.get("stot"))).sum();
        let state = self.state(slot);
        Counters {
            // A backend that knows only TCP counts no answers.
            requests: if answered == 0 { self.sum(slot, "stot") } else { answered + broken },
            errors: self.sum(slot, "hrsp_5xx"),
            broken,
            response_ms: weighted / self.sum(slot, "stot").max(1),
            sessions: self.sum(slot, "scur"),
            queued: self.sum(slot, "qcur"),
            healthy: state.healthy,
            servers: state.servers,
        }
    }

    fn sum(&self, slot: Slot, key: &str) -> u64 {
        self.slots.get(slot).iter().map(|seen| seen.get(key)).sum()
    }
}

impl Seen {
    fn get(&self, key: &str) -> u64 {
        self.counted.numbers.get(key).copied().unwrap_or(0)
    }
}
