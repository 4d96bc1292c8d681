//! `calzone plugin`: from an empty folder to a plugin that runs.

mod bench;
mod build;
mod inspect;
mod new;
mod remote;
mod sample;
mod sdk;
mod test;

use std::process::ExitCode;

use crate::arguments::PluginCommand;

/// Runs one of the commands; failures go to standard error.
pub fn run(command: PluginCommand) -> ExitCode {
    let result = match command {
        PluginCommand::New { name, kind } => new::new(&name, kind),
        PluginCommand::Build { folder } => build::build(&folder).map(drop),
        PluginCommand::Test { folder, bless } => test::test(&folder, bless),
        PluginCommand::Bench { file, rows, source, only, against_builtins } => {
            bench::bench(file, &bench::Options { rows: rows as usize, source, only, against_builtins })
        }
        PluginCommand::Push { name, file, activate, server } => remote::push(&server.server, &name, file, activate),
        PluginCommand::List { server } => remote::list(&server.server),
        PluginCommand::Use { name, revision, server } => remote::use_revision(&server.server, &name, revision),
        PluginCommand::Inspect { file } => inspect::inspect(&file),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("calzone plugin: {message}");
            ExitCode::FAILURE
        }
    }
}
