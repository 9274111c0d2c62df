//! What can be asked at the operator's desk, the same for both doors to it: the one on this machine and the one for keys.

use super::desk::{Desk, RunFilter};
use super::view::RunDetail;
use crate::actions::Action;
use crate::actions::access::Caller;
use crate::actions::outcome::Outcome;
use crate::domain::{Blame, Refusal, RunId};
use crate::engine::client::Client;
use axum::extract::{Path as Segment, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::Instant;

/// How long an answer about a run is held back at most while nothing happens to it: less than a server that stops waits.
const LONGEST: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(super) struct Counter {
    pub desk: Desk,
    /// Nothing where no actions are taken.
    pub client: Option<Client>,
}

/// What a watcher of a run has seen already.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Seen {
    /// [`RunDetail::mark`] of the last answer: the next one comes when there is another, or when the time is up.
    pub mark: Option<String>,
}

/// Whoever comes in has been recognised before: a [`Caller`] is in the request's extensions.
pub(super) fn routes(counter: Counter) -> Router {
    Router::new().route("/runs", get(runs)).route("/runs/{id}", get(run)).route("/actions", post(act)).with_state(counter)
}

async fn runs(
    State(counter): State<Counter>,
    Extension(caller): Extension<Caller>,
    Query(filter): Query<RunFilter>,
) -> Response {
    shown(counter.desk.runs(filter, &caller).await)
}

async fn run(
    State(counter): State<Counter>,
    Extension(caller): Extension<Caller>,
    Segment(id): Segment<String>,
    Query(seen): Query<Seen>,
) -> Response {
    shown(counter.news(&id, &caller, seen).await)
}

async fn act(State(counter): State<Counter>, Extension(caller): Extension<Caller>, Json(action): Json<Action>) -> Response {
    shown(counter.act(action, &caller).await)
}

impl Counter {
    async fn act(&self, action: Action, caller: &Caller) -> Result<Outcome, Refusal> {
        self.client.as_ref().ok_or_else(closed)?.act(action, caller).await
    }

    /// The run, at once or when there is more to tell than was seen.
    async fn news(&self, id: &str, caller: &Caller, seen: Seen) -> Result<RunDetail, Refusal> {
        let end = Instant::now() + LONGEST;
        // Before the first look, so that nothing is missed between the two.
        let events = self.client.as_ref().map(|client| client.host.watch());
        let run = self.desk.run(id, caller).await?;
        let (Some(mut events), Some(known)) = (events, RunId::parse(id)) else { return Ok(run) };
        let mut now = run;
        while seen.mark.as_ref() == Some(&now.mark) && now.row.state == "active" {
            let about = async {
                // A watcher that fell behind looks for itself.
                while events.recv().await.is_ok_and(|event| event.run != known) {}
            };
            if tokio::time::timeout_at(end, about).await.is_err() {
                break;
            }
            now = self.desk.run(id, caller).await?;
        }
        Ok(now)
    }
}

pub(super) fn closed() -> Refusal {
    Refusal::operator("actions_closed", "This server takes no actions.", "Ask a server that was started with `serve`.")
}

pub(super) fn shown<T: Serialize>(answer: Result<T, Refusal>) -> Response {
    match answer {
        Ok(value) => Json(value).into_response(),
        Err(refusal) => {
            let status = match refusal.code.as_str() {
                "delivery_unknown" | "run_unknown" | "key_unknown" => StatusCode::NOT_FOUND,
                "delivery_pending" => StatusCode::CONFLICT,
                "agents_denied" | "insufficient_scope" | "not_allowed" | "override_not_allowed" => StatusCode::FORBIDDEN,
                _ if refusal.blame == Blame::User => StatusCode::UNPROCESSABLE_ENTITY,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            (status, Json(refusal)).into_response()
        }
    }
}
