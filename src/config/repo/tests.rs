//! Tables of files and what is said about them.

use super::*;
use crate::config::problem::{Problem, Problems};
use std::time::Instant;

fn cel(text: &str) -> Result<(), String> {
    if text.contains("==)") { Err("unexpected `)`".into()) } else { Ok(()) }
}

fn good(text: &str) -> RepoConfig {
    parse(text, &cel).unwrap_or_else(|p| panic!("{p}\n{text}"))
}

fn bad(text: &str) -> Vec<Problem> {
    let Err(Problems(problems)) = parse(text, &cel) else { panic!("accepted: {text}") };
    for p in &problems {
        let line = text.split('\n').nth(p.line - 1).unwrap_or_else(|| panic!("line {} of {text}", p.line));
        let chars = line.chars().count();
        assert!(p.column <= chars + 1 && p.length >= 1, "{p:?} in {line:?}");
        assert!(p.column + p.length <= chars + 2, "{p:?} in {line:?}");
        assert!(p.message.ends_with('.') && p.fix.ends_with(['.', '?']), "{p:?}");
        assert!(!p.message.contains('\n') && !p.fix.contains('\n'), "{p:?}");
    }
    assert!(problems.is_sorted_by_key(|p| (p.line, p.column)), "{problems:?}");
    problems
}

/// `code@line:column+length`, joined.
fn codes(text: &str) -> String {
    let all: Vec<String> = bad(text).iter().map(|p| format!("{}@{}:{}+{}", p.code, p.line, p.column, p.length)).collect();
    all.join(" ")
}

#[test]
fn nothing_is_a_configuration() {
    for text in ["", "\n\n# nothing\n", "\u{feff}", "[release]\n"] {
        assert_eq!(good(text), RepoConfig::default(), "{text:?}");
    }
}

#[test]
fn the_example_of_everything_is_accepted_and_what_cannot_be_enforced_is_named() {
    let text = include_str!("testdata/everything.toml");
    let report = check(text, &cel);
    let config = report.outcome.unwrap();
    assert_eq!(config.release.tag.as_deref(), Some("v{version}"));
    let [staging, production] = config.environments.as_slice() else { panic!("{config:?}") };
    assert_eq!((staging.name.as_str(), staging.on.as_slice()), ("staging", &[Trigger::Merge][..]));
    assert!(staging.unsupported.is_empty());
    assert_eq!(staging.gates, None);
    let in_file_order = ["approvals", "agents", "gates.kind = \"peer\""];
    assert_eq!(production.unsupported, in_file_order);
    assert!(report.warnings.is_sorted_by_key(|w| (w.line, w.column)));
    let step = |weight, minutes: u64| GradualStep { weight, bake: Duration::from_secs(60 * minutes) };
    assert_eq!(production.strategy, Strategy::Gradual { steps: vec![step(10, 5), step(50, 10)] });
    assert_eq!((production.rollback, &production.traffic), (Rollback::Automatic, &Traffic::Target));
    assert_eq!((staging.rollback, &staging.strategy), (Rollback::Manual, &Strategy::Direct));
    let gates = production.gates.as_deref().unwrap();
    assert_eq!(gates, [GatePolicy::Checks(ChecksPolicy::default()), GatePolicy::Unsupported { name: "peer".into() }]);
    assert_eq!(report.warnings.len(), production.unsupported.len());
    assert!(report.warnings.iter().all(|w| w.code == "not_supported_yet" && w.message.contains("production")));
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
    // Nobody can agree, answer or attest yet.
    let later = ["approvals", "gates.kind = \"http\"", "gates.kind = \"attestation\"", "gates.kind = \"approvals\""];
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
    assert!(!["after", "windows", "approvals"].iter().any(|key| plain.as_object().unwrap().contains_key(*key)));
}

const REST: &str = "[targets.t]\nkind = \"workflow\"\nworkflow = \"d.yml\"\n";

#[test]
fn each_mistake_has_its_code_and_place() {
    let env = |line: &str| format!("[environments.e]\ntarget = \"t\"\n{line}\n{REST}");
    let prometheus = |query: &str, more: &str| {
        let comma = if more.is_empty() { "" } else { ", " };
        env(&format!("analysis = [{{ kind = \"prometheus\", query = \"{query}\", expect = \"value < 1\"{comma}{more} }}]"))
    };
    let haproxy = |backend: &str, blue: &str, green: &str| {
        let slots = format!("{{ blue = [{blue}], green = [{green}] }}");
        format!("traffic = {{ kind = \"haproxy\", balancer = \"e\", backend = \"{backend}\", slots = {slots} }}")
    };
    for (text, expected) in [
        ("x = 1".to_owned(), "unknown_key@1:1+1"),
        ("[release]\ntagg = \"v{version}\"".into(), "unknown_key@2:1+4"),
        ("[release]\ntag = 1".into(), "wrong_type@2:7+1"),
        ("[release]\ntag = \"v1\"".into(), "bad_tag_pattern@2:7+4"),
        ("[release]\ntag = \"{version}{version}\"".into(), "bad_tag_pattern@2:7+20"),
        ("[release]\ntag = \"v {version}\"".into(), "bad_tag_pattern@2:7+13"),
        ("[release]\ntag = \"{x}{version}\"".into(), "bad_tag_pattern@2:7+14"),
        ("[release]\nbranches = [\"a\", \"[\"]".into(), "bad_pattern@2:18+3"),
        ("[release]\nbranches = \"main\"".into(), "wrong_type@2:12+6"),
        ("[release]\nnotes = \"../x\"".into(), "bad_path@2:9+6"),
        ("[release]\nnotes = \"/etc/passwd\"".into(), "bad_path@2:9+13"),
        ("[release]\ngates = [{ kind = \"chekcs\" }]".into(), "unknown_value@2:19+8"),
        ("[release]\ngates = [{ }]".into(), "missing_key@2:10+3"),
        ("[release]\ngates = [{ kind = 1 }]".into(), "wrong_type@2:19+1"),
        ("[release]\ngates = [\"tag\"]".into(), "wrong_type@2:10+5"),
        ("[release]\ngates = [{ kind = \"checks\", wait = \"soon\" }]".into(), "bad_duration@2:36+6"),
        ("[release]\ngates = [{ kind = \"checks\", deadline = \"1s\" }]".into(), "out_of_range@2:40+4"),
        ("[release]\ngates = [{ kind = \"tag\", x = 1 }]".into(), "unknown_key@2:26+1"),
        ("[release]\npublish_after = [\"nowhere\"]".into(), "unknown_environment@2:18+9"),
        ("[release]\ntag = \"v{version}\"\ntag = \"v{version}\"".into(), "duplicate_key@3:1+3"),
        (env("url = \"ftp://x\""), "bad_url@3:7+9"),
        (env("url = \"https://user:pw@x\""), "bad_url@3:7+19"),
        (env("url = \"x\""), "bad_url@3:7+3"),
        (env("on = [\"tags\"]"), "unknown_value@3:7+6"),
        (env("production = \"yes\""), "wrong_type@3:14+5"),
        (env("strategy = \"canary\""), "unknown_value@3:12+8"),
        (env("strategy = { kind = \"canary\" }"), "unknown_value@3:21+8"),
        (env("strategy = 3"), "wrong_type@3:12+1"),
        (env("strategy = { kind = \"gradual\", steps = [{ weight = 101 }] }"), "out_of_range@3:52+3"),
        (env("strategy = { kind = \"gradual\", steps = [] }"), "empty_list@3:40+2"),
        (env("strategy = { kind = \"gradual\", steps = [{ weight = 0 }] }"), "out_of_range@3:52+1"),
        (env("strategy = { kind = \"gradual\", steps = [{ weight = 10 }, { weight = 10 }] }"), "weights_not_increasing@3:69+2"),
        (
            env("strategy = { kind = \"gradual\", steps = [{ weight = 50 }, { weight = 10 }, { weight = 5 }] }"),
            "weights_not_increasing@3:69+2",
        ),
        (env("strategy = { kind = \"gradual\", steps = [{ weight = 60 }, { weight = 160 }] }"), "out_of_range@3:69+3"),
        (env("strategy = { kind = \"gradual\", steps = [{ weight = 10.5 }] }"), "wrong_type@3:52+4"),
        (env("strategy = \"gradual\""), "unknown_value@3:12+9"),
        (env("traffic = \"haproxy\""), "unknown_value@3:11+9"),
        (env("traffic = { kind = \"haproxy\", balancer = \"e\", backend = \"w\" }"), "missing_key@3:11+51"),
        (env(&haproxy("web;x", "\"a\"", "\"b\"")), "bad_name@3:57+7"),
        (env(&haproxy("web", "\"a b\"", "\"b\"")), "bad_name@3:82+5"),
        (env(&haproxy("web", "", "\"b\"")), "empty_list@3:81+2"),
        (env(&haproxy("web", "\"a\"", "\"b\", \"a\"")), "server_twice@3:102+3"),
        (env("rollback = \"auto\""), "unknown_value@3:12+6"),
        (env("after = [{ environment = \"e\" }]"), "after_cycle@3:26+3"),
        (env("after = [{ environment = \"f\" }]"), "unknown_environment@3:26+3"),
        (env("after = [{ environment = \"e\", soak = \"1h\", deadline = \"31d\" }]"), "after_cycle@3:26+3 out_of_range@3:55+5"),
        (env("windows = [{ deny = \"Friday\" }]"), "bad_window@3:21+8"),
        (env("windows = [{ allow = \"15:00 - 15:00\" }]"), "bad_window@3:22+15"),
        (env("windows = [{ timezone = \"UTC\" }]"), "missing_key@3:12+20"),
        (env("windows = [{ deny = \"09:00 - 10:00\", timezone = \"Europe/Berln\" }]"), "bad_timezone@3:49+14"),
        (env(&format!("windows = [{}]", "{ deny = \"09:00 - 10:00\" },".repeat(21))), "too_many@3:11+569"),
        (env("gates = [{ kind = \"window\" }]"), "missing_key@3:10+19"),
        (env("approvals = { count = 0 }"), "out_of_range@3:23+1"),
        (env("approvals = { count = 21 }"), "out_of_range@3:23+2"),
        (env("approvals = { users = [\"@bob\"] }"), "bad_login@3:24+6"),
        (env("approvals = { teams = [\"acme/sre\"] }"), "bad_login@3:24+10"),
        (env("approvals = { count = 2, users = [\"bob\", \"Bob\"] }"), "approvals_out_of_reach@3:13+37"),
        (env("approvals = { expiry = \"1s\" }"), "out_of_range@3:24+4"),
        (env("gates = [{ kind = \"approvals\", count = 3, users = [\"bob\"] }]"), "approvals_out_of_reach@3:10+50"),
        (env("gates = [{ kind = \"http\", url = \"https://x\", expect = \"(a ==)\" }]"), "bad_expression@3:55+8"),
        (env("gates = [{ kind = \"attestation\", workflow = \"a/b.yml\" }]"), "bad_workflow@3:45+9"),
        (env("gates = [{ kind = \"soak\", environment = \"e\" }]"), "missing_key@3:10+36 after_cycle@3:41+3"),
        (env("gates = [{ kind = \"lock\" }]"), "unknown_value@3:19+6"),
        (env("health = [{ kind = \"http\", url = \"https://x\", expect = \"(a ==)\" }]"), "bad_expression@3:56+8"),
        (env("health = [{ kind = \"http\", url = \"{{ host }}\" }]"), "bad_url@3:34+12"),
        (env("health = [{ kind = \"http\", url = \"{{ version }}://x\" }]"), "bad_url@3:34+19"),
        (env("health = [{ kind = \"http\" }]"), "missing_key@3:11+17"),
        (env("health = [{ kind = \"tcp\", address = \"x\" }]"), "bad_address@3:37+3"),
        (env("health = [{ kind = \"tcp\", address = \"{{ environment_url }}:80\" }]"), "bad_address@3:37+26"),
        (
            env("health = [{ kind = \"mcp\", peer = \"x\", tool = \"y\" }]"),
            "missing_key@3:11+40 unknown_key@3:27+4 unknown_key@3:39+4",
        ),
        (env("smoke = [{ kind = \"tcp\", address = \"x:1\" }]"), "missing_key@3:10+33"),
        (env("smoke = [{ kind = \"peer\", name = \"x\" }]"), "unknown_value@3:19+6"),
        (env("smoke = [{ kind = \"tcp\", name = \"\", address = \"x:1\" }]"), "bad_length@3:33+2"),
        (env("smoke = [{ kind = \"tcp\", name = \"a\", address = \"x:1\", retries = 11 }]"), "out_of_range@3:65+2"),
        (
            env(
                "smoke = [{ kind = \"tcp\", name = \"a\", address = \"x:1\" }, { kind = \"tcp\", name = \"a\", address = \"x:2\" }]",
            ),
            "duplicate_name@3:80+3",
        ),
        (prometheus("up", "baseline = 3"), "wrong_type@3:83+1"),
        (prometheus("up", "baseline = \"up{{{ slot }}}\""), "bad_query@3:83+16"),
        (prometheus("{{ slot }}", ""), "bad_query@3:44+12"),
        (prometheus("up{a='{{ environment_url }}'}", ""), "bad_query@3:44+31"),
        (prometheus("up", "url = \"http://10.0.0.1\""), "unknown_key@3:72+3"),
        (prometheus("up", "prometheus = \"http://10.0.0.1:9090\""), "bad_name@3:85+22"),
        (prometheus("up", "no_data = \"pass\""), "unknown_value@3:82+6"),
        (prometheus("up", "count = 0"), "out_of_range@3:80+1"),
        (prometheus("up", "failure_limit = 5"), "never_fails@3:88+1"),
        (prometheus("up", "count = 9, window = 2, failure_limit = 2"), "never_fails@3:111+1"),
        (prometheus("up", "interval = \"0s\""), "out_of_range@3:83+4"),
        (prometheus("up", "expect = \"x\""), "duplicate_key@3:72+6"),
        (env("analysis = [{ kind = \"haproxy\", expect = \"requests > 1.0\" }]"), "no_balancer@3:22+9"),
        ("[environments.e]\ntarget = \"nope\"\n".into(), "unknown_target@2:10+6"),
        ("[environments.e]\n".into(), "missing_target@1:1+16"),
        (format!("[environments.\"a b\"]\ntarget = \"t\"\n{REST}"), "bad_environment_name@1:15+5"),
        ("[targets.t]\nkind = \"http\"".into(), "missing_key@1:1+11"),
        ("[targets.t]\nkind = \"http\"\nhook = \"a\"\nurl = \"https://x\"".into(), "hook_and_url@1:1+11"),
        ("[targets.t]\nkind = \"http\"\nurl = \"https://{{ secret }}\"".into(), "bad_url@3:7+22"),
        ("[targets.t]\nkind = \"command\"".into(), "missing_key@1:1+11"),
        ("[targets.t]\nkind = \"command\"\ncommand = \"rm -rf\"".into(), "bad_name@3:11+8"),
        ("[targets.t]\nkind = \"ssh\"".into(), "unknown_value@2:8+5"),
        ("[targets.t]\nkind = \"workflow\"\nworkflow = \".github/workflows/x.yml\"".into(), "bad_workflow@3:12+25"),
        ("[targets.t]\nkind = \"deployment\"\nreporters = []".into(), "empty_list@3:13+2"),
        ("[targets.t]\nkind = \"deployment\"\nreporters = [\"a b\"]".into(), "bad_reporter@3:14+5"),
        (
            "[targets.t]\nkind = \"workflow\"\nworkflow = \"x.yml\"\ninputs = { a = \"{{ secret }}\" }".into(),
            "bad_placeholder@4:16+14",
        ),
        (
            "[[component]]\nname = \"a\"\ntag = \"v{version}\"\n[[component]]\nname = \"a\"\ntag = \"w{version}\"".into(),
            "duplicate_component@5:8+3",
        ),
        (
            "[[component]]\nname = \"a\"\ntag = \"v{version}\"\n[[component]]\nname = \"b\"\ntag = \"v{version}\"".into(),
            "overlapping_tags@6:7+12",
        ),
        (
            "[[component]]\nname = \"a\"\ntag = \"{version}\"\n[[component]]\nname = \"b\"\ntag = \"{version}-rc\"".into(),
            "overlapping_tags@6:7+14",
        ),
        ("[release]\ntag = \"v{version}".into(), "syntax@2:18+1"),
        ("environments = 3".into(), "wrong_type@1:16+1"),
    ] {
        assert_eq!(codes(&text), expected, "{text}");
    }
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

#[test]
fn all_problems_come_at_once_in_order() {
    let text = "\
[release]
tagg = 1
branches = [\"ok\", \"not ok\"]
= broken
[environments.\"pro duction\"]
target = \"nowhere\"
url = \"gopher://x\"
on = [\"mrege\"]
[targets.actions]
kind = \"workflow\"
";
    let shown: Vec<String> = bad(text).iter().map(|p| format!("{}:{} {} {}", p.line, p.column, p.message, p.fix)).collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_circle_of_environments_is_named_at_each_link() {
    let text = format!(
        "[environments.a]\ntarget = \"t\"\nafter = [{{ environment = \"b\" }}]\n[environments.b]\ntarget = \"t\"\nafter = [{{ environment = \"a\" }}]\n{REST}"
    );
    assert_eq!(codes(&text), "after_cycle@3:26+3 after_cycle@6:26+3");
}

#[test]
fn kinds_of_later_versions_are_read_named_and_refused() {
    let text = "\
[release]
publish_after = [\"e\"]
gates = [{ kind = \"order\" }]
[environments.e]
target = \"h\"
health = [{ kind = \"peer\", peer = \"testing\", tool = \"smoke\", expect = \"result.ok\" }]
after = []
[targets.h]
kind = \"command\"
command = \"deploy\"
";
    let report = check(text, &cel);
    let config = report.outcome.unwrap();
    assert_eq!(config.release.publish_after, ["e"].map(|name| EnvName::parse(name).unwrap()));
    assert_eq!(config.release.unsupported, ["gates.kind = \"order\""]);
    assert_eq!(config.environments[0].unsupported, ["health.kind = \"peer\""]);
    assert_eq!(report.warnings.len(), 2);
}

#[test]
fn hostile_files_are_refused_at_once() {
    let deep = |n: usize| format!("x = {}{}", "[".repeat(n), "]".repeat(n));
    let fits = SIZE_LIMIT - 100;
    for text in [
        "a".repeat(SIZE_LIMIT + 1),
        deep(fits / 2),
        "[".repeat(fits),
        "{a=".repeat(fits / 3),
        format!("x = {}", "{a=".repeat(fits / 3)),
        format!("{}a = 1", "a.".repeat(fits / 2)),
        format!("[{}a]", "a.".repeat(fits / 2)),
        format!("{}a.b = 1\n", "a.".repeat(30)).repeat(fits / 70),
        format!("release.branches = [{}]", "1,".repeat(fits / 3)),
        "[[component]]\n".repeat(fits / 14),
        "x".repeat(fits),
        "\"".repeat(fits),
        "'''".repeat(fits / 3),
        "\u{0}".repeat(fits),
        "é\n".repeat(fits / 3),
        (0..2500).map(|i| format!("[environments.e{i}]\nafter=[{{environment=\"e{}\"}}]\n", i + 1)).collect::<String>()[..fits]
            .to_owned(),
        (0..5000).map(|i| format!("key{i} = 1\n")).collect(),
    ] {
        let start = Instant::now();
        let problems = bad(&text);
        let took = start.elapsed();
        assert!(problems.len() <= 101, "{}", problems.len());
        assert!(took.as_millis() < 2000, "{took:?} for {:?}", &text[..20.min(text.len())]);
        if std::env::var_os("SHOW_TIMES").is_some() {
            println!("{took:?} {} {:?}", problems.len(), text.chars().take(24).collect::<String>());
        }
    }
}

/// Pieces that together come close to real files, so that the walk is reached and not only the parser.
fn piece() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    const WORDS: [&str; 40] = [
        "[release]\n",
        "[environments.e]\n",
        "[[environments.e.gates]]\n",
        "[[environments.e.health]]\n",
        "[targets.t]\n",
        "[[component]]\n",
        "[environments]\n",
        "tag",
        "kind",
        "gates",
        "target",
        "on",
        "after",
        "strategy",
        "environment",
        "expect",
        "wait",
        "inputs",
        "name",
        " = ",
        "=",
        "\n",
        "\r\n",
        "\"",
        "'''",
        "{",
        "}",
        "[",
        "]",
        ",",
        ".",
        "\"v{version}\"",
        "\"checks\"",
        "\"http\"",
        "\"e\"",
        "\"t\"",
        "1",
        "true",
        "é",
        "\u{0}",
    ];
    prop_oneof![
        8 => proptest::sample::select(&WORDS[..]).prop_map(str::to_owned),
        1 => "\\PC{0,4}",
        1 => "[a-z_]{1,8} = \"[^\"\\n]{0,12}\"\\n",
    ]
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 600, ..Default::default() })]

    /// Whatever the text: no panic, and every position lies inside it (checked by `bad`).
    #[test]
    fn any_text_is_judged(pieces in proptest::collection::vec(piece(), 0..60)) {
        let text = pieces.concat();
        if parse(&text, &cel).is_err() {
            bad(&text);
        }
    }

    /// A real file with one part cut out or written over.
    #[test]
    fn any_slip_in_a_real_file_is_judged(at in 0_usize..2500, cut in 0_usize..40, put in "\\PC{0,3}|[\"\\[\\]{}=.\\n]{1,3}") {
        let mut text = include_str!("testdata/everything.toml").to_owned();
        let floor = |at: usize| (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        let (from, to) = (floor(at), floor(at + cut));
        text.replace_range(from..to, &put);
        if parse(&text, &cel).is_err() {
            bad(&text);
        }
    }
}
