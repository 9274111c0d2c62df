//! "Released in v1.2.3" on the pull requests that a release has brought, where the repository asks for it. It begins when the
//! release is out, and nothing waits for it.
//!
//! Invariants: one comment for each pull request and release, whatever crashes; what one pull request is refused, the others
//! are not; half of what the App may make in a minute is left to everything else.
//!
//! Known race: a release that somebody deletes meanwhile goes on being told.

use super::mirror::Skipped;
use super::report::{Outcome, State};
use crate::domain::{Blame, MergedPulls, Millis, RepoRef, Sha, Tag};
use crate::flow::{Flow, StepFailure, Stop, Turn, Workflow};
use crate::plan::{Call, Replied, ReplyCall};
use crate::render::reply;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashSet;

pub const WORKFLOW: Workflow = Workflow { name: "released", version: 1, run };

/// Pull requests that one release tells: the newest.
pub const MOST: usize = 300;
/// Our comments are looked for from so long before the release was asked for, in milliseconds: clocks differ.
const CLOCKS_DIFFER: i64 = 24 * 3_600 * 1_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    pub repo: RepoRef,
    pub tag: Tag,
    /// Where people see the release.
    pub url: String,
    /// When the release was asked for.
    pub asked_at: Millis,
    pub pulls: Pulls,
}

/// Which pull requests the release has brought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pulls {
    /// GitHub has said so when the range was read; newest first.
    Known(Vec<u64>),
    /// The range was read where commits speak for themselves, and a commit says what it likes: GitHub is asked for all of them
    /// at once.
    Between {
        base: Sha,
        head: Sha,
        /// Commits that are not of the component are left out: what the others say they belong to.
        only: Option<Vec<u64>>,
    },
}

/// How it ended, for the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    #[serde(flatten)]
    pub outcome: Outcome,
    #[serde(flatten)]
    pub done: Done,
    /// Why there may be more pull requests than these.
    pub cut: Option<String>,
}

/// Pull requests by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    pub told: Vec<u64>,
    /// With what GitHub said: one whose conversation is locked, for example.
    pub skipped: Vec<Skipped>,
    /// Why the rest was not told any more.
    pub ended: Option<String>,
}

impl Input {
    /// The natural key: once for each tag.
    pub fn key(&self) -> String {
        format!("released:{}:{}", self.repo.id, self.tag)
    }
}

fn run(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
    let input: Input = super::read_input(input)?;
    let (pulls, cut) = input.pulls(f)?;
    let done = f.fold(
        "pulls",
        || (0, Done::default()),
        |f, (at, mut done): (usize, Done)| {
            let Some(pull) = pulls.get(at) else { return Ok(Turn::End(done)) };
            if let Some(reason) = f.cancelled("stopped")? {
                done.ended = Some(reason);
                return Ok(Turn::End(done));
            }
            let told: Result<Replied, StepFailure> = f.try_step("told", &input.telling(*pull))?;
            match told {
                Ok(_) => done.told.push(*pull),
                // It is about the App, not about this pull request: nobody else would be told either.
                Err(failure) if failure.refusal.blame == Blame::Operator => {
                    done.ended = Some(failure.refusal.code);
                    return Ok(Turn::End(done));
                }
                Err(failure) => done.skipped.push(Skipped { pull: *pull, code: failure.refusal.code }),
            }
            Ok(Turn::Next((at + 1, done)))
        },
    )?;
    let state = if done.told.is_empty() { State::Nothing } else { State::Succeeded };
    f.finish(&Report { outcome: Outcome::new(state), done, cut })
}

impl Input {
    fn pulls(&self, f: &mut Flow) -> Result<(Vec<u64>, Option<String>), Stop> {
        let (base, head, only) = match &self.pulls {
            Pulls::Known(pulls) => return Ok((pulls.iter().copied().take(MOST).collect(), left_out(pulls.len()))),
            Pulls::Between { base, head, only } => (base, head, only),
        };
        let call = Call::ReadMerged { repo: self.repo.clone(), base: Some(base.clone()), head: head.clone(), most: MOST };
        let found: MergedPulls = f.step("merged", &call)?;
        let only: Option<HashSet<u64>> = only.as_ref().map(|only| only.iter().copied().collect());
        let wanted = |number: &u64| only.as_ref().is_none_or(|only| only.contains(number));
        Ok((found.pulls.into_iter().map(|pull| pull.number).filter(wanted).collect(), found.cut))
    }

    fn telling(&self, pull: u64) -> Call {
        Call::Reply(ReplyCall {
            repo: self.repo.clone(),
            pull,
            body: reply::part_of(self.tag.as_str(), &self.url),
            since: Millis(self.asked_at.0.saturating_sub(CLOCKS_DIFFER)),
            follows: false,
            spare: true,
        })
    }
}

/// Why not all of so many pull requests are told.
pub fn left_out(all: usize) -> Option<String> {
    (all > MOST).then(|| format!("Only the newest {MOST} of {all} pull requests are told of the release."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{InstallationId, RepoId, RepoName};
    use crate::flow::{Command, Message, State as Flowing, advance};
    use serde_json::json;

    /// Runs it to its end while GitHub takes every comment: the pull requests in the order of their comments, and the report.
    fn told(pulls: Vec<u64>) -> (Vec<u64>, Value) {
        let repo = RepoRef { id: RepoId(1), installation: InstallationId(1), name: RepoName::parse("acme/shop").unwrap() };
        let (tag, url) = (Tag::parse("v1.1.0").unwrap(), "https://github.com/acme/shop/releases/tag/v1.1.0".to_owned());
        let input = Input { repo, tag, url, asked_at: Millis(0), pulls: Pulls::Known(pulls) };
        let mut state = Flowing::new(serde_json::to_value(input).unwrap(), WORKFLOW.version);
        let (mut message, mut told) = (Message::Start, Vec::new());
        loop {
            let commands = advance(&mut state, message, Millis(1), run).commands;
            let call = commands.into_iter().find_map(|command| match command {
                Command::Call { name, call } => Some((name, call)),
                _ => None,
            });
            let Some((name, call)) = call else { break };
            told.push(call["pull"].as_u64().unwrap());
            message = Message::Done { name, result: Ok(json!({ "id": 1, "url": "" })) };
        }
        let Some(crate::flow::Outcome::Finished(report)) = state.outcome else { panic!("{:?}", state.outcome) };
        (told, report)
    }

    #[test]
    fn a_great_release_tells_its_newest_pull_requests_and_says_that_there_are_more() {
        let all: Vec<u64> = (1..=350).rev().collect();
        let (pulls, report) = told(all.clone());
        assert_eq!(pulls, all[..300]);
        assert_eq!(report["cut"], "Only the newest 300 of 350 pull requests are told of the release.");
        assert_eq!(told(all[..300].to_vec()).1["cut"], Value::Null);
    }
}
