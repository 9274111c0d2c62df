use super::*;
use crate::domain::{ActorKind, KeyId, KeyName, RepoName, UserId};
use proptest::prelude::*;
use serde_json::json;

const SHOP: RepoId = RepoId(7);

fn ann() -> Caller {
    let actor = Actor { kind: ActorKind::User, id: UserId(3), login: "ann".into() };
    Caller::person(Person { actor, role: Role::Write, role_read: Millis(0) }, SHOP)
}

/// Every kind of request that there is, about `env`, with the scope that it needs.
fn requests(env: &str) -> Vec<(Scope, serde_json::Value)> {
    let at = |action: &str| json!({"action": action, "repo": "acme/shop", "environment": env});
    let with = |action: &str, more: serde_json::Value| {
        let mut ask = at(action);
        ask.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ask
    };
    let control = |verb: &str| json!({"action": "control", "run": "r1", "verb": verb});
    vec![
        (Scope::Deploy, at("deploy")),
        (Scope::Plan, with("deploy", json!({"dry_run": true}))),
        (Scope::Rollback, with("rollback", json!({"reason": "slow"}))),
        (Scope::Plan, with("rollback", json!({"reason": "slow", "dry_run": true}))),
        (Scope::Validate, at("validate")),
        (Scope::Read, at("health")),
        (Scope::Lock, at("lock")),
        (Scope::Lock, at("unlock")),
        (Scope::Control, control("pause")),
        (Scope::Control, control("resume")),
        (Scope::Control, control("promote")),
        (Scope::Control, control("abort")),
        (Scope::Publish, json!({"action": "publish", "repo": "acme/shop", "tag": "v1.0.0"})),
        (Scope::Plan, json!({"action": "publish", "repo": "acme/shop", "tag": "v1.0.0", "dry_run": true})),
        (Scope::Read, json!({"action": "notes", "repo": "acme/shop", "tag": "v1.0.0"})),
        (Scope::Read, json!({"action": "status", "repo": "acme/shop"})),
        (Scope::Read, json!({"action": "status", "repo": null})),
    ]
}

fn action(value: &serde_json::Value) -> Action {
    serde_json::from_value(value.clone()).unwrap_or_else(|why| panic!("{value}: {why}"))
}

fn key(scopes: &[Scope], environments: &[&str]) -> Key {
    Key {
        number: 3,
        id: KeyId::parse("k1").unwrap(),
        name: KeyName::parse("ci").unwrap(),
        repository: RepoName::parse("acme/shop").unwrap(),
        grant: Grant {
            scopes: scopes.iter().copied().collect(),
            repo: SHOP,
            environments: environments.iter().map(|name| EnvName::parse(name).unwrap()).collect(),
        },
        created_at: Millis(0),
        expires_at: Millis(9),
        revoked_at: None,
    }
}

/// A run that is steered says where it goes; all others say it themselves.
fn about<'a>(ask: &Action, env: &'a EnvName) -> About<'a> {
    let environment = matches!(ask, Action::Control(_)).then_some(env);
    About { repo: Some(SHOP), environment }
}

#[test]
fn every_action_is_in_the_table() {
    let schema = serde_json::to_value(schemars::schema_for!(Action)).unwrap();
    for variant in schema["oneOf"].as_array().unwrap() {
        let name = &variant["properties"]["action"]["const"];
        // No scope allows it: it is for people, see `approve`.
        if name == "approve" {
            continue;
        }
        assert!(requests("staging").iter().any(|(_, ask)| ask["action"] == *name), "{name} is not in the table");
    }
}

#[test]
fn each_needs_its_own_scope_and_no_other_will_do() {
    let staging = EnvName::parse("staging").unwrap();
    for (needed, ask) in requests("staging") {
        let ask = action(&ask);
        for scope in Scope::ALL {
            let may = Caller::key(&key(&[scope], &["staging"])).may(&ask, about(&ask, &staging)).is_ok();
            assert_eq!(may, scope == needed, "{ask:?} with {scope:?}");
        }
        assert!(Caller::operator().may(&ask, About::default()).is_ok());
        let ann = ann();
        assert!(ann.may(&ask, about(&ask, &staging)).is_ok());
        assert!(ann.may(&ask, About { repo: Some(RepoId(8)), environment: None }).is_err(), "her role is another one there");
        assert!(ann.may(&ask, About::default()).is_err());
    }
}

#[test]
fn production_is_not_implied_by_staging_nor_one_repository_by_another() {
    let (staging, production) = (EnvName::parse("staging").unwrap(), EnvName::parse("production").unwrap());
    let caller = Caller::key(&key(&Scope::ALL, &["staging"]));
    for (_, ask) in requests("production") {
        let ask = action(&ask);
        let named = !environments(&ask).is_empty() || matches!(ask, Action::Control(_));
        let said = caller.may(&ask, about(&ask, &production));
        assert_eq!(said.is_err(), named, "{ask:?}");
        if let Err(refusal) = said {
            assert_eq!(refusal.code, "insufficient_scope");
            assert!(refusal.message.contains("production"), "{}", refusal.message);
        }
        for repo in [None, Some(RepoId(8))] {
            assert!(caller.may(&ask, About { repo, environment: Some(&staging) }).is_err(), "{ask:?} in {repo:?}");
        }
    }
    let from = action(&json!({"action": "deploy", "repo": "acme/shop", "environment": "staging", "from": "production"}));
    assert!(caller.may(&from, About { repo: Some(SHOP), environment: None }).is_err(), "what is live there is not theirs");
    let steer = action(&json!({"action": "control", "run": "r1", "verb": "abort"}));
    assert!(caller.may(&steer, About { repo: Some(SHOP), environment: None }).is_err(), "a run without an environment");
}

#[test]
fn a_key_sees_what_it_asked_for_and_with_the_scope_read_what_others_did() {
    let staging = EnvName::parse("staging").unwrap();
    let here = About { repo: Some(SHOP), environment: Some(&staging) };
    let (blind, reader) = (key(&[Scope::Deploy], &["staging"]), key(&[Scope::Read], &["staging"]));
    let own = Actor::key(&blind);
    let ann = Actor { kind: ActorKind::User, id: UserId(3), login: "ann".into() };
    assert!(Caller::key(&blind).sees(here, &own));
    assert!(!Caller::key(&blind).sees(here, &ann), "a person with the number of the key is not the key");
    assert!(Caller::key(&reader).sees(here, &ann));
    assert!(!Caller::key(&reader).sees(About { repo: Some(RepoId(8)), ..here }, &own));
    let production = EnvName::parse("production").unwrap();
    assert!(!Caller::key(&reader).sees(About { environment: Some(&production), ..here }, &own));
}

proptest! {
    /// A grant that holds less never allows more.
    #[test]
    fn less_never_allows_more(
        scopes in proptest::sample::subsequence(Scope::ALL.to_vec(), 0..=8),
        environments in proptest::sample::subsequence(vec!["dev", "staging", "production"], 0..=3),
        asked in 0_usize..17,
        place in 0_usize..3,
    ) {
        let name = ["dev", "staging", "production"][place];
        let (needed, ask) = requests(name).swap_remove(asked);
        let (ask, env) = (action(&ask), EnvName::parse(name).unwrap());
        let may = Caller::key(&key(&scopes, &environments)).may(&ask, about(&ask, &env)).is_ok();
        let free = environments_free(&ask);
        prop_assert_eq!(may, scopes.contains(&needed) && (free || environments.contains(&name)));
    }
}

fn environments_free(ask: &Action) -> bool {
    matches!(ask, Action::Publish(_) | Action::Notes(_) | Action::Status(_))
}

/// Who approves is somebody of whom GitHub says who they are: no operator, and no key whatever it may do.
#[test]
fn only_a_person_that_github_knows_approves() {
    let run = json!({"run": "019acd10-7f60-7b2e-8000-000000000001"});
    let ask =
        action(&json!({"action": "approve", "repo": "acme/shop", "at": run, "said": {"said": "approved"}, "asked_at": 1}));
    let about = About { repo: Some(SHOP), environment: None };
    let ann = ann();
    assert_eq!(ann.may(&ask, about), Ok(()));
    for caller in [Caller::operator(), Caller::key(&key(&Scope::ALL, &["staging"])), through(Role::Admin)] {
        assert_eq!(caller.may(&ask, about).map_err(|refusal| refusal.code), Err("people_only".to_owned()));
    }
}

fn through(role: Role) -> Caller {
    let actor = Actor { kind: ActorKind::Agent, id: UserId(3), login: "ann".into() };
    Caller { actor, rights: Rights::Through(Some(Through { repo: SHOP, role, role_read: Millis(0) })) }
}

const ROLES: [Role; 6] = [Role::None, Role::Read, Role::Triage, Role::Write, Role::Maintain, Role::Admin];

/// Whoever may only read a repository, which of a public one is everybody, sees what there is, and has nothing asked or done.
#[test]
fn an_agent_of_a_person_may_what_their_role_lets_them_do_and_only_there() {
    let staging = EnvName::parse("staging").unwrap();
    for (needed, ask) in requests("staging") {
        let ask = action(&ask);
        let looks = matches!(ask, Action::Status(_));
        for role in ROLES {
            let may = through(role).may(&ask, about(&ask, &staging)).map_err(|refusal| refusal.code);
            let lets = role >= Role::Write || (looks && role >= Role::Read);
            assert_eq!(
                may,
                if lets { Ok(()) } else { Err("insufficient_scope".to_owned()) },
                "{needed:?} as {role:?}: {ask:?}"
            );
            for repo in [None, Some(RepoId(8)), Some(NOWHERE)] {
                assert!(through(role).may(&ask, About { repo, environment: Some(&staging) }).is_err(), "{ask:?} in {repo:?}");
            }
        }
        let nowhere = Caller { rights: Rights::Through(None), ..through(Role::Admin) };
        for repo in [None, Some(SHOP), Some(NOWHERE)] {
            assert!(nowhere.may(&ask, About { repo, environment: None }).is_err(), "{ask:?} in {repo:?}");
        }
    }
}

#[test]
fn what_an_agent_of_a_person_sees_follows_their_role_and_not_who_asked() {
    let staging = EnvName::parse("staging").unwrap();
    let here = About { repo: Some(SHOP), environment: Some(&staging) };
    for role in ROLES {
        let caller = through(role);
        let own = caller.actor.clone();
        assert_eq!(caller.sees(here, &own), role >= Role::Read, "{role:?}");
        assert!(!caller.sees(About { repo: Some(RepoId(8)), ..here }, &own), "{role:?}");
        assert_eq!(caller.reads_errors(), role >= Role::Write, "{role:?}: errors are not for everybody who may read");
        assert_eq!(caller.only_repo(), Some(SHOP));
        assert!(caller.sees_environment(&staging), "a role is one for all environments; each says what agents may do there");
    }
    let nowhere = Caller { rights: Rights::Through(None), ..through(Role::Admin) };
    assert!(!nowhere.sees(here, &nowhere.actor) && !nowhere.sees_environment(&staging) && !nowhere.reads_errors());
    assert_eq!(nowhere.only_repo(), Some(NOWHERE), "not: all of them");
}
