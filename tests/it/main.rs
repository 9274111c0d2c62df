//! End-to-end tests: through the front door, against a GitHub stand-in.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod actions;
mod budget;
mod chaos;
mod deploy;
mod deploy_trouble;
mod doctor;
mod door;
mod haproxy;
mod health;
mod merge;
mod notes;
mod operator;
mod process;
mod prometheus;
mod readme;
mod reconcile;
mod release;
mod sandbox;
mod smoke;
mod tags;
mod trouble;
mod webhook_door;
mod webhook_inbox;
mod webhook_payloads;
mod world;
