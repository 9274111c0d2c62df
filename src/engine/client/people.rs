//! Who may do something in an environment, and steering a deployment that goes on: the audit row is in the same transaction.

use super::Client;
use crate::actions::Action;
use crate::actions::access::{About, Caller, Rights, Through};
use crate::actions::agents;
use crate::actions::authority::{self, Standing};
use crate::actions::control::{Control, Verb};
use crate::actions::outcome::{Outcome, Steered};
use crate::config::repo::RepoConfig;
use crate::domain::{Actor, ActorKind, EnvName, Millis, Refusal, RepoId, RepoRef, Role, RunId};
use crate::engine::known;
use crate::store::locks::{self, Place};
use crate::store::runs::{self, Run, RunState};
use crate::store::signals::{self, Signal};
use crate::store::steps::{self, PENDING, Step};
use crate::store::{Rx, StoreError, Tx};
use crate::workflow::{comment, deploy};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// GitHub tells the time of a comment in whole seconds.
pub(super) const SECOND: Duration = Duration::from_secs(1);

impl Client {
    /// Whether the environment's own rule lets a person who has asked in a comment. A team that cannot be read has no members.
    pub(super) async fn is_named(&self, repo: &RepoRef, name: &EnvName, caller: &Caller) -> Result<(), Refusal> {
        let at = repo.clone();
        let config = self.read(move |rx| known::settings(rx, &at)).await?;
        self.is_named_in(config, repo, name, caller).await
    }

    /// The same by settings that were read for what it is about. Where nobody knows the rule nobody is let in.
    async fn is_named_in(
        &self,
        config: Option<RepoConfig>,
        repo: &RepoRef,
        name: &EnvName,
        caller: &Caller,
    ) -> Result<(), Refusal> {
        let role = match (&caller.rights, caller.actor.kind) {
            (Rights::In { role, .. } | Rights::Through(Some(Through { role, .. })), _) => *role,
            (Rights::Through(None), _) => Role::None,
            // The role of the one whom an agent acts for has not been read.
            (Rights::Only(_), ActorKind::Agent) => Role::None,
            (Rights::Only(_) | Rights::All, _) => return Ok(()),
        };
        let config = config.ok_or_else(|| rule_unknown(name.as_str()))?;
        let who = config.environment(name).and_then(|environment| environment.who.clone());
        let actor = &caller.actor;
        let teams = match authority::standing(who.as_deref(), actor, role) {
            Standing::Allowed => return Ok(()),
            Standing::Stranger => return Err(authority::not_named(name)),
            Standing::IfMember(teams) => teams,
        };
        let (theirs, unread) = self.teams_of(actor, repo, &teams, 1).await;
        if theirs.is_empty() { Err(unread.unwrap_or_else(|| authority::not_named(name))) } else { Ok(()) }
    }

    /// Of these teams those that they are a member of, at most so many, and why one of them could not be read.
    pub(super) async fn teams_of(
        &self,
        actor: &Actor,
        repo: &RepoRef,
        teams: &[String],
        most: usize,
    ) -> (Vec<String>, Option<Refusal>) {
        let github = self.github.installation(repo.installation);
        let (mut theirs, mut unread) = (Vec::new(), None);
        for team in teams {
            if theirs.len() >= most {
                break;
            }
            match github.is_team_member(repo.name.owner(), team, &actor.login).await {
                Ok(true) => theirs.push(team.clone()),
                Ok(false) => {}
                Err(why) => unread = Some(Refusal::from(why)),
            }
        }
        (theirs, unread)
    }

    /// With the repository that the run is about, where there is such a run.
    pub(super) async fn steer(
        &self,
        action: &Action,
        ask: &Control,
        caller: &Caller,
    ) -> (Option<RepoRef>, Result<Outcome, Refusal>) {
        let wanted = ask.run.clone();
        let run = match self.read(move |rx| runs::get(rx, &wanted)).await {
            Err(refusal) => return (None, Err(refusal)),
            Ok(run) => run,
        };
        // What a run is about never changes.
        let repo = run.as_ref().map(|run| run.subject.repo.clone());
        let environment = run.as_ref().and_then(|run| run.subject.environment.clone());
        let about = About { repo: repo.as_ref().map(|repo| repo.id), environment: environment.as_ref() };
        let known = match (caller.may(action, about), &run) {
            (Err(refusal), _) => Err(refusal),
            (Ok(()), None) => Err(no_run()),
            (Ok(()), Some(run)) if run.workflow != deploy::WORKFLOW.name => Err(no_deployment()),
            (Ok(()), Some(_)) => Ok(()),
        };
        if let Err(refusal) = known {
            return (repo, Err(refusal));
        }
        // Whoever may write may stop users from being moved.
        let moves = matches!(ask.verb, Verb::Resume | Verb::Promote);
        if let (true, Some(at), Some(place)) = (moves, &repo, &environment) {
            let wanted = ask.run.clone();
            let named = match self.read(move |rx| known::of_run(rx, &wanted)).await {
                Ok(config) => match steers(config.as_ref(), place, &caller.actor) {
                    Ok(()) => self.is_named_in(config, at, place, caller).await,
                    Err(refusal) => Err(refusal),
                },
                Err(refusal) => Err(refusal),
            };
            if let Err(refusal) = named {
                return (repo, Err(refusal));
            }
        }
        let (client, ask, actor) = (self.clone(), ask.clone(), caller.actor.clone());
        let work = move |tx: &Tx<'_>| {
            if runs::get(tx, &ask.run)?.is_none_or(|run| run.state != RunState::Active) {
                return Ok(Err(over()));
            }
            if let Err(refusal) = traces(tx, &ask.run)?.hear(ask.verb) {
                return Ok(Err(refusal));
            }
            client.tell(tx, &ask.run, &ask, &actor)?;
            Ok(Ok(Outcome::Steered(Steered { run: ask.run, verb: ask.verb, environment })))
        };
        let done = self.decided(action, &caller.actor, repo.as_ref(), work).await;
        (repo, done)
    }

    /// As [`Client::act`] for a control, by the place of what goes on: its environment, its run, or the only one that there is.
    /// What began after it was said, by our clock, is not meant.
    ///
    /// # Errors
    /// `nothing_goes_on`, `which_deployment`, and those of steering.
    pub async fn steer_at(
        &self,
        verb: Verb,
        at: Option<String>,
        reason: Option<String>,
        (caller, said_at): (&Caller, Millis),
    ) -> Result<Outcome, Refusal> {
        let Some(repo) = caller.only_repo() else { return Err(no_run()) };
        let wanted = at.clone();
        let found = self.read(move |rx| going_on(rx, repo, wanted.as_deref(), said_at)).await.and_then(|found| found);
        match found {
            Ok(run) => self.act(Action::Control(Control { run, verb, reason }), caller).await,
            Err(refusal) => {
                let detail = json!({ "action": "control", "verb": verb, "at": at, "reason": reason });
                let client = Self { once: None, ..self.clone() };
                client.refused("control", detail, &caller.actor, repo, &refusal).await?;
                Err(refusal)
            }
        }
    }

    fn tell(&self, tx: &Tx<'_>, run: &RunId, ask: &Control, actor: &Actor) -> Result<(), StoreError> {
        let said = ask.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let reason: String = format!("{} asked for it{said}", actor.login).chars().take(200).collect();
        match ask.verb {
            Verb::Abort => self.host.cancel_in(tx, run, &reason),
            Verb::Pause | Verb::Resume | Verb::Promote => {
                self.host.signal_in(tx, run, "control", &json!({ "verb": ask.verb, "by": actor, "reason": reason })).map(|_| ())
            }
        }
    }
}

/// What says where the run is.
fn traces(rx: &Rx<'_>, run: &RunId) -> Result<deploy::Traces, StoreError> {
    let pause = |signal: &Signal| signal.name == "control" && signal.taken_by.is_none() && signal.value["verb"] == "pause";
    let pause_asked = signals::of(rx, run)?.iter().any(pause);
    let trace = |step: Step| deploy::Trace { open: step.state == PENDING, name: step.name, result: step.result };
    let all = steps::of(rx, run)?.into_iter().map(trace).collect();
    Ok(deploy::Traces { input: runs::input(rx, run)?.unwrap_or_default(), all, pause_asked })
}

/// The deployment that somebody means.
fn going_on(rx: &Rx<'_>, repo: RepoId, at: Option<&str>, said_at: Millis) -> Result<Result<RunId, Refusal>, StoreError> {
    let mut all = runs::active_of(rx, repo, comment::WORKFLOW.name)?;
    all.retain(|run| run.workflow == deploy::WORKFLOW.name);
    let name = |run: &Run| run.subject.environment.as_ref().map(ToString::to_string).unwrap_or_default();
    if let Some(run) = all.iter().find(|run| at == Some(run.id.as_str())) {
        return Ok(Ok(run.id.clone()));
    }
    // Whoever names a run knows it; what is named by its place must have been there.
    all.retain(|run| run.created_at <= said_at.plus(SECOND));
    let there = |run: &&Run| at.is_none_or(|at| name(run) == at);
    let meant: Vec<&Run> = all.iter().filter(there).collect();
    // Of those that stand in the queue of one environment, the first one has begun.
    let holds = |place: &Place| place.held && place.key.starts_with(deploy::LOCKS);
    let holders: Vec<RunId> = locks::all(rx)?.into_iter().filter(holds).map(|place| place.run).collect();
    let begun: Vec<&&Run> = meant.iter().filter(|run| holders.contains(&run.id)).collect();
    Ok(match (meant.as_slice(), begun.as_slice()) {
        ([], _) => Err(nothing_goes_on(at, &all.iter().map(name).collect::<BTreeSet<_>>())),
        ([only], _) => Ok(only.id.clone()),
        (_, [begun]) if at.is_some() => Ok(begun.id.clone()),
        (several, _) => {
            let ids: Vec<String> = several.iter().map(|run| format!("`{}` ({})", run.id, name(run))).collect();
            Err(which(&ids))
        }
    })
}

fn nothing_goes_on(at: Option<&str>, others: &BTreeSet<String>) -> Refusal {
    let text = match at {
        None => "No deployment goes on.".to_owned(),
        Some(at) => format!("No deployment to {at} goes on."),
    };
    let fix = if others.is_empty() {
        "`lockkeeper status` shows what is live.".to_owned()
    } else {
        let names: Vec<String> = others.iter().map(|name| format!("`{name}`")).collect();
        format!("Name one that does: {}.", names.join(", "))
    };
    Refusal::user("nothing_goes_on", text, fix)
}

fn which(ids: &[String]) -> Refusal {
    let shown = ids.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    Refusal::user("which_deployment", "More than one deployment goes on.", format!("Name the environment or the run: {shown}."))
}

/// What the environment says of agents. Where nobody knows it, it says nothing good.
fn steers(config: Option<&RepoConfig>, place: &EnvName, actor: &Actor) -> Result<(), Refusal> {
    match config.and_then(|config| config.environment(place)) {
        Some(environment) => agents::steers(environment, actor),
        None if actor.is_agent() => Err(rule_unknown(place.as_str())),
        None => Ok(()),
    }
}

pub(super) fn rule_unknown(name: &str) -> Refusal {
    let text = format!("Nobody knows yet who may do this in {name}: its settings have not been read.");
    Refusal::world("rule_unknown", text, "Ask again after the next push or deployment, or ask the operator.")
}

fn no_run() -> Refusal {
    Refusal::user("run_unknown", "There is no run with this id.", "`lockkeeper status` shows what runs.")
}

fn no_deployment() -> Refusal {
    Refusal::user(
        "not_a_deployment",
        "Only deployments can be steered.",
        "`lockkeeper status` shows which runs are deployments.",
    )
}

fn over() -> Refusal {
    Refusal::user("run_over", "The deployment is over.", "`lockkeeper status` shows what runs.")
}
