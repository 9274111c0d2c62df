//! The commands as clap knows them: the requests of the actions, which the command line takes too, with what is different in
//! a comment: the repository is the comment's, and a person stands at a pull request.

use crate::actions::Action;
use crate::actions::approve::{ApproveHere, RejectHere};
use crate::actions::ask::{Ask, Word};
use crate::actions::control::{SteerHere, Verb, place};
use crate::actions::deploy::Deploy;
use crate::actions::health::Health;
use crate::actions::lock::{Lock, Unlock};
use crate::actions::notes::Notes;
use crate::actions::publish::Publish;
use crate::actions::rollback::Rollback;
use crate::actions::status::Status;
use crate::actions::validate::Validate;
use crate::domain::{Refusal, RepoName};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

/// What each command takes.
fn define(word: Word, command: Command) -> Command {
    match word {
        Word::Status => Status::augment_args(command),
        Word::Why => {
            let about = Arg::new("about").value_name("ENVIRONMENT").value_parser(place);
            command.arg(about.help("Environment or run; everything without it"))
        }
        Word::Deploy => Deploy::augment_args(command).mut_arg("git_ref", |arg| {
            arg.help("Tag, or whole id of a commit on the default branch; @abc1234 for exactly this head of the pull request")
        }),
        Word::Rollback => Rollback::augment_args(command),
        Word::Approve => ApproveHere::augment_args(command),
        Word::Reject => RejectHere::augment_args(command),
        Word::Lock => Lock::augment_args(command),
        Word::Unlock => Unlock::augment_args(command),
        Word::Pause | Word::Resume | Word::Promote | Word::Abort => SteerHere::augment_args(command),
        Word::Validate => Validate::augment_args(command),
        Word::Health => Health::augment_args(command),
        Word::Notes => Notes::augment_args(command),
        Word::Release => Publish::augment_args(command),
        Word::Help => command.arg(Arg::new("command").value_name("COMMAND").help("Command to explain")),
    }
}

/// From what was written to what is asked for.
fn ask(word: Word, found: &ArgMatches) -> Result<Ask, clap::Error> {
    match word {
        Word::Status => look(Action::Status(Status::from_arg_matches(found)?)),
        Word::Why => Ok(Ask::Why { about: found.get_one::<String>("about").cloned() }),
        Word::Deploy => act(Action::Deploy(Deploy::from_arg_matches(found)?)),
        Word::Rollback => act(Action::Rollback(Rollback::from_arg_matches(found)?)),
        Word::Approve => {
            let ApproveHere { at, plan } = ApproveHere::from_arg_matches(found)?;
            Ok(Ask::Approve { at, plan })
        }
        Word::Reject => {
            let RejectHere { at, plan, reason } = RejectHere::from_arg_matches(found)?;
            Ok(Ask::Reject { at, plan, reason })
        }
        Word::Lock => act(Action::Lock(Lock::from_arg_matches(found)?)),
        Word::Unlock => act(Action::Unlock(Unlock::from_arg_matches(found)?)),
        Word::Pause => steer(Verb::Pause, found),
        Word::Resume => steer(Verb::Resume, found),
        Word::Promote => steer(Verb::Promote, found),
        Word::Abort => steer(Verb::Abort, found),
        Word::Validate => look(Action::Validate(Validate::from_arg_matches(found)?)),
        Word::Health => look(Action::Health(Health::from_arg_matches(found)?)),
        Word::Notes => look(Action::Notes(Notes::from_arg_matches(found)?)),
        Word::Release => act(Action::Publish(Publish::from_arg_matches(found)?)),
        Word::Help => Ok(Ask::Help { page: String::new() }),
    }
}

fn look(action: Action) -> Result<Ask, clap::Error> {
    Ok(Ask::Look { action: Box::new(action) })
}

fn act(action: Action) -> Result<Ask, clap::Error> {
    Ok(Ask::Act { action: Box::new(action) })
}

fn steer(verb: Verb, found: &ArgMatches) -> Result<Ask, clap::Error> {
    let SteerHere { at, reason } = SteerHere::from_arg_matches(found)?;
    Ok(Ask::Steer { verb, at, reason })
}

/// The command as it is in a repository's comments.
pub fn command(word: Word, prefix: &str, repo: &RepoName) -> Command {
    let command = Command::new(word.as_str())
        .bin_name(format!("{prefix}{}", word.as_str()))
        .no_binary_name(true)
        .disable_version_flag(true)
        .color(clap::ColorChoice::Never)
        .term_width(100);
    let mut command = define(word, command).about(word.about());
    if command.get_arguments().any(|argument| argument.get_id() == "git_ref") {
        // `/deploy staging v1.2.3`
        command = command.mut_arg("git_ref", |argument| argument.long(None::<&str>).value_name("REF"));
    }
    if command.get_arguments().all(|argument| argument.get_id() != "repo") {
        return command;
    }
    command.mut_arg("repo", |argument| argument.hide(true).required(false).default_value(repo.to_string()))
}

/// # Errors
/// Clap's, or ours as the outer one.
pub fn read(word: Word, words: &[String], prefix: &str, repo: &RepoName) -> Result<Result<Ask, clap::Error>, Refusal> {
    let found = match command(word, prefix, repo).try_get_matches_from(words) {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    let elsewhere = found.try_contains_id("repo").unwrap_or(false)
        && found.value_source("repo") == Some(ValueSource::CommandLine)
        && found.get_one::<RepoName>("repo") != Some(repo);
    if elsewhere {
        return Err(Refusal::user(
            "other_repository",
            "A comment commands only its own repository.",
            "Leave --repo out, or comment in that repository.",
        ));
    }
    Ok(ask(word, &found))
}
