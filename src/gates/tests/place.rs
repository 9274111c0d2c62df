use super::*;
use crate::config::repo::{After, ApprovalsPolicy, AttestationPolicy, HttpGate, PeerGate, Window, WindowPolicy, WindowSpan};
use crate::domain::{Actor, ActorKind, Artifact, Attestation, EnvName, Override, RepoName, UserId};
use std::time::Duration;

pub(super) const DIGEST: &str = "sha256:plan";
pub(super) const ARTIFACT: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

/// Owns what a [`DeployView`] borrows. As made, production of acme/app, and nothing else is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    pub repo: Option<RepoName>,
    pub environment: Option<EnvName>,
    pub digest: Option<String>,
    /// A person asked, with this reason.
    pub by_person: Option<Option<String>>,
    pub wait: bool,
    pub ignores_windows: bool,
    pub counts_from: Option<Millis>,
    pub live: Option<Live>,
    pub occupancy: Vec<EnvironmentHistory>,
    pub holds: Option<Vec<HoldView>>,
    pub approvals: Option<Vec<Approval>>,
    pub rejections: Vec<Rejection>,
    pub overrides: Vec<Override>,
    pub http: Vec<HttpAnswer>,
    pub peers: Vec<PeerAnswer>,
    pub artifacts: Option<Result<Vec<Artifact>, Unreadable>>,
    pub attestations: Option<Result<Vec<Attestation>, Unreadable>>,
}

impl Place {
    pub(super) fn production() -> Self {
        Self {
            repo: RepoName::parse("acme/app").ok(),
            environment: EnvName::parse("production").ok(),
            digest: Some(DIGEST.into()),
            ..Self::default()
        }
    }

    pub(super) fn view(&self) -> DeployView<'_> {
        DeployView {
            repo: self.repo.as_ref(),
            environment: self.environment.as_ref(),
            digest: self.digest.as_deref(),
            asked: match &self.by_person {
                None => Asked::Automatic,
                Some(reason) => Asked::ByPerson { reason: reason.as_deref() },
            },
            wait: self.wait,
            for_job: false,
            ignores_windows: self.ignores_windows,
            counts_from: self.counts_from,
            live: self.live.as_ref(),
            occupancy: &self.occupancy,
            holds: self.holds.as_deref(),
            approvals: self.approvals.as_deref(),
            rejections: &self.rejections,
            overrides: &self.overrides,
            http: &self.http,
            peers: &self.peers,
            artifacts: self.artifacts.as_ref(),
            attestations: self.attestations.as_ref(),
        }
    }
}

pub(super) fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}

pub(super) fn person(id: u64, login: &str) -> Actor {
    Actor { kind: ActorKind::User, id: UserId(id), login: login.into() }
}

pub(super) fn live(digit: char, standing: Standing) -> Option<Live> {
    Some(Live::Version(LiveView { sha: sha(digit), standing }))
}

pub(super) fn soak(soak: Duration) -> GatePolicy {
    GatePolicy::Soak(After { environment: EnvName::parse("staging").unwrap(), soak, deadline: minutes(24 * 60) })
}

/// The commit, and its times in seconds after the run was asked for.
pub(super) fn was(digit: char, from: i64, until: Option<i64>) -> Occupancy {
    let at = |seconds: i64| Millis(ASKED.0 + seconds * 1000);
    Occupancy { sha: sha(digit), from: at(from), until: until.map(at) }
}

pub(super) fn staging(read: Millis, history: Vec<Occupancy>) -> EnvironmentHistory {
    EnvironmentHistory { environment: EnvName::parse("staging").unwrap(), at: read, history }
}

pub(super) fn window(allow: Option<&str>, deny: Option<&str>, zone: &str) -> Window {
    let span = |text: Option<&str>| text.map(|text| WindowSpan::parse(text).unwrap());
    Window { allow: span(allow), deny: span(deny), timezone: zone.into() }
}

pub(super) fn windows(windows: Vec<Window>) -> GatePolicy {
    GatePolicy::Window(WindowPolicy { windows })
}

pub(super) fn hold(kind: HoldKind, owner: &str, until: Option<u64>) -> HoldView {
    HoldView { kind, owner: owner.into(), reason: "database moves.".into(), since: ASKED, until: until.map(later) }
}

pub(super) fn approvals(count: u8, teams: &[&str], users: &[&str]) -> ApprovalsPolicy {
    let texts = |list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect();
    ApprovalsPolicy { count, teams: texts(teams), users: texts(users), not_author: false, expiry: minutes(60) }
}

pub(super) fn approval(id: u64, login: &str) -> Approval {
    Approval {
        by: person(id, login),
        at: ASKED,
        digest: DIGEST.into(),
        teams: Vec::new(),
        is_requester: false,
        is_author: false,
    }
}

pub(super) fn rejection(id: u64, login: &str, reason: &str) -> Rejection {
    Rejection { by: person(id, login), at: ASKED, digest: DIGEST.into(), reason: reason.into() }
}

pub(super) const SERVICE: &str = "https://changes.example/{{ sha }}?key=hidden";

pub(super) fn http(expect: &str) -> GatePolicy {
    GatePolicy::Http(HttpGate {
        url: SERVICE.into(),
        expect: expect.into(),
        timeout: Duration::from_secs(10),
        within: minutes(5),
        interval: Duration::from_secs(30),
    })
}

pub(super) fn answer(seconds: u64, status: u16, body: serde_json::Value) -> HttpAnswer {
    let headers = [("content-type".to_owned(), "application/json".to_owned())].into();
    HttpAnswer { url: SERVICE.into(), at: later(seconds), answer: Ok(HttpSeen { status, latency_ms: 12, headers, body }) }
}

pub(super) fn missed(seconds: u64, hopeless: bool) -> HttpAnswer {
    let reason = "https://changes.example/ did not answer within 10000 ms.".into();
    let fix = "See whether the service runs and answers in time.".into();
    HttpAnswer { url: SERVICE.into(), at: later(seconds), answer: Err(HttpMissed { reason, fix, hopeless }) }
}

pub(super) fn peer(expect: &str, required: bool) -> GatePolicy {
    let arguments = [("ref".to_owned(), "{{ sha }}".into())].into_iter().collect();
    let (peer, tool, expect) = ("security".to_owned(), "scan".to_owned(), expect.to_owned());
    GatePolicy::Peer(PeerGate {
        peer,
        tool,
        arguments,
        expect,
        required,
        within: minutes(5),
        interval: Duration::from_secs(30),
    })
}

pub(super) fn said(seconds: u64, result: serde_json::Value, words: &str) -> PeerAnswer {
    let GatePolicy::Peer(gate) = peer("true", true) else { panic!() };
    PeerAnswer { key: gate.key(), at: later(seconds), answer: Ok(PeerSaid { result, words: words.into() }) }
}

pub(super) fn silent(seconds: u64, code: &str, hopeless: bool) -> PeerAnswer {
    let (reason, fix) = ("The peer security did not answer within 60 s.".into(), "See why it takes so long.".into());
    PeerAnswer {
        answer: Err(PeerMissed { code: code.into(), reason, fix, hopeless }),
        ..said(seconds, serde_json::Value::Null, "")
    }
}

pub(super) fn attestation(workflow: Option<&str>) -> GatePolicy {
    let (workflow, assets) = (workflow.map(str::to_owned), "*.tgz".to_owned());
    GatePolicy::Attestation(AttestationPolicy { workflow, assets, deadline: minutes(60) })
}

/// As a file that the policy names.
pub(super) fn asset(name: &str, digest: &str) -> Artifact {
    Artifact { name: name.into(), digest: Some(digest.into()) }
}

pub(super) fn attested(verified: bool) -> Attestation {
    Attestation {
        subject_digest: ARTIFACT.into(),
        workflow: ".github/workflows/release.yml".into(),
        repository: "Acme/App".into(),
        verified,
    }
}
