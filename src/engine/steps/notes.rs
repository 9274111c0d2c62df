//! Writes the notes in a child process, from what earlier steps of the run have read.

use super::{Done, Steps, answer, stored, trouble};
use crate::domain::{FileAt, Range, Refusal, RunId};
use crate::engine::host::{StepCtx, StepError};
use crate::notes::render::{RenderRequest, Site, own_config};
use crate::notes::{range, sandboxed};
use crate::plan::{Ground, NotesCall, NotesMade};
use crate::store::steps;
use serde::de::DeserializeOwned;

impl Steps {
    pub(super) async fn render_notes(&self, ctx: &StepCtx, call: NotesCall) -> Done {
        let config = self.notes_config(&self.earlier(&ctx.run, "facts").await?, &call).await?;
        // GitHub is not asked any more; those who ask it need not wait for processors. What is large is read after the wait.
        ctx.place.leave();
        let _processor = self.renders.acquire().await;
        let ground: Ground = self.earlier(&ctx.run, "facts").await?;
        let mut range = if call.fetched { self.earlier(&ctx.run, "range").await? } else { from_facts(&ground, &call)? };
        if let Some(only) = &call.only {
            range::keep(&mut range, only);
        }
        for commit in &mut range.commits {
            commit.first_contribution = commit.login.as_ref().map(|login| call.first_time.contains(login));
        }
        let site = Site { server: self.site.clone(), repo: call.repo.name.clone() };
        let request = RenderRequest::for_release(&range, Some(&call.tag), call.at.0 / 1000, config, Some(site));
        let program = self.program.clone();
        let rendered = tokio::task::spawn_blocking(move || sandboxed::render_or_own(&program, request))
            .await
            .map_err(|why| StepError::Fail(Refusal::us("notes_crashed", format!("Writing the notes ended early: {why}."))))?;
        let (rendered, fell_back) = rendered.map_err(StepError::Fail)?;
        answer(&NotesMade {
            markdown: rendered.markdown,
            refused_options: rendered.refused_options,
            fell_back: fell_back.map(|refusal| refusal.message),
            truncated: rendered.truncated,
        })
    }

    /// The repository's own git-cliff configuration: the one that its settings name, or the first of the usual places,
    /// manifests last.
    async fn notes_config(&self, ground: &Ground, call: &NotesCall) -> Result<Option<FileAt>, StepError> {
        let facts = &ground.facts;
        let Some(path) = &call.config else {
            let files: Vec<FileAt> = facts.notes_config.iter().chain(&facts.manifests).cloned().collect();
            return Ok(own_config(&files, None));
        };
        if let Some(file) = facts.notes_config.iter().find(|file| &file.path == path) {
            return Ok(Some(file.clone()));
        }
        let branch = &ground.facts.default_branch.head;
        let file = self.at(&call.repo).file(&call.repo.name, path, branch.as_str()).await.map_err(trouble)?;
        file.map(Some).ok_or_else(|| {
            StepError::Fail(Refusal::user(
                "notes_config_missing",
                format!("{path}, which [release] names for the notes, does not exist on the default branch."),
                "Add the file, or remove `notes` from [release].",
            ))
        })
    }

    /// The stored result of an earlier step of the same run.
    async fn earlier<T: DeserializeOwned>(&self, run: &RunId, step: &'static str) -> Result<T, StepError> {
        let run = run.clone();
        let found = self.store.read(move |rx| steps::get(rx, &run, step)).await.map_err(stored)?;
        let value = found.filter(|step| step.state == "done").and_then(|step| step.result);
        let value =
            value.ok_or_else(|| StepError::Fail(Refusal::us("step_missing", format!("The step {step} has no result."))))?;
        serde_json::from_value(value).map_err(|why| {
            StepError::Fail(Refusal::us("step_unreadable", format!("The result of {step} cannot be read: {why}.")))
        })
    }
}

fn from_facts(ground: &Ground, call: &NotesCall) -> Result<Range, StepError> {
    let base = call.base.as_ref().and_then(|b| Some((&b.tag, b.commit.as_ref()?)));
    range::from_facts(&ground.facts, &call.head, base).map_err(|_| {
        StepError::Fail(Refusal::us("range_short", "The commits that were read do not reach back to the previous tag."))
    })
}
