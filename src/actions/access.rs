//! Who asks, and whether they may: the one authorization, in front of every action and whatever door it came through.
//!
//! Invariants: what a request needs follows from the request; nothing is implied by anything else; the answer to "not yours"
//! is the same as to "not there", so that nobody learns what else this server looks after.

use super::authority::DEPLOYS;
use super::{Action, approve};
use crate::domain::{Actor, EnvName, Grant, Key, Millis, Person, Refusal, RepoId, Role, Scope};

/// Who asks, with what they may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub actor: Actor,
    pub rights: Rights,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Whoever may read the server's files.
    All,
    /// A person whose role in this repository was judged for exactly this request, by [`super::authority`].
    In {
        repo: RepoId,
        role: Role,
        /// As [`Person::role_read`].
        role_read: Millis,
        /// The pull request whose comment asks.
        pull: Option<u64>,
    },
    Only(Grant),
    /// An agent of a person whom GitHub knows. Nothing until it is known which repository a request is about: then nothing may be
    /// done.
    Through(Option<Through>),
}

/// What the person may do whom an agent acts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Through {
    pub repo: RepoId,
    /// Theirs in this repository.
    pub role: Role,
    /// As [`Person::role_read`].
    pub role_read: Millis,
}

/// Stands for no repository: GitHub counts from 1.
const NOWHERE: RepoId = RepoId(0);

/// What a request is about, as far as it is known: a run says it for those who name a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct About<'a> {
    pub repo: Option<RepoId>,
    pub environment: Option<&'a EnvName>,
}

impl Caller {
    pub fn operator() -> Self {
        Self { actor: Actor::operator(), rights: Rights::All }
    }

    pub fn person(person: Person, repo: RepoId) -> Self {
        let Person { actor, role, role_read } = person;
        Self { actor, rights: Rights::In { repo, role, role_read, pull: None } }
    }

    /// The same person, in a comment on this pull request.
    #[must_use]
    pub fn on(mut self, said_on: Option<u64>) -> Self {
        if let Rights::In { pull, .. } = &mut self.rights {
            *pull = said_on;
        }
        self
    }

    pub fn key(key: &Key) -> Self {
        Self { actor: Actor::key(key), rights: Rights::Only(key.grant.clone()) }
    }

    /// # Errors
    /// `insufficient_scope`.
    pub fn may(&self, action: &Action, about: About<'_>) -> Result<(), Refusal> {
        let grant = match &self.rights {
            Rights::All | Rights::Only(_) | Rights::Through(_) if matches!(action, Action::Approve(_)) => {
                return Err(approve::people_only());
            }
            Rights::All => return Ok(()),
            Rights::In { repo, .. } if about.repo == Some(*repo) => return Ok(()),
            Rights::In { .. } => return Err(self.lacks("this repository")),
            Rights::Through(at) => return self.may_through(*at, action, about),
            Rights::Only(grant) => grant,
        };
        let scope = scope(action).ok_or_else(approve::people_only)?;
        if !grant.scopes.contains(&scope) {
            return Err(self.lacks(&format!("the scope `{}`", scope.as_str())));
        }
        if about.repo != Some(grant.repo) {
            return Err(self.lacks("this repository"));
        }
        self.may_touch(environments(action).into_iter().chain(about.environment))?;
        match (action, about.environment) {
            (Action::Control(_), None) => Err(self.lacks("a run that has no environment")),
            _ => Ok(()),
        }
    }

    fn may_through(&self, at: Option<Through>, action: &Action, about: About<'_>) -> Result<(), Refusal> {
        let Some(at) = at.filter(|at| about.repo == Some(at.repo)) else { return Err(self.lacks("this repository")) };
        let scope = scope(action).ok_or_else(approve::people_only)?;
        // Anybody may read a public repository; others are asked, and processes started, for those alone who could have it done
        // in a comment.
        let asks = matches!(action, Action::Health(_) | Action::Notes(_));
        let has = scopes_of(at.role).contains(&scope) && (!asks || at.role >= DEPLOYS);
        if has { Ok(()) } else { Err(self.lacks(&format!("`{}` with the role {}", scope.as_str(), at.role.as_str()))) }
    }

    /// # Errors
    /// `insufficient_scope`, for the first one that is not theirs.
    pub fn may_touch<'a>(&self, environments: impl IntoIterator<Item = &'a EnvName>) -> Result<(), Refusal> {
        let mut others = environments.into_iter().filter(|environment| !self.sees_environment(environment));
        others.next().map_or(Ok(()), |other| Err(self.lacks(&format!("the environment {other}"))))
    }

    pub fn sees_environment(&self, environment: &EnvName) -> bool {
        match &self.rights {
            Rights::All | Rights::In { .. } | Rights::Through(Some(_)) => true,
            Rights::Through(None) => false,
            Rights::Only(grant) => grant.environments.contains(environment),
        }
    }

    /// Whether they may look at something of this repository and environment, asked for by somebody.
    pub fn sees(&self, about: About<'_>, asked_by: &Actor) -> bool {
        let grant = match &self.rights {
            Rights::All => return true,
            Rights::In { repo, .. } => return about.repo == Some(*repo),
            Rights::Through(at) => {
                return at.is_some_and(|at| about.repo == Some(at.repo) && scopes_of(at.role).contains(&Scope::Read));
            }
            Rights::Only(grant) => grant,
        };
        let own = asked_by.kind == self.actor.kind && asked_by.id == self.actor.id;
        let theirs = own || grant.scopes.contains(&Scope::Read);
        about.repo == Some(grant.repo) && theirs && about.environment.is_none_or(|name| self.sees_environment(name))
    }

    /// Whether they may read errors in their own words: those of the store and of deployers are not for a page that anybody
    /// may read.
    pub fn reads_errors(&self) -> bool {
        match &self.rights {
            Rights::All | Rights::Only(_) => true,
            // Anybody may read a public repository.
            Rights::Through(at) => at.is_some_and(|at| at.role >= DEPLOYS),
            Rights::In { .. } => false,
        }
    }

    /// The only repository that they may know of.
    pub fn only_repo(&self) -> Option<RepoId> {
        match &self.rights {
            Rights::All => None,
            Rights::In { repo, .. } => Some(*repo),
            Rights::Only(grant) => Some(grant.repo),
            Rights::Through(at) => Some(at.map_or(NOWHERE, |at| at.repo)),
        }
    }

    fn lacks(&self, what: &str) -> Refusal {
        Refusal::user(
            "insufficient_scope",
            format!("{} has no right to {what}.", self.actor.login),
            "Ask somebody who has it, or use a key that has it: `lockkeeper keys create` makes one.",
        )
    }
}

/// What a person's role lets their agent do; as [`super::authority::needs`] lets them do it in a comment.
pub fn scopes_of(role: Role) -> &'static [Scope] {
    match role {
        Role::None => &[],
        Role::Read | Role::Triage => &[Scope::Read],
        Role::Write | Role::Maintain | Role::Admin => &Scope::ALL,
    }
}

/// Nothing for what is for people alone.
fn scope(action: &Action) -> Option<Scope> {
    let unless_dry = |dry_run: bool, scope: Scope| if dry_run { Scope::Plan } else { scope };
    Some(match action {
        Action::Publish(ask) => unless_dry(ask.dry_run, Scope::Publish),
        Action::Deploy(ask) => unless_dry(ask.dry_run, Scope::Deploy),
        Action::Rollback(ask) => unless_dry(ask.dry_run, Scope::Rollback),
        Action::Validate(_) => Scope::Validate,
        Action::Health(_) | Action::Notes(_) | Action::Status(_) => Scope::Read,
        Action::Control(_) => Scope::Control,
        Action::Lock(_) | Action::Unlock(_) => Scope::Lock,
        Action::Approve(_) => return None,
    })
}

/// The environments that a request names. What a release deploys to is known only once it is planned.
fn environments(action: &Action) -> Vec<&EnvName> {
    match action {
        Action::Deploy(ask) => std::iter::once(&ask.environment).chain(&ask.from).collect(),
        Action::Rollback(ask) => vec![&ask.environment],
        Action::Validate(ask) => vec![&ask.environment],
        Action::Health(ask) => vec![&ask.environment],
        // All of them are known only once it is looked which there are.
        Action::Lock(ask) => ask.environment.iter().collect(),
        Action::Unlock(ask) => ask.environment.iter().collect(),
        Action::Publish(_) | Action::Notes(_) | Action::Status(_) | Action::Control(_) | Action::Approve(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
