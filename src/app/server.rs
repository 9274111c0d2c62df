//! The whole program in one value: store, host, doors and reconciler, started in an order that lets webhooks in as early
//! as they can be kept, and stopped in the opposite one.

use crate::config::settings::Serve;
use crate::domain::{Millis, Refusal};
use crate::engine::accept::Accept;
use crate::engine::callbacks::Reports;
use crate::engine::client::Client;
use crate::engine::host::{Host, Options};
use crate::engine::intent::Intent;
use crate::engine::outbox::Notifiers;
use crate::engine::reconcile::Reconciler;
use crate::engine::replies::Replies;
use crate::engine::steps::{COMMANDS, Steps, Tries};
use crate::github::{GitHub, GitHubConfig, Pacing};
use crate::peers::Peers;
use crate::probes::prometheus::Prometheus;
use crate::probes::{AllowList, Caller, Prober};
use crate::store::inbox::{self, Delivery, DeliveryStatus};
use crate::store::{Store, StoreError};
use crate::surfaces::callback::callback_router;
use crate::surfaces::control::{Desk, Door, remote};
use crate::surfaces::http::{Ask, Health, Limits, Metrics, Readiness, Snapshot, health_router, serve, traced};
use crate::surfaces::mcp::{Agents, Jobs, People, Place, mcp_router};
use crate::surfaces::webhook::{Own, Receiver, Secrets, Worker, router};
use crate::targets::callback::oidc::Keys;
use crate::targets::callback::{Callbacks, issuer};
use crate::targets::command::Masker;
use crate::targets::sign::OwnHooks;
use crate::workflow;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinHandle;

/// What tests set otherwise.
#[derive(Clone)]
pub struct Tuning {
    pub host: Options,
    /// Between two rounds of the reconciler.
    pub reconcile: Duration,
    /// How long steps may take to end on shutdown.
    pub grace: Duration,
    /// Our own program, which renders notes in a child process; found by itself when nothing is said.
    pub program: Option<std::path::PathBuf>,
    /// Nothing outside is asked: health checks count as passed.
    pub rehearsal: bool,
    /// How long one request to GitHub may take.
    pub request_timeout: Duration,
    /// Between two edits of one answer to a comment.
    pub edits: Duration,
    /// What one installation may do in a time.
    pub pacing: Pacing,
    /// As long as GitHub's word about a person's token or role is good at the agents' door.
    pub people: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            host: Options::default(),
            reconcile: Duration::from_secs(4 * 60),
            grace: Duration::from_secs(20),
            program: None,
            rehearsal: false,
            request_timeout: GitHubConfig::default().request_timeout,
            edits: Duration::from_secs(10),
            pacing: Pacing::default(),
            people: Duration::from_secs(60),
        }
    }
}

/// A running server.
pub struct Server {
    pub address: SocketAddr,
    pub host: Host,
    pub github: GitHub,
    store: Store,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    grace: Duration,
}

impl Server {
    /// Opens the store, takes up what was left, and accepts webhooks.
    ///
    /// # Errors
    /// The operator's: a store that is locked or unreadable, an address that is taken, a key that is none.
    pub async fn start(settings: Serve, tuning: Tuning) -> Result<Self, Refusal> {
        let listener = listen(&settings.local.listen).await?;
        let address = listener.local_addr().map_err(|why| cannot_listen(&settings.local.listen, &why))?;
        let store = Store::open(&settings.local.data_dir)?;
        let github = GitHub::new(github_config(&settings, &tuning))?;
        let (stop, stopped) = watch::channel(false);
        let (own_is, own) = watch::channel(Own {
            app_id: settings.app.app_id.parse().ok(),
            slug: None,
            prefix: settings.command_prefix.clone(),
            api: settings.app.github_api_url.trim_end_matches('/').to_owned(),
        });
        let bell = Arc::new(Notify::new());
        let metrics = Arc::new(Metrics::default());
        let host = start_host(&settings, &tuning, &store, &github).await?;
        let receiver = Receiver {
            secrets: secrets(&settings)?,
            own: own.clone(),
            store: store.clone(),
            bell: Arc::clone(&bell),
            metrics: Arc::clone(&metrics),
        };
        let health = health(&store, &github, &host, metrics);
        let reports = reports(&settings, &host, &store)?;
        let client = Client { host: host.clone(), store: store.clone(), github: github.clone(), door: "control", once: None };
        let desk = Desk::new(store.clone(), Arc::clone(&bell));
        let remote = remote(desk.clone(), Client { door: "remote", ..client.clone() });
        let acting = Some(Client { door: "mcp", ..client.clone() });
        let agents =
            Agents::new(desk.clone(), acting, &site(&settings.app.github_api_url), stopped.clone()).with_jobs(jobs(&settings)?);
        let people = settings.sign_in.clone().map(|sign_in| People::new(github.clone(), sign_in, tuning.people));
        let agents = agents.with_people(people);
        let door = Door::open(&settings.local.data_dir).await?.acting(client, OwnHooks::of(&settings.app.private_key)?);
        let address_here = door.address;
        let door = door.beside(mcp_router(agents.clone(), &Place { public_url: None, ..place(&settings, address_here) }));
        let mcp = mcp_router(agents, &place(&settings, address));
        let outside = callback_router(reports).merge(health_router(health)).merge(remote).merge(mcp);
        let doors = traced(router(receiver).merge(outside));
        let worker = Worker::new(store.clone(), own, bell, accept(&host, &store, &github));
        let (gh, to, jobs_listed) = (github.clone(), host.clone(), AtomicBool::new(false));
        let reconciler = Reconciler { github: gh, host: to, store: store.clone(), jobs_listed };
        let replies = Replies { store: store.clone(), host: host.clone(), github: github.clone(), every: tuning.edits };
        let notifiers = notifiers(&settings, &store, &host)?;
        let tasks = vec![
            tokio::spawn(replies.run(told(stopped.clone()))),
            tokio::spawn(notifiers.run(told(stopped.clone()))),
            tokio::spawn(serve(listener, doors, Limits::default(), told(stopped.clone()))),
            tokio::spawn(door.serve(desk, told(stopped.clone()))),
            tokio::spawn(worker.run(told(stopped.clone()))),
            tokio::spawn(learn_who_we_are(github.clone(), own_is, told(stopped.clone()))),
            tokio::spawn(reconcile(reconciler, tuning.reconcile, told(stopped))),
        ];
        Ok(Self { address, host, github, store, stop, tasks, grace: tuning.grace })
    }

    /// Answers webhooks to the last moment, lets steps end, closes the store.
    pub async fn stop(self) {
        let left = self.host.drain(self.grace).await;
        if left > 0 {
            tracing::warn!(left, "steps were cut off; they are looked for and taken up at the next start");
        }
        // Nobody listens when every task has ended by itself.
        let _ = self.stop.send(true);
        for task in self.tasks {
            if let Err(why) = task.await {
                tracing::error!(%why, "a task ended badly");
            }
        }
        self.store.close().await;
    }
}

async fn listen(address: &str) -> Result<TcpListener, Refusal> {
    TcpListener::bind(address).await.map_err(|why| cannot_listen(address, &why))
}

fn cannot_listen(address: &str, why: &std::io::Error) -> Refusal {
    Refusal::operator(
        "cannot_listen",
        format!("Lockkeeper cannot listen on {address}: {why}."),
        "Set LOCKKEEPER_LISTEN to a free host:port.",
    )
}

fn github_config(settings: &Serve, tuning: &Tuning) -> GitHubConfig {
    GitHubConfig {
        api_url: settings.app.github_api_url.clone(),
        app_id: settings.app.app_id.clone(),
        private_key: settings.app.private_key.clone(),
        request_timeout: tuning.request_timeout,
        pacing: tuning.pacing,
        ..GitHubConfig::default()
    }
}

fn place(settings: &Serve, listen: SocketAddr) -> Place {
    let (github, issuer) = (site(&settings.app.github_api_url), issuer(&settings.app.github_api_url));
    Place { public_url: settings.app.public_url.clone(), listen, github, issuer }
}

fn secrets(settings: &Serve) -> Result<Secrets, Refusal> {
    Secrets::new(settings.webhook_secrets.iter().map(|secret| secret.expose())).ok_or_else(|| {
        Refusal::operator("webhook_secret_missing", "There is no webhook secret.", "Set LOCKKEEPER_WEBHOOK_SECRET.")
    })
}

fn reports(settings: &Serve, host: &Host, store: &Store) -> Result<Reports, Refusal> {
    let caller = Caller::new(AllowList::from(settings.allow_addresses.clone()))?;
    let callbacks = Callbacks::new(&issuer(&settings.app.github_api_url), settings.app.public_url.clone(), caller);
    let (resources, own_hooks) = (settings.resources.clone(), OwnHooks::of(&settings.app.private_key)?);
    Ok(Reports::new(host.clone(), store.clone(), resources, own_hooks, callbacks))
}

fn notifiers(settings: &Serve, store: &Store, host: &Host) -> Result<Notifiers, Refusal> {
    let caller = Caller::new(AllowList::from(settings.allow_addresses.clone()))?;
    let (all, site) = (settings.resources.notifiers.clone(), site(&settings.app.github_api_url));
    let peers = Peers::new(&settings.resources.peers)?;
    Ok(Notifiers { store: store.clone(), host: host.clone(), all, caller, peers, site })
}

/// Tokens of GitHub Actions are made for our public URL.
fn jobs(settings: &Serve) -> Result<Option<Jobs>, Refusal> {
    let Some(public_url) = &settings.app.public_url else { return Ok(None) };
    let caller = Caller::new(AllowList::from(settings.allow_addresses.clone()))?;
    Ok(Some(Jobs::new(Keys::new(&issuer(&settings.app.github_api_url), caller), public_url)))
}

async fn start_host(settings: &Serve, tuning: &Tuning, store: &Store, github: &GitHub) -> Result<Host, Refusal> {
    let program = match &tuning.program {
        Some(program) => program.clone(),
        None => std::env::current_exe().map_err(|why| {
            Refusal::operator(
                "program_unknown",
                format!("Lockkeeper cannot find its own program: {why}."),
                "Start it by its path.",
            )
        })?,
    };
    let own = Arc::new(OnceLock::new());
    let steps = Steps {
        github: github.clone(),
        store: store.clone(),
        prober: Prober::new(AllowList::from(settings.allow_addresses.clone()))?,
        program,
        prefix: settings.command_prefix.clone(),
        site: site(&settings.app.github_api_url),
        rehearsal: tuning.rehearsal,
        clock: Arc::clone(&tuning.host.clock),
        host: Arc::clone(&own),
        resources: settings.resources.clone(),
        locks: command_locks(&settings.local.data_dir)?,
        public_url: settings.app.public_url.clone(),
        own_hooks: OwnHooks::of(&settings.app.private_key)?,
        prometheus: Prometheus::new(&settings.resources.prometheus)?,
        peers: Peers::new(&settings.resources.peers)?,
        caller: Caller::new(AllowList::from(settings.allow_addresses.clone()))?,
        // What no command may say.
        secrets: Masker::new(
            settings
                .webhook_secrets
                .iter()
                .chain([&settings.app.private_key])
                .chain(settings.sign_in.iter().map(|of| &of.client_secret)),
        ),
        renders: Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)),
        commands: Semaphore::new(COMMANDS),
        tries: Tries::default(),
    };
    let host = Host::start(store.clone(), workflow::ALL.to_vec(), Arc::new(steps), tuning.host.clone()).await?;
    // It was empty: this is the only place that fills it.
    let _ = own.set(host.clone());
    Ok(host)
}

fn command_locks(data_dir: &Path) -> Result<PathBuf, Refusal> {
    let folder = data_dir.join("commands");
    std::fs::create_dir_all(&folder).map_err(|why| {
        let message = format!("The folder {} cannot be made: {why}.", folder.display());
        Refusal::operator("commands_folder", message, "Let Lockkeeper write to its data folder.")
    })?;
    Ok(folder)
}

/// Where people see repositories, by the address of the API.
fn site(api_url: &str) -> String {
    match api_url.trim_end_matches('/').strip_suffix("/api/v3") {
        Some(ghes) => ghes.to_owned(),
        None => "https://github.com".to_owned(),
    }
}

/// Takes a delivery's intents and settles it, in one transaction.
fn accept(host: &Host, store: &Store, github: &GitHub) -> crate::surfaces::webhook::Accept {
    let (host, store, github) = (host.clone(), store.clone(), github.clone());
    Arc::new(move |delivery: Delivery, intents: Vec<Intent>| {
        let (host, store, skew) = (host.clone(), store.clone(), github.clock_skew().unwrap_or(0));
        Box::pin(async move {
            let settled = store.write(move |tx| {
                let accept = Accept { host: &host, tx, delivery: Some(&delivery.id), now: now(), skew };
                let mut runs = Vec::new();
                for intent in &intents {
                    runs.extend(accept.intent(intent)?);
                }
                runs.sort();
                runs.dedup();
                inbox::settle(tx, &delivery.id, DeliveryStatus::Done, "", &runs, now())?;
                Ok::<_, StoreError>(())
            });
            settled.await.map_err(|why| why.refusal())
        })
    })
}

fn health(store: &Store, github: &GitHub, host: &Host, metrics: Arc<Metrics>) -> Health {
    let ready_store = store.clone();
    let ready_github = github.clone();
    let readiness: Ask<Vec<Readiness>> = Arc::new(move || {
        let (store, github) = (ready_store.clone(), ready_github.clone());
        Box::pin(async move {
            let writable = store.write(|_| Ok(())).await.map_err(|why| why.refusal()).err();
            let known = github.own_slug().await.map_err(Refusal::from).err();
            vec![Readiness { name: "store", problem: writable }, Readiness { name: "github", problem: known }]
        })
    });
    let (store, github, host) = (store.clone(), github.clone(), host.clone());
    let snapshot: Ask<Snapshot> = Arc::new(move || {
        let (store, github, host) = (store.clone(), github.clone(), host.clone());
        Box::pin(async move { super::snapshot::take(&store, &github, &host, now()).await })
    });
    Health { metrics, snapshot, readiness }
}

/// Asks GitHub who we are until it answers, so that our own echo is known.
async fn learn_who_we_are(github: GitHub, own: watch::Sender<Own>, stopped: impl Future<Output = ()>) {
    const AGAIN: Duration = Duration::from_secs(30);
    let asking = async {
        loop {
            match (github.own_app_id().await, github.own_slug().await) {
                (Ok(id), Ok(slug)) => {
                    own.send_modify(|own| (own.app_id, own.slug) = (Some(id), Some(slug)));
                    return;
                }
                (Err(why), _) | (_, Err(why)) => tracing::warn!(code = why.code, %why, "GitHub does not say who we are"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    };
    tokio::select! {
        () = asking => {}
        () = stopped => {}
    }
}

async fn reconcile(reconciler: Reconciler, every: Duration, stopped: impl Future<Output = ()>) {
    let rounds = async {
        loop {
            let round = reconciler.round(now()).await;
            tracing::info!(?round, "looked for what was missed");
            tokio::time::sleep(every).await;
        }
    };
    tokio::select! {
        () = rounds => {}
        () = stopped => {}
    }
}

async fn told(mut stopped: watch::Receiver<bool>) {
    // A sender that is gone means the same as a word from it.
    let _ = stopped.wait_for(|stop| *stop).await;
}

fn now() -> Millis {
    Millis(jiff::Timestamp::now().as_millisecond())
}
