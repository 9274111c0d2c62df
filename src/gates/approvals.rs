//! The gate `approvals`: so many different people have agreed to this plan.
//!
//! One rejection of the plan by somebody who may approve refuses it, whatever others have said.
//!
//! What counts: an approval by a person (never a bot or an agent) other than the one who asked, for exactly this plan's digest,
//! who is named or in a team that is named, no older than the policy's expiry. Where nobody is named, whoever may deploy may
//! approve; the door that takes approvals makes sure of that. People are counted by numeric id; logins and slugs are compared
//! in any case, as GitHub does.
//!
//! Known race: somebody may leave a team after they approved; membership is that of the moment of the approval.

use super::text::{join, plain};
use super::{Approval, GateView, Rejection, Status, Verdict};
use crate::config::repo::ApprovalsPolicy;
use crate::domain::{ActorKind, Millis, UserId};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) const GATE: &str = "approvals";
/// Clocks differ; an approval from further ahead does not count.
const SKEW: Duration = Duration::from_secs(300);

pub(super) fn judge(policy: &ApprovalsPolicy, view: &GateView<'_>, now: Millis) -> Verdict {
    let (Some(approvals), Some(digest)) = (view.deploy.approvals, view.deploy.digest) else {
        return Verdict::unavailable(
            GATE,
            "approvals_not_read",
            "Who has agreed to this plan was not read.",
            "Ask for a deployment to an environment; if this was one, report it to the authors of Lockkeeper.",
        );
    };
    let of_this = |rejection: &&Rejection| rejection.digest == digest;
    if let Some(first) = view.deploy.rejections.iter().filter(of_this).min_by_key(|r| (r.at, r.by.id, &r.reason)) {
        return rejected(first);
    }
    let wanted = usize::from(policy.count.max(1));
    let (mut agreed, mut refused) = (BTreeMap::new(), BTreeMap::new());
    for approval in approvals {
        match why_not(approval, policy, digest, now) {
            None => drop(agreed.insert(approval.by.id, plain(&approval.by.login))),
            Some(why) => least(&mut refused, approval, why),
        }
    }
    refused.retain(|id, _| !agreed.contains_key(id));
    let names: Vec<String> = agreed.into_values().collect();
    if names.len() >= wanted {
        let text = format!("Plan {} is approved by {}.", plan_name(digest), join(&names));
        return Verdict::pass(GATE, "approved", text).names(names);
    }
    missing(policy, view, wanted, names, refused, now)
}

/// How a plan is called where there is no room for all of its digest.
pub fn plan_name(digest: &str) -> String {
    digest.strip_prefix("sha256:").unwrap_or(digest).chars().take(12).collect()
}

/// The reason stands between backticks, so that it is shown as code and is nothing but words.
fn rejected(by: &Rejection) -> Verdict {
    // Our own comments are found again by a mark that begins so.
    let words = by.reason.replace('`', "'").replace("<!--", "<! --");
    let (who, why) = (plain(&by.by.login), plain(&words));
    let reason = format!("{who} has rejected plan {}: `{why}`.", plan_name(&by.digest));
    let fix = "Mend what they say, or talk to them, and ask for the deployment again.";
    Verdict::fail(GATE, "approval_rejected", reason, fix).names(vec![who])
}

/// Of several approvals of one person that do not count, the first reason in the order of [`why_not`] is told.
fn least(refused: &mut BTreeMap<UserId, (u8, String)>, approval: &Approval, (rank, why): (u8, &str)) {
    let told = (rank, format!("{} {why}", plain(&approval.by.login)));
    let held = refused.entry(approval.by.id).or_insert_with(|| told.clone());
    if told < *held {
        *held = told;
    }
}

fn why_not<'t>(approval: &Approval, policy: &ApprovalsPolicy, digest: &str, now: Millis) -> Option<(u8, &'t str)> {
    let Approval { by, at, .. } = approval;
    let same = |a: &String, b: &String| a.eq_ignore_ascii_case(b);
    let open = policy.teams.is_empty() && policy.users.is_empty();
    let named = policy.users.iter().any(|user| same(user, &by.login));
    let member = policy.teams.iter().any(|team| approval.teams.iter().any(|of| same(of, team)));
    let reasons = [
        (by.kind != ActorKind::User, "is not a person"),
        (approval.is_requester, "asked for the deployment"),
        (policy.not_author && approval.is_author, "wrote one of the commits"),
        (!(open || named || member), "is not among those who may approve"),
        (approval.digest != digest, "approved another plan"),
        (at.plus(policy.expiry) <= now, "approved too long ago"),
        (*at > now.plus(SKEW), "approved at a time that is yet to come"),
    ];
    reasons.iter().zip(0..).find(|((holds, _), _)| *holds).map(|((_, why), rank)| (rank, *why))
}

fn missing(
    policy: &ApprovalsPolicy,
    view: &GateView<'_>,
    wanted: usize,
    names: Vec<String>,
    refused: BTreeMap<UserId, (u8, String)>,
    now: Millis,
) -> Verdict {
    let open = wanted - names.len();
    let count = if wanted == 1 { "approval of one".to_owned() } else { format!("{open} of {wanted} approvals") };
    let refused: Vec<String> = refused.into_values().map(|(_, why)| why).collect();
    let not = if refused.is_empty() { String::new() } else { format!(" It does not count that {}.", join(&refused)) };
    let who = who(policy);
    let deadline = view.asked_at.plus(policy.expiry);
    let verdict = if now >= deadline {
        let fix = "Ask for the deployment again, and see that somebody who may approve learns of it.";
        let text = format!("The deadline passed without {count} of {who}.{not}");
        Verdict::fail(GATE, "approvals_deadline", text, fix)
    } else {
        let fix = "Ask one of them to approve, with the button of the check run or with `/approve` in a comment.";
        let text = format!("Waits for {count} of {who}.{not}");
        Verdict::new(GATE, Status::Pending, "approval_required", text, fix).again(deadline)
    };
    verdict.names(names)
}

fn who(policy: &ApprovalsPolicy) -> String {
    let teams = policy.teams.iter().map(|team| format!("members of the team {}", plain(team)));
    let named: Vec<String> = policy.users.iter().map(|user| plain(user)).chain(teams).collect();
    let others = if policy.not_author { "neither asked for it nor wrote the commits" } else { "did not ask for it" };
    match named.is_empty() {
        true => format!("those who may deploy here and {others}"),
        false => format!("{} who {others}", join(&named)),
    }
}
