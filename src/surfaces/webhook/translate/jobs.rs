//! Jobs that wait for the rules of their environment, and for people there.
//!
//! Invariant: the address that a payload names is never called. The run's number is taken from it where it is, letter for
//! letter, GitHub's own address for this repository.

use super::{Delivery, Intents, actor, nothing, one, sha};
use crate::domain::{ActorKind, RepoName, Said};
use crate::engine::intent::{EnvironmentReview, Intent, Job};
use crate::surfaces::webhook::event;

/// What is kept of an address that is not GitHub's.
const FORGED: usize = 300;
/// What is kept of a comment, in characters.
const REASON: usize = 200;

impl Delivery<'_> {
    pub(super) fn protection_rule(&self) -> Intents {
        let told: event::ProtectionRuleEvent = self.payload()?;
        let repo = self.repo()?;
        let url = told.deployment_callback_url.unwrap_or_default();
        let workflow_run = run_of(&url, &self.own.api, &repo.name);
        let forged = workflow_run.is_none().then(|| url.chars().take(FORGED).collect());
        let event::Deployment { id, sha: commit, git_ref, .. } = told.deployment;
        let job = Job {
            deployment: id,
            environment: told.environment,
            sha: sha(&commit)?,
            git_ref: git_ref.unwrap_or_default(),
            workflow_run,
            forged,
            actor: self.actor(),
        };
        one(Intent::JobWaits { repo, job })
    }

    /// What a person says on GitHub's page of an environment. Who they are there is asked about before it counts for anything.
    pub(super) fn deployment_review(&self) -> Intents {
        let told: event::DeploymentReviewEvent = self.payload()?;
        let (sender, approver) = (self.actor(), told.approver.as_ref().map(|account| actor(Some(account))));
        if approver.as_ref().is_some_and(|approver| approver.id != sender.id) {
            return nothing("somebody else tells of the review");
        }
        if sender.kind == ActorKind::Bot {
            return nothing("programs do not review");
        }
        let comment = told.comment.as_deref().map(str::trim).filter(|comment| !comment.is_empty());
        let said = match self.action {
            "approved" => Said::Approved,
            "rejected" => {
                let reason = comment.unwrap_or("rejected on GitHub's page, without a comment");
                Said::Rejected { reason: reason.chars().take(REASON).collect() }
            }
            _ => return nothing("a review that is asked for is none yet"),
        };
        let environments = environments(&told);
        let (run, repo) = (told.workflow_run.ok_or_else(|| self.missing("workflow_run"))?, self.repo()?);
        // A job for a pull request of a fork may stand at a commit of ours.
        if run.head_repository.as_ref().is_none_or(|head| head.id != repo.id.0) {
            return nothing("the run is a fork's, or nobody knows whose");
        }
        let review = EnvironmentReview { workflow_run: run.id, sha: sha(&run.head_sha)?, environments, said, actor: sender };
        one(Intent::EnvironmentReviewed { repo, review })
    }
}

/// Of one review; nobody selects more.
const ENVIRONMENTS: usize = 20;

/// Environments that a review is for, each once.
fn environments(told: &event::DeploymentReviewEvent) -> Vec<String> {
    let jobs = told.workflow_job_runs.iter().flatten().chain(&told.workflow_job_run);
    let named = jobs.filter_map(|job| job.environment.as_ref()).chain(&told.environment);
    let mut all: Vec<String> = Vec::new();
    for name in named.filter(|name| !name.is_empty()) {
        if all.len() < ENVIRONMENTS && all.iter().all(|known| !known.eq_ignore_ascii_case(name)) {
            all.push(name.clone());
        }
    }
    all
}

/// The run of `<api>/repos/<owner>/<name>/actions/runs/<run>/deployment_protection_rule`.
fn run_of(url: &str, api: &str, repo: &RepoName) -> Option<u64> {
    let path = strip(url, api).filter(|_| !api.is_empty())?.strip_prefix("/repos/")?;
    let rest = strip(path, repo.as_str())?.strip_prefix("/actions/runs/")?;
    let run = rest.strip_suffix("/deployment_protection_rule")?;
    run.bytes().all(|digit| digit.is_ascii_digit()).then(|| run.parse().ok())?
}

/// GitHub does not tell upper and lower case apart here.
fn strip<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_githubs_own_address_for_this_repository_names_a_run() {
        let repo = RepoName::parse("acme/shop").unwrap();
        let own = "https://api.github.com/repos/acme/shop/actions/runs/17/deployment_protection_rule";
        let of = |url: &str| run_of(url, "https://api.github.com", &repo);
        assert_eq!(of(own), Some(17));
        assert_eq!(of(&own.replace("acme", "Acme").replace("api.", "API.")), Some(17));
        for url in [
            "",
            "https://evil.example/repos/acme/shop/actions/runs/17/deployment_protection_rule",
            "http://api.github.com/repos/acme/shop/actions/runs/17/deployment_protection_rule",
            "https://api.github.com.evil.example/repos/acme/shop/actions/runs/17/deployment_protection_rule",
            "https://api.github.com@evil.example/repos/acme/shop/actions/runs/17/deployment_protection_rule",
            "https://api.github.com:444/repos/acme/shop/actions/runs/17/deployment_protection_rule",
            "https://api.github.com/repos/acme/shop2/actions/runs/17/deployment_protection_rule",
            "https://api.github.com/repos/eve/shop/actions/runs/17/deployment_protection_rule",
            "https://api.github.com/repos/acme/shop/actions/runs/17/../18/deployment_protection_rule",
            "https://api.github.com/repos/acme/shop/actions/runs/17/deployment_protection_rule?x=1",
            "https://api.github.com/repos/acme/shop/actions/runs/+17/deployment_protection_rule",
            "https://api.github.com/repos/acme/shop/actions/runs//deployment_protection_rule",
            "https://api.github.com/repos/acme/shop/actions/runs/99999999999999999999/deployment_protection_rule",
        ] {
            assert_eq!(of(url), None, "{url}");
        }
        assert_eq!(run_of(own, "", &repo), None, "nobody has said where GitHub is");
        let server = "https://git.example.com/api/v3/repos/acme/shop/actions/runs/17/deployment_protection_rule";
        assert_eq!(run_of(server, "https://git.example.com/api/v3", &repo), Some(17));
    }
}
