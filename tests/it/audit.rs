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
