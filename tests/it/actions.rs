//! The actions as an operator types them: the real server against the stand-in for GitHub.

use lockkeeper::app::{Server, Tuning};
use lockkeeper::config::Secret;
use lockkeeper::config::settings::{AddressRange, App, CommandPrefix, Local, LogFormat, Resources, Serve};
use lockkeeper::sandbox::{CommitSeed, DeploymentReport, Fault, RepoHandle, RepoSeed, Sandbox, SandboxConfig};
use lockkeeper::store::Store;
use lockkeeper::store::audit;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const CONFIG: &str = r#"
[environments.production]
on = ["manual"]
target = "cluster"
url = "https://shop.example.com"

[targets.cluster]
kind = "deployment"
reporters = ["shipper[bot]"]
"#;

struct House {
    github: Sandbox,
    server: Server,
    folder: TempDir,
}

impl House {
    async fn build() -> Self {
        let github = Sandbox::start(SandboxConfig::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let settings = Serve {
            local: Local {
                listen: "127.0.0.1:0".into(),
                data_dir: folder.path().into(),
                log: "error".into(),
                log_format: LogFormat::Text,
            },
            app: App {
                app_id: github.app_id().to_string(),
                private_key: Secret::new(github.private_key_pem()),
                github_api_url: github.base_url().into(),
                public_url: None,
            },
            webhook_secrets: vec![Secret::new("secret")],
            allow_addresses: vec![AddressRange::parse("127.0.0.1").unwrap()],
            resources: Resources::default(),
            command_prefix: CommandPrefix::default(),
            sign_in: None,
        };
        let program = Some(PathBuf::from(env!("CARGO_BIN_EXE_lockkeeper")));
        let server = Server::start(settings, Tuning { program, ..Tuning::default() }).await.unwrap();
        github.set_webhook(&format!("http://{}/webhook", server.address), "secret");
        Self { github, server, folder }
    }

    /// A repository whose tags nobody has pushed while the server looked, with one passed check on its head.
    async fn shop(&self, config: &str) -> RepoHandle {
        let commits = [
            CommitSeed::new("feat: open the shop (#1)").file("shop.txt", "open").tagged("v1.0.0"),
            CommitSeed::new("chore: configure").file(".github/lockkeeper.toml", config),
            CommitSeed::new("fix(pay): count once (#2)").author("ann").file("pay.txt", "once").tagged("v1.0.1"),
        ];
        let shop = self.github.create_repo(RepoSeed::new("acme/shop").commits(commits)).unwrap();
        let head = shop.resolve("main").unwrap();
        shop.check("github-actions", &head, "build", "success").unwrap();
        until("the repository is known", async || self.json(&["status"]).await.1["repositories"][0].is_object()).await;
        // What the pushes of the seed started is over before anybody asks for anything.
        until("quiet", async || self.json(&["status"]).await.1["repositories"][0]["active"] == Value::Array(vec![])).await;
        shop
    }

    async fn cli(&self, arguments: &[&str]) -> (i32, String, String) {
        cli(self.folder.path(), arguments).await
    }

    async fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let (code, said, problem) = self.cli(&[arguments, &["--format", "json"]].concat()).await;
        let value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{arguments:?}: {code} {said} {problem}"));
        (code, value)
    }
}

/// (exit code, standard output, standard error)
async fn cli(data_dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_lockkeeper"));
    let output = command.args(arguments).arg("--data-dir").arg(data_dir).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

async fn until(what: &str, ready: impl AsyncFn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !ready().await {
        assert!(Instant::now() < end, "not within 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_planned_and_then_made_as_planned() {
    let house = House::build().await;
    let shop = house.shop(CONFIG).await;
    let ours = || shop.check_runs().into_iter().filter(|check| check.name.starts_with("lockkeeper/")).count();
    let before = (shop.releases().len(), ours());
    let tag = ["v1.0.1", "--repo", "acme/shop"];
    let (code, planned) = house.json(&[&["publish"], &tag[..], &["--dry-run"]].concat()).await;
    assert_eq!((code, &planned["outcome"]), (0, &"planned".into()), "{planned}");
    let (plan, notes) = (&planned["plan"], planned["notes"]["markdown"].as_str().unwrap());
    assert!(plan["digest"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(plan["pin"]["sha"], shop.resolve("main").unwrap().as_str());
    assert!(notes.contains("count once") && !notes.contains("open the shop"), "{notes}");
    let (_, kept) = house.json(&["runs", "show", planned["run"].as_str().unwrap()]).await;
    assert_eq!((&kept["workflow"], &kept["state"]), (&"look".into(), &"finished".into()));
    assert!(kept["steps"].as_array().unwrap().iter().any(|step| step["name"] == "plan"), "{kept}");
    assert_eq!(planned["notes"]["previous"], "v1.0.0");
    assert_eq!(planned["notes"]["next_version"], "1.0.1");
    assert_eq!(before, (shop.releases().len(), ours()), "a dry run changed something");
    let (_, text, _) = house.cli(&[&["publish"], &tag[..], &["--dry-run"]].concat()).await;
    for part in ["✓ pass", "checks", "make a draft release", "count once", "Nothing has been done."] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let (_, preview, _) = house.cli(&[&["preview"], &tag[..]].concat()).await;
    assert!(preview.starts_with(notes.lines().next().unwrap()), "{preview}");

    let (code, started) = house.json(&[&["publish"], &tag[..]].concat()).await;
    assert_eq!((code, &started["new"], &started["plan"]), (0, &true.into(), &plan["digest"]), "{started}");
    until("released", async || shop.releases().iter().any(|r| !r.draft && r.tag == "v1.0.1")).await;
    let release = shop.releases().into_iter().find(|r| r.tag == "v1.0.1").unwrap();
    assert!(release.body.starts_with(notes.trim_end()), "{}\n---\n{notes}", release.body);
    let (code, again) = house.json(&[&["publish"], &tag[..]].concat()).await;
    assert_eq!((code, &again["new"], &again["run"]), (0, &false.into(), &started["run"]));
    until("live", async || house.json(&["status"]).await.1["repositories"][0]["release"]["tag"] == "v1.0.1").await;
    assert!(house.github.violations().is_empty(), "{:?}", house.github.violations());

    let folder = house.folder;
    house.server.stop().await;
    let store = Store::open(folder.path()).unwrap();
    let rows = store.read(|rx| audit::latest(rx, 999)).await.unwrap();
    let of = |action: &str| rows.iter().filter(|row| row.action == action && row.door == "control").count();
    assert_eq!((of("publish"), of("notes")), (4, 1));
    assert!(of("status") > 0);
    let run = rows.iter().find_map(|row| row.run.clone()).unwrap();
    assert_eq!(run.as_str(), started["run"].as_str().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_by_hand_waits_is_seen_and_is_live() {
    let house = House::build().await;
    let shop = house.shop(CONFIG).await;
    let there = ["production", "--repo", "acme/shop"];
    let (code, valid) = house.json(&[&["validate"], &there[..]].concat()).await;
    assert_eq!((code, &valid["gates"]["status"]), (0, &"pass".into()), "{valid}");
    let (code, text, _) = house.cli(&[&["health"], &there[..]].concat()).await;
    assert!(code == 0 && text.contains("no health checks"), "{code} {text}");
    let (code, planned) = house.json(&[&["deploy"], &there[..], &["--dry-run", "--ref", "v1.0.1"]].concat()).await;
    assert_eq!((code, &planned["plan"]["pin"]["version"]), (0, &"1.0.1".into()));
    assert!(shop.deployments().is_empty(), "a dry run deployed");

    let (_, started) = house.json(&[&["deploy", "--detach"], &there[..]].concat()).await;
    assert_eq!(started["new"], true, "{started}");
    until("in progress", async || shop.deployments().iter().any(|d| d.state() == "in_progress")).await;
    let (_, again) = house.json(&[&["deploy", "--detach"], &there[..]].concat()).await;
    assert_eq!((&again["new"], &again["run"]), (&false.into(), &started["run"]));
    let (_, status) = house.json(&["status", "--repo", "acme/shop"]).await;
    let active = &status["repositories"][0]["active"][0];
    assert_eq!((&active["environment"], &active["holds_lock"]), (&"production".into(), &true.into()), "{status}");
    assert!(active["waits_for"][0].as_str().unwrap().contains("report"), "{active}");

    let deployment = shop.deployments()[0].id;
    shop.report_deployment(deployment, DeploymentReport::new("shipper[bot]", "success")).unwrap();
    until("live", async || house.json(&["status"]).await.1["repositories"][0]["live"][0]["environment"] == "production").await;
    // It is live before its run has told everybody.
    until("over", async || house.json(&["status"]).await.1["repositories"][0]["active"] == Value::Array(vec![])).await;
    let (_, text, _) = house.cli(&["status"]).await;
    assert!(["acme/shop", "production", "Nothing runs.", "inbox"].iter().all(|part| text.contains(part)), "{text}");
    let (_, another) = house.json(&[&["deploy", "--detach"], &there[..]].concat()).await;
    assert_eq!(another["new"], true, "what is live can be deployed again");
    assert!(house.github.violations().is_empty(), "{:?}", house.github.violations());
    house.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gates_that_do_not_pass_are_told_and_waited_for() {
    let house = House::build().await;
    let shop = house.shop(CONFIG).await;
    let head = shop.resolve("main").unwrap();
    let tests = shop.start_check("github-actions", &head, "slow tests").unwrap();
    let (code, text, _) = house.cli(&["validate", "production", "--repo", "acme/shop"]).await;
    assert!(code == 1 && text.contains("… waits") && text.contains("slow tests"), "{code} {text}");
    let (_, started) = house.json(&["deploy", "production", "--repo", "acme/shop", "--detach"]).await;
    assert_eq!(started["gates"]["status"], "pending");
    let waits = async || {
        let status = house.json(&["status"]).await.1;
        status["repositories"][0]["active"][0]["waits_for"][0].as_str().is_some_and(|why| why.contains("slow tests"))
    };
    until("it says what it waits for", waits).await;
    shop.complete_check(tests, "failure").unwrap();
    let (code, text, _) = house.cli(&["validate", "production", "--repo", "acme/shop"]).await;
    assert!(code == 1 && text.contains("✗ fail"), "{code} {text}");
    house.server.stop().await;
}

/// Also an annotated tag, whose push names the tag object and not the commit.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_release_is_tried_again_by_hand_and_a_moved_tag_stays_refused() {
    let house = House::build().await;
    let shop = house.shop(CONFIG).await;
    let ended = async |run: &Value| {
        let id = run["run"].as_str().unwrap();
        house.json(&["runs", "show", id]).await.1["state"] == "finished"
    };
    let one = shop.commit("main", CommitSeed::new("feat: sell more").file("more.txt", "1")).unwrap();
    shop.check("github-actions", &one, "build", "failure").unwrap();
    shop.annotated_tag("v1.1.0", &one, "More").unwrap();
    let conclusion = || shop.newest_check(&one, "lockkeeper/release").and_then(|check| check.conclusion);
    until("refused", async || conclusion().as_deref() == Some("failure")).await;
    let ask = ["publish", "v1.1.0", "--repo", "acme/shop"];
    let (_, again) = house.json(&ask).await;
    assert_eq!((&again["new"], &again["gates"]["status"]), (&true.into(), &"fail".into()), "{again}");
    until("refused again", async || ended(&again).await).await;
    let refused = || shop.releases().iter().all(|release| release.tag != "v1.1.0");
    assert!(refused());

    let two = shop.commit("main", CommitSeed::new("fix: sell less").file("more.txt", "0")).unwrap();
    shop.check("github-actions", &two, "build", "success").unwrap();
    shop.move_tag("v1.1.0", &two).unwrap();
    until("told", async || shop.newest_check(&two, "lockkeeper/release").is_some()).await;
    let (_, moved) = house.json(&ask).await;
    until("moved tags stay refused", async || ended(&moved).await).await;
    assert!(refused(), "a moved tag was released because somebody asked twice");
    house.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_is_told_of_trouble_at_github_within_moments() {
    let house = House::build().await;
    house.shop(CONFIG).await;
    house.github.fault(Fault::status("POST", "/graphql", 503).always());
    let started = Instant::now();
    let (code, _, problem) = house.cli(&["validate", "production", "--repo", "acme/shop"]).await;
    assert!(code == 2 && problem.contains("github_"), "{code} {problem}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    house.github.clear_faults();
    assert_eq!(house.cli(&["validate", "production", "--repo", "acme/shop"]).await.0, 0);
    // The settings have been read now: what keeps deployments out does not wait for GitHub.
    house.github.fault(Fault::status("POST", "/graphql", 503).always());
    let (code, said, problem) = house.cli(&["lock", "production", "--repo", "acme/shop"]).await;
    assert_eq!((code, problem.as_str()), (0, ""), "{said}");
    house.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_asked_once_and_metrics_tell_of_it_all() {
    let house = House::build().await;
    let at = house.server.address;
    let checks = format!(
        "{CONFIG}\n[[environments.production.health]]\nkind = \"http\"\nurl = \"http://{at}/healthz\"\nexpect = \"status == 200\"\n"
    );
    let shop = house.shop(&checks).await;
    let ask = ["health", "production", "--repo", "acme/shop"];
    let (code, report) = house.json(&ask).await;
    assert_eq!((code, &report["healthy"], &report["checks"][0]["ok"]), (0, &true.into(), &true.into()), "{report}");
    let sick = checks.replace("status == 200", "status == 418");
    shop.commit("main", CommitSeed::new("chore: be a teapot").file(".github/lockkeeper.toml", &sick)).unwrap();
    let (code, text, _) = house.cli(&ask).await;
    assert!(code == 1 && text.contains('✗') && text.contains("not healthy"), "{code} {text}");

    let metrics = reqwest::get(format!("http://{at}/metrics")).await.unwrap().text().await.unwrap();
    let value = |name: &str| -> f64 {
        let line = metrics.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}\n{metrics}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    for above in [
        "lockkeeper_github_calls ",
        "lockkeeper_github_quota{",
        "lockkeeper_deliveries_total{event=\"push\",status=\"accepted\"}",
        "lockkeeper_store_commit_seconds{quantile=\"0.5\"}",
        "lockkeeper_store_commit_seconds{quantile=\"0.99\"}",
    ] {
        assert!(value(above) > 0.0, "{above} is zero");
    }
    assert_eq!(value("lockkeeper_dead_letters "), 0.0);
    house.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_says_why_and_what_to_do() {
    let house = House::build().await;
    let shop = house.shop(CONFIG).await;
    let releases = shop.releases().len();
    for (arguments, code) in [
        (["publish", "v1.0.1", "--repo", "acme/none"].as_slice(), "repo_unknown"),
        (&["publish", "v9.0.0", "--repo", "acme/shop"], "tag_gone"),
        (&["preview", "nightly", "--repo", "acme/shop"], "tag_not_a_version"),
        (&["deploy", "moon", "--repo", "acme/shop"], "unknown_environment"),
        (&["lock", "moon", "--repo", "acme/shop"], "Use one of production"),
        (&["deploy", "production", "--repo", "acme/shop", "--ref", "v9.0.0"], "tag_gone"),
        (&["deploy", "production", "--repo", "acme/shop", "--ref", "a b"], "ref_invalid"),
        (&["deploy", "production", "--repo", "acme/shop", "--ref", &"ab".repeat(20)], "commit_unknown"),
    ] {
        let (exit, said, problem) = house.cli(arguments).await;
        assert_eq!((exit, said.as_str()), (2, ""), "{arguments:?}: {problem}");
        assert!(problem.contains(code), "{arguments:?}: {problem}");
    }
    assert_eq!((shop.releases().len(), shop.deployments().len()), (releases, 0));
    let folder = house.folder;
    house.server.stop().await;
    let (code, _, problem) = cli(folder.path(), &["status"]).await;
    let (none, _, nowhere) = cli(Path::new("/nowhere"), &["status"]).await;
    assert!(none == 2 && nowhere.contains("server_not_running"), "{nowhere}");
    assert!(code == 2 && problem.contains("server_not_running"), "{problem}");
    let store = Store::open(folder.path()).unwrap();
    let rows = store.read(|rx| audit::latest(rx, 999)).await.unwrap();
    assert!(rows.iter().any(|row| row.decision == "refused:repo_unknown"), "a refusal left no row");
}
