//! The operator's door of a running server: a listener of its own on the loopback address, with a token from `control.json`.
//!
//! Invariants: nothing is answered without the token, which is compared by its digest, so that the time tells nothing; the
//! door is never on the address that GitHub reaches.

use super::desk::{AuditFilter, DeliveryFilter, Desk};
use super::file::{Announced, ControlFile};
use super::keys::KeyAsk;
use super::remote::bearer;
use super::routes::{Counter, closed, routes, shown};
use crate::actions::access::Caller;
use crate::domain::{EnvName, Refusal, RepoName};
use crate::engine::client::{Client, HookSecret};
use crate::surfaces::http::{Limits, serve, traced};
use crate::targets::sign::OwnHooks;
use axum::extract::{Path as Segment, Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;

/// A door that is bound and announced, and not yet served.
pub struct Door {
    listener: TcpListener,
    pub address: SocketAddr,
    token: Arc<[u8; 32]>,
    announced: Announced,
    acting: Option<Acting>,
    /// What is served beside the desk, and recognises its own callers.
    beside: Router,
}

/// What does what is asked.
#[derive(Clone)]
struct Acting {
    client: Client,
    own_hooks: OwnHooks,
}

/// Of which repository's environment.
#[derive(Serialize, Deserialize)]
pub struct Of {
    pub repo: RepoName,
    pub environment: EnvName,
}

impl Door {
    /// Binds a free port of the loopback address and writes `control.json`.
    ///
    /// # Errors
    /// `control_listen` or `control_file`.
    pub async fn open(data_dir: &Path) -> Result<Self, Refusal> {
        let refused = |error: std::io::Error| {
            let message = format!("No port of 127.0.0.1 can be opened: {error}.");
            Refusal::operator("control_listen", message, "Let Lockkeeper listen on the loopback address.")
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let file = ControlFile::new(address);
        let token = Arc::new(digest(&file.token));
        Ok(Self { listener, address, token, announced: file.announce(data_dir)?, acting: None, beside: Router::new() })
    }

    /// Takes actions, too.
    #[must_use]
    pub fn acting(self, client: Client, own_hooks: OwnHooks) -> Self {
        Self { acting: Some(Acting { client, own_hooks }), ..self }
    }

    /// Serves this, too: its callers show keys of their own, not the token.
    #[must_use]
    pub fn beside(self, router: Router) -> Self {
        Self { beside: router, ..self }
    }

    /// Answers until `shutdown` is ready; then `control.json` is gone.
    pub async fn serve(self, desk: Desk, shutdown: impl Future<Output = ()>) {
        let limits = Limits { connections: 64, ..Limits::default() };
        let desk = router(desk, self.acting, self.token);
        serve(self.listener, traced(desk.merge(self.beside)), limits, shutdown).await;
        drop(self.announced);
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

async fn hook_secret(acting: Option<Acting>, of: Of) -> Result<HookSecret, Refusal> {
    let Acting { client, own_hooks } = acting.ok_or_else(closed)?;
    client.hook_secret(of.repo, of.environment, &own_hooks).await
}

fn router(desk: Desk, acting: Option<Acting>, token: Arc<[u8; 32]>) -> Router {
    let client = acting.as_ref().map(|acting| acting.client.clone());
    let own = Router::new()
        .route("/status", get(|State(desk): State<Desk>| async move { shown(desk.status().await) }))
        .route(
            "/audit",
            get(|State(desk): State<Desk>, Query(filter): Query<AuditFilter>| async move { shown(desk.audit(filter).await) }),
        )
        .route(
            "/deliveries",
            get(|State(desk): State<Desk>, Query(filter): Query<DeliveryFilter>| async move {
                shown(desk.deliveries(filter).await)
            }),
        )
        .route(
            "/deliveries/{id}",
            get(|State(desk): State<Desk>, Segment(id): Segment<String>| async move { shown(desk.delivery(&id).await) }),
        )
        .route(
            "/deliveries/{id}/replay",
            post(|State(desk): State<Desk>, Segment(id): Segment<String>| async move { shown(desk.replay(&id).await) }),
        )
        .route(
            "/keys",
            get(|State(desk): State<Desk>| async move { shown(desk.keys().await) })
                .post(|State(desk): State<Desk>, Json(ask): Json<KeyAsk>| async move { shown(desk.create_key(ask).await) }),
        )
        .route(
            "/keys/{id}/revoke",
            post(|State(desk): State<Desk>, Segment(id): Segment<String>| async move { shown(desk.revoke_key(&id).await) }),
        )
        .route("/hook-secret", post(|Json(of): Json<Of>| async move { shown(hook_secret(acting, of).await) }))
        .with_state(desk.clone());
    let routes = own.merge(routes(Counter { desk, client }));
    routes.layer(from_fn_with_state(token, with_token))
}

/// The operator asks, whatever the request says.
async fn with_token(State(token): State<Arc<[u8; 32]>>, mut request: Request, next: Next) -> Response {
    if digest(bearer(&request).unwrap_or_default()) != *token {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    request.extensions_mut().insert(Caller::operator());
    next.run(request).await
}
