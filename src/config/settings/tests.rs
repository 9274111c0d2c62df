//! Where settings come from and what is said about wrong ones.

use super::*;

fn pem() -> String {
    format!("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n", "QUJD".repeat(40))
}

/// Flags that name a file with this text, so that the folder of the test run does not matter.
fn with_file(folder: &tempfile::TempDir, text: &str) -> Flags {
    let file = folder.path().join("settings.toml");
    std::fs::write(&file, text).unwrap();
    Flags { settings: Some(file), ..Flags::default() }
}

fn codes(problems: &[Refusal]) -> Vec<&str> {
    problems.iter().map(|p| p.code.as_str()).collect()
}

#[test]
fn a_flag_beats_the_file_and_the_file_beats_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let mut flags = with_file(&folder, "listen = \"0.0.0.0:1\"\nlog = \"debug\"\n");
    let local = flags.local().unwrap();
    assert_eq!((local.listen.as_str(), local.log.as_str()), ("0.0.0.0:1", "debug"));
    assert_eq!((local.data_dir, local.log_format), (PathBuf::from("lockkeeper-data"), LogFormat::Text));
    flags.listen = Some("[::1]:2".into());
    flags.log = Some(String::new());
    let local = flags.local().unwrap();
    assert_eq!((local.listen.as_str(), local.log.as_str()), ("[::1]:2", "info"), "an empty variable is no setting");
}

#[test]
fn the_server_gets_all_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key.pem"), pem()).unwrap();
    let mut flags = with_file(
        &folder,
        "app_id = 12345\nwebhook_secret = [\"one\", \"two\"]\nallow_addresses = [\"10.0.0.0/8\", \"::1\"]\npublic_url = \"https://x.example/\"\ngithub_api_url = \"http://127.0.0.1:9/api/v3/\"\n",
    );
    flags.private_key_file = Some(folder.path().join("key.pem"));
    let serve = flags.serve().unwrap();
    assert_eq!(serve.app.app_id, "12345");
    assert_eq!(serve.app.private_key.expose(), pem());
    assert_eq!(serve.app.github_api_url, "http://127.0.0.1:9/api/v3");
    assert_eq!(serve.app.public_url.as_deref(), Some("https://x.example"));
    assert_eq!(serve.webhook_secrets, [Secret::from("one"), Secret::from("two")]);
    assert_eq!(serve.allow_addresses.len(), 2);
    flags.webhook_secret = Some(" new , old,, ".into());
    assert_eq!(flags.serve().unwrap().webhook_secrets, [Secret::from("new"), Secret::from("old")]);
}

#[test]
fn a_key_may_be_written_on_one_line_and_beats_the_key_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut flags = with_file(&folder, "app_id = 1\nprivate_key_file = \"/nowhere\"\n");
    flags.private_key = Some(Secret::new(pem().replace('\n', "\\n")));
    assert_eq!(flags.app().unwrap().1.private_key.expose(), pem());
}

#[test]
fn only_what_a_command_needs_is_demanded_and_all_of_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let flags = with_file(&folder, "");
    assert!(flags.local().is_ok());
    assert_eq!(codes(&flags.app().unwrap_err()), ["app_id_missing", "private_key_file_missing"]);
    assert_eq!(codes(&flags.serve().unwrap_err()), ["app_id_missing", "private_key_file_missing", "webhook_secret_missing"]);
}

#[test]
fn every_mistake_is_named_and_no_value_shown() {
    let folder = tempfile::tempdir().unwrap();
    let mut flags = with_file(
        &folder,
        "app_id = \"hunter2 hunter2\"\nprivate_key = \"hunter2\"\nwebhook_secrte = \"hunter2\"\nwebhook_secret = { a = \"hunter2\" }\nlog = \"hunter2=hunter2=x\"\nlisten = \"hunter2\"\n",
    );
    flags.github_api_url = Some("ftp://hunter2".into());
    flags.public_url = Some("https://me:hunter2@x".into());
    flags.allow_addresses = Some("10.0.0.0/8,nonsense".into());
    flags.log_format = Some("hunter2".into());
    let problems = flags.serve().unwrap_err();
    assert_eq!(
        codes(&problems),
        [
            "settings_wrong_type",
            "settings_unknown_key",
            "listen_invalid",
            "log_invalid",
            "log_format_invalid",
            "app_id_invalid",
            "private_key_invalid",
            "github_api_url_invalid",
            "public_url_invalid",
            "webhook_secret_missing",
            "allow_addresses_invalid",
        ]
    );
    assert!(!format!("{problems:?}").contains("hunter2"), "{problems:?}");
    assert!(problems.iter().all(|p| !p.fix.is_empty() && p.message.ends_with('.')), "{problems:?}");
    let key = Flags { private_key: Some("hunter2".into()), webhook_secret: Some("hunter2".into()), ..Flags::default() };
    assert!(!format!("{key:?}").contains("hunter2"), "{key:?}");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let absent = Flags { settings: Some(folder.path().join("absent")), ..Flags::default() };
    assert_eq!(codes(&absent.local().unwrap_err()), ["settings_file_unreadable"]);
    assert_eq!(codes(&with_file(&folder, "app_id = 1\nhunter2\n").local().unwrap_err()), ["settings_syntax"]);
    let mut flags = with_file(&folder, "app_id = 1\n");
    flags.private_key_file = Some(folder.path().join("absent.pem"));
    assert_eq!(codes(&flags.app().unwrap_err()), ["private_key_unreadable"]);
    flags.private_key = Some(Secret::new(pem()));
    assert_eq!(codes(&flags.app().unwrap_err()), ["private_key_twice"]);
}

fn serve_flags(folder: &tempfile::TempDir, tables: &str) -> Flags {
    let flags = with_file(folder, &format!("app_id = 1\nwebhook_secret = \"s\"\n{tables}"));
    Flags { private_key: Some(Secret::new(pem())), ..flags }
}

fn serve_with(folder: &tempfile::TempDir, tables: &str) -> Result<Resources, Vec<Refusal>> {
    serve_flags(folder, tables).serve().map(|serve| serve.resources)
}

#[test]
fn what_is_lent_is_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hook.secret");
    std::fs::write(&file, "a long enough secret of a file\n").unwrap();
    let lent = serve_with(
        &folder,
        &format!(
            "[commands.deploy]\nrun = [\"/usr/bin/deploy\", \"--env={{{{ environment }}}}\"]\nobserve = [\"/usr/bin/seen\"]\n\
             env = {{ TOKEN = \"hunter2hunter2\" }}\npass_env = [\"PATH\"]\ndirectory = \"/srv\"\ntimeout = \"90s\"\n\
             repositories = [\"acme/*\"]\n\
             [balancers.edge]\naddress = \"unix:/run/haproxy.sock\"\nbackends = [\"web\"]\nrepositories = [\"**\"]\n\
             [balancers.tcp]\naddress = \"tcp:[::1]:9999\"\ntimeout = \"2s\"\nrepositories = [\"a/b\"]\n\
             [hooks.fly]\nurl = \"https://x/hook?a=b\"\nsecret_file = \"{}\"\nrepositories = [\"a/b\"]\n",
            file.display()
        ),
    )
    .unwrap();
    let command = &lent.commands["deploy"];
    assert_eq!(command.run, ["/usr/bin/deploy", "--env={{ environment }}"]);
    assert_eq!(command.env["TOKEN"].expose(), "hunter2hunter2");
    assert_eq!((command.timeout.as_secs(), command.pass_env.as_slice()), (90, &["PATH".to_owned()][..]));
    let allowed = |name: &str| command.repositories.allow(&crate::domain::RepoName::parse(name).unwrap());
    assert!(allowed("Acme/shop") && !allowed("acme2/shop") && !allowed("evil/acme"));
    assert_eq!(lent.balancers["edge"].address, BalancerAddress::Unix("/run/haproxy.sock".into()));
    assert_eq!(lent.balancers["tcp"].address, BalancerAddress::Tcp("[::1]:9999".into()));
    assert_eq!(lent.hooks["fly"].secret.expose(), "a long enough secret of a file");
    assert!(!format!("{lent:?}").contains("hunter2") && !format!("{lent:?}").contains("long enough"));
    assert_eq!(serve_with(&folder, "").unwrap(), Resources::default());
}

#[test]
fn a_prometheus_is_named_by_the_file_or_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let tables = "[prometheus.default]\nurl = \"http://10.0.0.5:9090/\"\nrepositories = [\"acme/*\"]\n\
                  [prometheus.eu]\nurl = \"https://eu.example/prom\"\nrepositories = [\"**\"]\n";
    let lent = serve_with(&folder, tables).unwrap().prometheus;
    assert_eq!((lent["default"].url.as_str(), lent["eu"].url.as_str()), ("http://10.0.0.5:9090", "https://eu.example/prom"));
    let given = |tables: &str, url: &str| {
        let flags = Flags { prometheus_url: Some(url.into()), ..serve_flags(&folder, tables) };
        flags.serve().map(|serve| serve.resources.prometheus)
    };
    let changed = given(tables, "http://127.0.0.1:1/").unwrap();
    assert_eq!((changed.len(), changed["default"].url.as_str()), (2, "http://127.0.0.1:1"));
    assert_eq!(changed["default"].repositories, lent["default"].repositories, "who may ask is still the file's to say");
    let alone = given("", "http://127.0.0.1:1").unwrap();
    assert!(alone["default"].repositories.allow(&crate::domain::RepoName::parse("any/body").unwrap()));
    assert_eq!(codes(&given("", "http://u:hunter2@x").unwrap_err()), ["prometheus_url_invalid"]);
}

#[test]
fn peers_are_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "hunter2hunter2\n").unwrap();
    let lent = serve_with(
        &folder,
        &format!(
            "[peers.security]\nurl = \"https://scan.example/mcp\"\ntools = {{ scan = \"sha256:{}\" }}\ntimeout = \"5m\"\n\
             max_bytes = 0x1000\ncredential = {{ file = \"{}\" }}\nrepositories = [\"acme/*\"]\n\
             [peers.testing]\ncommand = [\"/usr/bin/suite\", \"--all\"]\nenv = {{ A = \"b\" }}\npass_env = [\"PATH\"]\n\
             credential = {{ file = \"{}\", as = \"TOKEN\" }}\nrepositories = [\"**\"]\n",
            "ab".repeat(32),
            file.display(),
            file.display()
        ),
    )
    .unwrap();
    let (security, testing) = (&lent.peers["security"], &lent.peers["testing"]);
    assert_eq!(security.at, PeerAddress::Url("https://scan.example/mcp".into()));
    assert_eq!(security.tools["scan"], format!("sha256:{}", "ab".repeat(32)));
    assert_eq!((security.timeout.as_secs(), security.max_bytes), (300, 4096));
    assert_eq!(security.credential.as_ref().map(Secret::expose), Some("hunter2hunter2"));
    let PeerAddress::Process(process) = &testing.at else { panic!("{testing:?}") };
    assert_eq!(process.run, ["/usr/bin/suite", "--all"]);
    let env: Vec<_> = process.env.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(env, [("A", "b"), ("PATH", std::env::var("PATH").unwrap().as_str()), ("TOKEN", "hunter2hunter2")]);
    assert_eq!((testing.tools.len(), testing.timeout.as_secs(), testing.max_bytes), (0, 60, 256 << 10));
    assert!(!format!("{lent:?}").contains("hunter2"));
}

#[test]
fn what_is_lent_wrongly_is_told_without_a_value() {
    let folder = tempfile::tempdir().unwrap();
    let peer = |more: &str| format!("[peers.x]\nrepositories = [\"**\"]\nurl = \"https://x/mcp\"\n{more}");
    let process = |more: &str| format!("[peers.x]\nrepositories = [\"**\"]\ncommand = [\"/bin/x\"]\n{more}");
    let command = |more: &str| format!("[commands.x]\nrun = [\"/bin/x\"]\nrepositories = [\"**\"]\n{more}");
    let hook = |more: &str| format!("[hooks.x]\nrepositories = [\"**\"]\n{more}");
    let told = |more: &str| format!("[notifiers.x]\nrepositories = [\"**\"]\nevents = [\"failed\"]\n{more}");
    for (tables, expected) in [
        (told("kind = \"hunter2\"\n"), "settings_bad_value"),
        (told("kind = \"peer\"\npeer = \"hunter2\"\ntool = \"announce\"\n"), "settings_bad_value"),
        (told("kind = \"peer\"\npeer = \"x\"\n"), "settings_missing_key"),
        (told(""), "settings_missing_key"),
        (told("kind = \"webhook\"\nurl = \"https://x\"\n"), "settings_missing_key"),
        (told("kind = \"slack\"\nurl = \"https://x/hunter2\"\n"), "settings_missing_key settings_unknown_key"),
        (told("kind = \"slack\"\nurl_file = \"/absent\"\n"), "settings_bad_value"),
        (
            told("kind = \"slack\"\nurl_file = \"/absent\"\n").replace("failed", "hunter2"),
            "settings_bad_value settings_bad_value",
        ),
        (told("kind = \"slack\"\nurl_file = \"/proc/self/environ\"\n"), "settings_bad_value"),
        ("[commands.x]\nrun = [\"/bin/x\"]\n".to_owned(), "settings_missing_key"),
        ("[commands.x]\nrun = [\"/bin/x\"]\nrepositories = []\n".into(), "settings_missing_key"),
        ("[commands.x]\nrepositories = [\"**\"]\n".into(), "settings_missing_key"),
        (
            "[commands.x]\nrun = \"/bin/x hunter2\"\nrepositories = [\"**\"]\n".into(),
            "settings_wrong_type settings_missing_key",
        ),
        ("[commands.x]\nrun = [\"hunter2\"]\nrepositories = [\"**\"]\n".into(), "settings_bad_value"),
        ("[commands.x]\nrun = [\"/{{ environment }}\"]\nrepositories = [\"**\"]\n".into(), "settings_bad_value"),
        ("[commands.x]\nrun = [\"/x\", \"{{ hunter2 }}\"]\nrepositories = [\"**\"]\n".into(), "settings_bad_value"),
        ("[commands.x]\nrun = [\"/x\"]\nrepositories = [\"hunter2[\"]\n".into(), "settings_bad_value"),
        (command("env = { LOCKKEEPER_RUN = \"hunter2\" }\n"), "settings_bad_value"),
        (command("env = { A = 3 }\n"), "settings_wrong_type"),
        (command("pass_env = [\"A=B\"]\n"), "settings_bad_value"),
        (command("directory = \"hunter2\"\n"), "settings_bad_value"),
        (command("timeout = \"hunter2\"\n"), "settings_bad_value"),
        (command("timeout = \"2d\"\n"), "settings_bad_value"),
        (command("timeuot = \"1m\"\n"), "settings_unknown_key"),
        ("commands = \"hunter2\"\n".into(), "settings_unknown_key"),
        ("[commands]\nx = \"hunter2\"\n".into(), "settings_wrong_type"),
        ("[commands.\"a b\"]\nrun = [\"/x\"]\n".into(), "settings_bad_value"),
        ("[balancers.x]\naddress = \"hunter2\"\nrepositories = [\"**\"]\n".into(), "settings_bad_value"),
        ("[balancers.x]\nrepositories = [\"**\"]\n".into(), "settings_missing_key"),
        ("[prometheus.x]\nurl = \"http://x\"\n".into(), "settings_missing_key"),
        ("[prometheus.x]\nurl = \"hunter2\"\nrepositories = [\"**\"]\n".into(), "settings_bad_value"),
        ("[prometheus.x]\nurl = \"http://x?a=hunter2\"\nrepositories = [\"**\"]\n".into(), "settings_bad_value"),
        ("[peers.x]\nurl = \"https://x\"\n".into(), "settings_missing_key"),
        ("[peers.x]\nrepositories = [\"**\"]\n".into(), "settings_missing_key"),
        (peer("command = [\"/bin/x\"]\n"), "settings_missing_key"),
        (peer("env = { A = \"hunter2\" }\n"), "settings_bad_value"),
        (peer("tools = { scan = \"hunter2\" }\n"), "settings_bad_value"),
        (peer("tools = [\"hunter2\"]\n"), "settings_wrong_type"),
        (peer("max_bytes = \"hunter2\"\n"), "settings_wrong_type"),
        (peer("max_bytes = 3\n"), "settings_bad_value"),
        (peer("timeout = \"2h\"\n"), "settings_bad_value"),
        (peer("credential = \"hunter2\"\n"), "settings_wrong_type"),
        (peer("credential = { value = \"hunter2\" }\n"), "settings_bad_value"),
        (peer("credential = { env = \"LOCKKEEPER_NO_SUCH_hunter2\" }\n"), "settings_bad_value"),
        (peer("credential = { file = \"/hunter2\" }\n"), "settings_bad_value"),
        (process("credential = { file = \"/etc/hostname\" }\n"), "settings_bad_value"),
        ("[peers.x]\nrepositories = [\"**\"]\ncommand = [\"hunter2\"]\n".into(), "settings_bad_value settings_missing_key"),
        ("[peers.x]\nrepositories = [\"**\"]\ncommand = [\"/x\", \"{{ sha }}\"]\n".into(), "settings_bad_value"),
        (hook("url = \"https://x\"\n"), "settings_missing_key"),
        (hook("url = \"https://x\"\nsecret = \"hunter2\"\n"), "settings_bad_value"),
        (hook("url = \"https://x\"\nsecret_file = \"/absent\"\n"), "settings_bad_value"),
        (hook("url = \"https://u:hunter2@x\"\nsecret = \"hunter2hunter2hunter2\"\n"), "settings_bad_value"),
    ] {
        let problems = serve_with(&folder, &tables).unwrap_err();
        assert_eq!(codes(&problems).join(" "), expected, "{tables}\n{problems:?}");
        assert!(!format!("{problems:?}").contains("hunter2"), "{problems:?}");
        assert!(problems.iter().all(|p| !p.fix.is_empty() && p.message.ends_with('.')), "{problems:?}");
    }
}
