//! What people write in files: the process's settings and each repository's `.github/lockkeeper.toml`.

pub mod problem;
pub mod repo;
mod secret;
pub mod settings;
pub mod suggest;

pub use secret::Secret;
