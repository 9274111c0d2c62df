//! The users of the demo: some who ask all the time, one request after the other, and count what they got.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

pub const HOW_MANY: usize = 8;
/// Between an answer and the next request.
const PAUSE: Duration = Duration::from_millis(20);
const LIMIT: Duration = Duration::from_secs(10);

/// What they got so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Requests by the version that answered.
    pub by: BTreeMap<String, u64>,
    /// Answers of a version that were failures.
    pub failed: BTreeMap<String, u64>,
    /// Requests that no version answered.
    pub lost: u64,
    pub first_failure: Option<Instant>,
}

impl Tally {
    pub fn requests(&self) -> u64 {
        self.by.values().sum::<u64>() + self.lost
    }

    pub fn failures(&self) -> u64 {
        self.failed.values().sum::<u64>() + self.lost
    }

    pub fn of(&self, version: &str) -> u64 {
        self.by.get(version).copied().unwrap_or(0)
    }

    pub fn failed_of(&self, version: &str) -> u64 {
        self.failed.get(version).copied().unwrap_or(0)
    }

    fn note(&mut self, answer: Option<(bool, String)>) {
        let well = match answer {
            None => {
                self.lost += 1;
                false
            }
            Some((well, version)) => {
                if !well {
                    *self.failed.entry(version.clone()).or_default() += 1;
                }
                *self.by.entry(version).or_default() += 1;
                well
            }
        };
        if !well {
            self.first_failure.get_or_insert_with(Instant::now);
        }
    }
}

pub struct Users {
    tally: Arc<Mutex<Tally>>,
    /// Ended when they are dropped.
    _tasks: JoinSet<()>,
}

impl Users {
    pub fn start(front: SocketAddr) -> Self {
        let tally = Arc::<Mutex<Tally>>::default();
        let mut tasks = JoinSet::new();
        for _ in 0..HOW_MANY {
            let tally = Arc::clone(&tally);
            tasks.spawn(async move {
                loop {
                    let answer = timeout(LIMIT, ask(front)).await.ok().flatten();
                    tally.lock().unwrap_or_else(PoisonError::into_inner).note(answer);
                    sleep(PAUSE).await;
                }
            });
        }
        Self { tally, _tasks: tasks }
    }

    pub fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether it went well, and which version said so; nothing where no version answered.
async fn ask(front: SocketAddr) -> Option<(bool, String)> {
    let mut stream = TcpStream::connect(front).await.ok()?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n").await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, version) = answer.split_once("\r\n\r\n")?;
    (!version.is_empty()).then(|| (head.starts_with("HTTP/1.1 200"), version.to_owned()))
}
