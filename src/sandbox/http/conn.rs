//! A listener whose connections can be told to die, and that know when an answer has really left.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

type Then = Box<dyn FnOnce() + Send>;

/// What a handler can ask of the connection it answers on.
#[derive(Clone, Default)]
pub(super) struct ConnState(Arc<Inner>);

#[derive(Default)]
struct Inner {
    reset: AtomicBool,
    wrote: AtomicBool,
    answered: Mutex<Option<Then>>,
}

impl ConnState {
    /// The next write fails and the peer sees a reset.
    pub fn reset(&self) {
        self.0.reset.store(true, Ordering::SeqCst);
    }

    /// Runs `then` once, when the answer that is now being returned has been written out.
    pub fn after_answer(&self, then: Then) {
        self.0.wrote.store(false, Ordering::SeqCst);
        *self.0.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(then);
    }

    fn flushed(&self) {
        if self.0.wrote.load(Ordering::SeqCst) {
            let then = self.0.answered.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(then) = then {
                then();
            }
        }
    }
}

pub(super) struct Conn {
    stream: TcpStream,
    state: ConnState,
}

impl Conn {
    fn dead(&self) -> io::Result<()> {
        if !self.state.0.reset.load(Ordering::SeqCst) {
            return Ok(());
        }
        let _ = self.stream.set_zero_linger(); // closing then sends RST; a plain close is the second best
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

impl AsyncRead for Conn {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Conn {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.dead()?;
        self.state.0.wrote.store(true, Ordering::SeqCst);
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.dead()?;
        self.state.0.wrote.store(true, Ordering::SeqCst);
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_flush(cx);
        if matches!(done, Poll::Ready(Ok(()))) {
            self.state.flushed();
        }
        done
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

pub(super) struct Listener(pub TcpListener);

impl axum::serve::Listener for Listener {
    type Io = Conn;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Conn, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok((stream, address)) => {
                    let _ = stream.set_nodelay(true); // only a matter of speed
                    return (Conn { stream, state: ConnState::default() }, address);
                }
                // Out of file descriptors: the next attempt may find one.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl axum::extract::connect_info::Connected<axum::serve::IncomingStream<'_, Listener>> for ConnState {
    fn connect_info(stream: axum::serve::IncomingStream<'_, Listener>) -> Self {
        stream.io().state.clone()
    }
}
