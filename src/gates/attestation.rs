//! The gate `attestation`: for every artifact that is deployed there is an artifact attestation of this repository.
//!
//! What is checked here, for each digest that the run is pinned to: GitHub keeps an attestation whose subject has exactly this
//! digest; whoever read it has checked its signature down to the root of trust
//! ([`AttestationView::verified`](super::AttestationView)); its workflow stands in this repository; and, if the policy names
//! one, it is that workflow. An attestation whose signature nobody checked is worth nothing, since its fields can be written by
//! anyone who may add attestations: it is never a pass, and no sentence repeats its fields.
//!
//! What is not checked: what the attestation says beyond that (the kind of statement, the commit, the runner), and that the
//! artifact brought up has this digest; that is the target's to prove. A run that knows only a commit has no artifact to look
//! for, and is told so.

use super::patience::Patience;
use super::text::{join, plain};
use super::{AttestationView, GateView, Status, Verdict};
use crate::config::repo::AttestationPolicy;
use crate::domain::{Millis, RepoName};

const GATE: &str = "attestation";

pub(super) fn judge(policy: &AttestationPolicy, view: &GateView<'_>, now: Millis) -> Verdict {
    let (Some(repo), Some([_, ..])) = (view.deploy.repo, view.deploy.artifacts) else {
        return Verdict::unavailable(
            GATE,
            "artifact_unknown",
            "This run knows a commit and no artifact, so there is nothing whose attestation could be looked for.",
            "Deploy by a target that names the artifact's digest, or remove the gate `attestation`.",
        );
    };
    let mut digests = view.deploy.artifacts.unwrap_or_default().to_vec();
    digests.sort();
    digests.dedup();
    let attestations = match view.deploy.attestations {
        Some(Ok(attestations)) => attestations,
        Some(Err(unreadable)) => {
            let why = plain(&unreadable.reason);
            let reason = format!("The attestations could not be read: {}.", why.trim_end_matches('.'));
            let fix = "See that the App may read attestations and that GitHub answers, then ask again.";
            return Patience::of(view, now).unread(GATE, "attestations_unreadable", reason, fix);
        }
        None => {
            let reason = "The attestations of the artifacts were not read.";
            let fix = "Ask for a deployment to an environment; if this was one, report it to the authors of Lockkeeper.";
            return Verdict::unavailable(GATE, "attestations_not_read", reason, fix);
        }
    };
    let mut found: Vec<(Found, &String)> = digests.iter().map(|d| (of_one(d, attestations, policy, repo), d)).collect();
    found.sort();
    let worst = found.first().map_or(Found::Missing, |(worst, _)| *worst);
    let names: Vec<String> = found.iter().filter(|(how, _)| *how == worst).map(|(_, digest)| short(digest)).collect();
    verdict(worst, policy, &names).names(names)
}

/// From the worst to the best.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    Missing,
    Elsewhere,
    Unverified,
    Good,
}

fn of_one(digest: &str, attestations: &[AttestationView], policy: &AttestationPolicy, repo: &RepoName) -> Found {
    let how = |attestation: &AttestationView| {
        let ours = attestation.repository.eq_ignore_ascii_case(repo.as_str());
        let file = attestation.workflow.strip_prefix(".github/workflows/");
        let wanted = policy.workflow.as_deref().is_none_or(|wanted| file == Some(wanted));
        match (attestation.verified, ours && wanted) {
            (false, _) => Found::Unverified,
            (true, false) => Found::Elsewhere,
            (true, true) => Found::Good,
        }
    };
    attestations.iter().filter(|a| a.subject_digest == digest).map(how).max().unwrap_or(Found::Missing)
}

fn verdict(worst: Found, policy: &AttestationPolicy, names: &[String]) -> Verdict {
    let artifacts = join(names);
    let maker = policy
        .workflow
        .as_deref()
        .map_or_else(|| "a workflow of this repository".to_owned(), |w| format!("{} of this repository", plain(w)));
    match worst {
        Found::Good => Verdict::pass(GATE, "attested", format!("A verified attestation by {maker} exists for {artifacts}.")),
        Found::Missing => Verdict::fail(
            GATE,
            "attestation_missing",
            format!("GitHub keeps no attestation for {artifacts}."),
            "Let the workflow that builds it attest it (actions/attest-build-provenance), and deploy what it builds.",
        ),
        Found::Elsewhere => Verdict::fail(
            GATE,
            "attestation_mismatch",
            format!("No attestation for {artifacts} is by {maker}."),
            "Deploy what that workflow has built, or change `workflow` of the gate `attestation`.",
        ),
        Found::Unverified => Verdict::new(
            GATE,
            Status::Inconclusive,
            "attestation_unverified",
            format!("An attestation for {artifacts} exists, but its signature has not been verified, so it proves nothing."),
            "Verify it by hand with `gh attestation verify`, and remove the gate `attestation` until Lockkeeper can.",
        ),
    }
}

/// `sha256:` and twelve digits.
fn short(digest: &str) -> String {
    let text = plain(digest);
    let length = "sha256:".len() + 12;
    if text.chars().count() > length { text.chars().take(length).chain(['…']).collect() } else { text }
}
