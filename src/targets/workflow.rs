//! Target `workflow`: a `workflow_dispatch` of the repository's own workflow, followed until it completes.

use super::{Progress, Values, fill};
use crate::config::repo::WorkflowTarget;
use crate::domain::WorkflowRunInfo;
use std::collections::BTreeMap;

/// Inputs of the dispatch. Only those that the configuration names are sent: GitHub refuses an input that the workflow
/// does not declare.
pub fn inputs(target: &WorkflowTarget, values: &Values) -> Result<BTreeMap<String, String>, String> {
    target.inputs.iter().map(|(name, template)| Ok((name.clone(), fill(template, values)?))).collect()
}

/// What a workflow is offered whose configuration names no inputs; those that it does not declare are left out.
pub const OFFERED: [&str; 10] =
    ["configuration", "environment", "sha", "ref", "version", "action", "run", "slot", "step", "weight"];

pub fn offer(values: &Values) -> BTreeMap<String, String> {
    OFFERED.iter().filter_map(|name| Some(((*name).to_owned(), values.get(name)?.clone()))).collect()
}

/// It does nothing any more.
pub fn is_over(run: &WorkflowRunInfo) -> bool {
    run.status == "completed"
}

pub fn progress(run: &WorkflowRunInfo) -> Progress {
    if !is_over(run) {
        return Progress::Working;
    }
    match run.conclusion.as_deref() {
        Some("success") => Progress::Done { url: None },
        Some(other) => Progress::Failed { reason: format!("the workflow run ended with {other}: {}", run.url) },
        None => Progress::Failed { reason: format!("the workflow run ended without a conclusion: {}", run.url) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Millis, Sha};

    #[test]
    fn a_workflow_learns_the_slot_and_its_share() {
        let values = Values::from([("slot", "green".to_owned()), ("weight", "10".to_owned()), ("run", "r".to_owned())]);
        let offered = offer(&values);
        assert_eq!(offered.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(), ["run=r", "slot=green", "weight=10"]);
    }

    #[test]
    fn only_a_success_is_one() {
        let mut run = WorkflowRunInfo {
            id: 1,
            status: "in_progress".into(),
            conclusion: None,
            head_sha: Sha::parse(&"a".repeat(40)).unwrap(),
            url: "u".into(),
            created_at: Millis(0),
        };
        assert_eq!(progress(&run), Progress::Working);
        run.status = "completed".into();
        assert!(matches!(progress(&run), Progress::Failed { .. }));
        for (conclusion, good) in [("success", true), ("skipped", false), ("cancelled", false), ("neutral", false)] {
            run.conclusion = Some(conclusion.into());
            assert_eq!(matches!(progress(&run), Progress::Done { .. }), good, "{conclusion}");
        }
    }
}
