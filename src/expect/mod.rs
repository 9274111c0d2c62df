//! `expect = "status == 200 && body.version == version"`: what a health check or a gate demands of an answer, in CEL.
//!
//! The grammar is CEL's own (the `cel` crate's parser); the evaluation is ours. The reason is hostile input, since both the
//! expression and the answer come from outside: in cel 0.15 nested brackets end the whole process by a stack overflow, and a
//! loop within a loop or a text doubled twenty times takes minutes or gigabytes. Here
//! - an expression has at most [`LONGEST`] bytes, 300 tokens and 40 opening brackets, and is parsed on a stack of its own;
//! - evaluation has a budget of steps, counted also for what operators copy or compare, which nothing can absorb;
//! - names, functions and regular expressions are checked when the expression is read, not when it is needed;
//! - nothing panics and nothing is a pass but the value `true`.
//!
//! Left out of CEL: bytes, timestamps, durations, `type`, optional values, messages, and maps whose keys are not texts.

mod eval;
mod node;
mod numbers;
mod read;
mod value;

pub use value::Variables;

use node::Node;
use std::sync::Arc;

/// Longest expression in bytes.
pub const LONGEST: usize = 2_048;

/// What an expression may name. Which of them are known depends on who evaluates.
pub const NAMES: [&str; 16] = [
    "status",
    "body",
    "headers",
    "latency_ms",
    "version",
    "sha",
    "environment",
    "value",
    "result",
    "baseline",
    "error_rate",
    "errors",
    "requests",
    "server",
    "protocol",
    "tools",
];

/// A checked expression.
#[derive(Clone, Debug)]
pub struct Expression {
    text: String,
    node: Arc<Node>,
}

/// Why an expression gave neither true nor false. Texts may quote names from the expression, never the answer itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpectError {
    #[error("the expression gives {0} instead of true or false")]
    NotBool(&'static str),
    #[error("there is no {0} in the answer")]
    Missing(String),
    #[error("\"{0}\" is not known here")]
    Unset(String),
    #[error("{0}")]
    Mismatch(String),
    #[error("the expression takes too many steps on this answer")]
    TooCostly,
    #[error("the answer is too large to be judged")]
    TooLarge,
}

impl ExpectError {
    /// Stable, lower-case words joined by `_`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotBool(_) => "expect_not_bool",
            Self::Missing(_) | Self::Unset(_) => "expect_missing",
            Self::Mismatch(_) => "expect_mismatch",
            Self::TooCostly => "expect_too_costly",
            Self::TooLarge => "expect_too_large",
        }
    }
}

/// Reads an expression. The error is one sentence without a full stop, for people, with a column where one is known.
pub fn compile(text: &str) -> Result<Expression, String> {
    let node = read::read(text)?;
    Ok(Expression { text: text.to_owned(), node: Arc::new(node) })
}

impl Expression {
    /// True only if the expression says so.
    pub fn evaluate(&self, variables: &Variables) -> Result<bool, ExpectError> {
        eval::evaluate(&self.node, variables)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of [`NAMES`] that it uses, each once.
    pub fn uses(&self) -> Vec<&'static str> {
        NAMES.into_iter().filter(|name| self.node.mentions(name)).collect()
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[cfg(test)]
mod tests;
