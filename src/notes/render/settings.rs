//! A repository's git-cliff configuration, read and made safe.
//!
//! Invariants: nothing in it runs a command, opens a file or reaches a network; what is not obeyed is named. What the
//! library itself cannot survive (stack, memory, time) is caught around this process, see `sandboxed`.
//! The environment of the process is part of git-cliff's configuration (`GIT_CLIFF__*`), so it must be empty here.

use super::{BumpOptions, RenderRequest};
use crate::domain::{FileAt, Refusal};
use git_cliff_core::config::{CommitParser, Config, Remote, TextProcessor};
use regex::{Regex, RegexBuilder};

/// Largest configuration, in bytes. The largest that git-cliff ships as an example has 8 KB.
const SIZE_LIMIT: usize = 256 * 1024;
/// Most settings, counted by their `=` before anything is parsed: each may be a regular expression that takes a while.
const SETTING_LIMIT: usize = 2_000;
/// Most entries of one kind: parsers, processors, link parsers.
const ENTRY_LIMIT: usize = 200;
/// Most brackets or blocks inside each other in a template.
const DEPTH_LIMIT: usize = 60;
/// Most text processors that can make a text longer; each may double it.
const GROWTH_LIMIT: usize = 12;

/// The configuration with what must not be obeyed removed, and the names of that.
pub fn read(file: &FileAt, request: &RenderRequest) -> Result<(Config, Vec<String>), Refusal> {
    if file.text.len() > SIZE_LIMIT {
        return Err(refused(format!("it has {} bytes, and at most {SIZE_LIMIT} are read", file.text.len())));
    }
    let settings = file.text.matches('=').count();
    if settings > SETTING_LIMIT {
        return Err(refused(format!("it has about {settings} settings, and at most {SETTING_LIMIT} are read")));
    }
    let text = unwrap_manifest(file)?;
    let mut config: Config = text.parse().map_err(|error| invalid(&file.path, &error))?;
    let mut names = Vec::new();
    strip_commands(&mut config, &mut names);
    strip_reach(&mut config, &mut names);
    strip_failing(&mut config, &mut names);
    if config.changelog.format && !request.verbatim {
        // Reading the Markdown and writing it again would undo what was escaped.
        config.changelog.format = false;
        names.push("changelog.format".to_owned());
    }
    check_templates(&config)?;
    check_amounts(&config)?;
    for sha in request.skipped.iter().rev() {
        let parser = CommitParser { sha: Some(sha.clone()), skip: Some(true), ..CommitParser::default() };
        config.git.commit_parsers.insert(0, parser);
    }
    config.remote.offline = true;
    if let Some(site) = &request.site {
        config.remote.github.owner = site.repo.owner().to_owned();
        config.remote.github.repo = site.repo.name().to_owned();
    }
    Ok((config, names))
}

/// What the configuration says about versions.
pub fn bump(config: &Config) -> BumpOptions {
    BumpOptions {
        features_always_bump_minor: config.bump.features_always_bump_minor,
        breaking_always_bump_major: config.bump.breaking_always_bump_major,
        initial_tag: config.bump.initial_tag.clone(),
    }
}

/// A file of git-cliff's own, or a manifest with a table for it.
pub fn is_for_git_cliff(file: &FileAt) -> bool {
    match manifest_table(&file.path) {
        Some(table) => table.is_match(&file.text),
        None => true,
    }
}

/// The part of a manifest that is for git-cliff, as git-cliff cuts it out.
fn unwrap_manifest(file: &FileAt) -> Result<String, Refusal> {
    match manifest_table(&file.path) {
        None => Ok(file.text.clone()),
        Some(table) if table.is_match(&file.text) => Ok(table.replace_all(&file.text, "[").into_owned()),
        Some(_) => Err(refused(format!("{} has no table for git-cliff", file.path))),
    }
}

fn manifest_table(path: &str) -> Option<Regex> {
    let pattern = match path.rsplit('/').next().unwrap_or_default() {
        "Cargo.toml" => r"^\[(?:workspace|package)\.metadata\.git\-cliff\.",
        "pyproject.toml" => r"^\[(?:tool)\.git\-cliff\.",
        _ => return None,
    };
    RegexBuilder::new(pattern).multi_line(true).build().ok()
}

fn strip_commands(config: &mut Config, names: &mut Vec<String>) {
    let mut strip = |list: &mut Vec<TextProcessor>, name: &str| {
        if list.iter().any(|p| p.replace_command.is_some()) {
            names.push(name.to_owned());
        }
        // With both, git-cliff obeys `replace`.
        list.retain(|p| p.replace.is_some());
        list.iter_mut().for_each(|p| p.replace_command = None);
    };
    strip(&mut config.git.commit_preprocessors, "git.commit_preprocessors.replace_command");
    strip(&mut config.changelog.postprocessors, "changelog.postprocessors.replace_command");
}

/// Files, other repositories, the network.
fn strip_reach(config: &mut Config, names: &mut Vec<String>) {
    let mut when = |present: bool, name: &str| {
        if present {
            names.push(name.to_owned());
        }
    };
    when(config.changelog.output.take().is_some(), "changelog.output");
    when(config.git.recurse_submodules.take() == Some(true), "git.recurse_submodules");
    when(!std::mem::take(&mut config.git.include_paths).is_empty(), "git.include_paths");
    when(!std::mem::take(&mut config.git.exclude_paths).is_empty(), "git.exclude_paths");
    let all = &mut config.remote;
    let remotes = [
        ("github", &mut all.github),
        ("gitlab", &mut all.gitlab),
        ("gitea", &mut all.gitea),
        ("bitbucket", &mut all.bitbucket),
        ("azure_devops", &mut all.azure_devops),
    ];
    for (name, remote) in remotes {
        when(remote.token.is_some(), &format!("remote.{name}.token"));
        when(remote.api_url.is_some(), &format!("remote.{name}.api_url"));
        when(remote.native_tls.is_some(), &format!("remote.{name}.native_tls"));
        let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
        let odd = !plain(&remote.owner) || !plain(&remote.repo);
        when(odd, &format!("remote.{name}.owner"));
        *remote = if odd { Remote::default() } else { Remote::new(remote.owner.clone(), remote.repo.clone()) };
    }
}

/// Options that turn notes into an error, or into nothing.
fn strip_failing(config: &mut Config, names: &mut Vec<String>) {
    if std::mem::take(&mut config.git.require_conventional) {
        names.push("git.require_conventional".to_owned());
    }
    if std::mem::take(&mut config.git.fail_on_unmatched_commit) {
        names.push("git.fail_on_unmatched_commit".to_owned());
    }
    let before = config.git.link_parsers.len();
    // A pattern that matches nothing at all gives a link for each character.
    config.git.link_parsers.retain(|parser| !parser.pattern.is_match(""));
    if config.git.link_parsers.len() < before {
        names.push("git.link_parsers.pattern".to_owned());
    }
    // git-cliff's command takes an empty pattern for none; the library would drop every release.
    config.git.skip_tags = config.git.skip_tags.take().filter(|r| !r.as_str().is_empty());
}

fn check_templates(config: &Config) -> Result<(), Refusal> {
    let log = &config.changelog;
    for template in [Some(&log.body), log.header.as_ref(), log.footer.as_ref()].into_iter().flatten() {
        if template.contains("get_env") {
            return Err(refused("its template calls get_env, and there is no environment for it".to_owned()));
        }
        if depth(template) > DEPTH_LIMIT {
            return Err(refused(format!("its template has more than {DEPTH_LIMIT} levels of brackets or blocks")));
        }
    }
    Ok(())
}

/// Deepest nesting of brackets and of blocks that end with `end…`.
fn depth(template: &str) -> usize {
    let (mut now, mut most, mut rest) = (0usize, 0usize, template);
    while let Some(c) = rest.chars().next() {
        let block = rest.strip_prefix("{%").map(|tag| tag.trim_start_matches(['-', ' ', '\t', '\n', '\r']));
        let opens = ["if", "for", "macro", "filter", "block", "raw"];
        match (c, block) {
            (_, Some(tag)) if tag.starts_with("end") => now = now.saturating_sub(1),
            (_, Some(tag)) if opens.iter().any(|word| tag.starts_with(word)) => now += 1,
            ('(' | '[', _) => now += 1,
            (')' | ']', _) => now = now.saturating_sub(1),
            _ => {}
        }
        most = most.max(now);
        rest = &rest[c.len_utf8()..];
    }
    most
}

fn check_amounts(config: &Config) -> Result<(), Refusal> {
    let amounts = [
        ("git.commit_parsers", config.git.commit_parsers.len()),
        ("git.link_parsers", config.git.link_parsers.len()),
        ("git.commit_preprocessors", config.git.commit_preprocessors.len()),
        ("changelog.postprocessors", config.changelog.postprocessors.len()),
    ];
    for (name, amount) in amounts {
        if amount > ENTRY_LIMIT {
            return Err(refused(format!("{name} has {amount} entries, and at most {ENTRY_LIMIT} are obeyed")));
        }
    }
    for (name, list) in [
        ("git.commit_preprocessors", &config.git.commit_preprocessors),
        ("changelog.postprocessors", &config.changelog.postprocessors),
    ] {
        let growing = list.iter().filter(|p| p.replace.as_ref().is_some_and(|r| r.matches('$').count() > 1)).count();
        if growing > GROWTH_LIMIT {
            return Err(refused(format!(
                "{name} has {growing} entries that repeat what they match, and at most {GROWTH_LIMIT} are obeyed"
            )));
        }
    }
    Ok(())
}

fn invalid(path: &str, error: &dyn std::fmt::Display) -> Refusal {
    let message = format!("{path} is no git-cliff configuration: {}.", one_line(&error.to_string()));
    Refusal::user("notes_config_invalid", message, "Check it with `git cliff --config` on your machine.")
}

fn refused(why: String) -> Refusal {
    Refusal::user(
        "notes_config_refused",
        format!("The git-cliff configuration is not used: {why}."),
        "Make the configuration simpler, or remove it to get the notes of Lockkeeper's own template.",
    )
}

/// An error's text on one line, not longer than a person reads.
pub fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
