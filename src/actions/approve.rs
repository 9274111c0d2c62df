//! Approve: a person agrees to the plan of a deployment that waits for people, or rejects it.
//!
//! People do it through GitHub, in a comment or with a button of the check run, where GitHub says who they are. No tool, no key
//! and no command on the server does it. What counts is judged anew by the gate each time it looks; this is the answer to
//! the one who asks.

use super::control::place;
use crate::config::repo::{ApprovalsPolicy, GatePolicy};
use crate::domain::{Actor, ActorKind, Millis, Refusal, RepoName, Role, RunId, Said};
use crate::plan::Plan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Agree to a deployment that waits for people, or reject it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Approve {
    /// Repository, as owner/name
    pub repo: RepoName,
    pub at: Where,
    /// How the digest of the plan that was seen begins; any plan of the run without it
    #[serde(default)]
    pub digest: Option<String>,
    pub said: Said,
    /// When it was said, by our clock
    pub asked_at: Millis,
}

/// Which deployment is meant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Where {
    Run(RunId),
    /// In a comment: the one with this id, or the only one that waits in this environment, and did so when it was said. On a
    /// pull request it is the pull request's own, unless what was seen is named by its id or its plan.
    Said {
        at: Option<String>,
        pull: Option<u64>,
    },
}

/// What `/approve` takes.
#[derive(Clone, Debug, clap::Args)]
pub struct ApproveHere {
    /// Environment or run; without it what waits for the pull request's head
    #[arg(value_name = "ENVIRONMENT", value_parser = place)]
    pub at: Option<String>,
    /// Only if the deployment goes by this plan: how its digest begins, with 12 digits or more
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    pub plan: Option<String>,
}

/// What `/reject` takes.
#[derive(Clone, Debug, clap::Args)]
pub struct RejectHere {
    /// Environment or run; without it what waits for the pull request's head
    #[arg(value_name = "ENVIRONMENT", value_parser = place)]
    pub at: Option<String>,
    /// Why; whoever asked for it reads it
    #[arg(long)]
    pub reason: String,
    /// Only if the deployment goes by this plan: how its digest begins, with 12 digits or more
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    pub plan: Option<String>,
}

/// How a digest is named where there is no room for all of it.
fn digest(text: &str) -> Result<String, &'static str> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text).to_ascii_lowercase();
    let good = (12..=64).contains(&hex.len()) && hex.bytes().all(|digit| digit.is_ascii_hexdigit());
    if good { Ok(format!("sha256:{hex}")) } else { Err("a plan is named by at least 12 of the digits of its digest") }
}

/// Whoever says something about a plan, as far as it counts.
pub struct Voice<'a> {
    pub actor: &'a Actor,
    pub role: Role,
    /// Of the teams that the plan asks: those that they are a member of.
    pub teams: &'a [String],
    /// They asked for the deployment.
    pub is_requester: bool,
    /// They wrote one of the commits that it brings.
    pub is_author: bool,
}

/// What the plan asks of people.
pub fn policies(plan: &Plan) -> Vec<&ApprovalsPolicy> {
    let all = plan.gates.iter();
    all.filter_map(|gate| if let GatePolicy::Approvals(policy) = gate { Some(policy) } else { None }).collect()
}

/// Whether somebody may say this about the plan.
///
/// # Errors
/// `people_only`, `nothing_to_approve`, `not_allowed`, `self_approval`, `author_approval`.
pub fn check(plan: &Plan, said: &Said, voice: &Voice<'_>) -> Result<(), Refusal> {
    if voice.actor.kind != ActorKind::User {
        return Err(people_only());
    }
    let policies = policies(plan);
    if policies.is_empty() {
        return Err(nothing_to_approve("It asks nobody for approval."));
    }
    let mine: Vec<&ApprovalsPolicy> = policies.iter().filter(|policy| admits(policy, voice)).copied().collect();
    if mine.is_empty() {
        return Err(not_among(&policies));
    }
    match said {
        Said::Rejected { .. } => Ok(()),
        Said::Approved if voice.is_requester => {
            Err(own("self_approval", "You have asked for this deployment, so your approval does not count."))
        }
        Said::Approved if voice.is_author && mine.iter().all(|policy| policy.not_author) => Err(own(
            "author_approval",
            "You have written one of the commits that this deploys, so your approval does not count.",
        )),
        Said::Approved => Ok(()),
    }
}

fn admits(policy: &ApprovalsPolicy, voice: &Voice<'_>) -> bool {
    // GitHub knows no such account by this number: the login is somebody else's by now.
    if voice.role == Role::None {
        return false;
    }
    let same = |a: &String, b: &str| a.eq_ignore_ascii_case(b);
    if policy.teams.is_empty() && policy.users.is_empty() {
        return voice.role >= Role::Write;
    }
    let named = policy.users.iter().any(|user| same(user, &voice.actor.login));
    named || policy.teams.iter().any(|team| voice.teams.iter().any(|of| same(of, team)))
}

/// # Errors
/// `reason_missing`.
pub fn rejection(reason: &str) -> Result<Said, Refusal> {
    let reason = reason.trim();
    if reason.is_empty() {
        let text = "Nobody rejects a deployment without saying why.";
        let fix = "Say it with `--reason \"…\"`: whoever asked for the deployment reads it.";
        return Err(Refusal::user("reason_missing", text, fix));
    }
    Ok(Said::Rejected { reason: reason.chars().take(200).collect() })
}

pub fn people_only() -> Refusal {
    let text = "Only people approve or reject a deployment, and only on GitHub.";
    Refusal::user(
        "people_only",
        text,
        "Have a person approve, with the button of the check run or with `/approve` in a comment.",
    )
}

pub fn nothing_to_approve(why: &str) -> Refusal {
    Refusal::user("nothing_to_approve", why, "`/status` shows which deployments wait, and for what.")
}

fn not_among(policies: &[&ApprovalsPolicy]) -> Refusal {
    let open = policies.iter().any(|policy| policy.teams.is_empty() && policy.users.is_empty());
    let text = match open {
        true => "Approving or rejecting this needs the role write in the repository.",
        false => "You are not among the people and teams that may approve or reject this.",
    };
    Refusal::user("not_allowed", text, "Ask one of those that the check run names.")
}

fn own(code: &str, text: &str) -> Refusal {
    Refusal::user(code, text, "Ask somebody else who may approve; the check run says who.")
}

#[cfg(test)]
mod tests;
