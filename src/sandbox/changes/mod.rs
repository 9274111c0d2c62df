//! Changes that more than one door makes: references move, checks complete, releases appear, and GitHub tells the App.

mod checks;
mod comments;
mod refs;
mod releases;

pub(super) use refs::RefChange;
