//! Traffic `haproxy`: the weights of a backend's servers, through HAProxy's runtime API.
//!
//! Invariants: each call looks first, changes what is not as asked, and reads back what HAProxy made of it; a backend that
//! holds a server of neither slot is refused, because shares would not be what they seem; a server in maintenance is the
//! operator's and is left alone, one in drain is ours.
//!
//! Known races: HAProxy takes several commands one after the other, so between two of them shares are in between (never
//! beyond the greater of old and new for the slot that gains). A restart of HAProxy brings its configured weights back:
//! [`Traffic::observe`] shows it, and the next [`Traffic::shift`] mends it. Users whom HAProxy keeps on a server (a cookie, a
//! stick table) go on reaching a slot with weight 0 or in drain until its servers are down.

mod look;
mod shares;
mod state;
mod wire;

use super::traffic::{Counted, Drained, Observed, Split, Traffic};
use super::{Again, Trouble};
use crate::config::repo::HaproxyTraffic;
use crate::config::settings::BalancerSettings;
use crate::domain::{PerSlot, Refusal, RepoName, Slot};
use look::Look;
use shares::Member;
use std::fmt::Write as _;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Between two looks at a slot that drains.
const PAUSE: Duration = Duration::from_millis(200);
/// How often weights are set when something else moves them at the same time.
const ROUNDS: u32 = 3;
/// Commands of one line; HAProxy takes lines of 16 KB.
const TOGETHER: usize = 50;
const MOST_SERVERS: usize = 64;

/// One backend, and which of its servers make up which slot.
#[derive(Clone, Debug)]
pub struct Haproxy {
    settings: BalancerSettings,
    backend: String,
    slots: PerSlot<Vec<String>>,
}

impl Haproxy {
    /// # Errors
    /// `balancer_not_allowed` where the operator does not lend the balancer or backend to this repository;
    /// `balancer_names_invalid` for names that HAProxy cannot have.
    pub fn new(settings: &BalancerSettings, traffic: &HaproxyTraffic, repo: &RepoName) -> Result<Self, Refusal> {
        let lent = settings.backends.is_empty() || settings.backends.contains(&traffic.backend);
        if !settings.repositories.allow(repo) || !lent {
            let message = format!("{repo} may not move users with the balancer {}.", traffic.balancer);
            let fix = "Ask the operator to add it to `repositories` and `backends` of the balancer in lockkeeper.toml.";
            return Err(Refusal::user("balancer_not_allowed", message, fix));
        }
        let PerSlot { blue, green } = &traffic.slots;
        let mut names: Vec<&String> = blue.iter().chain(green).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        let good = wire::name(&traffic.backend) && names.iter().all(|name| wire::name(name));
        if !good || blue.is_empty() || green.is_empty() || names.len() < all || all > MOST_SERVERS {
            let message = "The names in `traffic` are not those of a backend and of different servers for each slot.";
            return Err(Refusal::user("balancer_names_invalid", message, wire::MEND_SLOTS));
        }
        Ok(Self { settings: settings.clone(), backend: traffic.backend.clone(), slots: traffic.slots.clone() })
    }

    async fn ask(&self, line: &str) -> Result<String, Trouble> {
        wire::ask(&self.settings.address, line, self.settings.timeout).await
    }

    async fn look(&self) -> Result<Look, Trouble> {
        let state = self.ask(&format!("show servers state {}", self.backend)).await?;
        let stat = self.ask(&format!("show stat {} 6 -1", self.backend)).await?;
        Look::read(&state, &stat, &self.backend, &self.slots)
    }

    async fn tell(&self, commands: &[String]) -> Result<(), Trouble> {
        for part in commands.chunks(TOGETHER) {
            wire::accepted(&self.ask(&part.join(";")).await?)?;
        }
        Ok(())
    }

    fn command(&self, server: &str, what: impl std::fmt::Display) -> String {
        format!("set server {}/{server} {what}", self.backend)
    }

    /// For each slot weights first, then servers out of drain, so that none comes back with an old weight.
    fn changes(&self, look: &Look, split: Split) -> Result<Vec<String>, Trouble> {
        let members =
            PerSlot::of(|slot| look.slot(slot).map(|s| Member { initial: s.initial, usable: s.is_usable() }).collect());
        let wanted = shares::weights(split, &members).map_err(unhealthy)?;
        let sum = |slot: Slot, weight: &dyn Fn(usize, &state::Server) -> u32| -> u32 {
            look.slot(slot).enumerate().filter(|(_, s)| s.is_usable()).map(|(i, s)| weight(i, s)).sum()
        };
        let before = PerSlot::of(|slot| sum(slot, &|_, s| s.effective()));
        let after = PerSlot::of(|slot| sum(slot, &|i, _| wanted.get(slot).get(i).copied().map_or(0, u32::from)));
        let mut commands = Vec::new();
        for slot in order(&before, &after) {
            for (server, weight) in look.slot(slot).zip(wanted.get(slot)) {
                if server.weight != u32::from(*weight) {
                    commands.push(self.command(&server.name, format_args!("weight {weight}")));
                }
            }
            let closed = look.slot(slot).filter(|s| s.is_draining() && split.percent(slot) > 0);
            commands.extend(closed.map(|s| self.command(&s.name, "state ready")));
        }
        Ok(commands)
    }
}

/// Whose weights are changed first: so that the slot that gains has at no time more than in the end, and that somebody
/// serves at all times.
fn order(before: &PerSlot<u32>, after: &PerSlot<u32>) -> [Slot; 2] {
    let product = |a: u32, b: u32| u64::from(a) * u64::from(b);
    let gains = product(after.green, before.blue) > product(before.green, after.blue) || before.green == 0;
    let rising = if gains { Slot::Green } else { Slot::Blue };
    let other = rising.other();
    let other_first = before.get(rising) <= after.get(rising) && *after.get(other) > 0;
    if other_first { [other, rising] } else { [rising, other] }
}

impl Traffic for Haproxy {
    async fn observe(&self) -> Result<Observed, Trouble> {
        Ok(self.look().await?.observed())
    }

    async fn shift(&self, split: Split) -> Result<Observed, Trouble> {
        for _ in 0..ROUNDS {
            let look = self.look().await?;
            look.can_share(split)?;
            let commands = self.changes(&look, split)?;
            let now = look.observed();
            if commands.is_empty() && now.split.is_some_and(|shares| shares.are(split)) {
                return Ok(now);
            }
            self.tell(&commands).await?;
        }
        let now = self.observe().await?;
        if now.split.is_some_and(|shares| shares.are(split)) {
            return Ok(now);
        }
        let mut message = format!("HAProxy does not keep the weights for {split}");
        if let Some(shares) = now.split {
            let _ = write!(message, "; green has {:.1} %", shares.percent(Slot::Green));
        }
        Err(unsettled(message))
    }

    async fn drain(&self, slot: Slot, limit: Duration) -> Result<Drained, Trouble> {
        let end = Instant::now() + limit;
        let mut told = 0;
        loop {
            let look = self.look().await?;
            if !look.carries(slot.other()) {
                let message = format!("The slot {slot} cannot be drained: the slot {} serves nobody.", slot.other());
                let fix = "Move users to the other slot first, and see that it is healthy.";
                return Err(Trouble::never(Refusal::user("slot_in_use", message, fix)));
            }
            let open: Vec<String> = look
                .slot(slot)
                .filter(|s| !s.is_draining() && !s.is_in_maintenance())
                .map(|s| self.command(&s.name, "state drain"))
                .collect();
            // Somebody may have come between the look and the command, so it is looked again.
            if !open.is_empty() {
                told += 1;
                if told > ROUNDS {
                    return Err(unsettled(format!("HAProxy does not keep the slot {slot} in drain")));
                }
                self.tell(&open).await?;
                continue;
            }
            let left = look.sessions(slot);
            if left == 0 || Instant::now() >= end {
                return Ok(Drained { left });
            }
            sleep(PAUSE.min(end.saturating_duration_since(Instant::now()))).await;
        }
    }

    async fn counters(&self) -> Result<Option<Counted>, Trouble> {
        let before = state::process(&self.ask("show info").await?)?;
        let look = self.look().await?;
        let after = state::process(&self.ask("show info").await?)?;
        if before != after {
            let message = "HAProxy was restarted while its counters were read.";
            let fix = "Nothing: Lockkeeper tries again by itself.";
            return Err(Trouble::later(Refusal::world("balancer_restarted", message, fix)));
        }
        Ok(Some(Counted { since: after, slots: PerSlot::of(|slot| look.counters(slot)) }))
    }
}

fn unsettled(message: String) -> Trouble {
    let fix = "See whether something else sets weights or states of these servers, or whether their health flaps.";
    Trouble::later(Refusal::world("balancer_unsettled", message + ".", fix))
}

fn unhealthy(slot: Slot) -> Trouble {
    let message = format!("No server of the slot {slot} is healthy, so no users are sent there.");
    let fix = "See why HAProxy's health checks of this slot fail.";
    Trouble { again: Again::Later(None), refusal: Refusal::user("slot_unhealthy", message, fix) }
}

#[cfg(test)]
mod tests;
