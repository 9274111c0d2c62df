//! Buttons of check runs: what stands on them, and the action that a press asks for.
//!
//! A button names no run: the check run that it belongs to is ours and does. Those that agree to something name the plan that
//! was shown, by how its digest begins.

use super::Action;
use super::approve::{Approve, Where};
use super::control::{Control, Verb};
use super::deploy::Deploy;
use super::lock::Lock;
use super::rollback::Rollback;
use crate::domain::{EnvName, Millis, RepoName, RunId, Said, Sha, Tag};
use crate::plan::CheckAction;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Button {
    Approve,
    Reject,
    Cancel,
    Promote,
    /// Users get back what they had, while it goes on.
    Back,
    /// A paused deployment waits as long again.
    Extend,
    /// What failed is tried again, gates first.
    Retry,
    /// The version before comes back, after this one was live.
    RollBack,
    Lock,
}

/// GitHub takes identifiers of at most 20 characters.
const DIGITS: usize = 12;
const PREFIX: &str = "sha256:";
const WHY: &str = "by the button of the check run";

/// What a press is about.
pub struct On<'a> {
    pub repo: &'a RepoName,
    pub run: &'a RunId,
    pub environment: &'a EnvName,
    /// What it deploys.
    pub sha: &'a Sha,
    pub tag: Option<&'a Tag>,
    pub pressed_at: Millis,
}

impl Button {
    const ALL: [Self; 9] = [
        Self::Approve,
        Self::Reject,
        Self::Cancel,
        Self::Promote,
        Self::Back,
        Self::Extend,
        Self::Retry,
        Self::RollBack,
        Self::Lock,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Cancel => "cancel",
            Self::Promote => "promote",
            Self::Back => "back",
            Self::Extend => "extend",
            Self::Retry => "retry",
            Self::RollBack => "rollback",
            Self::Lock => "lock",
        }
    }

    fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::Approve => ("Approve", "Agree to this deployment"),
            Self::Reject => ("Reject", "End it: nothing is deployed"),
            Self::Cancel => ("Cancel", "Stop it: nothing is deployed"),
            Self::Promote => ("Promote", "Move all users to it now"),
            Self::Back => ("Roll back", "Give users back what they had"),
            Self::Extend => ("Extend", "Wait another day for a decision"),
            Self::Retry => ("Retry", "Ask for it again, gates first"),
            Self::RollBack => ("Roll back", "Bring the version before it back"),
            Self::Lock => ("Lock", "Keep other versions out of it"),
        }
    }

    /// For the check run of a run with this plan.
    pub fn shown(self, digest: &str) -> CheckAction {
        let (label, description) = self.texts();
        let hex: String = digest.strip_prefix(PREFIX).unwrap_or_default().chars().take(DIGITS).collect();
        let identifier = if self.names_a_plan() { format!("{}:{hex}", self.word()) } else { self.word().to_owned() };
        CheckAction { label: label.to_owned(), description: description.to_owned(), identifier }
    }

    fn names_a_plan(self) -> bool {
        matches!(self, Self::Approve | Self::Reject)
    }

    /// The button that was pressed, and how the digest of its plan begins.
    pub fn parse(identifier: &str) -> Option<(Self, Option<String>)> {
        let (word, hex) = identifier.split_once(':').map_or((identifier, None), |(word, hex)| (word, Some(hex)));
        let button = Self::ALL.into_iter().find(|button| button.word() == word)?;
        let whole = |hex: &str| hex.len() == DIGITS && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match (button.names_a_plan(), hex) {
            (true, Some(hex)) if whole(hex) => Some((button, Some(format!("{PREFIX}{hex}")))),
            (false, None) => Some((button, None)),
            _ => None,
        }
    }

    /// What the press asks for.
    pub fn action(self, digest: Option<String>, on: &On<'_>) -> Action {
        let said = |said| {
            let at = Where::Run(on.run.clone());
            Action::Approve(Approve { repo: on.repo.clone(), at, digest, said, asked_at: on.pressed_at })
        };
        let steer = |verb| Action::Control(Control { run: on.run.clone(), verb, reason: Some(WHY.to_owned()) });
        match self {
            Self::Approve => said(Said::Approved),
            Self::Reject => said(Said::Rejected { reason: WHY.to_owned() }),
            Self::Cancel | Self::Back => steer(Verb::Abort),
            Self::Promote => steer(Verb::Promote),
            Self::Extend => steer(Verb::Pause),
            Self::Retry => Action::Deploy(Deploy {
                environment: on.environment.clone(),
                repo: on.repo.clone(),
                git_ref: Some(on.tag.map_or_else(|| on.sha.to_string(), ToString::to_string)),
                from: None,
                strategy: None,
                reason: None,
                overriding: None,
                wait: false,
                dry_run: false,
            }),
            Self::RollBack => Action::Rollback(Rollback {
                environment: on.environment.clone(),
                repo: on.repo.clone(),
                to: None,
                reason: WHY.to_owned(),
                dry_run: false,
            }),
            Self::Lock => Action::Lock(Lock {
                environment: Some(on.environment.clone()),
                repo: on.repo.clone(),
                reason: Some(WHY.to_owned()),
                lasting: None,
                all: false,
                pull: None,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn what_stands_on_a_button_fits_and_is_read_again() {
        for button in Button::ALL {
            let CheckAction { label, description, identifier } = button.shown(DIGEST);
            assert!(label.len() <= 20 && description.len() <= 40 && identifier.len() <= 20, "{button:?}");
            let digest = button.names_a_plan().then(|| "sha256:0123456789ab".to_owned());
            assert_eq!(Button::parse(&identifier), Some((button, digest)));
        }
    }

    #[test]
    fn what_stands_on_no_button_is_nothing() {
        for odd in [
            "",
            "approve",
            "approve:",
            "approve:0123456789AB",
            "approve:0123456789abc",
            "cancel:0123456789ab",
            "deploy",
            "rollback:0123456789ab",
            "approve:é123456789a",
        ] {
            assert_eq!(Button::parse(odd), None, "{odd}");
        }
    }
}
