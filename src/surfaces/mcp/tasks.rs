//! Deployments as tasks of the protocol's extension, for a client that declares it in the very request: the task's id is the
//! run's, so it is as durable as the run, whoever looks and whatever restarts.
//!
//! Invariants: a task is known to the one who started it only; a client of an older protocol never gets one, because it could
//! not read the answer of something that has begun.

use super::catalog::Tool;
use super::envelope::{Envelope, Word};
use super::people::Names;
use super::server::{Agents, Asked, result_of};
use crate::actions::Action;
use crate::actions::access::Caller;
use crate::actions::control::{Control, Verb};
use crate::domain::RunId;
use crate::store::runs;
use rmcp::ErrorData;
use rmcp::model::{CreateTaskResult, DetailedTask, JsonObject, Task, TaskPayload, TaskStatus};
use serde_json::json;

/// Runs are never forgotten; a week is what is promised.
const TTL: u64 = 7 * 24 * 3_600 * 1_000;
const LOOK_AGAIN: u64 = 2_000;

/// The handle of what this answer tells of; nothing where it tells of nothing that goes on.
pub(super) fn handle(tool: Tool, envelope: &Envelope) -> Option<CreateTaskResult> {
    let begun = matches!(tool, Tool::DeployToEnvironment | Tool::RollbackDeployment);
    let goes_on = matches!(envelope.outcome, Word::Accepted | Word::PendingApproval);
    let deployment = envelope.deployment.as_ref().filter(|_| begun && goes_on)?;
    let at = deployment.created_at.as_str();
    Some(CreateTaskResult::new(task(&deployment.id, at, at, envelope)))
}

fn task(id: &str, created: &str, updated: &str, envelope: &Envelope) -> Task {
    let told = match (&envelope.approval, &envelope.deployment) {
        (Some(approval), _) => format!("{} {}", approval.who_may, approval.url),
        (None, Some(deployment)) if !deployment.waits_for.is_empty() => {
            format!("waits for {}", deployment.waits_for.join("; "))
        }
        (None, Some(deployment)) => deployment.state.clone(),
        (None, None) => String::new(),
    };
    let task = Task::new(id, TaskStatus::Working, created, updated).with_ttl_ms(TTL).with_poll_interval_ms(LOOK_AGAIN);
    task.with_status_message(super::clean::text(&told))
}

impl Agents {
    pub(super) async fn task(&self, id: &str, client: Option<String>, caller: &Caller) -> Result<DetailedTask, ErrorData> {
        let id = self.own_task(id, caller).await?;
        let arguments: JsonObject = json!({ "deployment_id": id }).as_object().cloned().unwrap_or_default();
        let envelope = self.answer(Tool::GetDeployment, Asked { arguments, client, tell: None }, caller).await;
        let Some(deployment) = &envelope.deployment else { return Err(unknown()) };
        let updated = deployment.updated_at.as_deref().unwrap_or(&deployment.created_at);
        let task = task(&deployment.id, &deployment.created_at, updated, &envelope);
        let payload = match envelope.outcome {
            Word::InProgress | Word::PendingApproval | Word::Accepted => TaskPayload::Working,
            _ if deployment.state == "cancelled" => TaskPayload::Cancelled,
            _ => TaskPayload::Completed { result: whole(&envelope)? },
        };
        Ok(DetailedTask::new(task, payload))
    }

    /// An abort, where the key may; the task tells what became of it.
    pub(super) async fn cancel(&self, id: &str, caller: &Caller) -> Result<(), ErrorData> {
        let run = self.own_task(id, caller).await?;
        let ask = Control { run, verb: Verb::Abort, reason: Some("the task was cancelled".to_owned()) };
        let refused = |why: crate::domain::Refusal| {
            let text = format!("{} {} [{}]", why.message, why.fix, why.code);
            ErrorData::invalid_params(super::clean::text(&text), None)
        };
        self.limits.take(&caller.actor, Tool::ControlRollout).map_err(|wait| {
            ErrorData::invalid_params(
                format!("Too often in a short time; again in {} s. [rate_limited]", wait.as_secs() + 1),
                None,
            )
        })?;
        let caller = self.placed(caller.clone(), Some(Names::Run(id))).await.map_err(refused)?;
        let engine = self.engine(&caller).map_err(refused)?;
        match engine.act(Action::Control(ask), &caller).await {
            // It is over: there is nothing to stop, and to ask twice is no mistake.
            Err(why) if why.code == "run_over" => Ok(()),
            done => done.map(drop).map_err(refused),
        }
    }

    async fn own_task(&self, id: &str, caller: &Caller) -> Result<RunId, ErrorData> {
        let id = RunId::parse(id).ok_or_else(unknown)?;
        let wanted = id.clone();
        let run = self.desk.read(move |rx| runs::get(rx, &wanted)).await.ok().flatten();
        let own = run.is_some_and(|run| run.subject.actor.id_of() == caller.actor.id_of());
        if own { Ok(id) } else { Err(unknown()) }
    }
}

/// The result as the tool itself would give it.
fn whole(envelope: &Envelope) -> Result<JsonObject, ErrorData> {
    let value = serde_json::to_value(result_of(envelope)?).ok();
    value
        .and_then(|value| value.as_object().cloned())
        .ok_or_else(|| ErrorData::internal_error("The answer is no object.", None))
}

fn unknown() -> ErrorData {
    ErrorData::invalid_params("There is no task of yours with this id.", None)
}
