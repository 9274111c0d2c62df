//! What answers are made of: plain words for an agent, from the outcomes that every door gets.

use super::refuse::here;
use crate::actions::outcome::{self, HealthReport, Live, Planned, RepoOverview, Validated, Written};
use crate::domain::{EnvName, Hold, Reported, RunId, Sha, Tag};
use crate::engine::client::Kept;
use crate::gates::Verdict;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Status {
    pub repository: String,
    /// The newest release that we made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<Version>,
    pub environments: Vec<Place>,
    /// Runs of no environment: releases.
    pub runs: Vec<Running>,
}

#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(super) struct Place {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<Version>,
    /// What others have reported on GitHub as deployed here since `live`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// What keeps deployments out.
    pub locks: Vec<Lock>,
    pub running: Vec<Running>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Drift {
    pub sha: Sha,
    pub by: String,
    pub since: String,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Version {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha: Option<Sha>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    pub since: String,
    /// Who asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The run that brought it.
    pub run: String,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Lock {
    pub kind: &'static str,
    pub by: String,
    pub reason: String,
    pub since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Running {
    pub id: String,
    pub what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha: Option<Sha>,
    pub since: String,
    pub waits_for: Vec<String>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Deployment {
    pub id: String,
    pub repository: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvName>,
    pub state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha: Option<Sha>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    pub asked_by: String,
    pub created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<Event>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seq: Option<u64>,
}

/// Why it ended as it did.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Failure {
    pub code: String,
    pub message: String,
    pub fix: String,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Event {
    pub seq: u64,
    pub at: String,
    pub step: String,
    pub state: String,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Release {
    pub run: String,
    pub tag: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha: Option<Sha>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    pub state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Notes {
    pub tag: Tag,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<Tag>,
    pub version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_version: Option<String>,
    /// Others wrote what it quotes.
    pub untrusted: bool,
    pub markdown: String,
    pub remarks: Vec<String>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Health {
    pub environment: EnvName,
    pub sha: Sha,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    pub healthy: bool,
    pub checks: Vec<Check>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Check {
    pub of: String,
    pub ok: bool,
    pub code: String,
    pub reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Validation {
    pub environment: EnvName,
    pub sha: Sha,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
    pub status: String,
    pub gates: Vec<Gate>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Gate {
    pub gate: String,
    pub status: String,
    pub code: String,
    pub reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fix: String,
}

/// A plan that was kept.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct PlanShown {
    pub digest: String,
    /// `deploy` or `rollback`.
    pub action: String,
    pub repository: String,
    pub environment: String,
    pub sha: Sha,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<Tag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The commit that users have now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live_sha: Option<Sha>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live_tag: Option<Tag>,
    pub expires_at: String,
    pub steps: Vec<String>,
    /// All gates together, now.
    pub status: String,
    pub gates: Vec<Gate>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// Where a person approves.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Approval {
    pub url: String,
    pub who_may: String,
}

impl Release {
    /// One that was just asked for.
    pub fn begun(run: &RunId, tag: String) -> Self {
        let (run, state) = (run.to_string(), "accepted".to_owned());
        Self { run, tag, sha: None, version: None, state, url: None, created_at: None, failure: None }
    }
}

impl From<Kept> for PlanShown {
    fn from(kept: Kept) -> Self {
        let Kept { digest, planned, live, expires_at } = kept;
        let Planned { plan, gates, remarks, .. } = planned;
        let (live_sha, live_tag) = live.map_or((None, None), |live| (Some(live.sha), live.tag));
        Self {
            digest,
            action: plan.action,
            repository: plan.repo.name.to_string(),
            environment: plan.environment.unwrap_or_default(),
            sha: plan.pin.sha,
            tag: plan.pin.tag,
            version: plan.pin.version,
            live_sha,
            live_tag,
            expires_at: expires_at.rfc3339(),
            steps: plan.steps.into_iter().map(|step| step.what).collect(),
            status: word(&gates.status),
            gates: gates.verdicts.into_iter().map(Gate::from).collect(),
            remarks,
        }
    }
}

impl Status {
    /// With one of its environments only, if one was named.
    pub fn of(repo: RepoOverview, only: Option<&EnvName>) -> Self {
        let RepoOverview { repo, release, live, holds, active } = repo;
        let mut places: BTreeMap<EnvName, Place> = BTreeMap::new();
        let place = |name: &EnvName| (name.clone(), Place { name: name.to_string(), ..Place::default() });
        places.extend(only.map(place));
        for version in live {
            if let Some(name) = version.environment.clone() {
                let place = places.entry(name.clone()).or_insert_with(|| place(&name).1);
                place.drift = version.drift.clone().map(Drift::from);
                place.live = Some(version.into());
            }
        }
        for hold in holds {
            let name = hold.what.environment.clone();
            places.entry(name.clone()).or_insert_with(|| place(&name).1).locks.push(hold.into());
        }
        let mut runs = Vec::new();
        for run in active {
            match run.environment.clone() {
                Some(name) => places.entry(name.clone()).or_insert_with(|| place(&name).1).running.push(run.into()),
                None => runs.push(run.into()),
            }
        }
        places.retain(|name, _| only.is_none_or(|only| only == name));
        let environments = places.into_values().collect();
        Self { repository: repo.to_string(), release: release.map(Version::from), environments, runs }
    }
}

impl From<Reported> for Drift {
    fn from(reported: Reported) -> Self {
        Self { sha: reported.sha, by: reported.by, since: reported.at.rfc3339() }
    }
}

impl From<Live> for Version {
    fn from(live: Live) -> Self {
        let Live { run, tag, sha, version, url, since, by, .. } = live;
        Self { version, tag, sha, url, since: since.rfc3339(), by, run: run.to_string() }
    }
}

impl From<Hold> for Lock {
    fn from(hold: Hold) -> Self {
        let what = hold.what;
        Self {
            kind: what.kind.as_str(),
            by: what.owner.login,
            reason: what.reason,
            since: what.since.rfc3339(),
            until: what.until.map(crate::domain::Millis::rfc3339),
        }
    }
}

impl From<outcome::Active> for Running {
    fn from(run: outcome::Active) -> Self {
        let outcome::Active { run: id, workflow, tag, sha, since, waits_for, .. } = run;
        Self { id: id.to_string(), what: workflow, tag, sha, since: since.rfc3339(), waits_for }
    }
}

impl From<Written> for Notes {
    fn from(notes: Written) -> Self {
        let Written { tag, previous, version, next_version, markdown, remarks } = notes;
        Self { tag, previous, version, next_version, untrusted: true, markdown, remarks }
    }
}

impl From<HealthReport> for Health {
    fn from(report: HealthReport) -> Self {
        let HealthReport { environment, sha, version, healthy, checks } = report;
        let check = |check: outcome::CheckReport| Check {
            of: check.url,
            ok: check.ok,
            code: check.code,
            reason: check.reason,
            fix: check.fix.as_deref().map(here),
        };
        Self { environment, sha, version, healthy, checks: checks.into_iter().map(check).collect() }
    }
}

impl From<Validated> for Validation {
    fn from(validated: Validated) -> Self {
        let Validated { environment, sha, tag, gates } = validated;
        let status = word(&gates.status);
        Self { environment, sha, tag, status, gates: gates.verdicts.into_iter().map(Gate::from).collect() }
    }
}

impl From<Verdict> for Gate {
    fn from(verdict: Verdict) -> Self {
        let Verdict { gate, status, code, reason, fix, .. } = verdict;
        Self { gate, status: word(&status), code, reason, fix: here(&fix) }
    }
}

/// A closed enum as it is written in JSON.
pub(super) fn word(of: &impl Serialize) -> String {
    serde_json::to_value(of).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
