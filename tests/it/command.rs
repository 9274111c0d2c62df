//! Target `command` with real processes: what they get, what is heard of them, and how they end.

use lockkeeper::config::Secret;
use lockkeeper::config::repo::CommandTarget;
use lockkeeper::config::settings::{CommandSettings, Repositories};
use lockkeeper::domain::{EnvName, RepoName, RunId, Sha, Slot, Tag};
use lockkeeper::targets::command::{Command, LONGEST_OUTPUT, Line, Masker};
use lockkeeper::targets::{Action, Errand, Progress, Target, Trouble};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const PROGRAM: &str = env!("CARGO_BIN_EXE_lockkeeper");

pub fn settings(run: &[&str]) -> CommandSettings {
    CommandSettings {
        run: run.iter().map(|word| (*word).to_owned()).collect(),
        observe: None,
        env: Default::default(),
        pass_env: Vec::new(),
        directory: None,
        timeout: Duration::from_secs(20),
        repositories: Repositories(vec!["**".into()]),
    }
}

fn shell(script: &str) -> CommandSettings {
    settings(&["/bin/sh", "-c", script])
}

fn errand() -> Errand {
    Errand {
        run: RunId::parse("run-1").unwrap(),
        step: "bring_up".into(),
        action: Action::BringUp,
        environment: EnvName::parse("production").unwrap(),
        slot: Some(Slot::Green),
        weight: None,
        repository: RepoName::parse("acme/shop").unwrap(),
        sha: Sha::parse(&"a".repeat(40)).unwrap(),
        tag: Some(Tag::parse("v1.2.3").unwrap()),
        version: Some("1.2.3".into()),
        configuration: None,
    }
}

fn command(settings: &CommandSettings, secrets: &[Secret]) -> (Command, mpsc::Receiver<Line>) {
    let (send, receive) = mpsc::channel(10_000);
    let target = CommandTarget { command: "x".into(), timeout: Duration::from_secs(60) };
    (Command::new(settings, &target, Path::new(PROGRAM), &Masker::new(secrets), send), receive)
}

async fn carried_out(settings: &CommandSettings, errand: &Errand) -> (Result<Progress, Trouble>, Vec<String>) {
    let (command, mut lines) = command(settings, &[Secret::from("our own secret")]);
    let heard = tokio::spawn(async move {
        let mut said = Vec::new();
        while let Some(line) = lines.recv().await {
            said.push(line.text);
        }
        said
    });
    let ended = command.carry_out(errand).await.map(|ticket| ticket.progress);
    drop(command);
    let said = heard.await.unwrap();
    (ended, said)
}

fn done() -> Progress {
    Progress::Done { url: None }
}

/// Whether the process is there and no zombie.
fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

async fn until_dead(pid: &str) {
    let end = Instant::now() + Duration::from_secs(10);
    while lives(pid) {
        assert!(Instant::now() < end, "process {pid} lives on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_environment_is_what_is_declared_and_arguments_are_not_split() {
    let mut env = settings(&["/usr/bin/env"]);
    env.env.insert("TOKEN".into(), Secret::from("hunter2"));
    env.pass_env = vec!["CARGO_PKG_NAME".into(), "NOT_THERE_AT_ALL".into()];
    let (ended, mut said) = carried_out(&env, &errand()).await;
    said.sort();
    assert_eq!(ended.unwrap(), done());
    let expected = ["CARGO_PKG_NAME=***", "LOCKKEEPER_RUN=run-1", "LOCKKEEPER_STEP=bring_up", "TOKEN=***"];
    assert_eq!(said, expected);
    let mut hostile = errand();
    hostile.version = Some("a b;$(touch /tmp/x) `id` * \"'".into());
    let print = settings(&["/usr/bin/printf", "%s\\n", "{{ slot }} {{version}}", "--{{ tag }}", "{{ weight }}"]);
    let (_, said) = carried_out(&print, &hostile).await;
    assert_eq!(said, ["green a b;$(touch /tmp/x) `id` * \"'", "--v1.2.3", ""]);
}

#[tokio::test]
async fn only_exit_code_0_is_success_and_secrets_are_never_heard() {
    let failed = |reason: &str| Progress::Failed { reason: reason.to_owned() };
    for (script, expected) in [
        ("exit 0", done()),
        ("exit 3", failed("the command ended with exit code 3")),
        ("kill -9 $$", failed("the command was ended by signal 9")),
        ("exit 255", failed("the command ended with exit code 255")),
    ] {
        assert_eq!(carried_out(&shell(script), &errand()).await.0.unwrap(), expected, "{script}");
    }
    let mut talks = shell("echo \"out $TOKEN.\"; echo \"err our own secret $TOKEN\" >&2; printf 'no end'; exit 1");
    talks.env.insert("TOKEN".into(), Secret::from("hunter2"));
    let (_, mut said) = carried_out(&talks, &errand()).await;
    said.sort();
    assert_eq!(said, ["err *** ***", "no end", "out ***."]);
}

#[tokio::test]
async fn endless_output_is_cut_and_stops_nobody() {
    let (ended, said) =
        carried_out(&shell("yes 'a line that is said again and again' | head -c 5000000; echo end >&2"), &errand()).await;
    assert_eq!(ended.unwrap(), done());
    let kept: usize = said.iter().map(String::len).sum();
    assert!(kept > LONGEST_OUTPUT / 2 && kept <= LONGEST_OUTPUT + 200, "{kept}");
}

/// Says its own number and that of a child in the background.
const FAMILY: &str = "sleep 1000 & echo $! $$; ";

async fn family(lines: &mut mpsc::Receiver<Line>) -> [String; 2] {
    let line = lines.recv().await.unwrap().text;
    let (child, parent) = line.split_once(' ').unwrap();
    [child.to_owned(), parent.to_owned()]
}

#[tokio::test]
async fn when_the_time_is_up_the_whole_family_goes() {
    for (script, longest) in [("sleep 1000", 4), ("trap '' TERM; while :; do sleep 1; done", 9)] {
        let mut slow = shell(&format!("{FAMILY}{script}"));
        slow.timeout = Duration::from_secs(1);
        let (command, mut lines) = command(&slow, &[]);
        let start = Instant::now();
        let why = command.carry_out(&errand()).await.unwrap_err();
        assert_eq!((why.code(), why.is_retryable()), ("command_timed_out", false), "{why}");
        let took = start.elapsed().as_secs();
        assert!(took < longest, "{took} s");
        for pid in family(&mut lines).await {
            until_dead(&pid).await;
        }
    }
}

#[tokio::test]
async fn when_the_server_lets_go_the_whole_family_goes() {
    let slow = shell(&format!("{FAMILY}wait"));
    let (command, mut lines) = command(&slow, &[]);
    let running = tokio::spawn(async move { command.carry_out(&errand()).await });
    let pids = family(&mut lines).await;
    assert!(pids.iter().all(|pid| lives(pid)));
    running.abort();
    for pid in pids {
        until_dead(&pid).await;
    }
}

/// The server is played by a process that only holds the leash, and is killed without a word.
#[tokio::test]
async fn when_the_server_is_killed_the_whole_family_goes() {
    let folder = tempfile::tempdir().unwrap();
    let said = folder.path().join("said");
    let script = format!("{FAMILY}wait");
    let job = serde_json::json!({"run": ["/bin/sh", "-c", script], "env": {}, "directory": "/"}).to_string();
    let mut server = std::process::Command::new("/bin/sh")
        .args(["-c", "printf '%s\\n' \"$1\"; exec sleep 1000", "sh", &job])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut supervisor = std::process::Command::new(PROGRAM)
        .arg("run-command")
        .stdin(server.stdout.take().unwrap())
        .stdout(std::fs::File::create(&said).unwrap())
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    let pids = loop {
        let text = std::fs::read_to_string(&said).unwrap();
        if let Some(line) = text.strip_suffix('\n') {
            break line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        }
        assert!(Instant::now() < end, "nothing was started");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(pids.len() == 2 && pids.iter().all(|pid| lives(pid)));
    server.kill().unwrap();
    server.wait().unwrap();
    for pid in pids {
        until_dead(&pid).await;
    }
    assert!(!supervisor.wait().unwrap().success());
}

#[tokio::test]
async fn what_a_command_leaves_behind_is_not_waited_for() {
    let start = Instant::now();
    let (ended, said) = carried_out(&shell("sleep 1000 & echo $!"), &errand()).await;
    assert_eq!(ended.unwrap(), done());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(lives(&said[0]), "it was started on purpose");
    let pid = rustix::process::Pid::from_raw(said[0].parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn what_is_done_already_is_not_done_again_and_a_lie_is_caught() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display();
    std::fs::write(folder.path().join("now"), "{\"sha\": null}").unwrap();
    let mut honest = shell(&format!("echo x >> {at}/count; printf '{{\"sha\": \"%s\"}}' \"$0\" > {at}/now"));
    honest.run.push("{{ sha }}".into());
    honest.observe = Some(vec!["/bin/cat".into(), format!("{at}/now")]);
    for _ in 0..3 {
        assert_eq!(carried_out(&honest, &errand()).await.0.unwrap(), done());
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("count")).unwrap(), "x\n");
    let mut other = errand();
    other.sha = Sha::parse(&"b".repeat(40)).unwrap();
    let liar = CommandSettings { run: vec!["/bin/true".into()], ..honest.clone() };
    let caught = carried_out(&liar, &other).await.0.unwrap_err();
    assert_eq!((caught.code(), caught.is_retryable()), ("target_lied", false), "{caught}");
    for observe in ["echo nonsense", "echo '{}'", "echo '{\"sha\": null}'; exit 1", ":"] {
        let blind = CommandSettings { observe: Some(vec!["/bin/sh".into(), "-c".into(), observe.into()]), ..honest.clone() };
        let why = carried_out(&blind, &other).await.0.unwrap_err();
        assert_eq!((why.code(), why.is_retryable()), ("command_unobserved", true), "{observe}: {why}");
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("count")).unwrap(), "x\n", "it was never run blind");
}

#[tokio::test]
async fn what_cannot_be_run_has_a_code() {
    let mut nowhere = shell("true");
    nowhere.directory = Some("/nowhere/at/all".into());
    for settings in [settings(&["/nowhere/program"]), settings(&["/etc/passwd"]), settings(&["/tmp"]), nowhere] {
        let why = carried_out(&settings, &errand()).await.0.unwrap_err();
        assert_eq!((why.code(), why.is_retryable()), ("command_unusable", false), "{why}");
    }
    let mut hostile = errand();
    hostile.version = Some("--force".into());
    let why = carried_out(&settings(&["/bin/echo", "{{ version }}"]), &hostile).await.0.unwrap_err();
    assert_eq!(why.code(), "command_argument_unsafe");
}
