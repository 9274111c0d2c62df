//! What Cargo.toml, package.json and pyproject.toml at the commit say their version is, next to the version of the tag.
//!
//! Rules:
//! - A file without a version, or whose version is computed (`dynamic`, a workspace that was not read), says nothing.
//! - `0.0.0`, with or without a suffix, is a placeholder ("the version is set when released") and says nothing.
//! - A package.json with `"private": true` is never published; a different version there is noted, not refused.
//! - Build metadata (`+…`) does not count, as in SemVer's precedence. Python versions are read as PEP 440 reads them, so that
//!   `1.2.0rc1` is the tag `1.2.0-rc.1`.
//! - A component is compared with the files in its own directory, as far as they were read.

use crate::domain::{FileAt, Version};
use serde_json::Value as Json;
use std::cmp::Ordering;
use toml::{Table, Value};

/// Larger files are not read; no honest manifest comes near.
const LARGEST: usize = 1 << 20;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Comparison {
    /// Paths that state the tag's version.
    pub agree: Vec<String>,
    /// Path and version of those that state another one.
    pub differ: Vec<(String, String)>,
    /// The same for files that are never published.
    pub noted: Vec<(String, String)>,
    /// Path and why it could not be understood.
    pub unreadable: Vec<(String, String)>,
}

enum Stated {
    Nothing,
    Semver(String),
    /// Semver of a package that is not published.
    Private(String),
    Python(String),
}

/// Compares the manifests in `directory` (`.` is the root) with the tag's version.
pub(super) fn compare(manifests: &[FileAt], directory: &str, tag: &Version) -> Comparison {
    let mut found = Comparison::default();
    for (file, read) in [("Cargo.toml", cargo as Reader), ("package.json", npm), ("pyproject.toml", python)] {
        let path = join(directory, file);
        let Some(manifest) = manifests.iter().find(|m| m.path == path) else { continue };
        match read_checked(read, &manifest.text, manifests, &path) {
            Ok(Stated::Semver(text) | Stated::Private(text) | Stated::Python(text)) if text.trim().is_empty() => {
                found.unreadable.push((path, "its version is empty".into()));
            }
            Ok(stated) => sort_in(&mut found, path, stated, tag),
            Err(why) => found.unreadable.push((path, why)),
        }
    }
    found
}

type Reader = fn(&str, &[FileAt], &str) -> Result<Stated, String>;

fn read_checked(read: Reader, text: &str, all: &[FileAt], path: &str) -> Result<Stated, String> {
    if text.len() > LARGEST {
        return Err("it is larger than 1 MB".into());
    }
    read(text.trim_start_matches('\u{feff}'), all, path)
}

fn sort_in(found: &mut Comparison, path: String, stated: Stated, tag: &Version) {
    let (text, equal, private) = match stated {
        Stated::Nothing => return,
        Stated::Semver(text) => (text.clone(), same_semver(&text, tag), false),
        Stated::Private(text) => (text.clone(), same_semver(&text, tag), true),
        Stated::Python(text) => (text.clone(), same_python(&text, tag), false),
    };
    if placeholder(&text) {
        return;
    }
    match (equal, private) {
        (true, _) => found.agree.push(path),
        (false, true) => found.noted.push((path, text)),
        (false, false) => found.differ.push((path, text)),
    }
}

fn placeholder(text: &str) -> bool {
    text.strip_prefix("0.0.0").is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn same_semver(text: &str, tag: &Version) -> bool {
    Version::parse(text.trim()).is_ok_and(|v| v.cmp_precedence(tag) == Ordering::Equal)
}

/// `[package].version`, which a workspace may hold, or `[workspace.package].version` of a file without a package.
fn cargo(text: &str, all: &[FileAt], path: &str) -> Result<Stated, String> {
    let file = table(text)?;
    let version = match file.get("package") {
        Some(package) => package.get("version"),
        None => workspace_version(&file),
    };
    match version {
        None => Ok(Stated::Nothing),
        Some(Value::String(version)) => Ok(Stated::Semver(version.clone())),
        Some(Value::Table(v)) if v.get("workspace").and_then(Value::as_bool) == Some(true) => {
            let inherited = match workspace_version(&file) {
                Some(version) => Some(version.clone()),
                None => outer_workspace_version(all, path),
            };
            match inherited {
                None => Ok(Stated::Nothing),
                Some(Value::String(version)) => Ok(Stated::Semver(version)),
                Some(_) => Err("the version of its workspace is not a text".into()),
            }
        }
        Some(_) => Err("its version is not a text".into()),
    }
}

fn workspace_version(file: &Table) -> Option<&Value> {
    file.get("workspace")?.get("package")?.get("version")
}

/// The nearest Cargo.toml above `path` that states a workspace's version.
fn outer_workspace_version(all: &[FileAt], path: &str) -> Option<Value> {
    let mut directory = path.strip_suffix("Cargo.toml")?.trim_end_matches('/');
    while !directory.is_empty() {
        directory = directory.rsplit_once('/').map_or("", |(up, _)| up);
        let above = join(directory, "Cargo.toml");
        let file = all.iter().find(|m| m.path == above && m.text.len() <= LARGEST).and_then(|m| table(&m.text).ok());
        if let Some(version) = file.as_ref().and_then(workspace_version) {
            return Some(version.clone());
        }
    }
    None
}

fn npm(text: &str, _: &[FileAt], _: &str) -> Result<Stated, String> {
    let file: Json = serde_json::from_str(text).map_err(|e| format!("it is not JSON (line {})", e.line()))?;
    match file.get("version") {
        None | Some(Json::Null) => Ok(Stated::Nothing),
        Some(Json::String(version)) if file.get("private") == Some(&Json::Bool(true)) => Ok(Stated::Private(version.clone())),
        Some(Json::String(version)) => Ok(Stated::Semver(version.clone())),
        Some(_) => Err("its version is not a text".into()),
    }
}

/// `[project].version` unless it is dynamic, else `[tool.poetry].version`.
fn python(text: &str, _: &[FileAt], _: &str) -> Result<Stated, String> {
    let file = table(text)?;
    let project = file.get("project");
    let dynamic = project.and_then(|p| p.get("dynamic")).and_then(Value::as_array);
    if dynamic.is_some_and(|names| names.iter().any(|n| n.as_str() == Some("version"))) {
        return Ok(Stated::Nothing);
    }
    let poetry = || file.get("tool").and_then(|t| t.get("poetry")).and_then(|p| p.get("version"));
    match project.and_then(|p| p.get("version")).or_else(poetry) {
        None => Ok(Stated::Nothing),
        Some(Value::String(version)) => Ok(Stated::Python(version.clone())),
        Some(_) => Err("its version is not a text".into()),
    }
}

fn table(text: &str) -> Result<Table, String> {
    text.parse::<Table>().map_err(|e| {
        let line = e.span().map_or(1, |s| 1 + text.get(..s.start).map_or(0, |t| t.matches('\n').count()));
        format!("it is not TOML (line {line})")
    })
}

fn join(directory: &str, file: &str) -> String {
    let parts = directory.split('/').filter(|p| !p.is_empty() && *p != ".");
    parts.chain([file]).collect::<Vec<_>>().join("/")
}

/// A prerelease's canonical word and number.
type Stage = (&'static str, u64);

/// PEP 440's public versions with up to three numbers, compared with SemVer: `a`, `b`, `rc` (and their long names), `dev`.
fn same_python(text: &str, tag: &Version) -> bool {
    let Some((numbers, stage)) = read_python(text) else { return false };
    if numbers != [tag.major, tag.minor, tag.patch] {
        return false;
    }
    match (stage, tag.pre.is_empty()) {
        (None, empty) => empty,
        (Some(_), true) => false,
        (Some(stage), false) => read_stage(tag.pre.as_str()) == Some(stage),
    }
}

fn read_python(text: &str) -> Option<([u64; 3], Option<Stage>)> {
    let text = text.trim().to_ascii_lowercase();
    let text = text.strip_prefix('v').unwrap_or(&text);
    let public = text.split('+').next()?;
    let end = public.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(public.len());
    let (numbers, stage) = public.split_at(end);
    let mut release = [0_u64; 3];
    for (index, number) in numbers.trim_end_matches('.').split('.').enumerate() {
        *release.get_mut(index)? = number.parse().ok()?;
    }
    if stage.is_empty() {
        // `1.2.` is no version, and neither is the empty text.
        return (!numbers.ends_with('.')).then_some((release, None));
    }
    read_stage(stage).map(|stage| (release, Some(stage)))
}

/// `rc1`, `rc.1`, `-rc-1`, `alpha` (which is `a0`): the stage's canonical name and number.
fn read_stage(text: &str) -> Option<Stage> {
    let text = text.to_ascii_lowercase();
    let text = text.trim_start_matches(['.', '-', '_']);
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (word, number) = text.split_at(end);
    let number = number.trim_start_matches(['.', '-', '_']);
    let name = match word {
        "a" | "alpha" => "a",
        "b" | "beta" => "b",
        "c" | "rc" | "pre" | "preview" => "rc",
        "dev" => "dev",
        _ => return None,
    };
    let number = if number.is_empty() { 0 } else { number.parse().ok()? };
    Some((name, number))
}
