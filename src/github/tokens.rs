//! Installation tokens: cached, renewed 5 minutes before their end, fetched once however many ask at once.

use super::{Secret, Trouble};
use crate::domain::{InstallationId, Millis};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);
/// A token with less than this is not sent any more.
const LAST_USE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub secret: Secret,
    /// By our own clock.
    pub expires: Millis,
}

type Slot = Arc<tokio::sync::Mutex<Option<Token>>>;

#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<InstallationId, Slot>>);

impl Tokens {
    fn slot(&self, id: InstallationId) -> Slot {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default().clone()
    }

    /// A valid token; `fetch` runs at most once at a time for each installation.
    pub async fn get<F>(&self, id: InstallationId, now: Millis, fetch: F) -> Result<Secret, Trouble>
    where
        F: Future<Output = Result<Token, Trouble>>,
    {
        let slot = self.slot(id);
        let mut held = slot.lock().await;
        if let Some(token) = held.as_ref().filter(|t| now.until(t.expires) > RENEW_BEFORE) {
            return Ok(token.secret.clone());
        }
        match fetch.await {
            Ok(token) => {
                let secret = token.secret.clone();
                *held = Some(token);
                Ok(secret)
            }
            // GitHub cannot make tokens just now; the old one still works for a while.
            Err(trouble) if trouble.is_retryable() => match held.as_ref() {
                Some(token) if now.until(token.expires) > LAST_USE => Ok(token.secret.clone()),
                _ => Err(trouble),
            },
            Err(trouble) => {
                *held = None;
                Err(trouble)
            }
        }
    }

    /// GitHub refused this token: forget it, unless somebody has renewed it since.
    pub async fn drop_if(&self, id: InstallationId, refused: &Secret) {
        let slot = self.slot(id);
        let mut held = slot.lock().await;
        if held.as_ref().is_some_and(|t| &t.secret == refused) {
            *held = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    const ID: InstallationId = InstallationId(1);

    fn token(n: u32, expires: i64) -> Token {
        Token { secret: Secret::new(n.to_string()), expires: Millis(expires) }
    }

    #[tokio::test]
    async fn fetched_once_and_renewed_in_time() {
        let (tokens, fetched) = (Tokens::default(), AtomicU32::new(0));
        let fetch = || async {
            tokio::task::yield_now().await;
            Ok(token(fetched.fetch_add(1, Ordering::SeqCst), 3_600_000))
        };
        let all = futures::future::join_all((0..50).map(|_| tokens.get(ID, Millis(0), fetch()))).await;
        assert!(all.iter().all(|t| t.as_ref().unwrap() == &Secret::new("0")));
        tokens.get(ID, Millis(3_299_000), fetch()).await.unwrap();
        assert_eq!(fetched.load(Ordering::SeqCst), 1);
        assert_eq!(tokens.get(ID, Millis(3_300_000), fetch()).await.unwrap(), Secret::new("1"));
        tokens.drop_if(ID, &Secret::new("0")).await;
        assert_eq!(tokens.get(ID, Millis(0), fetch()).await.unwrap(), Secret::new("1"), "an old refusal does not count");
        tokens.drop_if(ID, &Secret::new("1")).await;
        assert_eq!(tokens.get(ID, Millis(0), fetch()).await.unwrap(), Secret::new("2"));
    }

    #[tokio::test]
    async fn the_old_one_serves_while_github_is_away() {
        let tokens = Tokens::default();
        tokens.get(ID, Millis(0), async { Ok(token(1, 3_600_000)) }).await.unwrap();
        let away = || async { Err(Trouble::retry(None, "github_unavailable", "away")) };
        assert_eq!(tokens.get(ID, Millis(3_400_000), away()).await.unwrap(), Secret::new("1"));
        assert!(tokens.get(ID, Millis(3_580_000), away()).await.is_err());
    }
}
