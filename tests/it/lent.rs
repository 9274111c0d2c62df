//! What the operator has not lent is missed in the plan, before anything moves, and never in the middle of a deployment.

use crate::world::{Setup, World};
use lockkeeper::config::settings::{BalancerAddress, BalancerSettings, Repositories};
use std::time::Duration;

const CHECK: &str = "lockkeeper/live";

fn config(keys: &str, target: &str) -> String {
    format!("[environments.live]\non = [\"merge\"]\ntarget = \"t\"\n{keys}\n\n[targets.t]\n{target}\n")
}

const REPORTER: &str = "kind = \"deployment\"\nreporters = [\"deployer[bot]\"]";
const SLOTS: &str = "strategy = { kind = \"blue_green\" }\ntraffic = { kind = \"haproxy\", balancer = \"edge\", backend = \"db\", \
                     slots = { blue = [\"a\"], green = [\"b\"] } }";

fn cases() -> [(String, &'static str); 5] {
    [
        (config("", "kind = \"command\"\ncommand = \"deploy\""), "lends no command `deploy`"),
        (config("", "kind = \"http\"\nhook = \"deployer\""), "lends no hook `deployer`"),
        (
            config("analysis = [{ kind = \"prometheus\", query = \"up\", expect = \"value > 0.0\" }]", REPORTER),
            "lends no Prometheus",
        ),
        (config(&SLOTS.replace("edge", "other"), REPORTER), "lends no balancer `other`"),
        (config(SLOTS, REPORTER), "the backend db of the balancer edge"),
    ]
}

async fn world(text: &str) -> World {
    let mut setup = Setup::new().config(text);
    let edge = BalancerSettings {
        address: BalancerAddress::Tcp("127.0.0.1:9".into()),
        timeout: Duration::from_secs(1),
        backends: vec!["web".into()],
        repositories: Repositories(vec!["acme/*".into()]),
    };
    setup.resources.balancers.insert("edge".into(), edge);
    setup.start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_says_what_is_not_lent_and_nothing_is_begun() {
    for (text, says) in cases() {
        let world = world(&text).await;
        for ask in
            [["deploy", "live", "--repo", "acme/shop", "--dry-run"].as_slice(), &["validate", "live", "--repo", "acme/shop"]]
        {
            let (code, said, problem) = world.command_told(ask).await;
            assert_eq!((code, said.as_str()), (1, ""), "{ask:?}: {problem}");
            assert!(problem.contains(says), "{ask:?}: {problem}");
        }
        let sha = world.commit("feat: one");
        let check = world.check(&sha, CHECK, "failure").await;
        assert!(check.title.is_some_and(|title| title.contains(says)), "{says}");
        assert!(world.shop.deployments().is_empty(), "{says}");
        world.finish().await;
    }
}
