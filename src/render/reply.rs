//! Replies on pull requests.

mod overview;

use super::fit;
use super::markdown::prose;
use crate::actions::outcome::Overview;
use crate::domain::Refusal;
use askama::Template;

/// GitHub's limit for a comment, with room for the marker.
const LIMIT: usize = 65_000;

/// The hidden mark by which our reply about a run is found again.
pub fn marker(run: &str) -> String {
    format!("<!-- lockkeeper:run:{run} -->")
}

/// What one command was answered with: Markdown of ours, or why it was not done.
pub struct Answer<'a> {
    /// The command as it was written.
    pub line: &'a str,
    pub answer: Result<String, Refusal>,
}

/// The answers to all commands of one comment.
#[derive(Template)]
#[template(path = "reply/answers.md", config = "templates/askama.toml")]
pub struct Page<'a> {
    /// Who asked.
    pub to: &'a str,
    pub answers: &'a [Answer<'a>],
}

impl Page<'_> {
    pub fn text(&self) -> String {
        // A template that compiled can only fail on a broken formatter.
        fit(self.render().unwrap_or_default().trim().to_owned(), LIMIT)
    }

    /// A login with nothing in it that Markdown could make something of; an escaped `_` would be no mention.
    fn name(&self) -> String {
        self.to.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect()
    }
}

/// What `/status` answers.
pub fn status(overview: &Overview) -> String {
    overview::text(overview)
}

#[cfg(test)]
mod tests;
