//! The commands as clap knows them: the requests of the actions, which the command line takes too, with what is different in
//! a comment: the repository is the comment's, and a person stands at a pull request.

use crate::actions::Action;
use crate::actions::ask::Ask;
use crate::actions::health::Health;
use crate::actions::notes::Notes;
use crate::actions::status::Status;
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
pub const KNOWN: [Known; 4] = [
    Known {
        name: "status",
        about: "show what is live, what runs and what it waits for",
        define: Status::augment_args,
        read: |found| look(Action::Status(Status::from_arg_matches(found)?)),
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
        let command = (self.define)(command).about(self.about);
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
