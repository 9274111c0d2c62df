//! `publish_after`: the release stays a draft until the environments that it names have had this commit with success.
//!
//! Invariant: only our own record opens the way; a deployment that GitHub lists does not. Whether somebody's tag has moved
//! meanwhile is asked when it is published, as always.

use super::Tagged;
use crate::config::repo::RepoConfig;
use crate::domain::{EnvName, EnvPlace, EnvironmentRecord, Millis, Refusal};
use crate::flow::{Flow, StepFailure, Stop, Turn, Waited};
use crate::plan::Call;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A landing wakes the run; events of our own are not lost, so this is for a clock that jumped.
const LOOK: Duration = Duration::from_secs(60 * 60);
/// How long a release waits as a draft.
const PATIENCE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What is waited for.
#[derive(Serialize, Deserialize)]
struct Waiting {
    open: Vec<EnvName>,
    /// When it was last looked because nothing had come.
    at: Millis,
    deadline: Millis,
}

impl Tagged<'_> {
    pub(super) fn await_environments(&self, f: &mut Flow, config: &RepoConfig) -> Result<(), Stop> {
        let wanted = &config.release.publish_after;
        if wanted.is_empty() {
            return Ok(());
        }
        let now = f.now();
        let first = || Waiting { open: wanted.clone(), at: now, deadline: now.plus(PATIENCE) };
        f.fold("after", first, |f, so| self.look_after(f, so))
    }

    /// A round: looks at what is still open, and waits for something to land.
    fn look_after(&self, f: &mut Flow, so: Waiting) -> Result<Turn<Waiting, ()>, Stop> {
        let calls: Vec<(String, Call)> = so.open.iter().map(|name| (format!("record.{name}"), self.record_of(name))).collect();
        let records: Vec<EnvironmentRecord> = f.all(&calls)?;
        let still = so.open.into_iter().zip(records).filter(|(_, record)| !self.has_succeeded(record));
        let open: Vec<EnvName> = still.map(|(name, _)| name).collect();
        if open.is_empty() {
            return Ok(Turn::End(()));
        }
        let until = so.at.plus(LOOK).min(so.deadline);
        let at = match f.signal_or_timeout("wait", "wake", Some(until))? {
            Waited::Cancelled(reason) => return Err(stopped("cancelled", &format!("The release was stopped: {reason}."))),
            Waited::TimedOut if until >= so.deadline => return Err(late(&open)),
            Waited::TimedOut => until,
            Waited::Signalled(_) => so.at,
        };
        Ok(Turn::Next(Waiting { open, at, deadline: so.deadline }))
    }

    fn record_of(&self, name: &EnvName) -> Call {
        let place = EnvPlace { repo: self.input.repo.id, environment: name.clone() };
        Call::ReadEnvironment { place, earlier: Vec::new() }
    }

    fn has_succeeded(&self, record: &EnvironmentRecord) -> bool {
        record.history.iter().any(|entry| entry.good && entry.sha == self.sha)
    }
}

fn late(open: &[EnvName]) -> Stop {
    let names: Vec<&str> = open.iter().map(|name| name.as_str()).collect();
    let days = PATIENCE.as_secs() / 86_400;
    stopped("publish_after_deadline", &format!("{} did not get this version within {days} days.", names.join(" and ")))
}

fn stopped(code: &str, text: &str) -> Stop {
    let refusal = Refusal::user(code, text, "Deploy the tag there, and re-run this check; the draft was removed.");
    Stop::Failed(StepFailure { step: "publish_after".to_owned(), refusal, dead: false })
}
