//! What a check run may say.

use crate::sandbox::http::{Call, Refused};
use crate::sandbox::model::CheckRun;
use serde_json::Value;

/// Annotations in one request, and buttons of one check run.
const MOST_ANNOTATIONS: usize = 50;
const MOST_ACTIONS: usize = 3;
/// Characters of `summary` and `text`.
const LONGEST_OUTPUT: usize = 65_535;

/// Rules about a check run's fields. Source: the OpenAPI description of `checks/create` and `checks/update`.
pub(super) fn apply(run: &mut CheckRun, call: &Call, now: &str) -> Result<(), Refused> {
    let conclusion = call.text("conclusion");
    if call.text("status") == Some("completed") && conclusion.is_none() {
        return Err(Refused::invalid_request("\"conclusion\" wasn't supplied."));
    }
    if call.text("name").is_some_and(str::is_empty) {
        return Err(Refused::validation("CheckRun", "name", "missing_field"));
    }
    for (field, slot) in [("name", &mut run.name), ("external_id", &mut run.external_id), ("status", &mut run.status)] {
        if let Some(text) = call.text(field) {
            text.clone_into(slot);
        }
    }
    if call.text("status").is_some_and(|s| s != "completed") {
        (run.conclusion, run.completed_at) = (None, None);
    }
    for (field, slot) in [("details_url", &mut run.details_url), ("started_at", &mut run.started_at)] {
        if let Some(text) = call.text(field) {
            *slot = Some(text.to_owned());
        }
    }
    if run.details_url.as_ref().is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
        return Err(Refused::validation("CheckRun", "details_url", "invalid"));
    }
    if let Some(conclusion) = conclusion {
        run.conclusion = Some(conclusion.to_owned());
        run.status = "completed".into(); // "Providing conclusion will automatically set the status parameter to completed"
        run.completed_at = Some(call.text("completed_at").unwrap_or(now).to_owned());
    }
    if let Some(actions) = call.body.get("actions").and_then(Value::as_array) {
        run.actions = checked_actions(actions)?;
    }
    apply_output(run, call)
}

/// A button has a label, a description and an identifier of at most 20, 40 and 20 characters.
fn checked_actions(actions: &[Value]) -> Result<Vec<Value>, Refused> {
    if actions.len() > MOST_ACTIONS {
        return Err(Refused::invalid_request(&format!("No more than 3 items are allowed; {} were supplied.", actions.len())));
    }
    for (field, most) in [("label", 20), ("description", 40), ("identifier", 20)] {
        for action in actions {
            let text = action.get(field).and_then(Value::as_str);
            let text = text.ok_or_else(|| Refused::invalid_request(&format!("\"{field}\" wasn't supplied.")))?;
            if text.chars().count() > most {
                return Err(Refused::invalid_request(&format!(
                    "Only {most} characters are allowed; {} were supplied.",
                    text.chars().count()
                )));
            }
        }
    }
    Ok(actions.to_vec())
}

fn apply_output(run: &mut CheckRun, call: &Call) -> Result<(), Refused> {
    let Some(output) = call.body.get("output").filter(|o| o.is_object()) else { return Ok(()) };
    let text = |name: &str| output.get(name).and_then(Value::as_str).map(str::to_owned);
    if text("summary").is_none() {
        return Err(Refused::invalid_request("\"summary\" wasn't supplied."));
    }
    if run.title.is_none() && text("title").is_none() {
        return Err(Refused::invalid_request("\"title\" wasn't supplied."));
    }
    for name in ["summary", "text"] {
        if text(name).is_some_and(|t| t.chars().count() > LONGEST_OUTPUT) {
            return Err(Refused::invalid_request(&format!("Only 65535 characters are allowed in {name}.")));
        }
    }
    run.title = text("title").or(run.title.take());
    run.summary = text("summary");
    run.text = text("text").or(run.text.take());
    let added = output.get("annotations").and_then(Value::as_array).cloned().unwrap_or_default();
    if added.len() > MOST_ANNOTATIONS {
        return Err(Refused::invalid_request(&format!("No more than 50 items are allowed; {} were supplied.", added.len())));
    }
    run.annotations.extend(added); // an update appends
    Ok(())
}
