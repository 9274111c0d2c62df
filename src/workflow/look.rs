//! What would happen now: the plan, the gates, the notes or the health of something, for somebody who asks. It is a run like
//! any other, so that its plan is stored under its digest; it changes nothing.
//!
//! Invariant: only reads and probes are called.

use super::deploy::refused_step;
use super::deploy::{filled, values_of};
use super::gating::{self, Case, Services};
use super::ground;
use super::place::Going;
use super::range::{self, Found};
use super::supplied;
use super::users;
use crate::actions::deploy::{self, Kind, Subject};
use crate::actions::notes::Notes;
use crate::actions::outcome::{CheckReport, Gates, HealthReport, Locked, Outcome, Planned, Validated, Written};
use crate::actions::overriding::Opening;
use crate::actions::publish::{self, ReadTag};
use crate::actions::rollback;
use crate::actions::{Action, agents, outcome};
use crate::config::repo::{CONFIG_PATH, GatePolicy, RepoConfig};
use crate::config::settings::Lent;
use crate::domain::{Actor, ActorKind, Ancestry, EnvName, Millis, Recheck, Refusal, RepoRef, Sha, Tag};
use crate::flow::{Flow, Stop, Workflow};
use crate::notes::tags::{ParsedTag, Scheme};
use crate::plan::{Call, Ground, NotesMade, Plan, ProbeAnswer, ProbeCall};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub const WORKFLOW: Workflow = Workflow { name: "look", version: 1, run };

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    pub repo: RepoRef,
    pub action: Action,
    /// What to look at; the default branch's head without either. A tag decides.
    pub tag: Option<Tag>,
    pub sha: Option<Sha>,
    /// Where the version can be seen, if a deployment of ours has said so.
    pub url: Option<String>,
    /// What our ledger says of the commit, where it has been live before: a rollback takes it as it was.
    #[serde(default)]
    pub known: Option<Subject>,
    /// What a rollback takes, in this order, when that commit is gone.
    #[serde(default)]
    pub older: Vec<Subject>,
    /// A gate that whoever asks would open.
    #[serde(default)]
    pub opening: Option<Opening>,
    /// It is the head of one of the repository's own branches.
    #[serde(default)]
    pub ours: bool,
    /// The default branch, where it was named; `sha` was its head. If either is another one by now, neither is looked at.
    #[serde(default)]
    pub branch: Option<Tag>,
    pub actor: Actor,
    pub asked_at: Millis,
}

/// What the run ends with: an outcome, or why there is none.
pub type Looked = Result<Outcome, Refusal>;

fn run(f: &mut Flow, input: &Value) -> Result<Value, Stop> {
    let input: Input = super::read_input(input)?;
    let looked: Looked = match story(f, &input) {
        Err(Stop::Failed(failure)) => Err(failure.refusal),
        other => Ok(other?),
    };
    f.finish(&looked)
}

fn story(f: &mut Flow, input: &Input) -> Result<Outcome, Stop> {
    let read = Call::ReadCommit { repo: input.repo.clone(), tag: input.tag.clone(), sha: input.sha.clone() };
    let ground: Ground = f.step("facts", &read)?;
    let elsewhere = |branch: &&Tag| !ground::is_default(&ground.facts, branch, input.sha.as_ref());
    if let Some(branch) = input.branch.as_ref().filter(elsewhere) {
        return Err(refused(publish::gone(branch)));
    }
    let config = ground::settings(&ground.facts.config).map_err(refused)?;
    let this = Look { input, ground: &ground, config: &config };
    match &input.action {
        Action::Publish(ask) => this.publish(f, &ask.tag),
        Action::Deploy(ask) => this.deploy(f, &ask.environment),
        Action::Validate(ask) => this.validate(f, &ask.environment),
        Action::Health(ask) => this.health(f, &ask.environment),
        Action::Notes(ask) => this.notes(f, ask),
        Action::Rollback(ask) => this.rollback(f, &ask.environment),
        Action::Lock(ask) => this.lockable(ask.environment.as_ref()),
        Action::Status(_) | Action::Control(_) | Action::Unlock(_) | Action::Approve(_) => {
            Err(refused(Refusal::us("not_a_look", "This is not read from GitHub.")))
        }
    }
}

fn refused(refusal: Refusal) -> Stop {
    refused_step("look", refusal)
}

struct Look<'a> {
    input: &'a Input,
    ground: &'a Ground,
    config: &'a RepoConfig,
}

impl Look<'_> {
    fn publish(&self, f: &mut Flow, tag: &Tag) -> Result<Outcome, Stop> {
        let (scheme, parsed) = self.version_of(tag)?;
        let (input, facts) = (self.input, &self.ground.facts);
        let read = ReadTag { version: Some(parsed.version.clone()), component: parsed.component.clone() };
        let planned = f.record("plan", || publish::plan(&input.repo, tag, &read, &input.actor, facts, self.config))?;
        let plan = planned.map_err(refused)?;
        range::baseline(&self.ground.released, facts, &scheme, &parsed).map_err(refused)?;
        let found = range::find(f, &input.repo, facts, &scheme, Some(&parsed), &plan.pin.sha)?;
        let found = found.of_component(self.config, &parsed);
        let case = Case {
            range: Some(&found),
            parsed: Some(&parsed),
            releasing: true,
            ..self.case(&plan.pin.sha, Some(tag), &plan.gates)
        };
        let look: Recheck = f.step("look", &case.recheck(true))?;
        let gates = Gates::of(gating::once(f, &case, &look, Services::None)?);
        let notes = Some(self.write(f, found, &parsed, &look)?);
        Ok(Outcome::Planned(Box::new(Planned { run: self.ground.run.clone(), plan, gates, notes, remarks: Vec::new() })))
    }

    fn notes(&self, f: &mut Flow, ask: &Notes) -> Result<Outcome, Stop> {
        let tag = &ask.tag;
        let (scheme, parsed) = self.version_of(tag)?;
        let facts = &self.ground.facts;
        let sha = &facts.tag.as_ref().ok_or_else(|| refused(publish::gone(tag)))?.commit;
        let known = |from: &Tag| !facts.tags_complete || facts.tags.iter().any(|tag| tag.name == *from);
        let not_before = |from: &Tag| {
            let text = format!("{tag} does not contain a tag {from}.");
            refused(Refusal::user("tag_gone", text, "Name a tag that it contains, or leave it out."))
        };
        let found = match &ask.from {
            None => range::find(f, &self.input.repo, facts, &scheme, Some(&parsed), sha)?,
            Some(from) if !known(from) => return Err(not_before(from)),
            Some(from) => range::since(f, &self.input.repo, facts, &scheme, from, sha)?,
        };
        if let Some(from) = ask.from.as_ref().filter(|_| found.base.is_none()) {
            return Err(not_before(from));
        }
        let found = found.of_component(self.config, &parsed);
        let case = Case { range: Some(&found), parsed: Some(&parsed), ..self.case(sha, Some(tag), &[]) };
        let look: Recheck = f.step("look", &case.recheck(true))?;
        Ok(Outcome::Notes(self.write(f, found, &parsed, &look)?))
    }

    fn deploy(&self, f: &mut Flow, environment: &EnvName) -> Result<Outcome, Stop> {
        let (input, subject) = (self.input, self.subject()?);
        self.is_ours()?;
        let planned =
            f.record("plan", || deploy::plan(&input.repo, environment, &subject, &input.actor, self.known(), self.kind()))?;
        let plan = self.configured(f, environment, &subject, planned.map_err(refused)?)?;
        let opened = input.opening.clone().map(|opening| opening.of(plan.digest.as_str(), input.asked_at));
        let going = Going { digest: plan.digest.as_str(), opened: opened.as_ref(), ..self.going(environment, &subject.sha)? };
        let gates = self.judge(f, &subject, &plan.gates, (going, Services::None))?;
        let run = self.ground.run.clone();
        Ok(Outcome::Planned(Box::new(Planned { run, plan, gates, notes: None, remarks: Vec::new() })))
    }

    /// With what a peer supplies for the environment.
    fn configured(&self, f: &mut Flow, environment: &EnvName, subject: &Subject, plan: Plan) -> Result<Plan, Stop> {
        let environment = deploy::find(environment, self.config).map_err(refused)?;
        let back = matches!(self.input.action, Action::Rollback(_));
        let about = supplied::About { repo: &self.input.repo, environment, subject, ground: self.ground, back };
        supplied::read(f, "configuration", about)?.map(|value| plan.with(value.as_ref())).map_err(refused)
    }

    /// What a plan is made from.
    fn known(&self) -> (&RepoConfig, Option<&Lent>) {
        (self.config, self.ground.lent.as_ref())
    }

    /// A comment's run has verified what it names in its own way, and names it whole. A tag may begin with the same sign.
    fn kind(&self) -> Kind {
        let names_head = |ask: &deploy::Deploy| {
            ask.git_ref.as_deref().and_then(|name| name.strip_prefix('@')).is_some_and(|name| Sha::parse(name).is_ok())
        };
        match &self.input.action {
            Action::Deploy(ask) if self.input.actor.kind == ActorKind::User && names_head(ask) => Kind::Head,
            _ => Kind::Version,
        }
    }

    /// GitHub answers for a repository with commits of its forks too, so that a commit which somebody but the operator names must
    /// be on the default branch, unless it is the head of the pull request, a tag's, or was live before.
    fn is_ours(&self) -> Result<(), Stop> {
        let input = self.input;
        let Action::Deploy(ask) = &input.action else { return Ok(()) };
        let named = ask.git_ref.is_some() && self.kind() != Kind::Head && input.tag.is_none();
        let there = input.ours || self.ground.facts.on_default_branch == Some(Ancestry::Contained);
        if input.actor.kind == ActorKind::Operator || !named || there {
            return Ok(());
        }
        let text = "The commit is not on the default branch, so that nobody can say whose it is.";
        let fix = "Name a tag, or ask on the commit's pull request, with `@` before the commit.";
        Err(refused(Refusal::user("commit_elsewhere", text, fix)))
    }

    /// A version that was live before: its gates were passed then. One whose commit is gone gives way to the next older one.
    fn rollback(&self, f: &mut Flow, environment: &EnvName) -> Result<Outcome, Stop> {
        let input = self.input;
        let known = input.known.iter().chain(&input.older);
        let (mut remarks, mut found) = (Vec::new(), None);
        for (nth, subject) in known.clone().enumerate() {
            if nth == 0 && self.ground.facts.sha.is_some() || nth > 0 && self.is_there(f, nth, &subject.sha)? {
                found = Some(subject);
                break;
            }
            remarks.push(rollback::passed_over(&subject.name()));
        }
        let Some(subject) = found else {
            let first = known.clone().next();
            let why = first.map_or_else(no_commit, |subject| rollback::gone_target(&subject.name(), &subject.sha));
            return Err(refused(why));
        };
        let planned =
            f.record("plan", || deploy::plan(&input.repo, environment, subject, &input.actor, self.known(), Kind::Rollback))?;
        let plan = self.configured(f, environment, subject, planned.map_err(refused)?)?;
        let gates = match plan.gates.is_empty() {
            true => Gates::of(Vec::new()),
            // An agent's way back needs a person.
            false => self.judge(f, subject, &plan.gates, (self.going(environment, &subject.sha)?, Services::None))?,
        };
        let run = self.ground.run.clone();
        Ok(Outcome::Planned(Box::new(Planned { run, plan, gates, notes: None, remarks })))
    }

    fn is_there(&self, f: &mut Flow, nth: usize, sha: &Sha) -> Result<bool, Stop> {
        let read = Call::ReadCommit { repo: self.input.repo.clone(), tag: None, sha: Some(sha.clone()) };
        let ground: Ground = f.step(&format!("facts.{nth}"), &read)?;
        Ok(ground.facts.sha.is_some())
    }

    fn validate(&self, f: &mut Flow, environment: &EnvName) -> Result<Outcome, Stop> {
        let found = deploy::find(environment, self.config).map_err(refused)?;
        deploy::possible(&self.input.repo, found, self.known(), false).map_err(refused)?;
        let subject = self.subject()?;
        let mut gates = deploy::gates(found);
        agents::ask_a_person(&mut gates, found, &self.input.actor);
        let gates = self.judge(f, &subject, &gates, (self.going(environment, &subject.sha)?, Services::All))?;
        Ok(Outcome::Validated(Validated { environment: environment.clone(), sha: subject.sha, tag: subject.tag, gates }))
    }

    /// Whether there is such an environment; nothing is locked.
    fn lockable(&self, environment: Option<&EnvName>) -> Result<Outcome, Stop> {
        environment.map(|name| deploy::find(name, self.config)).transpose().map_err(refused)?;
        Ok(Outcome::Locks(Locked { environment: environment.cloned(), holds: Vec::new(), ended: 0 }))
    }

    /// Every check once, side by side, and where users are.
    fn health(&self, f: &mut Flow, environment: &EnvName) -> Result<Outcome, Stop> {
        let found = deploy::find(environment, self.config).map_err(refused)?;
        let subject = self.subject()?;
        let values = values_of(found, &subject, self.ground, self.input.url.as_deref());
        let mut calls = Vec::new();
        for (index, check) in found.health.iter().enumerate() {
            let call = ProbeCall {
                check: filled(check, &values).map_err(refused)?,
                version: subject.version.clone(),
                sha: subject.sha.clone(),
                environment: environment.to_string(),
            };
            calls.push((format!("health.{index}"), Call::Probe(call)));
        }
        let answers: Vec<ProbeAnswer> = f.all(&calls)?;
        let mut checks: Vec<CheckReport> = calls.iter().zip(answers).filter_map(|((_, call), a)| report(call, a)).collect();
        // A rehearsal asks nobody.
        if self.ground.lent.is_some() {
            checks.extend(users::look(f, &self.input.repo, found)?);
        }
        Ok(Outcome::Health(HealthReport {
            environment: environment.clone(),
            sha: subject.sha,
            version: subject.version,
            healthy: checks.iter().all(|check| check.ok),
            checks,
        }))
    }

    fn version_of(&self, tag: &Tag) -> Result<(Scheme, ParsedTag), Stop> {
        ground::read_tag(self.config, tag).map_err(refused)?.ok_or_else(|| {
            let text = format!("The tag {tag} is listed under `ignore`, so Lockkeeper leaves it alone.");
            refused(Refusal::user("tag_ignored", text, format!("Remove it from `ignore` in `[release]` of {CONFIG_PATH}.")))
        })
    }

    /// What would be deployed.
    fn subject(&self) -> Result<Subject, Stop> {
        let facts = &self.ground.facts;
        let Some(tag) = &self.input.tag else {
            let sha = facts.sha.clone().ok_or_else(|| refused(no_commit()))?;
            return Ok(Subject { sha, tag: None, version: None, component: None });
        };
        let standing = facts.tag.as_ref().ok_or_else(|| refused(publish::gone(tag)))?;
        if self.input.sha.as_ref().is_some_and(|live| *live != standing.commit) {
            let text = format!("The tag {tag} does not stand any more where it was deployed from.");
            return Err(refused(Refusal::user(
                "tag_moved",
                text,
                "Name the whole commit id with --ref, or deploy a new version.",
            )));
        }
        let parsed = self.parsed(Some(tag))?;
        Ok(Subject {
            sha: standing.commit.clone(),
            tag: Some(tag.clone()),
            version: parsed.as_ref().map(|p| p.version.to_string()),
            component: parsed.and_then(|p| p.component),
        })
    }

    /// A tag that is no version is the gates' to refuse.
    fn parsed(&self, tag: Option<&Tag>) -> Result<Option<ParsedTag>, Stop> {
        let scheme = ground::scheme(self.config).map_err(refused)?;
        Ok(tag.and_then(|tag| scheme.parse(tag.as_str()).ok()))
    }

    /// The gates of a deployment, on the one read that there is.
    fn judge(
        &self,
        f: &mut Flow,
        subject: &Subject,
        gates: &[GatePolicy],
        (going, services): (Going, Services),
    ) -> Result<Gates, Stop> {
        let parsed = self.parsed(subject.tag.as_ref())?;
        let case = Case { parsed: parsed.as_ref(), going: Some(going), ..self.case(&subject.sha, subject.tag.as_ref(), gates) };
        Ok(Gates::of(gating::once(f, &case, &gating::first_look(self.ground), services)?))
    }

    fn going<'g>(&'g self, environment: &EnvName, head: &'g Sha) -> Result<Going<'g>, Stop> {
        let input = self.input;
        let (reason, wait) = match &input.action {
            Action::Deploy(ask) => (ask.reason.as_deref(), ask.wait),
            _ => (None, false),
        };
        let environment = deploy::find(environment, self.config).map_err(refused)?;
        Ok(Going {
            repo: &input.repo,
            environment,
            digest: "",
            actor: &input.actor,
            automatic: false,
            reason,
            wait,
            head,
            history: &self.ground.facts.history,
            opened: None,
        })
    }

    fn case<'c>(&'c self, pinned: &'c Sha, tag: Option<&'c Tag>, gates: &'c [GatePolicy]) -> Case<'c> {
        Case {
            repo: &self.input.repo,
            ground: self.ground,
            config: self.config,
            pinned,
            tag,
            parsed: None,
            event_sha: None,
            gates,
            asked_at: self.input.asked_at,
            range: None,
            releasing: false,
            going: None,
            job: None,
            prefix: "",
        }
    }

    fn write(&self, f: &mut Flow, mut found: Found, parsed: &ParsedTag, look: &Recheck) -> Result<Written, Stop> {
        let (repo, config) = (&self.input.repo, self.config.release.notes.as_ref());
        found.settle(f, repo, look)?;
        let found = found.within(look);
        let made: NotesMade = f.step("notes", &found.notes_call(repo, &parsed.tag, look, config, self.input.asked_at))?;
        Ok(outcome::Written {
            tag: parsed.tag.clone(),
            previous: found.base.as_ref().map(|base| base.tag.clone()),
            version: parsed.version.to_string(),
            next_version: found.next.as_ref().map(ToString::to_string),
            remarks: found.remarks(&made),
            markdown: made.markdown,
        })
    }
}

fn report(call: &Call, answer: ProbeAnswer) -> Option<CheckReport> {
    let Call::Probe(ProbeCall { check, .. }) = call else { return None };
    let ProbeAnswer { ok, code, reason, fix, .. } = answer;
    Some(CheckReport { url: check.place().to_owned(), ok, code, reason, fix })
}

fn no_commit() -> Refusal {
    let fix = "Name a tag, or the whole id of a commit that has been pushed.";
    Refusal::user("commit_unknown", "The repository has no such commit.", fix)
}
