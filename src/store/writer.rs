//! The one thread that writes: collects what has come, runs each piece in a savepoint, commits once, then answers.

use super::latency::{CommitTimes, Latencies};
use super::mover::Mover;
use super::{StoreError, Tx};
use crate::domain::Refusal;
use rusqlite::Connection;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// Pieces in one transaction at most, so that the first of them does not wait for ever.
const GROUP: usize = 256;
/// Pieces that may wait; more make their senders wait.
const QUEUE: usize = 1024;

/// Answers a piece's caller when the fate of the transaction is known.
type Answer = Box<dyn FnOnce(Result<(), StoreError>)>;

trait Piece: Send {
    /// Runs in a savepoint; also says whether it failed, and how.
    fn run(self: Box<Self>, conn: &Connection) -> (Answer, Option<StoreError>);
    fn refuse(self: Box<Self>, why: StoreError);
}

enum Job {
    Piece(Box<dyn Piece>),
    Close,
}

#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    latencies: Arc<Latencies>,
}

impl Writer {
    /// Hands the connection and the process's lock to the writing thread, which keeps them to its end.
    pub(super) fn start(connection: Connection, mut mover: Mover, lock: File) -> Result<Self, Refusal> {
        let (jobs, mut queue) = mpsc::channel(QUEUE);
        let latencies = Arc::new(Latencies::default());
        let measured = Arc::clone(&latencies);
        let body = move || {
            serve(&connection, &mut queue, &mut mover, &measured);
            mover.stop();
            drop(connection);
            drop(lock);
            // Last: a queue that is gone tells `close` that the file is free.
            drop(queue);
        };
        std::thread::Builder::new().name("store-writer".into()).spawn(body).map_err(|why| thread_refused(&why))?;
        Ok(Self { jobs, latencies })
    }

    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let piece = Box::new(Work { work, reply });
        self.jobs.send(Job::Piece(piece)).await.map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    pub(super) fn commit_times(&self) -> CommitTimes {
        self.latencies.times()
    }

    pub(super) async fn close(&self) {
        if self.jobs.send(Job::Close).await.is_ok() {
            self.jobs.closed().await;
        }
    }
}

pub(super) fn thread_refused(why: &std::io::Error) -> Refusal {
    Refusal::operator(
        "store_thread",
        format!("The system refused a thread for the store: {why}."),
        "Raise the limit of threads.",
    )
}

struct Work<T, F> {
    work: F,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Piece for Work<T, F>
where
    T: Send + 'static,
    F: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
{
    fn run(self: Box<Self>, conn: &Connection) -> (Answer, Option<StoreError>) {
        let Self { work, reply } = *self;
        let done = in_savepoint(conn, |conn| {
            let tx = Tx::new(conn);
            let value = work(&tx)?;
            Ok((value, tx.into_hooks()))
        });
        let failed = done.as_ref().err().cloned();
        let answer: Answer = Box::new(move |committed| {
            let answer = done.and_then(|(value, hooks)| {
                committed?;
                hooks.into_iter().for_each(|hook| hook());
                Ok(value)
            });
            // Nobody may be waiting any more; what is stored stays stored.
            let _ = reply.send(answer);
        });
        (answer, failed)
    }

    fn refuse(self: Box<Self>, why: StoreError) {
        let _ = self.reply.send(Err(why));
    }
}

/// Runs `work` so that an error or a panic undoes its own changes only. If not even that can be done, everything is undone.
fn in_savepoint<T>(conn: &Connection, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
    execute(conn, "SAVEPOINT piece")?;
    let result = catch_unwind(AssertUnwindSafe(|| work(conn))).unwrap_or(Err(StoreError::Panicked));
    if conn.is_autocommit() {
        return result.and(Err(StoreError::Sql("work ended the transaction".into())));
    }
    let undone = if result.is_ok() { Ok(()) } else { execute(conn, "ROLLBACK TO piece") };
    if let Err(why) = undone.and_then(|()| execute(conn, "RELEASE piece")) {
        conn.execute_batch("ROLLBACK")?;
        return Err(why.into());
    }
    result
}

/// Ends when every sender is gone or one asks for it.
fn serve(conn: &Connection, queue: &mut mpsc::Receiver<Job>, mover: &mut Mover, latencies: &Latencies) {
    while let Some(Job::Piece(first)) = queue.blocking_recv() {
        if let Err(why) = execute(conn, "BEGIN IMMEDIATE") {
            first.refuse(why.into());
            continue;
        }
        let (pieces, close) = group(conn, first, queue, latencies);
        mover.wrote(pieces);
        if close {
            break;
        }
    }
}

/// Runs the first piece and all that have come meanwhile, commits, answers; gives their number, and true when the store is to
/// close. It takes no more pieces once SQLite has undone the transaction by itself, as it may on a full disk.
fn group(conn: &Connection, first: Box<dyn Piece>, queue: &mut mpsc::Receiver<Job>, latencies: &Latencies) -> (usize, bool) {
    let (mut answers, mut close, mut next) = (Vec::new(), false, Some(first));
    let mut undone = Ok(());
    while let Some(piece) = next.take() {
        let (answer, failed) = piece.run(conn);
        answers.push(answer);
        if conn.is_autocommit() {
            undone = Err(failed.unwrap_or(StoreError::Closed));
        } else if answers.len() < GROUP {
            match queue.try_recv() {
                Ok(Job::Piece(piece)) => next = Some(piece),
                Ok(Job::Close) => close = true,
                Err(_) => {}
            }
        }
    }
    let fate = undone.and_then(|()| {
        let started = Instant::now();
        commit(conn).inspect(|()| latencies.add(started.elapsed()))
    });
    let pieces = answers.len();
    answers.into_iter().for_each(|answer| answer(fate.clone()));
    (pieces, close)
}

/// A statement that is always the same is prepared once.
pub(super) fn execute(conn: &Connection, statement: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(statement)?.execute([]).map(drop)
}

fn commit(conn: &Connection) -> Result<(), StoreError> {
    let Err(why) = execute(conn, "COMMIT") else { return Ok(()) };
    let why = StoreError::from(why);
    if matches!(why, StoreError::Full | StoreError::Busy) && (conn.is_autocommit() || conn.execute_batch("ROLLBACK").is_ok()) {
        tracing::error!(code = why.refusal().code, "a transaction could not be stored and was undone");
        return Err(why);
    }
    tracing::error!(%why, "a commit failed and nobody can say what is stored: the process ends now and starts from the disk");
    std::process::abort();
}
