//! Starting and stopping, and what belongs to no single repository.

use super::config::{SandboxConfig, SandboxError, Webhook};
use super::faults::{Fault, Moment, Verdict};
use super::hooks::{Delivery, Event, HookRule, Order, Outbox};
use super::http::{RequestInfo, Server, Shared, start};
use super::ids::{Ids, Kind};
use super::journal::{LogEntry, Violation};
use super::model::{Account, AccountKind};
use super::world::{Creates, World};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A running stand-in. Dropping it stops the server and removes its repositories.
pub struct Sandbox {
    server: Server,
    base_url: String,
    app_id: u64,
    private_key_pem: String,
    /// Removed when the sandbox goes.
    _dir: tempfile::TempDir,
}

impl Sandbox {
    /// Listens when it returns. Blocks for about a tenth of a second: a key is made for the App.
    pub fn start(config: SandboxConfig) -> Result<Self, SandboxError> {
        let lost = |e: std::io::Error| SandboxError::Start(format!("no temporary folder: {e}"));
        let dir = tempfile::Builder::new().prefix("lockkeeper-sandbox-").tempdir().map_err(lost)?;
        let key = KeyPair::generate(KeySize::Rsa2048).map_err(|_| SandboxError::Start("no RSA key".into()))?;
        let der = key.as_der().map_err(|_| SandboxError::Start("the RSA key cannot be written".into()))?;
        let private_key_pem = pem(der.as_ref());
        let mut ids = Ids::default();
        let (app_id, listen) = (config.app_id, config.listen);
        let world = World {
            webhook: config.webhook.clone(),
            config,
            dir: dir.path().to_owned(),
            base: String::new(),
            hook_id: ids.next(Kind::Hook),
            public_key: key.public_key().as_ref().to_vec(),
            job_keys: super::oidc::keys(&private_key_pem)?,
            ids,
            accounts: BTreeMap::new(),
            teams: BTreeMap::new(),
            apps: Vec::new(),
            repos: BTreeMap::new(),
            installs: BTreeMap::new(),
            tokens: HashMap::new(),
            user_tokens: HashMap::new(),
            buckets: HashMap::new(),
            outbox: Outbox::default(),
            clock_offset_ms: 0,
            creates: None,
        };
        let server = start(listen, world)?;
        let base_url = {
            let mut world = server.shared.world();
            let bot = world.bot();
            world.account(&bot);
            world.account("sandbox-owner");
            world.base.clone()
        };
        Ok(Self { server, base_url, app_id, private_key_pem, _dir: dir })
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.server.shared
    }

    /// `http://127.0.0.1:port`: the REST base; GraphQL is below it at `/graphql`.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }
    pub fn app_id(&self) -> u64 {
        self.app_id
    }
    /// PKCS#8.
    pub fn private_key_pem(&self) -> &str {
        &self.private_key_pem
    }

    pub fn set_webhook(&self, url: &str, secret: &str) {
        self.shared().change(|world| world.webhook = Some(Webhook { url: url.to_owned(), secret: secret.to_owned() }));
    }
    pub fn remove_webhook(&self) {
        self.shared().change(|world| world.webhook = None);
    }

    /// GitHub's clock minus ours.
    pub fn set_clock_offset(&self, milliseconds: i64) {
        self.shared().change(|world| world.clock_offset_ms = milliseconds);
    }
    /// GitHub's limits on making things, 80 a minute and 500 an hour; off unless asked for.
    pub fn set_secondary_limits(&self, on: bool) {
        self.shared().change(|world| world.creates = on.then(|| Creates::per(60_000)));
    }
    /// The same with a minute of so many milliseconds, and hours of sixty of them.
    pub fn scale_secondary_limits(&self, minute: i64) {
        self.shared().change(|world| world.creates = Some(Creates::per(minute)));
    }
    /// Requests per hour and installation, from now on.
    pub fn set_rate_limit(&self, limit: u64) {
        self.shared().change(|world| world.config.rate_limit = limit);
    }

    /// Makes an account known, or gives a known one this email.
    pub fn user(&self, login: &str, email: &str) -> Account {
        self.shared().change(|world| {
            world.account(login);
            if let Some(account) = world.accounts.get_mut(&login.to_lowercase()) {
                email.clone_into(&mut account.email);
            }
            world.account(login)
        })
    }

    /// Makes the account an organisation with a team of these members.
    pub fn team(&self, organization: &str, team: &str, members: &[&str]) {
        self.shared().change(|world| {
            world.account(organization);
            if let Some(account) = world.accounts.get_mut(&organization.to_lowercase()) {
                account.kind = AccountKind::Organization;
            }
            for member in members {
                world.account(member);
            }
            let members = members.iter().map(|m| m.to_lowercase()).collect::<BTreeSet<_>>();
            world.teams.insert((organization.to_lowercase(), team.to_lowercase()), members);
        });
    }

    /// Adds a fault; the first that fits a request applies.
    pub fn fault(&self, fault: Fault) {
        self.shared().faults.add(fault);
    }
    /// Calls `hook` at that moment of every request, on a thread of the sandbox. It may block.
    pub fn on(&self, moment: Moment, hook: impl Fn(&RequestInfo) + Send + Sync + 'static) {
        self.intercept(moment, move |request| {
            hook(request);
            Verdict::GoOn
        });
    }
    /// Like [`Self::on`], and may abandon the request: before the effect, so that a client that was killed meanwhile has
    /// changed nothing; after it, so that the answer is lost. After the answer there is nothing left to abandon.
    pub fn intercept(&self, moment: Moment, hook: impl Fn(&RequestInfo) -> Verdict + Send + Sync + 'static) {
        self.shared().faults.hook(moment, Arc::new(hook));
    }
    /// Removes all faults and hooks.
    pub fn clear_faults(&self) {
        self.shared().faults.clear();
    }

    pub fn hook_rule(&self, rule: HookRule) {
        self.shared().change(|world| world.outbox.rules.push(rule));
    }
    pub fn clear_hook_rules(&self) {
        self.shared().change(|world| world.outbox.rules.clear());
    }
    /// Sends what was held; how many.
    pub fn release_hooks(&self, order: Order) -> usize {
        self.shared().change(|world| world.outbox.release(order))
    }

    /// Sends any body as a webhook, signed with the App's secret, or with another one if `forged`.
    pub fn send_webhook(&self, event: &str, payload: &str, guid: Option<&str>, forged: bool) {
        self.shared().change(|world| {
            let value = serde_json::from_str::<serde_json::Value>(payload).unwrap_or_default();
            let action = value["action"].as_str().map(str::to_owned);
            let (install, repo) = (value["installation"]["id"].as_u64(), value["repository"]["id"].as_u64());
            world.send_raw(event, action.as_deref(), install, repo, payload.to_owned(), guid.map(str::to_owned), forged);
        });
    }

    /// Sends `ping`, as GitHub does when the webhook is configured.
    pub fn ping(&self) {
        self.shared().change(|world| {
            let install = world.installs.values().next().cloned();
            let hook = json!({ "type": "App", "id": world.hook_id, "name": "web", "active": true, "events": world.config.events, "app_id": world.config.app_id });
            let payload = json!({ "zen": "Keep it logically awesome.", "hook_id": world.hook_id, "hook": hook });
            if let Some(install) = install {
                let actor = install.account.clone();
                world.emit_to(&install, Event { name: "ping", action: None, payload, actor });
            }
        });
    }

    /// Waits until no webhook waits or is on its way; whether that happened in time. Held ones do not count.
    pub fn settle(&self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        while !self.shared().world().outbox.idle() {
            if Instant::now() >= end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }

    /// Everything that was delivered, or was to be, oldest first.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.shared().world().outbox.log().cloned().collect()
    }

    /// Requests per operation; GraphQL as `POST /graphql Name`.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.shared().journal().counts()
    }
    /// The newest 20,000 requests, oldest first.
    pub fn log(&self) -> Vec<LogEntry> {
        self.shared().journal().log()
    }
    /// Every 4xx, 5xx and GraphQL error that was not injected, and what GitHub would have silently ignored.
    pub fn violations(&self) -> Vec<Violation> {
        self.shared().journal().violations()
    }
    /// Forgets counts, log and violations.
    pub fn clear_log(&self) {
        self.shared().journal().clear();
    }
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line)).collect::<Vec<_>>();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}
