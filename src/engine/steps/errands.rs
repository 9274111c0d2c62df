//! What deploy hooks and the operator's commands are asked to do.
//!
//! A hook that does not answer is asked again for about two minutes, with the same idempotency key; then the deployment
//! decides. What a command says goes to the server's log, with the run's id and without secrets.

use super::traffic::troubled;
use super::{Done, Steps, answer};
use crate::config::repo::{HttpAddress, Target as Kind};
use crate::domain::Refusal;
use crate::engine::host::{StepCtx, StepError};
use crate::plan::ErrandCall;
use crate::targets::command::{Command, Line};
use crate::targets::hook::Hook;
use crate::targets::{Action, Errand, Target, Ticket};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Lines of a command that may wait to be written down.
const LINES: usize = 256;

impl Steps {
    pub(super) async fn carry_out(&self, ctx: &StepCtx, call: &ErrandCall) -> Done {
        let errand = errand(ctx, call)?;
        let ticket = match &call.target {
            Kind::Command(_) => {
                let (lines, heard) = channel(LINES);
                let (ticket, ()) = tokio::join!(
                    async { self.command(call, lines)?.carry_out(&errand).await.map_err(|why| troubled(ctx, why)) },
                    log(ctx, heard)
                );
                ticket?
            }
            _ => self.hook(call)?.carry_out(&errand).await.map_err(|why| troubled(ctx, why))?,
        };
        answer(&ticket)
    }

    pub(super) async fn follow_errand(&self, ctx: &StepCtx, call: &ErrandCall, ticket: serde_json::Value) -> Done {
        let ticket: Ticket = serde_json::from_value(ticket).map_err(|why| {
            StepError::Fail(Refusal::us("ticket_unreadable", format!("A stored ticket cannot be read: {why}.")))
        })?;
        if matches!(call.target, Kind::Command(_)) {
            return answer(&ticket.progress);
        }
        answer(&self.hook(call)?.follow(&errand(ctx, call)?, &ticket).await.map_err(|why| troubled(ctx, why))?)
    }

    fn hook(&self, call: &ErrandCall) -> Result<Hook, StepError> {
        match &call.target {
            Kind::Http(target) => match &target.at {
                HttpAddress::Hook(name) => {
                    let settings = self.resources.hook(name, &call.repo.name).map_err(StepError::Fail)?;
                    Ok(Hook::lent(settings, self.caller.clone()))
                }
                HttpAddress::Url(_) => Err(no_errand()),
            },
            _ => Err(no_errand()),
        }
    }

    fn command(&self, call: &ErrandCall, lines: Sender<Line>) -> Result<Command, StepError> {
        let Kind::Command(target) = &call.target else { return Err(no_errand()) };
        let settings = self.resources.command(&target.command, &call.repo.name).map_err(StepError::Fail)?;
        Ok(Command::new(settings, target, &self.program, &self.secrets, lines))
    }
}

fn errand(ctx: &StepCtx, call: &ErrandCall) -> Result<Errand, StepError> {
    let action = match call.action.as_str() {
        "bring_up" => Action::BringUp,
        "shift" => Action::Shift,
        "take_down" => Action::TakeDown,
        _ => return Err(no_errand()),
    };
    Ok(Errand {
        run: ctx.run.clone(),
        step: call.step.clone(),
        action,
        environment: call.environment.clone(),
        slot: call.slot,
        weight: call.weight,
        repository: call.repo.name.clone(),
        sha: call.sha.clone(),
        tag: call.tag.clone(),
        version: call.version.clone(),
    })
}

async fn log(ctx: &StepCtx, mut heard: Receiver<Line>) {
    while let Some(line) = heard.recv().await {
        tracing::info!(run = %ctx.run, step = %ctx.step, stream = ?line.stream, "{}", line.text);
    }
}

fn no_errand() -> StepError {
    StepError::Fail(Refusal::us("errand_unknown", "A target is asked for something that it cannot be asked."))
}
