//! Trouble on demand: answers that fail, get lost, come late or never, and moments at which a test looks in.

use super::http::RequestInfo;
use regex::Regex;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Before the effect (nothing happened) or after it (it happened, the answer is lost).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Before,
    After,
}

/// How a request fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Answers with this status, headers (such as `retry-after`) and message.
    Status { status: u16, headers: Vec<(String, String)>, message: String },
    /// Answers 200 with this body, as GraphQL does when it fails inside.
    Answer(serde_json::Value),
    /// The connection is reset.
    Reset,
    /// The answer comes this much later.
    Delay(Duration),
    /// The answer never comes.
    Hang,
}

/// One rule; the first that matches and is not used up applies.
#[derive(Clone, Debug)]
pub struct Fault {
    method: String,
    /// The pattern, and its text for one that is not a valid pattern.
    path: (Option<Regex>, String),
    when: When,
    trouble: Trouble,
    /// How often it still applies; nothing for always.
    left: Option<u32>,
}

impl Fault {
    /// For requests of this method (`*` for all) whose path matches; a GraphQL request is `/graphql OperationName`.
    /// Applies once, before the effect, unless told otherwise. An invalid pattern matches where it
    /// occurs literally.
    pub fn on(method: &str, path: &str, trouble: Trouble) -> Self {
        let path = (Regex::new(path).ok(), path.to_owned());
        Self { method: method.to_owned(), path, when: When::Before, trouble, left: Some(1) }
    }
    /// A bare status with GitHub's usual words.
    pub fn status(method: &str, path: &str, status: u16) -> Self {
        let message = match status {
            403 | 429 => "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
            503 => "Service Unavailable",
            _ => "Server Error",
        };
        Self::on(method, path, Trouble::Status { status, headers: Vec::new(), message: message.to_owned() })
    }
    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        if let Trouble::Status { headers, .. } = &mut self.trouble {
            headers.push((name.to_owned(), value.to_string()));
        }
        self
    }
    pub fn after(mut self) -> Self {
        self.when = When::After;
        self
    }
    pub fn times(mut self, times: u32) -> Self {
        self.left = Some(times);
        self
    }
    pub fn always(mut self) -> Self {
        self.left = None;
        self
    }
}

/// When a hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The request was read, nothing has happened.
    BeforeEffect,
    /// The effect is there, the answer has not left.
    AfterEffect,
    /// The answer was written to the connection.
    AfterAnswer,
}

/// What becomes of a request after a hook looked at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    GoOn,
    /// The connection is reset; before the effect there is none.
    Abandon,
}

type Hook = Arc<dyn Fn(&RequestInfo) -> Verdict + Send + Sync>;

#[derive(Default)]
pub(super) struct Faults {
    rules: Mutex<Vec<Fault>>,
    hooks: Mutex<Vec<(Moment, Hook)>>,
}

impl Faults {
    pub fn add(&self, fault: Fault) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }
    pub fn clear(&self) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
    pub fn hook(&self, moment: Moment, hook: Hook) {
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner).push((moment, hook));
    }

    /// The rule for this request, used up by one.
    pub fn draw(&self, info: &RequestInfo) -> Option<(When, Trouble)> {
        let subject = info.subject();
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |f: &&mut Fault| {
            let method = f.method == "*" || f.method.eq_ignore_ascii_case(&info.method);
            let (pattern, text) = &f.path;
            f.left != Some(0) && method && pattern.as_ref().map_or_else(|| subject.contains(text), |p| p.is_match(&subject))
        };
        let rule = rules.iter_mut().find(fits)?;
        rule.left = rule.left.map(|n| n.saturating_sub(1));
        Some((rule.when, rule.trouble.clone()))
    }

    /// Calls the hooks of a moment, outside every lock: a hook may block, or kill the client.
    pub fn call(&self, moment: Moment, info: &RequestInfo) -> Verdict {
        let hooks = self.hooks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut verdict = Verdict::GoOn;
        for (_, hook) in hooks.iter().filter(|(when, _)| *when == moment) {
            if hook(info) == Verdict::Abandon {
                verdict = Verdict::Abandon;
            }
        }
        verdict
    }
}
