//! Lockkeeper: from a tag or a merge to production, through gates, and back down safely.
//!
//! A module imports only modules on lower levels; `tests/architecture.rs` holds the table and enforces it.

pub mod domain;

pub mod expect;

pub mod config;

pub mod flow;
pub mod gates;
pub mod github;
pub mod notes;
pub mod peers;
pub mod probes;
pub mod rollout;
pub mod store;

pub mod plan;
pub mod targets;

pub mod actions;

pub mod render;

pub mod workflow;

pub mod engine;

pub mod surfaces;

pub mod app;

pub mod sandbox;
