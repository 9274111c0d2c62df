//! A release whose gates have passed: the calls that make it public, in the words of the facts.

use super::Input;
use crate::config::repo::RepoConfig;
use crate::domain::{CommitFacts, Recheck, Sha};
use crate::gates::Verdict;
use crate::notes::tags::{ParsedTag, Scheme};
use crate::plan::{Call, DraftCall, Latest, NotesMade, Plan, PublishCall};
use crate::workflow::range::Found;
use crate::workflow::released::{self, Pulls};

/// Everything that publishing needs, after the gates.
pub(super) struct Passed<'a> {
    pub facts: &'a CommitFacts,
    pub config: &'a RepoConfig,
    pub scheme: &'a Scheme,
    pub parsed: &'a ParsedTag,
    pub plan: &'a Plan,
    pub found: Found,
    pub verdicts: Vec<Verdict>,
    pub look: Recheck,
    pub check_run: Option<u64>,
}

impl Passed<'_> {
    pub fn draft_call(&self, input: &Input, sha: &Sha, notes: &NotesMade) -> Call {
        Call::CreateDraft(DraftCall {
            repo: input.repo.clone(),
            tag: input.tag.clone(),
            sha: sha.clone(),
            name: input.tag.to_string(),
            body: notes.markdown.clone(),
            prerelease: self.parsed.is_prerelease(),
        })
    }

    pub fn publish_call(&self, input: &Input, sha: &Sha, release: u64) -> Call {
        Call::Publish(PublishCall {
            repo: input.repo.clone(),
            release,
            tag: input.tag.clone(),
            sha: sha.clone(),
            latest: self.latest(),
            prerelease: self.parsed.is_prerelease(),
            verified_at: self.look.at,
        })
    }

    /// Only the highest stable version is latest.
    fn latest(&self) -> Latest {
        match self.scheme.is_highest_stable(self.parsed, &self.facts.tags) {
            false => Latest::No,
            true if self.facts.tags_complete => Latest::Yes,
            true => Latest::ByVersion,
        }
    }

    /// Whom to tell that it is out, where the repository wants that.
    pub fn telling(&self, input: &Input, url: &str) -> Option<released::Input> {
        let (repo, tag, url) = (input.repo.clone(), input.tag.clone(), url.to_owned());
        let pulls = self.told()?;
        Some(released::Input { repo, tag, url, asked_at: input.asked_at, pulls })
    }

    fn told(&self) -> Option<Pulls> {
        let wanted = self.config.release.comment_on_pull_requests && !self.parsed.is_prerelease();
        let nobody = |pulls: &Pulls| matches!(pulls, Pulls::Known(all) if all.is_empty());
        wanted.then(|| self.found.brought()).flatten().filter(|pulls| !nobody(pulls))
    }

    pub fn remarks(&self, notes: &NotesMade) -> Vec<String> {
        let mut remarks = self.found.remarks(notes);
        if let Some(Pulls::Known(all)) = self.told() {
            remarks.extend(released::left_out(all.len()));
        }
        remarks.push(format!("Plan {}.", self.plan.digest));
        remarks
    }
}
