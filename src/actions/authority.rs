//! Who may ask for what, by the role in the repository. The one place that decides it for people who comment.

use super::Action;
use super::ask::Ask;
use crate::domain::{Actor, EnvName, Hold, Refusal, Role};

/// The least role that asking for this needs.
pub fn needs(ask: &Ask) -> Role {
    match ask {
        Ask::Help { .. } | Ask::Why { .. } => Role::Read,
        // Who may agree is the plan's to say: a team need not be able to write.
        Ask::Approve { .. } | Ask::Reject { .. } => Role::Read,
        Ask::Look { action } if matches!(**action, Action::Status(_)) => Role::Read,
        // Others are asked for it, a process is started, or something is changed.
        Ask::Look { .. } | Ask::Act { .. } | Ask::Steer { .. } => Role::Write,
    }
}

/// What an environment's own rule says about somebody who has the role that is needed everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    Allowed,
    /// If they belong to one of these teams.
    IfMember(Vec<String>),
    Stranger,
}

/// GitHub has said the role of exactly this account, so that the login is theirs.
pub fn standing(who: Option<&[String]>, actor: &Actor, role: Role) -> Standing {
    let Some(who) = who else { return Standing::Allowed };
    let mut teams = Vec::new();
    for one in who {
        match one.split_once(':') {
            Some(("team", team)) => teams.push(team.to_owned()),
            Some(("user", login)) if login.eq_ignore_ascii_case(&actor.login) => return Standing::Allowed,
            Some(_) => {}
            None if Role::parse(one).is_some_and(|least| least >= DEPLOYS && role >= least) => return Standing::Allowed,
            None => {}
        }
    }
    if teams.is_empty() { Standing::Stranger } else { Standing::IfMember(teams) }
}

/// Refuses whom an environment's own rule does not name.
pub fn not_named(environment: &EnvName) -> Refusal {
    let text = format!("The environment {environment} says itself who may do this, and you are not among them.");
    Refusal::user("not_allowed", text, format!("Ask somebody whom `who` of [environments.{environment}] names."))
}

/// The least role that moves users of an environment.
pub const DEPLOYS: Role = Role::Write;

/// The least role that ends what somebody else has put in the way.
const ENDS_OTHERS: Role = Role::Maintain;

/// Whether a person may end what keeps deployments out. Their own they may always.
///
/// # Errors
/// `not_allowed`, `reason_missing`.
pub fn may_end(actor: &Actor, role: Role, hold: &Hold, reason: Option<&str>) -> Result<(), Refusal> {
    let what = &hold.what;
    if what.owner.id_of() == actor.id_of() {
        return Ok(());
    }
    let (kind, environment, owner) = (what.kind.as_str(), &what.environment, &what.owner.login);
    if role < ENDS_OTHERS {
        let text = format!(
            "The {kind} on {environment} is by {owner}, so that ending it needs the role {}, and you have {}.",
            ENDS_OTHERS.as_str(),
            role.as_str()
        );
        return Err(Refusal::user("not_allowed", text, format!("Ask {owner}, or somebody with that role.")));
    }
    if reason.is_none_or(|reason| reason.trim().is_empty()) {
        let text = format!("The {kind} on {environment} is by {owner}, and nobody ends it without saying why.");
        let fix = format!("Say it: `lockkeeper unlock {environment} --reason \"…\"`.");
        return Err(Refusal::user("reason_missing", text, fix));
    }
    Ok(())
}

/// # Errors
/// `not_allowed`.
pub fn check(role: Role, least: Role) -> Result<(), Refusal> {
    if role >= least {
        return Ok(());
    }
    let text = format!("This needs the role {} in the repository, and you have {}.", least.as_str(), role.as_str());
    Err(Refusal::user("not_allowed", text, "Ask an administrator of the repository for it, or somebody who has it."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ActorKind, HoldKind, Millis, NewHold, RepoId, UserId};

    fn hold(owner: Actor) -> Hold {
        let what = NewHold {
            repo: RepoId(1),
            environment: EnvName::parse("production").unwrap(),
            kind: HoldKind::Lock,
            owner,
            reason: "migration".into(),
            sha: None,
            run: None,
            since: Millis(0),
            until: None,
            pull: None,
        };
        Hold { id: 1, what, ended_at: None, ended_by: None, ended_why: None }
    }

    #[test]
    fn an_environment_says_itself_who_may() {
        let ann = Actor { kind: ActorKind::User, id: UserId(3), login: "Ann".into() };
        let says = |who: &[&str], role| {
            let who: Vec<String> = who.iter().map(|one| (*one).to_owned()).collect();
            standing(Some(&who), &ann, role)
        };
        let team = |name: &str| Standing::IfMember(vec![name.to_owned()]);
        for (who, role, expected) in [
            (&["write"][..], Role::Write, Standing::Allowed),
            (&["maintain"], Role::Write, Standing::Stranger),
            (&["maintain"], Role::Admin, Standing::Allowed),
            (&["user:ann"], Role::Write, Standing::Allowed),
            (&["user:anna"], Role::Admin, Standing::Stranger),
            (&["admin", "team:sre"], Role::Write, team("sre")),
            (&["team:sre", "admin"], Role::Admin, Standing::Allowed),
            (&[], Role::Admin, Standing::Stranger),
            (&["read"], Role::Admin, Standing::Stranger),
            (&["role:admin"], Role::Admin, Standing::Stranger),
        ] {
            assert_eq!(says(who, role), expected, "{who:?} {role:?}");
        }
        assert_eq!(standing(None, &ann, Role::Write), Standing::Allowed);
    }

    /// By its number, not by what it is called.
    #[test]
    fn only_the_owner_ends_a_lock_without_rank_and_reason() {
        let person = |id, login: &str| Actor { kind: ActorKind::User, id: UserId(id), login: login.into() };
        let (own, others) = (hold(person(3, "ann")), hold(person(4, "ann")));
        let ends = |hold: &Hold, role, reason| may_end(&person(3, "ann"), role, hold, reason).map_err(|refusal| refusal.code);
        assert_eq!(ends(&own, Role::Write, None), Ok(()));
        for (role, reason, code) in [
            (Role::Write, Some("done"), Some("not_allowed")),
            (Role::Maintain, None, Some("reason_missing")),
            (Role::Admin, Some(" "), Some("reason_missing")),
            (Role::Maintain, Some("done"), None),
            (Role::Admin, Some("done"), None),
        ] {
            assert_eq!(ends(&others, role, reason).err().as_deref(), code, "{role:?} {reason:?}");
        }
        assert_eq!(ends(&hold(Actor::schedule()), Role::Write, Some("done")).err().as_deref(), Some("not_allowed"));
    }

    #[test]
    fn a_role_is_enough_from_its_own_rank_on() {
        let ranks = [Role::None, Role::Read, Role::Triage, Role::Write, Role::Maintain, Role::Admin];
        for (has, role) in ranks.into_iter().enumerate() {
            for (wants, least) in ranks.into_iter().enumerate() {
                assert_eq!(check(role, least).is_ok(), has >= wants, "{role:?} {least:?}");
            }
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        assert_eq!(Role::parse("owner"), None);
    }
}
