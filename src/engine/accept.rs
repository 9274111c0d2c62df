//! Turns intents into runs and signals, inside the transaction that settles the delivery.
//!
//! Invariants: a tag's name starts one run for each push that matters, however many events tell of it (`push`, `create`, a
//! redelivery, the reconciler); nothing here believes more than that something may have changed.

mod again;
mod asked;
mod closed;
mod grouped;
mod jobs;
mod pressed;
mod reported;
mod reviewed;
mod taken;

pub use asked::{Asked, planned};

use super::host::{Host, NewRun, Submitted};
use super::intent::Intent;
use crate::domain::{Actor, CheckChange, CheckState, DeliveryId, Millis, RepoRef, RunId, Sha, Tag};
use crate::plan::Ground;
use crate::store::runs::{self, Filter, Run, RunState, Subject};
use crate::store::{StoreError, Tx, heads, inbox, repos, steps};
use crate::workflow::{self, Outcome, comment, deploy, group, merge, preview, release};
use serde::Serialize;
use serde_json::{Value, json};

/// One transaction's worth of accepting.
pub struct Accept<'a> {
    pub host: &'a Host,
    pub tx: &'a Tx<'a>,
    pub delivery: Option<&'a DeliveryId>,
    pub now: Millis,
    /// GitHub's clock minus ours in seconds, as far as we know; heads of pull requests are noted by its clock.
    pub skew: i64,
}

type Runs = Result<Vec<RunId>, StoreError>;

impl Accept<'_> {
    /// The runs that an intent started or woke.
    pub fn intent(&self, intent: &Intent) -> Runs {
        match intent {
            Intent::TagPushed { repo, tag, sha, actor } => self.tag_pushed(repo, tag, sha.as_ref(), actor),
            Intent::TagDeleted { repo, tag } => self.tag_deleted(repo, tag),
            Intent::Merged { repo, sha, actor } => self.merged(repo, sha, actor),
            Intent::PullRequestChanged { repo, number, head, actor, .. } => {
                heads::note(self.tx, repo.id, *number, head, self.received()?)?;
                self.pull_request(repo, *number, head, actor)
            }
            Intent::GroupMade { repo, head, actor } => self.grouped(repo, head, actor),
            Intent::GroupGone { repo, head } => self.ungrouped(repo, head),
            Intent::PullRequestClosed { repo, number, merged, actor } => self.closed(repo, *number, merged.as_ref(), actor),
            Intent::ChecksChanged { repo, sha, check } => self.checks_changed(repo, sha, check.as_ref()),
            Intent::CheckRerequested { repo, external_id, actor, .. } => self.rerequested(repo, external_id, actor),
            Intent::ChecksRerequested { repo, sha, .. } => self.all_rerequested(repo, sha),
            Intent::DeploymentReported { repo, report } => self.reported(repo, report),
            Intent::WorkflowRunChanged { repo, workflow_run, over } => {
                if *over {
                    self.job_over(repo, *workflow_run)?;
                }
                self.wake_deployments(repo, "workflow_run")
            }
            Intent::DeploymentMade { repo, made } => self.made_elsewhere(repo, made),
            Intent::JobWaits { repo, job } => self.job_waits(repo, job),
            Intent::EnvironmentReviewed { repo, review } => self.reviewed(repo, review),
            Intent::Commented { repo, pull, comment, closed, at, actor, asked, prefix, edited } => {
                let input = comment::Input {
                    repo: repo.clone(),
                    pull: *pull,
                    comment: *comment,
                    closed: *closed,
                    commented_at: *at,
                    actor: actor.clone(),
                    asked: asked.clone(),
                    prefix: prefix.clone(),
                    recent: self.answered_lately(repo, actor)?,
                };
                self.commented(&input, *edited)
            }
            Intent::ButtonPressed { repo, external_id, identifier, actor } => {
                self.pressed(repo, external_id, identifier, actor)
            }
            Intent::InstallationChanged { repositories, .. } => self.installed(repositories),
            Intent::RepositoryGone { repositories, .. } => self.gone(repositories),
        }
    }

    /// When the delivery came by GitHub's clock, however long it has waited since.
    fn received(&self) -> Result<Millis, StoreError> {
        Ok(Millis(self.received_here()?.0.saturating_add(self.skew.saturating_mul(1_000))))
    }

    /// The same by our own.
    fn received_here(&self) -> Result<Millis, StoreError> {
        let delivery = self.delivery.map(|id| inbox::get(self.tx, id)).transpose()?.flatten();
        Ok(delivery.map_or(self.now, |delivery| delivery.received_at))
    }

    /// A tag that only the reconciler has seen.
    pub fn tag_found(&self, repo: &RepoRef, tag: &Tag) -> Runs {
        if !self.releases_of(repo, tag)?.is_empty() {
            return Ok(Vec::new());
        }
        self.start_release(repo, tag, None, &Actor::schedule(), Start { nth: 1, moved_from: None, found: true })
    }

    fn tag_pushed(&self, repo: &RepoRef, tag: &Tag, sha: Option<&Sha>, actor: &Actor) -> Runs {
        let earlier = self.releases_of(repo, tag)?;
        let nth = earlier.len() + 1;
        let Some(last) = earlier.into_iter().max_by_key(|run| (run.created_at, run.id.clone())) else {
            return self.start_release(repo, tag, sha, actor, Start { nth, moved_from: None, found: false });
        };
        let before = self.commit_of(&last)?;
        match (sha, before) {
            (Some(now), Some(before)) if *now != before => {
                self.wake(&last)?;
                // Its deployments may wait for something else for days.
                for run in runs::by_tag(self.tx, repo.id, tag)?.iter().filter(|run| run.state == RunState::Active) {
                    self.wake(run)?;
                }
                self.start_release(repo, tag, sha, actor, Start { nth, moved_from: Some(before), found: false })
            }
            // Deleted before it was released, and pushed again as it was.
            _ if refused_as(&last, "tag_gone") => {
                self.start_release(repo, tag, sha, actor, Start { nth, moved_from: None, found: false })
            }
            // `create` after `push`, or a redelivery: a run that is under way has nothing new to look at.
            _ => {
                if last.state == RunState::Dead {
                    self.wake(&last)?;
                }
                Ok(vec![last.id])
            }
        }
    }

    /// The commit that a run is about: named by its event, its outcome, or what it has read (a `create` names none).
    fn commit_of(&self, run: &Run) -> Result<Option<Sha>, StoreError> {
        let named = run.subject.sha.clone().or_else(|| outcome(run).and_then(|o| o.sha));
        if named.is_some() {
            return Ok(named);
        }
        let read = steps::get(self.tx, &run.id, "facts")?.and_then(|step| step.result);
        let ground: Option<Ground> = read.and_then(|value| serde_json::from_value(value).ok());
        Ok(ground.and_then(|g| g.facts.tag).map(|tag| tag.commit))
    }

    fn start_release(&self, repo: &RepoRef, tag: &Tag, sha: Option<&Sha>, actor: &Actor, start: Start) -> Runs {
        let input = release::Input {
            repo: repo.clone(),
            tag: tag.clone(),
            event_sha: sha.cloned(),
            actor: actor.clone(),
            asked_at: self.now,
            moved_from: start.moved_from,
            found: start.found,
        };
        let subject = Subject { tag: Some(tag.clone()), sha: sha.cloned(), ..self.subject(repo, actor) };
        self.submit(release::WORKFLOW.name, format!("release:{}:{tag}:{}", repo.id, start.nth), subject, &input)
    }

    fn tag_deleted(&self, repo: &RepoRef, tag: &Tag) -> Runs {
        let mut woken = Vec::new();
        for run in runs::by_tag(self.tx, repo.id, tag)? {
            if self.wake(&run)? {
                woken.push(run.id);
            }
        }
        Ok(woken)
    }

    fn merged(&self, repo: &RepoRef, sha: &Sha, actor: &Actor) -> Runs {
        let input = merge::Input { repo: repo.clone(), sha: sha.clone(), actor: actor.clone(), asked_at: self.now };
        let subject = Subject { sha: Some(sha.clone()), ..self.subject(repo, actor) };
        self.submit(merge::WORKFLOW.name, format!("merge:{}:{sha}", repo.id), subject, &input)
    }

    fn pull_request(&self, repo: &RepoRef, number: u64, head: &Sha, actor: &Actor) -> Runs {
        let input = preview::Input { repo: repo.clone(), number, head: head.clone(), asked_at: self.now };
        let subject = Subject { sha: Some(head.clone()), ..self.subject(repo, actor) };
        self.submit(preview::WORKFLOW.name, format!("preview:{}:{number}:{head}", repo.id), subject, &input)
    }

    /// How many comments of theirs have had a run in the last hour, whatever others have written meanwhile.
    fn answered_lately(&self, repo: &RepoRef, actor: &Actor) -> Result<usize, StoreError> {
        const HOUR: i64 = 3_600_000;
        runs::count_of(self.tx, repo.id, comment::WORKFLOW.name, actor, Millis(self.now.0.saturating_sub(HOUR)))
    }

    /// One run for each comment, and one for all of its edits, however often GitHub tells of them.
    fn commented(&self, input: &comment::Input, edited: bool) -> Runs {
        let nth = if edited { ":edited" } else { "" };
        let key = format!("comment:{}:{}{nth}", input.repo.id, input.comment);
        self.submit(comment::WORKFLOW.name, key, self.subject(&input.repo, &input.actor), input)
    }

    /// Wakes who waits for this commit; a new run of a check that refused a run starts that run's gates again.
    fn checks_changed(&self, repo: &RepoRef, sha: &Sha, check: Option<&CheckChange>) -> Runs {
        let mut touched = Vec::new();
        if check.is_none_or(|c| c.state != CheckState::Pending) {
            let told = check.map_or(Value::Null, |check| json!(check));
            for run in self.active(repo)? {
                if self.commit_of(&run)?.is_none_or(|at| at == *sha) && self.host.signal_in(self.tx, &run.id, "wake", &told)? {
                    touched.push(run.id);
                }
            }
        }
        if let Some(check) = check {
            for run in self.refused_by(repo, sha, check)? {
                touched.extend(self.again(&run)?);
            }
        }
        Ok(touched)
    }

    /// The newest runs of each kind on this commit that an older run of this check refused.
    fn refused_by(&self, repo: &RepoRef, sha: &Sha, check: &CheckChange) -> Result<Vec<Run>, StoreError> {
        let mut newest: Vec<Run> = Vec::new();
        for run in self.of_commit(repo, sha)? {
            let key = lineage(&run.key);
            match newest.iter_mut().find(|other| lineage(&other.key) == key) {
                Some(other) if other.created_at < run.created_at => *other = run,
                Some(_) => {}
                None => newest.push(run),
            }
        }
        newest.retain(|run| run.state == RunState::Finished && outcome(run).is_some_and(|o| is_rerun(&o, check)));
        Ok(newest)
    }

    fn wake_deployments(&self, repo: &RepoRef, signal: &str) -> Runs {
        let mut woken = Vec::new();
        for run in self.active(repo)? {
            if run.workflow == deploy::WORKFLOW.name {
                self.host.signal_in(self.tx, &run.id, signal, &Value::Null)?;
                woken.push(run.id);
            }
        }
        Ok(woken)
    }

    fn installed(&self, repositories: &[RepoRef]) -> Runs {
        for repo in repositories {
            repos::seen(self.tx, repo, self.now)?;
        }
        Ok(Vec::new())
    }

    fn gone(&self, repositories: &[RepoRef]) -> Runs {
        let mut stopped = Vec::new();
        for repo in repositories {
            repos::suspend(self.tx, repo.id)?;
            for run in self.active(repo)? {
                self.host.cancel_in(self.tx, &run.id, "Lockkeeper was removed from the repository")?;
                stopped.push(run.id);
            }
        }
        Ok(stopped)
    }

    /// Tells a waiting run to look again, starts one that was given up; false if it is over.
    fn wake(&self, run: &Run) -> Result<bool, StoreError> {
        match run.state {
            RunState::Active => self.host.signal_in(self.tx, &run.id, "wake", &Value::Null),
            RunState::Dead => self.host.replay_in(self.tx, &run.id),
            RunState::Finished => Ok(false),
        }
    }

    fn submit(&self, workflow: &str, key: String, subject: Subject, input: &impl Serialize) -> Runs {
        let input = serde_json::to_value(input).map_err(|why| StoreError::Sql(why.to_string()))?;
        let new = NewRun { workflow: workflow.to_owned(), key, subject, input };
        let submitted = self.host.submit_in(self.tx, new)?;
        if let Submitted::Existing(run, RunState::Dead) = &submitted {
            self.host.replay_in(self.tx, run)?;
        }
        Ok(vec![submitted.id().clone()])
    }

    fn subject(&self, repo: &RepoRef, actor: &Actor) -> Subject {
        let delivery = self.delivery.cloned();
        Subject { repo: repo.clone(), tag: None, sha: None, environment: None, delivery, actor: actor.clone() }
    }

    fn releases_of(&self, repo: &RepoRef, tag: &Tag) -> Result<Vec<Run>, StoreError> {
        let mut all = runs::by_tag(self.tx, repo.id, tag)?;
        all.retain(|run| run.workflow == release::WORKFLOW.name);
        Ok(all)
    }

    fn active(&self, repo: &RepoRef) -> Result<Vec<Run>, StoreError> {
        runs::active_of(self.tx, repo.id, comment::WORKFLOW.name)
    }

    fn of_commit(&self, repo: &RepoRef, sha: &Sha) -> Result<Vec<Run>, StoreError> {
        let but = Some(comment::WORKFLOW.name);
        let mut all =
            runs::list(self.tx, &Filter { repo: Some(repo.id), but, limit: Some(runs::RECENT), ..Filter::default() })?;
        let here = |run: &Run| run.subject.sha.clone().or_else(|| outcome(run).and_then(|o| o.sha)).as_ref() == Some(sha);
        all.retain(here);
        let reports = [release::WORKFLOW.name, deploy::WORKFLOW.name, preview::WORKFLOW.name, group::WORKFLOW.name];
        all.retain(|run| reports.contains(&run.workflow.as_str()));
        Ok(all)
    }
}

struct Start {
    nth: usize,
    moved_from: Option<Sha>,
    found: bool,
}

/// How a run ended, in the workflow's own words.
pub fn outcome(run: &Run) -> Option<Outcome> {
    let stored = run.outcome.clone()?;
    match serde_json::from_value(stored).ok()? {
        crate::flow::Outcome::Finished(value) => serde_json::from_value(value).ok(),
        crate::flow::Outcome::Failed(refusal) => Some(Outcome::refused(workflow::State::Failed, refusal)),
    }
}

fn refused_as(run: &Run, code: &str) -> bool {
    outcome(run).and_then(|o| o.refusal).is_some_and(|refusal| refusal.code == code)
}

/// A new check run under the name of one that failed, or a status that does not fail any more.
fn is_rerun(outcome: &Outcome, check: &CheckChange) -> bool {
    outcome.failed_checks.iter().filter(|failed| failed.name == check.name).any(|failed| {
        match (failed.check_run, check.check_run) {
            (Some(old), Some(new)) => new > old,
            _ => check.state != CheckState::Failure,
        }
    })
}

/// `stem:n` of a key that counts its generations.
fn generation(key: &str) -> Option<(&str, u32)> {
    let (stem, nth) = key.rsplit_once(':')?;
    Some((stem, nth.parse().ok()?))
}

fn lineage(key: &str) -> &str {
    generation(key).map_or(key, |(stem, _)| stem)
}
