//! `lockkeeper rehearse`.

/// (being built)
#[derive(clap::Args, Debug)]
pub struct Args {}
