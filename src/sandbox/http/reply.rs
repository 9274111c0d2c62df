//! Answers and refusals in GitHub's form.

use serde_json::{Map, Value, json};

/// What a handler answers.
#[derive(Clone, Debug)]
pub(in crate::sandbox) struct Reply {
    pub status: u16,
    pub body: Body,
    pub headers: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub(in crate::sandbox) enum Body {
    Empty,
    Json(Value),
    Raw(Vec<u8>, &'static str),
}

pub(in crate::sandbox) type Answer = Result<Reply, Refused>;

impl Reply {
    pub fn ok(body: Value) -> Self {
        Self::with(200, body)
    }
    pub fn created(body: Value) -> Self {
        let at = body.get("url").and_then(Value::as_str).map(|url| ("location".to_owned(), url.to_owned()));
        Self { headers: at.into_iter().collect(), ..Self::with(201, body) }
    }
    pub fn with(status: u16, body: Value) -> Self {
        Self { status, body: Body::Json(body), headers: Vec::new() }
    }
    pub fn empty(status: u16) -> Self {
        Self { status, body: Body::Empty, headers: Vec::new() }
    }
}

/// A 4xx or 5xx. The body gets `documentation_url` and `status` on its way out.
#[derive(Clone, Debug)]
pub(in crate::sandbox) struct Refused {
    pub status: u16,
    pub body: Map<String, Value>,
    pub headers: Vec<(String, String)>,
}

impl Refused {
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        let mut body = Map::new();
        body.insert("message".into(), Value::String(message.into()));
        Self { status, body, headers: Vec::new() }
    }
    pub fn not_found() -> Self {
        Self::new(404, "Not Found")
    }
    /// The App lacks the permission.
    pub fn not_accessible() -> Self {
        Self::new(403, "Resource not accessible by integration")
    }
    pub fn no_commit(text: &str) -> Self {
        Self::new(422, format!("No commit found for SHA: {text}"))
    }
    /// The body does not fit the operation's schema.
    pub fn invalid_request(what: &str) -> Self {
        Self::new(422, format!("Invalid request.\n\n{what}"))
    }
    /// A rule about a field's value was broken; `code` is one of GitHub's, such as `already_exists`.
    pub fn validation(resource: &str, field: &str, code: &str) -> Self {
        Self::detailed(json!([{ "resource": resource, "code": code, "field": field }]))
    }
    pub fn custom(resource: &str, field: &str, message: &str) -> Self {
        Self::detailed(json!([{ "resource": resource, "code": "custom", "field": field, "message": message }]))
    }
    fn detailed(errors: Value) -> Self {
        let mut refused = Self::new(422, "Validation Failed");
        refused.body.insert("errors".into(), errors);
        refused
    }
    /// Git itself failed: the stand-in's own fault.
    pub fn broken(error: impl std::fmt::Display) -> Self {
        Self::new(500, format!("the sandbox failed: {error}"))
    }
    pub fn message(&self) -> &str {
        self.body.get("message").and_then(Value::as_str).unwrap_or_default()
    }
    pub fn into_reply(self) -> Reply {
        let mut body = self.body;
        let docs = || Value::String("https://docs.github.com/rest".into());
        body.entry("documentation_url").or_insert_with(docs);
        body.insert("status".into(), Value::String(self.status.to_string()));
        Reply { status: self.status, body: Body::Json(Value::Object(body)), headers: self.headers }
    }
}

impl From<crate::sandbox::SandboxError> for Refused {
    fn from(error: crate::sandbox::SandboxError) -> Self {
        Self::broken(error)
    }
}
