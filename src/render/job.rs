//! What a job that waits for its environment is told: Markdown in GitHub's 1,024 characters, whatever there is to say.

use super::check::{mark, prose};
use super::line;
use super::markdown::escape;
use crate::domain::Refusal;
use crate::gates::Verdict;
use askama::Template;

/// GitHub's limit, in characters.
pub const LIMIT: usize = 1_024;

/// The state of a job.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The tag, or words for the commit.
    pub what: &'a str,
    pub sha: &'a str,
    pub environment: &'a str,
    pub refusal: Option<&'a Refusal>,
    /// Nothing is decided yet.
    pub waits: bool,
    /// The run of ours that has started the job's workflow.
    pub own: Option<&'a str>,
    pub gates: &'a [Verdict],
}

#[derive(Template)]
#[template(path = "job/report.md", config = "templates/askama.toml")]
struct Page<'a> {
    what: &'a str,
    sha: &'a str,
    environment: &'a str,
    refusal: Option<&'a Refusal>,
    waits: bool,
    own: Option<&'a str>,
    rows: &'a [Row<'a>],
    /// Gates that are left out; they have passed.
    hidden: usize,
}

struct Row<'a> {
    gate: &'a str,
    mark: &'static str,
    /// Markdown.
    reason: String,
}

impl<'a> Report<'a> {
    /// With as much of the gates as there is room for: those that are open say more than those that have passed.
    pub fn text(&self) -> String {
        let open: Vec<&'a Verdict> = self.gates.iter().filter(|gate| !gate.status.advances()).collect();
        let all: Vec<&'a Verdict> = self.gates.iter().collect();
        let cut = self.refusal.map(|refusal| Refusal {
            message: line(&refusal.message, LIMIT / 4),
            fix: line(&refusal.fix, LIMIT / 4),
            ..refusal.clone()
        });
        let tries = [(&all, LIMIT), (&all, 120), (&open, LIMIT), (&open, 120), (&open, 40)];
        let fits = |text: &String| text.chars().count() <= LIMIT;
        let whole = tries.into_iter().filter_map(|(gates, room)| self.page(gates, room, self.refusal)).find(fits);
        let bare = || self.page(&[], 0, cut.as_ref()).filter(fits);
        let least = || {
            let code = self.refusal.map(|refusal| format!("Rejected: `{}`. ", refusal.code)).unwrap_or_default();
            format!("{code}{}", escape(&line(self.environment, LIMIT / 8)))
        };
        whole.or_else(bare).unwrap_or_else(least)
    }

    fn page(&self, gates: &[&'a Verdict], room: usize, refusal: Option<&Refusal>) -> Option<String> {
        let Self { what, sha, environment, waits, own, .. } = *self;
        let hidden = if gates.is_empty() { 0 } else { self.gates.len() - gates.len() };
        let row = |gate: &&'a Verdict| {
            let reason = prose(&line(&gate.reason, room));
            Row { gate: &gate.gate, mark: mark(&gate.status), reason }
        };
        let rows: Vec<Row<'_>> = gates.iter().map(row).collect();
        let page = Page { what, sha, environment, refusal, waits, own, rows: &rows, hidden };
        Some(page.render().ok()?.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::Status;
    use crate::render::testing::verdict;

    const REPORT: Report<'static> = Report {
        what: "v1.2.3",
        sha: "abc1234",
        environment: "production",
        refusal: None,
        waits: false,
        own: None,
        gates: &[],
    };

    #[test]
    fn each_state_in_words() {
        let gates = [
            verdict("checks", Status::Pass, "The check \"build | <x>\" passed.", ""),
            verdict("approvals", Status::Pending, "Waits for 1 of @acme/sre.", "Ask one of them."),
        ];
        let refusal = Refusal::user("check_failed", "The check \"build\" did not pass.", "Mend it, and run the job again.");
        let refused = Report { refusal: Some(&refusal), gates: &gates[..1], ..REPORT };
        let waits = Report { waits: true, gates: &gates, ..REPORT };
        let approved = Report { gates: &gates[..1], ..REPORT };
        let own = Report { own: Some("01RUN"), ..REPORT };
        let all = [waits, refused, approved, own].map(|report| report.text());
        insta::assert_snapshot!(all.join("\n\n---\n\n"));
    }

    #[test]
    fn it_fits_whatever_there_is_to_say() {
        for (gates, length) in [(1, 5_000), (3, 900), (60, 30), (200, 5_000), (8, 100)] {
            for status in [Status::Pass, Status::Pending] {
                let reason = "ä | b ".repeat(length / 6);
                let gates: Vec<_> = (0..gates).map(|_| verdict("checks", status, &reason, "Wait.")).collect();
                let refusal = Refusal::user("check_failed", reason.clone(), reason.clone());
                for refusal in [None, Some(&refusal)] {
                    let text = Report { refusal, waits: refusal.is_none(), gates: &gates, ..REPORT }.text();
                    assert!(text.chars().count() <= LIMIT, "{}", text.chars().count());
                    let what = if refusal.is_some() { "check_failed" } else { "production" };
                    assert!(text.contains(what), "{text}");
                }
            }
        }
    }
}
