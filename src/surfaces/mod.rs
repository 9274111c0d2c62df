//! The doors: webhook, command line. Each is thin: it reads a request, asks the engine and shows the answer.

pub mod cli;
pub mod http;
pub mod webhook;
