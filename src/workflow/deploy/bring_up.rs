//! Brings a version up through the environment's target and follows it to its end.
//!
//! Known gap: who deploys by `deployment` or `http` and is given up is not asked to end and not waited for, as a workflow is.
//! It is told: by the deployment's status, which is a failure or `inactive`, or where there are two copies by `take_down`. A
//! way back in place may run beside what such a deployer still does.

use super::leg::Leg;
use super::page::Shown;
use super::watch::rarer;
use super::{Deployment, refused_step, what};
use crate::actions::deploy::Subject;
use crate::config::repo::{CommandTarget, DeploymentTarget, Environment, HttpTarget, Target};
use crate::domain::{DeploymentStatusInfo, Millis, Refusal};
use crate::flow::{Flow, Stop, Turn, Waited};
use crate::plan::{Call, ErrandCall, Ground};
use crate::targets::callback::Heard;
use crate::targets::{self, Progress, Ticket, Values, deployment::Standing};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Events can be lost: how long a run waits at most between two reads.
pub(super) const POLL: Duration = Duration::from_secs(60);
/// The step that starts a workflow which brings a version up.
pub const DISPATCH: &str = "dispatch";
/// What the names of steps end with that ask a deploy hook or a command.
pub const ERRAND: &str = "errand";
/// The loop that follows what was asked for to its end.
const FOLLOW: &str = "bring_up";

/// One thing that a target is asked to do for a leg. The names of its steps begin with its own.
pub(super) struct Errand {
    /// Empty for bringing up, `shift.1.`, …
    pub name: String,
    pub action: Action,
    /// Share of users in percent, for a shift.
    pub weight: Option<u8>,
    /// How long it may take at most, where that is less than the target says.
    pub most: Option<Duration>,
    /// Until when the copy counts as seen healthy, for a shift to one that must be.
    pub healthy_until: Option<Millis>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    BringUp,
    Shift,
    TakeDown,
}

impl Action {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BringUp => "bring_up",
            Self::Shift => "shift",
            Self::TakeDown => "take_down",
        }
    }
}

/// Asks the target for this leg's version and follows it to an end.
pub(super) fn bring_up(f: &mut Flow, this: &Deployment, leg: &Leg, shown: &mut Shown) -> Result<Progress, Stop> {
    let errand = Errand { name: String::new(), action: Action::BringUp, weight: None, most: None, healthy_until: None };
    let end = carry_out(f, this, leg, &errand, shown)?;
    if matches!(end, Progress::Done { .. }) {
        let place = leg.slot.map(|slot| format!(" in the slot {slot}")).unwrap_or_default();
        shown.progress.push(format!("Brought up: {}{place}", what(&leg.subject)));
    }
    Ok(end)
}

/// Asks the target for something and follows it to an end.
pub(super) fn carry_out(
    f: &mut Flow,
    this: &Deployment,
    leg: &Leg,
    errand: &Errand,
    shown: &mut Shown,
) -> Result<Progress, Stop> {
    match this.target {
        Target::Deployment(target) => by_reporter(f, this, leg, errand, target),
        Target::Workflow(target) => super::workflow_run::by_workflow(f, this, leg, errand, target, shown),
        Target::Http(target) => {
            let target = HttpTarget { timeout: errand.within(target.timeout), ..target.clone() };
            let (timeout, interval) = (target.timeout, target.interval);
            by_errand(f, this, leg, errand, Target::Http(target), (timeout, interval))
        }
        Target::Command(target) => {
            let target = CommandTarget { timeout: errand.within(target.timeout), ..target.clone() };
            let timeout = target.timeout;
            by_errand(f, this, leg, errand, Target::Command(target), (timeout, POLL))
        }
    }
}

impl Errand {
    pub fn step(&self, leg: &Leg, name: &str) -> String {
        leg.step(&format!("{}{name}", self.name))
    }

    fn within(&self, timeout: Duration) -> Duration {
        self.most.map_or(timeout, |most| most.min(timeout))
    }
}

pub(super) fn failed(reason: &str) -> Refusal {
    Refusal::user(
        "target_failed",
        format!("The version was not brought up: {reason}."),
        "Look at what the target says, mend it, and re-run this check.",
    )
}

/// The signal that ends the errand which is carried out under this step; its value is a [`Heard`].
pub fn callback_signal(step: &str) -> String {
    format!("callback.{step}")
}

/// What the names of steps begin with of which one is open while somebody waits for that errand.
pub fn waits_for(step: &str) -> [String; 2] {
    let stem = step.strip_suffix(ERRAND).unwrap_or(step);
    [format!("{stem}{FOLLOW}/"), step.to_owned()]
}

/// Rounds of look and wait, until `look` has an answer or the time is up; it gets what was told meanwhile, and `so` is what it
/// has learned from round to round.
pub(super) fn follow<S: Serialize + DeserializeOwned>(
    f: &mut Flow,
    leg: &Leg,
    errand: &Errand,
    signal: &str,
    (span, poll): (Duration, Duration),
    so: S,
    mut look: impl FnMut(&mut Flow, &mut S, &[Value]) -> Result<Followed, Stop>,
) -> Result<Followed, Stop> {
    let now = f.now();
    let first = || Following { deadline: now.plus(span), at: now, kept: now, so };
    f.fold(&errand.step(leg, FOLLOW), first, |f, Following { deadline, at, kept, mut so }| {
        let until = deadline.min(at.plus(poll));
        let watched = span.saturating_sub(kept.until(deadline));
        let next = leg.guard.as_ref().map_or(until, |_| until.min(kept.plus(rarer(watched))));
        let (told, over) = match f.signal_or_timeout("wait", signal, Some(next))? {
            // The way back is gone to its end.
            Waited::Cancelled(reason) if leg.prefix.is_empty() => {
                return Ok(Turn::End(Followed { end: Progress::Stopped { reason }, goes_on: true }));
            }
            Waited::TimedOut if next < until => {
                leg.keep_users_out(f)?;
                return Ok(Turn::Next(Following { deadline, at, kept: f.now(), so }));
            }
            Waited::TimedOut => (Vec::new(), until >= deadline),
            // Whoever talks all the time has no more of it.
            Waited::Signalled(told) => (told, f.now() >= deadline),
            Waited::Cancelled(_) => (Vec::new(), false),
        };
        let followed = look(f, &mut so, &told)?;
        if followed.end != Progress::Working {
            return Ok(Turn::End(followed));
        }
        if over {
            let end = Progress::Failed { reason: "nothing was reported in time".to_owned() };
            return Ok(Turn::End(Followed { end, goes_on: true }));
        }
        Ok(Turn::Next(Following { deadline, at: f.now(), kept, so }))
    })
}

/// Where a target is followed to.
#[derive(Serialize, Deserialize)]
struct Following<S> {
    deadline: Millis,
    /// When this round began.
    at: Millis,
    /// When users were last kept out.
    #[serde(default = "never")]
    kept: Millis,
    so: S,
}

fn never() -> Millis {
    Millis(0)
}

/// How following has ended.
#[derive(Serialize, Deserialize)]
pub(super) struct Followed {
    #[serde(flatten)]
    pub end: Progress,
    /// What was followed may still be at work.
    #[serde(default)]
    pub goes_on: bool,
}

impl From<Progress> for Followed {
    fn from(end: Progress) -> Self {
        Self { end, goes_on: false }
    }
}

fn by_reporter(
    f: &mut Flow,
    this: &Deployment,
    leg: &Leg,
    errand: &Errand,
    target: &DeploymentTarget,
) -> Result<Progress, Stop> {
    let followed = follow(f, leg, errand, "report", (target.timeout, POLL), Members::new(), |f, members, _| {
        reported(f, this, leg, target, members).map(Followed::from)
    })?;
    Ok(followed.end)
}

/// Accounts that have reported, and whether their reports count.
pub(super) type Members = BTreeMap<String, bool>;

/// Where the reports so far leave the deployment. Once in a round.
pub(super) fn reported(
    f: &mut Flow,
    this: &Deployment,
    leg: &Leg,
    target: &DeploymentTarget,
    members: &mut Members,
) -> Result<Progress, Stop> {
    let Some(deployment) = leg.deployment else {
        return Err(refused_step("bring_up", Refusal::us("deployment_lost", "There is no deployment to follow.")));
    };
    let read = Call::ReadStatuses { repo: this.input.repo.clone(), deployment };
    let statuses: Vec<DeploymentStatusInfo> = f.step("reports", &read)?;
    for status in &statuses {
        let login = &status.creator_login;
        if !members.contains_key(login) {
            let counts = counts(f, this, target, login, &format!("member.{}", members.len()))?;
            members.insert(login.clone(), counts);
        }
    }
    let ours = this.ground.app_id;
    let by_named = |s: &DeploymentStatusInfo| s.app_id != Some(ours) && members.get(&s.creator_login).copied().unwrap_or(false);
    Ok(targets::deployment::progress(&statuses, by_named))
}

/// Whether this account's reports count.
fn counts(f: &mut Flow, this: &Deployment, target: &DeploymentTarget, login: &str, stem: &str) -> Result<bool, Stop> {
    match targets::deployment::standing(target, login) {
        Standing::Named => Ok(true),
        Standing::Stranger => Ok(false),
        Standing::IfMember(teams) => {
            for (i, team) in teams.into_iter().enumerate() {
                let call = Call::IsTeamMember { repo: this.input.repo.clone(), team, login: login.to_owned() };
                if f.step(&format!("{stem}.{i}"), &call)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

/// A deploy hook or a command of the operator's.
fn by_errand(
    f: &mut Flow,
    this: &Deployment,
    leg: &Leg,
    errand: &Errand,
    target: Target,
    (timeout, poll): (Duration, Duration),
) -> Result<Progress, Stop> {
    let step = errand.step(leg, ERRAND);
    let call = ErrandCall {
        target,
        repo: this.input.repo.clone(),
        step: step.clone(),
        action: errand.action.as_str().to_owned(),
        environment: this.input.environment.clone(),
        slot: leg.slot,
        weight: errand.weight,
        sha: leg.subject.sha.clone(),
        tag: leg.subject.tag.clone(),
        version: leg.subject.version.clone(),
        stoppable: leg.prefix.is_empty() && errand.action != Action::TakeDown,
        healthy_until: errand.healthy_until,
        configuration: this.configuration.cloned(),
    };
    let taken: Value = f.step(&step, &Call::CarryOut(call.clone()))?;
    let ticket: Ticket = serde_json::from_value(taken.clone()).map_err(|why| unread_ticket(&step, &why))?;
    if matches!(ticket.progress, Progress::Stopped { .. }) {
        // Told here, so that it interrupts nothing of the way back.
        f.cancelled(&format!("{step}.stopped"))?;
    }
    if ticket.progress != Progress::Working {
        return Ok(ticket.progress);
    }
    let followed = follow(f, leg, errand, &callback_signal(&step), (timeout, poll), (), |f, (), told| {
        if let Some(heard) = told.iter().find_map(|value| Heard::deserialize(value).ok()) {
            return match heard {
                Heard::Ended(progress) => Ok(progress.into()),
                Heard::Unbelievable(refusal) => Err(refused_step(&step, refusal)),
            };
        }
        let ask = Call::FollowErrand { errand: call.clone(), ticket: taken.clone() };
        f.step("ask", &ask).map(|progress: Progress| progress.into())
    })?;
    Ok(followed.end)
}

fn unread_ticket(step: &str, why: &serde_json::Error) -> Stop {
    refused_step(step, Refusal::us("ticket_unreadable", format!("A stored ticket cannot be read: {why}.")))
}

/// What a configuration may name in `{{ … }}`.
pub(super) fn values(this: &Deployment, leg: &Leg, url: Option<&str>) -> Values {
    let mut values = values_of(this.environment, &leg.subject, this.ground, url);
    values.insert("slot", leg.slot.map(|slot| slot.to_string()).unwrap_or_default());
    values.extend(this.configuration.map(|value| ("configuration", value.to_string())));
    values
}

/// The same for what is only looked at.
pub(in crate::workflow) fn values_of(
    environment: &Environment,
    subject: &Subject,
    ground: &Ground,
    url: Option<&str>,
) -> Values {
    let own = environment.url.as_deref();
    Values::from([
        ("environment", environment.name.to_string()),
        ("environment_url", url.or(own).unwrap_or_default().trim_end_matches('/').to_owned()),
        ("sha", subject.sha.to_string()),
        ("ref", subject.tag.as_ref().map_or_else(|| subject.sha.to_string(), ToString::to_string)),
        ("version", subject.version.clone().unwrap_or_default()),
        ("run", ground.run.to_string()),
        // In place, and everybody at once.
        ("action", "bring_up".to_owned()),
        ("slot", String::new()),
        ("step", "bring_up".to_owned()),
        ("weight", "100".to_owned()),
    ])
}
