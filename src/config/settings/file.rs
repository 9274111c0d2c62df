//! `lockkeeper.toml` of whoever runs the server: the same names as the flags, with `_`, and the tables of
//! [`super::resources`], which no flag can give.
//!
//! Values are never shown: any of them may be a secret in the wrong place.

use super::resources::{self, Resources, TABLES};
use crate::config::problem::Lines;
use crate::config::suggest::nearest;
use crate::domain::Refusal;
use std::collections::BTreeMap;
use std::path::Path;
use toml::de::{DeTable, DeValue};

pub(super) const KEYS: [&str; 15] = [
    "app_id",
    "private_key",
    "private_key_file",
    "webhook_secret",
    "client_id",
    "client_secret",
    "client_secret_file",
    "github_api_url",
    "listen",
    "data_dir",
    "public_url",
    "command_prefix",
    "allow_addresses",
    "log",
    "log_format",
];

const DEFAULT: &str = "lockkeeper.toml";
const SIZE_LIMIT: u64 = 64 * 1024;

/// What the file says.
#[derive(Default)]
pub(super) struct Contents {
    /// As text; a list is joined by commas.
    pub values: BTreeMap<&'static str, String>,
    pub resources: Resources,
}

/// A file that was not named may be absent.
pub(super) fn load(named: Option<&Path>, problems: &mut Vec<Refusal>) -> Contents {
    let path = named.unwrap_or(Path::new(DEFAULT));
    let text = match read(path) {
        Ok(text) => text,
        Err(e) if named.is_none() && e.kind() == std::io::ErrorKind::NotFound => return Contents::default(),
        Err(e) => {
            let message = format!("The settings file {} cannot be read: {e}.", path.display());
            let fix = "Name a file that can be read with --settings or LOCKKEEPER_SETTINGS.";
            problems.push(Refusal::operator("settings_file_unreadable", message, fix));
            return Contents::default();
        }
    };
    contents(&text, &path.display().to_string(), problems)
}

fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?.take(SIZE_LIMIT).read_to_string(&mut text)?;
    Ok(text)
}

fn contents(text: &str, name: &str, problems: &mut Vec<Refusal>) -> Contents {
    let lines = Lines::new(text);
    let place = |span| {
        let (line, column, _) = lines.place(span);
        format!("{name}:{line}:{column}")
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors.iter().take(20) {
        let at = place(error.span().unwrap_or(0..0));
        let message = format!("{at} is not TOML: {}.", error.message());
        problems.push(Refusal::operator("settings_syntax", message, "See https://toml.io for how the file is written."));
    }
    if !errors.is_empty() {
        // What was read around an error may be a piece of a value; even a key must not be shown then.
        return Contents::default();
    }
    let mut found = Contents::default();
    for (key, value) in table.get_ref() {
        let named = TABLES.iter().find(|known| **known == key.get_ref().as_ref());
        if let (Some(named), Some(entries)) = (named, value.get_ref().as_table()) {
            resources::read(&mut found.resources, named, entries, &place, problems);
            continue;
        }
        let Some(known) = KEYS.iter().find(|known| **known == key.get_ref().as_ref()) else {
            let fix = match nearest(key.get_ref(), &KEYS) {
                Some(near) => format!("Did you mean `{near}`?"),
                None => format!("Remove it; the settings are `{}`.", KEYS.join("`, `")),
            };
            let shown: String = key.get_ref().chars().take(40).collect();
            let message = format!("{} is no setting: `{}`.", place(key.span()), shown.escape_debug());
            problems.push(Refusal::operator("settings_unknown_key", message, fix));
            continue;
        };
        match as_text(value.get_ref()) {
            Some(text) => drop(found.values.insert(*known, text)),
            None => {
                let message = format!("{} must be a text in quotes: `{known}`.", place(value.span()));
                problems.push(Refusal::operator("settings_wrong_type", message, format!("Write it like `{known} = \"…\"`.")));
            }
        }
    }
    found
}

/// Ids may be written as numbers, and several values as a list.
fn as_text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Array(list) => {
            let texts: Option<Vec<&str>> = list.iter().map(|entry| entry.get_ref().as_str()).collect();
            texts.map(|texts| texts.join(","))
        }
        _ => None,
    }
}
