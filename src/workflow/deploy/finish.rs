//! How a deployment that had its turn ends: what is said, what is held back, who is told.
//!
//! Invariant: an environment whose state nobody knows, or whose way back failed, is left locked.

use super::drive::{Drive, So};
use super::end::Ending;
use super::leg::{Leg, status_of, what};
use super::page::{Shown, sheet, with_buttons};
use crate::actions::button::Button;
use crate::actions::rollback;
use crate::domain::{Actor, Ancestry, HoldKind, LedgerEntry, NewHold, Refusal, Sha, Standing};
use crate::flow::{Flow, StepFailure, Stop};
use crate::plan::{Call, CheckOutcome};
use crate::render::check::Stage;
use crate::rollout::machine::End;
use crate::workflow::mirror;
use crate::workflow::report::{Outcome, State};
use crate::workflow::reviews;
use serde_json::Value;

impl Drive<'_> {
    pub(super) fn end(&self, f: &mut Flow, shown: &mut Shown, end: End, so: So) -> Result<Outcome, Stop> {
        let (name, environment) = (what(&self.leg.subject), self.this.input.environment.as_str());
        let why = so.refusal.clone().unwrap_or_else(|| Refusal::us("undecided", "Nobody can say how the deployment ended."));
        let (state, refusal) = match end {
            End::Succeeded => return self.succeeded(f, shown, so),
            End::Failed => (State::Failed, if so.stays { self.nothing_was_put_back(why) } else { why }),
            End::Cancelled => (State::Cancelled, if so.stays { self.nothing_was_put_back(why) } else { why }),
            End::RolledBack => {
                self.hold(f, HoldKind::Hold, &format!("{name} was rolled back: {}", why.message))?;
                let back = so.back.as_ref().or_else(|| self.slots.and(self.record.live()));
                let to = back.map_or_else(|| "the version before".to_owned(), rollback::name);
                let text = format!("{} {to} is live again in {environment}.", why.message);
                (State::RolledBack, Refusal { message: text, ..why })
            }
            End::RollbackFailed => {
                self.hold(f, HoldKind::Lock, &format!("the rollback of {name} failed"))?;
                let text = format!("{} The way back failed too; {environment} is locked.", why.message);
                let fix =
                    format!("Look at {environment} by hand, then `lockkeeper unlock {environment} --reason …`. {}", why.fix);
                (State::RollbackFailed, Refusal { message: text, fix, ..why })
            }
            End::HaltedForward => {
                let because = if so.old_is_dead { "the old copy is not healthy" } else { "rollback = \"forbidden\"" };
                let text = format!("{} Nothing was put back in {environment}: {because}.", why.message);
                let (shares, how) = if so.old_is_dead {
                    self.settle_forward(f, shown)?;
                    (String::new(), "Fix forward: deploy a version that is mended.".to_owned())
                } else {
                    self.left_shared(so.share)
                };
                (State::HaltedForward, Refusal { message: text + &shares, fix: format!("{how} {}", why.fix), ..why })
            }
            End::Indeterminate => {
                self.hold(f, HoldKind::Lock, &format!("nobody can say whether {name} runs"))?;
                let text = format!("{} Nobody can say what runs in {environment}, so it is locked.", why.message);
                let fix = format!("Look at {environment} by hand, then `lockkeeper unlock {environment} --reason …`.");
                (State::Indeterminate, Refusal { message: text, fix, ..why })
            }
        };
        let outcome = Ending { state, refusal, verdicts: self.verdicts }.report(f, self.this.input, shown)?;
        if end == End::RolledBack && so.left {
            self.retire(f, shown, &self.leg, "retire.")?;
        }
        Ok(outcome)
    }

    /// Nobody but a person can decide what happens now, so it says that users are where they are, and how to go back.
    fn nothing_was_put_back(&self, why: Refusal) -> Refusal {
        let environment = self.this.input.environment.as_str();
        let (because, fix) = if self.rules().previous {
            let back =
                format!("Go back with `lockkeeper rollback {environment} --reason …`, or deploy a version that is mended.");
            ("rollback = \"manual\"", back)
        } else {
            ("there is no version to go back to", "Deploy a version that is mended.".to_owned())
        };
        let message = format!("{} Nothing was put back in {environment}: {because}.", why.message);
        Refusal { message, fix: format!("{fix} {}", why.fix), ..why }
    }

    /// Who goes back by hand leaves a version that shall not come again by itself: neither with the next merge or tag that
    /// contains it, nor as what the next rollback goes back to.
    ///
    /// False when it is a newer version that was gone back to.
    fn hold_what_was_left(&self, f: &mut Flow) -> Result<bool, Stop> {
        let (input, to) = (self.this.input, &self.leg.subject.sha);
        let Some(left) = self.record.live().filter(|live| live.sha != *to) else { return Ok(true) };
        let compare = Call::Compare { repo: input.repo.clone(), base: left.sha.clone(), head: to.clone() };
        let standing: Result<Standing, StepFailure> = f.try_step("hold.order", &compare)?;
        // A newer version that was good before: what is left is in it, and was not what was bad.
        if matches!(standing, Ok(Standing::Ahead)) {
            return Ok(false);
        }
        f.step::<Value>("mark_bad", &Call::MarkBad { place: input.place(), sha: left.sha.clone() })?;
        let why = input.reason.as_deref().unwrap_or("no reason was given");
        self.place_hold(f, HoldKind::Hold, &format!("{} was rolled back by hand: {why}", rollback::name(left)), &left.sha)?;
        Ok(true)
    }

    fn hold(&self, f: &mut Flow, kind: HoldKind, reason: &str) -> Result<(), Stop> {
        self.place_hold(f, kind, reason, &self.leg.subject.sha)
    }

    fn place_hold(&self, f: &mut Flow, kind: HoldKind, reason: &str, sha: &Sha) -> Result<(), Stop> {
        let now = f.now();
        let since = f.record("hold.at", || now)?;
        let input = self.this.input;
        let by_hand = input.rollback && kind == HoldKind::Hold;
        f.step(
            "hold",
            &Call::PlaceHold(NewHold {
                repo: input.repo.id,
                environment: input.environment.clone(),
                kind,
                owner: if by_hand { input.actor.clone() } else { Actor::schedule() },
                reason: crate::render::line(reason, 200),
                sha: (kind == HoldKind::Hold).then(|| sha.clone()),
                run: Some(self.this.run_id().clone()),
                since,
                until: None,
                pull: None,
            }),
        )
    }

    fn succeeded(&self, f: &mut Flow, shown: &mut Shown, so: So) -> Result<Outcome, Stop> {
        let (this, input) = (self.this, self.this.input);
        let back = input.rollback && self.hold_what_was_left(f)?;
        this.end_holds(f, &self.over)?;
        let text = format!("{} is live", what(&self.leg.subject));
        self.leg.status(f, input, "status.success", "success", &text, so.url.clone())?;
        self.retire_previous(f, &self.leg)?;
        // Of what came here as a way back nothing is taken back by a button.
        let goes_back = self.rules().previous && !input.rollback;
        let buttons: &[Button] = if goes_back { &[Button::RollBack, Button::Lock] } else { &[Button::Lock] };
        let live = |shown: &Shown| {
            let mut page = sheet(input, Stage::Live, None, self.verdicts, &shown.progress);
            page.url = so.url.as_deref();
            with_buttons(input, shown, Some(CheckOutcome::Success), page.text(), this.buttons(buttons))
        };
        let call = live(shown);
        shown.say(f, "check", call)?;
        self.mirror(f, back, so.url.clone())?;
        // That it still runs is worth a second word, that it does not is not.
        if let Some(old) = self.old_leg().filter(|_| so.left)
            && self.retire(f, shown, &old, "retire.old.")?
        {
            let call = live(shown).passing();
            shown.say(f, "check.owed", call)?;
        }
        let mut outcome = Outcome::new(State::Succeeded).at(&this.input.subject.sha);
        outcome.version = this.input.subject.version.clone();
        outcome.url = so.url;
        Ok(outcome)
    }

    /// Merged pull requests show it, in a run of its own that nobody waits for.
    fn mirror(&self, f: &mut Flow, back: bool, url: Option<String>) -> Result<(), Stop> {
        let (this, input, subject) = (self.this, self.this.input, &self.leg.subject);
        let was_good = |entry: &&LedgerEntry| entry.good;
        let before = if back { self.record.live() } else { self.record.history.iter().find(was_good) };
        let before = before.map(|entry| entry.sha.clone());
        // What was shown is taken back also where nothing is shown any more.
        if before.as_ref() == Some(&subject.sha) || !back && !this.environment.mirrors(this.target) {
            return Ok(());
        }
        if !back && before.as_ref().is_some_and(|before| self.brings_no_merge(before)) {
            return Ok(());
        }
        let child = mirror::Input {
            repo: input.repo.clone(),
            environment: input.environment.clone(),
            sha: subject.sha.clone(),
            name: what(subject),
            before,
            of: this.run_id().clone(),
            deployment: self.leg.deployment,
            plan: this.plan.digest.to_string(),
            production: this.environment.is_production(),
            url,
            what: if back { mirror::What::TakesBack } else { mirror::What::Shows },
        };
        f.spawn("mirror", mirror::WORKFLOW.name, &child.key(), &child)
    }

    /// The head of a pull request brings its own commits; others have been merged into it only where what was read says so.
    /// Of a merge itself GitHub may not have known then what had brought it.
    fn brings_no_merge(&self, before: &Sha) -> bool {
        let (facts, head) = (&self.this.ground.facts, &self.leg.subject.sha);
        let known = facts.on_default_branch == Some(Ancestry::NotContained) && facts.history.iter().any(|c| c.sha == *before);
        known && reviews::brought(&facts.history, head, Some(before)).iter().all(|commit| commit.pull_request.is_none())
    }

    /// GitHub marks the deployment before this one inactive by itself, except in production. One that failed has said so
    /// already, and nothing else.
    pub(super) fn retire_previous(&self, f: &mut Flow, leg: &Leg) -> Result<(), Stop> {
        // Without one of its own it would be the one before itself.
        if leg.deployment.is_none() {
            return Ok(());
        }
        let before = self.record.history.iter().find(|entry| entry.good).and_then(|entry| entry.deployment);
        match before.filter(|id| self.this.environment.is_production() && Some(*id) != leg.deployment) {
            Some(id) => {
                let text = format!("{} took its place", what(&leg.subject));
                status_of(f, &leg.step("status.previous"), self.this.input, id, "inactive", &text, None)
            }
            None => Ok(()),
        }
    }
}
