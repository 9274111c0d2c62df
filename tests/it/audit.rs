//! `lockkeeper audit`: the record and its chain, beside a running server and without one.

use crate::mcp::{Agent, key};
use crate::world::Setup;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_record_is_whole_and_told_line_by_line() {
    let config = "[environments.staging]\non = [\"manual\"]\ntarget = \"cluster\"\n\n[targets.cluster]\nkind = \"deployment\"\n\
                  reporters = [\"deployer[bot]\"]\n";
    let mut world = Setup::new().config(config).start().await;
    let (_, good) = key(&world, "read", "staging").await;
    let agent = Agent::at(&world, &good);
    assert_eq!(agent.call("get_status", json!({ "repo": "acme/shop" })).await.told()["outcome"], "succeeded");
    agent.call("get_status", json!({ "repo": "acme/other" })).await.refused("insufficient_scope");
    world.quiet().await;
    let verify = ["audit", "verify", "--format", "json"];
    let (code, said, problem) = world.command_told(&verify).await;
    assert_eq!((code, problem.as_str()), (0, ""), "{said}");
    let running: Value = serde_json::from_str(&said).unwrap();
    assert!(running["rows"].as_u64().unwrap() >= 3 && running["broken"].is_null(), "{said}");
    assert_eq!(running["head"]["hash"].as_str().unwrap().len(), 64);
    world.stop().await;
    let stopped: Value = serde_json::from_str(&world.command_told(&verify).await.1).unwrap();
    assert_eq!(running, stopped, "the same without a server");
    let (code, lines, problem) = world.command_told(&["audit", "export", "--format", "jsonl"]).await;
    assert_eq!((code, problem.as_str()), (0, ""));
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len() as u64, running["rows"].as_u64().unwrap());
    assert!(lines.windows(2).all(|pair| pair[1]["prev"] == pair[0]["hash"]));
    assert_eq!(lines.last().unwrap()["hash"], running["head"]["hash"]);
    let by_agent: Vec<(&Value, &Value)> =
        lines.iter().filter(|line| line["door"] == "mcp").map(|line| (&line["action"], &line["decision"])).collect();
    assert_eq!(
        by_agent,
        [(&json!("get_status"), &json!("accepted")), (&json!("get_status"), &json!("refused:insufficient_scope"))]
    );
    assert!(lines.iter().any(|line| line["detail"]["client"] == "tests"));
    world.boot().await;
    world.finish().await;
}

/// Whoever writes into the file past the program is found out by the row, or by the head that was kept elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_was_touched_is_named() {
    let mut world = Setup::new().config("").start().await;
    for name in ["one", "two", "three", "four"] {
        crate::keys::key(&world, name, "read", "staging").await;
    }
    world.quiet().await;
    let verify = ["audit", "verify", "--format", "json"];
    let whole: Value = serde_json::from_str(&world.command_told(&verify).await.1).unwrap();
    world.stop().await;
    let file = world.data_dir().join("lockkeeper.db");
    // What is still in the log beside it belongs to it.
    let whole_file = rusqlite::Connection::open(&file).unwrap();
    whole_file.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(whole_file);
    let kept = std::fs::read(&file).unwrap();
    let restore = || {
        for rest in ["lockkeeper.db-wal", "lockkeeper.db-shm"] {
            let _none = std::fs::remove_file(world.data_dir().join(rest));
        }
        std::fs::write(&file, &kept).unwrap();
    };
    for (change, row) in [
        ("UPDATE audit SET decision = 'refused:x' WHERE id = 2", Some(2)),
        ("UPDATE audit SET at = at + 1 WHERE id = 3", Some(3)),
        ("UPDATE audit SET detail = '{}' WHERE id = 1", Some(1)),
        ("UPDATE audit SET hash = NULL WHERE id = 4", Some(4)),
        ("DELETE FROM audit WHERE id = 2", Some(3)),
        ("DELETE FROM audit WHERE id = (SELECT max(id) FROM audit)", None),
    ] {
        restore();
        let store = rusqlite::Connection::open(&file).unwrap();
        let triggers = "DROP TRIGGER audit_is_not_changed; DROP TRIGGER audit_is_not_deleted;";
        store.execute_batch(&format!("{triggers} {change};")).unwrap();
        drop(store);
        let (code, said, problem) = world.command_told(&verify).await;
        let told: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{change}: {said}{problem}"));
        assert_eq!((code, told["broken"].as_u64()), (i32::from(row.is_some()), row), "{change}: {said}");
        assert_ne!(told["head"], whole["head"], "{change}");
        assert_eq!(world.command_told(&["audit", "export"]).await.0 == 0, row.is_none(), "{change}");
    }
    restore();
    world.boot().await;
    world.finish().await;
}
