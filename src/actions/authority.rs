//! Who may ask for what, by the role in the repository. The one place that decides it for people who comment.

use super::Action;
use super::ask::Ask;
use crate::domain::{Refusal, Role};

/// The least role that asking for this needs.
pub fn needs(ask: &Ask) -> Role {
    match ask {
        Ask::Help { .. } => Role::Read,
        Ask::Look { action } if matches!(**action, Action::Status(_)) => Role::Read,
        // Others are asked for it, or a process is started.
        Ask::Look { .. } => Role::Write,
    }
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
