//! The check run `lockkeeper/release`.

use super::Input;
use crate::domain::{Refusal, Sha};
use crate::gates::Verdict;
use crate::plan::{Call, CheckOutcome, CheckRunCall};
use crate::render::check::{Release, Text};

pub(super) fn sheet<'a>(input: &'a Input, sha: &'a Sha, refusal: Option<&'a Refusal>, gates: &'a [Verdict]) -> Release<'a> {
    Release { tag: input.tag.as_str(), sha: sha.short(), refusal, url: None, previous: None, gates, remarks: &[], notes: None }
}

pub(super) fn check_run(input: &Input, sha: &Sha, update: Option<u64>, outcome: Option<CheckOutcome>, text: Text) -> Call {
    Call::CheckRun(check_run_call(input, sha, update, outcome, text))
}

pub(super) fn check_run_call(
    input: &Input,
    sha: &Sha,
    update: Option<u64>,
    outcome: Option<CheckOutcome>,
    text: Text,
) -> CheckRunCall {
    CheckRunCall {
        queued: false,
        repo: input.repo.clone(),
        name: "lockkeeper/release".to_owned(),
        sha: sha.clone(),
        update,
        outcome,
        title: text.title,
        summary: text.summary,
        details_url: None,
        annotations: Vec::new(),
        actions: Vec::new(),
    }
}
