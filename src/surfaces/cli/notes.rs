//! `lockkeeper notes`.

/// (being built)
#[derive(clap::Args, Debug)]
pub struct Args {}
