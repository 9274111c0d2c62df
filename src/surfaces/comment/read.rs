//! From a comment to what it asks for.

use super::find::{Line, lines};
use super::{grammar, help, words};
use crate::actions::ask::{Ask, Asked, Word};
use crate::config::suggest::nearest;
use crate::domain::{Refusal, RepoName};
use crate::render::markdown::is_invisible;
use clap::error::{ContextKind, ErrorKind};

/// Commands that one comment may hold.
const MOST: usize = 10;
/// Characters of one command.
const LONGEST: usize = 1_000;
/// Characters of a command that are repeated in a reply.
const SHOWN: usize = 120;
/// GitHub stores no longer comment.
const LONGEST_COMMENT: usize = 262_144;

/// What is needed to know a command.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    /// `/`, or what the operator has chosen so that two bots can live together.
    pub prefix: &'a str,
    /// The App's slug, once it is known: `@slug deploy …`.
    pub slug: Option<&'a str>,
    pub repo: &'a RepoName,
}

/// What is asked for, in order; empty when nothing in the comment is meant for us.
pub fn read(body: &str, reader: &Reader<'_>) -> Vec<Asked> {
    if body.len() > LONGEST_COMMENT || !reader.may_be_in(body) {
        return Vec::new();
    }
    let asked: Vec<Asked> = lines(body).iter().filter_map(|line| reader.line(line)).take(MOST + 1).collect();
    match asked.first() {
        Some(first) if asked.len() > MOST => vec![Asked { line: first.line.clone(), what: Err(too_many()) }],
        _ => asked,
    }
}

impl Reader<'_> {
    /// Cheap, so that the comments of other people cost nothing.
    fn may_be_in(&self, body: &str) -> bool {
        body.contains(self.prefix) || self.slug.is_some_and(|_| body.contains('@'))
    }

    /// Nothing when the line is not meant for us.
    fn line(&self, line: &Line<'_>) -> Option<Asked> {
        let (rest, by_name) = self.called(line.text)?;
        let name = rest.split(char::is_whitespace).next().unwrap_or_default().to_lowercase();
        let what = match Word::parse(&name) {
            Some(known) => self.command(known, rest, line),
            None => Err(unknown(if by_name { near(&name) } else { slip(&name) }?, self.prefix)),
        };
        Some(Asked { line: line.text.chars().filter(|c| !hidden(*c)).take(SHOWN).collect(), what })
    }

    /// What follows the prefix or our name, and whether it was our name.
    fn called<'t>(&self, text: &'t str) -> Option<(&'t str, bool)> {
        let by_name = self.slug.and_then(|slug| mentioned(text, slug));
        let rest = by_name.or_else(|| text.strip_prefix(self.prefix))?;
        rest.starts_with(char::is_alphabetic).then_some((rest, by_name.is_some()))
    }

    fn command(&self, known: Word, rest: &str, line: &Line<'_>) -> Result<Ask, Refusal> {
        if rest.chars().count() > LONGEST {
            return Err(too_long());
        }
        if rest.chars().any(hidden) {
            return Err(invisible());
        }
        if line.marked_up {
            return Err(marked_up());
        }
        let mut words = words::split(rest).map_err(unsplit)?;
        if words.is_empty() {
            return Err(unsplit("it is empty"));
        }
        words.remove(0);
        if known == Word::Help {
            return self.help(words.first().map(String::as_str));
        }
        match grammar::read(known, &words, self.prefix, self.repo)? {
            Ok(ask) => Ok(ask),
            Err(error) if error.kind() == ErrorKind::DisplayHelp => self.help(Some(known.as_str())),
            Err(error) => Err(misused(&error, known, self)),
        }
    }

    fn help(&self, about: Option<&str>) -> Result<Ask, Refusal> {
        let page = match about.map(|name| name.trim_start_matches(self.prefix).to_lowercase()) {
            None => help::overview(self.prefix, self.slug, self.repo),
            Some(name) => match Word::parse(&name) {
                Some(known) => help::page(known, self.prefix, self.repo),
                None => return Err(no_help(near(&name), self.prefix)),
            },
        };
        Ok(Ask::Help { page })
    }
}

/// What follows `@slug` at the beginning of a line.
fn mentioned<'t>(text: &'t str, slug: &str) -> Option<&'t str> {
    let name = text.strip_prefix('@')?;
    let at = name.get(..slug.len()).filter(|start| start.eq_ignore_ascii_case(slug))?;
    let rest = name.get(at.len()..)?;
    rest.starts_with([' ', '\t']).then(|| rest.trim_start_matches([' ', '\t']))
}

/// The command of which a word has the letters in another order. Anything less alike is a path or another bot's command too
/// often: `/healthz`, `/stats`.
fn slip(word: &str) -> Option<&'static str> {
    let sorted = |text: &str| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    Word::ALL.into_iter().map(Word::as_str).find(|name| sorted(name) == sorted(word))
}

/// The command that a word is most likely a slip of, for whoever certainly means us.
fn near(word: &str) -> Option<&'static str> {
    let found = nearest(word, &Word::ALL.map(Word::as_str))?;
    Word::parse(found).map(Word::as_str)
}

/// What a reader does not see, or sees elsewhere than it is.
fn hidden(c: char) -> bool {
    c != '\t' && (c.is_control() || is_invisible(c) || (c.is_whitespace() && c != ' '))
}

fn misused(error: &clap::Error, known: Word, reader: &Reader<'_>) -> Refusal {
    let whole = error.render().to_string();
    let first = whole.lines().next().unwrap_or_default().trim_start_matches("error: ").trim_end_matches(':');
    let missing: Vec<&str> = match error.kind() {
        ErrorKind::MissingRequiredArgument => whole.lines().skip(1).map(str::trim).take_while(|l| !l.is_empty()).collect(),
        _ => Vec::new(),
    };
    let message = if missing.is_empty() {
        format!("{}.", capital(first.trim_end_matches('.')))
    } else {
        format!("{} is missing.", missing.join(" and "))
    };
    let tip = match error.get(ContextKind::SuggestedArg).or_else(|| error.get(ContextKind::SuggestedValue)) {
        Some(near) => format!("Did you mean {near}? "),
        None => String::new(),
    };
    let shape = help::shape(known, reader.prefix, reader.repo);
    let fix = format!("{tip}Write it as `{shape}`; `{}help {}` says more.", reader.prefix, known.as_str());
    Refusal::user("command_misused", message, fix)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn unknown(near: &str, prefix: &str) -> Refusal {
    let fix = format!("Did you mean `{prefix}{near}`? Write a new comment; `{prefix}help` lists all commands.");
    Refusal::user("command_unknown", "There is no such command.", fix)
}

fn no_help(near: Option<&str>, prefix: &str) -> Refusal {
    let tip = near.map(|near| format!("Did you mean `{prefix}help {near}`? ")).unwrap_or_default();
    Refusal::user("command_unknown", "There is no such command.", format!("{tip}`{prefix}help` lists all commands."))
}

fn too_many() -> Refusal {
    let text = format!("The comment holds more than {MOST} commands, so none of them was carried out.");
    Refusal::user("too_many_commands", text, "Write fewer commands in one comment.")
}

fn too_long() -> Refusal {
    let text = format!("The command is longer than {LONGEST} characters.");
    Refusal::user("command_too_long", text, "Give a shorter reason.")
}

fn invisible() -> Refusal {
    Refusal::user(
        "invisible_characters",
        "The command holds characters that nobody can see, or that change the direction of the text.",
        "Type it anew instead of copying it, in a new comment.",
    )
}

fn marked_up() -> Refusal {
    Refusal::user(
        "command_marked_up",
        "The command holds code, HTML or a link, so that it reads otherwise than it is written.",
        "Write it as plain text, in a new comment.",
    )
}

fn unsplit(why: &str) -> Refusal {
    let text = format!("The command cannot be read: {why}.");
    Refusal::user("command_unreadable", text, "Put what belongs together into quotation marks, in a new comment.")
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
