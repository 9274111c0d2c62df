//! Invariant 1: at most one lease for each environment, and a stale fencing token is refused; over the real tables, with runs
//! that come, come again, end, are killed with the server, and write with whatever token they know. And two defects that break
//! it, so that it is known to be able to fail.

use super::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

const RUNS: usize = 4;

#[derive(Clone, Copy, Debug)]
enum Act {
    /// Joins the queue; a run that stands in it keeps its place.
    Join(usize),
    /// Lets go, or leaves the queue.
    Leave(usize),
    /// The run is over, with all that it holds.
    End(usize),
    /// The server is killed and starts again.
    Restart,
    /// Writes with the newest token that it has had, which may be stale.
    Land(usize),
    Unland(usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Defect {
    None,
    /// Whoever writes is believed to hold the lock by the newest token.
    TokensAreNotLookedAt,
    /// A second run is let in while the first one is there.
    LetsAnotherIn,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = (0_u8..12, 0..RUNS).prop_map(|(what, run)| match what {
        0..=3 => Act::Join(run),
        4 | 5 => Act::Leave(run),
        6 => Act::End(run),
        7 => Act::Restart,
        8..=10 => Act::Land(run),
        _ => Act::Unland(run),
    });
    prop::collection::vec(act, 1..25)
}

fn id(run: usize) -> RunId {
    RunId::parse(&format!("r{run}")).unwrap()
}

/// What should be so.
struct Model {
    defect: Defect,
    dir: tempfile::TempDir,
    store: Store,
    /// Who stands in the queue, the holder first.
    queue: Vec<(usize, u64)>,
    /// The newest token that each run has had.
    known: [Option<u64>; RUNS],
    newest: u64,
    landed: usize,
}

impl Model {
    async fn new(defect: Defect) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let all =
            store.write(|tx| (0..RUNS).try_for_each(|n| runs::insert(tx, &run(id(n).as_str()), &serde_json::Value::Null)));
        all.await.unwrap();
        Self { defect, dir, store, queue: Vec::new(), known: [None; RUNS], newest: 0, landed: 0 }
    }

    async fn act(&mut self, act: Act) -> Result<(), TestCaseError> {
        match act {
            Act::Join(n) => self.join(n).await?,
            Act::Leave(n) => {
                drop(self.store.write(move |tx| locks::leave(tx, &id(n), "lease")).await.unwrap());
                self.queue.retain(|(other, _)| *other != n);
            }
            Act::End(n) => {
                drop(self.store.write(move |tx| locks::leave_all(tx, &id(n))).await.unwrap());
                self.queue.retain(|(other, _)| *other != n);
            }
            Act::Restart => {
                self.store.close().await;
                self.store = Store::open(self.dir.path()).unwrap();
            }
            Act::Land(n) => self.land(n).await?,
            Act::Unland(n) => {
                let Some(lease) = self.lease(n).await else { return Ok(()) };
                let holds = self.holds(n);
                let ended = self.store.write(move |tx| unland(tx, &place(), &lease, Millis(9))).await.unwrap();
                prop_assert_eq!(ended, holds, "a stale token ends what is live");
            }
        }
        self.look().await
    }

    async fn join(&mut self, n: usize) -> Result<(), TestCaseError> {
        let place = self.store.write(move |tx| locks::join(tx, KEY, &id(n), "lease", Millis(0))).await.unwrap();
        if let Some((_, token)) = self.queue.iter().find(|(other, _)| *other == n) {
            prop_assert_eq!(place.token, *token, "another place for the same run");
            return Ok(());
        }
        prop_assert!(place.token > self.newest, "a token that is not greater than those before");
        self.newest = place.token;
        self.known[n] = Some(place.token);
        self.queue.push((n, place.token));
        if self.defect == Defect::LetsAnotherIn {
            let sql = "UPDATE locks SET held = 1 WHERE run = ?1";
            self.store.write(move |tx| Ok(tx.conn.execute(sql, [id(n).as_str()])?)).await.unwrap();
        }
        Ok(())
    }

    fn holds(&self, n: usize) -> bool {
        self.queue.first().is_some_and(|(holder, token)| *holder == n && self.known[n] == Some(*token))
    }

    async fn lease(&self, n: usize) -> Option<Lease> {
        let mut token = self.known[n]?;
        if self.defect == Defect::TokensAreNotLookedAt {
            let queue = self.store.read(|rx| locks::queue(rx, KEY)).await.unwrap();
            token = queue.first().map_or(token, |place| place.token);
        }
        Some(Lease { key: KEY.to_owned(), token })
    }

    async fn land(&mut self, n: usize) -> Result<(), TestCaseError> {
        let Some(lease) = self.lease(n).await else { return Ok(()) };
        let before = all(&self.store).await;
        // Each time another commit, so that it is a row of its own.
        self.landed += 1;
        let mut new = entry(id(n).as_str(), 'a', false, None);
        new.sha = Sha::parse(&format!("{:040x}", self.landed)).unwrap();
        let landed = lands(&self.store, &lease, &new).await;
        prop_assert_eq!(landed, self.holds(n), "a stale token writes what is live");
        if !landed {
            prop_assert_eq!(all(&self.store).await, before, "it was refused and something was written");
        }
        Ok(())
    }

    async fn look(&self) -> Result<(), TestCaseError> {
        let queue = self.store.read(|rx| locks::queue(rx, KEY)).await.unwrap();
        let held: Vec<bool> = queue.iter().map(|place| place.held).collect();
        let wanted: Vec<bool> = (0..queue.len()).map(|at| at == 0).collect();
        prop_assert_eq!(held, wanted, "not exactly one holds the lock");
        let tokens: Vec<u64> = queue.iter().map(|place| place.token).collect();
        prop_assert_eq!(tokens, self.queue.iter().map(|(_, token)| *token).collect::<Vec<_>>(), "another order");
        let live = all(&self.store).await.iter().filter(|entry| entry.until.is_none()).count();
        prop_assert!(live <= 1, "{} versions are live", live);
        Ok(())
    }
}

fn check(defect: Defect) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: 40, failure_persistence: None, max_shrink_iters: 20, ..Config::default() };
    let result = TestRunner::new(config).run(&acts(), |acts| {
        runtime.block_on(async {
            let mut model = Model::new(defect).await;
            for act in acts {
                model.act(act).await?;
            }
            model.store.close().await;
            Ok(())
        })
    });
    result.map_err(|why| match why {
        TestError::Fail(reason, acts) => format!("{reason} with {acts:?}"),
        TestError::Abort(reason) => format!("aborted: {reason}"),
    })
}

#[test]
fn law_1_one_holds_the_lease_and_a_stale_token_is_refused() {
    check(Defect::None).unwrap();
}

#[test]
fn law_1_can_fail() {
    let why = check(Defect::TokensAreNotLookedAt).expect_err("the defect was not found");
    assert!(why.contains("a stale token"), "{why}");
    let why = check(Defect::LetsAnotherIn).expect_err("the defect was not found");
    assert!(why.contains("not exactly one holds the lock"), "{why}");
}
