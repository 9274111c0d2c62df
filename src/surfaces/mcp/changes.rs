//! Tools that change something: each is done once for each idempotency key, and an environment only as it was planned.

use super::arguments::{Arguments, Own};
use super::call::odd;
use super::envelope::{Envelope, Refused, Word};
use super::server::Agents;
use super::views::{Lock as LockShown, Release as ReleaseShown};
use crate::actions::Action;
use crate::actions::access::Caller;
use crate::actions::control::Control;
use crate::actions::deploy::Deploy;
use crate::actions::lock::{Lock, Unlock};
use crate::actions::outcome::{Outcome, Started};
use crate::actions::publish::Publish;
use crate::actions::rollback::Rollback;
use crate::domain::{Millis, Refusal};
use crate::engine::client::{Apply, Denied, Keyed};
use crate::gates;
use crate::surfaces::now;
use serde::Deserialize;
use serde_json::json;

/// Why, in the caller's words.
#[derive(Deserialize)]
struct Why {
    reason: String,
}

impl Agents {
    pub(super) async fn plan_deployment(&self, given: Arguments, caller: &Caller) -> Result<Envelope, Refusal> {
        let ask: Deploy = given.with("dry_run", json!(true)).read()?;
        if ask.git_ref.is_some() && ask.from.is_some() {
            let text = "Only one of `ref` and `from` can say what to deploy.";
            return Err(Refusal::user("input_invalid", text, "Leave one of them out."));
        }
        self.planned(Action::Deploy(ask), "deploy_to_environment", caller).await
    }

    pub(super) async fn plan_rollback(&self, given: Arguments, caller: &Caller) -> Result<Envelope, Refusal> {
        let ask: Rollback = given.with("dry_run", json!(true)).with("reason", json!("planned")).read()?;
        self.planned(Action::Rollback(ask), "rollback_deployment", caller).await
    }

    async fn planned(&self, action: Action, then: &'static str, caller: &Caller) -> Result<Envelope, Refusal> {
        let kept = self.engine(caller)?.plan(action, caller).await?;
        let digest = kept.digest.clone();
        let envelope = Envelope { plan: Some(kept.into()), ..Envelope::new(Word::Planned) };
        Ok(envelope.next(then, &[("plan_digest", &digest)]))
    }

    /// Deploys or rolls back as it was planned.
    pub(super) async fn apply(&self, given: &Arguments, rollback: bool, caller: &Caller) -> Result<Envelope, Denied> {
        let (own, why) = (given.own()?, given.read::<Why>()?);
        let ask = Apply { plan_digest: own.plan_digest.clone().unwrap_or_default(), reason: why.reason };
        let keyed = Keyed::new(&caller.actor, if rollback { "rollback" } else { "deploy" }, key(&own)?, &ask);
        let engine = self.engine(caller)?;
        if !is_digest(&ask.plan_digest) {
            // The key's own story comes first.
            engine.answered(&keyed).await?;
            let text = "`plan_digest` is not `sha256:` and 64 hexadecimal digits.";
            return Err(Refusal::user("input_invalid", text, "Take `plan.digest` of a plan as it was told.").into());
        }
        match engine.apply(&ask, keyed, rollback, caller).await? {
            Outcome::Started(started) => Ok(self.started(*started, caller).await?),
            _ => Err(odd().into()),
        }
    }

    async fn started(&self, started: Started, caller: &Caller) -> Result<Envelope, Refusal> {
        let deployment = self.begun(&started.run, caller).await?;
        let asked = gates::asks_people(&started.gates.verdicts);
        let approval = asked.and_then(|who_may| self.approval(&deployment, &who_may));
        let outcome = if approval.is_some() { Word::PendingApproval } else { Word::Accepted };
        let envelope = Envelope { deployment: Some(deployment), approval, ..Envelope::new(outcome) };
        Ok(envelope.next("get_deployment", &[("deployment_id", started.run.as_str())]))
    }

    pub(super) async fn control_rollout(&self, given: Arguments, caller: &Caller) -> Result<Envelope, Refusal> {
        let own = given.own()?;
        let asked = given.all().clone();
        let ask: Control = given.renamed("deployment_id", "run").renamed("action", "verb").read()?;
        let run = ask.run.clone();
        let keyed = Keyed::new(&caller.actor, "control", key(&own)?, &asked);
        self.engine(caller)?.act_once(Action::Control(ask), keyed, caller).await?;
        let deployment = self.begun(&run, caller).await?;
        let envelope = Envelope { deployment: Some(deployment), ..Envelope::new(Word::Accepted) };
        Ok(envelope.next("get_deployment", &[("deployment_id", run.as_str())]))
    }

    pub(super) async fn lock(&self, given: &Arguments, unlock: bool, caller: &Caller) -> Result<Envelope, Refusal> {
        let (own, asked) = (given.own()?, given.all().clone());
        let (name, action) = match unlock {
            true => ("unlock", Action::Unlock(given.read::<Unlock>()?)),
            false => ("lock", Action::Lock(given.read::<Lock>()?)),
        };
        let keyed = Keyed::new(&caller.actor, name, key(&own)?, &asked);
        match self.engine(caller)?.act_once(action, keyed, caller).await? {
            Outcome::Locks(locked) => {
                let locks = Some(locked.holds.into_iter().map(LockShown::from).collect());
                Ok(Envelope { locks, ..Envelope::new(Word::Succeeded) })
            }
            _ => Err(odd()),
        }
    }

    pub(super) async fn publish(&self, given: &Arguments, caller: &Caller) -> Result<Envelope, Refusal> {
        let (own, asked) = (given.own()?, given.all().clone());
        let ask: Publish = given.read()?;
        let (repo, tag) = (ask.repo.to_string(), ask.tag.to_string());
        let keyed = Keyed::new(&caller.actor, "publish", key(&own)?, &asked);
        let Outcome::Started(started) = self.engine(caller)?.act_once(Action::Publish(ask), keyed, caller).await? else {
            return Err(odd());
        };
        let release = Some(ReleaseShown::begun(&started.run, tag));
        let envelope = Envelope { release, ..Envelope::new(Word::Accepted) };
        Ok(envelope.next("list_releases", &[("repo", &repo)]))
    }
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Self {
        let seconds = |at: Millis| now().until(at).as_secs() + 1;
        Self { changed: denied.changed, retry_after_s: denied.again.map(seconds), ..Self::from(denied.refusal) }
    }
}

fn is_digest(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn key(own: &Own) -> Result<String, Refusal> {
    let missing = || Refusal::user("input_invalid", "`idempotency_key` is empty.", "Give each new request a text of its own.");
    own.idempotency_key.clone().ok_or_else(missing)
}
