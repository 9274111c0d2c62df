//! Whether users are where our record says, for somebody who asks after an environment's health. Between two deployments
//! nobody looks after a balancer: one that was restarted without its state has its configured weights again.

use super::deploy::lock_key;
use crate::actions::outcome::CheckReport;
use crate::config::repo::{Environment, Strategy, Traffic};
use crate::domain::{EnvPlace, EnvironmentRecord, LedgerEntry, RepoRef, Slot};
use crate::flow::{Flow, StepFailure, Stop};
use crate::plan::{Call, TrafficCall};
use crate::targets::traffic::Observed;

/// Nothing where there is no balancer, where nothing of ours is live in a slot, and while a deployment moves users.
pub(super) fn look(f: &mut Flow, repo: &RepoRef, environment: &Environment) -> Result<Option<CheckReport>, Stop> {
    let Traffic::Haproxy(haproxy) = &environment.traffic else { return Ok(None) };
    let place = EnvPlace { repo: repo.id, environment: environment.name.clone() };
    let key = lock_key(&place);
    let record: EnvironmentRecord = f.step("users.record", &Call::ReadEnvironment { place, earlier: Vec::new() })?;
    let live = record.live().and_then(|live| Some((live, live.slot?)));
    let Some((live, slot)) = live.filter(|_| environment.strategy != Strategy::Direct) else { return Ok(None) };
    if f.step("users.moving", &Call::IsLocked { key })? {
        return Ok(None);
    }
    let call = TrafficCall { repo: repo.clone(), haproxy: haproxy.clone() };
    let seen: Result<Observed, StepFailure> = f.try_step("users", &Call::ObserveTraffic(call))?;
    let (ok, code, reason, fix) = match seen {
        Ok(seen) => judged(&seen, slot, live),
        Err(StepFailure { refusal, .. }) => (false, refusal.code, refusal.message, Some(refusal.fix)),
    };
    let url = format!("backend {} of the balancer {}", haproxy.backend, haproxy.balancer);
    Ok(Some(CheckReport { url, ok, code, reason, fix }))
}

type Judged = (bool, String, String, Option<String>);

fn judged(seen: &Observed, slot: Slot, live: &LedgerEntry) -> Judged {
    let name = crate::actions::rollback::name(live);
    let bad = |code: &str, reason: String, fix: &str| (false, code.to_owned(), reason, Some(fix.to_owned()));
    let Some(shares) = seen.split else {
        let reason = format!("No server of either slot takes users, and {name} should be live in {slot}.");
        return bad("slot_unhealthy", reason, "See why the balancer's health checks fail.");
    };
    let percent = shares.percent(slot);
    if *shares.0.get(slot.other()) == 0 {
        return (true, "users_in_place".to_owned(), format!("All users are with {name} in the slot {slot}."), None);
    }
    let reason = format!("{percent:.0} % of users are in the slot {slot}, where {name} is live, and the others are not.");
    let fix = "Give that slot all users with the balancer's own tools, and let HAProxy keep its weights over a restart, as the \
               README says.";
    bad("users_elsewhere", reason, fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Millis, PerSlot, RunId, Sha};
    use crate::targets::traffic::Shares;

    #[test]
    fn everybody_must_be_with_what_is_live() {
        let live = LedgerEntry {
            run: RunId::parse("run-1").unwrap(),
            sha: Sha::parse(&"a".repeat(40)).unwrap(),
            tag: None,
            version: None,
            component: None,
            deployment: None,
            url: None,
            slot: Some(Slot::Green),
            barrier: false,
            rollback: false,
            share: None,
            good: true,
            since: Millis(0),
            until: None,
        };
        let said = |split: Option<(u32, u32)>| {
            let split = split.map(|(blue, green)| Shares(PerSlot { blue, green }));
            let (ok, code, reason, _) = judged(&Observed { split, slots: PerSlot::default() }, Slot::Green, &live);
            (ok, code, reason)
        };
        assert!(said(Some((0, 7))).0);
        for (split, code, says) in [
            (Some((1, 1)), "users_elsewhere", "50 % of users are in the slot green"),
            (Some((100, 0)), "users_elsewhere", "0 % of users are in the slot green"),
            (None, "slot_unhealthy", "No server of either slot"),
        ] {
            let (ok, told, reason) = said(split);
            assert!(!ok && told == code && reason.contains(says), "{split:?}: {told} {reason}");
        }
    }
}
