//! Makes the calls of runs: observe → already true? → act → answer. One file for each area of effects.
//!
//! Invariants: a call that was tried before (`first` is false) looks for its own earlier work before it acts, by the run's
//! id in the body, `external_id` or payload; what GitHub refuses becomes the workflow's to answer, what may pass later the
//! host's to retry.

mod attestations;
mod checks;
mod deployments;
mod dispatches;
mod environments;
mod errands;
mod measure;
mod mirrors;
mod notes;
mod peers;
mod press;
mod probe;
mod protection;
mod pulls;
mod reads;
mod releases;
mod talk;
mod traffic;

pub(super) use errands::errand_of;

pub use dispatches::Tries;

use crate::config::settings::{CommandPrefix, Resources};
use crate::domain::{Millis, Refusal, RepoRef};
use crate::engine::host::{Clock, Executor, Host, StepCtx, StepError};
use crate::github::{GitHub, Installation, RecheckAsk, Trouble, stepping_aside};
use crate::peers::Peers;
use crate::plan::Call;
use crate::probes::prometheus::Prometheus;
use crate::probes::{Caller, Prober};
use crate::store::{Store, StoreError};
use crate::targets::command::Masker;
use crate::targets::sign::OwnHooks;
use crate::workflow::{deploy, look};
use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How often a look is tried.
const LOOKS: u32 = 3;
const MOMENT: Duration = Duration::from_secs(3);
/// How long one try of what only tells how far it is may take.
const PASSING: Duration = Duration::from_secs(5);

/// What an attempt ends with.
type Done = Result<Value, StepError>;

/// Everything that calls need.
pub struct Steps {
    pub github: GitHub,
    pub store: Store,
    pub prober: Prober,
    /// Our own program, which renders notes in a child process.
    pub program: PathBuf,
    /// What commands in comments begin with.
    pub prefix: CommandPrefix,
    /// Where people see repositories, without a slash at its end: `https://github.com`.
    pub site: String,
    /// Nothing outside is asked: health checks count as passed.
    pub rehearsal: bool,
    pub clock: Clock,
    /// Set once the host that makes these calls has started.
    pub host: Arc<OnceLock<Host>>,
    /// What the operator lends to repositories.
    pub resources: Resources,
    pub caller: Caller,
    /// Folder of the locks that keep an environment's commands apart.
    pub locks: PathBuf,
    /// Where deployers report, if we can be reached.
    pub public_url: Option<String>,
    pub own_hooks: OwnHooks,
    pub prometheus: Prometheus,
    pub peers: Peers,
    /// Ours, to be hidden in what commands say.
    pub secrets: Masker,
    /// Notes that may be rendered at once; each takes a processor and up to 512 MB.
    pub renders: Semaphore,
    /// Commands that may run at once.
    pub commands: Semaphore,
    /// What this process knows of workflows that it tries to start.
    pub tries: Tries,
}

/// Commands are processes of the operator's machine: no more of those that bring versions up and move users run at once.
pub const COMMANDS: usize = 32;

impl Executor for Steps {
    fn execute(&self, ctx: StepCtx, call: Value) -> BoxFuture<'_, Done> {
        let place = ctx.place.clone();
        Box::pin(stepping_aside(Arc::new(move || place.try_step_aside()), async move {
            let call: Call = serde_json::from_value(call).map_err(|why| {
                let text = format!("The stored call of step {} cannot be read: {why}.", ctx.step);
                StepError::Fail(Refusal::us("call_unreadable", text))
            })?;
            let (passing, ctx, call) = unwrapped(ctx, call);
            if passing {
                let made = timeout(PASSING, self.make(&ctx, call)).await.unwrap_or_else(|_| Err(not_taken()));
                return made.map_err(|why| soon(&ctx, why));
            }
            let made = self.make(&ctx, call).await;
            made.map_err(|why| if somebody_waits(&ctx) { soon(&ctx, why) } else { mirrors::patience(&ctx, why) })
        }))
    }
}

/// What is to be done, and whether it may be given up.
fn unwrapped(mut ctx: StepCtx, mut call: Call) -> (bool, StepCtx, Call) {
    let mut passing = false;
    loop {
        call = match call {
            Call::Passing { what } => {
                passing = true;
                *what
            }
            Call::Sought { what } => {
                ctx.first = false;
                *what
            }
            call => return (passing, ctx, call),
        };
    }
}

fn not_taken() -> StepError {
    let text = format!("GitHub did not take it within {} seconds.", PASSING.as_secs());
    StepError::Fail(Refusal::world("github_slow", text, "Nothing: what is said later says more."))
}

impl Steps {
    async fn make(&self, ctx: &StepCtx, call: Call) -> Done {
        match call {
            Call::ReadCommit { repo, tag, sha } => self.read_commit(ctx, &repo, tag.as_ref(), sha.as_ref()).await,
            Call::ReadGiven { repo, sha, given } => self.read_given(ctx, &repo, &sha, given).await,
            Call::ReadHeads { pull } => self.read_heads(ctx, pull).await,
            Call::ReadPull { repo, pull, sha } => self.read_pull(ctx, &repo, pull, sha.as_ref()).await,
            Call::ReadMove { repo, branch, sha } => self.read_move(&repo, &branch, &sha).await,
            Call::ReadSettings { repo, sha } => self.read_settings(&repo, &sha).await,
            Call::Recheck { repo, tag, sha, base, authors, folder } => {
                let (tag, sha, base, folder) = (tag.as_ref(), &sha, base.as_ref(), folder.as_ref());
                self.recheck(&repo, RecheckAsk { tag, sha, base, authors: &authors, folder }).await
            }
            Call::ReadBranches { repo, sha, globs } => self.read_branches(&repo, &sha, &globs).await,
            Call::IsLocked { key } => self.is_locked(ctx, key).await,
            Call::IsKeyGood { number } => self.is_key_good(number).await,
            Call::IsEnvironmentKnown { repo, environment } => self.is_environment_known(repo, environment).await,
            Call::ReadRange { repo, candidates, head } => self.read_range(&repo, &candidates, &head).await,
            Call::RenderNotes(call) => self.render_notes(ctx, call).await,
            Call::CheckRun(call) => self.check_run(ctx, call).await,
            Call::CreateDraft(call) => self.create_draft(ctx, call).await,
            Call::Publish(call) => self.publish(ctx, call).await,
            Call::DeleteDraft { repo, release } => self.delete_draft(&repo, release).await,
            Call::CreateDeployment(call) => self.create_deployment(ctx, call).await,
            Call::DeploymentStatus(call) => self.deployment_status(ctx, call).await,
            Call::ReadMerged { repo, base, head, most } => self.read_merged(&repo, base.as_ref(), &head, most).await,
            Call::ReadMergesOf { repo, head } => self.read_merges_of(&repo, &head).await,
            Call::Mirror(call) => self.mirror(ctx, call).await,
            Call::ReadMirrors { place } => self.read_mirrors(place).await,
            Call::ForgetMirror { place, deployment } => self.forget_mirror(place, deployment).await,
            Call::ReadAwaiting { repo, workflow_run, sha, environment } => {
                self.read_awaiting(&repo, workflow_run, &sha, &environment).await
            }
            Call::ReadStarter { workflow_run, environment } => self.read_starter(ctx, workflow_run, environment).await,
            Call::ReviewJob(call) => self.review_job(ctx, &call).await,
            Call::ReadStatuses { repo, deployment } => self.read_statuses(&repo, deployment).await,
            Call::IsTeamMember { repo, team, login } => self.is_team_member(&repo, &team, &login).await,
            Call::Dispatch { repo, workflow, git_ref, sha, inputs, offered, healthy_until, stoppable } => {
                let (repo, workflow, git_ref, sha) = (&repo, &workflow, &git_ref, &sha);
                let ask = dispatches::Dispatch { repo, workflow, git_ref, sha, inputs, offered, healthy_until, stoppable };
                self.dispatch(ctx, ask).await
            }
            Call::ReadWorkflowRun { repo, workflow_run } => self.read_workflow_run(ctx, &repo, workflow_run).await,
            Call::CancelWorkflowRun { repo, workflow_run } => self.cancel_workflow_run(&repo, workflow_run).await,
            Call::ReadEnvironment { place, earlier } => self.read_environment(ctx, place, earlier).await,
            Call::Compare { repo, base, head } => self.compare(&repo, &base, &head).await,
            Call::Land(call) => self.land(call).await,
            Call::CarryOut(call) => self.carry_out(ctx, &call).await,
            Call::FollowErrand { errand, ticket } => self.follow_errand(ctx, &errand, ticket).await,
            Call::Unland { place, lease, at } => self.unland(place, lease, at).await,
            Call::ObserveTraffic(call) => self.observe_traffic(ctx, &call).await,
            Call::Shift { traffic, slot, percent, healthy_until } => {
                self.shift(ctx, &traffic, (slot, percent), healthy_until).await
            }
            Call::Keep { traffic, slot, percent } => self.keep(ctx, &traffic, slot, percent).await,
            Call::Drain { traffic, slot, limit } => self.drain(ctx, &traffic, slot, limit).await,
            Call::CountTraffic(call) => self.count_traffic(ctx, &call).await,
            Call::Measure(call) => self.measure(&call).await,
            Call::MarkBad { place, sha } => self.mark_bad(place, sha).await,
            Call::PlaceHold(new) => self.place_hold(new).await,
            Call::EndHolds { holds, by, why } => self.end_holds(holds, by, why).await,
            Call::ReadArtifacts { repo, release } => self.read_artifacts(&repo, release).await,
            Call::ReadAttestations { repo, digests } => self.read_attestations(&repo, &digests).await,
            Call::AskService(call) => self.ask_service(call).await,
            Call::AskPeer(call) => self.ask_peer(ctx, call).await,
            Call::ReadConfiguration(call) => self.read_configuration(ctx, call).await,
            Call::Probe(call) => self.probe(call).await,
            call => self.make_for_people(ctx, call).await,
        }
    }

    /// What people have said, and what they are told.
    async fn make_for_people(&self, ctx: &StepCtx, call: Call) -> Done {
        match call {
            Call::Press { run, identifier, by, pressed_at } => {
                self.press(ctx, press::Press { run, identifier, by, pressed_at }).await
            }
            Call::React { repo, comment, content } => self.react(&repo, comment, &content).await,
            Call::ReadRole { repo, account, login } => self.read_role(&repo, account, &login).await,
            Call::Reply(call) => self.reply(ctx, call).await,
            Call::Look { action, actor } => self.look(ctx, action, actor).await,
            Call::Act { ask, by, said_at, pull } => self.act(ctx, ask, by, talk::Said { at: said_at, pull }).await,
            Call::TurnedAway { ask, actor, refusal } => self.turned_away(ctx, ask, actor, refusal).await,
            Call::Start { action, input, plan, by } => self.start(ctx, action, input, *plan, by).await,
            Call::Why { about } => self.why(ctx, about).await,
            // Whoever holds another call has been opened before.
            _ => Err(StepError::Fail(Refusal::us("call_unanswered", "Nobody answers this call."))),
        }
    }

    /// What has not begun does not begin once the run is asked to stop.
    async fn still_wanted(&self, ctx: &StepCtx) -> Result<(), StepError> {
        let Some(host) = self.host.get() else { return Ok(()) };
        match host.asked_to_stop(&ctx.run).await.map_err(stored)? {
            Some(reason) => Err(StepError::Fail(deploy::cancelled(&reason))),
            None => Ok(()),
        }
    }

    fn now(&self) -> Millis {
        (self.clock)()
    }

    fn at(&self, repo: &RepoRef) -> Installation {
        self.github.installation(repo.installation)
    }
}

/// Somebody waits at a door for the answer of a look.
fn somebody_waits(ctx: &StepCtx) -> bool {
    ctx.workflow == look::WORKFLOW.name
}

/// Trouble that does not pass within moments is told, not waited for.
fn soon(ctx: &StepCtx, why: StepError) -> StepError {
    match why {
        StepError::Retry { after, refusal } | StepError::Untried { after, refusal }
            if ctx.attempt >= LOOKS || after.is_some_and(|time| time > MOMENT) =>
        {
            StepError::Fail(refusal)
        }
        other => other,
    }
}

fn answer(value: &impl Serialize) -> Done {
    serde_json::to_value(value)
        .map_err(|why| StepError::Fail(Refusal::us("answer_unwritable", format!("An answer cannot be stored: {why}."))))
}

/// Whether GitHub's trouble is the host's (again later) or the workflow's.
fn trouble(trouble: Trouble) -> StepError {
    let (again, after) = (trouble.is_retryable(), trouble.after());
    let refusal = Refusal::from(trouble);
    if again { StepError::Retry { after, refusal } } else { StepError::Fail(refusal) }
}

/// As [`trouble`], for the one call of a step that makes something.
fn unmade(trouble: Trouble) -> StepError {
    let nothing = trouble.made_nothing();
    match self::trouble(trouble) {
        StepError::Retry { after, refusal } if nothing => StepError::Untried { after, refusal },
        other => other,
    }
}

fn stored(why: StoreError) -> StepError {
    let text = format!("Our own store could not answer: {why}.");
    StepError::Retry {
        after: None,
        refusal: Refusal::operator("store_unavailable", text, "Look at the server's disk and log."),
    }
}
