//! Deployments on the heads of merged pull requests, beside the one that brought them.
//!
//! Invariants: none is made of what a rollback has taken away; each is on our record before it says that it runs, so that whoever
//! takes the version away finds it.

use super::{Done, Steps, answer, stored, trouble};
use crate::domain::{EnvPlace, LedgerEntry, Mirror, RepoRef, RunId, Sha};
use crate::engine::host::{StepCtx, StepError};
use crate::plan::MirrorCall;
use crate::store::{ledger, mirrors};
use crate::workflow::{mirror, released};

/// Entries of the ledger that are looked at.
const HISTORY: u32 = 100;
/// How often a mirror or a word about a release is tried: it only decorates, so it is no reason to give a run up.
const ATTEMPTS: u32 = 30;

impl Steps {
    pub(super) async fn read_merged(&self, repo: &RepoRef, base: Option<&Sha>, head: &Sha, most: usize) -> Done {
        answer(&self.at(repo).merged_pulls(&repo.name, base, head, most).await.map_err(trouble)?)
    }

    pub(super) async fn mirror(&self, ctx: &StepCtx, call: MirrorCall) -> Done {
        let MirrorCall { deployment, pull, of, live } = call;
        let place = EnvPlace { repo: deployment.repo.id, environment: deployment.environment.clone() };
        let looked = place.clone();
        let history = self.store.read(move |rx| ledger::of(rx, &looked, HISTORY)).await.map_err(stored)?;
        if !still_there(&history, &of, &live) {
            return answer(&None::<Mirror>);
        }
        let made = self.made_deployment(ctx, deployment).await?;
        let (run, mirror) = (ctx.run.clone(), Mirror { pull, deployment: made.id });
        let kept = mirror.clone();
        self.store.write(move |tx| mirrors::add(tx, &place, &run, &kept)).await.map_err(stored)?;
        answer(&Some(mirror))
    }

    pub(super) async fn read_mirrors(&self, place: EnvPlace) -> Done {
        answer(&self.store.read(move |rx| mirrors::of(rx, &place)).await.map_err(stored)?)
    }

    pub(super) async fn forget_mirror(&self, place: EnvPlace, deployment: u64) -> Done {
        answer(&self.store.write(move |tx| mirrors::forget(tx, &place, deployment)).await.map_err(stored)?)
    }
}

/// Whether no rollback has led anywhere else since this run brought the commit. Newest first.
fn still_there(history: &[LedgerEntry], of: &RunId, sha: &Sha) -> bool {
    let is_live = history.first().is_some_and(|entry| entry.until.is_none());
    let brought = history.iter().position(|entry| entry.run == *of && entry.sha == *sha);
    let since = brought.and_then(|at| history.get(..at));
    is_live && since.is_some_and(|since| since.iter().all(|entry| !entry.rollback || entry.sha == *sha))
}

/// Trouble that goes on is told, not waited for, where nothing hangs on it.
pub(super) fn patience(ctx: &StepCtx, why: StepError) -> StepError {
    let decorates = [mirror::WORKFLOW.name, released::WORKFLOW.name].contains(&ctx.workflow.as_str());
    match why {
        StepError::Retry { refusal, .. } | StepError::Untried { refusal, .. } if decorates && ctx.attempt >= ATTEMPTS => {
            StepError::Fail(refusal)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Millis;

    /// Newest first: the run and its commit, `<` for a rollback, `.` for one that has ended.
    fn history(words: &[&str]) -> Vec<LedgerEntry> {
        let entry = |word: &&str| LedgerEntry {
            run: RunId::parse(&format!("run-{}", &word[..1])).unwrap(),
            sha: Sha::parse(&word[1..2].repeat(40)).unwrap(),
            tag: None,
            version: None,
            component: None,
            deployment: None,
            url: None,
            slot: None,
            barrier: false,
            share: None,
            rollback: word.contains('<'),
            good: true,
            since: Millis(0),
            until: word.contains('.').then_some(Millis(1)),
        };
        words.iter().map(entry).collect()
    }

    #[test]
    fn only_a_rollback_makes_it_untrue() {
        let cases: [(&[&str], bool); 8] = [
            (&["2b", "1a."], true),
            // A newer one contains it.
            (&["3c", "2b.", "1a."], true),
            (&["3a<", "2b.", "1a."], false),
            (&["4d", "3a<.", "2b.", "1a."], false),
            // It failed and this one came back.
            (&["3b<", "3c.", "2b.", "1a."], true),
            // Nobody knows what runs.
            (&["2b.", "1a."], false),
            (&["1a"], false),
            (&[], false),
        ];
        for (words, there) in cases {
            let (of, sha) = (RunId::parse("run-2").unwrap(), Sha::parse(&"b".repeat(40)).unwrap());
            assert_eq!(still_there(&history(words), &of, &sha), there, "{words:?}");
        }
    }
}
