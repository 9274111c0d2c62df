//! Reads each setting from where it is set and checks it.

use super::{
    AddressRange, App, CommandPrefix, Flags, Local, LogFormat, PrometheusSettings, Repositories, Resources, Secret, file,
};
use crate::domain::Refusal;
use std::path::{Path, PathBuf};

pub(super) struct Reader<'f> {
    pub(super) flags: &'f Flags,
    file: file::Contents,
    problems: Vec<Refusal>,
}

impl<'f> Reader<'f> {
    pub(super) fn new(flags: &'f Flags) -> Self {
        let mut problems = Vec::new();
        let named = flags.settings.as_deref().filter(|path| !path.as_os_str().is_empty());
        let file = file::load(named, &mut problems);
        Self { flags, file, problems }
    }

    /// What the file lends, and the one Prometheus that the environment can name.
    pub(super) fn resources(&mut self) -> Resources {
        let mut lent = std::mem::take(&mut self.file.resources);
        let given = self.text(self.flags.prometheus_url.as_deref(), "prometheus_url");
        if let Some(url) = self.url("prometheus_url", "The URL of Prometheus", given) {
            let all = Repositories(vec!["**".to_owned()]);
            let default = PrometheusSettings { url: String::new(), repositories: all };
            lent.prometheus.entry("default".to_owned()).or_insert(default).url = url;
        }
        super::notifiers::check(&lent, &mut self.problems);
        lent
    }

    /// What was read, unless anything was wrong.
    pub(super) fn finish<T>(self, value: impl FnOnce() -> Option<T>) -> Result<T, Vec<Refusal>> {
        match value() {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(self.problems),
        }
    }

    /// Flag or environment, then file. An empty value counts as not set.
    pub(super) fn text(&self, given: Option<&str>, key: &str) -> Option<String> {
        let given = given.map(str::to_owned).or_else(|| self.file.values.get(key).cloned());
        given.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    pub(super) fn problem(&mut self, code: &str, message: impl Into<String>, fix: impl Into<String>) {
        self.problems.push(Refusal::operator(code, message, fix));
    }

    fn missing(&mut self, key: &str, what: &str) {
        let (flag, variable) = (key.replace('_', "-"), key.to_uppercase());
        let message = format!("{what} is not set.");
        let fix = format!("Set LOCKKEEPER_{variable}, `{key}` in lockkeeper.toml, or --{flag}.");
        self.problem(&format!("{key}_missing"), message, fix);
    }

    pub(super) fn local(&mut self) -> Option<Local> {
        let listen = self.text(self.flags.listen.as_deref(), "listen").unwrap_or_else(|| "127.0.0.1:8080".into());
        let data_dir = self.path(self.flags.data_dir.as_deref(), "data_dir").unwrap_or_else(|| "lockkeeper-data".into());
        let log = self.text(self.flags.log.as_deref(), "log").unwrap_or_else(|| "info".into());
        let format = self.text(self.flags.log_format.as_deref(), "log_format");
        let listens = host_and_port(&listen);
        if !listens {
            self.problem("listen_invalid", "The address to listen on is not `host:port`.", "Write it like `0.0.0.0:8080`.");
        }
        let filters = tracing_subscriber::EnvFilter::try_new(&log).is_ok();
        if !filters {
            self.problem(
                "log_invalid",
                "The log filter is not in tracing's syntax.",
                "Write it like `info` or `lockkeeper=debug,warn`.",
            );
        }
        let log_format = match format.as_deref() {
            None | Some("text") => Some(LogFormat::Text),
            Some("json") => Some(LogFormat::Json),
            Some(_) => {
                self.problem("log_format_invalid", "The log format is neither text nor json.", "Use `text` or `json`.");
                None
            }
        };
        (listens && filters).then_some(Local { listen, data_dir, log, log_format: log_format? })
    }

    pub(super) fn command_prefix(&mut self) -> Option<CommandPrefix> {
        let Some(text) = self.text(self.flags.command_prefix.as_deref(), "command_prefix") else {
            return Some(CommandPrefix::default());
        };
        let prefix = CommandPrefix::parse(&text);
        if prefix.is_none() {
            let what = "The prefix of commands is not one that can begin a line of a comment.";
            self.problem("command_prefix_invalid", what, "Use / . ! % or :, then at most 19 of a-z A-Z 0-9 - _, like `/lk-`.");
        }
        prefix
    }

    pub(super) fn path(&self, given: Option<&Path>, key: &str) -> Option<PathBuf> {
        let given = given.filter(|path| !path.as_os_str().is_empty());
        given.map(Path::to_path_buf).or_else(|| self.text(None, key).map(PathBuf::from))
    }

    pub(super) fn app(&mut self) -> Option<App> {
        let app_id = self.text(self.flags.app_id.as_deref(), "app_id");
        let plain = |id: &String| id.len() <= 100 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        match &app_id {
            None => self.missing("app_id", "The App's id"),
            Some(id) if !plain(id) => {
                self.problem(
                    "app_id_invalid",
                    "The App's id is not an id.",
                    "Copy it from the App's settings page: a number, or a client id.",
                );
            }
            Some(_) => {}
        }
        let private_key = self.private_key();
        let api = self.text(self.flags.github_api_url.as_deref(), "github_api_url");
        let github_api_url =
            self.url("github_api_url", "GitHub's API URL", api.or_else(|| Some("https://api.github.com".into())));
        let public = self.text(self.flags.public_url.as_deref(), "public_url");
        let public_url = self.url("public_url", "The public URL", public);
        Some(App { app_id: app_id.filter(plain)?, private_key: private_key?, github_api_url: github_api_url?, public_url })
    }

    fn url(&mut self, key: &str, what: &str, text: Option<String>) -> Option<String> {
        let text = text?;
        let uri = text.parse::<http::Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
        let plain = uri.is_some_and(|uri| {
            uri.query().is_none() && uri.authority().is_some_and(|a| !a.host().is_empty() && !a.as_str().contains('@'))
        });
        if !plain {
            let message = format!("{what} is not an http or https URL without user, password and query.");
            self.problem(&format!("{key}_invalid"), message, "Write it like `https://host/path`.");
            return None;
        }
        Some(text.trim_end_matches('/').to_owned())
    }

    fn private_key(&mut self) -> Option<Secret> {
        let given = (self.flags.private_key.as_ref().map(Secret::expose), self.flags.private_key_file.as_deref());
        let given = (given.0.filter(|t| !t.trim().is_empty()), given.1.filter(|p| !p.as_os_str().is_empty()));
        let (inline, file) = match given {
            (None, None) => (self.text(None, "private_key"), self.path(None, "private_key_file")),
            (inline, file) => (inline.map(str::to_owned), file.map(Path::to_path_buf)),
        };
        let pem = match (inline, file) {
            (None, None) => {
                self.missing("private_key_file", "The App's private key");
                return None;
            }
            (Some(_), Some(_)) => {
                self.problem(
                    "private_key_twice",
                    "The App's private key is set twice, as text and as a file.",
                    "Remove one of the two.",
                );
                return None;
            }
            (Some(inline), None) => inline,
            (None, Some(file)) => match read_key(&file) {
                Ok(text) => text,
                Err(why) => {
                    let message = format!("The App's private key cannot be read from {}: {why}.", file.display());
                    self.problem(
                        "private_key_unreadable",
                        message,
                        "Name the .pem file that GitHub gave you, and let the server read it.",
                    );
                    return None;
                }
            },
        };
        let pem = pem.replace("\\n", "\n").replace('\r', "").trim().to_owned();
        if !looks_like_a_key(&pem) {
            let fix = "Use the .pem file that GitHub gives you under \"Generate a private key\".";
            self.problem("private_key_invalid", "The App's private key is not a private key in PEM.", fix);
            return None;
        }
        Some(Secret::new(pem + "\n"))
    }

    pub(super) fn webhook_secrets(&mut self) -> Option<Vec<Secret>> {
        let all = self.text(self.flags.webhook_secret.as_ref().map(Secret::expose), "webhook_secret").unwrap_or_default();
        let secrets: Vec<Secret> = all.split(',').map(str::trim).filter(|s| !s.is_empty()).map(Secret::from).collect();
        if secrets.is_empty() {
            self.missing("webhook_secret", "The webhook's secret");
            return None;
        }
        Some(secrets)
    }

    pub(super) fn allow_addresses(&mut self) -> Option<Vec<AddressRange>> {
        let all = self.text(self.flags.allow_addresses.as_deref(), "allow_addresses").unwrap_or_default();
        let mut ranges = Some(Vec::new());
        for entry in all.split([',', ' ']).map(str::trim).filter(|s| !s.is_empty()) {
            match (AddressRange::parse(entry), &mut ranges) {
                (Some(range), Some(list)) => list.push(range),
                (Some(_), None) => {}
                (None, _) => {
                    let message = format!("An allowed address is no address: `{}`.", entry.escape_debug());
                    self.problem(
                        "allow_addresses_invalid",
                        message,
                        "Write addresses like `10.1.2.3` or ranges like `10.1.0.0/16`.",
                    );
                    ranges = None;
                }
            }
        }
        ranges
    }
}

pub(super) fn host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let named = |h: &str| !h.is_empty() && h.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b));
        port.parse::<u16>().is_ok() && bare.map_or_else(|| named(host), |six| six.parse::<std::net::Ipv6Addr>().is_ok())
    })
}

/// The start of a small file.
pub(super) fn read_key(file: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(file)?.take(64 * 1024).read_to_string(&mut text)?;
    Ok(text)
}

/// GitHub gives PKCS#1; PKCS#8 is taken too.
fn looks_like_a_key(pem: &str) -> bool {
    ["RSA PRIVATE KEY", "PRIVATE KEY"].iter().any(|kind| {
        let body =
            pem.strip_prefix(&format!("-----BEGIN {kind}-----")).and_then(|p| p.strip_suffix(&format!("-----END {kind}-----")));
        let base64 = |b: u8| b.is_ascii_alphanumeric() || b"+/=\n ".contains(&b);
        body.is_some_and(|body| body.len() > 100 && body.bytes().all(base64))
    })
}
