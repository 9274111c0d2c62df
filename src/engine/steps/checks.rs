//! Our check runs.

use super::{Done, Steps, answer, trouble};
use crate::engine::host::StepCtx;
use crate::github::{CheckAnnotation, CheckButton, CheckRunBody};
use crate::plan::{CheckAction, CheckOutcome, CheckRunCall, CheckRunMade};
use crate::render::{fit_summary, line, worded};

/// Characters of a title that GitHub shows.
const TITLE: usize = 250;

impl Steps {
    pub(super) async fn check_run(&self, ctx: &StepCtx, call: CheckRunCall) -> Done {
        let at = self.at(&call.repo);
        let repo = &call.repo.name;
        let known = match call.update {
            Some(id) => Some(id),
            None if ctx.first => None,
            None => at.find_check_run(repo, &call.sha, &call.name, ctx.run.as_str()).await.map_err(trouble)?.map(|c| c.id),
        };
        let body = body(&call, known.is_some(), self.prefix.as_str());
        let made = match known {
            Some(id) => at.update_check_run(repo, id, &body).await,
            None => at.create_check_run(repo, &call.sha, &call.name, ctx.run.as_str(), &body).await,
        };
        let made = made.map_err(trouble)?;
        answer(&CheckRunMade { id: made.id, url: made.html_url })
    }
}

/// An update takes buttons away that are not named again.
fn body(call: &CheckRunCall, update: bool, prefix: &str) -> CheckRunBody {
    CheckRunBody {
        status: call.outcome.is_none().then_some(if call.queued { "queued" } else { "in_progress" }),
        conclusion: call.outcome.map(conclusion),
        title: line(&worded(call.title.clone(), prefix), TITLE),
        summary: fit_summary(worded(call.summary.clone(), prefix)),
        text: None,
        details_url: call.details_url.clone(),
        annotations: call.annotations.iter().map(annotation).collect(),
        actions: (update || !call.actions.is_empty()).then(|| call.actions.iter().map(button).collect()),
    }
}

fn annotation(remark: &crate::plan::Annotation) -> CheckAnnotation {
    CheckAnnotation {
        path: remark.path.clone(),
        start_line: remark.line,
        end_line: remark.line,
        start_column: Some(remark.column),
        end_column: Some(remark.column),
        annotation_level: "failure",
        title: remark.title.clone(),
        message: remark.message.clone(),
    }
}

fn button(action: &CheckAction) -> CheckButton {
    let CheckAction { label, description, identifier } = action.clone();
    CheckButton { label, description, identifier }
}

fn conclusion(outcome: CheckOutcome) -> &'static str {
    match outcome {
        CheckOutcome::Success => "success",
        CheckOutcome::Neutral => "neutral",
        CheckOutcome::Failure => "failure",
        CheckOutcome::ActionRequired => "action_required",
        CheckOutcome::Cancelled => "cancelled",
        CheckOutcome::TimedOut => "timed_out",
    }
}
