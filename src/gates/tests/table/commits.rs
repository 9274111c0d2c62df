//! The gate `commits`, and gates that this version does not have.

use super::super::*;
use super::{Row, row};

pub fn rows() -> Vec<Row> {
    let told = |what, status, code, commits: Option<Vec<Unclassified>>| {
        row(what, status, code, World::new().with(|w| w.unclassified = commits).judge(&GatePolicy::Commits, ASKED))
    };
    let odd = |n: usize| (0..n).map(|i| Unclassified { sha: sha('9'), subject: format!("change {i}\u{202e}\n") }).collect();
    vec![
        told("all classified", Status::Pass, "commits_classified", Some(Vec::new())),
        told("one unclassified", Status::Fail, "commits_unclassified", Some(odd(1))),
        told("twelve unclassified", Status::Fail, "commits_unclassified", Some(odd(12))),
        told("commits not read", Status::Unavailable, "commits_unreadable", None),
        row(
            "a gate of a later version",
            Status::Unavailable,
            "gate_not_available",
            World::new().judge(&GatePolicy::Unsupported { name: "peer".into() }, ASKED),
        ),
    ]
}
