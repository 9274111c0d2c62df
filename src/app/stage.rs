//! A stand-in for GitHub and the real server beside it, on this machine: the stage of the demo and of rehearsals.
//!
//! Invariant: nothing outlives the stage: its files are in one temporary folder, and both servers stop with it.

use super::{Server, Tuning};
use crate::config::Secret;
use crate::config::settings::{App, CommandPrefix, Local, LogFormat, Resources, Serve};
use crate::domain::Refusal;
use crate::sandbox::{DeploymentReport, RepoHandle, Sandbox, SandboxConfig, SandboxError};
use std::time::Duration;
use tempfile::TempDir;

/// Between two looks of the people and machines on the stage.
const LOOK: Duration = Duration::from_millis(25);

pub struct Stage {
    pub github: Sandbox,
    pub server: Server,
    folder: TempDir,
}

impl Stage {
    /// Starts both; `rehearsal` keeps health checks from reaching anything.
    pub async fn set(rehearsal: bool) -> Result<Self, Refusal> {
        Self::lent(rehearsal, Resources::default()).await
    }

    /// Starts both, with what the operator lends to repositories.
    pub async fn lent(rehearsal: bool, resources: Resources) -> Result<Self, Refusal> {
        let github = Sandbox::start(SandboxConfig::default()).map_err(broken)?;
        let folder = tempfile::tempdir().map_err(|why| {
            Refusal::operator(
                "no_folder",
                format!("No temporary folder can be made: {why}."),
                "See that TMPDIR can be written.",
            )
        })?;
        let secret = uuid::Uuid::new_v4().to_string();
        let settings = Serve {
            local: Local {
                listen: "127.0.0.1:0".to_owned(),
                data_dir: folder.path().join("data"),
                log: "error".to_owned(),
                log_format: LogFormat::Text,
            },
            app: App {
                app_id: github.app_id().to_string(),
                private_key: Secret::new(github.private_key_pem()),
                github_api_url: github.base_url().to_owned(),
                public_url: None,
            },
            webhook_secrets: vec![Secret::new(&secret)],
            allow_addresses: Vec::new(),
            resources,
            command_prefix: CommandPrefix::default(),
            sign_in: None,
        };
        let server = Server::start(settings, Tuning { rehearsal, ..Tuning::default() }).await?;
        github.set_webhook(&format!("http://{}/webhook", server.address), &secret);
        Ok(Self { github, server, folder })
    }

    /// Where the server keeps its data.
    pub fn data_dir(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Ends both servers and removes every file.
    pub async fn strike(self) {
        self.server.stop().await;
        self.github.remove_webhook();
        // The folder and the repositories go with their owners.
        drop(self.github);
        drop(self.folder);
    }
}

/// A deployer and a runner that do what is asked of them, each a moment later; runs until it is dropped.
pub async fn helpers(repo: RepoHandle, deployer: String, takes: Duration) {
    loop {
        tokio::time::sleep(LOOK).await;
        for deployment in repo.deployments() {
            let last = deployment.statuses.last().map(|s| (s.by_app, s.state.as_str()));
            if last == Some((true, "in_progress")) {
                tokio::time::sleep(takes).await;
                let report = DeploymentReport::new(&deployer, "success").description("three of three copies answer");
                // A deployment that ended meanwhile needs no report.
                let _ = repo.report_deployment(deployment.id, report);
            }
        }
        for run in repo.runs().into_iter().filter(|run| run.event == "workflow_dispatch" && run.status != "completed") {
            tokio::time::sleep(takes).await;
            let _ = repo.move_run(run.id, Some("success"));
        }
    }
}

pub fn broken(why: SandboxError) -> Refusal {
    Refusal::operator(
        "sandbox_failed",
        format!("The stand-in for GitHub could not be set up: {why}."),
        "See that `git` is installed and can be run.",
    )
}
