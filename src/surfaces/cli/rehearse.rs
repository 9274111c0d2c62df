//! `lockkeeper rehearse`.

use std::path::PathBuf;

/// Works on a copy: nothing reaches GitHub or the repository.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Local git repository
    #[arg(long, default_value = ".")]
    pub repo: PathBuf,
    /// The tag that would be pushed
    #[arg(long)]
    pub tag: String,
    /// Branch or commit that would be tagged; where the tag stands, or the default branch's head, without it
    #[arg(long)]
    pub at: Option<String>,
}
