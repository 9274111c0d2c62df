//! Kills the program when its request comes, and tells requests apart.

use super::stage::Kill;
use crate::process::Process;
use lockkeeper::sandbox::{LogEntry, Moment, RequestInfo, Sandbox, Verdict};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Kills the program when its request comes.
pub struct Trap {
    label: String,
    nth: u32,
    moment: Moment,
    late: Duration,
    terminate: bool,
    second: Option<u32>,
    process: Weak<Process>,
    left: Arc<AtomicU32>,
    seen: AtomicU32,
    /// The request that it was laid for.
    seq: AtomicU64,
    /// Requests since the first kill.
    since: AtomicU32,
}

impl Trap {
    pub fn lay(github: &Sandbox, kill: &Kill, process: &Arc<Process>, left: &Arc<AtomicU32>) {
        let (label, nth, moment, late, second, terminate) = match kill {
            Kill::Request { label, nth, moment, late, second } => (label, *nth, *moment, *late, *second, false),
            Kill::Terminate { label } => (label, 1, Moment::BeforeEffect, Duration::ZERO, None, true),
            _ => return,
        };
        left.store(1 + u32::from(second.is_some()), Ordering::SeqCst);
        let (label, process, left) = (label.clone(), Arc::downgrade(process), Arc::clone(left));
        let (seen, seq, since) = (AtomicU32::new(0), AtomicU64::new(u64::MAX), AtomicU32::new(0));
        let trap = Arc::new(Self { label, nth, moment, late, terminate, second, process, left, seen, seq, since });
        for moment in [Moment::BeforeEffect, Moment::AfterEffect, Moment::AfterAnswer] {
            let trap = Arc::clone(&trap);
            github.intercept(moment, move |request| trap.look(moment, request));
        }
    }

    fn look(&self, moment: Moment, request: &RequestInfo) -> Verdict {
        let before = moment == Moment::BeforeEffect;
        if before && self.seq.load(Ordering::SeqCst) == u64::MAX {
            if label(&request.method, &request.subject(), &request.body) == self.label
                && self.seen.fetch_add(1, Ordering::SeqCst) + 1 == self.nth
            {
                self.seq.store(request.seq, Ordering::SeqCst);
            }
        } else if before
            && self.left.load(Ordering::SeqCst) == 1
            && self.second == Some(self.since.fetch_add(1, Ordering::SeqCst))
        {
            return self.spring();
        }
        if moment == self.moment && self.seq.load(Ordering::SeqCst) == request.seq {
            std::thread::sleep(self.late);
            return self.spring();
        }
        Verdict::GoOn
    }

    fn spring(&self) -> Verdict {
        let Some(process) = self.process.upgrade() else { return Verdict::GoOn };
        if self.terminate {
            process.terminate();
            self.left.store(0, Ordering::SeqCst);
            // It is told while it waits for the answer.
            std::thread::sleep(Duration::from_millis(300));
            return Verdict::GoOn;
        }
        process.kill();
        self.left.fetch_sub(1, Ordering::SeqCst);
        Verdict::Abandon
    }
}

/// What a request is about: ids and commits left out, the name or state of what it makes put in.
fn label(method: &str, subject: &str, body: &[u8]) -> String {
    let path: Vec<&str> = subject
        .split('/')
        .map(|part| match part {
            part if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) => "{id}",
            part if part.len() == 40 && part.bytes().all(|b| b.is_ascii_hexdigit()) => "{sha}",
            part => part,
        })
        .collect();
    let body = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
    let fields = [("check-runs", "name"), ("check-runs", "conclusion"), ("statuses", "state"), ("deployments", "environment")];
    let about = fields.iter().filter(|(part, _)| subject.contains(part)).find_map(|(_, field)| body[*field].as_str());
    let about = about.map(|text| format!(" {text}")).unwrap_or_default();
    format!("{method} {}{about}", path.join("/"))
}

pub fn label_of_entry(entry: &LogEntry) -> String {
    if entry.route.starts_with("POST /graphql ") {
        return entry.route.clone();
    }
    label(&entry.method, entry.path.split('?').next().unwrap_or_default(), entry.body.as_bytes())
}
