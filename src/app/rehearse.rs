//! `lockkeeper rehearse`: what would happen if this tag were pushed, over a copy of a real repository.
//!
//! What only GitHub knows is assumed: every check has passed, and whoever deploys succeeds. Health checks are not asked, and a
//! gate that waits for a web service refuses.

use super::narrator::{Narrator, print};
use super::stage::{Stage, broken, helpers};
use crate::config::repo::{self, CONFIG_PATH, RepoConfig, Target};
use crate::domain::{Refusal, RepoName, Sha, Tag};
use crate::engine::host::What;
use crate::sandbox::{CommitSeed, RepoHandle, SandboxError};
use crate::surfaces::cli::rehearse::Args;
use std::collections::HashSet;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);

/// Exit code 0 when the tag would be released, 1 when it would be refused, 2 for bad input.
pub fn rehearse(args: &Args) -> ExitCode {
    super::with_runtime(async {
        match show(args).await {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(refusal) => {
                super::say(&[refusal]);
                ExitCode::from(2)
            }
        }
    })
}

async fn show(args: &Args) -> Result<bool, Refusal> {
    let tag = Tag::parse(&args.tag).map_err(|why| {
        Refusal::user("tag_name_invalid", format!("{} is no tag: {why}.", args.tag), "Name a tag such as v1.2.3.")
    })?;
    let stage = Stage::set(true).await?;
    let name = name_of(&args.repo);
    print(&format!("A copy of {} as {name}; nothing of this reaches GitHub or your repository.\n\n", args.repo.display()));
    let copy = stage.github.import_repo(name.as_str(), &args.repo).map_err(|why| unreadable(&args.repo, &why))?;
    let at = place(&copy, &tag, args.at.as_deref())?;
    let config = own_config(&copy, &args.repo)?;
    let helper = tokio::spawn(helpers(copy.clone(), reporter(&config), Duration::from_millis(20)));
    let well = perform(&stage, &copy, &tag, &at).await.map_err(broken)?;
    helper.abort();
    print(&verdict(&copy, &at));
    stage.strike().await;
    Ok(well)
}

fn unreadable(path: &Path, why: &SandboxError) -> Refusal {
    let text = format!("{} cannot be copied as a git repository: {why}.", path.display());
    Refusal::user("repository_unreadable", text, "Give the folder of a git repository that has a commit with --repo.")
}

/// `owner/name` from the folder; the owner is nobody.
fn name_of(path: &Path) -> RepoName {
    let folder = path.canonicalize().ok().and_then(|p| p.file_name().map(|n| n.to_string_lossy().into_owned()));
    let plain: String =
        folder.unwrap_or_default().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(60).collect();
    let name = if plain.is_empty() { "copy" } else { plain.as_str() };
    RepoName::parse(&format!("rehearsal/{name}")).unwrap_or_else(|_| fallback())
}

fn fallback() -> RepoName {
    // A constant that is a valid name; serde is the only other door to the type.
    serde_json::from_str("\"rehearsal/copy\"").unwrap_or_else(|_| fallback())
}

/// The commit that the tag would be pushed at. A tag that exists already is taken away first, so that it can be pushed.
fn place(copy: &RepoHandle, tag: &Tag, at: Option<&str>) -> Result<Sha, Refusal> {
    let there = copy.resolve(&format!("refs/tags/{tag}"));
    let wanted = match at {
        Some(text) => copy.resolve(text),
        None => there.clone().or_else(|| copy.resolve("HEAD")),
    };
    if there.is_some() {
        copy.forget_tag(tag.as_str()).map_err(broken)?;
    }
    wanted.ok_or_else(|| {
        Refusal::user(
            "commit_unknown",
            "The commit to tag does not exist in the repository.",
            "Name a branch, tag or commit with --at.",
        )
    })
}

/// The configuration as it stands in the folder, committed or not.
fn own_config(copy: &RepoHandle, path: &Path) -> Result<RepoConfig, Refusal> {
    let Ok(text) = std::fs::read_to_string(path.join(CONFIG_PATH)) else { return Ok(RepoConfig::default()) };
    let branch = copy.default_branch();
    copy.commit(&branch, CommitSeed::new("chore: the configuration as it stands").file(CONFIG_PATH, &text)).map_err(broken)?;
    // Its mistakes are told by the run itself.
    Ok(repo::parse(&text, &|_| Ok(())).unwrap_or_default())
}

/// Somebody whose report counts.
fn reporter(config: &RepoConfig) -> String {
    let reporters = config.targets.values().filter_map(|target| match target {
        Target::Deployment(target) => target.reporters.iter().find(|r| !r.starts_with("team:")).cloned(),
        Target::Workflow(_) | Target::Http(_) | Target::Command(_) => None,
    });
    reporters.into_iter().next().unwrap_or_else(|| "somebody".to_owned())
}

async fn perform(stage: &Stage, copy: &RepoHandle, tag: &Tag, at: &Sha) -> Result<bool, SandboxError> {
    copy.status("rehearsal", at, "every check (assumed)", "success")?;
    let mut events = stage.server.host.watch();
    let mut narrator = Narrator::new(stage.server.host.clone());
    narrator.begin();
    narrator.say("you", &format!("git push origin {tag}   ({})", at.short()));
    copy.tag(tag.as_str(), at)?;
    let mut over = Box::pin(tokio::time::sleep(PATIENCE));
    // By id: what the commit of the configuration started may end now without having been seen to start.
    let mut active = HashSet::new();
    loop {
        tokio::select! {
            event = events.recv() => if let Ok(event) = event {
                narrator.event(&event).await;
                let ended = matches!(event.what, What::Ended { .. });
                match event.what {
                    What::Started { .. } => drop(active.insert(event.run)),
                    What::Ended { .. } => drop(active.remove(&event.run)),
                    What::Step { .. } | What::Retry { .. } => {}
                }
                if ended && active.is_empty() && copy.newest_check(at, "lockkeeper/release").is_some() {
                    break;
                }
            },
            () = &mut over => break,
        }
    }
    Ok(copy.releases().iter().any(|release| !release.draft && release.tag == tag.as_str()))
}

fn verdict(copy: &RepoHandle, at: &Sha) -> String {
    let mut out = String::from("\n");
    let ours = copy.check_runs().into_iter().filter(|c| c.sha == *at && c.name.starts_with("lockkeeper/"));
    let mut checks: Vec<_> = ours.collect();
    // They were put up beside each other; the release is told first.
    checks.sort_by_key(|check| (check.name != "lockkeeper/release", check.name.clone()));
    for check in checks {
        let title = check.title.unwrap_or_default();
        out += &format!("{}: {} — {title}\n", check.name, check.conclusion.unwrap_or_default());
        if check.name == "lockkeeper/release" {
            let summary = check.summary.unwrap_or_default();
            out += &summary.lines().map(|line| format!("  │ {line}\n")).collect::<String>();
        }
    }
    out
}
