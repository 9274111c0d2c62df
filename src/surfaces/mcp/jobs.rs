//! Jobs of GitHub Actions as callers: whoever shows a token that the issuer has made for us.
//!
//! Invariants: the token is of one repository, and GitHub has let its job into one environment; the job may do nothing
//! elsewhere. It acts for the one who made it run, as an agent, so that this person does not approve what it asks for, and an
//! environment that names who may deploy must name them. It releases nothing: no environment stands for that.

use crate::actions::access::{Caller, Rights};
use crate::domain::{Actor, ActorKind, EnvName, Grant, RepoId, Scope, UserId};
use crate::targets::callback::LONGEST_TOKEN;
use crate::targets::callback::oidc::{Claims, Doubt, Keys};

/// Without an environment only what needs none.
const ANYWHERE: [Scope; 2] = [Scope::Read, Scope::Plan];
const IN_ITS_ENVIRONMENT: [Scope; 7] =
    [Scope::Read, Scope::Plan, Scope::Validate, Scope::Deploy, Scope::Rollback, Scope::Control, Scope::Lock];

/// Recognises tokens of jobs.
pub struct Jobs {
    keys: Keys,
    audiences: [String; 2],
}

/// Whether a bearer token is one of an issuer, and no key of ours.
pub(super) fn is_token(text: &str) -> bool {
    text.starts_with("eyJ") && text.split('.').count() == 3
}

impl Jobs {
    /// `public_url` is what tokens for us are made for, as it is or as the address of this door.
    pub fn new(keys: Keys, public_url: &str) -> Self {
        Self { keys, audiences: [public_url.to_owned(), format!("{public_url}/mcp")] }
    }

    /// Nothing for a token that is not good here.
    pub(super) async fn caller(&self, token: &str) -> Result<Option<Caller>, Doubt> {
        if token.len() > LONGEST_TOKEN {
            return Ok(None);
        }
        let audiences = self.audiences.each_ref().map(String::as_str);
        match self.keys.claims(token, &audiences).await {
            Ok(claims) => Ok(caller(&claims)),
            Err(Doubt::NoKeys) => Err(Doubt::NoKeys),
            Err(Doubt::Invalid | Doubt::Stranger(_)) => Ok(None),
        }
    }
}

fn caller(claims: &Claims) -> Option<Caller> {
    let repo = claims.repository_id.parse().ok()?;
    let environment = match &claims.environment {
        Some(name) => Some(EnvName::parse(name).ok()?),
        None => None,
    };
    let scopes = if environment.is_some() { &IN_ITS_ENVIRONMENT[..] } else { &ANYWHERE[..] };
    let grant =
        Grant { scopes: scopes.iter().copied().collect(), repo: RepoId(repo), environments: environment.into_iter().collect() };
    // GitHub names who it was in every token; numbers of repositories are none of people.
    let id = claims.actor_id.as_ref()?.parse().ok()?;
    let login = claims.actor.clone().unwrap_or_else(|| "a job of GitHub Actions".to_owned());
    let actor = Actor { kind: ActorKind::Agent, id: UserId(id), login };
    Some(Caller { actor, rights: Rights::Only(grant) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_job_may_act_in_its_own_environment_and_nowhere_else() {
        let of = |more: Value| {
            let mut all = json!({ "repository_id": "7", "actor": "ann", "actor_id": "42" });
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            caller(&serde_json::from_value(all).unwrap())
        };
        let grant = |caller: Caller| match caller.rights {
            Rights::Only(grant) => grant,
            other => panic!("{other:?}"),
        };
        let staging = of(json!({ "environment": "staging" })).unwrap();
        assert_eq!((staging.actor.id_of(), &*staging.actor.login), ((ActorKind::Agent, UserId(42)), "ann"));
        let staging = grant(staging);
        assert_eq!((staging.repo, staging.environments.len()), (RepoId(7), 1));
        assert!(staging.scopes.contains(&Scope::Deploy) && !staging.scopes.contains(&Scope::Publish));
        let none = grant(of(json!({})).unwrap());
        assert!(none.environments.is_empty() && none.scopes.iter().all(|scope| !scope.needs_environment()));
        for bad in [json!({ "environment": "../x" }), json!({ "repository_id": "x" }), json!({ "actor_id": "x" })] {
            assert_eq!(of(bad.clone()), None, "{bad}");
        }
    }

    #[test]
    fn a_token_is_told_from_a_key() {
        assert!(is_token("eyJa.b.c"));
        for other in ["lk_k1_00", "eyJa.b", "ghu_x", "", "eyJa.b.c.d"] {
            assert!(!is_token(other), "{other}");
        }
    }
}
