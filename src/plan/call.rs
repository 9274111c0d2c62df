//! One request to the world for each variant. The executor of each lives in `engine::steps`, one file for each area.

use super::Plan;
use super::check::CheckRunCall;
use super::deployments::{DeploymentCall, MirrorCall, ReviewCall, StatusCall};
use super::parts::{
    AskCall, AskPeerCall, Base, DraftCall, ErrandCall, Given, LandCall, MeasureCall, NotesCall, ProbeCall, PublishCall,
    ReplyCall, TrafficCall,
};
use crate::domain::{
    Actor, EnvName, EnvPlace, Folder, Lease, Millis, NewHold, Person, Refusal, RepoRef, RunId, Sha, Slot, Tag, UserId,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case")]
pub enum Call {
    /// Tells how far something is, while more than that hangs on time: it is given up within moments when GitHub does not take
    /// it. Answers as what it holds.
    Passing {
        what: Box<Call>,
    },
    /// Makes something that an earlier step of the run may have made already without hearing of it, so that is looked for first.
    /// Answers as what it holds.
    Sought {
        what: Box<Call>,
    },
    /// Everything about a commit, by tag or by sha, or about the default branch's head; answers `Ground`.
    ReadCommit {
        repo: RepoRef,
        tag: Option<Tag>,
        sha: Option<Sha>,
    },
    /// As `ReadCommit`; what another run has read within the last minute is taken over.
    ReadGiven {
        repo: RepoRef,
        sha: Sha,
        given: Given,
    },
    /// What we have heard of the heads of a pull request; our own store answers a list of `SeenHead`, newest first.
    ReadHeads {
        pull: u64,
    },
    /// Everything about a commit and, beside it, the head of a pull request; answers `Ground`.
    ReadPull {
        repo: RepoRef,
        pull: u64,
        sha: Option<Sha>,
    },
    /// When the branch was moved to this commit, by GitHub's clock; answers a time, or nothing where GitHub does not know.
    ReadMove {
        repo: RepoRef,
        branch: String,
        sha: Sha,
    },
    /// The repository's own settings at a commit of the default branch; answers `Settings`.
    ReadSettings {
        repo: RepoRef,
        sha: Sha,
    },
    /// What may have changed since; answers `Recheck`.
    Recheck {
        repo: RepoRef,
        tag: Option<Tag>,
        sha: Sha,
        base: Option<Sha>,
        authors: Vec<String>,
        /// A folder of which to say which commits touch it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        folder: Option<Folder>,
    },
    /// How the commit stands to the branches that match these globs; answers a list of `Standing`.
    ReadBranches {
        repo: RepoRef,
        sha: Sha,
        globs: Vec<String>,
    },
    /// Whether somebody holds this lock; our own store answers.
    IsLocked {
        key: String,
    },
    /// Whether a key of ours has neither ended nor been revoked; our own store answers.
    IsKeyGood {
        number: u64,
    },
    /// Whether the newest settings that any run has read still have this environment; our own store answers a boolean.
    IsEnvironmentKnown {
        repo: RepoRef,
        environment: EnvName,
    },
    /// The commits after the first candidate that the head contains; answers `Range`.
    ReadRange {
        repo: RepoRef,
        candidates: Vec<Base>,
        head: Sha,
    },
    /// Release notes, written in a child process; answers `NotesMade`.
    RenderNotes(NotesCall),
    /// Makes or updates our check run; answers `CheckRunMade`.
    CheckRun(CheckRunCall),
    CreateDraft(DraftCall),
    Publish(PublishCall),
    /// Undo of a draft: deletes it if it is still a draft.
    DeleteDraft {
        repo: RepoRef,
        release: u64,
    },
    CreateDeployment(DeploymentCall),
    DeploymentStatus(StatusCall),
    /// Pull requests whose merges `head` contains and `base` does not, newest first, at most `most`; without a base those of
    /// `head` alone. Answers `MergedPulls`.
    ReadMerged {
        repo: RepoRef,
        base: Option<Sha>,
        head: Sha,
        most: usize,
    },
    /// Merges of pull requests of this repository of which this commit is the head, or was when a delivery told us of it; none
    /// of a fork. Answers a list of `HeadMerge`.
    ReadMergesOf {
        repo: RepoRef,
        head: Sha,
    },
    /// A deployment on a pull request's head, beside the one that brought its merge; answers a `Mirror`, or nothing when a
    /// rollback has taken that away.
    Mirror(MirrorCall),
    /// Which pull requests show that they run in an environment; answers a list of `Mirror`.
    ReadMirrors {
        place: EnvPlace,
    },
    /// It does not show it any more.
    ForgetMirror {
        place: EnvPlace,
        /// GitHub's id.
        deployment: u64,
    },
    /// The run of a workflow that waits before it deploys a commit: by its number, or the only one of the commit that waits for
    /// the environment. Answers an `Awaiting`, or nothing.
    ReadAwaiting {
        repo: RepoRef,
        workflow_run: Option<u64>,
        sha: Sha,
        /// As GitHub writes it.
        environment: String,
    },
    /// Which deployment of ours has started this run of a workflow; our own store answers a `RunId`, or nothing.
    ReadStarter {
        workflow_run: u64,
        environment: EnvName,
    },
    /// Says something about a job that waits, and decides where it says yes or no; answers whether GitHub waits for it still.
    ReviewJob(ReviewCall),
    /// Every report on a deployment; answers a list of `DeploymentStatusInfo`.
    ReadStatuses {
        repo: RepoRef,
        deployment: u64,
    },
    /// Whether this account belongs to a team of the repository's owner; answers a boolean.
    IsTeamMember {
        repo: RepoRef,
        team: String,
        login: String,
    },
    /// `workflow_dispatch`; answers `DispatchMade`. With `offered`, inputs that the workflow does not declare are left out.
    Dispatch {
        repo: RepoRef,
        workflow: String,
        git_ref: String,
        /// The commit that is deployed; the workflow's file is read there.
        sha: Sha,
        inputs: BTreeMap<String, String>,
        offered: bool,
        /// As for [`Call::Shift`], for a workflow that moves users.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        healthy_until: Option<Millis>,
        /// It is not begun any more once the run is asked to stop.
        #[serde(default)]
        stoppable: bool,
    },
    /// Answers `WorkflowRunInfo`.
    ReadWorkflowRun {
        repo: RepoRef,
        workflow_run: u64,
    },
    /// Asks a workflow run to end. It does so later; answers whether there was something to cancel.
    CancelWorkflowRun {
        repo: RepoRef,
        workflow_run: u64,
    },
    /// What our own record says of an environment, and of others; answers `EnvironmentRecord`.
    ReadEnvironment {
        place: EnvPlace,
        earlier: Vec<EnvName>,
    },
    /// How `head` stands to `base`; answers `Standing`.
    Compare {
        repo: RepoRef,
        base: Sha,
        head: Sha,
    },
    /// Writes that a version is live. Fails with `lease_lost` when another run holds the environment by now.
    Land(LandCall),
    /// Asks a deploy hook or a command for something; answers `Ticket`.
    CarryOut(ErrandCall),
    /// How far it is; answers `Progress`.
    FollowErrand {
        errand: ErrandCall,
        /// The `Ticket` that it was taken on with.
        ticket: serde_json::Value,
    },
    /// Writes that nothing which we have deployed is live any more. Fails as `Land` does.
    Unland {
        place: EnvPlace,
        lease: Lease,
        at: Millis,
    },
    /// What the balancer does now; answers `Observed`.
    ObserveTraffic(TrafficCall),
    /// The slot gets this share of users in percent, the other one the rest; answers `Observed`.
    Shift {
        traffic: TrafficCall,
        slot: Slot,
        percent: u8,
        /// Until when the slot counts as seen healthy: later it fails with `health_stale`, unless users are there already.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        healthy_until: Option<Millis>,
    },
    /// The same share as before: looks, and puts right what has moved; answers `Kept`.
    Keep {
        traffic: TrafficCall,
        slot: Slot,
        percent: u8,
    },
    /// No new users for the slot; waits until those that are there have left, at most `limit`. Answers `Drained`.
    Drain {
        traffic: TrafficCall,
        slot: Slot,
        limit: Duration,
    },
    /// What the balancer has counted of each slot; answers a `Counted`, or nothing where it does not count.
    CountTraffic(TrafficCall),
    /// One measurement of a metric; answers `Observation`.
    Measure(MeasureCall),
    /// No rollback leads to this commit any more.
    MarkBad {
        place: EnvPlace,
        sha: Sha,
    },
    PlaceHold(NewHold),
    /// Ends holds by their ids.
    EndHolds {
        holds: Vec<u64>,
        by: Actor,
        why: String,
    },
    /// The files of a release; answers a list of `Artifact`, or why they cannot be read.
    ReadArtifacts {
        repo: RepoRef,
        release: u64,
    },
    /// What GitHub keeps about artifacts of these digests, verified; answers a list of `Attestation`, or why it cannot be
    /// read.
    ReadAttestations {
        repo: RepoRef,
        digests: Vec<String>,
    },
    /// One question to a web service for the gate `http`; answers `HttpAnswer`.
    AskService(AskCall),
    /// One question to a peer for the gate `peer`; answers `PeerAnswer`.
    AskPeer(AskPeerCall),
    /// What a peer supplies as configuration; answers what it said as data, or null in a rehearsal.
    ReadConfiguration(AskPeerCall),
    /// One health probe; answers `ProbeReport`.
    Probe(ProbeCall),
    /// A reaction to somebody's comment. It only decorates: it is tried once, and answers whether GitHub took it.
    React {
        repo: RepoRef,
        comment: u64,
        /// GitHub's word: `eyes`, `rocket`, `confused`.
        content: String,
    },
    /// What this account may do in the repository; answers `Role`.
    ReadRole {
        repo: RepoRef,
        account: UserId,
        login: String,
    },
    /// Our answer to a comment, as a comment that names the run; answers `Replied`.
    Reply(ReplyCall),
    /// A button of the check run that shows `run` was pressed; answers the action's outcome.
    Press {
        run: RunId,
        identifier: String,
        by: Person,
        pressed_at: Millis,
    },
    /// Something that changes nothing, asked through the door of all actions; as JSON, because actions stand above plans.
    /// Answers the action's outcome.
    Look {
        action: serde_json::Value,
        actor: Actor,
    },
    /// Something that changes something, once: an `Ask` as JSON. Answers the action's outcome.
    Act {
        ask: serde_json::Value,
        by: Person,
        /// By GitHub's clock.
        said_at: Millis,
        /// The pull request on which it was said.
        pull: Option<u64>,
    },
    /// Keeps on record that this `Ask` was refused before it came to the door of all actions. Answers nothing.
    TurnedAway {
        ask: serde_json::Value,
        actor: Actor,
        refusal: Refusal,
    },
    /// Starts a deployment of a commit that was pinned, once; `action` and `input` are JSON for the reason above. Answers the
    /// action's outcome.
    Start {
        action: serde_json::Value,
        input: serde_json::Value,
        plan: Box<Plan>,
        by: Person,
    },
    /// Why things wait, or were refused: in an environment, in a run, or anywhere; our own store answers a list of `Reason`.
    Why {
        about: Option<String>,
    },
}

impl Call {
    /// What is to be done in the end.
    pub fn inner(&self) -> &Self {
        match self {
            Self::Passing { what } | Self::Sought { what } => what.inner(),
            call => call,
        }
    }

    pub fn passing(self) -> Self {
        Self::Passing { what: Box::new(self) }
    }

    pub fn sought(self) -> Self {
        Self::Sought { what: Box::new(self) }
    }
}
