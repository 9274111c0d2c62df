//! The settings as flags and environment variables; clap merges the two, a flag first.

use super::super::Secret;
use std::path::PathBuf;

/// Secrets should come from the environment or a file: other users of the machine can read flags.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Settings (flag, then environment, then file)")]
pub struct Flags {
    /// File with settings, in TOML, named as the flags with `_` [default: lockkeeper.toml, if there is one]
    #[arg(long, env = "LOCKKEEPER_SETTINGS", value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// The App's id or client id
    #[arg(long, env = "LOCKKEEPER_APP_ID", value_name = "ID")]
    pub app_id: Option<String>,
    /// The App's private key, in PEM; line breaks may be written as \n
    #[arg(long, env = "LOCKKEEPER_PRIVATE_KEY", value_name = "PEM", hide_env_values = true)]
    pub private_key: Option<Secret>,
    /// File with the App's private key
    #[arg(long, env = "LOCKKEEPER_PRIVATE_KEY_FILE", value_name = "FILE")]
    pub private_key_file: Option<PathBuf>,
    /// Secret of the webhook; several, for rotation, are separated by commas
    #[arg(long, env = "LOCKKEEPER_WEBHOOK_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub webhook_secret: Option<Secret>,
    /// The App's client id, with a client secret: people may come to the agents' door with tokens of the App
    #[arg(long, env = "LOCKKEEPER_CLIENT_ID", value_name = "ID")]
    pub client_id: Option<String>,
    /// A client secret of the App
    #[arg(long, env = "LOCKKEEPER_CLIENT_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub client_secret: Option<Secret>,
    /// File with the client secret
    #[arg(long, env = "LOCKKEEPER_CLIENT_SECRET_FILE", value_name = "FILE")]
    pub client_secret_file: Option<PathBuf>,
    /// Base of GitHub's REST API; on your own server it ends in /api/v3 [default: that of github.com]
    #[arg(long, env = "LOCKKEEPER_GITHUB_API_URL", value_name = "URL")]
    pub github_api_url: Option<String>,
    /// Where the server listens [default: 127.0.0.1:8080]
    #[arg(long, env = "LOCKKEEPER_LISTEN", value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Folder of the server's database [default: lockkeeper-data]
    #[arg(long, env = "LOCKKEEPER_DATA_DIR", value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// Where GitHub and people reach the server
    #[arg(long, env = "LOCKKEEPER_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// Private addresses that health probes may reach, separated by commas, for example 10.1.0.0/16
    #[arg(long, env = "LOCKKEEPER_ALLOW_ADDRESSES", value_name = "ADDRESSES")]
    pub allow_addresses: Option<String>,
    /// What commands in comments begin with, so that two bots can live together [default: /]
    #[arg(long, env = "LOCKKEEPER_COMMAND_PREFIX", value_name = "PREFIX")]
    pub command_prefix: Option<String>,
    /// Prometheus for the analyses of all repositories, as `[prometheus.default]` of the file gives it to some
    #[arg(long, env = "LOCKKEEPER_PROMETHEUS_URL", value_name = "URL")]
    pub prometheus_url: Option<String>,
    /// What is logged, in the syntax of tracing [default: info]
    #[arg(long, env = "LOCKKEEPER_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// How it is logged: text or json [default: text]
    #[arg(long, env = "LOCKKEEPER_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<String>,
}
