//! The actions as commands: their arguments are the requests themselves, and a running server does them.

use super::act_text::text;
use super::follow;
use super::operator::{self, Common};
use crate::actions::Action;
use crate::actions::outcome::{Gates, Outcome};
use crate::gates::Status;
use std::process::ExitCode;

#[derive(clap::Args, Debug)]
pub struct Args<T: clap::Args> {
    #[command(flatten)]
    pub request: T,
    #[command(flatten)]
    pub common: Common,
}

/// As [`Args`], for what goes on after it was asked for.
#[derive(clap::Args, Debug)]
pub struct Following<T: clap::Args> {
    #[command(flatten)]
    pub request: T,
    /// Return as soon as the run is started, instead of showing its steps until its end
    #[arg(long)]
    pub detach: bool,
    #[command(flatten)]
    pub common: Common,
}

/// Starts a run and shows its steps on standard error as they happen. Exit code 0: it succeeded; 1: it was refused or it
/// failed, with code and sentence on standard error; 2: it could not be asked for.
pub fn follow<T: clap::Args>(args: Following<T>, action: impl FnOnce(T) -> Action) -> ExitCode {
    let action = action(args.request);
    let (detach, common) = (args.detach, args.common);
    if detach {
        return common.judge(|place| async move { operator::act(&place, &action).await }, text, well);
    }
    common.judge(|place| async move { follow::act(&place, &action).await }, follow::text, follow::well)
}

/// Exit code 0: done, passed or healthy; 1: a gate or a health check does not pass; 2: it could not be answered.
pub fn run<T: clap::Args>(args: Args<T>, action: impl FnOnce(T) -> Action) -> ExitCode {
    let action = action(args.request);
    args.common.judge(|place| async move { operator::act(&place, &action).await }, text, well)
}

fn well(outcome: &Outcome) -> bool {
    let passed = |gates: &Gates| gates.status == Status::Pass;
    match outcome {
        Outcome::Planned(planned) => passed(&planned.gates),
        Outcome::Validated(validated) => passed(&validated.gates),
        Outcome::Health(report) => report.healthy,
        Outcome::Started(_)
        | Outcome::Notes(_)
        | Outcome::Status(_)
        | Outcome::Locks(_)
        | Outcome::Steered(_)
        | Outcome::Reviewed(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surfaces::cli::Cli;
    use clap::CommandFactory;

    /// The variants as the schema of the enum lists them: (name, fields).
    fn actions() -> Vec<(String, Vec<String>)> {
        let schema = serde_json::to_value(schemars::schema_for!(Action)).unwrap();
        let resolve = |variant: &serde_json::Value| {
            let mut fields: Vec<String> = variant["properties"].as_object().unwrap().keys().cloned().collect();
            if let Some(name) = variant["$ref"].as_str().and_then(|r| r.rsplit('/').next()) {
                fields.extend(schema["$defs"][name]["properties"].as_object().unwrap().keys().cloned());
            }
            fields.retain(|field| field != "action");
            (variant["properties"]["action"]["const"].as_str().unwrap().to_owned(), fields)
        };
        schema["oneOf"].as_array().unwrap().iter().map(resolve).collect()
    }

    #[test]
    fn every_action_is_a_command_with_all_its_fields() {
        let cli = Cli::command();
        let all = actions();
        assert_eq!(all.len(), 11, "{all:?}");
        for (action, mut fields) in all {
            // On purpose: people approve on GitHub, where it is known who they are.
            if action == "approve" {
                assert!(cli.find_subcommand("approve").is_none() && cli.find_subcommand("reject").is_none());
                continue;
            }
            let command = match action.as_str() {
                // `notes` works on local commits; the server's notes have a name of their own.
                "notes" => "preview",
                // Each verb is a command.
                "control" => "pause",
                other => other,
            };
            let about = if action == "control" { "run" } else { "repo" };
            fields.retain(|field| field != "verb");
            let Some(command) = cli.find_subcommand(command) else { panic!("the action {action} has no command") };
            assert!(fields.iter().any(|field| field == about), "the schema of {action} was not read: {fields:?}");
            for field in fields {
                let id = match field.as_str() {
                    "ref" => "git_ref",
                    "for" => "lasting",
                    "override" => "overriding",
                    "pr" => "pull",
                    other => other,
                };
                let known = command.get_arguments().any(|argument| argument.get_id() == id);
                assert!(known, "the command for {action} does not take `{field}`");
            }
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
