//! A peer for testing: runs the test suite that its command line names, and says whether it passed.
//!
//! `peer-testing PROGRAM ARGUMENT…`: the program finds what it is about in `TEST_REF` and `TEST_ENVIRONMENT`. Nothing that a
//! caller says becomes part of the command.

use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::{ErrorData, ServiceExt, tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::process::Stdio;
use std::time::Instant;
use tokio::process::Command;

/// Of its output so much is told, in bytes.
const LAST: usize = 1_000;

#[derive(Clone)]
struct Testing {
    program: String,
    arguments: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
struct What {
    /// Commit or tag that is tested
    #[serde(rename = "ref")]
    reference: String,
    /// Where it is to go
    #[serde(default)]
    environment: String,
}

#[derive(Serialize, JsonSchema)]
struct Report {
    passed: bool,
    exit_code: i32,
    seconds: u64,
    /// The end of what the suite printed
    output: String,
}

#[tool_router(server_handler)]
impl Testing {
    /// Runs the test suite and reports whether it passed.
    #[tool(annotations(read_only_hint = true, destructive_hint = false, open_world_hint = false))]
    async fn run_suite(&self, Parameters(what): Parameters<What>) -> Result<Json<Report>, ErrorData> {
        let begun = Instant::now();
        let ended = Command::new(&self.program)
            .args(&self.arguments)
            .env("TEST_REF", what.reference)
            .env("TEST_ENVIRONMENT", what.environment)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|why| ErrorData::internal_error(format!("the suite cannot be run: {why}"), None))?;
        let said = [ended.stdout, ended.stderr].concat();
        let output = String::from_utf8_lossy(&said[said.len().saturating_sub(LAST)..]).into_owned();
        let exit_code = ended.status.code().unwrap_or(-1);
        Ok(Json(Report { passed: ended.status.success(), exit_code, seconds: begun.elapsed().as_secs(), output }))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let program = words.next().ok_or("usage: peer-testing PROGRAM ARGUMENT…")?;
    let testing = Testing { program, arguments: words.collect() };
    testing.serve((tokio::io::stdin(), tokio::io::stdout())).await?.waiting().await?;
    Ok(())
}
