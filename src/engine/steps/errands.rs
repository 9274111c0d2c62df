//! What deploy hooks and the operator's commands are asked to do.
//!
//! A hook that does not answer is asked again for about two minutes, with the same idempotency key; then the deployment
//! decides. What a command says goes to the server's log, with the run's id and without secrets.

use super::traffic::{health_stale, troubled};
use super::{Done, Steps, answer, stored};
use crate::config::repo::{HttpAddress, Target as Kind};
use crate::domain::{Refusal, RunId};
use crate::engine::host::{StepCtx, StepError};
use crate::plan::ErrandCall;
use crate::store::signals;
use crate::targets::callback::Heard;
use crate::targets::command::{Command, Line};
use crate::targets::hook::Hook;
use crate::targets::{Action, Errand, Progress, Target, Ticket};
use crate::workflow::deploy::callback_signal;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Lines of a command that may wait to be written down.
const LINES: usize = 256;

impl Steps {
    pub(super) async fn carry_out(&self, ctx: &StepCtx, call: &ErrandCall) -> Done {
        let errand = errand_of(&ctx.run, call).ok_or_else(no_errand)?;
        if self.rehearsal {
            // A repository's own deployer would be reached for real.
            return answer(&Ticket { progress: Progress::Done { url: None }, status_url: None });
        }
        let host = self.host.get().filter(|_| call.stoppable);
        if let Some(host) = host
            && let Some(reason) = host.asked_to_stop(&ctx.run).await.map_err(stored)?
        {
            return answer(&stopped(reason));
        }
        let stop = async {
            match host {
                Some(host) => host.stopped(&ctx.run).await,
                None => std::future::pending().await,
            }
        };
        let ticket = match &call.target {
            Kind::Command(_) => {
                // It may take its time, and others must be able to move users meanwhile.
                ctx.place.step_aside();
                tokio::pin!(stop);
                // What brings users back waits for nobody else's.
                let _one_of_them = match call.stoppable {
                    false => None,
                    true => tokio::select! {
                        one = self.commands.acquire() => one.ok(),
                        reason = &mut stop => return answer(&stopped(reason)),
                    },
                };
                if self.is_stale(call.healthy_until) {
                    return Err(health_stale());
                }
                let (lines, heard) = channel(LINES);
                let (ticket, ()) = tokio::join!(
                    async { self.command(call, lines)?.carry_out_until(&errand, stop).await.map_err(|why| troubled(ctx, why)) },
                    log(ctx, heard)
                );
                ticket?
            }
            _ => match self.reported(ctx, &call.step).await? {
                Some(progress) => Ticket { progress, status_url: None },
                None if self.is_stale(call.healthy_until) => return Err(health_stale()),
                None => {
                    let hook = self.hook(call)?;
                    tokio::select! {
                        taken = hook.carry_out(&errand) => taken.map_err(|why| troubled(ctx, why))?,
                        reason = stop => stopped(reason),
                    }
                }
            },
        };
        answer(&ticket)
    }

    /// How an errand has ended that was asked for before, by a report that came without being asked for. Whoever reports is
    /// asked no more, also if it does not answer.
    async fn reported(&self, ctx: &StepCtx, step: &str) -> Result<Option<Progress>, StepError> {
        if ctx.first {
            return Ok(None);
        }
        let (run, name) = (ctx.run.clone(), callback_signal(step));
        let all = self.store.read(move |rx| signals::of(rx, &run)).await.map_err(stored)?;
        let heard = all.into_iter().find(|signal| signal.name == name);
        match heard.and_then(|signal| serde_json::from_value(signal.value).ok()) {
            None => Ok(None),
            Some(Heard::Ended(progress)) => Ok(Some(progress)),
            Some(Heard::Unbelievable(refusal)) => Err(StepError::Fail(refusal)),
        }
    }

    pub(super) async fn follow_errand(&self, ctx: &StepCtx, call: &ErrandCall, ticket: serde_json::Value) -> Done {
        let ticket: Ticket = serde_json::from_value(ticket).map_err(|why| {
            StepError::Fail(Refusal::us("ticket_unreadable", format!("A stored ticket cannot be read: {why}.")))
        })?;
        if matches!(call.target, Kind::Command(_)) {
            return answer(&ticket.progress);
        }
        if let Some(progress) = self.reported(ctx, &call.step).await? {
            return answer(&progress);
        }
        let errand = errand_of(&ctx.run, call).ok_or_else(no_errand)?;
        answer(&self.hook(call)?.follow(&errand, &ticket).await.map_err(|why| troubled(ctx, why))?)
    }

    fn hook(&self, call: &ErrandCall) -> Result<Hook, StepError> {
        match &call.target {
            Kind::Http(target) => match &target.at {
                HttpAddress::Hook(name) => {
                    let settings = self.resources.hook(name, &call.repo.name).map_err(StepError::Fail)?;
                    Ok(Hook::lent(settings, self.caller.clone()).reporting_to(self.public_url.as_deref()))
                }
                HttpAddress::Url(url) => {
                    let secret = self.own_hooks.secret(call.repo.id, &call.environment);
                    Ok(Hook::own(url, secret, self.caller.clone()).reporting_to(self.public_url.as_deref()))
                }
            },
            _ => Err(no_errand()),
        }
    }

    fn command(&self, call: &ErrandCall, lines: Sender<Line>) -> Result<Command, StepError> {
        let Kind::Command(target) = &call.target else { return Err(no_errand()) };
        let settings = self.resources.command(&target.command, &call.repo.name).map_err(StepError::Fail)?;
        // The name of an environment holds no separator, and the number keeps it from being one of a path's own names.
        let lock = self.locks.join(format!("{}-{}.lock", call.repo.id, call.environment));
        Ok(Command::new(settings, target, &self.program, &self.secrets, lines).alone(lock))
    }
}

/// Nothing: it asks for something that no target can be asked.
pub(in crate::engine) fn errand_of(run: &RunId, call: &ErrandCall) -> Option<Errand> {
    let action = match call.action.as_str() {
        "bring_up" => Action::BringUp,
        "shift" => Action::Shift,
        "take_down" => Action::TakeDown,
        _ => return None,
    };
    Some(Errand {
        run: run.clone(),
        step: call.step.clone(),
        action,
        environment: call.environment.clone(),
        slot: call.slot,
        weight: call.weight,
        repository: call.repo.name.clone(),
        sha: call.sha.clone(),
        tag: call.tag.clone(),
        version: call.version.clone(),
        configuration: call.configuration.clone(),
    })
}

fn stopped(reason: String) -> Ticket {
    Ticket { progress: Progress::Stopped { reason }, status_url: None }
}

async fn log(ctx: &StepCtx, mut heard: Receiver<Line>) {
    while let Some(line) = heard.recv().await {
        tracing::info!(run = %ctx.run, step = %ctx.step, stream = ?line.stream, "{}", line.text);
    }
}

fn no_errand() -> StepError {
    StepError::Fail(Refusal::us("errand_unknown", "A target is asked for something that it cannot be asked."))
}
