//! What is left of an installation's calls for the hour, as the headers of its last answers say.

use super::classify::header;
use crate::domain::{InstallationId, Millis};
use http::HeaderMap;
use std::collections::BTreeMap;
use std::time::Duration;

/// One of GitHub's buckets (`core`, `graphql`) of one installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// `None`: calls as the App itself.
    pub installation: Option<InstallationId>,
    /// GitHub's name of the bucket.
    pub resource: String,
    pub limit: u64,
    pub remaining: u64,
    pub reset: Millis,
}

/// The buckets of one installation.
#[derive(Default)]
pub(super) struct Quotas(BTreeMap<String, Quota>);

impl Quotas {
    /// Takes over what an answer says; late answers of the same hour cannot raise what is left.
    pub fn learn(&mut self, installation: Option<InstallationId>, headers: &HeaderMap) {
        let number = |name| header(headers, name);
        let (Some(limit), Some(remaining), Some(reset)) =
            (number("x-ratelimit-limit"), number("x-ratelimit-remaining"), number("x-ratelimit-reset"))
        else {
            return;
        };
        let resource = headers.get("x-ratelimit-resource").and_then(|v| v.to_str().ok()).unwrap_or("core");
        // GitHub has a dozen buckets; anything longer is not GitHub.
        if resource.len() > 64 || (self.0.len() >= 32 && !self.0.contains_key(resource)) {
            return;
        }
        let reset = Millis(i64::try_from(reset).unwrap_or(0).saturating_mul(1000));
        let old = self.0.get(resource).filter(|old| old.reset == reset).map_or(u64::MAX, |old| old.remaining);
        let quota = Quota { installation, resource: resource.to_owned(), limit, remaining: remaining.min(old), reset };
        self.0.insert(quota.resource.clone(), quota);
    }

    /// How long to wait because the bucket is down to the reserve.
    pub fn wait(&self, resource: &str, reserve: u64, now: Millis) -> Option<Duration> {
        let quota = self.0.get(resource)?;
        // A limit below the reserve (a test server, a small GHES) must not stop everything.
        let reserve = reserve.min(quota.limit / 10);
        let wait = now.until(quota.reset);
        (quota.remaining <= reserve && wait > Duration::ZERO).then_some(wait + Duration::from_secs(1))
    }

    pub fn all(&self) -> impl Iterator<Item = &Quota> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(resource: &str, remaining: u64, reset: u64) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("x-ratelimit-limit", 5000.into());
        headers.insert("x-ratelimit-remaining", remaining.into());
        headers.insert("x-ratelimit-reset", reset.into());
        headers.insert("x-ratelimit-resource", resource.parse().unwrap());
        headers
    }

    #[test]
    fn below_the_reserve_we_wait_for_the_reset() {
        let (mut quotas, id, now) = (Quotas::default(), Some(InstallationId(7)), Millis(1_000_000));
        assert_eq!(quotas.wait("core", 50, now), None, "unknown is not used up");
        quotas.learn(id, &headers("core", 51, 1_600));
        assert_eq!(quotas.wait("core", 50, now), None);
        quotas.learn(id, &headers("core", 50, 1_600));
        assert_eq!(quotas.wait("core", 50, now), Some(Duration::from_secs(601)));
        quotas.learn(id, &headers("core", 4_000, 1_600));
        assert!(quotas.wait("core", 50, now).is_some(), "a late answer changes nothing");
        assert_eq!(quotas.wait("graphql", 50, now), None, "each bucket for itself");
        assert_eq!(quotas.wait("core", 50, Millis(1_600_000)), None, "after the reset");
        quotas.learn(id, &headers("core", 4_999, 5_200));
        assert_eq!(quotas.wait("core", 50, now), None, "a new hour");
        assert_eq!(quotas.all().count(), 1);
    }
}
