//! Target `command`: a program that the operator's file names.
//!
//! Invariants: no shell; arguments are a list, placeholders are filled into them once and never split; an argument that
//! would become an option because of what was filled in is refused; the environment holds what the operator declares, and
//! `LOCKKEEPER_RUN` and `LOCKKEEPER_STEP`; secrets are masked in everything that the command says; its process group is
//! ended on timeout, on cancellation, and when this server dies.
//!
//! Known races: a command cannot be looked for after a crash. Where the operator gives `observe`, it is asked first and what
//! is done already is not done again; otherwise the command may run twice for the same `LOCKKEEPER_RUN` and
//! `LOCKKEEPER_STEP`, and has to bear it.

mod output;
mod process;
pub mod supervisor;

pub use output::{LONGEST_LINE, LONGEST_OUTPUT, Line, Masker, Stream};

use super::errand::{Errand, Running, Target, Ticket, lied};
use super::{Progress, Trouble, Values, fill};
use crate::config::repo::CommandTarget;
use crate::config::settings::CommandSettings;
use crate::domain::Refusal;
use process::Ears;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;
use supervisor::Job;
use tokio::sync::mpsc::Sender;

/// An observation must not take long: it is asked before and after everything.
const OBSERVATION: Duration = Duration::from_secs(60);
/// Variables whose values are nobody's secret, though they are passed on.
const PUBLIC: [&str; 9] = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME", "SHELL", "TMPDIR"];

/// A command of the operator's, ready to be run for one environment.
#[derive(Debug)]
pub struct Command {
    settings: CommandSettings,
    timeout: Duration,
    /// Our own program, which supervises.
    program: PathBuf,
    masker: Masker,
    lines: Sender<Line>,
    /// Held as long as the command runs.
    lock: Option<PathBuf>,
}

impl Command {
    /// `secrets` are ours; the command's own are hidden too. Lines that nobody takes make the command wait.
    pub fn new(
        settings: &CommandSettings,
        target: &CommandTarget,
        program: &Path,
        secrets: &Masker,
        lines: Sender<Line>,
    ) -> Self {
        let mut masker = secrets.clone();
        settings.env.values().for_each(|secret| masker.add(secret.expose()));
        let passed = settings.pass_env.iter().filter(|name| !PUBLIC.contains(&name.as_str()));
        passed.filter_map(|name| std::env::var(name).ok()).for_each(|value| masker.add(&value));
        let timeout = settings.timeout.min(target.timeout);
        Self { settings: settings.clone(), timeout, program: program.to_path_buf(), masker, lines, lock: None }
    }

    /// Does not begin before whatever holds this file has ended: after a crash the server is back sooner than a command that
    /// takes its time to end.
    #[must_use]
    pub fn alone(self, lock: PathBuf) -> Self {
        Self { lock: Some(lock), ..self }
    }

    /// As [`Target::carry_out`], but ends the command when `stop` is ready, with its reason. Nothing of the
    /// command's process group is left then.
    pub async fn carry_out_until(&self, errand: &Errand, stop: impl Future<Output = String>) -> Result<Ticket, Trouble> {
        let done = Ticket { progress: Progress::Done { url: None }, status_url: None };
        if self.observe(errand).await?.is_some_and(|running| running.satisfies(errand)) {
            return Ok(done);
        }
        let job = self.job(&self.settings.run, errand)?;
        let status = match process::run(&self.program, &job, self.timeout, stop, self.ears()).await? {
            Ok(status) => status,
            Err(reason) => return Ok(Ticket { progress: Progress::Stopped { reason }, ..done }),
        };
        if !status.success() {
            let reason = ending(status);
            return Ok(Ticket { progress: Progress::Failed { reason }, ..done });
        }
        match self.observe(errand).await? {
            Some(running) if !running.satisfies(errand) => Err(lied(errand, running.sha.as_ref())),
            _ => Ok(done),
        }
    }

    fn job(&self, words: &[String], errand: &Errand) -> Result<Job, Trouble> {
        let run = arguments(words, &errand.values())?;
        let passed = self.settings.pass_env.iter().filter_map(|name| Some((name.clone(), std::env::var(name).ok()?)));
        let declared = self.settings.env.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
        let mut env: BTreeMap<String, String> = passed.chain(declared).collect();
        env.insert("LOCKKEEPER_RUN".into(), errand.run.to_string());
        env.insert("LOCKKEEPER_STEP".into(), errand.step.clone());
        env.extend(errand.configuration.as_ref().map(|value| ("LOCKKEEPER_CONFIGURATION".into(), value.to_string())));
        let directory = self.settings.directory.clone().unwrap_or_else(|| "/".into());
        if !directory.is_dir() {
            return Err(unusable("its directory does not exist"));
        }
        executable(&run)?;
        Ok(Job { run, env, directory, lock: self.lock.clone() })
    }

    fn ears(&self) -> Ears<'_> {
        Ears { masker: &self.masker, lines: &self.lines }
    }
}

impl Target for Command {
    async fn observe(&self, errand: &Errand) -> Result<Option<Running>, Trouble> {
        let Some(words) = &self.settings.observe else { return Ok(None) };
        let job = self.job(words, errand)?;
        let limit = OBSERVATION.min(self.settings.timeout);
        let (status, answer) = process::ask(&self.program, &job, limit, self.ears()).await?;
        if !status.success() {
            return Err(unobserved(&ending(status)));
        }
        let answer = serde_json::from_slice(&answer).map_err(|_| unobserved("what it says is no JSON"))?;
        Running::read(&answer).map(Some).map_err(|why| unobserved(&why))
    }

    async fn carry_out(&self, errand: &Errand) -> Result<Ticket, Trouble> {
        self.carry_out_until(errand, std::future::pending()).await
    }

    /// It has ended when it was carried out.
    async fn follow(&self, _: &Errand, ticket: &Ticket) -> Result<Progress, Trouble> {
        Ok(ticket.progress.clone())
    }
}

/// Fills in each word. What was filled in may not turn a word into an option.
fn arguments(words: &[String], values: &Values) -> Result<Vec<String>, Trouble> {
    let refuse = |what: String| {
        let fix =
            "Use a tag or version without such characters, or put an option before the placeholder, as `--tag={{ tag }}`.";
        Err(Trouble::never(Refusal::user("command_argument_unsafe", what, fix)))
    };
    let mut filled = Vec::with_capacity(words.len());
    for word in words {
        let text = fill(word, values).map_err(|why| unusable(&why))?;
        if text.starts_with('-') && !word.starts_with('-') {
            return refuse("An argument of the command would become an option.".to_owned());
        }
        if text.chars().any(char::is_control) && !word.chars().any(char::is_control) {
            return refuse("An argument of the command would hold a control character.".to_owned());
        }
        filled.push(text);
    }
    Ok(filled)
}

fn executable(run: &[String]) -> Result<(), Trouble> {
    use std::os::unix::fs::PermissionsExt;
    let file = run.first().and_then(|program| std::fs::metadata(program).ok());
    match file.is_some_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0) {
        true => Ok(()),
        false => Err(unusable("its program does not exist or is not executable")),
    }
}

/// The supervisor ends as the command did, with 128 and the signal's number if one ended it.
fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code @ 129..=192), _) => format!("the command was ended by signal {}", code - 128),
        (Some(code), _) => format!("the command ended with exit code {code}"),
        (None, Some(signal)) => format!("the command's supervisor was ended by signal {signal}"),
        (None, None) => "the command ended in no known way".to_owned(),
    }
}

fn unobserved(why: &str) -> Trouble {
    let message = format!("What runs cannot be told: {why}.");
    let fix = "Let `observe` of the command print {\"sha\": …} (null where nothing runs) and end with 0.";
    Trouble::later(Refusal::operator("command_unobserved", message, fix))
}

fn unusable(why: &str) -> Trouble {
    let fix = "Mend the command in lockkeeper.toml, or what it names.";
    Trouble::never(Refusal::operator("command_unusable", format!("The command cannot be run: {why}."), fix))
}

fn broken(why: &str) -> Trouble {
    let fix = "See whether the server may start processes.";
    Trouble::later(Refusal::operator("command_not_started", format!("The command was not started: {why}."), fix))
}

fn timed_out(limit: Duration) -> Trouble {
    let message = format!("The command took longer than {} s; it and its children were ended.", limit.as_secs());
    let fix = "See why it takes so long, or give it more time, in lockkeeper.toml and in the target.";
    Trouble::never(Refusal::user("command_timed_out", message, fix))
}

#[cfg(test)]
mod tests {
    use super::super::errand::{Action, tests::errand};
    use super::*;

    #[test]
    fn words_are_filled_once_and_never_become_options() {
        let mut errand = errand(Action::BringUp);
        let words = |list: &[&str]| list.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let line = words(&["/bin/x", "--v={{ version }}", "{{ tag }} {{slot}}", "{{ weight }}", "-n"]);
        let filled = arguments(&line, &errand.values()).unwrap();
        assert_eq!(filled, ["/bin/x", "--v=1.2.3", "v1.2.3 green", "10", "-n"]);
        errand.version = Some("1 --force; rm -rf / {{ sha }}".into());
        assert_eq!(arguments(&words(&["{{ version }}"]), &errand.values()).unwrap(), ["1 --force; rm -rf / {{ sha }}"]);
        for hostile in ["--force", "-", "1\n2", "1\u{0}"] {
            errand.version = Some(hostile.into());
            let refused = arguments(&words(&["/bin/x", "{{ version }}"]), &errand.values()).unwrap_err();
            assert_eq!((refused.code(), refused.is_retryable()), ("command_argument_unsafe", false), "{hostile:?}");
        }
    }
}
