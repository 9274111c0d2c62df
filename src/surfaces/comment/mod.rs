//! Commands in comments: found where they are meant as such, and read by the definitions that the command line has. Pure.
//!
//! Invariants: a command begins a line of the source and stands in plain text: never in code, quotes, HTML, links, tables or
//! struck-out text, also where that was begun lines before; text is never handed to a shell; what is meant for us and cannot
//! be done is answered, what may be meant for another bot is not.
//!
//! Known gap: GitHub's Markdown is not published as a program; where it and CommonMark differ, a command may not be seen.

mod find;
mod grammar;
mod help;
mod read;
mod words;

pub use read::{Reader, read};
