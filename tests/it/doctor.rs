//! `lockkeeper doctor` against the stand-in for GitHub: well, and each way of not being well.

use lockkeeper::app::examine;
use lockkeeper::config::Secret;
use lockkeeper::config::repo::CONFIG_PATH;
use lockkeeper::config::settings::{App, CommandSettings, Local, LogFormat, Repositories, Resources, SignIn};
use lockkeeper::sandbox::{CommitSeed, RepoSeed, Sandbox, SandboxConfig};
use lockkeeper::surfaces::cli::doctor::Finding;
use serde_json::Value;
use std::path::Path;

const PUBLIC: &str = "http://127.0.0.1:9";

fn sandbox(config: SandboxConfig) -> Sandbox {
    let github = Sandbox::start(config).unwrap();
    github.set_webhook(&format!("{PUBLIC}/webhook"), "secret");
    github.create_repo(RepoSeed::new("acme/shop").commit(CommitSeed::new("feat: open"))).unwrap();
    github
}

fn app(github: &Sandbox) -> App {
    App {
        app_id: github.app_id().to_string(),
        private_key: Secret::new(github.private_key_pem()),
        github_api_url: github.base_url().into(),
        public_url: Some(PUBLIC.into()),
    }
}

/// The codes of everything that is not well.
async fn problems(app: &App, data_dir: &Path) -> Vec<String> {
    let local = Local { listen: String::new(), data_dir: data_dir.into(), log: "off".into(), log_format: LogFormat::Text };
    asked(examine(&local, app, &Resources::default(), None).await)
}

fn asked(findings: Vec<Finding>) -> Vec<String> {
    for finding in findings.iter().filter_map(|finding| finding.problem.as_ref()) {
        assert!(finding.message.ends_with('.') && finding.fix.ends_with('.'), "{finding:?}");
    }
    findings.into_iter().filter_map(|finding| finding.problem).map(|problem| problem.code).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_thing_that_is_not_well_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let github = sandbox(SandboxConfig::default());
    let none: [&str; 0] = [];
    assert_eq!(problems(&app(&github), at).await, none);
    assert_eq!(problems(&app(&github), &at.join("not/yet/there")).await, none);
    assert_eq!(problems(&app(&github), Path::new("/proc/lockkeeper")).await, ["data_dir_unwritable"]);

    let moved = App { public_url: Some("https://ship.example.com".into()), ..app(&github) };
    assert_eq!(problems(&moved, at).await, ["webhook_url_wrong"]);
    let other = Sandbox::start(SandboxConfig::default()).unwrap();
    let wrong_key = App { private_key: Secret::new(other.private_key_pem()), ..app(&github) };
    assert_eq!(problems(&wrong_key, at).await, ["github_unauthorized"]);
    let no_key = App { private_key: Secret::new("nothing"), ..app(&github) };
    assert_eq!(problems(&no_key, at).await, ["app_private_key"]);
    assert_eq!(problems(&app(&other), at).await, ["webhook_missing", "app_not_installed"]);

    github.set_clock_offset(120_000);
    assert_eq!(problems(&app(&github), at).await, ["clock_off"]);
    github.set_clock_offset(0);
    github.set_permission("acme", "deployments", Some("read")).unwrap();
    assert_eq!(problems(&app(&github), at).await, ["installation_permission_missing"]);
    github.suspend("acme", true).unwrap();
    assert_eq!(problems(&app(&github), at).await, ["installation_suspended"]);
}

/// What a repository asks for and nobody lends is said before anybody deploys with it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_lent_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let github = sandbox(SandboxConfig::default());
    let text = "[environments.staging]\ntarget = \"t\"\n\n[targets.t]\nkind = \"command\"\ncommand = \"deploy\"\n";
    let seed = RepoSeed::new("acme/other").commit(CommitSeed::new("feat: open").file(CONFIG_PATH, text));
    github.create_repo(seed).unwrap();
    let local = Local { listen: String::new(), data_dir: folder.path().into(), log: "off".into(), log_format: LogFormat::Text };
    let mut resources = Resources::default();
    let findings = examine(&local, &app(&github), &resources, None).await;
    let told = findings.iter().find(|finding| finding.check == "lent").unwrap();
    assert!(told.found.contains("acme/other, staging") && told.found.contains("`deploy`"), "{}", told.found);
    assert_eq!(asked(findings), ["not_lent"]);
    let command = CommandSettings {
        run: vec!["/bin/true".into()],
        observe: None,
        env: Default::default(),
        pass_env: Vec::new(),
        directory: None,
        timeout: std::time::Duration::from_secs(1),
        repositories: Repositories(vec!["acme/*".into()]),
    };
    resources.commands.insert("deploy".into(), command);
    assert_eq!(asked(examine(&local, &app(&github), &resources, None).await), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_secret_that_github_does_not_take_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let github = sandbox(SandboxConfig::default());
    let local = Local { listen: String::new(), data_dir: folder.path().into(), log: "off".into(), log_format: LogFormat::Text };
    for (secret, said) in [(github.client_secret(), None), ("another one".to_owned(), Some("client_secret_wrong"))] {
        let sign_in = SignIn { client_id: github.client_id(), client_secret: Secret::new(secret) };
        let findings = examine(&local, &app(&github), &Resources::default(), Some(&sign_in)).await;
        assert_eq!(asked(findings), said.into_iter().collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_was_registered_with_less_is_told_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = SandboxConfig::default();
    config.permissions.remove("statuses");
    config.events.retain(|event| event != "check_suite");
    let github = sandbox(config);
    let found = problems(&app(&github), folder.path()).await;
    assert_eq!(found, ["app_permission_missing", "app_event_missing", "installation_permission_missing"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_prints_lines_or_json_and_tells_by_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let github = sandbox(SandboxConfig::default());
    let doctor = |public: &'static str, more: &'static [&'static str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_lockkeeper"));
        command.current_dir(folder.path()).args(["doctor", "--public-url", public]).args(more);
        command.env("LOCKKEEPER_APP_ID", github.app_id().to_string());
        command.env("LOCKKEEPER_PRIVATE_KEY", github.private_key_pem());
        command.env("LOCKKEEPER_GITHUB_API_URL", github.base_url());
        async move {
            let output = command.output().await.unwrap();
            (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
        }
    };
    let (code, text) = doctor(PUBLIC, &[]).await;
    assert!(code == 0 && !text.contains('✗') && text.ends_with("Everything is as it must be.\n"), "{code}\n{text}");
    for check in
        ["key", "permissions", "events", "webhook", "installation", "lent", "clock", "quota", "people", "data_dir", "git"]
    {
        assert!(text.contains(&format!("✓ {check:<12}")), "{check} is missing in\n{text}");
    }
    let (code, text) = doctor("https://ship.example.com", &[]).await;
    assert!(code == 1 && text.contains("✗ webhook") && text.contains("[webhook_url_wrong]"), "{code}\n{text}");
    let (code, json) = doctor("https://ship.example.com", &["--format", "json"]).await;
    let findings: Vec<Value> = serde_json::from_str(&json).unwrap();
    let bad: Vec<&Value> = findings.iter().filter(|finding| !finding["problem"].is_null()).collect();
    assert_eq!((code, bad.len(), &bad[0]["problem"]["code"]), (1, 1, &"webhook_url_wrong".into()));
    let (code, _) = doctor("not a url", &[]).await;
    assert_eq!(code, 64);
}
