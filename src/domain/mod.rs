//! The words of the product as types: ids, references, actors, refusals and what GitHub told us.
//!
//! Invariants: every newtype is validated when it is made, also when it is deserialized, so that a value that exists is a
//! value that may be used. Nothing here reads a clock, a file or the network: time comes in as [`Millis`].

mod actor;
mod digest;
mod facts;
mod head;
mod ids;
mod key;
mod ledger;
mod merged;
mod names;
mod news;
mod refusal;
mod review;
mod role;
mod sample;
mod slot;
mod text;
mod time;
mod world;

pub use actor::{Actor, ActorKind, Person};
pub use digest::{Digest, canonical, hex};
pub use facts::{CommitFacts, DeploymentInfo, DeploymentStatusInfo, Folder, Recheck, TagName, WorkflowRunInfo};
pub use head::{PullHead, SeenHead};
pub use ids::{DeliveryId, InstallationId, KeyId, RepoId, RunId, UserId};
pub use key::{Grant, Key, Scope};
pub use ledger::{EnvPlace, EnvironmentRecord, Hold, HoldKind, InQueue, Lease, LedgerEntry, NewHold, Reported};
pub use merged::{HeadMerge, MergedPull, MergedPulls, Mirror};
pub use names::{EnvName, KeyName, NameError, RepoName, Sha, Tag};
pub use news::{News, NewsKind, Problem};
pub use refusal::{Blame, COMMIT_GONE, Refusal, WORKFLOW_RUN_AMBIGUOUS, WORKFLOW_RUN_GONE};
pub use review::{Overridable, Override, Review, Reviews, Said};
pub use role::Role;
pub use sample::{Number, Sample};
pub use slot::{PerSlot, Slot};
pub use text::{hidden, one_line};
pub use time::Millis;
pub use world::{
    Ancestry, Artifact, Attestation, BranchRef, CheckChange, CheckItem, CheckSource, CheckState, Commit, FileAt, PullRequest,
    Range, ReleaseInfo, RepoRef, Standing, TagRef, Unreadable,
};

/// A semantic version; parsed strictly (no leading zeros, no fourth number, no `v`).
pub use semver::Version;
