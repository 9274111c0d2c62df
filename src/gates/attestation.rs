//! The gate `attestation`: for every file of the release that is deployed there is an artifact attestation of this repository.
//!
//! What is checked here, for each file that the policy names: GitHub keeps an attestation whose subject has exactly its
//! digest; whoever read it has checked its signature down to the root of trust ([`Attestation::verified`]); its workflow
//! stands in this repository; and, if the policy names one, it is that workflow. An attestation whose signature does not hold
//! is worth nothing, since its fields can be written by anyone who may add attestations: it is never a pass, and no sentence
//! repeats its fields. What is not there yet may come until the policy's time is up; what is there and bad is a no.
//!
//! What is not checked: what the attestation says beyond that (the kind of statement, the commit, the runner), and that what
//! is brought up has this digest; that is the target's to prove.

use super::patience::Patience;
use super::text::{join, plain};
use super::{GateView, Status, Verdict};
use crate::config::repo::{AttestationPolicy, GatePolicy, glob};
use crate::domain::{Artifact, Attestation, Millis, RepoName};
use std::collections::BTreeSet;
use std::time::Duration;

const GATE: &str = "attestation";
/// The code of a verdict that waits for other gates.
pub(super) const NOT_READ: &str = "attestations_not_read";
const DEADLINE: &str = "attestation_deadline";
/// So many files of one release are looked at; each is a question to GitHub.
const MOST: usize = 20;
/// For whoever judges without reading.
const SOON: Duration = Duration::from_secs(60);

pub(super) fn judge(policy: &AttestationPolicy, view: &GateView<'_>, now: Millis) -> Verdict {
    let (Some(repo), Some(tag)) = (view.deploy.repo, view.tag) else {
        return Verdict::unavailable(
            GATE,
            "artifact_unknown",
            "What is deployed is a commit without a tag, so there is no release whose files could have an attestation.",
            "Deploy a tag, or remove the gate `attestation` from this environment.",
        );
    };
    let waiting = Waiting { policy, patience: Patience::within(policy.deadline, view, now) };
    let (artifacts, attestations) = match (view.deploy.artifacts, view.deploy.attestations) {
        (Some(Err(unreadable)), _) | (_, Some(Err(unreadable))) => {
            let why = plain(&unreadable.reason);
            let reason = format!("The attestations could not be read: {}.", why.trim_end_matches('.'));
            let fix = "See that the App may read attestations and that GitHub answers, then ask again.";
            return waiting.again(Status::Unavailable, "attestations_unreadable", reason, fix);
        }
        (Some(Ok(artifacts)), Some(Ok(attestations))) => (artifacts, attestations),
        _ => return not_read(view, now),
    };
    let files: Vec<&Artifact> = artifacts.iter().filter(|file| is_named(policy, file)).collect();
    let about = format!("The release of {} has", plain(tag.name.as_str()));
    if files.len() > MOST {
        let reason =
            format!("{about} {} files that match `{}`; at most {MOST} are looked at.", files.len(), plain(&policy.assets));
        return Verdict::fail(GATE, "artifacts_too_many", reason, "Name fewer with `assets` of the gate `attestation`.");
    }
    let undigested: Vec<String> = files.iter().filter(|file| file.digest.is_none()).map(|file| plain(&file.name)).collect();
    if files.is_empty() || !undigested.is_empty() {
        let reason = match undigested.is_empty() {
            true => format!("{about} no file that matches `{}`.", plain(&policy.assets)),
            false => format!("GitHub knows no digest of {}.", join(&undigested)),
        };
        return waiting.again(
            Status::Pending,
            "artifact_missing",
            reason,
            "Let the workflow that builds the files upload them to the release.",
        );
    }
    waiting.verdict(&files, attestations, repo)
}

/// The files that gates of these policies are about, each once.
pub fn deployed(policies: &[GatePolicy], artifacts: &[Artifact]) -> Vec<Artifact> {
    let about = |file: &&Artifact| {
        policies.iter().any(|policy| matches!(policy, GatePolicy::Attestation(policy) if is_named(policy, file)))
    };
    artifacts.iter().filter(about).cloned().collect()
}

/// Of those files, what is to be looked for.
pub fn digests(policies: &[GatePolicy], artifacts: &[Artifact]) -> Vec<String> {
    let all: BTreeSet<String> = deployed(policies, artifacts).into_iter().filter_map(|file| file.digest).collect();
    all.into_iter().take(MOST).collect()
}

fn is_named(policy: &AttestationPolicy, file: &Artifact) -> bool {
    glob::matches(&policy.assets, &file.name)
}

/// Whoever reads waits for other gates first.
fn not_read(view: &GateView<'_>, now: Millis) -> Verdict {
    if view.deploy.environment.is_none() {
        let reason = "The attestations were not read.";
        return Verdict::unavailable(GATE, NOT_READ, reason, "Ask for a deployment to an environment.");
    }
    let reason = "The attestations are read once the other gates pass.";
    let fix = "See what the other gates wait for.";
    Verdict::new(GATE, Status::Pending, NOT_READ, reason, fix).again(now.plus(SOON))
}

/// From the worst to the best.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    Missing,
    Elsewhere,
    Unsound,
    Good,
}

fn of_one(file: &Artifact, attestations: &[Attestation], policy: &AttestationPolicy, repo: &RepoName) -> Found {
    let how = |attestation: &Attestation| {
        let ours = attestation.repository.eq_ignore_ascii_case(repo.as_str());
        let workflow = attestation.workflow.strip_prefix(".github/workflows/");
        let wanted = policy.workflow.as_deref().is_none_or(|wanted| workflow == Some(wanted));
        match (attestation.verified, ours && wanted) {
            (false, _) => Found::Unsound,
            (true, false) => Found::Elsewhere,
            (true, true) => Found::Good,
        }
    };
    let about = attestations.iter().filter(|a| Some(&a.subject_digest) == file.digest.as_ref());
    about.map(how).max().unwrap_or(Found::Missing)
}

struct Waiting<'a> {
    policy: &'a AttestationPolicy,
    patience: Patience,
}

impl Waiting<'_> {
    fn verdict(&self, files: &[&Artifact], attestations: &[Attestation], repo: &RepoName) -> Verdict {
        let mut found: Vec<(Found, &&Artifact)> =
            files.iter().map(|file| (of_one(file, attestations, self.policy, repo), file)).collect();
        found.sort();
        // What is bad decides before what may still come.
        let bad = found.iter().map(|(how, _)| *how).find(|how| matches!(how, Found::Elsewhere | Found::Unsound));
        let worst = bad.or(found.first().map(|(worst, _)| *worst)).unwrap_or(Found::Missing);
        let names: Vec<String> = found.iter().filter(|(how, _)| *how == worst).map(|(_, file)| named(file)).collect();
        self.told(worst, &join(&names)).names(names)
    }

    fn told(&self, worst: Found, files: &str) -> Verdict {
        let maker = (self.policy.workflow.as_deref())
            .map_or_else(|| "a workflow of this repository".to_owned(), |w| format!("{} of this repository", plain(w)));
        match worst {
            Found::Good => Verdict::pass(GATE, "attested", format!("A verified attestation by {maker} exists for {files}.")),
            Found::Missing => self.again(
                Status::Pending,
                "attestation_missing",
                format!("GitHub keeps no attestation for {files}."),
                "Let the workflow that builds it attest it (actions/attest-build-provenance), and deploy what it builds.",
            ),
            Found::Elsewhere => Verdict::fail(
                GATE,
                "attestation_mismatch",
                format!("No attestation for {files} is by {maker}."),
                "Deploy what that workflow has built, or change `workflow` of the gate `attestation`.",
            ),
            Found::Unsound => Verdict::fail(
                GATE,
                "attestation_unsound",
                format!("An attestation for {files} exists, but its signature does not hold, so it proves nothing."),
                "See who has added it with `gh attestation verify`, build the file again, and deploy that.",
            ),
        }
    }

    /// It may still come.
    fn again(&self, status: Status, code: &str, reason: String, fix: &str) -> Verdict {
        if !self.patience.over() {
            return Verdict::new(GATE, status, code, reason, fix).again(self.patience.again(self.policy.deadline));
        }
        // Looked at to the end: what has not come is a no.
        let status = if status == Status::Pending { Status::Fail } else { status };
        Verdict::new(GATE, status, DEADLINE, format!("The deadline passed. {reason}"), fix)
    }
}

/// `app.tar.gz (sha256:` and twelve digits`)`.
fn named(file: &Artifact) -> String {
    format!("{} ({})", plain(&file.name), short(file.digest.as_deref().unwrap_or_default()))
}

/// `sha256:` and twelve digits.
fn short(digest: &str) -> String {
    let text = plain(digest);
    let length = "sha256:".len() + 12;
    if text.chars().count() > length { text.chars().take(length).chain(['…']).collect() } else { text }
}
