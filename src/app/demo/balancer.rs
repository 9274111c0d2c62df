//! The balancer of the demo: a port for users, a port for Lockkeeper, and a look at each copy's health.
//!
//! It is no HAProxy: it carries requests without a body, one for each connection, which is what the demo's users send.
//! Invariant: all of it ends with its owner.

use super::backend::{Backend, Outcome};
use crate::domain::{PerSlot, Slot};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Between two looks at a copy's health.
const LOOK: Duration = Duration::from_millis(50);
/// For one request, and for one line of commands.
const LIMIT: Duration = Duration::from_secs(5);
/// Largest request, answer or line, in bytes.
const LARGEST: u64 = 64 << 10;
const UNAVAILABLE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

pub struct Balancer {
    /// For users.
    pub front: SocketAddr,
    /// For Lockkeeper.
    pub admin: SocketAddr,
    pub backend: Arc<Backend>,
    /// Ended when they are dropped.
    _tasks: JoinSet<()>,
}

impl Balancer {
    pub async fn start(copies: PerSlot<SocketAddr>) -> io::Result<Self> {
        let (front, admin) = (local().await?, local().await?);
        let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let backend = Arc::new(Backend::new(copies, started));
        let addresses = (front.local_addr()?, admin.local_addr()?);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(front, Arc::clone(&backend), carry));
        tasks.spawn(accept(admin, Arc::clone(&backend), obey));
        for slot in Slot::ALL {
            tasks.spawn(look(*copies.get(slot), slot, Arc::clone(&backend)));
        }
        Ok(Self { front: addresses.0, admin: addresses.1, backend, _tasks: tasks })
    }
}

pub async fn local() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

async fn accept<F>(listener: TcpListener, backend: Arc<Backend>, serve: fn(TcpStream, Arc<Backend>) -> F)
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let mut going = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(going.spawn(timeout(LIMIT * 2, serve(stream, Arc::clone(&backend))))),
            // No more files: it passes when others are closed.
            Err(_) => sleep(LOOK).await,
        }
        while going.try_join_next().is_some() {}
    }
}

/// One request of a user.
async fn carry(mut user: TcpStream, backend: Arc<Backend>) -> io::Result<()> {
    let asked = head(&mut user).await?;
    let Some((slot, address)) = backend.choose() else { return user.write_all(UNAVAILABLE).await };
    let begun = Instant::now();
    let answer = timeout(LIMIT, exchange(address, &asked)).await.unwrap_or(Err(Outcome::Broken));
    let outcome = answer.as_ref().map_or_else(|why| *why, |(status, _)| Outcome::Answered(*status));
    let told = user.write_all(answer.as_ref().map_or(UNAVAILABLE, |(_, bytes)| bytes)).await;
    backend.ended(slot, outcome, begun.elapsed());
    told
}

/// A request to the end of its head.
async fn head(user: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut lines = BufReader::new(user.take(LARGEST));
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        if lines.read_until(b'\n', &mut asked).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(asked)
}

/// What a copy answers, with its status.
async fn exchange(address: SocketAddr, asked: &[u8]) -> Result<(u16, Vec<u8>), Outcome> {
    let mut copy = TcpStream::connect(address).await.map_err(|_| Outcome::Unreached)?;
    copy.write_all(asked).await.map_err(|_| Outcome::Broken)?;
    let mut answer = Vec::new();
    copy.take(LARGEST).read_to_end(&mut answer).await.map_err(|_| Outcome::Broken)?;
    let status = answer.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
    let status = status.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    Ok((status.ok_or(Outcome::Broken)?, answer))
}

/// One line of commands.
async fn obey(mut asker: TcpStream, backend: Arc<Backend>) -> io::Result<()> {
    let mut line = String::new();
    BufReader::new((&mut asker).take(LARGEST)).read_line(&mut line).await?;
    asker.write_all(backend.answer(&line).as_bytes()).await
}

async fn look(address: SocketAddr, slot: Slot, backend: Arc<Backend>) {
    loop {
        let asked = b"GET /health HTTP/1.1\r\nhost: demo\r\nconnection: close\r\n\r\n";
        let answer = timeout(LIMIT, exchange(address, asked)).await;
        backend.seen(slot, matches!(answer, Ok(Ok((200, _)))));
        sleep(LOOK).await;
    }
}
