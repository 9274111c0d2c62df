//! What ends the wait of a run at its gates: time, our own record, or somebody else, and then only what is worth a look.

use super::gating::OUR_RECORD;
use crate::domain::{CheckChange, CheckState, Millis};
use crate::flow::{Flow, Stop, Turn, Waited};
use crate::gates::{self, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The checks that must come before another look can be worth it; none when something else is waited for too.
pub(super) fn awaited(verdicts: &[Verdict]) -> Vec<String> {
    // What waits for everything else is no reason.
    let open: Vec<&Verdict> = verdicts.iter().filter(|v| !v.status.advances() && !gates::is_asked(v)).collect();
    match open.as_slice() {
        [only] if only.code == "checks_pending" => only.names.clone(),
        _ => Vec::new(),
    }
}

/// Why a wait ended.
#[derive(Serialize, Deserialize)]
pub(super) enum Woken {
    Stopped(String),
    ByTime,
    /// Something has changed in our own record, and nothing else.
    ByUs,
    ByOthers,
}

/// Waits until a look is worth it.
pub(super) fn wait(f: &mut Flow, awaited: Vec<String>, until: Millis) -> Result<Woken, Stop> {
    f.fold(
        "wake",
        || awaited,
        |f, mut awaited: Vec<String>| {
            let told = match f.signal_or_timeout("wait", "wake", Some(until))? {
                Waited::Cancelled(reason) => return Ok(Turn::End(Woken::Stopped(reason))),
                Waited::TimedOut => return Ok(Turn::End(Woken::ByTime)),
                Waited::Signalled(told) => told,
            };
            if told.iter().all(|value| *value == json!(OUR_RECORD)) {
                return Ok(Turn::End(Woken::ByUs));
            }
            let looks = awaited.is_empty() || !told.iter().all(|value| came(value, &mut awaited)) || awaited.is_empty();
            Ok(if looks { Turn::End(Woken::ByOthers) } else { Turn::Next(awaited) })
        },
    )
}

/// Strikes out the check that a signal names; false when the signal says more than that a check has passed.
fn came(told: &Value, awaited: &mut Vec<String>) -> bool {
    let Ok(check) = CheckChange::deserialize(told) else { return false };
    if !matches!(check.state, CheckState::Success | CheckState::Neutral) {
        return false;
    }
    let name = gates::shown(&check.name);
    if let Some(at) = awaited.iter().position(|known| *known == name) {
        awaited.remove(at);
    }
    true
}
