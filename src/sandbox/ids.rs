//! Ids as large as GitHub's today, so that a 32-bit field breaks here as it would there, and node ids that can be read back.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What an id names; also the prefix of its node id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Account,
    App,
    CheckRun,
    CheckSuite,
    Comment,
    Delivery,
    Deployment,
    DeploymentStatus,
    Hook,
    Installation,
    Label,
    PullRequest,
    Push,
    Reaction,
    Release,
    Repository,
    Run,
    Status,
    Workflow,
}

const KINDS: [(Kind, &str, u64); 19] = [
    (Kind::Account, "U", 190_000_000),
    (Kind::App, "A", 2_200_000),
    (Kind::CheckRun, "CR", 57_000_000_000),
    (Kind::CheckSuite, "CS", 51_000_000_000),
    (Kind::Comment, "IC", 3_600_000_000),
    (Kind::Delivery, "HD", 180_000_000_000),
    (Kind::Deployment, "DE", 3_300_000_000),
    (Kind::DeploymentStatus, "DES", 9_900_000_000),
    (Kind::Hook, "H", 560_000_000),
    (Kind::Installation, "IN", 90_000_000),
    (Kind::Label, "LA", 9_300_000_000),
    (Kind::PullRequest, "PR", 2_900_000_000),
    (Kind::Push, "ACT", 24_000_000_000),
    (Kind::Reaction, "REA", 310_000_000),
    (Kind::Release, "RE", 260_000_000),
    (Kind::Repository, "R", 1_100_000_000),
    (Kind::Run, "WFR", 19_500_000_000),
    (Kind::Status, "SC", 41_000_000_000),
    (Kind::Workflow, "W", 210_000_000),
];

impl Kind {
    fn row(self) -> (&'static str, u64) {
        KINDS.iter().find(|(kind, ..)| *kind == self).map_or(("X", 1), |(_, prefix, base)| (prefix, *base))
    }
}

/// Counts up by a step that leaves holes, as GitHub's ids do.
#[derive(Debug, Default)]
pub(super) struct Ids {
    given: u64,
}

impl Ids {
    pub fn next(&mut self, kind: Kind) -> u64 {
        self.given += 1;
        kind.row().1 + self.given * 7
    }
}

/// `R_…`: opaque to the client, `prefix:owner:id` to us.
pub(super) fn node_id(kind: Kind, owner: u64, id: impl std::fmt::Display) -> String {
    let prefix = kind.row().0;
    format!("{prefix}_{}", URL_SAFE_NO_PAD.encode(format!("{prefix}:{owner}:{id}")))
}

/// The kind, owner and id that [`node_id`] was given.
pub(super) fn read_node_id(text: &str) -> Option<(Kind, u64, String)> {
    let (prefix, code) = text.split_once('_')?;
    let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(code).ok()?).ok()?;
    let mut parts = plain.splitn(3, ':');
    let inner = parts.next().filter(|inner| *inner == prefix)?;
    let kind = KINDS.iter().find(|(_, p, _)| *p == inner)?.0;
    Some((kind, parts.next()?.parse().ok()?, parts.next()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_ids_read_back_and_ids_never_repeat() {
        let id = node_id(Kind::CheckRun, 7, 12);
        assert_eq!(read_node_id(&id), Some((Kind::CheckRun, 7, "12".into())));
        for bad in ["", "CR_", "XX_abc", "CR_!!!"] {
            assert_eq!(read_node_id(bad), None, "{bad}");
        }
        let mut ids = Ids::default();
        let (a, b) = (ids.next(Kind::CheckRun), ids.next(Kind::CheckRun));
        assert!(a < b && a > u64::from(u32::MAX));
    }
}
