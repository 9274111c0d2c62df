use super::*;

fn asked(keys: &str) -> Vec<String> {
    let rest = "[environments.staging]\n[targets.t]\nkind = \"workflow\"\nworkflow = \"d.yml\"\n";
    let text = format!("[environments.production]\n{keys}\n{rest}");
    let config = crate::config::repo::parse(&text, &|_| Ok(())).unwrap();
    let environment = config.environment(&EnvName::parse("production").unwrap()).unwrap();
    let kind = |gate: &GatePolicy| serde_json::to_value(gate).unwrap()["kind"].as_str().unwrap().to_owned();
    gates(environment).iter().map(kind).collect()
}

#[test]
fn the_keys_of_an_environment_become_gates_beside_those_that_it_lists() {
    assert_eq!(asked(""), ["tag", "checks", "lock"]);
    assert_eq!(asked("gates = []"), ["lock"], "whatever a file lists, a locked environment is locked");
    let keys = "after = [{ environment = \"staging\", soak = \"30m\" }]\napprovals = { count = 2 }\n\
                windows = [{ deny = \"Fri 15:00 - Mon 07:00\" }, { allow = \"09:00 - 17:00\" }]";
    assert_eq!(asked(keys), ["tag", "checks", "soak", "window", "approvals", "lock"]);
    assert_eq!(asked(&format!("{keys}\ngates = [{{ kind = \"order\" }}]")), ["soak", "window", "approvals", "lock"]);
}

#[test]
fn a_metric_that_can_never_be_judged_is_refused_before_anything_moves() {
    let judged = |expect: &str, more: &str| {
        let text = format!(
            "[environments.production]\nanalysis = [{{ kind = \"prometheus\", query = \"up\", expect = \"{expect}\"{more} }}]\n\
             [targets.t]\nkind = \"workflow\"\nworkflow = \"d.yml\"\n"
        );
        let config = crate::config::repo::parse(&text, &|_| Ok(())).unwrap();
        can_judge(&config.environments[0]).map_err(|refusal| refusal.code)
    };
    let bad = || Err("bad_expectation".to_owned());
    assert_eq!(judged("value < 0.01", ""), Ok(()));
    assert_eq!(judged("value < 2.0 * baseline", ", baseline = true"), Ok(()));
    assert_eq!(judged("value < 2.0 * baseline", ""), bad(), "there is no baseline");
    assert_eq!(judged("value < 2 * baseline", ", baseline = true"), bad(), "CEL does not mix kinds of numbers");
    assert_eq!(judged("status == 200", ""), bad(), "a name of another kind of check");
    assert_eq!(judged("value", ""), bad(), "not true or false");
}

#[test]
fn counters_of_copies_need_copies() {
    let moved = |strategy: &str| {
        let text = format!(
            "[environments.production]\nstrategy = {{ kind = \"{strategy}\" }}\ntraffic = {{ kind = \"haproxy\", balancer = \"edge\", backend = \
             \"shop\", slots = {{ blue = [\"a\"], green = [\"b\"] }} }}\nanalysis = [{{ kind = \"haproxy\", expect = \"error_rate < \
             0.05\" }}]\n[targets.t]\nkind = \"deployment\"\nreporters = [\"deployer[bot]\"]\n"
        );
        let config = crate::config::repo::parse(&text, &|_| Ok(())).unwrap();
        let environment = &config.environments[0];
        can_move(environment, &config.targets[&environment.target]).map_err(|refusal| refusal.code)
    };
    assert_eq!(moved("direct"), Err("analysis_needs_copies".to_owned()));
    assert_eq!(moved("blue_green"), Ok(()));
}

#[test]
fn whoever_acts_on_a_deployment_is_told_of_it_after_the_lock_is_taken() {
    let planned = |target: &str| {
        let text = format!("[environments.production]\n[targets.t]\n{target}\n");
        let config = crate::config::repo::parse(&text, &|_| Ok(())).unwrap();
        let environment = &config.environments[0];
        steps(environment, &config.targets[&environment.target]).into_iter().map(|step| step.name).collect::<Vec<_>>()
    };
    let reporter = planned("kind = \"deployment\"\nreporters = [\"deployer[bot]\"]");
    assert_eq!(reporter, ["lease", "deployment", "bring_up", "report"]);
    assert_eq!(planned("kind = \"workflow\"\nworkflow = \"d.yml\""), ["deployment", "lease", "bring_up", "report"]);
}
