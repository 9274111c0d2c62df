//! The commands as clap knows them: the requests of the actions, which the command line takes too, with what is different in
//! a comment: the repository is the comment's, and a person stands at a pull request.

use crate::actions::Action;
use crate::actions::ask::Ask;
use crate::actions::control::{SteerHere, Verb, place};
use crate::actions::deploy::Deploy;
use crate::actions::health::Health;
use crate::actions::lock::{Lock, Unlock};
use crate::actions::notes::Notes;
use crate::actions::rollback::Rollback;
use crate::actions::status::Status;
use crate::actions::validate::Validate;
use crate::domain::{Refusal, RepoName};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

/// A command of comments.
pub struct Known {
    pub name: &'static str,
    /// One clause, for the list of commands.
    pub about: &'static str,
    /// Adds what it takes.
    define: fn(Command) -> Command,
    /// From what was written to what is asked for.
    read: fn(&ArgMatches) -> Result<Ask, clap::Error>,
}

/// In the order in which people meet them.
pub const KNOWN: [Known; 14] = [
    Known {
        name: "status",
        about: "show what is live, what runs and what it waits for",
        define: Status::augment_args,
        read: |found| look(Action::Status(Status::from_arg_matches(found)?)),
    },
    Known {
        name: "why",
        about: "say why something waits or was refused",
        define: |command| {
            let about = Arg::new("about").value_name("ENVIRONMENT").value_parser(place);
            command.arg(about.help("Environment or run; everything without it"))
        },
        read: |found| Ok(Ask::Why { about: found.get_one::<String>("about").cloned() }),
    },
    Known {
        name: "deploy",
        about: "deploy the pull request's head, or another version",
        define: |command| {
            // Only the operator opens gates.
            let command = Deploy::augment_args(command).mut_arg("overriding", |arg| arg.hide(true));
            command.mut_arg("git_ref", |arg| {
                arg.help(
                    "Tag, or whole id of a commit on the default branch; @abc1234 for exactly this head of the pull request",
                )
            })
        },
        read: |found| act(Action::Deploy(Deploy::from_arg_matches(found)?)),
    },
    Known {
        name: "rollback",
        about: "go back to a version that was live before",
        define: Rollback::augment_args,
        read: |found| act(Action::Rollback(Rollback::from_arg_matches(found)?)),
    },
    Known {
        name: "lock",
        about: "keep deployments out of an environment",
        define: Lock::augment_args,
        read: |found| act(Action::Lock(Lock::from_arg_matches(found)?)),
    },
    Known {
        name: "unlock",
        about: "let deployments into an environment again",
        define: Unlock::augment_args,
        read: |found| act(Action::Unlock(Unlock::from_arg_matches(found)?)),
    },
    Known {
        name: "pause",
        about: "let a deployment wait after this step",
        define: SteerHere::augment_args,
        read: |found| steer(Verb::Pause, found),
    },
    Known {
        name: "resume",
        about: "let a deployment go on with its next step",
        define: SteerHere::augment_args,
        read: |found| steer(Verb::Resume, found),
    },
    Known {
        name: "promote",
        about: "move everybody to the new version now",
        define: SteerHere::augment_args,
        read: |found| steer(Verb::Promote, found),
    },
    Known {
        name: "abort",
        about: "stop a deployment and give users back what they had",
        define: SteerHere::augment_args,
        read: |found| steer(Verb::Abort, found),
    },
    Known {
        name: "validate",
        about: "judge the gates of an environment; nothing moves",
        define: Validate::augment_args,
        read: |found| look(Action::Validate(Validate::from_arg_matches(found)?)),
    },
    Known {
        name: "health",
        about: "ask an environment's health checks once",
        define: Health::augment_args,
        read: |found| look(Action::Health(Health::from_arg_matches(found)?)),
    },
    Known {
        name: "notes",
        about: "write the notes that a tag would be released with",
        define: Notes::augment_args,
        read: |found| look(Action::Notes(Notes::from_arg_matches(found)?)),
    },
    Known {
        name: "help",
        about: "list the commands, or explain one",
        define: |command| command.arg(Arg::new("command").value_name("COMMAND").help("Command to explain")),
        read: |_| Ok(Ask::Help { page: String::new() }),
    },
];

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

impl Known {
    pub fn named(name: &str) -> Option<&'static Self> {
        KNOWN.iter().find(|known| known.name == name)
    }

    /// As it is in a repository's comments.
    pub fn command(&self, prefix: &str, repo: &RepoName) -> Command {
        let command = Command::new(self.name)
            .bin_name(format!("{prefix}{}", self.name))
            .about(self.about)
            .no_binary_name(true)
            .disable_version_flag(true)
            .color(clap::ColorChoice::Never)
            .term_width(100);
        let mut command = (self.define)(command).about(self.about);
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
    pub fn read(&self, words: &[String], prefix: &str, repo: &RepoName) -> Result<Result<Ask, clap::Error>, Refusal> {
        let found = match self.command(prefix, repo).try_get_matches_from(words) {
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
        Ok((self.read)(&found))
    }
}
