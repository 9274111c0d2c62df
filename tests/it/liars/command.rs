//! A command of the operator's that misbehaves with one version, and behaves with the one before it.

use super::scene::{STAGING, config, ends, is_back, is_untouched};
use crate::world::{Setup, World};
use lockkeeper::config::settings::{CommandSettings, Repositories};
use lockkeeper::domain::Sha;
use std::time::Duration;
use tempfile::TempDir;

/// Writes down what is asked for. A file `bad` is what it does before the end.
const SCRIPT: &str = r#"
cd "$0"
echo "$1" >> log
if [ -f bad ]; then . ./bad; fi
printf '{"sha": "%s"}' "$1" > now
"#;

fn settings(folder: &TempDir) -> CommandSettings {
    let at = folder.path().to_str().unwrap();
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
    CommandSettings {
        run: words(&["/bin/sh", "-c", SCRIPT, at, "{{ sha }}"]),
        observe: Some(words(&["/bin/cat", &format!("{at}/now")])),
        env: Default::default(),
        pass_env: vec!["PATH".into()],
        directory: None,
        timeout: Duration::from_secs(2),
        repositories: Repositories(vec!["**".into()]),
    }
}

async fn world(command: CommandSettings) -> World {
    let mut setup = Setup::new().config(&config("", "kind = \"command\"\ncommand = \"deploy\""));
    setup.resources.commands.insert("deploy".into(), command);
    setup.start().await
}

async fn good(world: &World, folder: &TempDir) -> Sha {
    std::fs::write(folder.path().join("now"), "{\"sha\": null}").unwrap();
    let sha = world.commit("feat: one");
    world.check(&sha, STAGING, "success").await;
    sha
}

fn asked(folder: &TempDir) -> Vec<String> {
    let text = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// What it does with the new version, and the code of the end.
const LIARS: [(&str, &str, &str); 5] = [
    ("hangs", "sleep 1000", "command_timed_out"),
    ("lies", "exit 0", "target_lied"),
    ("fails", "exit 3", "target_failed"),
    ("dies in the middle", "kill -9 $$", "target_failed"),
    ("talks nonsense afterwards", "echo x > now; exit 0", "command_unobserved"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_liar_ends_with_a_reason() {
    for (name, does, code) in LIARS {
        let folder = tempfile::tempdir().unwrap();
        let world = world(settings(&folder)).await;
        let good = good(&world, &folder).await;
        // The version before is brought up again by the same command, which is well then.
        std::fs::write(folder.path().join("bad"), format!("[ \"$1\" = {good} ] || {{ {does}; }}\n")).unwrap();
        println!("{name}");
        let sha = world.commit("feat: two");
        if code == "command_unobserved" {
            // Whoever cannot be asked what runs is not trusted with the way back either.
            ends(&world, &sha, ("rollback_failed", code)).await;
        } else {
            ends(&world, &sha, ("rolled_back", code)).await;
            is_back(&world, &good).await;
        }
        assert_eq!(asked(&folder).iter().filter(|asked| **asked == sha.to_string()).count(), 1, "{name}: it was tried again");
        world.finish().await;
    }
}

/// It fails once and would succeed then: nobody tries a second time by himself, a person may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_flaps_is_not_tried_again_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(settings(&folder)).await;
    let good = good(&world, &folder).await;
    std::fs::write(folder.path().join("bad"), "rm bad; exit 1").unwrap();
    let sha = world.commit("feat: two");
    ends(&world, &sha, ("rolled_back", "target_failed")).await;
    is_back(&world, &good).await;
    let ask = ["deploy", "staging", "--repo", "acme/shop", "--ref", sha.as_str(), "--reason", "it was the network"];
    let (code, said, problem) = world.command_told(&ask).await;
    assert_eq!(code, 0, "{said} {problem}");
    world.quiet().await;
    is_untouched(&world, &sha).await;
    world.finish().await;
}

/// The program is gone: nothing was begun, so nothing goes back and nothing is held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_gone_begins_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("deploy");
    std::fs::copy("/bin/sh", &program).unwrap();
    let mut command = settings(&folder);
    command.run[0] = program.to_str().unwrap().to_owned();
    let world = world(command).await;
    let good = good(&world, &folder).await;
    std::fs::remove_file(&program).unwrap();
    let sha = world.commit("feat: two");
    ends(&world, &sha, ("failed", "command_unusable")).await;
    is_untouched(&world, &good).await;
    assert_eq!(asked(&folder), [good.to_string()]);
    world.finish().await;
}
