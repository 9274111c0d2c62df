//! A release whose gates have passed: the calls that make it public, in the words of the facts.

use super::Input;
use crate::config::repo::RepoConfig;
use crate::domain::{CommitFacts, Recheck, Sha};
use crate::flow::{Flow, Stop};
use crate::gates::Verdict;
use crate::notes::tags::{ParsedTag, Scheme};
use crate::plan::{Base, Call, DraftCall, Latest, MARKER, NotesCall, NotesMade, Plan, PublishCall};
use crate::workflow::range::Found;

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
    /// The second look counts the commits; when the count differs from what we hold, the range is read again.
    pub fn settle_range(&mut self, f: &mut Flow, input: &Input, head: &Sha) -> Result<(), Stop> {
        if self.found.agrees(self.look.ahead) {
            return Ok(());
        }
        let bases: Vec<Base> = self.found.base.iter().cloned().collect();
        let call = Call::ReadRange { repo: input.repo.clone(), candidates: bases, head: head.clone() };
        self.found.range = f.step("range", &call)?;
        self.found.fetched = true;
        Ok(())
    }

    pub fn notes_call(&self, input: &Input, head: &Sha) -> Call {
        Call::RenderNotes(NotesCall {
            repo: input.repo.clone(),
            tag: input.tag.clone(),
            head: head.clone(),
            base: self.found.base.clone(),
            fetched: self.found.fetched,
            first_time: self.look.first_time.clone(),
            config: self.config.release.notes.clone(),
            at: input.asked_at,
        })
    }

    pub fn draft_call(&self, input: &Input, sha: &Sha, notes: &NotesMade) -> Call {
        let ours = |body: &str| body.contains(MARKER);
        Call::CreateDraft(DraftCall {
            repo: input.repo.clone(),
            tag: input.tag.clone(),
            sha: sha.clone(),
            name: input.tag.to_string(),
            body: notes.markdown.clone(),
            prerelease: self.parsed.is_prerelease(),
            adopt: self.look.releases.iter().find(|r| r.draft && ours(&r.body)).map(|r| r.id),
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

    pub fn remarks(&self, notes: &NotesMade) -> Vec<String> {
        let mut remarks = Vec::new();
        if let Some(why) = &self.found.range.incomplete {
            remarks.push(format!("The notes are incomplete: {why}"));
        }
        if let Some(why) = &notes.fell_back {
            remarks.push(format!("The repository's own notes configuration was not used: {why}"));
        }
        if !notes.refused_options.is_empty() {
            remarks.push(format!("Options that Lockkeeper does not follow: {}.", notes.refused_options.join(", ")));
        }
        if notes.truncated {
            remarks.push("The notes were cut to GitHub's length.".to_owned());
        }
        let nameless = self.found.nameless().len();
        if nameless > 0 {
            remarks.push(format!("{nameless} commit(s) have no type in their subject."));
        }
        remarks.push(format!("Plan {}.", self.plan.digest));
        remarks
    }
}
