//! Answers to remember by ETag, so that an unchanged one costs no quota: a bounded LRU in memory.
//!
//! Invariant: a key holds the installation, so that no installation is served what another may see.

use crate::domain::InstallationId;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use std::collections::HashMap;

const MAX_ENTRIES: usize = 512;
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// A longer answer is not worth its place.
const MAX_ANSWER: usize = 512 * 1024;

type Key = (Option<InstallationId>, String);

struct Entry {
    etag: HeaderValue,
    headers: HeaderMap,
    body: Bytes,
    used: u64,
}

#[derive(Default)]
pub(super) struct Etags {
    entries: HashMap<Key, Entry>,
    bytes: usize,
    clock: u64,
}

impl Etags {
    pub fn etag(&mut self, key: &Key) -> Option<HeaderValue> {
        self.clock += 1;
        let entry = self.entries.get_mut(key)?;
        entry.used = self.clock;
        Some(entry.etag.clone())
    }

    /// The remembered answer, for a 304.
    pub fn get(&self, key: &Key) -> Option<(HeaderMap, Bytes)> {
        self.entries.get(key).map(|entry| (entry.headers.clone(), entry.body.clone()))
    }

    pub fn put(&mut self, key: Key, headers: &HeaderMap, body: &Bytes) {
        let Some(etag) = headers.get("etag") else { return };
        self.remove(&key);
        if body.len() > MAX_ANSWER {
            return;
        }
        self.clock += 1;
        // Of the headers only the paging is needed again.
        let mut kept = HeaderMap::new();
        if let Some(link) = headers.get("link") {
            kept.insert("link", link.clone());
        }
        self.bytes += body.len();
        let entry = Entry { etag: etag.clone(), headers: kept, body: body.clone(), used: self.clock };
        self.entries.insert(key, entry);
        while self.entries.len() > MAX_ENTRIES || self.bytes > MAX_BYTES {
            let Some(oldest) = self.entries.iter().min_by_key(|(_, e)| e.used).map(|(key, _)| key.clone()) else { break };
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(old) = self.entries.remove(key) {
            self.bytes -= old.body.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(etags: &mut Etags, name: &str, size: usize) {
        let mut headers = HeaderMap::new();
        headers.insert("etag", "\"1\"".parse().unwrap());
        etags.put((None, name.into()), &headers, &Bytes::from(vec![0; size]));
    }

    #[test]
    fn bounded_in_number_and_bytes_the_oldest_goes_first() {
        let mut etags = Etags::default();
        put(&mut etags, "first", 10);
        put(&mut etags, "second", 10);
        for n in 0..MAX_ENTRIES - 2 {
            put(&mut etags, &n.to_string(), 10);
        }
        assert!(etags.etag(&(None, "first".into())).is_some(), "used again");
        put(&mut etags, "one more", 10);
        assert!(etags.get(&(None, "first".into())).is_some());
        assert!(etags.get(&(None, "second".into())).is_none());
        for n in 0..40 {
            put(&mut etags, &format!("big{n}"), MAX_ANSWER);
        }
        assert!(etags.bytes <= MAX_BYTES);
        assert_eq!(etags.bytes, etags.entries.values().map(|e| e.body.len()).sum::<usize>());
        put(&mut etags, "too big", MAX_ANSWER + 1);
        assert!(etags.get(&(None, "too big".into())).is_none());
        assert!(etags.get(&(Some(InstallationId(1)), "big39".into())).is_none(), "another installation's");
    }
}
