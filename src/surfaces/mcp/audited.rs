//! Entries of the audit, for those who may see what they are about.
//!
//! Invariant: nothing is for those who may only read what anybody may; an entry of a run is for whoever may see the run; any other one names no environment that could be judged, and is for
//! the one who is in it.

use super::server::{Agents, may_ever};
use super::{catalog::Tool, envelope::Envelope, envelope::Word};
use crate::actions::access::Caller;
use crate::domain::Refusal;
use crate::store::chain::{self, Link};
use crate::store::{Rx, StoreError, runs};
use crate::surfaces::control::sees;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct AuditEntry {
    pub id: u64,
    pub at: String,
    /// The door that it came by; `run` where a run tells how it ended.
    pub door: String,
    pub action: String,
    pub by: String,
    pub decision: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// What was asked, or how it ended; of what was approved, `approvers`.
    pub detail: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// Numbers that are completed at once.
const MOST: usize = 100;

impl Agents {
    pub(super) async fn audited(&self, id: u64, caller: &Caller) -> Result<Envelope, Refusal> {
        may_ever(Tool::GetStatus, caller)?;
        if !caller.reads_errors() {
            return Err(unknown());
        }
        let wanted = caller.clone();
        let found = self.desk.read(move |rx| match chain::get(rx, id)? {
            Some(link) if is_seen(rx, &wanted, &link)? => Ok(Some(link)),
            _ => Ok(None),
        });
        let link = found.await?.ok_or_else(unknown)?;
        Ok(Envelope { audit: Some(link.into()), ..Envelope::new(Word::Succeeded) })
    }

    /// Numbers of the newest ones.
    pub(super) async fn entries(&self, caller: &Caller) -> Vec<String> {
        if may_ever(Tool::GetStatus, caller).is_err() || !caller.reads_errors() {
            return Vec::new();
        }
        let wanted = caller.clone();
        let found = self.desk.read(move |rx| {
            let mut seen = Vec::new();
            for link in chain::newest(rx)? {
                if is_seen(rx, &wanted, &link)? {
                    seen.push(link.id.to_string());
                }
                if seen.len() == MOST {
                    break;
                }
            }
            Ok(seen)
        });
        found.await.unwrap_or_default()
    }
}

fn is_seen(rx: &Rx<'_>, caller: &Caller, link: &Link) -> Result<bool, StoreError> {
    let here = link.record.repo.is_some() && link.record.repo == caller.only_repo();
    let run = link.record.run.as_ref().filter(|_| here).map_or(Ok(None), |run| runs::get(rx, run))?;
    let own = here && link.record.actor.id_of() == caller.actor.id_of();
    Ok(run.map_or(own, |run| sees(caller, &run)))
}

impl From<Link> for AuditEntry {
    fn from(link: Link) -> Self {
        let Link { id, record, hash } = link;
        Self {
            id,
            at: record.at.rfc3339(),
            door: record.door,
            action: record.action,
            by: record.actor.login,
            decision: record.decision,
            run: record.run.map(|run| run.to_string()),
            detail: record.detail,
            hash,
        }
    }
}

fn unknown() -> Refusal {
    Refusal::user("audit_unknown", "There is no entry with this number that you may see.", "Take a number that is completed.")
}
