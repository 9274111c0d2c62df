//! The table of the house, and what is said about a tree that breaks it.

use crate::source::{self, Facts};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A module imports only modules of lower levels; modules of one level never import each other.
const LEVELS: [(&str, u8); 18] = [
    ("domain", 0),
    ("config", 1),
    ("expect", 1),
    ("flow", 2),
    ("gates", 2),
    ("github", 2),
    ("notes", 2),
    ("peers", 2),
    ("probes", 2),
    ("rollout", 2),
    ("store", 2),
    ("plan", 3),
    ("targets", 3),
    ("actions", 4),
    ("render", 5),
    ("workflow", 6),
    ("engine", 7),
    ("surfaces", 8),
];

/// `app` builds everything once; it stands above all, and only `main` calls it.
const TOP: &str = "app";

/// The stand-in for GitHub knows nothing of the product but its words; the demo, the rehearsal and the tests start it.
const SANDBOX: &str = "sandbox";
const SANDBOX_MAY_USE: [&str; 2] = ["domain", "config"];
const MAY_USE_SANDBOX: [&str; 2] = ["surfaces", "app"];

/// Crates that only these modules use.
const EXCLUSIVE: [(&str, &[&str]); 11] = [
    ("octocrab", &["github"]),
    ("jsonwebtoken", &["github", "sandbox", "targets::callback"]),
    ("rusqlite", &["store"]),
    ("sigstore_verify", &["github"]),
    ("reqwest", &["peers", "probes", "surfaces::cli"]),
    ("rmcp", &["peers", "probes", "surfaces::mcp"]),
    ("axum", &["surfaces", "app", "sandbox"]),
    ("git_cliff_core", &["notes"]),
    ("cel", &["expect"]),
    ("toml", &["config", "gates"]),
    ("askama", &["render"]),
];

/// No `async`, no runtime, no client, no clock.
const PURE: [&str; 11] =
    ["domain", "config", "expect", "notes", "gates", "flow", "rollout", "plan", "actions", "workflow", "render"];
const CLOCKS: [[&str; 2]; 4] = [["SystemTime", "now"], ["Instant", "now"], ["Timestamp", "now"], ["Zoned", "now"]];

const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 80;

/// Module, the start of what is found there, and why it may stay.
const EXCEPTIONS: [(&str, &str, &str); 0] = [];

/// Every violation under `src`, as `file:line: sentence`, sorted.
pub fn violations(src: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut files: BTreeMap<Vec<String>, (PathBuf, Facts)> = BTreeMap::new();
    for file in rust_files(src) {
        let name = file.strip_prefix(src).unwrap_or(&file).to_path_buf();
        let module = module_of(&name);
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        match source::read(&text, &module) {
            Ok(facts) => drop(files.insert(module, (name, facts))),
            Err(why) => found.push(format!("{}:{why}", name.display())),
        }
    }
    let tests: BTreeSet<Vec<String>> = files
        .iter()
        .flat_map(|(module, (_, facts))| {
            facts.test_modules.iter().map(move |t| [module.as_slice(), std::slice::from_ref(t)].concat())
        })
        .collect();
    for (module, (name, facts)) in &files {
        let is_test = (1..=module.len()).any(|n| tests.contains(&module[..n]));
        if module.first().is_none_or(|m| m == "main") || is_test {
            continue;
        }
        let mut judged = judge(module, facts);
        judged.retain(|(_, what)| !EXCEPTIONS.iter().any(|(at, start, _)| *at == module.join("::") && what.starts_with(start)));
        found.extend(judged.into_iter().map(|(line, what)| format!("{}:{line}: {what}", name.display())));
    }
    found.sort_by_key(|v| v.split(':').take(2).map(|p| format!("{p:0>6}")).collect::<Vec<_>>());
    found.dedup();
    found
}

fn judge(module: &[String], facts: &Facts) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let me = module[0].as_str();
    if level(me).is_none() && me != SANDBOX {
        found.push((1, format!("the module `{me}` has no place in the house; give it a level in tests/architecture")));
    }
    for used in &facts.uses {
        let path: Vec<&str> = used.path.iter().map(String::as_str).collect();
        let judged = match path.as_slice() {
            ["crate", other, ..] => layer(me, other),
            [name, ..] => exclusive(module, name),
            [] => None,
        };
        found.extend(judged.map(|what| (used.line, what)));
        if PURE.contains(&me) {
            let clock = path.windows(2).any(|pair| CLOCKS.iter().any(|c| c == pair));
            found.extend(clock.then(|| (used.line, format!("`{me}` is pure and reads a clock"))));
            found.extend((path[0] == "tokio").then(|| (used.line, format!("`{me}` is pure and uses tokio"))));
        }
    }
    if PURE.contains(&me) {
        found.extend(facts.asyncs.iter().map(|line| (*line, format!("`{me}` is pure and holds async code"))));
    }
    if facts.lines > FILE_LINES {
        found.push((FILE_LINES + 1, format!("{} lines without tests; at most {FILE_LINES}", facts.lines)));
    }
    let long = facts.functions.iter().filter(|(_, _, lines)| *lines > FUNCTION_LINES);
    found.extend(long.map(|(name, line, lines)| (*line, format!("`{name}` has {lines} lines; at most {FUNCTION_LINES}"))));
    found
}

fn level(module: &str) -> Option<u8> {
    if module == TOP {
        return Some(u8::MAX);
    }
    LEVELS.iter().find(|(name, _)| *name == module).map(|(_, level)| *level)
}

fn layer(me: &str, other: &str) -> Option<String> {
    let problem = format!("`{me}` uses `{other}`, which is not below it");
    if me == other {
        return None;
    }
    if me == SANDBOX {
        return (!SANDBOX_MAY_USE.contains(&other)).then_some(problem);
    }
    if other == SANDBOX {
        return (!MAY_USE_SANDBOX.contains(&me)).then_some(problem);
    }
    // A name that is no module is an item of lib.rs or a macro.
    let (mine, others) = (level(me)?, level(other)?);
    (others >= mine).then_some(problem)
}

fn exclusive(module: &[String], name: &str) -> Option<String> {
    let (_, owners) = EXCLUSIVE.iter().find(|(crate_name, _)| *crate_name == name)?;
    let mine = module.join("::");
    let owned = owners.iter().any(|owner| mine == *owner || mine.starts_with(&format!("{owner}::")));
    (!owned).then(|| format!("the crate `{name}` belongs to {}", owners.join(", ")))
}

fn module_of(file: &Path) -> Vec<String> {
    let mut parts: Vec<String> = file.with_extension("").iter().map(|p| p.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod" || (parts.len() == 1 && last == "lib")) {
        parts.pop();
    }
    parts
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
