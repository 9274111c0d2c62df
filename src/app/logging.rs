//! Where log lines go: to standard error, as text or JSON, filtered by `LOCKKEEPER_LOG`.

use crate::config::settings::LogFormat;
use crate::domain::Refusal;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// What speaks with other servers logs pieces of what they send, which may be anything, a credential that they were given
/// included. Who wants to see that names it.
const TALKATIVE: [&str; 3] =
    ["rmcp::transport::streamable_http_client=off", "rmcp::transport::common=off", "rmcp::transport::async_rw=off"];

/// Starts logging for this process; a second call changes nothing.
///
/// # Errors
/// `log_filter_invalid`.
pub fn start(text: &str, format: LogFormat) -> Result<(), Refusal> {
    let filter = EnvFilter::try_new(text).map_err(|why| {
        let message = format!("LOCKKEEPER_LOG is no filter: {why}.");
        Refusal::operator("log_filter_invalid", message, "Write it like `info` or `lockkeeper=debug,warn`.")
    })?;
    let quiet = TALKATIVE.iter().filter(|_| !text.contains("rmcp")).filter_map(|directive| directive.parse().ok());
    let filter = quiet.fold(filter, EnvFilter::add_directive);
    // Colours are for people at a terminal; in a file or a journal they are noise.
    let colours = std::io::stderr().is_terminal();
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(BoxMakeWriter::new(std::io::stderr));
    // Tests and the demo may have started it already.
    let _ = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    Ok(())
}
