//! The operator's commands as typed: with a running server, without one, and beside one that was killed.

use crate::door::{Door, PUSH};
use lockkeeper::domain::{Actor, ActorKind, DeliveryId, InstallationId, Millis, RepoId, RepoName, RepoRef, RunId, Tag, UserId};
use lockkeeper::store::Store;
use lockkeeper::store::inbox::{self, DeliveryStatus};
use lockkeeper::store::runs::{self, Run, RunState, Subject};
use lockkeeper::store::steps::{self, Change};
use lockkeeper::surfaces::control::{ControlFile, Desk, Door as Control};
use serde_json::{Value, json};
use std::path::Path;
use tokio::sync::oneshot;

/// (exit code, standard output, standard error)
async fn lockkeeper(data_dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_lockkeeper"));
    let output = command.args(arguments).arg("--data-dir").arg(data_dir).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A control door over the store; it closes when what is returned is dropped and awaited.
async fn control(door: &Door) -> (oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let desk = Desk::new(door.store.clone(), door.bell.clone());
    let control = Control::open(door.folder.path()).await.unwrap();
    (stop, tokio::spawn(control.serve(desk, async { drop(stopped.await) })))
}

/// Three deliveries (one given up, one ignored, one waiting) and a run of the last one.
async fn filled() -> Door {
    let door = Door::open().await;
    for (id, event) in [("d-dead", "push"), ("d-ignored", "star"), ("d-new", "push")] {
        door.deliver(id, event, PUSH).await;
    }
    let dead = DeliveryId::parse("d-dead").unwrap();
    let repo = RepoRef { id: RepoId(811), name: RepoName::parse("acme/web").unwrap(), installation: InstallationId(77) };
    let delivery = Some(DeliveryId::parse("d-new").unwrap());
    let actor = Actor { kind: ActorKind::User, id: UserId(5), login: "ada".into() };
    let subject = Subject { repo, tag: Some(Tag::parse("v1.2.3").unwrap()), sha: None, environment: None, delivery, actor };
    let run = Run {
        id: RunId::parse("run-1").unwrap(),
        workflow: "release".into(),
        flow_version: 1,
        key: "release/811/v1.2.3".into(),
        subject,
        parent: None,
        state: RunState::Active,
        cancel: None,
        outcome: None,
        starts: 1,
        created_at: Millis(1_700_000_000_000),
        updated_at: Millis(1_700_000_000_000),
    };
    let write = door.store.write(move |tx| {
        inbox::bury(tx, &dead, "delivery_panicked: Working on the delivery ended in a bug.\u{1b}[2J", Millis(1))?;
        runs::insert(tx, &run, &json!({}))?;
        let (body, result) = (json!({}), Some(json!({ "draft": 7 })));
        let step = Change { name: "draft", seq: 1, kind: "call", state: "done", body: &body, result, finished: true };
        steps::put(tx, &run.id, &step, Millis(1_700_000_001_000))
    });
    write.await.unwrap();
    door
}

#[tokio::test]
async fn deliveries_are_listed_shown_and_replayed_while_the_server_runs() {
    let door = filled().await;
    let _control = control(&door).await;
    let folder = door.folder.path();
    let (code, list, problem) = lockkeeper(folder, &["deliveries"]).await;
    assert_eq!((code, problem.as_str()), (0, ""));
    let rows: Vec<&str> = list.lines().collect();
    assert!(rows[0].starts_with("RECEIVED") && rows.len() == 4, "{list}");
    for (row, parts) in rows[1..].iter().zip([
        ["d-new", "push", "acme/web", "pending"],
        ["d-ignored", "star", "acme/web", "ignored"],
        ["d-dead", "push", "acme/web", "dead"],
    ]) {
        assert!(parts.iter().all(|part| row.contains(part)), "{row} lacks one of {parts:?}");
    }
    assert!(!list.contains('\u{1b}'), "a note drives the terminal");

    let (_, dead, _) = lockkeeper(folder, &["deliveries", "list", "--status", "dead", "--format", "json"]).await;
    let dead: Vec<Value> = serde_json::from_str(&dead).unwrap();
    assert_eq!((dead.len(), &dead[0]["delivery"]), (1, &json!("d-dead")));

    let (code, shown, _) = lockkeeper(folder, &["deliveries", "show", "d-new"]).await;
    assert_eq!(code, 0);
    for part in ["d-new", "push", "pending", "\"ref\": \"refs/tags/v1.2.3\"", "804 bytes"] {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
    let (_, shown, _) = lockkeeper(folder, &["deliveries", "show", "d-new", "--format", "json"]).await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["payload"], serde_json::from_str::<Value>(PUSH).unwrap());

    let (code, said, _) = lockkeeper(folder, &["deliveries", "replay", "d-dead"]).await;
    assert_eq!((code, said.as_str()), (0, "The delivery d-dead waits for its turn again.\n"));
    let id = DeliveryId::parse("d-dead").unwrap();
    let again = door.store.read(move |rx| inbox::get(rx, &id)).await.unwrap().unwrap();
    assert_eq!(again.status, DeliveryStatus::Pending);
    let rung = tokio::time::timeout(std::time::Duration::from_secs(1), door.bell.notified()).await;
    assert!(rung.is_ok(), "nobody told the worker");
}

#[tokio::test]
async fn what_cannot_be_answered_says_why_and_what_to_do() {
    let door = filled().await;
    let control = control(&door).await;
    let folder = door.folder.path().to_owned();
    for (arguments, code) in [
        (["deliveries", "show", "d-none"], "delivery_unknown"),
        (["deliveries", "show", "../runs"], "delivery_unknown"),
        (["deliveries", "replay", "d-none"], "delivery_unknown"),
        (["deliveries", "replay", "d-new"], "delivery_pending"),
        (["runs", "show", "run-none"], "run_unknown"),
    ] {
        let (exit, said, problem) = lockkeeper(&folder, &arguments).await;
        assert_eq!((exit, said.as_str()), (2, ""), "{arguments:?}");
        assert!(problem.contains(code), "{arguments:?}: {problem}");
    }
    // A server that holds the store and has no control door.
    drop(control.0);
    control.1.await.unwrap();
    let (exit, _, problem) = lockkeeper(&folder, &["deliveries"]).await;
    assert!(exit == 2 && problem.contains("store_locked"), "{problem}");
    let (exit, _, problem) = lockkeeper(Path::new("/nowhere"), &["deliveries"]).await;
    assert!(exit == 2 && problem.contains("store_missing"), "{problem}");
}

#[tokio::test]
async fn without_a_server_the_store_is_asked_also_beside_a_stale_file() {
    let door = filled().await;
    let (stop, control) = control(&door).await;
    let stale = std::fs::read(door.folder.path().join("control.json")).unwrap();
    drop(stop);
    control.await.unwrap();
    let (folder, store) = door.close();
    assert!(ControlFile::read(folder.path()).is_none(), "control.json outlives its server");
    store.close().await;
    drop(store);
    std::fs::write(folder.path().join("control.json"), stale).unwrap();
    let (code, list, problem) = lockkeeper(folder.path(), &["deliveries"]).await;
    assert_eq!((code, list.lines().count(), problem.as_str()), (0, 4, ""));
    let (code, _, problem) = lockkeeper(folder.path(), &["deliveries", "replay", "d-ignored"]).await;
    assert_eq!((code, problem.as_str()), (0, ""));
    let store = Store::open(folder.path()).unwrap();
    let pending = store.read(|rx| inbox::list(rx, Some(DeliveryStatus::Pending), 9)).await.unwrap();
    assert_eq!(pending.len(), 2);
}

#[tokio::test]
async fn runs_are_listed_and_shown_step_by_step() {
    let door = filled().await;
    let _control = control(&door).await;
    let (code, list, _) = lockkeeper(door.folder.path(), &["runs"]).await;
    assert_eq!(code, 0);
    let row = list.lines().nth(1).unwrap();
    assert!(["run-1", "release", "acme/web", "v1.2.3", "active"].iter().all(|part| row.contains(part)), "{list}");
    let (_, none, _) = lockkeeper(door.folder.path(), &["runs", "list", "--state", "dead"]).await;
    assert_eq!(none, "No runs.\n");
    let (_, shown, _) = lockkeeper(door.folder.path(), &["runs", "show", "run-1"]).await;
    insta::assert_snapshot!(shown, @r"
    run         run-1
    workflow    release
    repository  acme/web
    tag         v1.2.3
    state       active
    asked by    ada
    delivery    d-new
    started     2023-11-14T22:13:20Z
    changed     2023-11-14T22:13:20Z

    STEP   KIND  STATE  ATTEMPTS  ENDED                 LAST ERROR
    draft  call  done   0         2023-11-14T22:13:21Z
    ");
}

#[tokio::test]
async fn nobody_enters_without_the_token() {
    let door = filled().await;
    let _control = control(&door).await;
    let file = ControlFile::read(door.folder.path()).unwrap();
    let url = format!("http://{}/deliveries?limit=1", file.address);
    for token in ["", "wrong", &file.token[1..], &file.token.to_uppercase()] {
        let answer = door.http.get(&url).bearer_auth(token).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (401, ""), "{token}");
    }
    assert_eq!(door.http.get(&url).send().await.unwrap().status(), 401);
    assert_eq!(door.http.get(&url).bearer_auth(&file.token).send().await.unwrap().status(), 200);
}
