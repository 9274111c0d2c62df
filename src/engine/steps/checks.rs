//! Our check runs.

use super::{Done, Steps, answer, trouble};
use crate::engine::host::StepCtx;
use crate::github::{CheckAnnotation, CheckRunBody};
use crate::plan::{CheckOutcome, CheckRunCall, CheckRunMade};

impl Steps {
    pub(super) async fn check_run(&self, ctx: &StepCtx, call: CheckRunCall) -> Done {
        let at = self.at(&call.repo);
        let repo = &call.repo.name;
        let body = body(&call);
        let known = match call.update {
            Some(id) => Some(id),
            None if ctx.first => None,
            None => at.find_check_run(repo, &call.sha, &call.name, ctx.run.as_str()).await.map_err(trouble)?.map(|c| c.id),
        };
        let made = match known {
            Some(id) => at.update_check_run(repo, id, &body).await,
            None => at.create_check_run(repo, &call.sha, &call.name, ctx.run.as_str(), &body).await,
        };
        let made = made.map_err(trouble)?;
        answer(&CheckRunMade { id: made.id, url: made.html_url })
    }
}

fn body(call: &CheckRunCall) -> CheckRunBody {
    CheckRunBody {
        status: call.outcome.is_none().then_some("in_progress"),
        conclusion: call.outcome.map(conclusion),
        title: call.title.clone(),
        summary: call.summary.clone(),
        text: None,
        details_url: call.details_url.clone(),
        annotations: call.annotations.iter().map(annotation).collect(),
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
