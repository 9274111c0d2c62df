//! The gate `commits`: every commit of the range can be classified, so that the notes and the version miss nothing.

use super::text::plain;
use super::{GateView, Verdict};

const GATE: &str = "commits";
/// So many commits are listed; the count tells of the rest.
const LISTED: usize = 10;

pub(super) fn judge(view: &GateView<'_>) -> Verdict {
    let Some(commits) = view.unclassified else {
        return Verdict::unavailable(
            GATE,
            "commits_unreadable",
            "The commits of this release could not all be read, so whether each has a type is unknown.",
            "Re-run this check; if it stays so, see whether the previous tag still exists.",
        );
    };
    if commits.is_empty() {
        return Verdict::pass(GATE, "commits_classified", "Every commit of this release has a type.");
    }
    let names: Vec<String> = commits.iter().take(LISTED).map(|c| format!("{} {}", c.sha.short(), plain(&c.subject))).collect();
    let (count, them) = match commits.len() {
        1 => ("1 commit has".to_owned(), "it"),
        many => (format!("{many} commits have"), "them"),
    };
    let rest = match commits.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    Verdict::fail(
        GATE,
        "commits_unclassified",
        format!("{count} no type such as feat or fix: {}{rest}.", names.join("; ")),
        format!("Reword {them} as `type: subject` and tag the new commit, or remove the gate `commits`."),
    )
    .names(names)
}
