//! The service that the demo deploys: one copy in each slot, each an HTTP server of its own in this process.

use super::balancer::local;
use crate::domain::{PerSlot, Slot};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinSet;

/// A bad version fails one request of so many; its health check does not show it.
const FAILS_ONE_OF: u64 = 3;

/// A version that runs in a slot.
#[derive(Clone, Debug)]
pub struct Version {
    pub name: String,
    pub bad: bool,
    answered: u64,
}

impl Version {
    pub fn new(name: &str, bad: bool) -> Self {
        Self { name: name.to_owned(), bad, answered: 0 }
    }
}

/// Nothing: the slot is empty.
type Running = Arc<Mutex<Option<Version>>>;

pub struct Copies {
    pub addresses: PerSlot<SocketAddr>,
    running: PerSlot<Running>,
    /// Ended when they are dropped.
    _tasks: JoinSet<()>,
}

impl Copies {
    pub async fn start() -> io::Result<Self> {
        let listeners = PerSlot { blue: local().await?, green: local().await? };
        let addresses = PerSlot { blue: listeners.blue.local_addr()?, green: listeners.green.local_addr()? };
        let running = PerSlot::<Running>::default();
        let mut tasks = JoinSet::new();
        for (listener, of) in [(listeners.blue, &running.blue), (listeners.green, &running.green)] {
            let app = Router::new().fallback(answer).with_state(Arc::clone(of));
            tasks.spawn(async move {
                // It does not end by itself.
                let _ = axum::serve(listener, app).await;
            });
        }
        Ok(Self { addresses, running, _tasks: tasks })
    }

    /// Puts a version into a slot, in the place of what was there.
    pub fn bring_up(&self, slot: Slot, version: Version) {
        *self.running.get(slot).lock().unwrap_or_else(PoisonError::into_inner) = Some(version);
    }
}

/// Every answer to a user is the name of the version that gave it.
async fn answer(State(running): State<Running>, uri: Uri) -> (StatusCode, String) {
    let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(version) = running.as_mut() else { return (StatusCode::SERVICE_UNAVAILABLE, String::new()) };
    if uri.path() == "/health" {
        return (StatusCode::OK, version.name.clone());
    }
    version.answered += 1;
    let fails = version.bad && version.answered.is_multiple_of(FAILS_ONE_OF);
    (if fails { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }, version.name.clone())
}
