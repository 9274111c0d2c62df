//! The store as its callers see it: groups, undoing, closing, large payloads, a full disk.

use super::inbox::{DeliveryStatus, NewDelivery, Receipt};
use super::*;
use crate::domain::{DeliveryId, Millis, RepoId};
use std::sync::atomic::{AtomicUsize, Ordering};

fn delivery(id: &str, repo: u64) -> NewDelivery {
    NewDelivery {
        id: DeliveryId::parse(id).unwrap(),
        event: "push".into(),
        action: None,
        repo: (repo > 0).then(|| (RepoId(repo), "acme/web".to_owned())),
        installation: None,
        received_at: Millis(1),
        status: DeliveryStatus::Pending,
        note: String::new(),
        payload: b"{}".to_vec(),
    }
}

async fn receive(store: &Store, new: NewDelivery) -> Result<Receipt, StoreError> {
    store.write(move |tx| inbox::receive(tx, &new)).await
}

async fn next(store: &Store, now: i64, busy: Vec<inbox::Lane>) -> Vec<String> {
    let found = store.read(move |rx| inbox::next(rx, Millis(now), &busy, 10)).await.unwrap();
    found.into_iter().map(|delivery| delivery.id.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_is_there_after_reopening_and_only_one_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(receive(&store, delivery("a", 1)).await, Ok(Receipt::Accepted));
    assert_eq!(receive(&store, delivery("a", 1)).await, Ok(Receipt::Duplicate));
    assert_eq!(Store::open(dir.path()).err().unwrap().code, "store_locked");
    store.close().await;
    assert_eq!(receive(&store, delivery("b", 1)).await, Err(StoreError::Closed));
    let again = Store::open(dir.path()).unwrap();
    assert_eq!(receive(&again, delivery("a", 1)).await, Ok(Receipt::Duplicate));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_or_a_panic_undoes_its_own_piece_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let hooks = Arc::new(AtomicUsize::new(0));
    // Holds the writer back, so that the following pieces share one transaction.
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let held = store.clone();
    let first = tokio::spawn(async move { held.write(move |_| wait.recv().map_err(|_| StoreError::Closed)).await });
    let piece = |n: usize| {
        let (store, hooks) = (store.clone(), Arc::clone(&hooks));
        async move {
            store
                .write(move |tx| {
                    inbox::receive(tx, &delivery(&format!("d{n}"), 1))?;
                    tx.after_commit(move || {
                        hooks.fetch_add(1, Ordering::SeqCst);
                    });
                    match n {
                        1 => Err(StoreError::Refused(Refusal::user("no", "No.", "Do not."))),
                        2 => panic!("a bug"),
                        _ => Ok(()),
                    }
                })
                .await
        }
    };
    let all = futures::future::join_all((0..4).map(piece));
    let all = tokio::spawn(all);
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    go.send(()).unwrap();
    first.await.unwrap().unwrap();
    let results = all.await.unwrap();
    assert_eq!((&results[0], &results[3]), (&Ok(()), &Ok(())));
    assert!(matches!(results[1], Err(StoreError::Refused(_))));
    assert_eq!(results[2], Err(StoreError::Panicked));
    let stored = store.read(|rx| inbox::list(rx, None, 10)).await.unwrap();
    assert_eq!(stored.iter().map(|d| d.id.as_str()).collect::<Vec<_>>(), ["d3", "d0"]);
    assert_eq!(hooks.load(Ordering::SeqCst), 2, "hooks of undone pieces do not run");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_an_error_with_a_code_and_work_goes_on_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let pages = |count: i64| move |tx: &Tx<'_>| Ok(tx.conn.pragma_update(None, "max_page_count", count)?);
    store.write(pages(1)).await.unwrap();
    let big = NewDelivery { payload: vec![b' '; 3_000_000], ..delivery("big", 1) };
    let refused = receive(&store, big.clone()).await.unwrap_err();
    assert_eq!((refused.refusal().code.as_str(), refused.is_passing()), ("store_full", true));
    store.write(pages(1_000_000)).await.unwrap();
    assert_eq!(receive(&store, big).await, Ok(Receipt::Accepted));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_another_program_holds_is_busy_and_then_works() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let other = hold(&store, dir.path()).await;
    let refused = receive(&store, delivery("a", 1)).await.unwrap_err();
    assert_eq!(refused.refusal().code, "store_busy");
    drop(other);
    assert_eq!(receive(&store, delivery("a", 1)).await, Ok(Receipt::Accepted));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_of_25_mb_comes_back_whole() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let payload: Vec<u8> = (0..25_000_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    receive(&store, NewDelivery { payload: payload.clone(), ..delivery("a", 1) }).await.unwrap();
    let id = DeliveryId::parse("a").unwrap();
    assert!(store.read(move |rx| inbox::payload(rx, &id)).await.unwrap() == Some(payload));
}

#[tokio::test(flavor = "multi_thread")]
async fn order_holds_within_a_repository_and_nobody_else_waits() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    for (id, repo) in [("a1", 1), ("a2", 1), ("b1", 2), ("n1", 0), ("b2", 2)] {
        receive(&store, delivery(id, repo)).await.unwrap();
    }
    assert_eq!(next(&store, 1, vec![]).await, ["a1", "b1", "n1"]);
    let a1 = DeliveryId::parse("a1").unwrap();
    let lane = store
        .read({
            let a1 = a1.clone();
            move |rx| inbox::get(rx, &a1)
        })
        .await
        .unwrap()
        .unwrap()
        .lane();
    assert_eq!(next(&store, 1, vec![lane]).await, ["b1", "n1"]);
    store
        .write({
            let a1 = a1.clone();
            move |tx| inbox::fail(tx, &a1, "later", Millis(100))
        })
        .await
        .unwrap();
    assert_eq!(next(&store, 99, vec![]).await, ["b1", "n1"], "a2 waits for a1");
    assert_eq!(store.read(|rx| inbox::next_due(rx, Millis(1))).await.unwrap(), Some(Millis(100)));
    assert_eq!(store.read(|rx| inbox::next_due(rx, Millis(100))).await.unwrap(), None);
    assert_eq!(next(&store, 100, vec![]).await, ["a1", "b1", "n1"]);
    store
        .write({
            let a1 = a1.clone();
            move |tx| inbox::bury(tx, &a1, "given up", Millis(5))
        })
        .await
        .unwrap();
    assert_eq!(next(&store, 100, vec![]).await, ["a2", "b1", "n1"]);
    let depth = store.read(inbox::depth).await.unwrap();
    assert_eq!((depth.pending, depth.dead, depth.oldest), (4, 1, Some(Millis(1))));
    assert!(
        store
            .write({
                let a1 = a1.clone();
                move |tx| inbox::replay(tx, &a1)
            })
            .await
            .unwrap()
    );
    assert_eq!(next(&store, 100, vec![]).await[0], "a1", "in its old place");
}

#[tokio::test(flavor = "multi_thread")]
async fn settled_deliveries_are_remembered_for_a_while_and_dead_ones_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    for id in ["old", "new", "dead", "open"] {
        receive(&store, delivery(id, 1)).await.unwrap();
    }
    let id = |text: &str| DeliveryId::parse(text).unwrap();
    let run = crate::domain::RunId::parse("r1").unwrap();
    let (old, new, dead) = (id("old"), id("new"), id("dead"));
    store
        .write(move |tx| {
            inbox::settle(tx, &old, DeliveryStatus::Done, "one run", std::slice::from_ref(&run), Millis(10))?;
            inbox::settle(tx, &new, DeliveryStatus::Ignored, "echo", &[], Millis(20))?;
            inbox::bury(tx, &dead, "given up", Millis(10))
        })
        .await
        .unwrap();
    let old = id("old");
    assert_eq!(
        store
            .read({
                let old = old.clone();
                move |rx| inbox::runs(rx, &old)
            })
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(store.write(|tx| inbox::prune(tx, Millis(15), 100)).await, Ok(1));
    assert!(
        store
            .read({
                let old = old.clone();
                move |rx| inbox::get(rx, &old)
            })
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(store.read(move |rx| inbox::runs(rx, &old)).await.unwrap(), []);
    assert_eq!(store.read(|rx| inbox::list(rx, None, 10)).await.unwrap().len(), 3);
    let dead = store.read(|rx| inbox::list(rx, Some(DeliveryStatus::Dead), 10)).await.unwrap();
    assert_eq!((dead[0].id.as_str(), dead[0].note.as_str()), ("dead", "given up"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_moved_while_the_store_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let size = || std::fs::metadata(dir.path().join("lockkeeper.db")).unwrap().len();
    let before = size();
    for n in 0..600 {
        let payload = vec![b'x'; 2_000];
        receive(&store, NewDelivery { payload, ..delivery(&format!("d{n}"), 1) }).await.unwrap();
    }
    let moved = || size() > before + 500 * 2_000;
    for _ in 0..500 {
        if moved() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(moved(), "{before} bytes became {}", size());
    // The writer's own limit is further away.
    assert!(std::fs::metadata(dir.path().join("lockkeeper.db-wal")).unwrap().len() < 4_000 * 4_096);
    store.close().await;
    assert!(Store::open(dir.path()).is_ok());
}
