//! A peer for security: looks at a commit of a git repository with Bandit, a scanner for Python code that needs no network,
//! and counts what it finds.
//!
//! `peer-security BANDIT REPOSITORY`: the scanner's program (`pip install bandit`) and a folder with the repository.

use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::{ErrorData, ServiceExt, tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use tokio::process::Command;

#[derive(Clone)]
struct Security {
    scanner: PathBuf,
    repository: PathBuf,
}

#[derive(Deserialize, JsonSchema)]
struct What {
    /// The commit, as 40 hexadecimal digits
    #[serde(rename = "ref")]
    commit: String,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
struct Findings {
    high: u64,
    medium: u64,
    low: u64,
    /// The first ones, each as `file:line test`
    first: Vec<String>,
}

#[derive(Deserialize)]
struct Scanned {
    results: Vec<Finding>,
    /// Files that could not be read
    errors: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Finding {
    filename: String,
    line_number: u64,
    test_id: String,
    issue_severity: String,
}

#[tool_router(server_handler)]
impl Security {
    /// Scans the code of a commit and counts the findings by severity.
    #[tool(annotations(read_only_hint = true, destructive_hint = false, open_world_hint = false))]
    async fn scan(&self, Parameters(what): Parameters<What>) -> Result<Json<Findings>, ErrorData> {
        let hex = what.commit.len() == 40 && what.commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !hex {
            return Err(ErrorData::invalid_params("the ref is not the id of a commit", None));
        }
        let found = self.look_at(&what.commit).await;
        found.map(Json).map_err(|why| ErrorData::internal_error(why, None))
    }
}

impl Security {
    async fn look_at(&self, commit: &str) -> Result<Findings, String> {
        let folder = tempfile::tempdir().map_err(|why| why.to_string())?;
        let archive = folder.path().join("code.tar");
        let code = folder.path().join("code");
        std::fs::create_dir(&code).map_err(|why| why.to_string())?;
        let mut unpacked = Command::new("git");
        unpacked.arg("-C").arg(&self.repository).args(["archive", "--format=tar", "-o"]).arg(&archive).arg(commit);
        done("git", unpacked.output().await)?;
        done("tar", Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&code).output().await)?;
        let mut scan = Command::new(&self.scanner);
        scan.args(["-r", ".", "-f", "json", "-q"]).current_dir(&code).stdin(Stdio::null()).kill_on_drop(true);
        // It ends with 1 when it has found something, so only what it prints counts.
        let scanned = scan.output().await.map_err(|why| format!("the scanner cannot be run: {why}"))?;
        let scanned: Scanned = serde_json::from_slice(&scanned.stdout).map_err(|_| "the scanner printed no report")?;
        if !scanned.errors.is_empty() {
            return Err(format!("{} files could not be scanned", scanned.errors.len()));
        }
        Ok(count(&scanned.results))
    }
}

fn done(what: &str, output: std::io::Result<Output>) -> Result<(), String> {
    match output {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err(format!("{what} did not bring the code")),
    }
}

fn count(all: &[Finding]) -> Findings {
    let of = |severity: &str| all.iter().filter(|found| found.issue_severity == severity).count() as u64;
    let name = |found: &Finding| {
        let file = Path::new(&found.filename).display();
        format!("{file}:{} {}", found.line_number, found.test_id)
    };
    Findings { high: of("HIGH"), medium: of("MEDIUM"), low: of("LOW"), first: all.iter().take(10).map(name).collect() }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(scanner), Some(repository)) = (words.next(), words.next()) else {
        return Err("usage: peer-security BANDIT REPOSITORY".into());
    };
    Security { scanner, repository }.serve((tokio::io::stdin(), tokio::io::stdout())).await?.waiting().await?;
    Ok(())
}
