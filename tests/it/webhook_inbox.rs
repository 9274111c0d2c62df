//! From the door through the inbox to the engine's side: order, failures, panics, restarts.

use crate::door::{Door, PUSH};
use futures::FutureExt;
use lockkeeper::domain::{DeliveryId, Millis, Refusal};
use lockkeeper::store::Store;
use lockkeeper::store::inbox::{self, Delivery, DeliveryStatus};
use lockkeeper::surfaces::webhook::{Accept, Worker};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// An engine that writes down what it is given and settles it, unless `first` says otherwise (given the delivery and how
/// often it has come).
struct Engine {
    seen: Arc<Mutex<Vec<String>>>,
    accept: Accept,
}

type Verdict = Result<(), Refusal>;

fn engine(store: &Store, first: impl Fn(&Delivery, usize) -> Verdict + Send + Sync + 'static) -> Engine {
    let seen = Arc::new(Mutex::new(Vec::<String>::new()));
    let (store, list, first) = (store.clone(), seen.clone(), Arc::new(first));
    let accept: Accept = Arc::new(move |delivery, intents| {
        let (store, list, first) = (store.clone(), list.clone(), first.clone());
        async move {
            assert!(!intents.is_empty());
            let count = {
                let mut list = list.lock().unwrap();
                list.push(delivery.id.to_string());
                list.iter().filter(|id| **id == delivery.id.as_str()).count()
            };
            first(&delivery, count)?;
            let id = delivery.id;
            let settled = store.write(move |tx| inbox::settle(tx, &id, DeliveryStatus::Done, "", &[], Millis(1)));
            settled.await.map_err(|error| error.refusal())
        }
        .boxed()
    });
    Engine { seen, accept }
}

/// A running worker; it stops when this is sent or dropped.
fn work(door: &Door, engine: &Engine) -> (oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = Worker::new(door.store.clone(), door.own.clone(), door.bell.clone(), engine.accept.clone());
    (stop, tokio::spawn(worker.run(async { drop(stopped.await) })))
}

async fn settled(store: &Store, id: &str) -> Delivery {
    let begun = Instant::now();
    loop {
        let wanted = DeliveryId::parse(id).unwrap();
        let found = store.read(move |rx| inbox::get(rx, &wanted)).await.unwrap();
        match found {
            Some(delivery) if delivery.status != DeliveryStatus::Pending => return delivery,
            other => assert!(begun.elapsed() < Duration::from_secs(10), "{id} is not settled: {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn of_repo(id: u64) -> String {
    PUSH.replace("811", &id.to_string())
}

#[tokio::test]
async fn deliveries_of_a_repository_keep_their_order() {
    let door = Door::open().await;
    let engine = engine(&door.store, |_, _| Ok(()));
    for n in 0..20 {
        for repo in [1, 2, 3] {
            door.deliver(&format!("{repo}-{n:02}"), "push", &of_repo(repo)).await;
        }
    }
    let _worker = work(&door, &engine);
    for repo in [1, 2, 3] {
        settled(&door.store, &format!("{repo}-19")).await;
    }
    let seen = engine.seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 60);
    for repo in ["1-", "2-", "3-"] {
        let of_this: Vec<_> = seen.iter().filter(|id| id.starts_with(repo)).collect();
        assert!(of_this.is_sorted(), "{of_this:?}");
    }
}

#[tokio::test]
async fn a_repository_that_waits_holds_up_no_other_one() {
    let door = Door::open().await;
    let stuck = |delivery: &Delivery, count: usize| match delivery.id.as_str() {
        "a-1" if count == 1 => Err(Refusal::world("busy", "Not now.", "Wait.")),
        _ => Ok(()),
    };
    let engine = engine(&door.store, stuck);
    let _worker = work(&door, &engine);
    for id in ["a-1", "a-2"] {
        door.deliver(id, "push", &of_repo(1)).await;
    }
    door.deliver("b-1", "push", &of_repo(2)).await;
    settled(&door.store, "b-1").await;
    assert!(!engine.seen.lock().unwrap().contains(&"a-2".to_owned()), "order in the repository is lost");
    let first = settled(&door.store, "a-1").await;
    assert_eq!((first.status, first.attempts), (DeliveryStatus::Done, 1));
    settled(&door.store, "a-2").await;
}

#[tokio::test]
async fn what_needs_nothing_is_settled_with_a_reason() {
    let door = Door::open().await;
    let engine = engine(&door.store, |_, _| Ok(()));
    let (_, answer) = door.deliver("branch", "push", &PUSH.replace("refs/tags/v1.2.3", "refs/heads/other")).await;
    assert_eq!(answer["status"], "accepted");
    assert_eq!(settled(&door.store, "branch").await.status, DeliveryStatus::Done, "no worker is needed for it");
    let _worker = work(&door, &engine);
    door.deliver("odd", "push", &PUSH.replace("refs/tags/v1.2.3", "refs/tags/v1..3")).await;
    door.deliver("strange", "push", r#"{"repository": 5, "installation": {"id": 1}}"#).await;
    assert!(settled(&door.store, "branch").await.note.contains("neither to a tag"));
    let odd = settled(&door.store, "odd").await;
    assert_eq!(odd.status, DeliveryStatus::Done);
    assert!(odd.note.starts_with("refused, tag_invalid: "), "{}", odd.note);
    assert!(settled(&door.store, "strange").await.note.starts_with("refused, payload_unreadable: "));
    assert!(engine.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_refusal_is_kept_and_a_panic_is_tried_again() {
    let door = Door::open().await;
    let engine = engine(&door.store, |delivery, count| match delivery.id.as_str() {
        "no" => Err(Refusal::user("not_yours", "You may not.", "Ask.")),
        _ if count == 1 => panic!("as a bug would"),
        _ => Ok(()),
    });
    let _worker = work(&door, &engine);
    door.deliver("no", "push", &of_repo(1)).await;
    door.deliver("bug", "push", &of_repo(2)).await;
    assert_eq!(settled(&door.store, "no").await.note, "refused, not_yours: You may not. Ask.");
    let bug = settled(&door.store, "bug").await;
    assert_eq!((bug.status, bug.attempts), (DeliveryStatus::Done, 1));
}

#[tokio::test]
async fn a_bug_that_stays_ends_as_a_dead_letter() {
    let door = Door::open().await;
    let engine = engine(&door.store, |_, _| panic!("as a bug would"));
    door.deliver("bug", "push", PUSH).await;
    // As if it had failed before, again and again.
    let id = DeliveryId::parse("bug").unwrap();
    let failed = door.store.write(move |tx| (0..5).try_for_each(|_| inbox::fail(tx, &id, "before", Millis(i64::MAX))));
    failed.await.unwrap();
    let _worker = work(&door, &engine);
    let bug = settled(&door.store, "bug").await;
    assert_eq!(bug.status, DeliveryStatus::Dead);
    assert!(bug.note.starts_with("delivery_panicked: "), "{}", bug.note);
}

#[tokio::test]
async fn what_was_pending_or_put_off_is_taken_up_at_the_start() {
    let door = Door::open().await;
    for id in ["new", "later"] {
        door.deliver(id, "push", PUSH).await;
    }
    let id = DeliveryId::parse("later").unwrap();
    // By a clock that was wrong then.
    let failed = door.store.write(move |tx| inbox::fail(tx, &id, "before", Millis(i64::MAX - 1)));
    failed.await.unwrap();
    let (folder, store) = door.close();
    store.close().await;
    let store = Store::open(folder.path()).unwrap();
    let door = Door::with_store(folder, store).await;
    let engine = engine(&door.store, |_, _| Ok(()));
    let (stop, worker) = work(&door, &engine);
    settled(&door.store, "new").await;
    settled(&door.store, "later").await;
    drop(stop);
    worker.await.unwrap();
}
