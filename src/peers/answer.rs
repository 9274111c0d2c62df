//! What a tool answered, as data and as words for people.

use super::PeerTrouble;
use crate::config::Secret;
use crate::config::settings::PeerSettings;
use crate::domain::one_line;
use rmcp::model::CallToolResult;
use serde_json::Value;

/// Longest that is shown of a peer's words, in characters.
const LONGEST_WORDS: usize = 200;
/// Shorter ones would hide half a text.
const SHORTEST_SECRET: usize = 8;
/// Deepest nesting of a structured answer.
const DEEPEST: usize = 32;

/// The answer of a tool. Its author is the peer and nobody else.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// What it gave as structured content, or as one text that is JSON; `null` when it gave neither. Data, not for readers.
    pub result: Value,
    /// The beginning of its text: one line, without what is invisible, turns text around or is a secret. Show it in quotation
    /// marks, as the peer's.
    pub words: String,
}

pub(super) fn read(
    peer: &str,
    tool: &str,
    answered: CallToolResult,
    secrets: &[&Secret],
    settings: &PeerSettings,
) -> Result<Said, PeerTrouble> {
    let texts: Vec<&str> = answered.content.iter().filter_map(|block| Some(block.as_text()?.text.as_str())).collect();
    let result = match (&answered.structured_content, texts.as_slice()) {
        (Some(value), _) => value.clone(),
        (None, [text]) => serde_json::from_str(text).unwrap_or(Value::Null),
        (None, _) => Value::Null,
    };
    let said = texts.join(" ");
    let repeats = |secret: &Secret| {
        secret.expose().len() >= SHORTEST_SECRET && (holds(&result, secret.expose()) || said.contains(secret.expose()))
    };
    if settings.credential.as_ref().is_some_and(repeats) {
        return Err(PeerTrouble::repeats(peer, tool));
    }
    if depth(&result) > DEEPEST {
        return Err(PeerTrouble::too_deep(peer, tool, DEEPEST));
    }
    let hidden = secrets.iter().map(|secret| secret.expose()).filter(|secret| secret.len() >= SHORTEST_SECRET);
    let words = one_line(&hidden.fold(said, |text, secret| text.replace(secret, "***")), LONGEST_WORDS);
    if answered.is_error == Some(true) {
        return Err(PeerTrouble::failed(peer, tool, &words));
    }
    Ok(Said { result, words })
}

/// As it is, and not as JSON would escape it.
fn holds(value: &Value, secret: &str) -> bool {
    match value {
        Value::String(text) => text.contains(secret),
        Value::Array(all) => all.iter().any(|value| holds(value, secret)),
        Value::Object(all) => all.iter().any(|(key, value)| key.contains(secret) || holds(value, secret)),
        other => other.to_string().contains(secret),
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(all) => 1 + all.iter().map(depth).max().unwrap_or(0),
        Value::Object(all) => 1 + all.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::{PeerAddress, Repositories};
    use serde_json::json;
    use std::time::Duration;

    fn answered(result: Value) -> Result<Said, PeerTrouble> {
        let secret = Secret::from("hunter2hunter2");
        let settings = PeerSettings {
            at: PeerAddress::Url("https://scan.example/mcp".into()),
            tools: [].into(),
            timeout: Duration::from_secs(1),
            max_bytes: 1 << 10,
            credential: Some(secret),
            repositories: Repositories::default(),
        };
        let other = Secret::from("another secret");
        read("security", "scan", serde_json::from_value(result).unwrap(), &[&other], &settings)
    }

    fn text(text: &str) -> Value {
        json!({ "content": [{ "type": "text", "text": text }] })
    }

    #[test]
    fn an_answer_is_data_and_its_words_are_one_clean_line() {
        let structured = json!({ "content": [], "structuredContent": { "critical": 0 } });
        for (given, result, words) in [
            (structured, json!({ "critical": 0 }), ""),
            (text("{\"critical\": 1}"), json!({ "critical": 1 }), "{\"critical\": 1}"),
            (text("all\u{202e} is\n\u{200b}well\u{1b}[2J"), Value::Null, "all is well[2J"),
            (text("it is another secret"), Value::Null, "it is ***"),
        ] {
            let said = answered(given).unwrap();
            assert_eq!((said.result, said.words.as_str()), (result, words));
        }
        assert_eq!(answered(text(&"x".repeat(1_000))).unwrap().words.chars().count(), LONGEST_WORDS);
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
        for (given, code) in [
            (json!({ "content": [{ "type": "text", "text": "out of order" }], "isError": true }), "peer_tool_failed"),
            (json!({ "structuredContent": { "a": "hunter2hunter2" } }), "peer_repeats_credential"),
            (text("your token is hunter2hunter2"), "peer_repeats_credential"),
            (json!({ "structuredContent": deep }), "peer_answer_too_deep"),
        ] {
            let trouble = answered(given).unwrap_err();
            assert_eq!(trouble.code, code);
            assert!(!format!("{trouble:?}").contains("hunter2"), "{trouble:?}");
        }
    }
}
