use super::super::guard::AllowList;
use super::super::http::tests::{named, prober};
use super::*;
use std::fmt::Write as _;
use tokio::net::TcpListener;

async fn ask(prober: &Prober, address: &str) -> ProbeReport {
    prober.tcp(&TcpProbe { address, timeout: Duration::from_millis(700) }).await
}

#[tokio::test]
async fn what_people_read() {
    let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = open.local_addr().unwrap().port();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let mut table = String::new();
    for address in [
        format!("127.0.0.1:{port}"),
        format!("127.0.0.1:{closed}"),
        format!("localhost:{port}"),
        "10.0.0.1:5432".into(),
        "169.254.169.254:80".into(),
        "[::1]:80".into(),
        "[::ffff:10.0.0.1]:80".into(),
        "[127.0.0.1]:80".into(),
        "127.1:80".into(),
        "2130706433:80".into(),
        "does-not-exist.invalid:80".into(),
        "x".into(),
        "x:0".into(),
        "x:+8".into(),
        ":80".into(),
        "http://x:80".into(),
        "a b\n:80".into(),
        format!("{}:80", "x".repeat(254)),
    ] {
        let report =
            ask(&named("127.0.0.1", |name| if name.contains("invalid") { vec![] } else { vec!["10.9.8.7"] }), &address).await;
        let report = if address.starts_with("localhost") { ask(&prober(), &address).await } else { report };
        let line =
            format!("[{}{}] {} {}", report.code, if report.hopeless { " (hopeless)" } else { "" }, report.reason, report.fix);
        let line = line.replace(&port.to_string(), "OPEN").replace(&closed.to_string(), "CLOSED");
        let line = line.replace(&format!(" in {} ms", report.latency_ms), " in N ms");
        assert!(!line.contains("10.9.8.7"), "{line}");
        // Which addresses the machine gives to localhost differs.
        if !address.starts_with("localhost") {
            writeln!(table, "{line}").unwrap();
        }
    }
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn a_name_is_checked_and_connected_to_by_the_same_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let address = format!("db.example:{port}");
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&asked);
    // A second answer would lead elsewhere; there is no second question.
    let rebinding = named("127.0.0.1", move |_| match count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => vec!["127.0.0.1"],
        _ => vec!["127.0.0.2"],
    });
    let report = ask(&rebinding, &address).await;
    assert!(report.ok && report.code == "healthy", "{report:?}");
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 1);
    assert_eq!(ask(&rebinding, &address).await.code, "address_not_allowed");
    // One closed address among several closes the name; one that does not answer is no obstacle.
    assert_eq!(ask(&named("127.0.0.1", |_| vec!["127.0.0.1", "10.0.0.1"]), &address).await.code, "address_not_allowed");
    assert!(ask(&named("127.0.0.0/8", |_| vec!["127.0.0.9", "127.0.0.1"]), &address).await.ok);
}

#[tokio::test]
async fn one_that_never_accepts_ends_in_time() {
    // The kernel drops what a full queue of an accepting socket cannot hold, so that connecting hangs.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        held.push(stream);
        assert!(held.len() < 50, "the queue is never full");
    }
    let start = Instant::now();
    let report = ask(&Prober::new(AllowList::parse("127.0.0.1").unwrap()).unwrap(), &address.to_string()).await;
    assert_eq!((report.code.as_str(), report.hopeless), ("probe_timed_out", false), "{report:?}");
    assert!(start.elapsed() < Duration::from_secs(3));
}
