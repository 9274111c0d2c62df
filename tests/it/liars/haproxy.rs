//! A balancer that says nothing, keeps no weight or obeys nobody: users stay with the old copy as far as anybody can see to it.
//! (That it is restarted or goes away is in `slots::trouble`.)

use crate::slots::place::{LIVE, Place};
use crate::world::Setup;
use lockkeeper::config::settings::BalancerAddress;
use lockkeeper::domain::Slot;
use lockkeeper::targets::Split;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;

const STEP: &str = "{ kind = \"gradual\", steps = [{ weight = 10, bake = \"30s\" }] }";

/// It shares users as its own file says while a version comes up: nobody stays with a copy that nobody has looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_while_a_version_comes_up_brings_nobody_to_it() {
    let mut place = place(STEP).await;
    let (sha, made) = place.begun("feat: one").await;
    place.send_users_away().await;
    place.stage.kill();
    place.stage.start().await;
    let took = place.shared(Split::all(Slot::Blue)).await;
    assert!(took < Duration::from_secs(4), "{took:?}");
    place.users = place.stage.users();
    assert_eq!(place.share(Slot::Blue).await, 100.0);
    place.report(&made, "success");
    place.titled(&sha, "10 % of users are moved").await;
    place.told(&["promote", &place.run().await]).await;
    place.world.check(&sha, LIVE, "success").await;
    place.finish().await;
}

/// Between two deployments nobody looks after it: whoever asks for the health is told, and a state that it keeps helps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_between_deployments_is_told_of() {
    let mut place = place("{ kind = \"blue_green\", bake = \"0s\" }").await;
    let ask = ["health", "live", "--repo", "acme/shop"];
    let (code, said, _) = place.world.command_told(&ask).await;
    assert!(code == 0 && said.contains("no health checks"), "nothing of ours is live: {said}");
    let sha = place.deployed("feat: one").await;
    let (code, said, problem) = place.world.command_told(&ask).await;
    assert!(code == 0 && said.contains("All users are with"), "{said} {problem}");
    place.send_users_away().await;
    let state = wire(&place.stage.folder.path().join("admin"), "show servers state web\n").await;
    place.stage.kill();
    place.stage.start().await;
    let (code, said, problem) = place.world.command_told(&ask).await;
    assert!(code == 1 && said.contains("50 % of users are in the slot green"), "{said} {problem}");
    // As the README says: its state is read when it starts.
    let (kept, config) = (place.stage.folder.path().join("state"), place.stage.folder.path().join("haproxy.cfg"));
    std::fs::write(&kept, state).unwrap();
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace("global\n", &format!("global\n  server-state-file {}\n", kept.display()));
    std::fs::write(&config, text.replace("backend web\n", "backend web\n  load-server-state-from-file global\n")).unwrap();
    place.stage.kill();
    place.stage.start().await;
    let (code, said, problem) = place.world.command_told(&ask).await;
    assert!(code == 0 && said.contains(sha.short()), "{said} {problem}");
    place.users = place.stage.users();
    assert_eq!(place.share(Slot::Green).await, 100.0);
    place.finish().await;
}

async fn wire(socket: &Path, line: &str) -> String {
    let mut stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    stream.write_all(line.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// With little patience for each question.
async fn place(strategy: &str) -> Place {
    let quick = |setup: Setup| {
        let mut setup = setup;
        setup.resources.balancers.get_mut("edge").unwrap().timeout = Duration::from_millis(200);
        setup
    };
    Place::with(strategy, "", quick).await
}

/// It takes calls and never answers one: as after it was gone for good, people are told and nobody else touches it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_hangs_is_given_up() {
    let mut place = place(STEP).await;
    let (sha, _) = place.brought_up("feat: one").await;
    place.titled(&sha, "10 % of users are moved").await;
    place.send_users_away().await;
    place.stage.kill();
    let socket = place.stage.folder.path().join("admin");
    std::fs::remove_file(&socket).unwrap();
    let silent = UnixListener::bind(&socket).unwrap();
    let held = tokio::spawn(async move {
        let mut all = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            all.push(stream);
        }
    });
    let (state, check) = place.ended(&sha).await;
    let summary = check.summary.unwrap_or_default();
    assert_eq!(state, "rollback_failed", "{summary}");
    assert!(summary.contains("Code: `balancer_timed_out`") && summary.contains("live is locked"), "{summary}");
    held.abort();
    place.finish().await;
}

/// It says yes to every weight and keeps none: nobody was moved, and that is seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_keeps_no_weight_is_not_believed() {
    let lying = |setup: Setup| {
        let mut setup = setup;
        let edge = setup.resources.balancers.get_mut("edge").unwrap();
        let BalancerAddress::Unix(real) = edge.address.clone() else { panic!("{:?}", edge.address) };
        let between = real.with_file_name("between");
        yes_man(&real, &between);
        edge.address = BalancerAddress::Unix(between);
        setup
    };
    let place = Place::with(STEP, "", lying).await;
    let (sha, _) = place.brought_up("feat: one").await;
    let (state, check) = place.ended(&sha).await;
    let summary = check.summary.unwrap_or_default();
    assert_eq!(state, "failed", "{summary}");
    assert!(summary.contains("Code: `balancer_unsettled`") && summary.contains("What to do: "), "{summary}");
    assert_eq!((place.share(Slot::Blue).await, place.live().await), (100.0, None));
    place.finish().await;
}

/// Passes questions on, and answers commands itself.
fn yes_man(real: &Path, between: &Path) {
    let (real, listener) = (real.to_path_buf(), UnixListener::bind(between).unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let real = real.clone();
            tokio::spawn(async move {
                let mut line = String::new();
                BufReader::new(&mut stream).read_line(&mut line).await.unwrap();
                let answer = if line.contains("set server") { "\n".to_owned() } else { wire(&real, &line).await };
                stream.write_all(answer.as_bytes()).await.unwrap();
            });
        }
    });
}

/// It may be looked at and not be told: nobody was moved, and everything is as it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_obeys_nobody_moves_nobody() {
    let deaf = |setup: Setup| {
        let mut setup = setup;
        let edge = setup.resources.balancers.get_mut("edge").unwrap();
        let BalancerAddress::Unix(path) = &edge.address else { panic!("{:?}", edge.address) };
        edge.address = BalancerAddress::Unix(path.with_file_name("user"));
        setup
    };
    let place = Place::with(STEP, "", deaf).await;
    let (sha, _) = place.brought_up("feat: one").await;
    let (state, check) = place.ended(&sha).await;
    let summary = check.summary.unwrap_or_default();
    assert_eq!(state, "failed", "{summary}");
    assert!(summary.contains("Code: `balancer_denied`") && summary.contains("What to do: "), "{summary}");
    assert_eq!((place.share(Slot::Blue).await, place.live().await), (100.0, None));
    place.finish().await;
}
