//! What people see of a deployment while it goes on: the check run `lockkeeper/<environment>`.

use super::{Deployment, Input, named};
use crate::actions::button::Button;
use crate::domain::{Refusal, Tag};
use crate::flow::{Flow, StepFailure, Stop};
use crate::gates::{self, Verdict};
use crate::plan::{Call, CheckAction, CheckOutcome, CheckRunCall, CheckRunMade};
use crate::render::check::{self, Deploy, QUEUED, Stage};
use serde::{Deserialize, Deserializer, Serialize};

/// What people can see of the run so far.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(in crate::workflow) struct Shown {
    pub deployment: Option<u64>,
    pub check_run: Option<u64>,
    /// GitHub may have made one and nobody has heard of it.
    #[serde(default)]
    pub lost: bool,
    pub waiting: bool,
    /// What people are asked for.
    #[serde(default, deserialize_with = "asked_for")]
    pub asking: Option<String>,
    /// The check run says that it goes ahead.
    #[serde(default)]
    pub under_way: bool,
    pub progress: Vec<String>,
}

/// Runs that began to wait before the third version have kept only whether people are asked.
fn asked_for<'de, D: Deserializer<'de>>(kept: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Kept {
        Whether(bool),
        What(Option<String>),
    }
    Ok(match Kept::deserialize(kept)? {
        Kept::Whether(asks) => asks.then(String::new),
        Kept::What(what) => what,
    })
}

pub(super) fn sheet<'a>(
    input: &'a Input,
    stage: Stage,
    refusal: Option<&'a Refusal>,
    gates: &'a [Verdict],
    progress: &'a [String],
) -> Deploy<'a> {
    let head = input.by_comment.as_ref().is_some_and(|by| by.head);
    let what = input.subject.tag.as_ref().map_or(if head { "the pull request" } else { "the merge" }, Tag::as_str);
    let environment = input.environment.as_str();
    Deploy { what, sha: input.subject.sha.short(), environment, refusal, stage, url: None, gates, progress }
}

pub(super) fn check_run(input: &Input, shown: &Shown, outcome: Option<CheckOutcome>, text: check::Text) -> Call {
    with_buttons(input, shown, outcome, text, Vec::new())
}

/// As [`check_run`], with what people can press.
pub(super) fn with_buttons(
    input: &Input,
    shown: &Shown,
    outcome: Option<CheckOutcome>,
    text: check::Text,
    actions: Vec<CheckAction>,
) -> Call {
    Call::CheckRun(CheckRunCall {
        queued: false,
        repo: input.repo.clone(),
        name: format!("lockkeeper/{}", input.environment),
        sha: input.subject.sha.clone(),
        update: shown.check_run,
        outcome,
        title: text.title,
        summary: text.summary,
        details_url: None,
        annotations: Vec::new(),
        actions,
    })
}

impl Shown {
    /// Says it on the check run, and goes on where GitHub does not take it: what comes later says more. Whether it was taken.
    pub fn say(&mut self, f: &mut Flow, step: &str, call: Call) -> Result<bool, Stop> {
        let call = if self.lost && self.check_run.is_none() { call.sought() } else { call };
        let made: Result<CheckRunMade, StepFailure> = f.try_step(step, &call)?;
        let taken = made.is_ok();
        self.lost |= !taken;
        self.check_run = made.ok().map(|made| made.id).or(self.check_run);
        Ok(taken)
    }
}

impl Deployment<'_> {
    /// Says that others are before it: on GitHub's deployment, or on the check run where there is none yet.
    pub(super) fn show_queued(&self, f: &mut Flow, shown: &mut Shown, verdicts: &[Verdict], turn: u32) -> Result<(), Stop> {
        let leg = self.leg(shown);
        if leg.deployment.is_some() {
            return leg.status(f, self.input, &named("status.queued", turn), "queued", QUEUED, None);
        }
        shown.under_way = false;
        let text = sheet(self.input, Stage::Queued, None, verdicts, &shown.progress).text();
        let mut call = check_run(self.input, shown, None, text);
        if let Call::CheckRun(call) = &mut call {
            call.queued = true;
        }
        shown.say(f, &named("check.queued", turn), call).map(|_| ())
    }

    /// Says once what the run waits for, and again when people are asked for something else than before.
    pub(super) fn show_waiting(&self, f: &mut Flow, shown: &mut Shown, verdicts: &[Verdict]) -> Result<(), Stop> {
        let asking = gates::asks_people(verdicts);
        if std::mem::replace(&mut shown.waiting, true) && shown.asking == asking {
            return Ok(());
        }
        let asks = asking.is_some();
        self.appear(f, shown)?;
        (shown.asking, shown.under_way) = (asking, false);
        self.leg(shown).status(f, self.input, "status.pending", "pending", &check::waiting(verdicts), None)?;
        let outcome = asks.then_some(CheckOutcome::ActionRequired);
        let buttons: &[Button] = if asks { &[Button::Approve, Button::Reject, Button::Cancel] } else { &[] };
        let text = sheet(self.input, Stage::Waits, None, verdicts, &[]).text();
        let call = with_buttons(self.input, shown, outcome, text, self.buttons(buttons));
        shown.say(f, "check.pending", call).map(|_| ())
    }

    pub(super) fn buttons(&self, buttons: &[Button]) -> Vec<CheckAction> {
        buttons.iter().map(|button| button.shown(self.plan.digest.as_str())).collect()
    }

    /// Nobody need do anything any more.
    pub(super) fn show_agreed(&self, f: &mut Flow, shown: &mut Shown, verdicts: &[Verdict], turn: u32) -> Result<(), Stop> {
        if shown.asking.take().is_none() {
            return Ok(());
        }
        shown.under_way = true;
        let call =
            check_run(self.input, shown, None, sheet(self.input, Stage::UnderWay, None, verdicts, &shown.progress).text());
        shown.say(f, &named("check.agreed", turn), call).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::Shown;
    use serde_json::{Value, json};

    #[test]
    fn what_older_runs_have_kept_can_be_read() {
        let of = |asking: Value| {
            let kept = json!({"deployment": null, "check_run": 7, "waiting": true, "asking": asking, "progress": []});
            serde_json::from_value::<Shown>(kept).unwrap().asking
        };
        assert_eq!(of(json!(false)), None);
        assert_eq!(of(json!(true)), Some(String::new()));
        assert_eq!(of(Value::Null), None);
        assert_eq!(of(json!("one of two")), Some("one of two".to_owned()));
    }
}
