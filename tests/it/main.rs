//! End-to-end tests: through the front door, against a GitHub stand-in.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod actions;
mod back;
mod back_workflow;
mod budget;
mod callback;
mod chaos;
mod command;
mod components;
mod deliveries;
mod demo;
mod deploy;
mod deploy_trouble;
mod deployer;
mod disk;
mod doctor;
mod door;
mod ends;
mod enterprise;
mod haproxy;
mod health;
mod hook;
mod kills;
mod merge;
mod notes;
mod notes_config;
mod operator;
mod own_hook;
mod process;
mod prometheus;
mod range;
mod readme;
mod reconcile;
mod rehearse;
mod release;
mod sandbox;
mod slots;
mod smoke;
mod stopping;
mod tags;
mod trouble;
mod webhook_door;
mod webhook_inbox;
mod webhook_payloads;
mod world;
