//! A peer for configuration: serves what stands in `environments/NAME.json` of a git repository, at a branch.
//!
//! `peer-configuration REPOSITORY BRANCH`: a folder with the repository. The file holds `{"values": {…}, "secrets": {…}}`;
//! secrets are references (where to find them), never secrets.

use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::{ErrorData, ServiceExt, tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::process::Stdio;
use tokio::process::Command;

#[derive(Clone)]
struct Configuration {
    repository: PathBuf,
    branch: String,
}

#[derive(Deserialize, JsonSchema)]
struct What {
    /// Name of the environment
    name: String,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Environment {
    #[serde(default)]
    values: BTreeMap<String, serde_json::Value>,
    /// Where each secret is found
    #[serde(default)]
    secrets: BTreeMap<String, String>,
}

#[tool_router(server_handler)]
impl Configuration {
    /// Gives the configuration of an environment.
    #[tool(annotations(read_only_hint = true, destructive_hint = false, open_world_hint = false))]
    async fn environment(&self, Parameters(what): Parameters<What>) -> Result<Json<Environment>, ErrorData> {
        let plain =
            |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !plain(&what.name) {
            return Err(ErrorData::invalid_params("this is no name of an environment", None));
        }
        let file = format!("{}:environments/{}.json", self.branch, what.name);
        let mut show = Command::new("git");
        show.arg("-C").arg(&self.repository).args(["show", "--end-of-options", &file]).stdin(Stdio::null()).kill_on_drop(true);
        let shown = show.output().await.ok().filter(|shown| shown.status.success());
        let shown = shown.ok_or_else(|| ErrorData::invalid_params("there is no such environment", None))?;
        let read = serde_json::from_slice(&shown.stdout);
        read.map(Json).map_err(|why| ErrorData::internal_error(format!("the file is wrong at line {}", why.line()), None))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(repository), Some(branch)) = (words.next(), words.next()) else {
        return Err("usage: peer-configuration REPOSITORY BRANCH".into());
    };
    let configuration = Configuration { repository: repository.into(), branch };
    configuration.serve((tokio::io::stdin(), tokio::io::stdout())).await?.waiting().await?;
    Ok(())
}
