//! Files of releases, and what proves who has built them.

use super::{Done, Steps, answer, trouble};
use crate::domain::{Attestation, Refusal, RepoRef, Unreadable};
use crate::engine::host::StepError;
use crate::github::Trouble;

impl Steps {
    pub(super) async fn read_artifacts(&self, repo: &RepoRef, release: u64) -> Done {
        answer(&readable(self.at(repo).artifacts(&repo.name, release).await)?)
    }

    pub(super) async fn read_attestations(&self, repo: &RepoRef, digests: &[String]) -> Done {
        let mut all: Vec<Attestation> = Vec::new();
        for digest in digests {
            match readable(self.at(repo).attestations(&repo.name, digest).await)? {
                Ok(found) => all.extend(found),
                Err(unreadable) => return answer(&Err::<Vec<Attestation>, _>(unreadable)),
            }
        }
        answer(&Ok::<_, Unreadable>(all))
    }
}

/// What GitHub refuses for good is for the gate to say.
fn readable<T>(read: Result<T, Trouble>) -> Result<Result<T, Unreadable>, StepError> {
    match read {
        Err(why) if why.is_retryable() => Err(trouble(why)),
        Err(why) => Ok(Err(Unreadable { reason: Refusal::from(why).message })),
        Ok(value) => Ok(Ok(value)),
    }
}
