//! Health checks, smoke tests and analyses: what their settings say about each other, and from written to typed.

use super::links::{entries, list_nodes};
use super::lower::span;
use super::raw_analysis::{Analysis, Baseline as RawBaseline};
use super::raw_health::{Health, Smoke};
use super::shape::{Walk, shown};
use super::text::Duration as Text;
use super::{
    AnalysisPolicy, AnalysisSource, Baseline, HaproxySource, HealthCheck, HttpCheck, McpCheck, MetricPolicy, NoData,
    PrometheusSource, SmokeTest, TcpCheck,
};
use std::collections::BTreeSet;
use std::time::Duration;
use toml::de::{DeTable, DeValue};

/// Most tests or analyses of one environment.
const MANY: usize = 50;
/// Shortest default of `within`.
const FIVE_MINUTES: Duration = Duration::from_secs(300);

/// Works on the parsed file, as [`super::links`] does; what has the wrong type is reported elsewhere.
pub(super) fn check(walk: &mut Walk<'_>, file: &DeTable<'_>) {
    for (_, _, environment) in entries(file, "environments") {
        for key in ["smoke", "analysis", "health"] {
            names(walk, environment, key);
        }
        let balanced = kind(environment.get("traffic").and_then(|node| node.get_ref().as_table())) == Some("haproxy");
        for node in list_nodes(environment.get("analysis")) {
            let Some(analysis) = node.get_ref().as_table() else { continue };
            can_fail(walk, analysis);
            if let (Some("haproxy"), false, Some(at)) = (kind(Some(analysis)), balanced, analysis.get("kind")) {
                let message = "An analysis of HAProxy's counters needs an HAProxy that moves the users.".to_owned();
                let fix = "Add `traffic = { kind = \"haproxy\", … }` to the environment, or measure with Prometheus.";
                walk.report(at.span(), "no_balancer", message, fix);
            }
        }
    }
}

fn kind<'t>(table: Option<&'t DeTable<'_>>) -> Option<&'t str> {
    table?.get("kind")?.get_ref().as_str()
}

/// Names are what people are told; two of the same would be mixed up.
fn names(walk: &mut Walk<'_>, environment: &DeTable<'_>, key: &str) {
    let mut seen = BTreeSet::new();
    for (index, node) in list_nodes(environment.get(key)).enumerate() {
        if index == MANY {
            let message = format!("There are more than {MANY} of `{key}`.");
            return walk.report(node.span(), "too_many", message, "Remove some.");
        }
        let Some(name) = node.get_ref().as_table().and_then(|table| table.get("name")) else { continue };
        let Some(text) = name.get_ref().as_str() else { continue };
        if !seen.insert(text) {
            let message = format!("There are two of `{key}` with the name `{}`.", shown(text));
            walk.report(name.span(), "duplicate_name", message, "Give each its own name.");
        }
    }
}

/// With as many failures borne as are looked at, nothing would ever fail.
fn can_fail(walk: &mut Walk<'_>, analysis: &DeTable<'_>) {
    let number = |key: &str, otherwise: i64| match analysis.get(key).map(|node| node.get_ref()) {
        None => Some(otherwise),
        Some(DeValue::Integer(number)) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
        Some(_) => None,
    };
    let Some(limit) = analysis.get("failure_limit") else { return };
    let window = number("count", 5).and_then(|count| number("window", count));
    let (Some(failures), Some(window)) = (number("failure_limit", 0), window) else { return };
    if failures >= window {
        let message = format!("With {failures} bad measurements borne among the last {window}, nothing would ever fail.");
        walk.report(limit.span(), "never_fails", message, "Make `failure_limit` smaller than `window`.");
    }
}

/// `None`: a kind that this version cannot ask; [`super::Environment::unsupported`] names it, so the plan refuses.
pub(super) fn health(raw: Health) -> Result<Option<HealthCheck>, String> {
    Ok(Some(match raw {
        Health::Http { url, expect, timeout, within, interval } => {
            let [timeout, within, interval] = spans([&timeout, &within, &interval])?;
            HealthCheck::Http(HttpCheck { url, expect: expect.0, timeout, within, interval })
        }
        Health::Tcp { address, timeout, within, interval } => {
            let [timeout, within, interval] = spans([&timeout, &within, &interval])?;
            HealthCheck::Tcp(TcpCheck { address, timeout, within, interval })
        }
        Health::Mcp { url, expect, timeout, within, interval } => {
            let [timeout, within, interval] = spans([&timeout, &within, &interval])?;
            HealthCheck::Mcp(McpCheck { url, expect: expect.0, timeout, within, interval })
        }
        Health::Peer { .. } => return Ok(None),
    }))
}

pub(super) fn smoke(raw: Smoke) -> Result<SmokeTest, String> {
    let tries = |timeout: &Text, interval: &Text, retries: u8| -> Result<[Duration; 3], String> {
        let [timeout, interval] = spans([timeout, interval])?;
        Ok([timeout, (timeout + interval) * (u32::from(retries) + 1), interval])
    };
    let (name, check, retries) = match raw {
        Smoke::Http { name, url, expect, timeout, retries, interval } => {
            let [timeout, within, interval] = tries(&timeout, &interval, retries)?;
            (name, HealthCheck::Http(HttpCheck { url, expect: expect.0, timeout, within, interval }), retries)
        }
        Smoke::Tcp { name, address, timeout, retries, interval } => {
            let [timeout, within, interval] = tries(&timeout, &interval, retries)?;
            (name, HealthCheck::Tcp(TcpCheck { address, timeout, within, interval }), retries)
        }
        Smoke::Mcp { name, url, expect, timeout, retries, interval } => {
            let [timeout, within, interval] = tries(&timeout, &interval, retries)?;
            (name, HealthCheck::Mcp(McpCheck { url, expect: expect.0, timeout, within, interval }), retries)
        }
    };
    Ok(SmokeTest { name, check, retries: u32::from(retries) })
}

/// `place` counts from 1, for a name where there is none.
pub(super) fn analysis(place: usize, raw: Analysis) -> Result<AnalysisPolicy, String> {
    Ok(match raw {
        Analysis::Prometheus {
            name,
            prometheus,
            query,
            baseline,
            expect,
            timeout,
            interval,
            count,
            failure_limit,
            window,
            consecutive_errors,
            inconclusive_limit,
            no_data,
            delay,
            within,
        } => {
            let baseline = match baseline {
                None | Some(RawBaseline::Same(false)) => None,
                Some(RawBaseline::Same(true)) => Some(Baseline::Same),
                Some(RawBaseline::Query(query)) => Some(Baseline::Query(query.0)),
            };
            let limits = Limits { count, failure_limit, window, consecutive_errors, inconclusive_limit, no_data };
            let source = PrometheusSource { prometheus, query: query.0, baseline, timeout: span(&timeout)? };
            AnalysisPolicy {
                name: name.unwrap_or_else(|| format!("prometheus {place}")),
                source: AnalysisSource::Prometheus(source),
                metric: metric(expect.0, &limits, [&interval, &delay], within.as_ref())?,
            }
        }
        Analysis::Haproxy {
            name,
            baseline,
            expect,
            interval,
            count,
            failure_limit,
            window,
            consecutive_errors,
            inconclusive_limit,
            no_data,
            delay,
            within,
        } => {
            let limits = Limits { count, failure_limit, window, consecutive_errors, inconclusive_limit, no_data };
            AnalysisPolicy {
                name: name.unwrap_or_else(|| format!("haproxy {place}")),
                source: AnalysisSource::Haproxy(HaproxySource { baseline }),
                metric: metric(expect.0, &limits, [&interval, &delay], within.as_ref())?,
            }
        }
    })
}

struct Limits {
    count: u16,
    failure_limit: u16,
    window: Option<u16>,
    consecutive_errors: u16,
    inconclusive_limit: u16,
    no_data: NoData,
}

fn metric(expect: String, limits: &Limits, times: [&Text; 2], within: Option<&Text>) -> Result<MetricPolicy, String> {
    let [interval, delay] = spans(times)?;
    let usual = (delay + interval * u32::from(limits.count) * 3).max(FIVE_MINUTES);
    Ok(MetricPolicy {
        expect,
        interval,
        count: limits.count.into(),
        failure_limit: limits.failure_limit.into(),
        window: limits.window.unwrap_or(limits.count).into(),
        consecutive_errors: limits.consecutive_errors.into(),
        inconclusive_limit: limits.inconclusive_limit.into(),
        no_data: limits.no_data,
        delay,
        within: within.map(span).transpose()?.unwrap_or(usual),
    })
}

fn spans<const N: usize>(texts: [&Text; N]) -> Result<[Duration; N], String> {
    let mut spans = [Duration::ZERO; N];
    for (span, text) in spans.iter_mut().zip(texts) {
        *span = super::lower::span(text)?;
    }
    Ok(spans)
}
