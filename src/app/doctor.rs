//! `lockkeeper doctor`: whether GitHub, the App, its webhook and this machine are as they must be.
//!
//! Nothing is changed; a file in the data folder is written and removed.

mod judge;
mod lent;

use crate::config::settings::{App, Local, Resources, SignIn};
use crate::domain::Refusal;
use crate::github::{GitHub, GitHubConfig, InstallationInfo, Trouble};
use crate::surfaces::cli::doctor::{Args, Finding, text};
use crate::surfaces::cli::operator::Format;
use std::path::Path;
use std::process::{Command, ExitCode};

/// A token that nobody has.
const NOBODYS: &str = "ghu_000000000000000000000000000000000000";
/// More are not asked one by one.
const INSTALLATIONS: usize = 50;

/// Exit code 0 when all is well, 1 when something is not, 64 when the settings are wrong.
pub fn doctor(args: &Args) -> ExitCode {
    let (local, app, resources, sign_in) = match args.settings.app() {
        Ok(settings) => settings,
        Err(problems) => return super::say(&problems),
    };
    super::with_runtime(async {
        let findings = examine(&local, &app, &resources, sign_in.as_ref()).await;
        match args.format {
            Format::Text => super::narrator::print(&text(&findings)),
            Format::Json => super::narrator::print(&(serde_json::to_string_pretty(&findings).unwrap_or_default() + "\n")),
        }
        let well = findings.iter().all(|finding| finding.problem.is_none());
        if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    })
}

/// Everything that can be looked at; what depends on something that is not well is left out.
pub async fn examine(local: &Local, app: &App, resources: &Resources, sign_in: Option<&SignIn>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let config = GitHubConfig {
        api_url: app.github_api_url.clone(),
        app_id: app.app_id.clone(),
        private_key: app.private_key.clone(),
        ..GitHubConfig::default()
    };
    match GitHub::new(config) {
        Ok(github) => {
            at_github(&github, app, resources, &mut findings).await;
            findings.push(people(&github, sign_in).await);
        }
        Err(refusal) => findings.push(Finding::bad("key", refusal)),
    }
    findings.push(judge::notifiers(&resources.notifiers));
    findings.extend(super::peers::findings(resources).await);
    findings.push(data_dir(&local.data_dir));
    findings.push(git());
    findings
}

async fn at_github(github: &GitHub, app: &App, resources: &Resources, findings: &mut Vec<Finding>) {
    let known = github.app().await;
    let skew = github.clock_skew();
    let info = match known {
        Ok(info) => info,
        Err(trouble) => {
            findings.push(Finding::bad("key", trouble.into()));
            findings.extend(skew.map(judge::clock));
            return;
        }
    };
    findings.push(Finding::well("key", format!("GitHub knows this key as the App {} ({}).", info.slug, info.id)));
    findings.push(judge::permissions(&info));
    findings.push(judge::events(&info));
    findings.push(match github.hook_config().await {
        Ok(hook) => judge::webhook(&hook, app.public_url.as_deref()),
        Err(trouble) => Finding::bad("webhook", trouble.into()),
    });
    match github.installations().await {
        Ok(all) => installations(github, &all, resources, findings).await,
        Err(trouble) => findings.push(Finding::bad("installation", trouble.into())),
    }
    findings.extend(github.clock_skew().map(judge::clock));
    findings.push(judge::quota(&github.quotas()));
}

/// Whether GitHub takes what tokens of people are asked about with.
async fn people(github: &GitHub, sign_in: Option<&SignIn>) -> Finding {
    let Some(SignIn { client_id, client_secret }) = sign_in else {
        return Finding::well(
            "people",
            "Agents come with keys: no client secret is set, so that no tokens of people are taken.",
        );
    };
    match github.token_holder(client_id, client_secret, NOBODYS).await {
        Ok(_) => Finding::well("people", "GitHub takes the client secret: agents may come with tokens of people."),
        Err(trouble) => Finding::bad("people", judge::client_secret(trouble.into())),
    }
}

async fn installations(github: &GitHub, all: &[InstallationInfo], resources: &Resources, findings: &mut Vec<Finding>) {
    if all.is_empty() {
        let fix = "Install the App on an account, from its page on GitHub.";
        let nowhere = Refusal::operator("app_not_installed", "The App is not installed anywhere.", fix);
        findings.push(Finding::bad("installation", nowhere));
    }
    let (mut left, mut missing) = (lent::REPOSITORIES, Vec::new());
    for installation in all.iter().take(INSTALLATIONS) {
        let judged = judge::installation(installation);
        let there = github.installation(installation.id);
        // A token that GitHub gives out and takes is the proof; its answer also tells what is left of the calls.
        let listed = match judged.problem {
            None => there.repositories().await,
            Some(_) => Ok(Vec::new()),
        };
        if let Ok(repositories) = &listed {
            missing.extend(lent::missing(&there, repositories, resources, &mut left).await);
        }
        let listed = listed.map(|all| all.len());
        findings.push(match (judged.problem.is_some(), listed) {
            (true, _) => judged,
            (false, Ok(n)) => Finding::well("installation", format!("{}: repositories: {n}.", installation.account)),
            (false, Err(trouble)) => Finding::bad("installation", named(&installation.account, trouble)),
        });
    }
    if missing.is_empty() {
        missing.push(lent::complete(lent::REPOSITORIES - left));
    }
    findings.append(&mut missing);
}

fn named(account: &str, trouble: Trouble) -> Refusal {
    let refusal = Refusal::from(trouble);
    Refusal { message: format!("{account}: {}", refusal.message), ..refusal }
}

/// Whether files can be made in the folder, or in the one that it would be made in.
fn data_dir(folder: &Path) -> Finding {
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
    let there = whole.ancestors().find(|path| path.is_dir()).unwrap_or(&whole);
    match tempfile::tempfile_in(there) {
        Ok(_) => Finding::well("data_dir", format!("{} can be written.", whole.display())),
        Err(why) => {
            let message = format!("{} cannot be written: {why}.", there.display());
            let fix = "Let the server's user write there, or set LOCKKEEPER_DATA_DIR to another folder.";
            Finding::bad("data_dir", Refusal::operator("data_dir_unwritable", message, fix))
        }
    }
}

fn git() -> Finding {
    let missing = |why: String| {
        let fix = "Install git and put it on the PATH; ranges of over 1,000 commits are read with it.";
        Finding::bad("git", Refusal::operator("git_missing", format!("git cannot be run: {why}."), fix))
    };
    match Command::new("git").arg("--version").output() {
        Ok(done) if done.status.success() => Finding::well("git", String::from_utf8_lossy(&done.stdout).trim().to_owned()),
        Ok(done) => missing(done.status.to_string()),
        Err(why) => missing(why.to_string()),
    }
}
