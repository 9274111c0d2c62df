//! Whether repositories ask for something that the operator does not lend: their deployments would be refused.
//!
//! A file that cannot be read or has mistakes is the repository's own trouble, and told there.

use crate::actions::deploy;
use crate::config::repo::{self, CONFIG_PATH};
use crate::config::settings::Resources;
use crate::domain::Refusal;
use crate::github::{Installation, RepositoryInfo};
use crate::surfaces::cli::doctor::Finding;

/// More are not read: each is a call.
pub(super) const REPOSITORIES: usize = 50;

/// What is missing, environment by environment, in the first of these repositories.
pub(super) async fn missing(
    installation: &Installation,
    all: &[RepositoryInfo],
    resources: &Resources,
    left: &mut usize,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for info in all.iter().filter(|info| !info.archived) {
        let Some(fewer) = left.checked_sub(1) else { break };
        *left = fewer;
        let read = installation.file(&info.repo.name, CONFIG_PATH, &info.default_branch).await;
        let Ok(Some(file)) = read else { continue };
        let Ok(config) = repo::parse(&file.text, &|_| Ok(())) else { continue };
        let lent = resources.lent_to(&info.repo.name);
        for environment in &config.environments {
            if let Err(why) = deploy::possible(&info.repo, environment, (&config, Some(&lent)), false) {
                let message = format!("{}, {}: {}", info.repo.name, environment.name, why.message);
                findings.push(Finding::bad("lent", Refusal { message, ..why }));
            }
        }
    }
    findings
}

/// When nothing is missing.
pub(super) fn complete(looked_at: usize) -> Finding {
    Finding::well("lent", format!("Nothing is asked for that is not lent; repositories looked at: {looked_at}."))
}
