//! Whether an environment's own rule lets somebody deploy to it who has asked in a comment. Fails closed: a team that cannot be
//! read has no members.

use super::Input;
use crate::actions::authority::{self, Standing};
use crate::config::repo::Environment;
use crate::domain::{Refusal, Role};
use crate::flow::{Flow, StepFailure, Stop};
use crate::plan::Call;

/// `stem` begins the names of the steps.
pub(super) fn may(
    f: &mut Flow,
    stem: &str,
    input: &Input,
    environment: &Environment,
    role: Role,
) -> Result<Result<(), Refusal>, Stop> {
    let teams = match authority::standing(environment.who.as_deref(), &input.actor, role) {
        Standing::Allowed => return Ok(Ok(())),
        Standing::Stranger => return Ok(Err(authority::not_named(&environment.name))),
        Standing::IfMember(teams) => teams,
    };
    let mut unread = None;
    for (at, team) in teams.into_iter().enumerate() {
        let call = Call::IsTeamMember { repo: input.repo.clone(), team, login: input.actor.login.clone() };
        let member: Result<bool, StepFailure> = f.try_step(&format!("{stem}.{at}"), &call)?;
        match member {
            Ok(true) => return Ok(Ok(())),
            Ok(false) => {}
            Err(failure) => unread = Some(failure.refusal),
        }
    }
    Ok(Err(unread.unwrap_or_else(|| authority::not_named(&environment.name))))
}
