//! The actions as commands: their arguments are the requests themselves, and a running server does them.

use super::act_text::text;
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

/// Exit code 0: done, passed or healthy; 1: a gate or a health check does not pass; 2: it could not be answered.
pub fn run<T: clap::Args>(args: Args<T>, action: impl FnOnce(T) -> Action) -> ExitCode {
    let action = action(args.request);
    args.common.judge(|data_dir| async move { operator::act(&data_dir, &action).await }, text, well)
}

fn well(outcome: &Outcome) -> bool {
    let passed = |gates: &Gates| gates.status == Status::Pass;
    match outcome {
        Outcome::Planned(planned) => passed(&planned.gates),
        Outcome::Validated(validated) => passed(&validated.gates),
        Outcome::Health(report) => report.healthy,
        Outcome::Started(_) | Outcome::Notes(_) | Outcome::Status(_) => true,
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
        assert_eq!(all.len(), 6, "{all:?}");
        for (action, fields) in all {
            // `notes` works on local commits; the server's notes have a name of their own.
            let command = if action == "notes" { "preview" } else { &action };
            let Some(command) = cli.find_subcommand(command) else { panic!("the action {action} has no command") };
            assert!(fields.iter().any(|field| field == "repo"), "the schema of {action} was not read: {fields:?}");
            for field in fields {
                let id = if field == "ref" { "git_ref" } else { field.as_str() };
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
