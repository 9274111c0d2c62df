//! Questions that must be answered before traffic moves: pure functions from facts and policy to a [`Verdict`].
//! One file for each kind of gate.
//!
//! Invariants: only what was read and understood passes; unreadable is [`Status::Unavailable`], never "nothing to say".
//! The same view and time give the same verdict, whatever the order of the facts.

mod approvals;
mod attestation;
mod checks;
mod commits;
mod deploy_view;
mod http;
mod lock;
mod manifest;
mod order;
mod patience;
mod peer;
mod soak;
mod tag;
mod text;
mod verdict;
mod view;
mod window;

pub use approvals::plan_name;
pub use attestation::{deployed, digests};
pub use deploy_view::{
    Approval, Asked, DeployView, EnvironmentHistory, HoldKind, HoldView, HttpAnswer, HttpMissed, HttpSeen, Live, LiveView,
    Occupancy, PeerAnswer, PeerMissed, PeerSaid, Rejection, Standing,
};
pub use text::plain as shown;
pub use verdict::{Link, Overall, Status, Verdict, overall};
pub use view::{BranchStanding, GateView, TagView, Unclassified};

use crate::config::repo::{CONFIG_PATH, GatePolicy};
use crate::domain::Millis;

/// One gate's answer at `now`.
pub fn judge(policy: &GatePolicy, view: &GateView<'_>, now: Millis) -> Verdict {
    match policy {
        GatePolicy::Tag => tag::judge(view),
        GatePolicy::Checks(policy) => checks::judge(policy, view, now),
        GatePolicy::Commits => commits::judge(view),
        GatePolicy::Order => order::judge(view, now),
        GatePolicy::Soak(policy) => soak::judge(policy, view, now),
        GatePolicy::Window(policy) => window::judge(policy, view, now),
        GatePolicy::Lock => lock::judge(view, now),
        GatePolicy::Approvals(policy) => approvals::judge(policy, view, now),
        GatePolicy::Http(policy) => http::judge(policy, view, now),
        GatePolicy::Peer(policy) => peer::judge(policy, view, now),
        GatePolicy::Attestation(policy) => attestation::judge(policy, view, now),
        GatePolicy::Unsupported { name } => not_available(name),
    }
}

/// Answers for all policies, in their order.
pub fn judge_all(policies: &[GatePolicy], view: &GateView<'_>, now: Millis) -> Vec<Verdict> {
    policies.iter().map(|policy| judge(policy, view, now)).collect()
}

/// What every environment asks, whatever its file lists; a rollback asks neither.
pub fn always() -> [GatePolicy; 2] {
    [GatePolicy::Order, GatePolicy::Lock]
}

/// Whether our own record and the clock alone decide this gate, so that nobody else need be asked again.
pub fn is_ours(verdict: &Verdict) -> bool {
    [soak::GATE, window::GATE, lock::GATE, approvals::GATE].contains(&verdict.gate.as_str())
}

/// What people are asked for, if somebody is to approve.
pub fn asks_people(verdicts: &[Verdict]) -> Option<String> {
    let asks = |verdict: &&Verdict| verdict.gate == approvals::GATE && verdict.status == Status::Pending;
    let all: Vec<&str> = verdicts.iter().filter(asks).map(|verdict| verdict.reason.as_str()).collect();
    (!all.is_empty()).then(|| all.join(" "))
}

/// Whether a web service or a peer decides this gate, or it waits for other gates before anybody is asked.
pub fn is_asked(verdict: &Verdict) -> bool {
    [http::GATE, peer::GATE].contains(&verdict.gate.as_str()) || verdict.code == attestation::NOT_READ
}

fn not_available(name: &str) -> Verdict {
    let name = text::plain(name);
    Verdict::unavailable(
        &name,
        "gate_not_available",
        format!("The gate \"{name}\" is asked for, and this version of Lockkeeper cannot judge it."),
        format!("Update Lockkeeper, or remove the gate \"{name}\" from {CONFIG_PATH}."),
    )
}

#[cfg(test)]
mod tests;
