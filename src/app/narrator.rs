//! Tells what happens on a stage, line by line, with the time since the tag was pushed.

use crate::engine::host::{Event, Host, What};
use crate::gates::{Status, Verdict};
use crate::workflow::{deploy, release};
use serde::Deserialize;
use std::collections::HashMap;
use std::io::Write;
use std::time::Instant;

pub struct Narrator {
    begun: Instant,
    host: Host,
    /// What each run is about, in one word.
    runs: HashMap<String, String>,
    /// What each gate said last.
    said: HashMap<(String, String), String>,
}

#[derive(Deserialize)]
struct Judged {
    verdicts: Vec<Verdict>,
}

impl Narrator {
    pub fn new(host: Host) -> Self {
        Self { begun: Instant::now(), host, runs: HashMap::new(), said: HashMap::new() }
    }

    pub fn begin(&mut self) {
        self.begun = Instant::now();
    }

    pub fn say(&self, who: &str, what: &str) {
        let line = format!("{:>7.2} s  {who:<12} {what}\n", self.begun.elapsed().as_secs_f64());
        print(&line);
    }

    /// Tells of an event, if it is one that people care about.
    pub async fn event(&mut self, event: &Event) {
        let run = event.run.as_str().to_owned();
        match &event.what {
            What::Started { workflow, key } => {
                let about = about(workflow, key);
                self.runs.insert(run, about);
            }
            What::Step { name, state, .. } => self.step(event, &run, name, state).await,
            What::Retry { name, attempt, code, .. } => {
                self.say(&self.who(&run), &format!("{name} did not work ({code}, attempt {attempt}); it is tried again"));
            }
            What::Ended { .. } => {}
        }
    }

    fn who(&self, run: &str) -> String {
        self.runs.get(run).cloned().unwrap_or_else(|| "run".to_owned())
    }

    async fn step(&mut self, event: &Event, run: &str, name: &str, state: &str) {
        if name.ends_with("/judged") {
            return self.gates(event, run, name).await;
        }
        let text = match (name, state) {
            ("facts", "done") => "read the commit, its checks and the configuration (one request)",
            ("notes", "done") => "notes written from the commits, in a process of their own",
            ("draft", "done") => "draft made",
            ("publish", "done") => "published",
            ("check", "done") => "check run put up on the commit",
            (name, "done") if matches!(name.rsplit('/').next(), Some("deployment")) => {
                "GitHub deployment created for exactly this commit"
            }
            ("lease", "held") => "lock of the environment taken",
            ("lease.pin", "done") => "pin verified again: the tag has not moved",
            ("status.in_progress", "done") => "in_progress; waits for its reporter",
            ("dispatch", "done") => "workflow started",
            ("status.success", "done") => "success",
            (name, "done") if name.starts_with("health.") && name.ends_with("/probe") => "health asked",
            (_, "failed" | "dead") => "failed",
            _ => return,
        };
        let detail = if matches!(state, "failed" | "dead") { format!("{name} {text}") } else { text.to_owned() };
        self.say(&self.who(run), &detail);
    }

    /// Verdicts that are new or different.
    async fn gates(&mut self, event: &Event, run: &str, name: &str) {
        let Ok(Some(view)) = self.host.get(&event.run).await else { return };
        let result = view.steps.into_iter().find(|step| step.name == name).and_then(|step| step.result);
        let Some(judged) = result.and_then(|value| serde_json::from_value::<Judged>(value).ok()) else { return };
        for verdict in judged.verdicts {
            let text = format!("gate {:<8} {} {}", verdict.gate, mark(verdict.status), verdict.reason);
            let key = (run.to_owned(), verdict.gate);
            if self.said.get(&key) != Some(&text) {
                self.say(&self.who(run), &text);
                self.said.insert(key, text);
            }
        }
    }
}

fn about(workflow: &str, key: &str) -> String {
    match workflow {
        name if name == deploy::WORKFLOW.name => key.split(':').nth(2).unwrap_or("deploy").to_owned(),
        name if name == release::WORKFLOW.name => "release".to_owned(),
        other => other.to_owned(),
    }
}

fn mark(status: Status) -> &'static str {
    match status {
        Status::Pass => "passed ",
        Status::Overridden => "opened ",
        Status::Fail => "refused",
        Status::Pending => "waiting",
        Status::Inconclusive => "unclear",
        Status::Unavailable => "unread ",
    }
}

/// To standard output at once; a reader that has gone is not worth an error.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
