//! What the demo's balancer knows of its two slots, and the part of HAProxy's runtime API that Lockkeeper uses.
//!
//! Invariants: users are shared exactly as the weights say (smooth weighted round robin); nobody is sent to a slot that is
//! down or in drain; a command that is not known is refused in HAProxy's words and changes nothing.

use crate::domain::{PerSlot, Slot};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The only backend; each slot is a server of the slot's name.
pub const NAME: &str = "web";
/// HAProxy's greatest.
const MOST: u32 = 256;

const STATE: &str = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight\n";
const STAT: &str = "# pxname,svname,scur,qcur,stot,econ,eresp,rtime,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,\
                    bck,type,algo,\nweb,BACKEND,,,,,,,,,,,,,0,1,roundrobin,\n";

pub struct Backend {
    members: Mutex<PerSlot<Member>>,
    /// Seconds since 1970.
    started: u64,
}

struct Member {
    address: SocketAddr,
    weight: u32,
    drain: bool,
    up: bool,
    /// Of the round robin.
    credit: i64,
    sessions: u64,
    total: u64,
    /// Answers with status 1xx to 5xx.
    classes: [u64; 5],
    other: u64,
    unreached: u64,
    broken: u64,
    last_ms: u128,
}

/// How one request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Answered(u16),
    /// The copy took no connection.
    Unreached,
    /// The copy answered nothing that can be used.
    Broken,
}

impl Member {
    fn new(address: SocketAddr) -> Self {
        Self {
            address,
            weight: 1,
            drain: false,
            up: false,
            credit: 0,
            sessions: 0,
            total: 0,
            classes: [0; 5],
            other: 0,
            unreached: 0,
            broken: 0,
            last_ms: 0,
        }
    }

    fn effective(&self) -> u32 {
        if self.up && !self.drain { self.weight } else { 0 }
    }
}

impl Backend {
    pub fn new(addresses: PerSlot<SocketAddr>, started: u64) -> Self {
        Self { members: Mutex::new(PerSlot::of(|slot| Member::new(*addresses.get(slot)))), started }
    }

    fn lock(&self) -> MutexGuard<'_, PerSlot<Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slot that serves the next user, from now on until [`Self::ended`].
    pub fn choose(&self) -> Option<(Slot, SocketAddr)> {
        let mut members = self.lock();
        let mut sum = 0;
        for slot in Slot::ALL {
            let member = of(&mut members, slot);
            let weight = i64::from(member.effective());
            member.credit += weight;
            sum += weight;
        }
        let open = Slot::ALL.into_iter().filter(|slot| members.get(*slot).effective() > 0);
        let slot = open.max_by_key(|slot| members.get(*slot).credit)?;
        let member = of(&mut members, slot);
        member.credit -= sum;
        member.sessions += 1;
        member.total += 1;
        Some((slot, member.address))
    }

    pub fn ended(&self, slot: Slot, outcome: Outcome, took: Duration) {
        let mut members = self.lock();
        let member = of(&mut members, slot);
        member.sessions = member.sessions.saturating_sub(1);
        member.last_ms = took.as_millis();
        match outcome {
            Outcome::Unreached => member.unreached += 1,
            Outcome::Broken => member.broken += 1,
            Outcome::Answered(status) => {
                let class = usize::from(status / 100).checked_sub(1);
                *class.and_then(|at| member.classes.get_mut(at)).unwrap_or(&mut member.other) += 1;
            }
        }
    }

    /// What a look at a copy's health said.
    pub fn seen(&self, slot: Slot, up: bool) {
        of(&mut self.lock(), slot).up = up;
    }

    /// New users of a slot, in percent; nothing where nobody is served.
    pub fn percent(&self, slot: Slot) -> Option<u32> {
        let members = self.lock();
        let sum: u32 = Slot::ALL.iter().map(|slot| members.get(*slot).effective()).sum();
        (100 * members.get(slot).effective()).checked_div(sum)
    }

    /// Answers a line of commands as HAProxy does: each answer ends with an empty line.
    pub fn answer(&self, line: &str) -> String {
        line.trim().split(';').map(|command| self.obey(command) + "\n").collect()
    }

    fn obey(&self, command: &str) -> String {
        let words: Vec<&str> = command.split_whitespace().collect();
        match words.as_slice() {
            ["show", "info"] => {
                format!("Name: demo\nPid: {}\nStart_time_sec: {}\n", std::process::id(), self.started)
            }
            ["show", "servers", "state", NAME] => self.state(),
            ["show", "stat", NAME, ..] => self.stat(),
            ["show", "servers", "state", ..] | ["show", "stat", ..] => "No such backend.\n".to_owned(),
            ["set", "server", server, change @ ..] => self.set(server, change),
            _ => "Unknown command.\n".to_owned(),
        }
    }

    fn state(&self) -> String {
        let members = self.lock();
        let mut text = STATE.to_owned();
        for slot in Slot::ALL {
            let m = members.get(slot);
            let (up, drain) = (if m.up { 2 } else { 0 }, if m.drain { 8 } else { 0 });
            let _ = writeln!(text, "1 {NAME} 1 {slot} {} {up} {drain} {} 1", m.address.ip(), m.weight);
        }
        text
    }

    fn stat(&self) -> String {
        let members = self.lock();
        let mut text = STAT.to_owned();
        for slot in Slot::ALL {
            let m = members.get(slot);
            let [one, two, three, four, five] = m.classes;
            let _ = writeln!(
                text,
                "{NAME},{slot},{},0,{},{},{},{},{one},{two},{three},{four},{five},{},0,2,,",
                m.sessions, m.total, m.unreached, m.broken, m.last_ms, m.other
            );
        }
        text
    }

    fn set(&self, server: &str, change: &[&str]) -> String {
        let named = |slot: &Slot| server.strip_prefix(NAME).and_then(|s| s.strip_prefix('/')) == Some(&slot.to_string());
        let Some(slot) = Slot::ALL.into_iter().find(named) else { return "No such server.\n".to_owned() };
        let mut members = self.lock();
        match change {
            ["weight", text] => match text.parse() {
                Ok(weight) if weight <= MOST => {
                    of(&mut members, slot).weight = weight;
                    // Who was owed something by the old weights is not owed it by the new ones.
                    Slot::ALL.into_iter().for_each(|slot| of(&mut members, slot).credit = 0);
                }
                _ => return "Absolute weight can only be between 0 and 256 inclusive.\n".to_owned(),
            },
            ["state", "ready"] => of(&mut members, slot).drain = false,
            ["state", "drain"] => of(&mut members, slot).drain = true,
            _ => return "'set server <srv>' only supports 'weight' and 'state' here.\n".to_owned(),
        }
        String::new()
    }
}

fn of(members: &mut PerSlot<Member>, slot: Slot) -> &mut Member {
    match slot {
        Slot::Blue => &mut members.blue,
        Slot::Green => &mut members.green,
    }
}

#[cfg(test)]
mod tests;
