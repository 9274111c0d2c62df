//! Kills the program at the n-th request to GitHub or question to HAProxy since it was armed, or after a while.

use crate::process::Process;
use lockkeeper::sandbox::{Moment, RequestInfo, Sandbox, Verdict};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kill {
    Never,
    /// At the n-th request to GitHub, counted from 1.
    Request(u32, Moment),
    /// At the n-th question to HAProxy: before it gets there, or when the answer is there and has not left.
    Question(u32, Moment),
    After(Duration),
}

#[derive(Default)]
struct Armed {
    kill: Option<Kill>,
    requests: u32,
    questions: u32,
    /// The request that it was armed for.
    seq: Option<u64>,
}

pub struct Trap {
    process: Weak<Process>,
    armed: Mutex<Armed>,
}

impl Trap {
    /// Stands before GitHub and before HAProxy's socket `admin`; the program is to ask at `tap` instead.
    pub fn lay(github: &Sandbox, folder: PathBuf, process: &Arc<Process>) -> Arc<Self> {
        let trap = Arc::new(Self { process: Arc::downgrade(process), armed: Mutex::default() });
        for moment in [Moment::BeforeEffect, Moment::AfterEffect, Moment::AfterAnswer] {
            let trap = Arc::clone(&trap);
            github.intercept(moment, move |request| trap.request(moment, request));
        }
        let listener = UnixListener::bind(folder.join("tap")).unwrap();
        let tapping = Arc::clone(&trap);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (trap, admin) = (Arc::clone(&tapping), folder.join("admin"));
                // Whatever ends early closes the connection, as HAProxy does.
                tokio::spawn(async move { drop(trap.question(client, admin).await) });
            }
        });
        trap
    }

    pub fn arm(self: &Arc<Self>, kill: Kill) {
        *self.armed.lock().unwrap() = Armed { kill: Some(kill).filter(|kill| *kill != Kill::Never), ..Armed::default() };
        if let Kill::After(span) = kill {
            let trap = Arc::clone(self);
            std::thread::spawn(move || {
                std::thread::sleep(span);
                if trap.armed.lock().unwrap().kill == Some(kill) {
                    trap.spring();
                }
            });
        }
    }

    /// Whether it has not sprung yet; from now on it will not.
    pub fn disarm(&self) -> bool {
        self.armed.lock().unwrap().kill.take().is_some()
    }

    /// Requests and questions since it was armed.
    pub fn seen(&self) -> (u32, u32) {
        let armed = self.armed.lock().unwrap();
        (armed.requests, armed.questions)
    }

    fn request(&self, moment: Moment, request: &RequestInfo) -> Verdict {
        let mut armed = self.armed.lock().unwrap();
        let Some(Kill::Request(nth, at)) = armed.kill else {
            armed.requests += u32::from(moment == Moment::BeforeEffect);
            return Verdict::GoOn;
        };
        if moment == Moment::BeforeEffect {
            armed.requests += 1;
            if armed.requests == nth {
                armed.seq = Some(request.seq);
            }
        }
        let now = moment == at && armed.seq == Some(request.seq);
        drop(armed);
        if now {
            self.spring();
            return Verdict::Abandon;
        }
        Verdict::GoOn
    }

    async fn question(&self, client: UnixStream, admin: PathBuf) -> std::io::Result<()> {
        let mut client = BufReader::new(client);
        let mut line = String::new();
        client.read_line(&mut line).await?;
        let at = {
            let mut armed = self.armed.lock().unwrap();
            armed.questions += 1;
            match armed.kill {
                Some(Kill::Question(nth, at)) if armed.questions == nth => Some(at),
                _ => None,
            }
        };
        if at == Some(Moment::BeforeEffect) {
            self.spring();
            return Ok(());
        }
        let mut haproxy = UnixStream::connect(admin).await?;
        haproxy.write_all(line.as_bytes()).await?;
        let mut answer = Vec::new();
        haproxy.read_to_end(&mut answer).await?;
        if at == Some(Moment::AfterEffect) {
            self.spring();
            return Ok(());
        }
        client.get_mut().write_all(&answer).await?;
        if at == Some(Moment::AfterAnswer) {
            client.get_mut().shutdown().await?;
            self.spring();
        }
        Ok(())
    }

    fn spring(&self) {
        if let Some(process) = self.process.upgrade()
            && self.disarm()
        {
            process.kill();
        }
    }
}
