mod leases;

use super::*;
use crate::domain::{Actor, RunId};
use crate::store::testing::run;
use crate::store::{Store, runs};

const KEY: &str = "env:1:staging";

fn place() -> EnvPlace {
    EnvPlace { repo: RepoId(1), environment: EnvName::parse("staging").unwrap() }
}

fn entry(run: &str, sha: char, rollback: bool, slot: Option<Slot>) -> LedgerEntry {
    LedgerEntry {
        run: RunId::parse(run).unwrap(),
        sha: Sha::parse(&sha.to_string().repeat(40)).unwrap(),
        tag: None,
        version: None,
        component: None,
        deployment: None,
        url: None,
        slot,
        barrier: false,
        rollback,
        good: true,
        share: None,
        since: Millis(1),
        until: None,
    }
}

/// A place in the queue of the environment's lock, for a run that is new.
fn joined(tx: &Tx<'_>, id: &str) -> Result<Lease, StoreError> {
    let run = run(id);
    runs::insert(tx, &run, &serde_json::Value::Null)?;
    Ok(Lease { key: KEY.to_owned(), token: locks::join(tx, KEY, &run.id, "lease", Millis(0))?.token })
}

/// A store in which the run `r1` holds the environment's lock.
async fn leased() -> (tempfile::TempDir, Store, Lease) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let lease = store.write(|tx| joined(tx, "r1")).await.unwrap();
    (dir, store, lease)
}

async fn lands(store: &Store, lease: &Lease, entry: &LedgerEntry) -> bool {
    let (lease, entry) = (lease.clone(), entry.clone());
    store.write(move |tx| land(tx, &place(), &lease, &entry)).await.unwrap()
}

async fn all(store: &Store) -> Vec<LedgerEntry> {
    store.read(|rx| of(rx, &place(), 100)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_commit_there_and_back_is_told_twice_and_each_once() {
    let (_dir, store, lease) = leased().await;
    let ways = [
        entry("r1", 'a', false, None),
        entry("r1", 'a', true, None),
        entry("r1", 'b', false, Some(Slot::Blue)),
        entry("r1", 'b', true, Some(Slot::Blue)),
        entry("r1", 'b', true, Some(Slot::Green)),
    ];
    for way in ways.iter().chain(&ways) {
        assert!(lands(&store, &lease, way).await);
    }
    let told = all(&store).await;
    assert_eq!(told.len(), ways.len());
    assert_eq!(told.iter().filter(|entry| entry.until.is_none()).count(), 1);
    assert_eq!((told[0].rollback, told[0].slot), (true, Some(Slot::Green)));
}

/// It was given up twice after it had landed; what it lands now is live and good, and the rest stays on record.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_begins_anew_lands_anew() {
    let (_dir, store, lease) = leased().await;
    let way = entry("r1", 'a', false, None);
    for life in 0..3 {
        for _ in 0..2 {
            assert!(lands(&store, &lease, &way).await);
        }
        let told = all(&store).await;
        assert_eq!((told.len(), told[0].until, told[0].good), (life + 1, None, true));
        store
            .write(|tx| {
                let sha = Sha::parse(&"a".repeat(40)).unwrap();
                mark_bad(tx, &place(), &sha)?;
                begin_anew(tx, &RunId::parse("r1").unwrap())
            })
            .await
            .unwrap();
    }
}

/// A hold that was ended is no reason not to place one when it happens again.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_begins_anew_holds_anew() {
    use crate::domain::{HoldKind, NewHold};
    use crate::store::holds;
    let (_dir, store, _) = leased().await;
    let lock = || NewHold {
        repo: RepoId(1),
        environment: EnvName::parse("staging").unwrap(),
        kind: HoldKind::Lock,
        owner: Actor::schedule(),
        reason: "nobody knows".into(),
        sha: None,
        run: RunId::parse("r1"),
        since: Millis(1),
        until: None,
        pull: None,
    };
    let open = || store.read(|rx| holds::open(rx, RepoId(1), &EnvName::parse("staging").unwrap(), Millis(5)));
    for _ in 0..3 {
        let new = lock();
        store.write(move |tx| holds::place(tx, &new).and_then(|()| holds::place(tx, &new))).await.unwrap();
        let [held] = <[_; 1]>::try_from(open().await.unwrap()).unwrap();
        let again = lock();
        store
            .write(move |tx| {
                // While it stands it is the same one, also for a run that begins anew.
                holds::begin_anew(tx, &RunId::parse("r1").unwrap())?;
                holds::place(tx, &again)?;
                holds::end(tx, held.id, &Actor::schedule(), "looked at", Millis(2))?;
                holds::begin_anew(tx, &RunId::parse("r1").unwrap())
            })
            .await
            .unwrap();
        assert!(open().await.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_hold_the_lock_any_more_writes_nothing() {
    let (_dir, store, lease) = leased().await;
    assert!(lands(&store, &lease, &entry("r1", 'a', false, None)).await);
    let taken = store.write(|tx| {
        locks::leave(tx, &RunId::parse("r1").unwrap(), "lease")?;
        joined(tx, "r2")
    });
    let now = taken.await.unwrap();
    assert!(!lands(&store, &lease, &entry("r1", 'b', false, None)).await);
    let stale = lease.clone();
    assert!(!store.write(move |tx| unland(tx, &place(), &stale, Millis(3))).await.unwrap());
    assert_eq!(all(&store).await, [entry("r1", 'a', false, None)]);
    assert!(store.write(move |tx| unland(tx, &place(), &now, Millis(3))).await.unwrap());
    assert_eq!(all(&store).await[0].until, Some(Millis(3)));
}
