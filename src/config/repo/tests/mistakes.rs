//! Each mistake has its code and its place.

use super::*;

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
fn a_circle_of_environments_is_named_at_each_link() {
    let text = format!(
        "[environments.a]\ntarget = \"t\"\nafter = [{{ environment = \"b\" }}]\n[environments.b]\ntarget = \"t\"\nafter = [{{ environment = \"a\" }}]\n{REST}"
    );
    assert_eq!(codes(&text), "after_cycle@3:26+3 after_cycle@6:26+3");
}
