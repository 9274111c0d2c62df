//! `lockkeeper demo`.

/// Needs no settings and runs in any folder.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Leave everything running afterwards, until Ctrl-C
    #[arg(long)]
    pub keep: bool,
}
