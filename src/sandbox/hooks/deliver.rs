//! Sends the queue, one at a time and in order.

use super::Outgoing;
use crate::sandbox::config::Webhook;
use crate::sandbox::http::Shared;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use sha2::Sha256;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// GitHub closes the connection after ten seconds.
const TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_KEPT: usize = 64 * 1024;

/// Runs until the runtime stops.
pub(in crate::sandbox) async fn deliver_forever(shared: Arc<Shared>) {
    loop {
        let next = shared.world().outbox.take();
        let Some(out) = next else {
            shared.wake.notified().await;
            continue;
        };
        let (target, app, hook) = {
            let world = shared.world();
            (world.webhook.clone(), world.config.app_id, world.hook_id)
        };
        let started = Instant::now();
        let sent = match &target {
            Some(target) => Some(tokio::time::timeout(TIMEOUT, send(target, &out, app, hook)).await),
            None => None,
        };
        let (code, status, response) = match sent {
            // No webhook configured: GitHub sends nothing and logs nothing.
            None => {
                shared.world().outbox.in_flight -= 1;
                continue;
            }
            Some(Ok(Ok((code, text)))) if (200..300).contains(&code) => (code, "OK".to_owned(), text),
            Some(Ok(Ok((code, text)))) => (code, format!("Invalid HTTP Response: {code}"), text),
            Some(Ok(Err(_))) => (502, "failed to connect to host".to_owned(), String::new()),
            Some(Err(_)) => (0, "timed out".to_owned(), String::new()),
        };
        let mut world = shared.world();
        let now = world.now();
        world.outbox.record(&out, now, started.elapsed().as_secs_f64(), code, &status, response);
        world.outbox.in_flight -= 1;
    }
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

async fn send(target: &Webhook, out: &Outgoing, app: u64, hook: u64) -> Result<(u16, String), Failed> {
    let uri = target.url.parse::<http::Uri>()?;
    let host = uri.authority().ok_or("the webhook's address has no host")?.to_string();
    let address = if uri.port().is_some() { host.clone() } else { format!("{host}:80") };
    let stream = tokio::net::TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driving = tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let mut request = http::Request::post(path)
        .header("Host", host)
        .header("User-Agent", "GitHub-Hookshot/5a4db0c")
        .header("Accept", "*/*")
        .header("Content-Type", "application/json")
        .header("X-GitHub-Delivery", &out.guid)
        .header("X-GitHub-Event", &out.event)
        .header("X-GitHub-Hook-ID", hook)
        .header("X-GitHub-Hook-Installation-Target-ID", app)
        .header("X-GitHub-Hook-Installation-Target-Type", "integration");
    if !target.secret.is_empty() {
        let secret = if out.forged { "not the secret" } else { target.secret.as_str() };
        request = request.header("X-Hub-Signature-256", format!("sha256={}", sign(secret, out.payload.as_bytes())?));
    }
    let answer = sender.send_request(request.body(Full::new(Bytes::from(out.payload.clone())))?).await?;
    let code = answer.status().as_u16();
    let body = answer.into_body().collect().await?.to_bytes();
    driving.abort();
    let kept = body.get(..body.len().min(ANSWER_KEPT)).unwrap_or_default();
    Ok((code, String::from_utf8_lossy(kept).into_owned()))
}

fn sign(secret: &str, body: &[u8]) -> Result<String, Failed> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
    mac.update(body);
    Ok(mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect())
}
