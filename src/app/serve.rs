//! `lockkeeper serve`: settings, logging, the server, and a quiet end on SIGTERM.

use super::{Server, Tuning, logging, say};
use crate::config::settings::Serve;
use crate::domain::Refusal;
use crate::surfaces::cli::serve::Args;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Runs until it is told to stop.
pub fn serve(args: &Args) -> ExitCode {
    let settings = match args.settings.serve() {
        Ok(settings) => settings,
        Err(problems) => return say(&problems),
    };
    if let Err(refusal) = logging::start(&settings.local.log, settings.local.log_format) {
        return say(&[refusal]);
    }
    super::with_runtime(async {
        match until_told(settings).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(refusal) => {
                say(&[refusal]);
                ExitCode::FAILURE
            }
        }
    })
}

async fn until_told(settings: Serve) -> Result<(), Refusal> {
    let deaf = |why: std::io::Error| {
        Refusal::operator("no_signals", format!("Signals cannot be received: {why}."), "See the machine's limits.")
    };
    let (mut term, mut int) = (signal(SignalKind::terminate()).map_err(deaf)?, signal(SignalKind::interrupt()).map_err(deaf)?);
    let server = Server::start(settings, Tuning::default()).await?;
    tracing::info!(address = %server.address, "lockkeeper accepts webhooks");
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    tracing::info!("stopping: what has begun may end, the rest goes on at the next start");
    server.stop().await;
    Ok(())
}
