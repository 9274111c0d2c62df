use super::super::guard::AllowList;
use super::super::names::Lookup;
use super::*;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Answers every request with what `answer` makes of the request's head; returns the port.
pub(in crate::probes) async fn serve(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let mut head = Vec::new();
                let mut buffer = [0; 1024];
                while !head.windows(4).any(|w| w == b"\r\n\r\n") {
                    match stream.read(&mut buffer).await {
                        Ok(n) if n > 0 => head.extend_from_slice(&buffer[..n]),
                        _ => return,
                    }
                }
                let text = answer(&String::from_utf8_lossy(&head));
                if text == "hang" {
                    tokio::time::sleep(Duration::from_secs(30)).await;
                }
                let _ = stream.write_all(text.as_bytes()).await;
            });
        }
    });
    port
}

pub(in crate::probes) fn answer(status: u16, head: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n{head}\r\n{body}", body.len())
}

/// Everything on 127.0.0.0/8 may be reached, nothing else that is closed.
pub(in crate::probes) fn prober() -> Prober {
    Prober::new(AllowList::parse("127.0.0.0/8").unwrap()).unwrap()
}

pub(in crate::probes) fn named(allow: &str, lookup: impl Fn(&str) -> Vec<&'static str> + Send + Sync + 'static) -> Prober {
    let lookup: Lookup = Arc::new(move |name| {
        let found = lookup(&name).into_iter().map(|a| a.parse().unwrap()).collect();
        Box::pin(std::future::ready(Ok(found)))
    });
    Prober::with_lookup(AllowList::parse(allow).unwrap(), lookup).unwrap()
}

fn probe<'a>(url: &'a str, expect: &'a str) -> HttpProbe<'a> {
    let sha = Some("0123456789012345678901234567890123456789");
    let subject = Subject { version: Some("1.2.3"), sha, environment: Some("staging") };
    HttpProbe { url, expect, timeout: Duration::from_secs(5), subject }
}

async fn ask(url: &str, expect: &str) -> ProbeReport {
    prober().http(&probe(url, expect)).await
}

#[tokio::test]
async fn a_healthy_service() {
    let port = serve(|head| {
        assert!(head.starts_with("GET /healthz?token=s3cret HTTP/1.1\r\n"), "{head}");
        let lower = head.to_lowercase();
        assert!(!lower.contains("authorization") && !lower.contains("cookie") && !lower.contains("referer"), "{head}");
        assert!(lower.contains("user-agent: lockkeeper/"), "{head}");
        answer(200, "Content-Type: application/json\r\nX-Version: 1.2.3\r\n", r#"{"version": "1.2.3", "up": [1, 2]}"#)
    })
    .await;
    let url = format!("http://127.0.0.1:{port}/healthz?token=s3cret");
    let expect = "status == 200 && body.version == version && headers['x-version'] == version && size(body.up) == 2
        && latency_ms < 5000 && environment == 'staging' && sha.startsWith('0123')";
    let report = ask(&url, expect).await;
    assert!(report.ok, "{report:?}");
    assert_eq!((report.code.as_str(), report.status, report.fix.as_str()), ("healthy", Some(200), ""));
    assert_eq!(
        report.reason,
        format!("http://127.0.0.1:{port}/healthz answered 200 in {} ms, as expected.", report.latency_ms)
    );
}

#[tokio::test]
async fn bodies_are_json_or_text() {
    for (head, body, expect) in [
        ("Content-Type: application/json\r\n", "42", "body == 42"),
        ("Content-Type: application/health+json\r\n", "\"ok\"", "body == 'ok'"),
        ("", "42\n", "body == '42'"),
        ("", " {\"a\": [1]} ", "body.a == [1]"),
        ("", "{not json", "body == '{not json'"),
        ("Content-Type: application/json\r\n", "{not json", "body == '{not json'"),
        ("", "", "body == ''"),
        ("X-A: 1\r\nX-A: 2\r\n", "", "headers['x-a'] == '1, 2'"),
    ] {
        let port = serve(move |_| answer(200, head, body)).await;
        let report = ask(&format!("http://127.0.0.1:{port}/"), expect).await;
        assert!(report.ok, "{body} {report:?}");
    }
}

/// One line for each way in which a probe does not pass.
#[tokio::test]
async fn what_people_read() {
    let port = serve(|head| match head.split(' ').nth(1).unwrap_or_default() {
        "/large" => answer(200, "", &"x".repeat(LARGEST_BODY + 1)),
        "/edge" => answer(200, "", &"x".repeat(LARGEST_BODY)),
        "/503" => answer(503, "", "<b>secret body</b>"),
        "/hang" => "hang".into(),
        "/cut" => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort".into(),
        "/garbage" => "nonsense\r\n\r\n".into(),
        "/loop" => answer(302, "Location: /loop\r\n", ""),
        "/private" => answer(307, "Location: http://10.1.2.3/\r\n", ""),
        "/metadata" => answer(301, "Location: http://169.254.169.254/latest/meta-data\r\n", ""),
        "/file" => answer(302, "Location: file:///etc/passwd\r\n", ""),
        "/ftp" => answer(302, "Location: ftp://example.com/\r\n", ""),
        "/nowhere" => answer(302, "Location: http://[broken\r\n", ""),
        "/user" => answer(302, "Location: //user:pass@127.0.0.1/\r\n", ""),
        "/no-location" => answer(302, "", ""),
        _ => answer(200, "", "fine"),
    })
    .await;
    let here = format!("http://127.0.0.1:{port}");
    let mut table = String::new();
    for (url, expect) in [
        (format!("{here}/503"), "status == 200"),
        (format!("{here}/503"), "body.version == version"),
        (format!("{here}/x?token=s3cret#f"), "headers['x'] == '1'"),
        (format!("{here}/x"), "status"),
        (format!("{here}/x"), "stauts == 200"),
        (format!("{here}/large"), "body == 'x'"),
        (format!("{here}/large"), "status == 200"),
        (format!("{here}/edge"), "size(body) == 65536"),
        (format!("{here}/hang"), "status == 200"),
        (format!("{here}/cut"), "body == 'short'"),
        (format!("{here}/garbage"), "status == 200"),
        (format!("{here}/loop"), "status == 200"),
        (format!("{here}/private"), "status == 200"),
        (format!("{here}/metadata"), "status == 200"),
        (format!("{here}/file"), "status == 200"),
        (format!("{here}/ftp"), "status == 200"),
        (format!("{here}/nowhere"), "status == 200"),
        (format!("{here}/user"), "status == 200"),
        (format!("{here}/no-location"), "status == 302"),
        ("http://127.0.0.9:1024/".into(), "status == 200"),
        (format!("https://127.0.0.1:{port}/"), "status == 200"),
        ("http://10.1.2.3/x".into(), "status == 200"),
        ("http://[fd00::1]/x".into(), "status == 200"),
        ("http://[::ffff:8.8.8.8]/x".into(), "status == 200"),
        ("http://169.254.169.254/latest".into(), "status == 200"),
        ("http://user:pass@example.com/?token=s3cret".into(), "status == 200"),
        ("ftp://example.com/".into(), "status == 200"),
        ("http://example.com:25/".into(), "status == 200"),
        ("healthz".into(), "status == 200"),
        (format!("http://example.com/{}", "x".repeat(3000)), "status == 200"),
        ("{{ environment_url }}/healthz".into(), "status == 200"),
    ] {
        let wanted = HttpProbe { timeout: Duration::from_millis(700), ..probe(&url, expect) };
        let report = prober().http(&wanted).await;
        let hopeless = if report.hopeless { " (hopeless)" } else { "" };
        let line =
            format!("{} [{}{hopeless}] {} {}", if report.ok { "ok " } else { "not" }, report.code, report.reason, report.fix);
        let line = line.replace(&format!(":{port}"), ":PORT").replace(&format!(" in {} ms", report.latency_ms), " in N ms");
        assert!(!line.contains("s3cret") && !line.contains("secret body") && !line.contains("pass@"), "{line}");
        writeln!(table, "{line}").unwrap();
    }
    insta::assert_snapshot!(table);
}

/// The url crate reads all of these as the same closed addresses.
#[tokio::test]
async fn closed_addresses_in_every_spelling() {
    let prober = Prober::new(AllowList::default()).unwrap();
    for host in [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "0",
        "0x0",
        "%31%32%37.0.0.1",
        "127。0。0。1",
        "１２７.0.0.1",
        "①②⑦.0.0.1",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "3232235777",
        "0xA9FEA9FE",
        "169.254.43518",
    ] {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}/");
            let report = prober.http(&probe(&url, "true")).await;
            assert_eq!(
                (report.code.as_str(), report.ok, report.hopeless),
                ("address_not_allowed", false, true),
                "{url} {report:?}"
            );
        }
    }
}

#[tokio::test]
async fn names_are_guarded_where_they_are_resolved() {
    let port = serve(|_| answer(200, "", "fine")).await;
    let url = format!("http://app.example:{port}/");
    let local = named("127.0.0.1", |_| vec!["127.0.0.1"]);
    assert!(local.http(&probe(&url, "body == 'fine'")).await.ok);
    for (allow, addresses) in [
        ("", vec!["127.0.0.1"]),
        ("", vec!["10.0.0.1"]),
        ("", vec!["fd00:ec2::254"]),
        ("127.0.0.1", vec!["127.0.0.1", "10.0.0.1"]),
        ("127.0.0.1", vec!["127.0.0.1", "::1"]),
        ("", vec!["8.8.8.8", "169.254.169.254"]),
        ("127.0.0.1", vec!["127.0.0.2"]),
    ] {
        let told = addresses.clone();
        let report = named(allow, move |_| addresses.clone()).http(&probe(&url, "true")).await;
        assert_eq!((report.code.as_str(), report.hopeless), ("address_not_allowed", true), "{told:?} {report:?}");
        // Where a name leads inside the operator's network is not the repository's business.
        assert!(told.iter().all(|a| !report.reason.contains(a) && !report.fix.contains(a)), "{report:?}");
    }
    let report = named("", |_| vec![]).http(&probe(&url, "true")).await;
    assert_eq!((report.code.as_str(), report.hopeless), ("name_not_found", false), "{report:?}");
    let report = prober().http(&probe("http://does-not-exist.invalid/", "true")).await;
    assert_eq!(report.code, "name_not_found", "{report:?}");
}

/// A name server that answers differently the second time: each answer is checked by the connection that uses it.
#[tokio::test]
async fn rebinding_leads_nowhere() {
    let hits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&hits);
    let port = serve(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        answer(302, "Location: /again\r\n", "")
    })
    .await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let prober = named("127.0.0.1", move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => vec!["127.0.0.1"],
        _ => vec!["127.0.0.2"],
    });
    let report = prober.http(&probe(&format!("http://app.example:{port}/"), "true")).await;
    assert_eq!(report.code, "address_not_allowed", "{report:?}");
    assert_eq!((hits.load(Ordering::SeqCst), asked.load(Ordering::SeqCst)), (1, 2));
}

#[tokio::test]
async fn redirects_lead_on_up_to_five_times() {
    for (times, code) in [(5, "healthy"), (6, "too_many_redirects")] {
        let port = serve(move |head| {
            let at: usize = head.split(['/', ' ']).nth(2).and_then(|n| n.parse().ok()).unwrap_or(0);
            if at == times { answer(200, "", "end") } else { answer(302, &format!("Location: /{}\r\n", at + 1), "") }
        })
        .await;
        let report = ask(&format!("http://127.0.0.1:{port}/0"), "body == 'end'").await;
        assert_eq!(report.code, code, "{report:?}");
    }
}

#[test]
fn https_never_leads_to_http() {
    let url = Url::parse("https://example.com/a").unwrap();
    let led = |location: &str| {
        let response = ::http::Response::builder().status(302).header("location", location).body("").unwrap();
        next(&url, &Response::from(response)).map(|u| u.unwrap().to_string()).map_err(|r| r.code)
    };
    assert_eq!(led("http://example.com/b"), Err("redirect_not_secure".into()));
    assert_eq!(led("ftp://example.com/b"), Err("redirect_not_secure".into()));
    assert_eq!(led("//other.example/b"), Ok("https://other.example/b".into()));
    assert_eq!(led("b?c"), Ok("https://example.com/b?c".into()));
}
