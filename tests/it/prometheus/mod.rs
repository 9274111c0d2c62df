//! Measurements by the real Prometheus of Debian, on an exporter of our own.

mod deploying;
mod server;

use lockkeeper::config::repo::fill_query;
use lockkeeper::domain::{Number, RepoName, Sample};
use lockkeeper::probes::prometheus::{Measured, Prometheus, Query};
use server::{Exporter, Server};
use std::time::Duration;

const METRICS: &str = "\
requests_total{slot=\"blue\",code=\"200\"} 900
requests_total{slot=\"blue\",code=\"500\"} 100
requests_total{slot=\"green\",code=\"200\"} 400
requests_total{slot=\"green\",code=\"500\"} 1
requests_total{slot=\"gr\\\"een\",code=\"200\"} 7
idle_total{slot=\"green\"} 0
build_info{version=\"1.2.3\"} 1
build_info{version=\"1x2y3\"} 1
";

async fn ask(prometheus: &Prometheus, query: &str) -> Measured {
    within(prometheus, query, Duration::from_secs(5)).await
}

async fn within(prometheus: &Prometheus, query: &str, timeout: Duration) -> Measured {
    let repo = RepoName::parse("acme/shop").unwrap();
    prometheus.query(&Query { repo: &repo, server: "default", query, timeout }).await
}

fn code(measured: &Measured) -> &str {
    match &measured.sample {
        Sample::Value(_) => "value",
        Sample::Values(_) => "values",
        Sample::NoData => "no_data",
        Sample::Error { code, .. } => code,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_answers_and_fails() {
    let exporter = Exporter::start(METRICS).await;
    let server = Server::start(exporter.port);
    let prometheus = Prometheus::new(&[("default".to_owned(), server.settings())].into()).unwrap();
    server.until_scraped(&prometheus).await;

    let rate = r#"sum(requests_total{code=~"5..",slot="{{ slot }}"}) / sum(requests_total{slot="{{ slot }}"})"#;
    let of = |slot: &str| fill_query(rate, |name| (name == "slot").then(|| slot.to_owned())).unwrap();
    assert_eq!(ask(&prometheus, &of("blue")).await.sample, Sample::value(0.1));
    let Sample::Value(Number(green)) = ask(&prometheus, &of("green")).await.sample else { panic!() };
    assert!((green - 1.0 / 401.0).abs() < 1e-9, "{green}");
    assert_eq!(ask(&prometheus, "scalar(vector(42))").await.sample, Sample::value(42.0));

    for (query, expected) in [
        (of("yellow").as_str(), "no_data"),
        ("nothing_of_this_name", "no_data"),
        ("requests_total", "several_series"),
        ("requests_total[5m]", "not_a_number"),
        ("\"text\"", "not_a_number"),
        ("sum(requests_total", "query_rejected"),
        ("requests_total / on(slot) requests_total", "query_failed"),
        ("vector(1) / vector(0)", "value"),
    ] {
        let measured = ask(&prometheus, query).await;
        assert_eq!(code(&measured), expected, "{query} {measured:?}");
    }
    // 0/0, as of a service without users.
    let Sample::Value(Number(nan)) = ask(&prometheus, "sum(idle_total) / sum(idle_total)").await.sample else { panic!() };
    assert!(nan.is_nan());
    assert_eq!(ask(&prometheus, "1 / sum(idle_total)").await.sample, Sample::value(f64::INFINITY));

    hostile_values(&prometheus).await;
    without_an_answer(server, &prometheus).await;
}

/// What a tag says is a value and never a part of the query.
async fn hostile_values(prometheus: &Prometheus) {
    let filled = |query: &str, value: &str| fill_query(query, |_| Some(value.to_owned())).unwrap();
    for (query, value, expected) in [
        (r#"sum(requests_total{slot="{{ slot }}"})"#, "gr\"een", Some(7.0)),
        (r#"sum(requests_total{slot='{{ slot }}'})"#, "gr\"een", Some(7.0)),
        (r#"sum(requests_total{slot=~"{{ slot }}"})"#, "gr\"een", Some(7.0)),
        (r#"sum(requests_total{slot="{{ slot }}"})"#, "x\"} or vector(0) or requests_total{slot=\"", None),
        (r#"sum(requests_total{slot="{{ slot }}"})"#, "x\n\u{0}\\", None),
        (r#"sum(requests_total{slot=~"{{ slot }}"})"#, ".*", None),
        (r#"sum(requests_total{slot=~"{{ slot }}"})"#, "a|green", None),
        (r#"sum(build_info{version=~"{{ version }}"})"#, "1.2.3", Some(1.0)),
        (r#"sum(build_info{version=~"{{ version }}"})"#, "1.2.3-rc.1+b(7)[", None),
    ] {
        let sample = ask(prometheus, &filled(query, value)).await.sample;
        assert_eq!(sample, expected.map_or(Sample::NoData, Sample::value), "{query} {value:?}");
    }
}

async fn without_an_answer(server: Server, prometheus: &Prometheus) {
    server.pause();
    // A thread that is at work stops a moment after the signal.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let measured = within(prometheus, "up", Duration::from_millis(300)).await;
    assert_eq!(code(&measured), "prometheus_slow", "{measured:?}");
    assert!((300..2_000).contains(&measured.latency_ms), "{measured:?}");
    server.go_on();
    assert_eq!(ask(prometheus, "up").await.sample, Sample::value(1.0));
    drop(server);
    let measured = ask(prometheus, "up").await;
    assert!(["prometheus_unreachable", "prometheus_broken"].contains(&code(&measured)), "{measured:?}");
}
