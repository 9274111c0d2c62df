//! What a file says arrives whole.

use super::*;

#[test]
fn the_example_of_everything_is_accepted_and_what_cannot_be_enforced_is_named() {
    let text = include_str!("../testdata/everything.toml");
    let report = check(text, &cel);
    let config = report.outcome.unwrap();
    assert_eq!(config.release.tag.as_deref(), Some("v{version}"));
    let [staging, production] = config.environments.as_slice() else { panic!("{config:?}") };
    assert_eq!((staging.name.as_str(), staging.on.as_slice()), ("staging", &[Trigger::Merge][..]));
    assert!(staging.unsupported.is_empty());
    assert_eq!(staging.gates, None);
    assert!(production.unsupported.is_empty() && report.warnings.is_empty());
    let step = |weight, minutes: u64| GradualStep { weight, bake: Duration::from_secs(60 * minutes) };
    assert_eq!(production.strategy, Strategy::Gradual { steps: vec![step(10, 5), step(50, 10)] });
    assert_eq!((production.rollback, &production.traffic), (Rollback::Automatic, &Traffic::Target));
    assert_eq!((staging.rollback, &staging.strategy), (Rollback::Manual, &Strategy::Direct));
    let gates = production.gates.as_deref().unwrap();
    let scan = PeerGate {
        peer: "security".into(),
        tool: "scan".into(),
        arguments: [("ref".to_owned(), "{{ sha }}".into())].into_iter().collect(),
        expect: "result.critical == 0".into(),
        required: true,
        within: Duration::from_secs(300),
        interval: Duration::from_secs(30),
    };
    assert_eq!(gates, [GatePolicy::Checks(ChecksPolicy::default()), GatePolicy::Peer(scan)]);
}

#[test]
fn what_this_version_enforces_arrives_whole_and_in_order() {
    let config = good(
        r#"
        [release]
        branches = ["main", "release/*"]
        ignore = ["nightly*"]
        gates = [{ kind = "checks", names = ["ci"], wait = "0s", deadline = "1h30m" }, { kind = "commits" }]
        [environments.zebra]
        target = "d"
        strategy = "direct"
        rollback = "manual"
        [environments.alpha]
        on = ["tag", "prerelease"]
        target = "w"
        strategy = { kind = "direct" }
        gates = []
        [[environments.alpha.health]]
        kind = "http"
        url = "{{ environment_url }}/v/{{version}}"
        [targets.w]
        kind = "workflow"
        workflow = "deploy.yml"
        inputs = { version = "{{ version }}" }
        [targets.d]
        kind = "deployment"
        reporters = ["octocat", "ci[bot]", "team:sre"]
        timeout = "20m"
        [[component]]
        name = "api"
        path = "services/api/"
        tag = "api-v{version}"
        [[component]]
        name = "web"
        tag = "web-v{version}"
        "#,
    );
    let names: Vec<_> = config.environments.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(names, ["zebra", "alpha"], "as in the file");
    assert!(config.environments.iter().all(|e| e.unsupported.is_empty()));
    assert_eq!(config.environments[0].on, [Trigger::Manual]);
    assert_eq!(config.environments[1].gates.as_deref(), Some(&[][..]));
    let HealthCheck::Http(health) = &config.environments[1].health[0] else { panic!() };
    assert_eq!((health.within.as_secs(), health.interval.as_secs(), health.timeout.as_secs()), (300, 5, 10));
    assert_eq!(health.expect, "status >= 200 && status < 300");
    let GatePolicy::Checks(checks) = &config.release.gates[0] else { panic!() };
    assert_eq!((checks.wait.as_secs(), checks.deadline.as_secs()), (0, 5400));
    assert_eq!((config.components[0].path.as_str(), config.components[1].path.as_str()), ("services/api", "."));
    let Target::Deployment(target) = &config.targets["d"] else { panic!() };
    assert_eq!(target.timeout.as_secs(), 1200);
}

#[test]
fn how_users_are_moved_arrives_whole() {
    let config = good(
        r#"
        [environments.a]
        target = "hook"
        strategy = { kind = "blue_green", bake = "1h" }
        rollback = "forbidden"
        traffic = { kind = "haproxy", balancer = "edge", backend = "web", slots = { blue = ["b1", "b2"], green = ["g1"] } }
        [environments.b]
        target = "command"
        strategy = { kind = "blue_green" }
        traffic = "target"
        [environments.c]
        target = "url"
        strategy = { kind = "gradual", steps = [{ weight = 1 }, { weight = 100, bake = "0s" }] }
        traffic = { kind = "target" }
        [targets.hook]
        kind = "http"
        hook = "fly"
        timeout = "20m"
        [targets.url]
        kind = "http"
        url = "https://deploy.example/{{ slot }}/{{version}}"
        interval = "30s"
        [targets.command]
        kind = "command"
        command = "deploy"
        "#,
    );
    let [a, b, c] = config.environments.as_slice() else { panic!("{config:?}") };
    assert!([a, b, c].iter().all(|e| e.unsupported.is_empty()));
    let minutes = |n: u64| Duration::from_secs(60 * n);
    assert_eq!((&a.strategy, a.rollback), (&Strategy::BlueGreen { bake: minutes(60) }, Rollback::Forbidden));
    let Traffic::Haproxy(traffic) = &a.traffic else { panic!("{a:?}") };
    assert_eq!((traffic.balancer.as_str(), traffic.backend.as_str()), ("edge", "web"));
    assert_eq!(traffic.slots, PerSlot { blue: vec!["b1".into(), "b2".into()], green: vec!["g1".into()] });
    assert_eq!((&b.strategy, &b.traffic), (&Strategy::BlueGreen { bake: minutes(10) }, &Traffic::Target));
    let steps = vec![GradualStep { weight: 1, bake: minutes(5) }, GradualStep { weight: 100, bake: Duration::ZERO }];
    assert_eq!(c.strategy, Strategy::Gradual { steps });
    let http = |at, timeout, interval| Target::Http(HttpTarget { at, timeout, interval });
    assert_eq!(config.targets["hook"], http(HttpAddress::Hook("fly".into()), minutes(20), Duration::from_secs(10)));
    let url = HttpAddress::Url("https://deploy.example/{{ slot }}/{{version}}".into());
    assert_eq!(config.targets["url"], http(url, minutes(60), Duration::from_secs(30)));
    assert_eq!(config.targets["command"], Target::Command(CommandTarget { command: "deploy".into(), timeout: minutes(60) }));
    let again: RepoConfig = serde_json::from_str(&serde_json::to_string(&config).unwrap()).unwrap();
    assert_eq!(again, config);
}

#[test]
fn what_a_deployment_is_asked_arrives_whole() {
    let config = good(
        r#"
        [environments.staging]
        [environments.production]
        after = [{ environment = "staging" }, { environment = "staging", soak = "30m", deadline = "2d" }]
        approvals = { count = 2, teams = ["sre"], users = ["octocat"], not_author = true, expiry = "1h" }
        windows = [{ deny = "Fri 15:00 - Mon 07:00", timezone = "Europe/Berlin" }, { allow = "Mon-Fri 09:00-17:00" }]
        gates = [
            { kind = "order" },
            { kind = "soak", environment = "staging", soak = "1h" },
            { kind = "window", deny = "22:00 - 06:00" },
            { kind = "http", url = "https://changes.example/{{ sha }}", within = "1h" },
            { kind = "attestation", workflow = "release.yml" },
            { kind = "approvals" },
        ]
        [targets.t]
        kind = "workflow"
        workflow = "d.yml"
        "#,
    );
    let [staging, production] = config.environments.as_slice() else { panic!("{config:?}") };
    let later: [&str; 0] = [];
    assert_eq!(production.unsupported, later);
    let seconds: Vec<_> =
        production.after.iter().map(|a| (a.environment.as_str(), a.soak.as_secs(), a.deadline.as_secs())).collect();
    assert_eq!(seconds, [("staging", 0, 86_400), ("staging", 1800, 172_800)]);
    let approvals = production.approvals.as_ref().unwrap();
    assert_eq!((approvals.count, approvals.not_author, approvals.expiry.as_secs()), (2, true, 3600));
    assert_eq!((approvals.teams.join(","), approvals.users.join(",")), ("sre".into(), "octocat".into()));
    let said = |w: &Window| (w.deny.clone().map(String::from), w.allow.clone().map(String::from), w.timezone.clone());
    assert_eq!(said(&production.windows[0]), (Some("Fri 15:00 - Mon 07:00".into()), None, "Europe/Berlin".into()));
    assert_eq!(said(&production.windows[1]), (None, Some("Mon-Fri 09:00-17:00".into()), "UTC".into()));
    let kinds: Vec<_> =
        production.gates.iter().flatten().map(|gate| serde_json::to_value(gate).unwrap()["kind"].clone()).collect();
    assert_eq!(kinds, ["order", "soak", "window", "http", "attestation", "approvals"]);
    // What is stored with a plan is read again; a file that asks for none of it is stored as before.
    let stored = serde_json::to_value(&config).unwrap();
    assert_eq!(serde_json::from_value::<RepoConfig>(stored).unwrap(), config);
    let plain = serde_json::to_value(staging).unwrap();
    assert!(!["after", "windows", "approvals", "agents"].iter().any(|key| plain.as_object().unwrap().contains_key(*key)));
}

#[test]
fn checks_tests_and_metrics_arrive_whole() {
    let config = good(
        r#"
        [environments.e]
        traffic = { kind = "haproxy", balancer = "edge", backend = "web", slots = { blue = ["b"], green = ["g"] } }
        [[environments.e.health]]
        kind = "tcp"
        address = "{{ slot }}.example.com:5432"
        [[environments.e.health]]
        kind = "mcp"
        url = "{{ environment_url }}/mcp"
        [[environments.e.smoke]]
        name = "second of the file, first of the suite"
        kind = "http"
        url = "https://x/"
        timeout = "3s"
        retries = 1
        interval = "2s"
        [[environments.e.smoke]]
        name = "b"
        kind = "tcp"
        address = "x:1"
        [[environments.e.analysis]]
        kind = "prometheus"
        query = 'up{slot="{{ slot }}"}'
        expect = "value < 1.0"
        [[environments.e.analysis]]
        kind = "prometheus"
        prometheus = "eu"
        name = "errors"
        query = "up"
        baseline = "down"
        expect = "value < baseline"
        interval = "10s"
        count = 100
        failure_limit = 2
        window = 10
        consecutive_errors = 0
        inconclusive_limit = 1
        no_data = "failure"
        delay = "1m"
        [[environments.e.analysis]]
        kind = "haproxy"
        baseline = true
        expect = "error_rate <= baseline.error_rate"
        within = "1h"
        [targets.t]
        kind = "workflow"
        workflow = "d.yml"
        "#,
    );
    let [e] = config.environments.as_slice() else { panic!() };
    assert!(e.unsupported.is_empty());
    let seconds = |check: &HealthCheck| (check.place().to_owned(), check.within().as_secs(), check.interval().as_secs());
    assert_eq!(seconds(&e.health[0]), ("{{ slot }}.example.com:5432".into(), 300, 5));
    let HealthCheck::Mcp(mcp) = &e.health[1] else { panic!() };
    assert_eq!((mcp.expect.as_str(), mcp.timeout.as_secs()), ("size(tools) > 0", 20));
    let names: Vec<_> = e.smoke.iter().map(|test| (test.name.as_str(), test.retries)).collect();
    assert_eq!(names, [("second of the file, first of the suite", 1), ("b", 2)], "as in the file");
    assert_eq!(seconds(&e.smoke[0].check), ("https://x/".into(), 10, 2), "all tries have time");
    let names: Vec<_> = e.analysis.iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(names, ["prometheus 1", "errors", "haproxy 3"]);
    let AnalysisSource::Prometheus(first) = &e.analysis[0].source else { panic!() };
    assert_eq!((first.prometheus.as_str(), &first.baseline, first.timeout.as_secs()), ("default", &None, 10));
    let metric = &e.analysis[0].metric;
    assert_eq!((metric.count, metric.window, metric.failure_limit, metric.no_data), (5, 5, 0, NoData::Inconclusive));
    assert_eq!((metric.interval.as_secs(), metric.delay.as_secs(), metric.within.as_secs()), (30, 0, 450));
    let AnalysisSource::Prometheus(second) = &e.analysis[1].source else { panic!() };
    assert_eq!((second.prometheus.as_str(), &second.baseline), ("eu", &Some(Baseline::Query("down".into()))));
    let metric = &e.analysis[1].metric;
    assert_eq!((metric.consecutive_errors, metric.inconclusive_limit, metric.no_data), (0, 1, NoData::Failure));
    assert_eq!(metric.within.as_secs(), 3060);
    assert_eq!(e.analysis[2].source, AnalysisSource::Haproxy(HaproxySource { baseline: true }));
    assert_eq!(e.analysis[2].metric.within.as_secs(), 3600);
    let stored = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<RepoConfig>(&stored).unwrap(), config);
}
