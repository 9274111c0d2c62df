//! The grammars that `x-format` names in the schema. Each check gives what is wrong as half a sentence.

use super::glob;
use super::window::{WindowSpan, check_time_zone};
use crate::config::settings::COMMAND_PLACEHOLDERS;
use crate::domain::{EnvName, Tag};
use std::time::Duration;

/// Longest CEL expression, in bytes.
const EXPRESSION_LIMIT: usize = 1000;

/// What stands for the version in a tag pattern.
pub const TAG_PLACEHOLDER: &str = "{version}";

/// Names that may stand between `{{` and `}}`.
pub const PLACEHOLDERS: [&str; 8] = ["environment_url", "version", "sha", "environment", "action", "slot", "step", "weight"];

/// The same in what a peer is given.
pub const PEER_PLACEHOLDERS: [&str; 7] = ["environment", "environment_url", "ref", "repository", "sha", "tag", "version"];

/// Says why the text does not have the format; a code and half a sentence that follows "is not valid:".
pub fn check(format: &str, text: &str) -> Result<(), (&'static str, String)> {
    let (code, verdict) = match format {
        "duration" => ("bad_duration", duration(text).map(drop)),
        "environment" => ("bad_environment_name", EnvName::parse(text).map(drop).map_err(|e| e.to_string())),
        "expression" => ("bad_expression", expression(text)),
        "haproxy_name" => ("bad_name", haproxy_name(text)),
        "glob" => ("bad_pattern", glob::check(text)),
        "login" => ("bad_login", login(text)),
        "path" => ("bad_path", path(text)),
        "reporter" => ("bad_reporter", reporter(text)),
        "tag_pattern" => ("bad_tag_pattern", tag_pattern(text)),
        "name" => ("bad_name", name(text)),
        "timezone" => ("bad_timezone", check_time_zone(text)),
        "template" => ("bad_placeholder", fill(text, &[&PLACEHOLDERS[..], &["configuration"]].concat()).map(drop)),
        "peer_template" => ("bad_placeholder", fill(text, &PEER_PLACEHOLDERS).map(drop)),
        "url" => ("bad_url", url(text)),
        "url_template" => ("bad_url", fill(text, &PLACEHOLDERS).and_then(|text| url(&text))),
        "errand_url" => ("bad_url", fill(text, &COMMAND_PLACEHOLDERS).and_then(|text| url(&text))),
        "address" => ("bad_address", address(text)),
        "window" => ("bad_window", WindowSpan::parse(text).map(drop)),
        "address_template" => ("bad_address", fill(text, &PLACEHOLDERS).and_then(|text| address(&text))),
        "query" => ("bad_query", super::fill_query(text, |_| Some("x".into())).map(drop)),
        "workflow" => ("bad_workflow", workflow(text)),
        "who" => ("bad_who", who(text)),
        _ => ("internal", Err(format!("its format `{format}` is unknown to this version"))),
    };
    verdict.map_err(|why| (code, why))
}

/// `90s`, `30m`, `1h30m`, `2d`: whole numbers with s, m, h or d, each unit once, largest first; at most 366 days.
pub fn duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(u8, u64); 4] = [(b'd', 86_400), (b'h', 3600), (b'm', 60), (b's', 1)];
    let shape = || "a duration is written like `90s`, `30m`, `1h30m` or `2d`, largest unit first".to_owned();
    let (mut total, mut number, mut units) = (0_u64, None, UNITS.iter());
    for byte in text.bytes() {
        if byte.is_ascii_digit() {
            let digits = number.unwrap_or(0_u64);
            number = Some(digits.saturating_mul(10).saturating_add(u64::from(byte - b'0')));
            continue;
        }
        let (_, seconds) = units.find(|(unit, _)| *unit == byte).ok_or_else(shape)?;
        total = total.saturating_add(number.take().ok_or_else(shape)?.saturating_mul(*seconds));
    }
    if text.is_empty() || number.is_some() {
        return Err(shape());
    }
    if total > 366 * 86_400 {
        return Err("a duration is at most 366 days".into());
    }
    Ok(Duration::from_secs(total))
}

/// Brackets are bounded so that a parser that recurses cannot be driven to the end of its stack.
fn expression(text: &str) -> Result<(), String> {
    if text.trim().is_empty() || text.len() > EXPRESSION_LIMIT {
        return Err(format!("an expression has 1 to {EXPRESSION_LIMIT} bytes"));
    }
    let (mut depth, mut deepest) = (0_usize, 0);
    for c in text.chars() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    // Prefix operators and conditionals recurse too, without a bracket.
    match deepest > 32 || text.matches(['!', '-', '?']).count() > 64 {
        true => Err("it is nested too deeply".into()),
        false => Ok(()),
    }
}

fn name(text: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/@".contains(c);
    match (1..=100).contains(&text.len()) && text.chars().all(plain) {
        true => Ok(()),
        false => Err("a name has 1 to 100 of A-Z a-z 0-9 . _ - / @".into()),
    }
}

/// Nothing that could end a command of HAProxy's runtime API.
fn haproxy_name(text: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
    match (1..=64).contains(&text.len()) && text.bytes().all(plain) {
        true => Ok(()),
        false => Err("a backend or server of HAProxy has 1 to 64 of A-Z a-z 0-9 - _ . :".into()),
    }
}

fn path(text: &str) -> Result<(), String> {
    let part = |part: &str| !part.is_empty() && part != ".." && (part != "." || text == ".");
    if text.len() > 250
        || text.contains(|c: char| c.is_control() || c == '\\')
        || !text.trim_end_matches('/').split('/').all(part)
    {
        return Err("a path is relative to the repository, with `/` and without `..`".into());
    }
    Ok(())
}

fn reporter(text: &str) -> Result<(), String> {
    let bare = text.strip_prefix("team:").or_else(|| text.strip_suffix("[bot]")).unwrap_or(text);
    login(bare).map_err(|_| "a reporter is a login, an App as `name[bot]`, or `team:slug`".into())
}

fn who(text: &str) -> Result<(), String> {
    let account = text.strip_prefix("team:").or_else(|| text.strip_prefix("user:"));
    let known = account.map_or(matches!(text, "write" | "maintain" | "admin"), |name| login(name).is_ok());
    if known { Ok(()) } else { Err("it is `write`, `maintain`, `admin`, `team:slug` or `user:login`".into()) }
}

/// Of a person; slugs of teams are written alike.
fn login(text: &str) -> Result<(), String> {
    match (1..=100).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) {
        true => Ok(()),
        false => Err("a login or the slug of a team has 1 to 100 of A-Z a-z 0-9 - _, without `@` and organization".into()),
    }
}

fn tag_pattern(text: &str) -> Result<(), String> {
    if text.matches(TAG_PLACEHOLDER).count() != 1 {
        return Err("a tag pattern holds `{version}` exactly once".into());
    }
    if text.replace(TAG_PLACEHOLDER, "").contains(['{', '}']) {
        return Err("a tag pattern holds no braces but those of `{version}`".into());
    }
    Tag::parse(&text.replace(TAG_PLACEHOLDER, "1.2.3")).map(drop).map_err(|e| e.to_string())
}

/// Fills every placeholder with something that may stand there.
fn fill(text: &str, known: &[&str]) -> Result<String, String> {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, tail) = after.split_once("}}").ok_or("a `{{` has no `}}`")?;
        let name = name.trim();
        if !known.contains(&name) {
            let known = known.join("`, `");
            return Err(format!("there is no placeholder `{}`; there are `{known}`", name.escape_debug()));
        }
        filled += before;
        filled += if name == "environment_url" { "https://environment.example" } else { "x" };
        rest = tail;
    }
    Ok(filled + rest)
}

fn url(text: &str) -> Result<(), String> {
    let uri: http::Uri = text.parse().map_err(|_| "it is not a URL".to_owned())?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("a URL starts with https:// or http://".into());
    }
    match uri.authority() {
        Some(a) if a.as_str().contains('@') => Err("a URL holds no user and no password".into()),
        Some(a) if !a.host().is_empty() => Ok(()),
        _ => Err("it names no host".into()),
    }
}

fn address(text: &str) -> Result<(), String> {
    let wrong = || "an address is `host:port`".to_owned();
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-[]:".contains(c);
    match !host.is_empty() && host.chars().all(plain) && port.parse::<u16>().is_ok_and(|p| p > 0) {
        true => Ok(()),
        false => Err(wrong()),
    }
}

fn workflow(text: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._- ".contains(c);
    let named = text.strip_suffix(".yml").or_else(|| text.strip_suffix(".yaml")).is_some_and(|stem| !stem.is_empty());
    match named && text.len() <= 200 && text.chars().all(plain) {
        true => Ok(()),
        false => {
            Err("a workflow is the name of a file in .github/workflows, without the folder, ending in .yml or .yaml".into())
        }
    }
}
