//! `lockkeeper check`: every problem of a `.github/lockkeeper.toml`, shown as a compiler shows it.
//!
//! The file's text goes to a terminal: control characters are shown, not sent.

use super::{expression, fail, say};
use crate::config::problem::{Problem, Problems};
use crate::config::repo::{self, CONFIG_PATH, Report};
use crate::domain::Refusal;
use serde_json::json;
use std::fmt::Write;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args, Debug)]
pub struct Args {
    /// The file to check; `-` reads from standard input
    #[arg(default_value = CONFIG_PATH)]
    pub file: PathBuf,
    /// How to show the problems
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people: the line, a mark under the mistake, and what to do
    Text,
    /// One JSON object
    Json,
    /// Annotations for a workflow of GitHub Actions
    Github,
}

/// Exit code 0: no problem; 1: problems; 2: the file cannot be read.
pub fn run(args: Args) -> ExitCode {
    let name = args.file.display().to_string();
    let text = match read(&args.file) {
        Ok(text) => text,
        Err(why) => {
            let message = format!("{name} cannot be read: {why}.");
            return fail(&Refusal::user("file_unreadable", message, "Check the path and its permissions."));
        }
    };
    let report = repo::check(&text, &expression);
    let clean = report.outcome.is_ok();
    let shown = match args.format {
        Format::Text => text_report(&name, &text, &report),
        Format::Json => json_report(&name, &report),
        Format::Github => github_report(&name, &report),
    };
    let said = say(&shown);
    if clean { said } else { ExitCode::from(1) }
}

/// Reads no more than the check would look at.
fn read(file: &std::path::Path) -> Result<String, String> {
    let limit = repo::SIZE_LIMIT as u64 + 1;
    let mut bytes = Vec::new();
    let result = if file.as_os_str() == "-" {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|f| f.take(limit).read_to_end(&mut bytes))
    };
    result.map_err(|e| e.to_string())?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        // The cut may have gone through a character.
        Err(e) if e.as_bytes().len() as u64 == limit && e.utf8_error().error_len().is_none() => {
            Ok(String::from_utf8_lossy(e.as_bytes()).into_owned())
        }
        Err(_) => Err("it is not UTF-8 text".into()),
    }
}

fn problems(report: &Report) -> &[Problem] {
    match &report.outcome {
        Ok(_) => &[],
        Err(Problems(list)) => list,
    }
}

fn text_report(name: &str, text: &str, report: &Report) -> String {
    let mut out = String::new();
    let lines: Vec<&str> = text.split('\n').collect();
    for (severity, list) in [("error", problems(report)), ("warning", report.warnings.as_slice())] {
        for p in list {
            let line = lines.get(p.line - 1).copied().unwrap_or_default().trim_end_matches('\r');
            let number = p.line.to_string();
            let gutter = " ".repeat(number.len());
            let (source, mark) = excerpt(line, p.column, p.length);
            let _ = writeln!(out, "{severity}[{}]: {}", p.code, p.message);
            let _ = writeln!(out, "{gutter}--> {}:{}:{}", plain(name), p.line, p.column);
            let _ = writeln!(out, "{gutter} |\n{number} | {source}\n{gutter} | {mark}");
            let _ = writeln!(out, "{gutter} = {}\n", p.fix);
        }
    }
    let count = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let _ = match (problems(report).len(), report.warnings.len()) {
        (0, 0) => writeln!(out, "{}: no problems.", plain(name)),
        (errors, warnings) => writeln!(out, "{}: {}, {}.", plain(name), count(errors, "problem"), count(warnings, "warning")),
    };
    out
}

/// The part of the line around the mistake, at most 120 characters, and a mark under it.
fn excerpt(line: &str, column: usize, length: usize) -> (String, String) {
    const WIDTH: usize = 120;
    let chars: Vec<char> = line.chars().collect();
    let at = column - 1;
    let from = if chars.len() <= WIDTH { 0 } else { at.saturating_sub(20) };
    let shown: String = chars.iter().skip(from).take(WIDTH).map(|c| if c.is_control() { ' ' } else { *c }).collect();
    let before = usize::from(from > 0);
    let dots = if from > 0 { "…" } else { "" };
    let mark = "^".repeat(length.min(WIDTH + from - at.min(WIDTH + from)).max(1));
    (format!("{dots}{shown}"), format!("{}{mark}", " ".repeat(before + at - from)))
}

fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn json_report(name: &str, report: &Report) -> String {
    let value = json!({ "file": name, "problems": problems(report), "warnings": report.warnings });
    format!("{value:#}\n")
}

/// Workflow commands; source of the escapes: `@actions/core`.
fn github_report(name: &str, report: &Report) -> String {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let mut out = String::new();
    for (severity, list) in [("error", problems(report)), ("warning", report.warnings.as_slice())] {
        for p in list {
            let end = p.column + p.length - 1;
            let place = format!("file={},line={},col={},endColumn={end}", property(name), p.line, p.column);
            let _ = writeln!(out, "::{severity} {place},title={}::{} {}", property(&p.code), data(&p.message), data(&p.fix));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[release]\ntagg = \"v{version}\"\n[environments.production]\ntarget = \"actions\"\ngates = [{ kind = \"peer\", peer = \"security\", tool = \"scan\", expect = \"true\" }]\n[targets.actions]\nkind = \"workflow\"\nworkflow = \"deploy.yml\"\n";

    #[test]
    fn people_see_the_line_the_mark_and_the_fix() {
        insta::assert_snapshot!(text_report(CONFIG_PATH, TEXT, &repo::check(TEXT, &expression)));
    }

    #[test]
    fn expressions_are_compiled() {
        let text = "[targets.t]\nkind = \"workflow\"\nworkflow = \"d.yml\"\n[environments.e]\nhealth = [{ kind = \"http\", url = \"https://x\", expect = \"status ==\" }]\n";
        let report = repo::check(text, &expression);
        let [problem] = problems(&report) else { panic!("{report:?}") };
        assert_eq!((problem.code.as_str(), problem.line), ("bad_expression", 5), "{}", problem.message);
        let fine = text.replace("status ==", "status == 200 && body.version == version");
        assert!(repo::check(&fine, &expression).outcome.is_ok());
    }

    #[test]
    fn actions_see_annotations() {
        let shown = github_report("a,b:c.toml", &repo::check("x = 1\n", &expression));
        assert!(shown.starts_with("::error file=a%2Cb%3Ac.toml,line=1,col=1,endColumn=1,title=unknown_key::"), "{shown}");
        assert_eq!(shown.lines().count(), 1);
    }

    #[test]
    fn the_terminal_gets_no_control_characters() {
        let text = format!("{}\u{1b}[31m = 1\n", "x".repeat(300));
        let shown = text_report("a\u{7}b", &text, &repo::check(&text, &expression));
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
    }

    #[test]
    fn exit_codes_say_clean_mistaken_or_unreadable() {
        let folder = tempfile::tempdir().unwrap();
        let code = |name: &str, content: Option<&[u8]>| {
            let file = folder.path().join(name);
            content.iter().for_each(|c| std::fs::write(&file, c).unwrap());
            format!("{:?}", run(Args { file, format: Format::Json }))
        };
        assert_eq!(code("good", Some(b"")), format!("{:?}", ExitCode::SUCCESS));
        assert_eq!(code("bad", Some(b"x = 1")), format!("{:?}", ExitCode::from(1)));
        assert_eq!(code("large", Some(&vec![b'x'; 70_000])), format!("{:?}", ExitCode::from(1)));
        assert_eq!(code("binary", Some(&[0xff, 0xfe])), format!("{:?}", ExitCode::from(2)));
        assert_eq!(code("absent", None), format!("{:?}", ExitCode::from(2)));
    }
}
