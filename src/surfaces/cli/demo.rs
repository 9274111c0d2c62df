//! `lockkeeper demo`.

/// Needs no settings and runs in any folder.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Move users from one version to the next, two copies side by side behind a balancer
    #[arg(long)]
    pub strategy: Option<Strategy>,

    /// Let the new version be a bad one: its health is good, and it fails users
    #[arg(long = "break", requires = "strategy")]
    pub bad: bool,

    /// Ask other MCP servers, too: the examples of peers, one that runs the tests and one that announces what happened
    #[arg(long, conflicts_with = "strategy")]
    pub peers: bool,

    /// Leave everything running afterwards, until Ctrl-C
    #[arg(long)]
    pub keep: bool,
}

/// How users are moved.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
#[value(rename_all = "snake_case")]
pub enum Strategy {
    /// Step by step: 10 %, 50 %, all
    Gradual,
    /// All at once, with the old version warm beside it
    BlueGreen,
}
