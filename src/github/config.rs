//! How to reach GitHub and who we are there.

use super::Secret;
use std::time::Duration;

/// Everything that [`super::GitHub::new`] needs; `Default` has GitHub's own limits and no identity.
#[derive(Clone, Debug)]
pub struct GitHubConfig {
    /// Base of the REST API: `https://api.github.com`, `https://<host>/api/v3` or any other base.
    pub api_url: String,
    /// The App's id or client id, as it stands in the JWT's `iss`.
    pub app_id: String,
    /// The App's private key as PEM.
    pub private_key: Secret,
    /// For one request, from sending it to the last byte of the answer.
    pub request_timeout: Duration,
    pub connect_timeout: Duration,
    /// Longest answer that is read, in bytes.
    pub max_answer: usize,
    pub pacing: Pacing,
    /// Calls that are left for people and other tools: below this many, we wait for the reset.
    pub quota_reserve: u64,
    /// Where `git` is, for ranges too long for the API.
    pub git: std::path::PathBuf,
}

/// What one installation may do in a time. Source: GitHub's "Rate limits for the REST API", secondary limits.
#[derive(Clone, Copy, Debug)]
pub struct Pacing {
    /// Requests that make or change what people read, in a minute. GitHub calls them content-generating and nowhere says that
    /// edits are free.
    pub content_per_minute: u32,
    /// The same in an hour.
    pub content_per_hour: u32,
    /// A read costs 1 point and a write 5, in a minute.
    pub points_per_minute: u32,
    /// What counts as a minute; an hour is sixty of them. Shorter only where a stand-in for GitHub counts in the same way.
    pub minute: Duration,
    /// The longest wait inside a call; a longer one is handed back as `Retryable`.
    pub longest_wait: Duration,
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            content_per_minute: 80,
            content_per_hour: 500,
            points_per_minute: 900,
            minute: Duration::from_secs(60),
            longest_wait: Duration::from_secs(5),
        }
    }
}

impl Default for GitHubConfig {
    fn default() -> Self {
        Self {
            api_url: "https://api.github.com".into(),
            app_id: String::new(),
            private_key: Secret::new(""),
            request_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            max_answer: 32 * 1024 * 1024,
            pacing: Pacing::default(),
            quota_reserve: 50,
            git: "git".into(),
        }
    }
}
