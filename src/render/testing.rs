//! What the tests of this folder share.

use crate::gates::{Status, Verdict};

pub fn verdict(gate: &str, status: Status, reason: &str, fix: &str) -> Verdict {
    Verdict {
        gate: gate.into(),
        status,
        code: "x".into(),
        reason: reason.into(),
        fix: fix.into(),
        names: Vec::new(),
        links: Vec::new(),
        ask_again: None,
    }
}
