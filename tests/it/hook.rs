//! Target `http` against deployers that do as asked, and against those that hang, lie, flap and lead astray.

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use lockkeeper::config::Secret;
use lockkeeper::config::settings::{HookSettings, Repositories};
use lockkeeper::domain::{EnvName, RepoName, RunId, Sha, Slot, Tag};
use lockkeeper::probes::{AllowList, Caller};
use lockkeeper::targets::hook::Hook;
use lockkeeper::targets::sign::{self, is_signed};
use lockkeeper::targets::{Action, Again, Errand, Progress, Target, Ticket};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

const SECRET: &str = "the secret of this hook";

#[derive(Clone)]
struct Asked {
    line: String,
    headers: HeaderMap,
    body: Bytes,
}

/// Status, body and one header.
type Said = (u16, String, Option<(&'static str, String)>);

/// Gives its answers one after the other, the last one for ever.
#[derive(Clone, Default)]
struct Deployer {
    url: String,
    answers: Arc<Mutex<VecDeque<Said>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    hangs: bool,
}

impl Deployer {
    async fn start(answers: Vec<(u16, Value)>) -> Self {
        let answers = answers.into_iter().map(|(status, body)| (status, body.to_string(), None)).collect();
        Self::run(answers, false).await
    }

    async fn run(answers: VecDeque<Said>, hangs: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let deployer = Self { url, answers: Arc::new(Mutex::new(answers)), asked: Arc::default(), hangs };
        let served = deployer.clone();
        let app = Router::new().fallback(move |request: Request| {
            let deployer = served.clone();
            async move { deployer.answer(request).await }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        deployer
    }

    async fn answer(&self, request: Request) -> Response {
        let line = format!("{} {}", request.method(), request.uri());
        let headers = request.headers().clone();
        let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
        self.asked.lock().unwrap().push(Asked { line, headers, body });
        if self.hangs {
            std::future::pending::<()>().await;
        }
        let mut answers = self.answers.lock().unwrap();
        let next = if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() };
        let mut response = (StatusCode::from_u16(next.0).unwrap(), next.1).into_response();
        if let Some((name, value)) = next.2 {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn hook(&self) -> Hook {
        self.with_status(None)
    }

    fn with_status(&self, path: Option<&str>) -> Hook {
        let settings = HookSettings {
            url: format!("{}/deploy", self.url),
            status_url: path.map(|path| format!("{}{path}", self.url)),
            secret: Secret::from(SECRET),
            timeout: Duration::from_secs(1),
            repositories: Repositories(vec!["**".into()]),
        };
        Hook::lent(&settings, caller(""))
    }
}

fn caller(allow: &str) -> Caller {
    Caller::new(AllowList::parse(allow).unwrap()).unwrap()
}

fn sha() -> String {
    "a".repeat(40)
}

fn errand() -> Errand {
    Errand {
        run: RunId::parse("run-1").unwrap(),
        step: "shift.2".into(),
        action: Action::Shift,
        environment: EnvName::parse("production").unwrap(),
        slot: Some(Slot::Green),
        weight: Some(10),
        repository: RepoName::parse("acme/shop").unwrap(),
        sha: Sha::parse(&sha()).unwrap(),
        tag: Some(Tag::parse("v1.2.3").unwrap()),
        version: Some("1.2.3".into()),
        configuration: None,
    }
}

fn done() -> Progress {
    Progress::Done { url: None }
}

#[tokio::test]
async fn a_deployer_is_asked_once_and_followed_to_its_end() {
    let here = Deployer::start(vec![
        (202, json!({"status": "working", "status_url": ""})),
        (200, json!({"status": "working", "sha": sha()})),
        (200, json!({"status": "done", "sha": sha(), "url": "https://shop.example"})),
    ])
    .await;
    let hook = here.with_status(Some("/status?of=shop"));
    let ticket = hook.carry_out(&errand()).await.unwrap();
    assert_eq!(ticket, Ticket { progress: Progress::Working, status_url: None });
    assert_eq!(hook.follow(&errand(), &ticket).await.unwrap(), Progress::Working);
    let end = hook.follow(&errand(), &ticket).await.unwrap();
    assert_eq!(end, Progress::Done { url: Some("https://shop.example".into()) });
    let asked = here.asked();
    let lines: Vec<&str> = asked.iter().map(|a| a.line.as_str()).collect();
    assert_eq!(lines, ["POST /deploy", "GET /status?of=shop", "GET /status?of=shop"]);
    for Asked { headers, body, .. } in &asked {
        assert_eq!(headers["idempotency-key"], "run-1/shift.2");
        let signed: &[u8] = if body.is_empty() { b"run-1/shift.2" } else { body };
        assert!(is_signed(&Secret::from(SECRET), headers[sign::HEADER].as_bytes(), signed));
    }
    let sent: Value = serde_json::from_slice(&asked[0].body).unwrap();
    let expected = json!({
        "callback": null, "run": "run-1", "step": "shift.2", "action": "shift", "environment": "production", "slot": "green", "weight": 10,
        "repository": "acme/shop", "sha": sha(), "tag": "v1.2.3", "version": "1.2.3",
    });
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn where_no_status_address_is_known_the_same_errand_is_sent_again() {
    let here = Deployer::start(vec![(200, json!({"status": "working"})), (200, json!({"status": "done", "sha": sha()}))]).await;
    let ticket = here.hook().carry_out(&errand()).await.unwrap();
    assert_eq!(here.hook().follow(&errand(), &ticket).await.unwrap(), done());
    let asked = here.asked();
    assert_eq!((asked[0].line.as_str(), &asked[0].body), (asked[1].line.as_str(), &asked[1].body));
    // What has ended is not asked about any more.
    let ended = Ticket { progress: done(), status_url: None };
    assert_eq!(here.hook().follow(&errand(), &ended).await.unwrap(), done());
    assert_eq!(here.asked().len(), 2);
}

#[tokio::test]
async fn what_runs_can_be_asked() {
    let here = Deployer::start(vec![
        (200, json!({"status": "done", "running": {"sha": sha(), "weight": 10}})),
        (200, json!({"status": "done", "running": {"sha": null}})),
        (200, json!({"status": "done"})),
        (200, json!({"status": "done", "running": {}})),
    ])
    .await;
    let hook = here.with_status(Some("/status"));
    assert!(hook.observe(&errand()).await.unwrap().unwrap().satisfies(&errand()));
    assert!(!hook.observe(&errand()).await.unwrap().unwrap().satisfies(&errand()));
    assert_eq!(hook.observe(&errand()).await.unwrap(), None);
    assert_eq!(hook.observe(&errand()).await.unwrap_err().code(), "target_answer_unreadable");
    assert_eq!(here.hook().observe(&errand()).await.unwrap(), None, "nowhere to ask");
}

#[tokio::test]
async fn bad_answers_have_a_code_and_say_whether_to_try_again() {
    let other = "b".repeat(40);
    for (status, body, code, again) in [
        (200, json!({"status": "done", "sha": other}).to_string(), "target_lied", false),
        (200, json!({"status": "working", "sha": other}).to_string(), "target_lied", false),
        (200, json!({"status": "done"}).to_string(), "target_unproven", false),
        (200, "<html>".into(), "target_answer_unreadable", true),
        (204, String::new(), "target_answer_unreadable", true),
        (200, " ".repeat(70_000), "target_answer_too_large", false),
        (500, String::new(), "target_failing", true),
        (503, json!({"status": "done", "sha": sha()}).to_string(), "target_failing", true),
        (429, String::new(), "target_failing", true),
        (401, String::new(), "target_denied", false),
        (404, String::new(), "target_refused", false),
        (307, String::new(), "target_redirected", false),
    ] {
        let here = Deployer::run(VecDeque::from([(status, body, None)]), false).await;
        let why = here.hook().carry_out(&errand()).await.unwrap_err();
        assert_eq!((why.code(), why.is_retryable()), (code, again), "{status}: {why}");
        assert!(why.refusal.message.ends_with('.') && !why.refusal.fix.is_empty());
        assert_eq!(here.asked().len(), 1, "nothing is tried again behind the caller's back");
    }
    for (value, expected) in [("7", Some(7)), ("999999999", Some(900)), ("soon", None)] {
        let answer = (429, String::new(), Some(("retry-after", value.to_owned())));
        let here = Deployer::run(VecDeque::from([answer]), false).await;
        let why = here.hook().carry_out(&errand()).await.unwrap_err();
        assert_eq!(why.again, Again::Later(expected.map(Duration::from_secs)), "{value}");
    }
}

#[tokio::test]
async fn one_that_flaps_is_asked_again_with_the_same_key() {
    let here = Deployer::start(vec![
        (500, json!({})),
        (200, json!({"status": "working"})),
        (500, json!({})),
        (200, json!({"status": "done", "sha": sha()})),
    ])
    .await;
    let hook = here.hook();
    assert!(hook.carry_out(&errand()).await.unwrap_err().is_retryable());
    let ticket = hook.carry_out(&errand()).await.unwrap();
    assert!(hook.follow(&errand(), &ticket).await.unwrap_err().is_retryable());
    assert_eq!(hook.follow(&errand(), &ticket).await.unwrap(), done());
    assert!(here.asked().iter().all(|asked| asked.headers["idempotency-key"] == "run-1/shift.2"));
}

#[tokio::test]
async fn one_that_hangs_or_is_gone_is_left_in_time() {
    let here = Deployer::run(VecDeque::from([(200, String::new(), None)]), true).await;
    let start = Instant::now();
    let why = here.hook().carry_out(&errand()).await.unwrap_err();
    assert_eq!((why.code(), why.is_retryable()), ("target_timed_out", true));
    assert!(start.elapsed() < Duration::from_secs(5));
    let gone = Hook::own("http://127.0.0.1:9/deploy", Secret::from(SECRET), caller("127.0.0.1"));
    let why = gone.carry_out(&errand()).await.unwrap_err();
    assert_eq!((why.code(), why.is_retryable()), ("target_url_invalid", false), "a port of another service");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let gone = Hook::own(&closed, Secret::from(SECRET), caller("127.0.0.1"));
    let why = gone.carry_out(&errand()).await.unwrap_err();
    assert_eq!((why.code(), why.is_retryable()), ("target_unreachable", true));
}

#[tokio::test]
async fn a_repository_reaches_no_private_address_and_nobody_is_led_to_one() {
    let inner = Deployer::start(vec![(200, json!({"status": "done", "sha": sha()}))]).await;
    let localhost = inner.url.replace("127.0.0.1", "localhost");
    for url in [&inner.url, &localhost, &inner.url.replace("127.0.0.1", "[::ffff:127.0.0.1]"), "http://169.254.169.254/x"] {
        let own = Hook::own(url, Secret::from(SECRET), caller(""));
        let why = own.carry_out(&errand()).await.unwrap_err();
        assert_eq!((why.code(), why.is_retryable()), ("address_not_allowed", false), "{url}");
    }
    // A redirect is not followed, wherever it leads.
    let redirect = VecDeque::from([(302, String::new(), Some(("location", inner.url.clone())))]);
    let outer = Deployer::run(redirect, false).await;
    assert_eq!(outer.hook().carry_out(&errand()).await.unwrap_err().code(), "target_redirected");
    // Nor is a status address beside the operator's own place.
    let leads = Deployer::start(vec![(200, json!({"status": "working", "status_url": format!("{}/status", inner.url)}))]).await;
    let ticket = leads.hook().carry_out(&errand()).await.unwrap();
    assert_eq!(leads.hook().follow(&errand(), &ticket).await.unwrap_err().code(), "address_not_allowed");
    assert!(inner.asked().is_empty(), "{:?}", inner.asked()[0].line);
    // Its own place is trusted, and an address that the operator opened.
    let here = Deployer::start(vec![(200, json!({"status": "done", "sha": sha()}))]).await;
    let ticket = Ticket { progress: Progress::Working, status_url: Some(format!("{}/other", here.url)) };
    assert_eq!(here.hook().follow(&errand(), &ticket).await.unwrap(), done());
    let opened = Hook::own(&format!("{}/{{{{ slot }}}}", here.url), Secret::from(SECRET), caller("127.0.0.1"));
    assert_eq!(opened.carry_out(&errand()).await.unwrap().progress, done());
    assert_eq!(here.asked()[1].line, "POST /green");
}
