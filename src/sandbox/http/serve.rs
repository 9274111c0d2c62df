//! Listens on a runtime of its own, so that a test that blocks or a product that spins cannot starve the stand-in.

use super::answer::{self, Outcome, RequestInfo};
use super::conn::{ConnState, Listener};
use super::reply::{Body, Reply};
use crate::sandbox::SandboxError;
use crate::sandbox::faults::{Faults, Moment, Trouble, Verdict, When};
use crate::sandbox::git_http;
use crate::sandbox::hooks;
use crate::sandbox::journal::Journal;
use crate::sandbox::world::World;
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

const LARGEST_BODY: usize = 32 * 1024 * 1024;

/// What requests, the control API and the delivery of webhooks have in common.
pub(in crate::sandbox) struct Shared {
    world: Mutex<World>,
    pub journal: Mutex<Journal>,
    pub faults: Faults,
    /// Rung when webhooks wait.
    pub wake: Notify,
}

impl Shared {
    /// A panic in a handler leaves the state as it was at that point; the stand-in goes on with it.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Changes the state and lets the webhooks that follow leave.
    pub fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let out = change(&mut self.world());
        self.wake.notify_one();
        out
    }
}

pub(in crate::sandbox) struct Server {
    runtime: Option<Runtime>,
    pub shared: Arc<Shared>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Binds, fills in `base` and serves until dropped.
pub(in crate::sandbox) fn start(listen: SocketAddr, mut world: World) -> Result<Server, SandboxError> {
    let lost = |e: std::io::Error| SandboxError::Start(format!("{listen}: {e}"));
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).thread_name("sandbox").enable_all().build().map_err(lost)?;
    let listener = std::net::TcpListener::bind(listen).map_err(lost)?;
    listener.set_nonblocking(true).map_err(lost)?;
    world.base = format!("http://{}", listener.local_addr().map_err(lost)?);
    let shared = Arc::new(Shared {
        world: Mutex::new(world),
        journal: Mutex::default(),
        faults: Faults::default(),
        wake: Notify::new(),
    });
    let app = axum::Router::new().fallback(handle).with_state(Arc::clone(&shared));
    let guard = runtime.enter();
    let listener = tokio::net::TcpListener::from_std(listener).map_err(lost)?;
    drop(guard);
    let service = app.into_make_service_with_connect_info::<ConnState>();
    runtime.spawn(async move { axum::serve(Listener(listener), service).await });
    runtime.spawn(hooks::deliver_forever(Arc::clone(&shared)));
    Ok(Server { runtime: Some(runtime), shared })
}

async fn handle(State(shared): State<Arc<Shared>>, ConnectInfo(conn): ConnectInfo<ConnState>, request: Request) -> Response {
    let (parts, stream) = request.into_parts();
    let path = parts.uri.path_and_query().map_or_else(|| parts.uri.path().to_owned(), ToString::to_string);
    let Ok(body) = axum::body::to_bytes(stream, LARGEST_BODY).await else {
        return build(Reply::empty(413));
    };
    let method = parts.method.as_str();
    let git = git_http::service(&path).is_some();
    let operation = answer::is_graphql(&path).then(|| operation_name(&body));
    let route = if git { git_http::route_name(&path) } else { answer::route_name(method, &path, operation.as_deref()) };
    let at = shared.world().now();
    let seq = shared.journal().open(at, method, &path, route.clone(), &body);
    let info = RequestInfo { seq, method: method.to_owned(), path, operation, body };
    if shared.faults.call(Moment::BeforeEffect, &info) == Verdict::Abandon {
        return abandon(&shared, seq, &conn);
    }
    let fault = shared.faults.draw(&info);
    if let Some((When::Before, trouble)) = &fault
        && let Some(reply) = suffer(trouble, &shared, seq, &conn).await
    {
        return build(reply);
    }
    let outcome = if git {
        let reply = git_http::answer(&shared, &info, &parts.headers).await;
        let complaints = if reply.status >= 400 { vec!["git was refused".to_owned()] } else { Vec::new() };
        Outcome { reply, complaints }
    } else {
        shared.change(|world| answer::respond(world, &info, &parts.headers))
    };
    if shared.faults.call(Moment::AfterEffect, &info) == Verdict::Abandon {
        return abandon(&shared, seq, &conn);
    }
    if let Some((When::After, trouble)) = &fault
        && let Some(reply) = suffer(trouble, &shared, seq, &conn).await
    {
        return build(reply);
    }
    note(&shared, &info, &route, &outcome);
    let after = Arc::clone(&shared);
    conn.after_answer(Box::new(move || {
        after.faults.call(Moment::AfterAnswer, &info);
    }));
    build(outcome.reply)
}

fn abandon(shared: &Shared, seq: u64, conn: &ConnState) -> Response {
    shared.journal().close(seq, 0, true);
    conn.reset();
    build(Reply::empty(502))
}

fn note(shared: &Shared, info: &RequestInfo, route: &str, outcome: &Outcome) {
    let mut journal = shared.journal();
    journal.close(info.seq, outcome.reply.status, false);
    for complaint in &outcome.complaints {
        journal.complain(info.seq, route, outcome.reply.status, complaint.as_str());
    }
}

/// Lets the trouble happen; an answer if it decides what the client reads.
async fn suffer(trouble: &Trouble, shared: &Shared, seq: u64, conn: &ConnState) -> Option<Reply> {
    match trouble {
        Trouble::Delay(span) => {
            tokio::time::sleep(*span).await;
        }
        Trouble::Hang => {
            shared.journal().close(seq, 0, true);
            std::future::pending::<()>().await;
        }
        Trouble::Reset => {
            shared.journal().close(seq, 0, true);
            conn.reset();
            return Some(Reply::empty(502));
        }
        Trouble::Answer(body) => {
            shared.journal().close(seq, 200, true);
            return Some(Reply::with(200, body.clone()));
        }
        Trouble::Status { status, headers, message } => {
            shared.journal().close(seq, *status, true);
            let mut refused = super::Refused::new(*status, message.as_str());
            refused.headers.clone_from(headers);
            return Some(refused.into_reply());
        }
    }
    None
}

/// `operationName`, or the name in the document, or `unnamed`.
fn operation_name(body: &Bytes) -> String {
    let value = serde_json::from_slice::<Value>(body).unwrap_or_default();
    if let Some(name) = value.get("operationName").and_then(Value::as_str) {
        return name.to_owned();
    }
    let document = value.get("query").and_then(Value::as_str).unwrap_or_default().trim_start();
    let rest = ["query", "mutation"].iter().find_map(|word| document.strip_prefix(word)).unwrap_or_default();
    let name = rest.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

fn build(reply: Reply) -> Response {
    let (bytes, kind) = match reply.body {
        Body::Empty => (Vec::new(), ""),
        Body::Json(value) => (value.to_string().into_bytes(), "application/json; charset=utf-8"),
        Body::Raw(bytes, kind) => (bytes, kind),
    };
    let mut response = Response::builder().status(reply.status).header("server", "github.com");
    if !kind.is_empty() {
        response = response.header("content-type", kind);
    }
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    response.body(bytes.into()).unwrap_or_else(|_| Response::new(axum::body::Body::empty()))
}
