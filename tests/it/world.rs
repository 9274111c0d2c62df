//! The real server beside a GitHub stand-in, with verbs for stories.
//!
//! A story ends with [`World::finish`]: nothing may be left half done, and nothing may have been asked of GitHub that
//! GitHub refuses.

use lockkeeper::app::{Server, Tuning};
use lockkeeper::config::Secret;
use lockkeeper::config::repo::CONFIG_PATH;
use lockkeeper::config::settings::{AddressRange, App, CommandPrefix, Local, LogFormat, Resources, Serve, SignIn};
use lockkeeper::domain::Sha;
use lockkeeper::engine::host::Options;
use lockkeeper::sandbox::{CheckRun, CommitSeed, Deployment, Release, RepoHandle, RepoSeed, Sandbox, SandboxConfig};
use lockkeeper::store::runs::{Filter, Run, RunState};
use lockkeeper::store::{Store, audit};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub const RELEASE: &str = "lockkeeper/release";
pub const SECRET: &str = "a secret of the stories";
/// How long a story waits for something; a machine can be busy.
const PATIENCE: Duration = Duration::from_secs(40);
const LOOK: Duration = Duration::from_millis(10);
const LONG: Duration = Duration::from_secs(3600);

/// A world to be: `acme/shop` with two commits, the first of them tagged `v1.0.0`, and green checks.
pub struct Setup {
    repo: &'static str,
    files: Vec<(String, String)>,
    allow: Vec<String>,
    enterprise: bool,
    people: bool,
    prefix: CommandPrefix,
    public_url: Option<String>,
    pub resources: Resources,
    pub tuning: Tuning,
    clock: Arc<AtomicI64>,
}

impl Setup {
    pub fn new() -> Self {
        let clock: Arc<AtomicI64> = Arc::default();
        let ahead = clock.clone();
        let now = Options::default().clock;
        let host = Options {
            first_retry: Duration::from_millis(50),
            longest_retry: Duration::from_millis(400),
            clock: Arc::new(move || lockkeeper::domain::Millis(now().0 + ahead.load(Ordering::SeqCst))),
            ..Options::default()
        };
        let program = Some(env!("CARGO_BIN_EXE_lockkeeper").into());
        let (grace, edits) = (Duration::from_secs(5), Duration::from_millis(300));
        let tuning = Tuning { host, reconcile: LONG, program, grace, edits, ..Tuning::default() };
        let (files, allow, resources) = (Vec::new(), Vec::new(), Resources::default());
        let prefix = CommandPrefix::default();
        Self {
            repo: "acme/shop",
            files,
            allow,
            enterprise: false,
            people: false,
            prefix,
            public_url: None,
            resources,
            tuning,
            clock,
        }
    }
    /// The repository is another one than `acme/shop`.
    pub fn named(mut self, repo: &'static str) -> Self {
        self.repo = repo;
        self
    }
    /// `.github/lockkeeper.toml` on the default branch.
    pub fn config(self, text: &str) -> Self {
        self.file(CONFIG_PATH, text)
    }
    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.files.push((path.to_owned(), text.to_owned()));
        self
    }
    /// An address that probes may reach.
    pub fn allow(mut self, range: &str) -> Self {
        self.allow.push(range.to_owned());
        self
    }
    /// What commands in comments begin with.
    pub fn prefix(mut self, text: &str) -> Self {
        self.prefix = CommandPrefix::parse(text).unwrap();
        self
    }
    /// GitHub Enterprise Server: REST below `/api/v3`, GraphQL at `/api/graphql`.
    pub fn enterprise(mut self) -> Self {
        self.enterprise = true;
        self
    }
    /// People may come with tokens of the App.
    pub fn people(mut self) -> Self {
        self.people = true;
        self
    }
    /// Where the world is told to reach the server.
    pub fn public_url(mut self, url: &str) -> Self {
        self.public_url = Some(url.to_owned());
        self
    }
    pub fn tune(mut self, change: impl FnOnce(&mut Tuning)) -> Self {
        change(&mut self.tuning);
        self
    }

    /// GitHub alone; the server is started by [`World::boot`].
    pub fn github_only(self) -> World {
        let github = Sandbox::start(SandboxConfig::default()).unwrap();
        let first = CommitSeed::new("feat: begin").tagged("v1.0.0");
        let first = self.files.iter().fold(first, |seed, (path, text)| seed.file(path, text));
        let second = CommitSeed::new("fix: count right").author("ann");
        let shop = github.create_repo(RepoSeed::new(self.repo).commit(first).commit(second)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let world = World { github, shop, server: None, folder, setup: self, expected: Vec::new() };
        world.green(&world.head());
        world
    }

    /// Both, and the first round of the reconciler is over.
    pub async fn start(self) -> World {
        let mut world = self.github_only();
        world.boot().await;
        world.baseline().await;
        world
    }
}

pub struct World {
    pub github: Sandbox,
    pub shop: RepoHandle,
    server: Option<Server>,
    folder: TempDir,
    setup: Setup,
    /// Routes at which GitHub may refuse something in this story.
    expected: Vec<&'static str>,
}

impl World {
    /// Without any configuration.
    pub async fn start() -> Self {
        Setup::new().start().await
    }
    pub async fn with(config: &str) -> Self {
        Setup::new().config(config).start().await
    }

    /// From the next start.
    pub fn lend_peer(&mut self, name: &str, settings: lockkeeper::config::settings::PeerSettings) {
        self.setup.resources.peers.insert(name.to_owned(), settings);
    }

    pub async fn boot(&mut self) {
        let settings = Serve {
            local: Local {
                listen: "127.0.0.1:0".into(),
                data_dir: self.data_dir(),
                log: "error".into(),
                log_format: LogFormat::Text,
            },
            app: App {
                app_id: self.github.app_id().to_string(),
                private_key: Secret::new(self.github.private_key_pem()),
                github_api_url: format!("{}{}", self.github.base_url(), if self.setup.enterprise { "/api/v3/" } else { "" }),
                public_url: self.setup.public_url.clone(),
            },
            webhook_secrets: vec![Secret::new(SECRET)],
            allow_addresses: self.setup.allow.iter().map(|text| AddressRange::parse(text).unwrap()).collect(),
            resources: self.setup.resources.clone(),
            command_prefix: self.setup.prefix.clone(),
            sign_in: self.setup.people.then(|| SignIn {
                client_id: self.github.client_id(),
                client_secret: Secret::new(self.github.client_secret()),
            }),
        };
        let server = Server::start(settings, self.setup.tuning.clone()).await.unwrap();
        self.github.set_webhook(&format!("http://{}/webhook", server.address), SECRET);
        self.server = Some(server);
    }

    /// Waits until the reconciler has seen the tags that there are, and the server knows who it is.
    pub async fn baseline(&self) {
        let answered = |route: &str| self.github.log().iter().any(|e| e.route == route && e.status != 0);
        let asked = ["GET /repos/{owner}/{repo}/tags", "GET /app"];
        self.until("the first round of the reconciler", |_| asked.iter().all(|route| answered(route)).then_some(())).await;
        // What was read is written at once; nothing outside shows when.
        tokio::time::sleep(Duration::from_millis(150)).await;
    }

    pub fn data_dir(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }
    /// SIGTERM: the server drains and closes. Webhooks find nobody until the next [`World::boot`].
    pub async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }
    /// Every decision on record, newest first; the server is started again to read them.
    pub async fn audit(&mut self) -> Vec<audit::Record> {
        self.stop().await;
        let store = Store::open(&self.data_dir()).unwrap();
        let rows = store.read(|rx| audit::latest(rx, 999)).await.unwrap();
        store.close().await;
        drop(store);
        self.boot().await;
        rows
    }
    pub fn jump(&self, ahead: Duration) {
        self.setup.clock.fetch_add(i64::try_from(ahead.as_millis()).unwrap(), Ordering::SeqCst);
    }
    /// GitHub may refuse something at this route.
    pub fn expect_refusal(&mut self, route: &'static str) {
        self.expected.push(route);
    }

    pub fn head(&self) -> Sha {
        self.shop.resolve("main").unwrap()
    }
    pub fn green(&self, sha: &Sha) {
        self.shop.check("github-actions", sha, "build", "success").unwrap();
    }
    /// A commit on the default branch whose checks have passed.
    pub fn commit(&self, message: &str) -> Sha {
        self.commit_with(CommitSeed::new(message))
    }
    pub fn commit_with(&self, seed: CommitSeed) -> Sha {
        let sha = self.shop.commit("main", seed).unwrap();
        self.green(&sha);
        sha
    }

    /// Looks until there is something to see.
    pub async fn until<T>(&self, what: &str, mut look: impl FnMut(&RepoHandle) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look(&self.shop) {
                return found;
            }
            if begun.elapsed() > PATIENCE {
                panic!("{what} did not happen.\n{}", self.scene().await);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The release is published and its check run says so.
    pub async fn released(&self, tag: &str, sha: &Sha) -> Release {
        let published = |shop: &RepoHandle| shop.releases().into_iter().find(|r| r.tag == tag && !r.draft);
        let release = self.until(&format!("the release of {tag}"), published).await;
        self.check(sha, RELEASE, "success").await;
        release
    }
    /// The newest check run of that name is completed with this conclusion.
    pub async fn check(&self, sha: &Sha, name: &str, conclusion: &str) -> CheckRun {
        let look =
            |shop: &RepoHandle| shop.newest_check(sha, name).filter(|check| check.conclusion.as_deref() == Some(conclusion));
        self.until(&format!("{name} with {conclusion}"), look).await
    }
    /// The check run ended without a success and tells this code, with something to do.
    pub async fn refused(&self, sha: &Sha, name: &str, conclusion: &str, code: &str) -> CheckRun {
        let check = self.check(sha, name, conclusion).await;
        let summary = check.summary.clone().unwrap_or_default();
        assert!(summary.contains(&format!("Code: `{code}`")), "{summary}");
        let fix = summary.lines().find_map(|line| line.strip_prefix("What to do: "));
        assert!(fix.is_some_and(|fix| fix.len() > 10), "it does not say what to do:\n{summary}");
        assert!(check.title.as_deref().is_some_and(|title| !title.is_empty()), "no title");
        check
    }
    /// The check run says that it waits.
    pub async fn waiting(&self, sha: &Sha, name: &str) -> CheckRun {
        let look = |shop: &RepoHandle| {
            shop.newest_check(sha, name).filter(|check| matches!(check.status.as_str(), "in_progress" | "queued"))
        };
        self.until(&format!("{name} that waits"), look).await
    }
    pub fn our_checks(&self, sha: &Sha, name: &str) -> Vec<CheckRun> {
        self.shop.check_runs().into_iter().filter(|check| check.sha == *sha && check.name == name).collect()
    }
    /// The newest deployment to the environment, in this state.
    pub async fn deployment(&self, environment: &str, state: &str) -> Deployment {
        let look = |shop: &RepoHandle| {
            shop.deployments().into_iter().rev().find(|d| d.environment == environment && d.state() == state)
        };
        self.until(&format!("a deployment to {environment} that is {state}"), look).await
    }
    pub async fn requests(&self, route: &str, least: usize) {
        self.until(&format!("{least} requests to {route}"), |_| (self.count(route) >= least).then_some(())).await;
    }
    /// Answered requests to a route.
    pub fn count(&self, route: &str) -> usize {
        self.github.log().iter().filter(|entry| entry.route == route && entry.status != 0).count()
    }

    pub fn server(&self) -> &Server {
        self.server.as_ref().expect("the server runs")
    }
    pub async fn runs(&self, workflow: &str) -> Vec<Run> {
        let filter = Filter { workflow: Some(workflow.to_owned()), limit: Some(500), ..Filter::default() };
        self.server().host.list(filter).await.unwrap()
    }
    async fn in_state(&self, state: RunState) -> Vec<Run> {
        let filter = Filter { state: Some(state), limit: Some(500), ..Filter::default() };
        self.server().host.list(filter).await.unwrap()
    }
    async fn inbox_depth(&self) -> u64 {
        let url = format!("http://{}/metrics", self.server().address);
        let text = reqwest::Client::builder().no_proxy().build().unwrap().get(url).send().await.unwrap().text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("lockkeeper_inbox_depth ")).expect("the metric is there");
        line.parse().unwrap()
    }
    async fn is_quiet(&self) -> bool {
        self.github.settle(Duration::ZERO) && self.inbox_depth().await == 0 && self.in_state(RunState::Active).await.is_empty()
    }
    /// Every webhook has arrived and every run has ended.
    pub async fn quiet(&self) {
        let begun = Instant::now();
        while !(self.is_quiet().await && self.is_quiet().await) {
            if begun.elapsed() > PATIENCE {
                panic!("it does not come to rest.\n{}", self.scene().await);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Everything that was begun is over, once, and GitHub had nothing to complain about.
    pub async fn finish(mut self) {
        self.quiet().await;
        let scene = self.scene().await;
        let complaints = self.github.violations();
        let unexpected = complaints.iter().filter(|v| !self.expected.iter().any(|route| v.route.contains(route)));
        let unexpected: Vec<_> = unexpected.collect();
        assert!(unexpected.is_empty(), "GitHub complains: {unexpected:#?}\n{scene}");
        let dead = self.in_state(RunState::Dead).await;
        assert!(dead.is_empty(), "given up: {dead:#?}\n{scene}");
        let mut names = BTreeSet::new();
        for release in self.shop.releases().into_iter().filter(|r| r.author == "lockkeeper[bot]") {
            assert!(!release.draft, "a draft of {} is left\n{scene}", release.tag);
            assert!(names.insert(release.tag.clone()), "two releases of {}\n{scene}", release.tag);
        }
        let mut checks = BTreeSet::new();
        for check in self.shop.check_runs().into_iter().filter(|c| c.app_id == self.github.app_id()) {
            assert_eq!(check.status, "completed", "{} is left open\n{scene}", check.name);
            assert!(checks.insert((check.external_id, check.name.clone())), "{} twice by one run\n{scene}", check.name);
        }
        let mut deployments = BTreeSet::new();
        for deployment in self.shop.deployments().into_iter().filter(|d| d.by_app) {
            let end = ["success", "failure", "error", "inactive"].contains(&deployment.state());
            assert!(end, "the deployment {} is left at {}\n{scene}", deployment.id, deployment.state());
            let run = deployment.payload["lockkeeper_run"].to_string();
            // A way back is shown as a deployment of its own, and mirrors are those of their commits.
            assert!(deployments.insert((run, deployment.task, deployment.sha)), "two deployments by one run\n{scene}");
        }
        self.stop().await;
    }

    /// A webhook that the stand-in for GitHub does not send by itself.
    pub async fn deliver(&self, event: &str, payload: &serde_json::Value) {
        let body = payload.to_string();
        let request =
            reqwest::Client::builder().no_proxy().build().unwrap().post(format!("http://{}/webhook", self.server().address));
        let request = request.header("x-github-event", event).header("x-github-delivery", uuid::Uuid::new_v4().to_string());
        let signature = crate::door::sign(SECRET, body.as_bytes());
        let request = request.header("x-hub-signature-256", signature).header("content-type", "application/json");
        assert_eq!(request.body(body).send().await.unwrap().status(), 202);
        while self.inbox_depth().await > 0 {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What there is to see, for a story that went wrong.
    pub async fn scene(&self) -> String {
        let mut out = String::new();
        for check in self.shop.check_runs() {
            let (title, summary) = (check.title.unwrap_or_default(), check.summary.unwrap_or_default());
            let state = check.conclusion.unwrap_or(check.status);
            out += &format!("check {} at {}: {state} {title}\n", check.name, check.sha.short());
            if check.app_id == self.github.app_id() && state != "success" {
                out += &summary.lines().take(12).map(|line| format!("    {line}\n")).collect::<String>();
            }
        }
        for release in self.shop.releases() {
            out += &format!("release {} draft {} by {}\n", release.tag, release.draft, release.author);
        }
        for d in self.shop.deployments() {
            let states: Vec<_> = d.statuses.iter().map(|s| format!("{} by {}", s.state, s.creator)).collect();
            out += &format!("deployment {} to {}: {}\n", d.id, d.environment, states.join(", "));
        }
        let log = self.github.log();
        for entry in log.iter().skip(log.len().saturating_sub(40)) {
            out += &format!("{} {} {}\n", entry.route, entry.status, if entry.injected { "(injected)" } else { "" });
        }
        if self.server.is_some() {
            for run in self.in_state(RunState::Active).await {
                out += &format!("active: {} {}\n", run.key, self.open_steps(&run).await);
            }
        }
        out + &format!("{:#?}", self.github.violations())
    }
    async fn open_steps(&self, run: &Run) -> String {
        let view = self.server().host.get(&run.id).await.unwrap().unwrap();
        let last: Vec<_> = view.steps.iter().rev().take(4).map(|s| format!("{}={}", s.name, s.state)).collect();
        last.join(" ")
    }

    /// The server's own program as an operator types it: exit code and standard output.
    pub async fn command(&self, arguments: &[&str]) -> (i32, String) {
        let (code, said, _) = self.command_told(arguments).await;
        (code, said)
    }
    /// With standard error.
    pub async fn command_told(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_lockkeeper"));
        let output = command.args(arguments).arg("--data-dir").arg(self.data_dir()).output().await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}
