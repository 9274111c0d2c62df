//! `lockkeeper serve`.

use crate::config::settings::Flags;

#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    pub settings: Flags,
}
