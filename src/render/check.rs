//! Check runs: a title of one line and a summary in Markdown.

use super::{SLASH, fit_summary, here, line, markdown};
use crate::domain::Refusal;
use crate::gates::{Status, Verdict};
use askama::Template;

/// A check run's two texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub title: String,
    pub summary: String,
}

/// What the check run of a release shows.
#[derive(Template)]
#[template(path = "check/release.md", config = "templates/askama.toml")]
pub struct Release<'a> {
    pub tag: &'a str,
    pub sha: &'a str,
    pub refusal: Option<&'a Refusal>,
    pub url: Option<&'a str>,
    pub previous: Option<&'a str>,
    pub gates: &'a [Verdict],
    pub remarks: &'a [String],
    /// Markdown of the notes; already harmless.
    pub notes: Option<&'a str>,
}

/// What the check run of a deployment shows.
#[derive(Template)]
#[template(path = "check/deploy.md", config = "templates/askama.toml")]
pub struct Deploy<'a> {
    /// The tag, or words for the commit.
    pub what: &'a str,
    pub sha: &'a str,
    pub environment: &'a str,
    pub refusal: Option<&'a Refusal>,
    pub stage: Stage,
    pub url: Option<&'a str>,
    pub gates: &'a [Verdict],
    pub progress: &'a [String],
}

/// How far a deployment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// For its gates.
    Waits,
    /// For the deployment before it.
    Queued,
    UnderWay,
    Live,
}

/// What an open pull request would do.
#[derive(Template)]
#[template(path = "check/preview.md", config = "templates/askama.toml")]
pub struct Preview<'a> {
    pub current: Option<&'a str>,
    pub next: Option<&'a str>,
    pub bump: &'a str,
    pub unclassified: &'a [String],
    pub trouble: Option<&'a str>,
    /// Markdown of the notes; already harmless.
    pub notes: Option<&'a str>,
}

/// Trouble in the repository's configuration.
#[derive(Template)]
#[template(path = "check/config.md", config = "templates/askama.toml")]
pub struct Config<'a> {
    pub path: &'a str,
    pub problems: &'a [ProblemLine],
    pub warnings: &'a [String],
}

#[derive(Clone, Debug)]
pub struct ProblemLine {
    pub line: u32,
    pub column: u32,
    pub code: String,
    pub message: String,
    pub fix: String,
}

/// A sentence of ours for somebody who reads it on GitHub.
pub(super) fn prose(text: &str) -> String {
    markdown::prose(&here(text, SLASH))
}

pub(super) fn mark(status: &Status) -> &'static str {
    match status {
        Status::Pass => "✅ passed",
        Status::Overridden => "🔓 overridden",
        Status::Fail => "❌ refused",
        Status::Pending => "⏳ waiting",
        Status::Inconclusive => "❔ undecided",
        Status::Unavailable => "⚠️ unreadable",
    }
}

fn passed(status: &Status) -> bool {
    status.advances()
}

impl Release<'_> {
    pub fn text(&self) -> Text {
        let title = match (self.refusal, self.url) {
            (Some(refusal), _) => refusal.message.clone(),
            (None, Some(_)) => format!("Released {}", self.tag),
            (None, None) => waiting(self.gates),
        };
        finish(&title, self.render())
    }
}

impl Deploy<'_> {
    pub fn text(&self) -> Text {
        let title = match (self.refusal, self.stage) {
            (Some(refusal), _) => refusal.message.clone(),
            (None, Stage::Live) => format!("{} is live in {}", self.what, self.environment),
            (None, Stage::UnderWay) => format!("Deploying {}", self.what),
            (None, Stage::Queued) => QUEUED.to_owned(),
            (None, Stage::Waits) => waiting(self.gates),
        };
        finish(&title, self.render())
    }
}

impl Preview<'_> {
    pub fn text(&self) -> Text {
        let title = match (self.next, self.current) {
            (Some(next), _) => format!("Next version: {next} ({})", self.bump),
            (None, Some(current)) => format!("Nothing to release after {current}"),
            (None, None) => "Nothing to release".to_owned(),
        };
        finish(&title, self.render())
    }
}

impl Config<'_> {
    pub fn text(&self) -> Text {
        let title = match self.problems.len() {
            0 => "The configuration is in order".to_owned(),
            1 => "1 problem in the configuration".to_owned(),
            n => format!("{n} problems in the configuration"),
        };
        finish(&title, self.render())
    }
}

/// What is said of a deployment whose turn has not come.
pub const QUEUED: &str = "Waits for the deployment before it";

/// "Waits for …", for a title or a deployment status.
pub fn waiting(gates: &[Verdict]) -> String {
    let open: Vec<&str> = gates.iter().filter(|g| !g.status.advances()).map(|g| g.reason.as_str()).collect();
    match open.as_slice() {
        [] => "Going ahead".to_owned(),
        [one] => (*one).to_owned(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}

fn finish(title: &str, body: askama::Result<String>) -> Text {
    // A template that compiled can only fail on a broken formatter; the title still says what matters.
    let summary = body.unwrap_or_else(|_| title.to_owned());
    Text { title: line(&here(title, SLASH), 250), summary: fit_summary(summary.trim().to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::testing::verdict;

    #[test]
    fn a_refused_release() {
        let gates = [
            verdict("tag", Status::Pass, "v1.2.3 is a version on main.", ""),
            verdict("checks", Status::Fail, "Check `build | <x>` failed.", "Mend it and run it again."),
        ];
        let refusal = Refusal::user("check_failed", "Check build failed.", "Mend it and run it again.");
        let sheet = Release {
            tag: "v1.2.3",
            sha: "abc1234",
            refusal: Some(&refusal),
            url: None,
            previous: None,
            gates: &gates,
            remarks: &[],
            notes: None,
        };
        insta::assert_snapshot!(sheet.text().summary);
        assert_eq!(sheet.text().title, "Check build failed.");
    }

    /// Whoever reads a check run types in a comment.
    #[test]
    fn what_is_typed_on_a_server_is_told_as_a_command() {
        let fix = "Look by hand, then `lockkeeper unlock staging --reason …`; `lockkeeper doctor` is the operator's.";
        let refusal = Refusal::user("locked", "`lockkeeper deploy staging --ref abc` is refused.", fix);
        let gates = [verdict("lock", Status::Fail, "It is locked.", "End it: `lockkeeper unlock staging`.")];
        let sheet = Deploy {
            what: "v1.2.3",
            sha: "abc1234",
            environment: "staging",
            refusal: Some(&refusal),
            stage: Stage::Waits,
            url: None,
            gates: &gates,
            progress: &[],
        };
        let Text { title, summary } = sheet.text();
        assert_eq!(title, "`/deploy staging abc` is refused.");
        for said in ["`/unlock staging --reason …`", "`lockkeeper doctor`", "End it: `/unlock staging`"] {
            assert!(summary.contains(said), "{said}:\n{summary}");
        }
        let worded = crate::render::worded(summary + "\n---\n`/status` is served", "!lk-");
        assert!(worded.matches("`!lk-unlock").count() == 2 && worded.ends_with("`/status` is served"), "{worded}");
    }

    #[test]
    fn a_published_release() {
        let remarks = ["The computed next version is 1.3.0.".to_owned()];
        let sheet = Release {
            tag: "v1.2.3",
            sha: "abc1234",
            refusal: None,
            url: Some("https://github.com/o/r/releases/tag/v1.2.3"),
            previous: Some("v1.2.2"),
            gates: &[verdict("tag", Status::Pass, "v1.2.3 is a version on main.", "")],
            remarks: &remarks,
            notes: Some("### Features\n\n- a"),
        };
        insta::assert_snapshot!(sheet.text().summary);
    }

    #[test]
    fn a_waiting_release_and_a_live_deployment() {
        let gates = [verdict("checks", Status::Pending, "Waits for build.", "")];
        let sheet = Release {
            tag: "v1",
            sha: "abc1234",
            refusal: None,
            url: None,
            previous: None,
            gates: &gates,
            remarks: &[],
            notes: None,
        };
        assert_eq!(sheet.text().title, "Waits for build.");
        insta::assert_snapshot!(sheet.text().summary);
        let live = Deploy {
            what: "v1.2.3",
            sha: "abc1234",
            environment: "production",
            refusal: None,
            stage: Stage::Live,
            url: Some("https://example.com"),
            gates: &[],
            progress: &["Health: passed".to_owned()],
        };
        insta::assert_snapshot!(live.text().summary);
    }

    /// What it waited for is no news any more once it is under way.
    #[test]
    fn a_deployment_says_where_it_is() {
        let shown = |stage: Stage, gate: Status, reason: &str| {
            let gates = [verdict("checks", gate, reason, "")];
            let (what, sha, environment) = ("v1.2.3", "abc1234", "production");
            let text = Deploy { what, sha, environment, refusal: None, stage, url: None, gates: &gates, progress: &[] }.text();
            format!("{}\n{}\n", text.title, text.summary)
        };
        insta::assert_snapshot!(
            [
                shown(Stage::Waits, Status::Pending, "Waits for build."),
                shown(Stage::Queued, Status::Pass, "1 check has passed."),
                shown(Stage::UnderWay, Status::Pass, "1 check has passed."),
            ]
            .join("\n---\n")
        );
    }

    #[test]
    fn a_preview_and_a_broken_configuration() {
        let unclassified = ["abc1234 Update stuff @all".to_owned()];
        let preview = Preview {
            current: Some("1.2.3"),
            next: Some("1.3.0"),
            bump: "minor",
            unclassified: &unclassified,
            trouble: None,
            notes: Some("### Features\n\n- a"),
        };
        insta::assert_snapshot!(preview.text().summary);
        let problem = ProblemLine {
            line: 3,
            column: 5,
            code: "unknown_key".into(),
            message: "`tagg` is not a key of [release].".into(),
            fix: "Did you mean `tag`?".into(),
        };
        let config = Config { path: crate::config::repo::CONFIG_PATH, problems: &[problem], warnings: &[] };
        insta::assert_snapshot!(config.text().summary);
    }
}
