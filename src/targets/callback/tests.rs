use super::super::errand::{Action, tests::errand};
use super::*;
use crate::probes::AllowList;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const PUBLIC_URL: &str = "https://lockkeeper.example";

/// An issuer of tokens on this machine.
struct Issuer {
    url: String,
    key: EncodingKey,
    asked: Arc<AtomicUsize>,
}

fn rsa() -> EncodingKey {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = STANDARD.encode(pair.as_der().unwrap().as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
    EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
}

impl Issuer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (key, asked) = (rsa(), Arc::<AtomicUsize>::default());
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap();
        jwk.common.key_id = Some("one".into());
        let body = json!({"keys": [jwk, {"kty": "EC", "crv": "P-9"}]}).to_string();
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let mut request = [0; 1024];
                let read = stream.read(&mut request).await.unwrap();
                assert!(request[..read].starts_with(b"GET /.well-known/jwks "));
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, key, asked }
    }

    fn token(&self, change: impl FnOnce(&mut Value)) -> String {
        self.token_of(&self.key, "one", change)
    }

    fn token_of(&self, key: &EncodingKey, kid: &str, change: impl FnOnce(&mut Value)) -> String {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({
            "iss": self.url, "aud": PUBLIC_URL, "exp": now + 300, "nbf": now - 10, "iat": now,
            "repository_id": "42", "sha": "a".repeat(40), "environment": "production", "event_name": "workflow_dispatch",
        });
        change(&mut claims);
        let header = Header { kid: Some(kid.into()), ..Header::new(Algorithm::RS256) };
        encode(&header, &claims, key).unwrap()
    }

    fn callbacks(&self) -> Callbacks {
        Callbacks::new(&self.url, Some(PUBLIC_URL.into()), Caller::new(AllowList::default()).unwrap())
    }
}

fn report(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut report = json!({"run": "run-1", "step": "bring_up", "status": "done", "sha": "a".repeat(40)});
    change(&mut report);
    report.to_string().into_bytes()
}

fn with(name: &'static str, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_str(value).unwrap())])
}

fn told(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Report(progress) => format!("{progress:?}"),
        Verdict::Unbelievable(trouble) => trouble.code().to_owned(),
        Verdict::Denied { status, refusal } => format!("{status} {}", refusal.code),
    }
}

const DONE: &str = "Done { url: None }";

#[tokio::test]
async fn a_token_counts_for_its_own_repository_environment_or_commit_only() {
    let issuer = Issuer::start().await;
    let callbacks = issuer.callbacks();
    let set = |key: &'static str, value: Value| move |claims: &mut Value| claims[key] = value;
    let other_sha = move |claims: &mut Value| claims["sha"] = json!("b".repeat(40));
    let no_environment = |claims: &mut Value| drop(claims.as_object_mut().unwrap().remove("environment"));
    let old = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() - 3600;
    let errand = errand(Action::BringUp);
    let expected = Expected { errand: &errand, repository: RepoId(42), secret: None };
    for (what, token, wanted) in [
        ("as it should be", issuer.token(|_| {}), DONE),
        ("another commit, but the environment", issuer.token(other_sha), DONE),
        ("the commit, and no environment", issuer.token(no_environment), DONE),
        ("several audiences", issuer.token(set("aud", json!(["x", PUBLIC_URL]))), DONE),
        (
            "neither",
            issuer.token(|c| {
                no_environment(c);
                other_sha(c);
            }),
            "403 callback_stranger",
        ),
        ("another environment", issuer.token(set("environment", json!("staging"))), "403 callback_stranger"),
        ("another repository", issuer.token(set("repository_id", json!("43"))), "403 callback_stranger"),
        ("a pull request", issuer.token(set("event_name", json!("pull_request_target"))), "403 callback_stranger"),
        ("no repository", issuer.token(|c| drop(c.as_object_mut().unwrap().remove("repository_id"))), "401 callback_token"),
        ("another audience", issuer.token(set("aud", json!("https://github.com/acme"))), "401 callback_token"),
        ("another issuer", issuer.token(set("iss", json!("https://evil.example"))), "401 callback_token"),
        ("too old", issuer.token(set("exp", json!(old))), "401 callback_token"),
        ("too young", issuer.token(set("nbf", json!(old + 7200))), "401 callback_token"),
        ("without end", issuer.token(|c| drop(c.as_object_mut().unwrap().remove("exp"))), "401 callback_token"),
        ("another key", issuer.token_of(&rsa(), "one", |_| {}), "401 callback_token"),
        ("an unknown key", issuer.token_of(&issuer.key, "two", |_| {}), "401 callback_token"),
        ("no token", "a.b.c".into(), "401 callback_token"),
    ] {
        let verdict = callbacks.judge(&with("authorization", &format!("Bearer {token}")), &report(|_| {}), expected).await;
        assert_eq!(told(&verdict), wanted, "{what}");
    }
    let none = r#"{"alg":"none","kid":"one"}"#;
    let signed_by_nobody = format!("{}.e30.", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(none));
    let headers = with("authorization", &format!("Bearer {signed_by_nobody}"));
    assert_eq!(told(&callbacks.judge(&headers, &report(|_| {}), expected).await), "401 callback_token");
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 1, "keys are kept, and an unknown one does not make us ask at once");
}

#[tokio::test]
async fn a_signature_counts_for_its_own_bytes_and_step_only() {
    let issuer = Issuer::start().await;
    let callbacks = issuer.callbacks();
    let (secret, other) = (Secret::from("the secret of this hook"), Secret::from("another secret"));
    let errand = errand(Action::BringUp);
    let expected = Expected { errand: &errand, repository: RepoId(42), secret: Some(&secret) };
    let judge = async |body: Vec<u8>, signer: &Secret| {
        let headers = with(sign::HEADER, &sign::sign(signer, &body));
        told(&callbacks.judge(&headers, &body, expected).await)
    };
    assert_eq!(judge(report(|_| {}), &secret).await, DONE);
    assert_eq!(judge(report(|r| r["status"] = json!("working")), &secret).await, "Working");
    assert_eq!(judge(report(|r| r["sha"] = json!("b".repeat(40))), &secret).await, "target_lied");
    assert_eq!(judge(report(|r| r["sha"] = Value::Null), &secret).await, "target_unproven");
    assert_eq!(judge(report(|r| r["run"] = json!("run-2")), &secret).await, "409 callback_mismatch");
    assert_eq!(judge(report(|r| r["step"] = Value::Null), &secret).await, "409 callback_mismatch");
    assert_eq!(judge(b"{}".to_vec(), &secret).await, "400 target_answer_unreadable");
    assert_eq!(judge(report(|_| {}), &other).await, "401 callback_signature");
    assert_eq!(judge(vec![b' '; LARGEST_REPORT + 1], &secret).await, "413 callback_too_large");
    let unsigned = callbacks.judge(&HeaderMap::new(), &report(|_| {}), expected).await;
    assert_eq!(told(&unsigned), "401 callback_unsigned");
    // A wrong signature is not made good by a token, and without a secret nothing is signed.
    let mut both = with(sign::HEADER, &sign::sign(&other, &report(|_| {})));
    both.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {}", issuer.token(|_| {}))).unwrap());
    assert_eq!(told(&callbacks.judge(&both, &report(|_| {}), expected).await), "401 callback_signature");
    let none = Expected { secret: None, ..expected };
    let headers = with(sign::HEADER, &sign::sign(&Secret::from(""), &report(|_| {})));
    assert_eq!(told(&callbacks.judge(&headers, &report(|_| {}), none).await), "401 callback_signature");
}

#[tokio::test]
async fn without_keys_nobody_is_believed() {
    let issuer = Issuer::start().await;
    let errand = errand(Action::BringUp);
    let expected = Expected { errand: &errand, repository: RepoId(42), secret: None };
    let headers = with("authorization", &format!("Bearer {}", issuer.token(|_| {})));
    let caller = || Caller::new(AllowList::default()).unwrap();
    let nowhere = Callbacks::new("http://127.0.0.1:9", Some(PUBLIC_URL.into()), caller());
    for _ in 0..2 {
        assert_eq!(told(&nowhere.judge(&headers, &report(|_| {}), expected).await), "503 callback_keys");
    }
    let nameless = Callbacks::new(&issuer.url, None, caller());
    assert_eq!(told(&nameless.judge(&headers, &report(|_| {}), expected).await), "401 callback_unsigned");
}

#[test]
fn each_github_has_its_issuer() {
    for (api, expected) in [
        ("https://api.github.com", "https://token.actions.githubusercontent.com"),
        ("https://git.acme.example/api/v3", "https://git.acme.example/_services/token"),
        ("https://api.acme.ghe.com", "https://token.actions.acme.ghe.com"),
        ("http://127.0.0.1:9/api/v3", "http://127.0.0.1:9/_services/token"),
    ] {
        assert_eq!(issuer(api), expected, "{api}");
    }
}
