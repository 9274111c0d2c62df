//! Tables for every branch of every gate, their texts in one snapshot, and properties.

mod deploy_properties;
mod deploy_table;
mod place;
mod properties;
mod table;
mod windows;

use super::*;
use crate::config::repo::{ChecksPolicy, RepoConfig};
use crate::domain::{
    Ancestry, BranchRef, CheckItem, CheckSource, CheckState, CommitFacts, FileAt, ReleaseInfo, RunId, Sha, Tag, TagRef,
    Unreadable, Version,
};

const OUR_APP: u64 = 77;
const ASKED: Millis = Millis(1_000_000_000_000);

fn sha(digit: char) -> Sha {
    Sha::parse(&digit.to_string().repeat(40)).unwrap()
}

fn later(seconds: u64) -> Millis {
    ASKED.plus(std::time::Duration::from_secs(seconds))
}

/// Owns what a [`GateView`] borrows. As made, a lightweight tag v1.2.3 at `aaa…` on main, all in order, one passed check.
#[derive(Clone, Debug)]
struct World {
    run: RunId,
    pinned: Sha,
    facts: CommitFacts,
    checks: Result<Vec<CheckItem>, Unreadable>,
    checks_at: Millis,
    releases: Vec<ReleaseInfo>,
    tag: Option<Tag>,
    version: Option<Version>,
    component: Option<String>,
    event: Option<Sha>,
    now: Option<TagRef>,
    branches: Option<Vec<BranchStanding>>,
    config: RepoConfig,
    next: Option<Version>,
    unclassified: Option<Vec<Unclassified>>,
    place: place::Place,
}

impl World {
    fn new() -> Self {
        let tag = Tag::parse("v1.2.3").unwrap();
        let here = TagRef { name: tag.clone(), commit: sha('a'), object: Some(sha('a')), annotated: false, message: None };
        let checks = Ok(vec![check("build", 15, 1, CheckState::Success)]);
        let facts = CommitFacts {
            at: ASKED,
            default_branch: BranchRef { name: "main".into(), head: sha('f') },
            sha: Some(sha('a')),
            on_default_branch: Some(Ancestry::Contained),
            tag: Some(here.clone()),
            tags: vec![here.clone()],
            tags_complete: true,
            releases: Vec::new(),
            checks: checks.clone(),
            config: Ok(None),
            config_here: Ok(None),
            manifests: Vec::new(),
            notes_config: Vec::new(),
            history: Vec::new(),
            history_complete: true,
        };
        Self {
            run: RunId::parse("run-1").unwrap(),
            pinned: sha('a'),
            facts,
            checks,
            checks_at: ASKED,
            releases: Vec::new(),
            tag: Some(tag),
            version: Some(Version::new(1, 2, 3)),
            component: None,
            event: Some(sha('a')),
            now: Some(here),
            branches: None,
            config: RepoConfig::default(),
            next: Some(Version::new(1, 2, 3)),
            unclassified: Some(Vec::new()),
            place: place::Place::default(),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn view(&self) -> GateView<'_> {
        GateView {
            run: &self.run,
            pinned: &self.pinned,
            facts: &self.facts,
            checks: &self.checks,
            checks_at: self.checks_at,
            releases: &self.releases,
            tag: self.tag.as_ref().map(|name| TagView {
                name,
                version: self.version.as_ref(),
                component: self.component.as_deref(),
                event_sha: self.event.as_ref(),
                now: self.now.as_ref(),
            }),
            branches: self.branches.as_deref(),
            app_id: OUR_APP,
            config: &self.config,
            asked_at: ASKED,
            next_version: self.next.as_ref(),
            unclassified: self.unclassified.as_deref(),
            deploy: self.place.view(),
        }
    }

    fn judge(&self, policy: &GatePolicy, now: Millis) -> Verdict {
        judge(policy, &self.view(), now)
    }
}

fn check(name: &str, app_id: u64, id: u64, state: CheckState) -> CheckItem {
    let conclusion = match state {
        CheckState::Pending => "in_progress",
        CheckState::Success => "success",
        CheckState::Neutral => "skipped",
        CheckState::Failure => "timed_out",
    };
    CheckItem {
        name: name.into(),
        source: CheckSource::CheckRun { id, app_id, app_slug: format!("app-{app_id}") },
        state,
        conclusion: conclusion.into(),
        at: ASKED,
        url: Some(format!("https://ci.example/{id}")),
    }
}

fn status(name: &str, at: Millis, state: CheckState) -> CheckItem {
    let source = CheckSource::Status { creator: "octocat".into() };
    CheckItem { source, at, conclusion: "error".into(), url: None, ..check(name, 0, 0, state) }
}

fn release(draft: bool, body: &str) -> ReleaseInfo {
    ReleaseInfo {
        id: 1,
        tag: "v1.2.3".into(),
        draft,
        prerelease: false,
        body: body.into(),
        url: "https://github.com/acme/app/releases/1".into(),
        author: None,
    }
}

fn file(path: &str, text: &str) -> FileAt {
    FileAt { path: path.into(), text: text.into() }
}

fn named(names: &[&str]) -> GatePolicy {
    GatePolicy::Checks(ChecksPolicy { names: names.iter().map(|n| (*n).to_owned()).collect(), ..ChecksPolicy::default() })
}
