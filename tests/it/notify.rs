//! Whom the operator has named is told of what happens: by a real receiver, that also hangs, fails, leads away and sees us die.

use crate::approvals::{identifier, press};
use crate::deployer::{Asked, Deployer};
use crate::keys::brought_up;
use crate::process::{Process, SECRET};
use crate::world::{Setup, World};
use lockkeeper::config::Secret;
use lockkeeper::config::settings::{NotifierKind, NotifierSettings, PeerAddress, PeerProcess, PeerSettings, Repositories};
use lockkeeper::domain::{NewsKind, Role};
use lockkeeper::peers::Peers;
use lockkeeper::sandbox::{CommitSeed, RepoSeed, Sandbox, SandboxConfig};
use lockkeeper::store::{Store, outbox};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::block_in_place;

const KEY: &str = "a secret of sixteen or more";
const PRODUCTION: &str = "lockkeeper/production";
const CONFIG: &str = "[environments.production]\non = [\"merge\"]\ntarget = \"cluster\"\napprovals = { count = 1 }\n\n\
                      [targets.cluster]\nkind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n";

fn webhook(receiver: &Deployer, path: &str) -> NotifierSettings {
    NotifierSettings {
        kind: NotifierKind::Webhook { url: format!("{}{path}", receiver.url), secret: Secret::from(KEY) },
        events: NewsKind::ALL.to_vec(),
        repositories: Repositories(vec!["acme/*".into()]),
        environments: Vec::new(),
        timeout: Duration::from_secs(1),
    }
}

fn takes(receiver: &Deployer) {
    receiver.answers(|_| Some((200, json!("ok"))));
}

fn of(receiver: &Deployer, path: &str) -> Vec<Asked> {
    receiver.asked().into_iter().filter(|asked| asked.line == format!("POST {path}")).collect()
}

async fn told(receiver: &Deployer, path: &str, many: usize) -> Vec<Asked> {
    let begun = Instant::now();
    while of(receiver, path).len() < many {
        assert!(begun.elapsed() < Duration::from_secs(40), "{path}: {:?}", receiver.asked());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    of(receiver, path)
}

fn events(told: &[Asked]) -> Vec<String> {
    told.iter().map(|asked| asked.header("x-lockkeeper-event").to_owned()).collect()
}

/// Without what differs from time to time.
fn shown(body: &Value, world: &World) -> String {
    let mut body = body.clone();
    for (key, value) in body.as_object_mut().unwrap() {
        if ["at", "run", "delivery", "timestamp"].contains(&key.as_str()) {
            assert!(!value.is_null(), "{key}");
            *value = "…".into();
        }
    }
    serde_json::to_string_pretty(&body).unwrap().replace(world.head().as_str(), "(sha)")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_is_told_what_was_asked_for_and_nothing_else() {
    let receiver = Deployer::start().await;
    takes(&receiver);
    let mut setup = Setup::new().config(CONFIG);
    let ops = webhook(&receiver, "/ops");
    let chat = NotifierSettings {
        kind: NotifierKind::Slack { url: Secret::new(format!("{}/chat/T0/B0", receiver.url)) },
        events: vec![NewsKind::NeedsApproval, NewsKind::Failed],
        environments: vec!["prod*".into()],
        ..ops.clone()
    };
    let staging = NotifierSettings { environments: vec!["staging".into()], ..webhook(&receiver, "/staging") };
    let others = NotifierSettings { repositories: Repositories(vec!["other/*".into()]), ..webhook(&receiver, "/others") };
    for (name, settings) in [("ops", ops), ("chat", chat), ("staging", staging), ("others", others)] {
        setup.resources.notifiers.insert(name.into(), settings);
    }
    let world = setup.start().await;
    world.shop.set_role("ann", Role::Write);
    let sha = world.commit("fix: more <!channel> @here");
    let check = world.check(&sha, PRODUCTION, "action_required").await;
    assert_eq!(events(&told(&receiver, "/ops", 1).await), ["needs_approval"]);
    assert_eq!(press(&world, &check, &identifier(&check, "approve"), "ann").await, None);
    brought_up(&world, &sha, "deploy").await;
    world.check(&sha, PRODUCTION, "success").await;
    told(&receiver, "/ops", 2).await;
    world.shop.tag("v1.2.0", &sha).unwrap();
    world.released("v1.2.0", &sha).await;
    told(&receiver, "/ops", 3).await;
    let next = world.commit("fix: worse");
    let check = world.check(&next, PRODUCTION, "action_required").await;
    assert_eq!(press(&world, &check, &identifier(&check, "reject"), "ann").await, None);
    let ops = told(&receiver, "/ops", 5).await;
    let chat = told(&receiver, "/chat/T0/B0", 3).await;
    world.quiet().await;

    assert_eq!(events(&ops), ["needs_approval", "deployed", "released", "needs_approval", "failed"]);
    let ids: BTreeSet<&str> = ops.iter().chain(&chat).map(|asked| asked.header("x-lockkeeper-delivery")).collect();
    assert_eq!(ids.len(), 8, "an id of its own for each message");
    for asked in &ops {
        assert!(asked.is_signed(KEY) && !asked.is_signed("another secret"), "{asked:?}");
        assert_eq!(asked.body["delivery"], asked.header("x-lockkeeper-delivery"));
        assert_eq!(asked.body["timestamp"].to_string(), asked.header("x-lockkeeper-timestamp"));
    }
    let texts: Vec<&str> = chat.iter().map(|asked| asked.body["text"].as_str().unwrap()).collect();
    let texts = texts.join("\n").replace(sha.as_str(), "(first)").replace(sha.short(), "(first)");
    let all =
        ops.iter().map(|asked| shown(&asked.body, &world).replace(sha.as_str(), "(first)").replace(sha.short(), "(first)"));
    let all = all.collect::<Vec<_>>().join("\n");
    let all = format!("{all}\n{texts}").replace(next.as_str(), "(sha)").replace(next.short(), "(sha)");
    let plan = all.split_once("rejected plan ").map(|(_, rest)| rest[..12].to_owned()).expect("the plan is named");
    insta::assert_snapshot!(all.replace(&plan, "(plan)"));
    assert_eq!(receiver.asked().len(), 8, "nobody else is told: {:?}", receiver.asked());
    world.finish().await;
}

/// A way back is told as one, with the version that users have again; who asked for the way there is told nothing of theirs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_back_is_announced_as_one() {
    let receiver = Deployer::start().await;
    takes(&receiver);
    let mut setup = Setup::new().config(&CONFIG.replace("approvals = { count = 1 }\n", ""));
    setup.resources.notifiers.insert("all".into(), webhook(&receiver, "/all"));
    let only = NotifierSettings { events: vec![NewsKind::RolledBack], ..webhook(&receiver, "/only") };
    setup.resources.notifiers.insert("only".into(), only);
    let world = setup.start().await;
    let mut commits = Vec::new();
    for message in ["fix: one", "fix: two"] {
        let sha = world.commit(message);
        brought_up(&world, &sha, "deploy").await;
        world.check(&sha, PRODUCTION, "success").await;
        commits.push(sha);
        told(&receiver, "/all", commits.len()).await;
    }
    let asks = ["rollback", "production", "--repo", "acme/shop", "--reason", "slow"];
    let ((code, said, problem), ()) = tokio::join!(world.command_told(&asks), brought_up(&world, &commits[0], "rollback"));
    assert_eq!(code, 0, "{said}{problem}");
    assert_eq!(events(&told(&receiver, "/all", 3).await), ["deployed", "deployed", "rolled_back"]);
    let only = told(&receiver, "/only", 1).await.remove(0).body;
    let about = ["event", "repository", "environment", "sha", "by"].map(|name| only[name].clone());
    assert_eq!(about, ["rolled_back", "acme/shop", "production", commits[0].as_str(), "operator"].map(Value::from), "{only}");
    world.quiet().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_take_it_is_told_again_and_holds_up_nobody() {
    let receiver = Deployer::start().await;
    let (calls, leads) = (AtomicUsize::new(0), AtomicUsize::new(0));
    receiver.answers(move |asked| match asked.line.as_str() {
        "POST /slow" => match calls.fetch_add(1, Ordering::SeqCst) {
            0 => None,
            1 => Some((500, json!("no"))),
            _ => Some((204, json!(""))),
        },
        "POST /leads" if leads.fetch_add(1, Ordering::SeqCst) == 0 => Some((307, json!(""))),
        // Never, and it wants to be asked again at once.
        "POST /busy" => Some((429, json!(""))),
        _ => Some((200, json!("ok"))),
    });
    let mut setup = Setup::new();
    for name in ["slow", "leads", "busy", "good"] {
        setup.resources.notifiers.insert(name.into(), webhook(&receiver, &format!("/{name}")));
    }
    let world = setup.start().await;
    world.shop.tag("v1.2.0", &world.head()).unwrap();
    let good = told(&receiver, "/good", 1).await;
    assert!(of(&receiver, "/slow").len() < 2, "one that hangs holds up the others");
    for (path, many) in [("/slow", 3), ("/leads", 2)] {
        let all = told(&receiver, path, many).await;
        let ids: BTreeSet<&str> = all.iter().map(|asked| asked.header("x-lockkeeper-delivery")).collect();
        assert_eq!(ids.len(), 1, "{path}: the same message");
        assert!(all.iter().all(|asked| asked.is_signed(KEY)), "{path}");
    }
    world.released("v1.2.0", &world.head()).await;
    // What was taken is not told again.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!((of(&receiver, "/slow").len(), of(&receiver, "/leads").len(), good.len()), (3, 2, 1));
    assert_eq!((of(&receiver, "/good").len(), of(&receiver, "/elsewhere").len()), (1, 0));
    assert!((2..10).contains(&of(&receiver, "/busy").len()), "{}", of(&receiver, "/busy").len());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_takes_for_a_day_is_given_up_on_record_and_a_stop_waits_for_the_last_word() {
    let receiver = Deployer::start().await;
    receiver.answers(|_| Some((500, json!("no"))));
    let mut setup = Setup::new();
    setup.resources.notifiers.insert("ops".into(), webhook(&receiver, "/ops"));
    let mut world = setup.start().await;
    world.shop.tag("v1.2.0", &world.head()).unwrap();
    let first = told(&receiver, "/ops", 1).await;
    world.jump(Duration::from_secs(24 * 3600));
    told(&receiver, "/ops", 2).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let rows = world.audit().await;
    let row = rows.iter().find(|row| row.action == "announce").expect("it is on record");
    assert_eq!((row.door.as_str(), row.decision.as_str()), ("outbox", "failed:receiver_failing"));
    let id = first[0].header("x-lockkeeper-delivery");
    assert_eq!(row.detail, json!({"notifier": "ops", "message": id, "event": "released", "attempts": 2}));

    let before = of(&receiver, "/ops").len();
    let begun = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&begun);
    receiver.answers(move |_| {
        seen.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(400));
        Some((200, json!("ok")))
    });
    let sha = world.commit("fix: more");
    world.shop.tag("v1.2.1", &sha).unwrap();
    world.until("that it is being told", |_| (begun.load(Ordering::SeqCst) > 0).then_some(())).await;
    world.stop().await;
    let store = Store::open(&world.data_dir()).unwrap();
    let left = store.read(outbox::left).await.unwrap();
    store.close().await;
    drop(store);
    assert_eq!((of(&receiver, "/ops").len() - before, left.messages), (1, 0), "what is on its way when it stops is noted");
}

/// The receiver has it, and we die before that is noted: it gets the same message again, and no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_between_telling_and_noting_it_tells_the_same_again() {
    let receiver = Deployer::start().await;
    let github = Sandbox::start(SandboxConfig::default()).unwrap();
    let first = CommitSeed::new("feat: begin").tagged("v1.0.0");
    let shop = github.create_repo(RepoSeed::new("acme/shop").commit(first).commit(CommitSeed::new("fix: it"))).unwrap();
    let process = Arc::new(Process::of(&github));
    let hidden = format!("{}/T0SECRET/B0SECRET", receiver.url);
    std::fs::write(process.data_dir().with_file_name("slack.url"), &hidden).unwrap();
    process.settings(&format!(
        "[notifiers.ops]\nkind = \"webhook\"\nurl = \"{}/ops\"\nsecret = \"{KEY}\"\nevents = [\"released\"]\nrepositories = [\"**\"]\n\
         [notifiers.chat]\nkind = \"slack\"\nurl_file = \"slack.url\"\nevents = [\"released\"]\nrepositories = [\"**\"]\n",
        receiver.url
    ));
    github.set_webhook(&process.webhook(), SECRET);
    let (calls, killer) = (AtomicUsize::new(0), Arc::downgrade(&process));
    receiver.answers(move |asked| {
        if asked.line == "POST /ops" && calls.fetch_add(1, Ordering::SeqCst) < 2 {
            killer.upgrade().unwrap().kill();
        }
        Some((200, json!("ok")))
    });
    block_in_place(|| process.start());
    let sha = shop.resolve("main").unwrap();
    shop.check("github-actions", &sha, "build", "success").unwrap();
    shop.tag("v1.1.0", &sha).unwrap();
    for many in 1..=3 {
        let begun = Instant::now();
        while of(&receiver, "/ops").len() < many {
            assert!(begun.elapsed() < Duration::from_secs(40), "{many}: {:?}\n{}", receiver.asked(), process.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if many < 3 {
            block_in_place(|| process.start());
        }
    }
    told(&receiver, "/T0SECRET/B0SECRET", 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let all = of(&receiver, "/ops");
    let ids: BTreeSet<&str> = all.iter().map(|asked| asked.header("x-lockkeeper-delivery")).collect();
    assert_eq!((all.len(), ids.len()), (3, 1));
    let chat = of(&receiver, "/T0SECRET/B0SECRET");
    let ids: BTreeSet<&str> = chat.iter().map(|asked| asked.header("x-lockkeeper-delivery")).collect();
    assert_eq!(ids.len(), 1, "{chat:?}");
    block_in_place(|| process.kill());
    let mut kept = process.whole_log().into_bytes();
    for file in std::fs::read_dir(process.data_dir()).unwrap() {
        kept.extend(std::fs::read(file.unwrap().path()).unwrap_or_default());
    }
    let kept = String::from_utf8_lossy(&kept);
    assert!(kept.contains("v1.1.0"), "what is kept was looked through");
    assert!(!kept.contains("SECRET/B0") && !kept.contains(KEY), "no secret is kept or logged");
}

/// A real one: a program that posts what it is asked to announce.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_announces_what_it_is_pinned_for() {
    let room = Deployer::start().await;
    takes(&room);
    let program = std::env::current_exe().unwrap().parent().unwrap().with_file_name("examples").join("peer-communications");
    assert!(program.is_file(), "it is built with the tests, unless only some are: {}", program.display());
    let run = vec![program.display().to_string(), format!("{}/room", room.url)];
    let unpinned = PeerSettings {
        at: PeerAddress::Process(PeerProcess { run, env: [].into() }),
        tools: [("announce".to_owned(), format!("sha256:{}", "0".repeat(64)))].into(),
        timeout: Duration::from_secs(10),
        max_bytes: 64 << 10,
        credential: None,
        repositories: Repositories(vec!["**".into()]),
    };
    let peers = Peers::new(&[("one".to_owned(), unpinned.clone())].into()).unwrap();
    let defined = peers.tools("one").await.unwrap().into_iter().find(|tool| tool.tool == "announce").unwrap();
    let pinned = PeerSettings { tools: [("announce".to_owned(), defined.digest.unwrap())].into(), ..unpinned.clone() };
    let mut setup = Setup::new();
    for (name, settings) in [("good", pinned), ("other", unpinned)] {
        setup.resources.peers.insert(name.into(), settings);
        let kind = NotifierKind::Peer { peer: name.into(), tool: "announce".into() };
        let notifier = NotifierSettings { kind, timeout: Duration::from_secs(10), ..webhook(&room, "/none") };
        setup.resources.notifiers.insert(name.into(), notifier);
    }
    let mut world = setup.start().await;
    world.shop.tag("v1.2.0", &world.head()).unwrap();
    let said = told(&room, "/room", 1).await;
    let text = said[0].body["text"].as_str().unwrap();
    assert!(text.starts_with("**acme/shop v1.2.0** is released."), "{text}");
    assert_eq!(said[0].header("x-delivery").len(), 36, "{said:?}");
    world.released("v1.2.0", &world.head()).await;
    world.quiet().await;
    world.stop().await;
    let store = Store::open(&world.data_dir()).unwrap();
    let left = store.read(outbox::left).await.unwrap();
    store.close().await;
    assert_eq!((left.messages, room.asked().len()), (1, 1), "whose tool is not as it is pinned is asked nothing");
}
