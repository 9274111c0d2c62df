//! The order of an environment: an older commit never replaces a newer one, and what nobody can put in order waits for a person.
//!
//! Invariant: where each commit has something that the other has not, the one that is live counts as contained only by GitHub's
//! word: it is the head of a pull request from this very repository, or was when we heard of it, and that pull request was merged
//! by a commit that is deployed here, and what was live before came before that commit. So a squash or a rebase of what people have tried here goes ahead. What was live may lack
//! in it where its branch was rewritten since: the merge says what people have agreed to.

use super::Deployment;
use super::end::Ending;
use crate::domain::{EnvironmentRecord, HeadMerge, LedgerEntry, Refusal, Sha, Standing};
use crate::flow::{Flow, Stop};
use crate::plan::Call;
use crate::workflow::report::State;

impl Deployment<'_> {
    /// An older commit never replaces a newer one.
    pub(super) fn older_than_live(&self, f: &mut Flow, record: &EnvironmentRecord) -> Result<Option<Ending<'static>>, Stop> {
        let Some(live) = record.live().filter(|live| live.sha != self.input.subject.sha && !self.input.rollback) else {
            return Ok(None);
        };
        // What the history that was read holds needs no question.
        if self.contains(&live.sha) {
            return Ok(None);
        }
        match self.compare(f, "lease.order", &live.sha, &self.input.subject.sha)? {
            Standing::Behind if self.input.automatic => {
                Ok(Some(superseded(&live.sha, live.run.as_str(), "is live here already")))
            }
            Standing::Behind => {
                Ok(Some(Ending::refused(older(&self.input.subject.sha, live, self.input.environment.as_str()))))
            }
            // Nobody can say which is newer: a person who asks for exactly this commit has decided.
            Standing::Diverged | Standing::Unrelated
                if !self.input.by_person() && !self.is_merge_of_live(f, record, live)? =>
            {
                Ok(Some(Ending::refused(diverged(&self.input.subject.sha, live, self.input.environment.as_str()))))
            }
            Standing::Same | Standing::Ahead | Standing::Diverged | Standing::Unrelated => Ok(None),
        }
    }

    /// Whether this brings what is live by another name. What a person has put over what had its merge already is there on
    /// purpose, and to take it away is for a person too.
    fn is_merge_of_live(&self, f: &mut Flow, record: &EnvironmentRecord, live: &LedgerEntry) -> Result<bool, Stop> {
        // Past what was read nobody can see what was live over the merge: that waits for a person.
        let mut merges = self.merges_of(f, "lease.merges", &live.sha)?;
        merges.retain(|merge| merge.commit == self.input.subject.sha || self.contains(&merge.commit));
        // Whoever went back on purpose has left a hold behind.
        let older = record.history.iter().skip_while(|entry| entry.until.is_some()).skip(1).filter(|_| !live.rollback);
        let Some(before) = older.into_iter().find(|entry| self.contains(&entry.sha)) else { return Ok(!merges.is_empty()) };
        for (nth, merge) in merges.iter().enumerate() {
            let standing = self.compare(f, &format!("lease.merges.{nth}.before"), &merge.commit, &before.sha)?;
            if !matches!(standing, Standing::Same | Standing::Ahead) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn compare(&self, f: &mut Flow, step: &str, base: &Sha, head: &Sha) -> Result<Standing, Stop> {
        f.step(step, &Call::Compare { repo: self.input.repo.clone(), base: base.clone(), head: head.clone() })
    }

    /// The merges of pull requests of which that commit is or was the head.
    fn merges_of(&self, f: &mut Flow, step: &str, head: &Sha) -> Result<Vec<HeadMerge>, Stop> {
        // Runs of earlier versions have decided without.
        if f.flow_version() < 4 {
            return Ok(Vec::new());
        }
        let call = Call::ReadMergesOf { repo: self.input.repo.clone(), head: head.clone() };
        f.step(step, &call)
    }

    /// Those of these merges that bring exactly that head here, however long ago.
    pub(super) fn merges_here(&self, f: &mut Flow, step: &str, head: &Sha) -> Result<Vec<HeadMerge>, Stop> {
        let mut brought = Vec::new();
        for (nth, merge) in self.merges_of(f, step, head)?.into_iter().enumerate() {
            if merge.head == *head && self.brings(f, &format!("{step}.{nth}"), &merge.commit)? {
                brought.push(merge);
            }
        }
        Ok(brought)
    }

    /// Whether what is deployed is that commit or comes after it.
    fn brings(&self, f: &mut Flow, step: &str, commit: &Sha) -> Result<bool, Stop> {
        let deployed = &self.input.subject.sha;
        if commit == deployed || self.contains(commit) || self.ground.facts.history_complete {
            return Ok(commit == deployed || self.contains(commit));
        }
        Ok(matches!(self.compare(f, step, commit, deployed)?, Standing::Same | Standing::Ahead))
    }

    /// As far as what was read of the history says it.
    fn contains(&self, sha: &Sha) -> bool {
        self.ground.facts.history.iter().any(|commit| commit.sha == *sha)
    }
}

pub(super) fn superseded(by: &Sha, run: &str, why: &str) -> Ending<'static> {
    let text = format!("Commit {} contains this one and {why} (run {run}).", by.short());
    Ending::new(State::Superseded, Refusal::user("superseded", text, "Nothing: what this would have deployed is in it."))
}

fn older(sha: &Sha, live: &LedgerEntry, environment: &str) -> Refusal {
    let text = format!("Commit {} is older than {}, which is live in {environment}.", sha.short(), live.sha.short());
    let to = crate::actions::rollback::name(live);
    Refusal::user(
        "older_than_live",
        text,
        format!("To go back from {to}, ask for a rollback: `lockkeeper rollback {environment}`."),
    )
}

fn diverged(sha: &Sha, live: &LedgerEntry, environment: &str) -> Refusal {
    let (short, other) = (sha.short(), live.sha.short());
    let text = format!("Commit {short} and {other}, which is live in {environment}, each have commits that the other has not.");
    let fix = format!("Deploy it by hand if it should take its place: `lockkeeper deploy {environment} --ref {sha}`.");
    Refusal::user("diverged_from_live", text, fix)
}
