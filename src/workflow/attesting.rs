//! Reads what the gate `attestation` looks at: the files of the tag's release, and what GitHub keeps about each.
//!
//! Invariants: they are read once every gate but those that ask web services passes, and again after a wait; what passed is
//! what is deployed: the files are looked at once more at the lease, and one that has changed by then is refused.

use super::gating::Case;
use crate::config::repo::GatePolicy;
use crate::domain::{Artifact, Attestation, Millis, Recheck, Refusal, ReleaseInfo, Unreadable};
use crate::flow::{Flow, Stop};
use crate::gates::{self, Verdict};
use crate::plan::Call;
use serde::{Deserialize, Serialize};

/// What was read.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Attested {
    /// When it was read for the first time; the gate's time counts from here.
    pub since: Option<Millis>,
    pub artifacts: Option<Result<Vec<Artifact>, Unreadable>>,
    pub attestations: Option<Result<Vec<Attestation>, Unreadable>>,
    /// Nothing has been waited for since.
    fresh: bool,
}

impl Attested {
    pub fn waited(&mut self) {
        self.fresh = false;
    }
}

fn is_attestation(policy: &GatePolicy) -> bool {
    matches!(policy, GatePolicy::Attestation(_))
}

impl Case<'_> {
    /// Reads when it is the gate's turn; false when it is not, and nothing has changed.
    pub(super) fn read_attestations_in_turn(
        &self,
        f: &mut Flow,
        attested: &mut Attested,
        look: &Recheck,
        verdicts: &[Verdict],
    ) -> Result<bool, Stop> {
        let overall = gates::overall(verdicts);
        let refused = !overall.status.advances() && overall.ask_again.is_none();
        let is_turn = !self.are_attested(verdicts) || overall.status.advances();
        if refused || attested.fresh || !is_turn || !self.has_attestations() || !self.only_what_is_asked_is_open(verdicts) {
            return Ok(false);
        }
        self.read_attestations(f, "", attested, look)?;
        Ok(true)
    }

    /// With a look, so that nothing is called missing, or too late, on the strength of a read from before a wait.
    pub(super) fn read_missing_attestations(
        &self,
        f: &mut Flow,
        attested: &mut Attested,
        look: &Recheck,
        verdicts: &[Verdict],
    ) -> Result<(), Stop> {
        if attested.since.is_none() || attested.fresh || self.are_attested(verdicts) {
            return Ok(());
        }
        self.read_attestations(f, "", attested, look)
    }

    fn are_attested(&self, verdicts: &[Verdict]) -> bool {
        let mut judged = self.gates.iter().zip(verdicts);
        judged.all(|(gate, verdict)| !is_attestation(gate) || verdict.status.advances())
    }

    pub(super) fn has_attestations(&self) -> bool {
        self.gates.iter().any(is_attestation)
    }

    /// Every gate passes but those that ask somebody who is not asked before.
    pub(super) fn only_what_is_asked_is_open(&self, verdicts: &[Verdict]) -> bool {
        let asked = |gate: &GatePolicy| is_attestation(gate) || matches!(gate, GatePolicy::Http(_));
        self.gates.iter().zip(verdicts).all(|(gate, verdict)| asked(gate) || verdict.status.advances())
    }

    /// Two questions, the second for each file. `stem` begins the names of the steps.
    pub(super) fn read_attestations(
        &self,
        f: &mut Flow,
        stem: &str,
        attested: &mut Attested,
        look: &Recheck,
    ) -> Result<(), Stop> {
        let now = f.now();
        if attested.since.is_none() {
            attested.since = Some(f.record(&format!("{stem}attested.since"), || now)?);
        }
        let artifacts = self.read_artifacts(f, &format!("{stem}artifacts"), look)?;
        let digests = gates::digests(self.gates, artifacts.as_deref().unwrap_or_default());
        attested.attestations = Some(match digests.is_empty() {
            true => Ok(Vec::new()),
            false => f.step(&format!("{stem}attestations"), &Call::ReadAttestations { repo: self.repo.clone(), digests })?,
        });
        attested.artifacts = Some(artifacts);
        attested.fresh = true;
        Ok(())
    }

    fn read_artifacts(&self, f: &mut Flow, step: &str, look: &Recheck) -> Result<Result<Vec<Artifact>, Unreadable>, Stop> {
        let Some(release) = self.release(look) else { return Ok(Ok(Vec::new())) };
        f.step(step, &Call::ReadArtifacts { repo: self.repo.clone(), release: release.id })
    }

    /// The one that is published, or the newest draft.
    fn release<'l>(&self, look: &'l Recheck) -> Option<&'l ReleaseInfo> {
        let tag = self.tag?;
        let mine = look.releases.iter().filter(|release| release.tag == tag.as_str());
        mine.max_by_key(|release| (!release.draft, release.id))
    }

    /// Why what is deployed is not what passed.
    pub(super) fn artifacts_still(
        &self,
        f: &mut Flow,
        step: &str,
        (passed, look): (&[Artifact], &Recheck),
    ) -> Result<Option<Refusal>, Stop> {
        if !self.has_attestations() {
            return Ok(None);
        }
        let now = match self.read_artifacts(f, step, look)? {
            Ok(now) => gates::deployed(self.gates, &now),
            Err(unreadable) => return Ok(Some(unread(&unreadable))),
        };
        let changed = now.iter().find(|file| !passed.contains(file)).or_else(|| passed.iter().find(|file| !now.contains(file)));
        Ok(changed.map(|file| {
            let text = format!("The file {} of the release has changed since the gates passed.", gates::shown(&file.name));
            Refusal::user("artifact_changed", text, "See who has changed it, and ask for the deployment again.")
        }))
    }
}

fn unread(unreadable: &Unreadable) -> Refusal {
    let text = format!("The files of the release could not be read: {}.", unreadable.reason.trim_end_matches('.'));
    Refusal::user("artifacts_unreadable", text, "See that GitHub answers, and ask for the deployment again.")
}
