//! The webhook door as GitHub sees it: a real server on a port, signed requests, every answer.

use crate::door::{Door, PUSH, SECRET, sign};
use lockkeeper::store::Store;
use lockkeeper::store::inbox::{self, DeliveryStatus};
use lockkeeper::surfaces::webhook::MAX_BODY;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn every_answer_of_the_door() {
    let door = Door::open().await;
    let good = sign(SECRET, PUSH.as_bytes());
    let rotated = sign("the next secret", PUSH.as_bytes());
    let wrong = sign("another secret", PUSH.as_bytes());
    let sha1 = "sha1=0123456789012345678901234567890123456789";
    let array = sign(SECRET, b"[1]");
    let junk = sign(SECRET, b"junk");
    let form = sign(SECRET, b"payload=%7B%7D");
    let unsigned = serde_json::json!({ "code": "unauthorized" });
    // (id, event, signature, body, content type) → (status, word of the answer)
    type Case<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>, &'a str, &'a str, u16, &'a str);
    let json = "application/json";
    let cases: &[Case] = &[
        (Some("a-1"), Some("push"), Some(&good), PUSH, json, 202, "accepted"),
        (Some("a-1"), Some("push"), Some(&good), PUSH, json, 202, "duplicate"),
        (Some("a-2"), Some("push"), Some(&rotated), PUSH, json, 202, "accepted"),
        (Some("a-3"), Some("star"), Some(&good), PUSH, json, 202, "ignored"),
        (Some("a-3"), Some("star"), Some(&good), PUSH, json, 202, "duplicate"),
        (Some("a-4"), Some("ping"), Some(&good), PUSH, json, 200, "pong"),
        (Some("a-5"), Some("push"), None, PUSH, json, 401, "unauthorized"),
        (Some("a-5"), Some("push"), Some(&wrong), PUSH, json, 401, "unauthorized"),
        (Some("a-5"), Some("push"), Some(sha1), PUSH, json, 401, "unauthorized"),
        (Some("a-5"), Some("push"), Some(&good[7..]), PUSH, json, 401, "unauthorized"),
        (None, None, Some(&wrong), "junk", json, 401, "unauthorized"),
        (Some("a-5"), None, Some(&good), PUSH, json, 400, "event_header_missing"),
        (None, Some("push"), Some(&good), PUSH, json, 400, "delivery_header_missing"),
        (Some("a 5"), Some("push"), Some(&good), PUSH, json, 400, "delivery_header_invalid"),
        (Some("a-5"), Some("pu/sh"), Some(&good), PUSH, json, 400, "event_header_invalid"),
        (Some("a-5"), Some("push"), Some(&array), "[1]", json, 400, "body_not_json_object"),
        (Some("a-5"), Some("star"), Some(&junk), "junk", json, 400, "body_not_json_object"),
        (
            Some("a-5"),
            Some("push"),
            Some(&form),
            "payload=%7B%7D",
            "application/x-www-form-urlencoded",
            400,
            "content_type_form",
        ),
        (Some("a-5"), Some("push"), Some(&good), PUSH, json, 202, "accepted"),
    ];
    for (id, event, signature, body, content_type, status, word) in cases {
        let headers = [
            ("X-GitHub-Delivery", *id),
            ("X-GitHub-Event", *event),
            ("X-Hub-Signature-256", *signature),
            ("Content-Type", Some(*content_type)),
        ];
        let (got, answer) = door.send(&headers, (*body).to_owned()).await;
        let case = format!("{id:?} {event:?} {signature:?}: {answer}");
        assert_eq!(got, *status, "{case}");
        match got {
            200 | 202 => assert_eq!(answer, serde_json::json!({ "delivery": id, "status": word }), "{case}"),
            401 => assert_eq!(answer, unsigned, "{case}"),
            _ => {
                assert_eq!(answer["code"], *word, "{case}");
                assert!(answer["fix"].as_str().unwrap().len() > 10, "{case}");
            }
        }
    }
    let got = door.http.get(format!("http://{}/webhook", door.address)).send().await.unwrap();
    assert_eq!((got.status().as_u16(), got.headers()["allow"].to_str().unwrap()), (405, "POST"));
    assert_eq!(got.json::<serde_json::Value>().await.unwrap()["code"], "method_not_allowed");
    let metrics = door.http.get(format!("http://{}/metrics", door.address)).send().await.unwrap().text().await.unwrap();
    for line in [
        "lockkeeper_deliveries_total{event=\"push\",status=\"accepted\"} 3",
        "lockkeeper_deliveries_total{event=\"push\",status=\"duplicate\"} 1",
        "lockkeeper_deliveries_total{event=\"other\",status=\"ignored\"} 1",
        "lockkeeper_deliveries_total{event=\"other\",status=\"unauthorized\"} 5",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
}

#[tokio::test]
async fn of_many_equal_deliveries_at_once_one_is_accepted() {
    let door = Door::open().await;
    let answers = futures::future::join_all((0..50).map(|_| door.deliver("same", "push", PUSH))).await;
    let accepted = answers.iter().filter(|(_, answer)| answer["status"] == "accepted").count();
    let duplicates = answers.iter().filter(|(_, answer)| answer["status"] == "duplicate").count();
    assert_eq!((accepted, duplicates), (1, 49));
}

#[tokio::test]
async fn a_body_over_the_cap_is_refused_before_its_signature() {
    let door = Door::open().await;
    let headers = [("X-Hub-Signature-256", Some("sha256=wrong"))];
    let (status, answer) = door.send(&headers, vec![b' '; MAX_BODY + 1]).await;
    assert_eq!((status, &answer["code"]), (413, &"payload_too_large".into()));
    // The same without a length, in chunks.
    let chunks = (0..26).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1024 * 1024]));
    let (status, _) = door.send(&headers, reqwest::Body::wrap_stream(futures::stream::iter(chunks))).await;
    assert_eq!(status, 413);
    // Nobody waits for 100 GB.
    let head = "POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000000\r\n\r\n";
    assert!(raw(&door, head).await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn the_largest_body_passes_also_in_chunks() {
    let door = Door::open().await;
    let mut body = PUSH.as_bytes().to_vec();
    body.resize(MAX_BODY, b' ');
    let signature = sign(SECRET, &body);
    for (id, chunked) in [("l-1", false), ("l-2", true)] {
        let headers =
            [("X-GitHub-Delivery", Some(id)), ("X-GitHub-Event", Some("push")), ("X-Hub-Signature-256", Some(&*signature))];
        let sent = if chunked {
            let chunks: Vec<_> = body.chunks(777_777).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect();
            reqwest::Body::wrap_stream(futures::stream::iter(chunks))
        } else {
            body.clone().into()
        };
        assert_eq!(door.send(&headers, sent).await.1["status"], "accepted", "chunked: {chunked}");
    }
}

/// What the server says to these bytes until it closes the connection.
async fn raw(door: &Door, bytes: &str) -> String {
    let mut stream = TcpStream::connect(door.address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    // A reset after the answer is an answer too.
    let _ = tokio::time::timeout(Duration::from_secs(3), read).await.expect("the server keeps the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_client_that_never_finishes_its_header_is_cut_off() {
    let door = Door::open().await;
    let begun = Instant::now();
    raw(&door, "POST /webhook HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_length_that_is_not_true_is_no_delivery() {
    let door = Door::open().await;
    let signature = sign(SECRET, PUSH.as_bytes());
    let head = format!(
        "POST /webhook HTTP/1.1\r\nHost: x\r\nX-GitHub-Delivery: d\r\nX-GitHub-Event: push\r\n\
         X-Hub-Signature-256: {signature}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{PUSH}",
        PUSH.len() - 1
    );
    assert!(raw(&door, &head).await.starts_with("HTTP/1.1 401 "));
}

#[tokio::test]
async fn what_was_answered_is_on_the_disk() {
    let door = Door::open().await;
    assert_eq!(door.deliver("d-1", "push", PUSH).await.1["status"], "accepted");
    assert_eq!(door.deliver("d-2", "star", PUSH).await.1["status"], "ignored");
    let (folder, store) = door.close();
    store.close().await;
    let store = Store::open(folder.path()).unwrap();
    let all = store.read(|rx| inbox::list(rx, None, 10)).await.unwrap();
    let shown: Vec<_> = all.iter().map(|d| (d.id.as_str(), d.status, d.repo_name.as_deref())).collect();
    let repo = Some("acme/web");
    assert_eq!(shown, [("d-2", DeliveryStatus::Ignored, repo), ("d-1", DeliveryStatus::Pending, repo)]);
    let kept = store.read({
        let id = all[1].id.clone();
        move |rx| inbox::payload(rx, &id)
    });
    assert_eq!(kept.await.unwrap().unwrap(), PUSH.as_bytes());
    // After the restart the same delivery is still known.
    let door = Door::with_store(folder, store).await;
    assert_eq!(door.deliver("d-1", "push", PUSH).await.1["status"], "duplicate");
}

#[tokio::test]
async fn a_store_that_takes_nothing_is_no_2xx() {
    let door = Door::open().await;
    door.store.close().await;
    let (status, answer) = door.deliver("d-1", "push", PUSH).await;
    assert_eq!((status, &answer["code"]), (503, &"store_closed".into()));
}
