//! Answers that the real one does not give on demand; the real one is asked in tests/it/prometheus.

use super::super::http::tests::{answer, serve};
use super::*;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn lent(url: &str, repositories: &str) -> BTreeMap<String, PrometheusSettings> {
    let repositories = Repositories(vec![repositories.to_owned()]);
    [("default".to_owned(), PrometheusSettings { url: url.to_owned(), repositories })].into()
}

fn at(port: u16) -> Prometheus {
    Prometheus::new(&lent(&format!("http://127.0.0.1:{port}/"), "acme/*")).unwrap()
}

fn repo(name: &str) -> RepoName {
    RepoName::parse(name).unwrap()
}

async fn ask(asked: &Prometheus) -> Measured {
    asked
        .query(&Query {
            repo: &repo("acme/shop"),
            server: "default",
            query: "up{a=\"&=+ é\"}",
            timeout: Duration::from_millis(500),
        })
        .await
}

#[tokio::test]
async fn what_an_answer_is_worth() {
    let vector = |result: &str| format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{result}]}}}}"#);
    let mut table = String::new();
    for body in [
        vector(""),
        vector(r#"{"metric":{},"value":[1.5,"0.25"]}"#),
        vector(r#"{"metric":{},"value":[1.5,"NaN"]}"#),
        vector(r#"{"metric":{},"value":[1.5,"+Inf"]}"#),
        vector(r#"{"metric":{},"value":[1.5,"-Inf"]}"#),
        vector(r#"{"metric":{},"value":[1.5,0.25]}"#),
        vector(r#"{"metric":{},"value":[1.5,"0.25; drop"]}"#),
        vector(r#"{"metric":{},"value":[]}"#),
        vector(r#"{"metric":{},"histogram":[1.5,{}]}"#),
        vector(r#"{"metric":{},"value":[1,"1"]},{"metric":{},"value":[1,"1"]}"#),
        r#"{"status":"success","data":{"resultType":"scalar","result":[1,"7"]},"warnings":["PromQL `warns`\n!"],"infos":["x"]}"#.into(),
        r#"{"status":"success","data":{"resultType":"string","result":[1,"7"]}}"#.into(),
        r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#.into(),
        r#"{"status":"success","data":{"resultType":"vector","result":{}}}"#.into(),
        r#"{"status":"success"}"#.into(),
        r#"{"status":"fine","data":{"resultType":"scalar","result":[1,"7"]}}"#.into(),
        r#"{"status":"error","errorType":"bad_data","error":"1:2: parse error:\u001b[31m `x`"}"#.into(),
        r#"{"status":"error","errorType":"execution","error":"multiple matches"}"#.into(),
        r#"{"status":"error","errorType":"timeout","error":"query timed out"}"#.into(),
        r#"{"status":"error"}"#.into(),
        "<html>secret</html>".into(),
        "[".repeat(10_000),
        String::new(),
    ] {
        let sent = body.clone();
        let port = serve(move |_| answer(200, "Content-Type: application/json\r\n", &sent)).await;
        let measured = ask(&at(port)).await;
        let body: String = body.chars().take(100).collect();
        writeln!(table, "{body}\n    {:?} {:?}", measured.sample, measured.warnings).unwrap();
    }
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn the_question_is_a_form_and_keeps_the_servers_path() {
    let port = serve(|head| {
        assert!(head.starts_with("POST /prom/api/v1/query HTTP/1.1\r\n"), "{head}");
        answer(200, "", r#"{"status":"success","data":{"resultType":"scalar","result":[1,"7"]}}"#)
    })
    .await;
    let asked = Prometheus::new(&lent(&format!("http://127.0.0.1:{port}/prom/"), "**")).unwrap();
    assert_eq!(ask(&asked).await.sample, Sample::value(7.0));
    let url = Url::parse("http://x/api/v1/query").unwrap();
    let form = form(&url, "up{a=\"&=+ é\"}", Duration::from_secs(5));
    assert_eq!(form, "query=up%7Ba%3D%22%26%3D%2B+%C3%A9%22%7D&timeout=5000ms");
}

#[tokio::test]
async fn what_is_no_answer_is_an_error() {
    let followed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&followed);
    let led = serve(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        answer(200, "", "")
    })
    .await;
    let code = |measured: Measured| match measured.sample {
        Sample::Error { code, reason } => {
            assert!(!reason.contains("127.0.0.1") && !reason.contains("secret"), "{reason}");
            code
        }
        other => format!("{other:?}"),
    };
    for (expected, text) in [
        ("prometheus_slow", "hang".to_owned()),
        ("prometheus_broken", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"status\"".into()),
        ("prometheus_broken", "nonsense\r\n\r\n".into()),
        ("prometheus_broken", answer(302, &format!("Location: http://127.0.0.1:{led}/\r\n"), "")),
        ("prometheus_broken", answer(401, "", "secret")),
        ("answer_too_large", answer(200, "", &"x".repeat(LARGEST + 1))),
    ] {
        let port = serve(move |_| text.clone()).await;
        assert_eq!(code(ask(&at(port)).await), expected);
    }
    assert_eq!(followed.load(Ordering::SeqCst), 0, "a redirect was followed");
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    assert_eq!(code(ask(&at(closed)).await), "prometheus_unreachable");
    let none = Prometheus::new(&BTreeMap::new()).unwrap();
    assert_eq!(code(ask(&none).await), "prometheus_unknown");
    let stranger = Prometheus::new(&lent("http://127.0.0.1:1", "other/*")).unwrap();
    assert_eq!(code(ask(&stranger).await), "prometheus_unknown");
    for bad in ["", "localhost:9090", "ftp://x", "http://"] {
        let refusal = Prometheus::new(&lent(bad, "**")).unwrap_err();
        assert_eq!(refusal.code, "prometheus_url_invalid", "{bad}");
    }
}
