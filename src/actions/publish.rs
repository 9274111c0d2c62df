//! Publish: a tag becomes a GitHub Release.

use crate::config::repo::RepoConfig;
use crate::config::repo::Trigger;
use crate::domain::{Actor, CommitFacts, EnvName, Refusal, RepoName, RepoRef, Tag, Version};
use crate::plan::{Digest, Pin, Plan, PlannedStep, Work};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Release a tag that exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, clap::Args)]
pub struct Publish {
    /// Repository, as owner/name
    #[arg(long, value_parser = |s: &str| RepoName::parse(s))]
    pub repo: RepoName,
    /// The tag to release
    #[arg(value_parser = |s: &str| Tag::parse(s))]
    pub tag: Tag,
    /// Say what would happen and stop
    #[arg(long)]
    #[serde(default)]
    pub dry_run: bool,
}

/// The tag as the repository's grammar reads it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadTag {
    pub version: Option<Version>,
    pub component: Option<String>,
}

/// What releasing this tag means, from what was read and nothing else.
pub fn plan(
    repo: &RepoRef,
    tag: &Tag,
    read: &ReadTag,
    actor: &Actor,
    facts: &CommitFacts,
    config: &RepoConfig,
) -> Result<Plan, Refusal> {
    enforceable(config)?;
    let standing = facts.tag.as_ref().ok_or_else(|| gone(tag))?;
    let pin = Pin {
        sha: standing.commit.clone(),
        tag: Some(tag.clone()),
        version: read.version.as_ref().map(ToString::to_string),
        component: read.component.clone(),
        config: config_digest(config),
        configuration: None,
    };
    let mut steps = vec![
        step("notes", "write the notes from the commits", false),
        step("draft", "make a draft release", true),
        step("publish", "publish it once", true),
    ];
    for name in environments(config, read.version.as_ref()) {
        steps.push(PlannedStep { name: format!("deploy.{name}"), what: format!("deploy to {name}"), effect: true });
    }
    steps.push(step("check", "report on the tagged commit", true));
    Ok(Plan::new("publish", repo.clone(), actor.clone(), pin, None, Work { gates: config.release.gates.clone(), steps }))
}

/// Fail closed: what the file asks of a release and this version cannot do is refused, not left out.
fn enforceable(config: &RepoConfig) -> Result<(), Refusal> {
    if config.release.unsupported.is_empty() {
        return Ok(());
    }
    let keys = config.release.unsupported.join(", ");
    Err(Refusal::user(
        "not_available",
        format!("The release asks for {keys}, which this version of Lockkeeper cannot do."),
        format!("Remove {keys} from [release], or run a version that can."),
    ))
}

/// The environments that a tag with this version deploys to, in the order of the file.
pub fn environments(config: &RepoConfig, version: Option<&Version>) -> Vec<EnvName> {
    let Some(version) = version else { return Vec::new() };
    let trigger = if version.pre.is_empty() { Trigger::Tag } else { Trigger::Prerelease };
    config.environments.iter().filter(|e| e.on.contains(&trigger)).map(|e| e.name.clone()).collect()
}

/// Digest of the settings that a plan was made from.
pub fn config_digest(config: &RepoConfig) -> Digest {
    Digest::of(&serde_json::to_value(config).unwrap_or_default())
}

/// The tag was deleted, or never arrived.
pub fn gone(tag: &Tag) -> Refusal {
    Refusal::user("tag_gone", format!("The tag {tag} does not exist any more."), "Push the tag again if it should be released.")
}

fn step(name: &str, what: &str, effect: bool) -> PlannedStep {
    PlannedStep { name: name.to_owned(), what: what.to_owned(), effect }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_enforced_is_refused() {
        let mut config = RepoConfig::default();
        assert_eq!(enforceable(&config), Ok(()));
        config.release.unsupported.push("publish_after".into());
        let refusal = enforceable(&config).unwrap_err();
        assert_eq!(refusal.code, "not_available");
        assert!(refusal.fix.contains("publish_after"), "{}", refusal.fix);
    }
}
