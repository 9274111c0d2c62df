//! What to call after a refusal.

use super::catalog::Tool;
use super::envelope::Next;
use super::server::may_ever;
use crate::actions::Action;
use crate::actions::access::Caller;
use rmcp::model::JsonObject;
use serde_json::{Value, json};

/// The calls that help, by what was asked and, where a plan was to be done, by what had been planned.
pub(super) fn after(code: &str, asked: &JsonObject, planned: Option<&Action>) -> Vec<Next> {
    let again = planned.and_then(plan);
    let of_plan = again.as_ref().map(|next| &next.args);
    let place = |names: &[&str]| -> JsonObject {
        let of = of_plan.unwrap_or(asked);
        // Only what was read as a name is given back.
        let known = |name: &&str| of.get(*name).filter(|v| v.as_str().is_some_and(|text| text.len() <= 200)).cloned();
        names.iter().filter_map(|name| Some(((*name).to_owned(), known(name)?))).collect()
    };
    let call = |tool: Tool, names: &[&str]| {
        let args = place(names);
        // Without its repository it would be refused again.
        args.contains_key("repo").then(|| Next { tool: tool.face().name, args })
    };
    let next = match code {
        "plan_stale" | "plan_expired" | "plan_consumed" => again,
        "environment_locked" | "window_closed" | "agents_denied" => call(Tool::GetStatus, &["repo", "environment"]),
        "gate_failed" | "order_violation" => call(Tool::GetStatus, &["repo"]),
        "ref_not_found" => call(Tool::ListReleases, &["repo"]),
        "rollback_target_unsafe" => call(Tool::ListDeployments, &["repo", "environment"]),
        _ => None,
    };
    next.into_iter().collect()
}

/// The same question once more.
fn plan(planned: &Action) -> Option<Next> {
    let (tool, args) = match planned {
        Action::Deploy(ask) => (
            Tool::PlanDeployment,
            json!({ "repo": ask.repo, "environment": ask.environment, "ref": ask.git_ref, "from": ask.from }),
        ),
        Action::Rollback(ask) => {
            (Tool::PlanRollback, json!({ "repo": ask.repo, "environment": ask.environment, "to": ask.to }))
        }
        _ => return None,
    };
    let Value::Object(mut args) = args else { return None };
    args.retain(|_, value| !value.is_null());
    Some(Next { tool: tool.face().name, args })
}

/// Those that this caller has a right to.
pub(super) fn theirs(all: Vec<Next>, caller: &Caller) -> Vec<Next> {
    let may = |next: &Next| Tool::named(next.tool).is_some_and(|tool| may_ever(tool, caller).is_ok());
    all.into_iter().filter(may).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::deploy::Deploy;

    #[test]
    fn a_refusal_names_the_call_that_helps() {
        let asked = json!({ "repo": "acme/shop", "environment": "staging", "ref": "v9" });
        let asked = asked.as_object().unwrap();
        let plan: Deploy =
            serde_json::from_value(json!({ "repo": "acme/shop", "environment": "production", "ref": "main" })).unwrap();
        let plan = Action::Deploy(plan);
        let none = JsonObject::new();
        for (code, asked, planned, tool, args) in [
            (
                "plan_stale",
                &none,
                Some(&plan),
                "plan_deployment",
                json!({ "repo": "acme/shop", "environment": "production", "ref": "main" }),
            ),
            (
                "environment_locked",
                &none,
                Some(&plan),
                "get_status",
                json!({ "repo": "acme/shop", "environment": "production" }),
            ),
            ("ref_not_found", asked, None, "list_releases", json!({ "repo": "acme/shop" })),
            (
                "rollback_target_unsafe",
                asked,
                None,
                "list_deployments",
                json!({ "repo": "acme/shop", "environment": "staging" }),
            ),
        ] {
            let next = after(code, asked, planned);
            assert_eq!((next[0].tool, json!(next[0].args)), (tool, args), "{code}");
        }
        assert!(after("insufficient_scope", asked, None).is_empty() && after("ref_not_found", &none, None).is_empty());
    }
}
