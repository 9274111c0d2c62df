//! The queue of webhooks, the rules that tests lay on it, and the log of deliveries.

use crate::domain::Millis;
use std::collections::VecDeque;

/// Older deliveries fall out of the log, as GitHub's do after three days.
const KEPT: usize = 10_000;

/// One delivery as `GET /app/hook/deliveries` tells it.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub id: u64,
    /// The same for every attempt.
    pub guid: String,
    pub event: String,
    pub action: Option<String>,
    pub installation: Option<u64>,
    pub repository: Option<u64>,
    pub redelivery: bool,
    pub at: Millis,
    /// Seconds.
    pub duration: f64,
    /// `OK`, `timed out`, `failed to connect to host`, `Invalid HTTP Response: 500`.
    pub status: String,
    /// 0 for no answer at all.
    pub status_code: u16,
    pub payload: String,
    /// The first 64 KiB of the answer.
    pub response: String,
}

/// What waits to be sent.
#[derive(Clone, Debug)]
pub(in crate::sandbox) struct Outgoing {
    pub id: u64,
    pub guid: String,
    pub event: String,
    pub action: Option<String>,
    pub installation: Option<u64>,
    pub repository: Option<u64>,
    pub redelivery: bool,
    pub payload: String,
    /// Signed with something else than the App's secret.
    pub forged: bool,
}

/// What happens to a webhook instead of being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookAction {
    /// Logged as failed to connect, never sent.
    Drop,
    /// Sent twice with one GUID.
    Duplicate,
    /// Kept until [`Sandbox::release_hooks`](crate::sandbox::Sandbox::release_hooks).
    Hold,
}

/// For webhooks of an event (`*` for all), a number of times.
#[derive(Clone, Debug)]
pub struct HookRule {
    pub event: String,
    pub action: Option<String>,
    pub what: HookAction,
    /// How often it applies; nothing for always.
    pub times: Option<u32>,
}

impl HookRule {
    /// Applies to every webhook of that event until cleared.
    pub fn new(event: &str, what: HookAction) -> Self {
        Self { event: event.to_owned(), action: None, what, times: None }
    }
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }
    pub fn action(mut self, action: &str) -> Self {
        self.action = Some(action.to_owned());
        self
    }
}

/// In which order held webhooks leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Kept,
    Reversed,
    Shuffled,
}

#[derive(Default)]
pub(in crate::sandbox) struct Outbox {
    queue: VecDeque<Outgoing>,
    held: Vec<Outgoing>,
    pub rules: Vec<HookRule>,
    log: VecDeque<Delivery>,
    /// Taken from the queue and not yet logged.
    pub in_flight: usize,
}

impl Outbox {
    /// Queues a webhook, or does what a rule says. `spare` is an id for a duplicate.
    pub fn add(&mut self, out: Outgoing, spare: u64, now: Millis) {
        let fits = |r: &&mut HookRule| {
            let action = r.action.is_none() || r.action == out.action;
            r.times != Some(0) && (r.event == "*" || r.event == out.event) && action
        };
        let rule = self.rules.iter_mut().find(fits);
        let what = rule.map(|rule| {
            rule.times = rule.times.map(|n| n.saturating_sub(1));
            rule.what
        });
        match what {
            None => self.queue.push_back(out),
            Some(HookAction::Hold) => self.held.push(out),
            Some(HookAction::Duplicate) => {
                self.queue.push_back(Outgoing { id: spare, ..out.clone() });
                self.queue.push_back(out);
            }
            Some(HookAction::Drop) => self.record(&out, now, 0.0, 502, "failed to connect to host", String::new()),
        }
    }

    /// Past all rules: a redelivery that the App asked for.
    pub fn requeue(&mut self, out: Outgoing) {
        self.queue.push_back(out);
    }

    pub fn take(&mut self) -> Option<Outgoing> {
        let out = self.queue.pop_front()?;
        self.in_flight += 1;
        Some(out)
    }

    pub fn release(&mut self, order: Order) -> usize {
        let mut held = std::mem::take(&mut self.held);
        match order {
            Order::Kept => {}
            Order::Reversed => held.reverse(),
            Order::Shuffled => {
                for n in (1..held.len()).rev() {
                    held.swap(n, rand::random_range(0..=n));
                }
            }
        }
        let count = held.len();
        self.queue.extend(held);
        count
    }

    pub fn record(&mut self, out: &Outgoing, at: Millis, duration: f64, code: u16, status: &str, response: String) {
        let out = out.clone();
        self.log.push_back(Delivery {
            id: out.id,
            guid: out.guid,
            event: out.event,
            action: out.action,
            installation: out.installation,
            repository: out.repository,
            redelivery: out.redelivery,
            at,
            duration,
            status: status.to_owned(),
            status_code: code,
            payload: out.payload,
            response,
        });
        if self.log.len() > KEPT {
            self.log.pop_front();
        }
    }

    /// Oldest first.
    pub fn log(&self) -> impl DoubleEndedIterator<Item = &Delivery> {
        self.log.iter()
    }

    /// Nothing waits and nothing is on its way; held ones do not count.
    pub fn idle(&self) -> bool {
        self.queue.is_empty() && self.in_flight == 0
    }
}
