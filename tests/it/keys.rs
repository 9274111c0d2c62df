//! Keys, and the desk over the network: what a key opens, what it does not, and when it ends.

use crate::world::{Setup, World};
use lockkeeper::domain::Sha;
use lockkeeper::sandbox::{Deployment, DeploymentReport};
use serde_json::{Value, json};

const CONFIG: &str = r#"
[environments.staging]
on = ["manual"]
target = "cluster"
agents = "allow"

[environments.production]
on = ["tag"]
target = "cluster"

[targets.cluster]
kind = "deployment"
reporters = ["deployer[bot]"]
"#;

/// A key, as `keys create` prints it.
pub async fn key(world: &World, name: &str, scopes: &str, environments: &str) -> (String, String) {
    let ask = ["keys", "create", name, "--scope", scopes, "--repo", "acme/shop", "--environment", environments];
    let (code, said, problem) = world.command_told(&[&ask[..], &["--format", "json"]].concat()).await;
    assert_eq!((code, problem.as_str()), (0, ""), "{said}");
    let made: Value = serde_json::from_str(&said).unwrap();
    (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

/// (exit code, standard output, standard error) of a command that knows only the server's URL and a key.
pub async fn remote(world: &World, key: &str, arguments: &[&str]) -> (i32, String, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_lockkeeper"));
    command.env_clear().env("LOCKKEEPER_KEY", key).current_dir("/");
    let url = format!("http://{}", world.server().address);
    let output = command.args(arguments).args(["--server", &url]).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

pub async fn brought_up(world: &World, sha: &Sha, task: &str) {
    let going = |d: &Deployment| d.sha == *sha && d.task == task && d.state() == "in_progress";
    let made = world.until("its deployment", |shop| shop.deployments().into_iter().find(going)).await;
    world.shop.report_deployment(made.id, DeploymentReport::new("deployer[bot]", "success")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_deploys_over_the_network_and_watches_its_run() {
    let mut world = Setup::new().config(CONFIG).start().await;
    let sha = world.head();
    let (id, key) = key(&world, "ci", "deploy,lock,plan", "staging").await;
    let ask = ["deploy", "staging", "--repo", "acme/shop", "--ref", sha.as_str()];
    let (code, said, problem) = remote(&world, &key, &[&ask[..], &["--dry-run"]].concat()).await;
    assert_eq!((code, problem.as_str()), (0, ""), "{said}");
    let ((code, said, progress), ()) = tokio::join!(remote(&world, &key, &ask), brought_up(&world, &sha, "deploy"));
    assert_eq!(code, 0, "{said}{progress}");
    assert!(said.lines().any(|line| line.starts_with("ended") && line.ends_with("succeeded")), "{said}");
    assert!(progress.lines().any(|line| line.starts_with("done") && line.contains("status.success")), "{progress}");
    let (code, said, problem) = remote(&world, &key, &["lock", "staging", "--repo", "acme/shop", "--reason", "mine"]).await;
    assert_eq!((code, problem.as_str()), (0, ""), "{said}");
    assert!(said.contains(&format!("key ci ({id})")), "{said}");
    let rows = world.audit().await;
    let by: Vec<_> = rows.iter().map(|row| (row.door.as_str(), row.action.as_str(), row.actor.login.as_str())).collect();
    let name = format!("key ci ({id})");
    for action in ["deploy", "lock"] {
        assert!(by.contains(&("remote", action, &name)), "{by:?}");
    }
    assert!(by.contains(&("control", "key_create", "operator")), "{by:?}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_for_staging_opens_nothing_else() {
    let mut world = Setup::new().config(CONFIG).start().await;
    let (_, all) = key(&world, "all", "read,plan,validate,deploy,rollback,control,publish,lock", "staging").await;
    let (_, blind) = key(&world, "blind", "deploy", "staging").await;
    let shop = ["--repo", "acme/shop"];
    let refused = [
        (&all, vec!["deploy", "production"], "production"),
        (&all, vec!["deploy", "staging", "--from", "production"], "production"),
        (&all, vec!["rollback", "production", "--reason", "x"], "production"),
        (&all, vec!["lock", "production"], "production"),
        (&all, vec!["unlock", "production"], "production"),
        (&all, vec!["validate", "production"], "production"),
        (&all, vec!["health", "production"], "production"),
        // What a tag deploys to is known once it is planned.
        (&all, vec!["publish", "v1.0.0"], "production"),
        (&blind, vec!["lock", "staging"], "scope `lock`"),
        (&blind, vec!["deploy", "staging", "--dry-run"], "scope `plan`"),
        (&blind, vec!["status"], "scope `read`"),
    ];
    for (key, ask, about) in refused {
        let (code, said, problem) = remote(&world, key, &[&ask[..], &shop[..]].concat()).await;
        assert_eq!((code, said.as_str()), (1, ""), "{ask:?}: {problem}");
        assert!(problem.contains("insufficient_scope") && problem.contains(about), "{ask:?}: {problem}");
    }
    let (code, _, problem) = remote(&world, &all, &["lock", "staging", "--repo", "acme/other"]).await;
    assert!(code == 1 && problem.contains("this repository"), "nobody learns what else is here: {problem}");
    let (code, _, problem) = remote(&world, &all, &["deliveries"]).await;
    assert!(code == 2 && problem.contains("only_here"), "{problem}");
    let (code, _, problem) = remote(&world, &all, &["keys"]).await;
    assert!(code == 2 && problem.contains("only_here"), "{problem}");
    let decisions: Vec<_> =
        world.audit().await.into_iter().filter(|row| row.door == "remote").map(|row| row.decision).collect();
    assert!(decisions.len() >= 12 && decisions.iter().all(|d| d == "refused:insufficient_scope"), "{decisions:?}");
    // What it is for is shown to it, and nothing else.
    let production = ["lock", "production", "--repo", "acme/shop", "--reason", "a secret reason"];
    assert_eq!(world.command_told(&production).await.0, 0);
    let (code, said, _) = remote(&world, &all, &["status", "--format", "json"]).await;
    assert!(code == 0 && said.contains("acme/shop") && !said.contains("a secret reason"), "{said}");
    assert!(!said.contains("inbox_depth"), "what comes in for others: {said}");
    // What others ask meanwhile takes no place in its list.
    let ask = ["deploy", "staging", "--repo", "acme/shop", "--dry-run"];
    assert_eq!(remote(&world, &all, &ask).await.0, 0);
    assert_eq!(world.command_told(&ask).await.0, 0);
    let (code, said, _) = remote(&world, &all, &["runs", "--format", "json", "list", "--limit", "1"]).await;
    let rows: Vec<Value> = serde_json::from_str(&said).unwrap();
    assert!(code == 0 && rows.len() == 1, "{said}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reason_of_a_key_opens_no_hold() {
    let world = Setup::new().config(CONFIG).start().await;
    let (_, key) = key(&world, "ci", "deploy,rollback", "staging").await;
    let (old, new) = (world.shop.resolve("v1.0.0").unwrap(), world.head());
    world.green(&old);
    for sha in [&old, &new] {
        let ask = ["deploy", "staging", "--repo", "acme/shop", "--ref", sha.as_str()];
        let (told, ()) = tokio::join!(remote(&world, &key, &ask), brought_up(&world, sha, "deploy"));
        assert_eq!(told.0, 0, "{told:?}");
    }
    let back = ["rollback", "staging", "--repo", "acme/shop", "--reason", "slow"];
    let (told, ()) = tokio::join!(remote(&world, &key, &back), brought_up(&world, &old, "rollback"));
    assert_eq!(told.0, 0, "{told:?}");
    let again = ["deploy", "staging", "--repo", "acme/shop", "--ref", new.as_str(), "--reason", "I know better"];
    let (code, _, problem) = remote(&world, &key, &again).await;
    assert!(code == 1 && problem.contains("held_after_rollback"), "{problem}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_ends_only_its_own_locks() {
    let world = Setup::new().config(CONFIG).start().await;
    let (_, key) = key(&world, "ci", "lock", "staging").await;
    let lock = ["lock", "staging", "--repo", "acme/shop", "--reason", "mine"];
    let unlock = ["unlock", "staging", "--repo", "acme/shop"];
    for own in [true, false] {
        let (code, ..) = if own { remote(&world, &key, &lock).await } else { world.command_told(&lock).await };
        assert_eq!(code, 0);
        let (code, _, problem) = remote(&world, &key, &unlock).await;
        assert!(if own { code == 0 } else { code == 1 && problem.contains("not_allowed") }, "{own} {problem}");
    }
    // Somebody else's beside it keeps nobody from ending their own.
    assert_eq!(remote(&world, &key, &lock).await.0, 0);
    let (code, said, problem) = remote(&world, &key, &unlock).await;
    assert!(code == 0 && said.contains("operator") && !said.contains("key ci"), "{said} {problem}");
    let (code, _, problem) = remote(&world, &key, &unlock).await;
    assert!(code == 1 && problem.contains("not_allowed"), "{problem}");
    assert_eq!(world.command_told(&unlock).await.0, 0);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_key_that_has_ended_does_not_begin() {
    let world = Setup::new().config(CONFIG).start().await;
    let sha = world.head();
    let (id, key) = key(&world, "ci", "deploy", "staging").await;
    let lock = ["lock", "staging", "--repo", "acme/shop", "--reason", "busy"];
    assert_eq!(world.command_told(&lock).await.0, 0);
    let ask = ["deploy", "staging", "--repo", "acme/shop", "--ref", sha.as_str(), "--wait", "--detach"];
    let (code, _, problem) = remote(&world, &key, &ask).await;
    assert_eq!(code, 0, "{problem}");
    assert_eq!(world.command_told(&["keys", "revoke", &id]).await.0, 0);
    assert_eq!(world.command_told(&["unlock", "staging", "--repo", "acme/shop"]).await.0, 0);
    world.refused(&sha, "lockkeeper/staging", "failure", "key_ended").await;
    world.quiet().await;
    assert_eq!(world.shop.deployments().len(), 0);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_key_or_has_ended_is_turned_away_and_then_told_to_wait() {
    let world = Setup::new().config(CONFIG).start().await;
    let (id, good) = key(&world, "ci", "read", "staging").await;
    let (gone, ended) = key(&world, "old", "read", "staging").await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}/control/runs?limit=5", world.server().address);
    let get = async |key: &str| {
        let answer = http.get(&url).bearer_auth(key).send().await.unwrap();
        let wait = answer.headers().contains_key("retry-after");
        (answer.status().as_u16(), wait, answer.json::<Value>().await.unwrap_or_default()["code"].clone())
    };
    assert_eq!(get(&ended).await.0, 200);
    let ask = ["keys", "create", "brief", "--scope", "read", "--repo", "acme/shop", "--expires", "1s", "--format", "json"];
    let brief: Value = serde_json::from_str(&world.command(&ask).await.1).unwrap();
    let brief = brief["key"].as_str().unwrap();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while get(brief).await.0 == 200 {
        assert!(std::time::Instant::now() < end, "it does not expire");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let (code, said, _) = world.command_told(&["keys", "revoke", &gone]).await;
    assert!(code == 0 && said.contains("revoked"), "{said}");
    let flipped = format!("{}{}", &good[..good.len() - 1], if good.ends_with('0') { '1' } else { '0' });
    let other = good.replace(&id, &gone);
    for bad in ["", "wrong", &ended, &flipped, &other, &good.to_uppercase()] {
        assert_eq!(get(bad).await, (401, false, json!("key_invalid")), "{bad}");
    }
    let short = format!("Bearer{good}");
    let answer = http.get(&url).header("authorization", short).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["www-authenticate"].to_str().unwrap()), (401, "Bearer"));
    let mut last = (0, false, Value::Null);
    for _ in 0..20 {
        last = get("lk_k0_0").await;
    }
    assert_eq!(last, (429, true, json!("rate_limited")));
    assert_eq!(get(&good).await.0, 200, "a good key is not shut out by strangers");
    let (_, list, _) = world.command_told(&["keys"]).await;
    assert!(
        ["good", "revoked", "expired"].iter().all(|state| list.contains(state))
            && !list.contains(&good)
            && !list.contains("lk_"),
        "{list}"
    );
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_made_only_for_what_exists_and_told_once() {
    let mut world = Setup::new().config(CONFIG).start().await;
    world.shop.commit("main", lockkeeper::sandbox::CommitSeed::new("docs: say more")).unwrap();
    world.quiet().await;
    let create = async |world: &World, more: &[&str]| {
        let (code, _, problem) = world.command_told(&[&["keys", "create", "ci"], more].concat()).await;
        (code, problem)
    };
    for (more, code) in [
        (vec!["--scope", "deploy", "--repo", "acme/shop", "--environment", "prod"], "unknown_environment"),
        (vec!["--scope", "deploy", "--repo", "acme/shop"], "environment_missing"),
        (vec!["--scope", "read", "--repo", "acme/none"], "repo_unknown"),
        (vec!["--scope", "admin", "--repo", "acme/shop"], "a scope is one of"),
        (vec!["--scope", "read", "--repo", "acme/shop", "--expires", "forever"], "a time is"),
    ] {
        let (exit, problem) = create(&world, &more).await;
        assert!(exit == 2 && problem.contains(code), "{more:?}: {problem}");
    }
    let (exit, problem) = create(&world, &["--scope", "read", "--repo", "acme/shop", "--expires", "1s"]).await;
    assert_eq!((exit, problem.as_str()), (0, ""));
    let (_, key) = key(&world, "two", "read,deploy", "staging,production").await;
    world.stop().await;
    // The store tells the list also without a server, and nothing in the folder is a key.
    let (_, list, _) = world.command_told(&["keys", "list", "--format", "json"]).await;
    let rows: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 2, "{list}");
    assert_eq!(rows[0]["environments"], json!(["production", "staging"]));
    let secret = key.rsplit_once('_').unwrap().1;
    let inside = std::fs::read_dir(world.data_dir()).unwrap().map(|entry| entry.unwrap().path());
    for file in inside.filter(|path| path.is_file()) {
        let bytes = std::fs::read(file).unwrap();
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "the key is in the data folder");
    }
    let rows = world.audit().await;
    assert!(rows.iter().any(|row| row.action == "key_create" && !row.detail.to_string().contains(secret)));
}
