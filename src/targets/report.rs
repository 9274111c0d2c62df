//! What a deployer says about an errand, in an answer, at its status address, or in a callback. Pure.
//!
//! Invariants: done is only what names the commit that was asked for; a report that names another one is a lie, whatever
//! else it says.

use super::errand::{Action, Errand, Running, lied};
use super::{Progress, Trouble};
use crate::domain::{Refusal, Sha};
use serde::Deserialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Working,
    Done,
    Failed,
}

/// `{"status": "working", "sha": "…", "status_url": "…", "url": "…", "message": "…", "running": {…}}`; what is not known is
/// left out.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Report {
    pub status: Status,
    #[serde(default)]
    pub sha: Option<Sha>,
    /// Where to ask again.
    #[serde(default)]
    pub status_url: Option<String>,
    /// Where the version can be seen.
    #[serde(default)]
    pub url: Option<String>,
    /// Why it failed.
    #[serde(default)]
    pub message: Option<String>,
    /// What runs in the slot, as for a command's `observe`.
    #[serde(default)]
    pub running: Option<serde_json::Value>,
    /// In a callback: what it is about.
    #[serde(default)]
    pub run: Option<String>,
    #[serde(default)]
    pub step: Option<String>,
}

impl Report {
    pub(super) fn read(body: &[u8]) -> Result<Self, Trouble> {
        serde_json::from_slice(body).map_err(|_| {
            let message = "The target's answer is not a report that can be read.";
            let fix = "Let it answer JSON with `status` (working, done or failed) and `sha`.";
            Trouble::later(Refusal::user("target_answer_unreadable", message, fix))
        })
    }

    pub(super) fn running(&self) -> Result<Option<Running>, Trouble> {
        let read = self.running.as_ref().map(Running::read).transpose();
        read.map_err(|why| {
            let message = format!("The target does not say what runs: {why}.");
            let fix = "Let `running` be {\"sha\": …} (null where nothing runs).";
            Trouble::later(Refusal::user("target_answer_unreadable", message, fix))
        })
    }

    pub(super) fn progress(&self, errand: &Errand) -> Result<Progress, Trouble> {
        if self.sha.as_ref().is_some_and(|sha| *sha != errand.sha) {
            return Err(lied(errand, self.sha.as_ref()));
        }
        match self.status {
            Status::Working => Ok(Progress::Working),
            Status::Done if self.sha.is_none() && errand.action != Action::TakeDown => {
                let message = "The target says that it is done, but not with which commit.";
                let fix = "Let its report name the commit as `sha`.";
                Err(Trouble::never(Refusal::user("target_unproven", message, fix)))
            }
            Status::Done => Ok(Progress::Done { url: self.url.clone().filter(|url| is_web(url)) }),
            Status::Failed => {
                let said: String =
                    self.message.as_deref().unwrap_or_default().chars().filter(|c| !c.is_control()).take(200).collect();
                let why = if said.trim().is_empty() { String::new() } else { format!(": {}", said.trim()) };
                Ok(Progress::Failed { reason: format!("the target reported failure{why}") })
            }
        }
    }
}

fn is_web(url: &str) -> bool {
    url.len() <= 2048 && (url.starts_with("https://") || url.starts_with("http://")) && !url.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::super::errand::tests::errand;
    use super::*;
    use serde_json::{Value, json};

    fn judged(report: &Value, action: Action) -> Result<Progress, String> {
        let report = Report::read(report.to_string().as_bytes()).map_err(|why| why.code().to_owned())?;
        report.progress(&errand(action)).map_err(|why| why.code().to_owned())
    }

    #[test]
    fn only_the_commit_that_was_asked_for_is_done() {
        let (ours, other) = ("a".repeat(40), "b".repeat(40));
        let code = |code: &str| Err(code.to_owned());
        let failed = |reason: &str| Ok(Progress::Failed { reason: reason.into() });
        for (report, expected) in [
            (json!({"status": "done", "sha": ours}), Ok(Progress::Done { url: None })),
            (json!({"status": "done", "sha": ours, "url": "https://x"}), Ok(Progress::Done { url: Some("https://x".into()) })),
            (json!({"status": "done", "sha": ours, "url": "javascript:x"}), Ok(Progress::Done { url: None })),
            (json!({"status": "done"}), code("target_unproven")),
            (json!({"status": "done", "sha": other}), code("target_lied")),
            (json!({"status": "working", "sha": other}), code("target_lied")),
            (json!({"status": "working"}), Ok(Progress::Working)),
            (json!({"status": "failed"}), failed("the target reported failure")),
            (json!({"status": "failed", "message": "disk\n full"}), failed("the target reported failure: disk full")),
            (json!({"status": "done", "sha": "abc"}), code("target_answer_unreadable")),
            (json!({"status": "DONE", "sha": ours}), code("target_answer_unreadable")),
            (json!({"sha": ours}), code("target_answer_unreadable")),
            (json!("done"), code("target_answer_unreadable")),
        ] {
            assert_eq!(judged(&report, Action::BringUp), expected, "{report}");
        }
        assert_eq!(judged(&json!({"status": "done"}), Action::TakeDown), Ok(Progress::Done { url: None }));
    }
}
