//! Target `deployment`: somebody else acts on the GitHub deployment and reports its status.
//!
//! Invariant: only a status whose creator is named in `reporters` counts, whatever else it says. A login is compared
//! without case, as GitHub does; an App reports as `slug[bot]`, which no person can register as a login.

use super::Progress;
use crate::config::repo::DeploymentTarget;
use crate::domain::DeploymentStatusInfo;

/// What the reporters' list says about an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    Named,
    /// Counts if it belongs to one of these teams.
    IfMember(Vec<String>),
    Stranger,
}

pub fn standing(target: &DeploymentTarget, login: &str) -> Standing {
    let mut teams = Vec::new();
    for reporter in &target.reporters {
        match reporter.strip_prefix("team:") {
            Some(team) => teams.push(team.to_owned()),
            None if reporter.eq_ignore_ascii_case(login) => return Standing::Named,
            None => {}
        }
    }
    // A bot is never a member of a team.
    if teams.is_empty() || login.ends_with("[bot]") { Standing::Stranger } else { Standing::IfMember(teams) }
}

/// Where the newest report that counts leaves the deployment. `counts` decides about each creator.
pub fn progress(statuses: &[DeploymentStatusInfo], counts: impl Fn(&DeploymentStatusInfo) -> bool) -> Progress {
    let newest = statuses.iter().filter(|s| counts(s) && is_final(&s.state)).max_by_key(|s| (s.at, s.id));
    match newest {
        None => Progress::Working,
        Some(status) if status.state == "success" => {
            Progress::Done { url: status.environment_url.clone().filter(|u| !u.is_empty()) }
        }
        Some(status) => Progress::Failed { reason: failure(status) },
    }
}

fn is_final(state: &str) -> bool {
    matches!(state, "success" | "failure" | "error")
}

fn failure(status: &DeploymentStatusInfo) -> String {
    let said = status.description.trim();
    let who = &status.creator_login;
    if said.is_empty() {
        format!("{who} reported {}", status.state)
    } else {
        format!("{who} reported {}: {said}", status.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Millis;
    use std::time::Duration;

    fn status(id: u64, state: &str, who: &str) -> DeploymentStatusInfo {
        DeploymentStatusInfo {
            id,
            state: state.into(),
            description: String::new(),
            creator_login: who.into(),
            creator_id: 1,
            app_id: None,
            at: Millis(i64::try_from(id).unwrap()),
            environment_url: None,
            log_url: None,
        }
    }

    fn target(reporters: &[&str]) -> DeploymentTarget {
        DeploymentTarget { reporters: reporters.iter().map(|r| (*r).to_owned()).collect(), timeout: Duration::from_secs(1) }
    }

    #[test]
    fn only_the_named_count() {
        let t = target(&["Deployer[bot]", "alice", "team:sre"]);
        assert_eq!(standing(&t, "deployer[bot]"), Standing::Named);
        assert_eq!(standing(&t, "ALICE"), Standing::Named);
        assert_eq!(standing(&t, "deployer"), Standing::IfMember(vec!["sre".into()]));
        assert_eq!(standing(&t, "other[bot]"), Standing::Stranger);
        assert_eq!(standing(&target(&["alice"]), "alic"), Standing::Stranger);
        assert_eq!(standing(&target(&[]), "alice"), Standing::Stranger);
    }

    #[test]
    fn the_newest_final_report_decides() {
        let all =
            [status(1, "in_progress", "a"), status(2, "failure", "m"), status(3, "success", "a"), status(4, "queued", "a")];
        let by_a = |s: &DeploymentStatusInfo| s.creator_login == "a";
        assert_eq!(progress(&all, by_a), Progress::Done { url: None });
        assert_eq!(progress(&all[..2], by_a), Progress::Working);
        assert!(matches!(progress(&all, |s| s.creator_login == "m"), Progress::Failed { .. }));
    }
}
