//! The program: reads the command line and hands over.

use clap::Parser;
use lockkeeper::actions::Action;
use lockkeeper::actions::control::Verb;
use lockkeeper::app;
use lockkeeper::notes::sandboxed;
use lockkeeper::surfaces::cli::{
    Cli, Command, act, audit, check, deliveries, hook_secret, keys, mcp, notes, runs, schema, tags,
};
use lockkeeper::targets::command::supervisor;
use std::process::ExitCode;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(args) => app::serve(&args),
        Command::Demo(args) => app::demo(&args),
        Command::Rehearse(args) => app::rehearse(&args),
        Command::Notes(args) => notes::run(args),
        Command::RenderNotes => sandboxed::child::run(),
        Command::RunCommand => supervisor::run(),
        Command::Tags(args) => tags::run(args),
        Command::Check(args) => check::run(args),
        Command::Schema(args) => schema::run(args),
        Command::Deliveries(args) => deliveries::run(args),
        Command::Runs(args) => runs::run(args),
        Command::Keys(args) => keys::run(args),
        Command::Publish(args) => act::run(args, Action::Publish),
        Command::Deploy(args) => act::follow(args, Action::Deploy),
        Command::Rollback(args) => act::follow(args, Action::Rollback),
        Command::Pause(args) => act::run(args, |steer| Action::Control(steer.with(Verb::Pause))),
        Command::Resume(args) => act::run(args, |steer| Action::Control(steer.with(Verb::Resume))),
        Command::Promote(args) => act::run(args, |steer| Action::Control(steer.with(Verb::Promote))),
        Command::Abort(args) => act::run(args, |steer| Action::Control(steer.with(Verb::Abort))),
        Command::Lock(args) => act::run(args, Action::Lock),
        Command::Unlock(args) => act::run(args, Action::Unlock),
        Command::Validate(args) => act::run(args, Action::Validate),
        Command::Health(args) => act::run(args, Action::Health),
        Command::Preview(args) => act::run(args, Action::Notes),
        Command::Status(args) => act::run(args, Action::Status),
        Command::HookSecret(args) => hook_secret::run(args),
        Command::Mcp(args) => mcp::run(&args),
        Command::Audit(args) => audit::run(args),
        Command::Peers(args) => app::peers(&args),
        Command::Doctor(args) => app::doctor(&args),
    }
}
