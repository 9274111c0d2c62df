//! What the operator lends to repositories, by name: commands, balancers, deploy hooks, Prometheus servers and peers. A repository's configuration can
//! name one of them and can never say more about it.
//!
//! Invariants: each says which repositories may name it, and none may unless it is said; no message holds a value.

use super::fields::Fields;
use super::notifiers::{NotifierSettings, notifier};
use super::peers::{self, PeerSettings};
use crate::config::Secret;
use crate::config::repo::glob;
use crate::domain::{Refusal, RepoName};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use toml::de::DeTable;

/// Tables of `lockkeeper.toml` that are read here.
pub(super) const TABLES: [&str; 6] = ["commands", "balancers", "hooks", "peers", "prometheus", "notifiers"];

/// Names that may stand between `{{` and `}}` in a command.
pub const COMMAND_PLACEHOLDERS: [&str; 10] =
    ["action", "environment", "repository", "run", "sha", "slot", "step", "tag", "version", "weight"];

const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resources {
    pub commands: BTreeMap<String, CommandSettings>,
    pub balancers: BTreeMap<String, BalancerSettings>,
    pub hooks: BTreeMap<String, HookSettings>,
    pub peers: BTreeMap<String, PeerSettings>,
    pub prometheus: BTreeMap<String, PrometheusSettings>,
    pub notifiers: BTreeMap<String, NotifierSettings>,
}

impl Resources {
    /// # Errors
    /// `not_lent`, whether there is no such command or only not for this repository.
    pub fn command(&self, name: &str, repo: &RepoName) -> Result<&CommandSettings, Refusal> {
        let found = self.commands.get(name).filter(|command| command.repositories.allow(repo));
        found.ok_or_else(|| not_lent("command", name, repo, self.lent_to(repo).commands.iter()))
    }

    /// # Errors
    /// As [`Resources::command`].
    pub fn balancer(&self, name: &str, repo: &RepoName) -> Result<&BalancerSettings, Refusal> {
        let found = self.balancers.get(name).filter(|balancer| balancer.repositories.allow(repo));
        found.ok_or_else(|| not_lent("balancer", name, repo, self.lent_to(repo).balancers.keys()))
    }

    /// # Errors
    /// As [`Resources::command`].
    pub fn hook(&self, name: &str, repo: &RepoName) -> Result<&HookSettings, Refusal> {
        let found = self.hooks.get(name).filter(|hook| hook.repositories.allow(repo));
        found.ok_or_else(|| not_lent("hook", name, repo, self.lent_to(repo).hooks.iter()))
    }
}

/// `others` are those that the repository may use.
pub(super) fn not_lent<'a>(what: &str, name: &str, repo: &RepoName, others: impl Iterator<Item = &'a String>) -> Refusal {
    let table = if what == "prometheus" { what.to_owned() } else { format!("{what}s") };
    let kind = if what == "prometheus" { "Prometheus" } else { what };
    let message = format!("The operator lends no {kind} `{}` to {repo}.", name.escape_debug());
    let ask = format!("sk the operator to lend it, with the repository in [{table}.…] of lockkeeper.toml.");
    let fix = match others.map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => format!("A{ask}"),
        [one] => format!("Use `{one}`, or a{ask}"),
        several => format!("Use one of `{}`, or a{ask}", several.join("`, `")),
    };
    Refusal::user("not_lent", message, fix)
}

/// Patterns ([`glob`]) of `owner/name`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Repositories(pub Vec<String>);

impl Repositories {
    pub fn allow(&self, repo: &RepoName) -> bool {
        self.0.iter().any(|pattern| glob::matches(&pattern.to_lowercase(), &repo.as_str().to_lowercase()))
    }
}

/// `[commands.<name>]`
#[derive(Clone, Debug, PartialEq)]
pub struct CommandSettings {
    /// Program (absolute, without placeholders) and arguments; placeholders are filled and never split.
    pub run: Vec<String>,
    /// Says on its standard output, as JSON, what runs; asked before `run`.
    pub observe: Option<Vec<String>>,
    /// All of it is masked in the output.
    pub env: BTreeMap<String, Secret>,
    /// Variables of the server that the command gets too.
    pub pass_env: Vec<String>,
    pub directory: Option<PathBuf>,
    pub timeout: Duration,
    pub repositories: Repositories,
}

/// `[balancers.<name>]`: an HAProxy.
#[derive(Clone, Debug, PartialEq)]
pub struct BalancerSettings {
    pub address: BalancerAddress,
    /// For one question.
    pub timeout: Duration,
    /// Backends that may be moved; empty: all.
    pub backends: Vec<String>,
    pub repositories: Repositories,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BalancerAddress {
    Unix(PathBuf),
    /// `host:port`
    Tcp(String),
}

/// `[hooks.<name>]`: a service that deploys when it is asked to.
#[derive(Clone, Debug, PartialEq)]
pub struct HookSettings {
    pub url: String,
    /// Where to ask how it went, unless the answer says where.
    pub status_url: Option<String>,
    /// Signs what is sent.
    pub secret: Secret,
    /// For one request.
    pub timeout: Duration,
    pub repositories: Repositories,
}

/// `[prometheus.<name>]`: where analyses measure; may be private.
#[derive(Clone, Debug, PartialEq)]
pub struct PrometheusSettings {
    /// Base of its API, without a slash at its end: `http://10.0.0.5:9090`.
    pub url: String,
    /// Who may ask it, and so learn anything that it knows.
    pub repositories: Repositories,
}

/// `table` is one of [`TABLES`], `entries` what stands in it.
pub(super) fn read(
    into: &mut Resources,
    table: &str,
    entries: &DeTable<'_>,
    place: &dyn Fn(std::ops::Range<usize>) -> String,
    problems: &mut Vec<Refusal>,
) {
    for (key, value) in entries {
        let name = key.get_ref().to_string();
        let Some(mut fields) = Fields::open(table, &name, key, value, place, problems) else { continue };
        match table {
            "commands" => drop(command(&mut fields).map(|made| into.commands.insert(name, made))),
            "balancers" => drop(balancer(&mut fields).map(|made| into.balancers.insert(name, made))),
            "notifiers" => drop(notifier(&mut fields).map(|made| into.notifiers.insert(name, made))),
            "peers" => drop(peers::read(&mut fields).map(|made| into.peers.insert(name, made))),
            "prometheus" => drop(prometheus(&mut fields).map(|made| into.prometheus.insert(name, made))),
            _ => drop(hook(&mut fields).map(|made| into.hooks.insert(name, made))),
        }
        fields.close();
    }
}

fn command(fields: &mut Fields<'_, '_, '_>) -> Option<CommandSettings> {
    let run = line(fields, "run", true);
    let observe = line(fields, "observe", false);
    let (env, pass_env) = variables(fields);
    let directory = fields.text("directory").map(PathBuf::from);
    if directory.as_ref().is_some_and(|d| !d.is_absolute()) {
        fields.bad("directory", "is not an absolute path", "Write it like `/srv/deploy`.");
    }
    let timeout = fields.duration("timeout", 10 * MINUTE, DAY);
    let repositories = repositories(fields);
    Some(CommandSettings { run: run?, observe, env, pass_env, directory, timeout: timeout?, repositories: repositories? })
}

/// What a process finds in its environment: values of the file, and names of the server's own variables.
pub(super) fn variables(fields: &mut Fields<'_, '_, '_>) -> (BTreeMap<String, Secret>, Vec<String>) {
    let (env, pass_env) = (fields.map("env"), fields.texts("pass_env").unwrap_or_default());
    for name in env.keys().chain(&pass_env) {
        if !is_variable(name) {
            let fix = "Use a name without `=` that does not begin with LOCKKEEPER_; those are ours.";
            fields.bad("env", "has a variable that cannot be set", fix);
        }
    }
    (env, pass_env)
}

pub(super) fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0']) && !name.starts_with("LOCKKEEPER_")
}

/// A program and its arguments.
pub(super) fn line(fields: &mut Fields<'_, '_, '_>, key: &str, required: bool) -> Option<Vec<String>> {
    let Some(words) = fields.texts(key) else {
        if required {
            fields
                .missing(key, "Add the program and its arguments, like `run = [\"/usr/bin/deploy\", \"{{ environment }}\"]`.");
        }
        return None;
    };
    let Some(program) = words.first().filter(|p| p.starts_with('/') && !p.contains("{{")) else {
        fields.bad(key, "does not begin with the absolute path of a program", "Write it like `[\"/usr/bin/deploy\", \"x\"]`.");
        return None;
    };
    let odd = program.contains('\0') || words.iter().any(|w| w.contains('\0') || !placeholders_known(w));
    if odd {
        let known = COMMAND_PLACEHOLDERS.join("`, `");
        fields.bad(key, "holds a placeholder that is not known", &format!("Use `{known}` between `{{{{` and `}}}}`."));
        return None;
    }
    Some(words)
}

fn placeholders_known(word: &str) -> bool {
    let mut rest = word;
    while let Some((_, after)) = rest.split_once("{{") {
        let Some((name, tail)) = after.split_once("}}") else { return false };
        if !COMMAND_PLACEHOLDERS.contains(&name.trim()) {
            return false;
        }
        rest = tail;
    }
    true
}

fn balancer(fields: &mut Fields<'_, '_, '_>) -> Option<BalancerSettings> {
    let address = match fields.required("address") {
        None => None,
        Some(text) => {
            let read = match (text.strip_prefix("unix:"), text.strip_prefix("tcp:")) {
                (Some(path), _) if path.starts_with('/') => Some(BalancerAddress::Unix(path.into())),
                (_, Some(at)) if super::values::host_and_port(at) => Some(BalancerAddress::Tcp(at.to_owned())),
                _ => None,
            };
            if read.is_none() {
                let fix = "Write it like `unix:/run/haproxy/admin.sock` or `tcp:127.0.0.1:9999`.";
                fields.bad("address", "is not the address of an HAProxy", fix);
            }
            read
        }
    };
    let timeout = fields.duration("timeout", Duration::from_secs(5), MINUTE);
    let backends = fields.texts("backends").unwrap_or_default();
    let repositories = repositories(fields);
    Some(BalancerSettings { address: address?, timeout: timeout?, backends, repositories: repositories? })
}

fn hook(fields: &mut Fields<'_, '_, '_>) -> Option<HookSettings> {
    let url = fields.required("url").filter(|url| web(fields, "url", url));
    let status_url = fields.text("status_url").filter(|url| web(fields, "status_url", url));
    let secret = secret(fields);
    let timeout = fields.duration("timeout", Duration::from_secs(10), MINUTE);
    let repositories = repositories(fields);
    Some(HookSettings { url: url?, status_url, secret: secret?, timeout: timeout?, repositories: repositories? })
}

fn prometheus(fields: &mut Fields<'_, '_, '_>) -> Option<PrometheusSettings> {
    let url = fields.required("url").filter(|url| web(fields, "url", url)).filter(|url| {
        let base = !url.contains(['?', '#']);
        if !base {
            fields.bad("url", "holds a query", "Write the address of Prometheus itself, like `http://10.0.0.5:9090`.");
        }
        base
    });
    let repositories = repositories(fields);
    Some(PrometheusSettings { url: url?.trim_end_matches('/').to_owned(), repositories: repositories? })
}

pub(super) fn web(fields: &mut Fields<'_, '_, '_>, key: &str, text: &str) -> bool {
    let uri = text.parse::<http::Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
    let good = uri.is_some_and(|uri| uri.authority().is_some_and(|a| !a.host().is_empty() && !a.as_str().contains('@')));
    if !good {
        fields.bad(key, "is not an http or https URL without user and password", "Write it like `https://host/path`.");
    }
    good
}

pub(super) fn secret(fields: &mut Fields<'_, '_, '_>) -> Option<Secret> {
    let (inline, file) = (fields.text("secret"), fields.text("secret_file"));
    let text = match (inline, file) {
        (Some(text), None) => text,
        (None, Some(file)) => match super::values::read_key(file.as_ref()) {
            Ok(text) => text.trim().to_owned(),
            Err(_) => {
                fields.bad("secret_file", "cannot be read", "Name a file that the server can read.");
                return None;
            }
        },
        _ => {
            fields.missing("secret", "Add either `secret` or `secret_file`; it signs what is sent.");
            return None;
        }
    };
    if text.len() < 16 {
        fields.bad("secret", "is shorter than 16 characters", "Use a long random one, for example of `openssl rand -hex 32`.");
        return None;
    }
    Some(Secret::new(text))
}

pub(super) fn repositories(fields: &mut Fields<'_, '_, '_>) -> Option<Repositories> {
    let Some(list) = fields.texts("repositories").filter(|list| !list.is_empty()) else {
        fields.missing("repositories", "Say who may use it, like `repositories = [\"acme/shop\"]`, or `[\"**\"]` for all.");
        return None;
    };
    if list.iter().any(|pattern| glob::check(pattern).is_err()) {
        fields.bad("repositories", "holds something that is no pattern", "Write patterns like `acme/shop` or `acme/*`.");
        return None;
    }
    Some(Repositories(list))
}
