//! The `calzone` program: server, command line and tools for plugins.
//!
//! `server` gathers the settings ([`config`]), opens the log and starts the engine ([`serve`]), and listens ([`listen`]) for
//! requests ([`rest`]), whose answers it writes as ksqlDB's entities ([`entity`]) or as rows as they come ([`rows`]).
//! `cli` ([`cli`]) and `plugin` ([`plugin`]) are clients of a server's REST interface ([`client`]).
//!
//! Nothing here knows how a statement is planned or a record is read: that is the engine's affair.

mod advertise;
mod app;
mod arguments;
mod banner;
mod cli;
mod client;
mod config;
mod entity;
mod error;
mod listen;
mod logging;
mod outbound;
mod peers;
mod plugin;
mod rest;
mod rows;
mod serve;
mod signals;
mod test_plugins;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Program};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// First argument of the child process that compiles an uploaded plugin.
const COMPILE_PLUGIN: &str = "compile-plugin";

fn main() -> ExitCode {
    let mut given = std::env::args().skip(1);
    // The child's arguments are the sandbox's own: it is started with nothing but them.
    if given.next().as_deref() == Some(COMPILE_PLUGIN) {
        let rest: Vec<String> = given.collect();
        return calzone_sandbox::compile_child_main(&rest);
    }
    match Arguments::parse().program {
        Program::Server(arguments) => serve::run(&arguments),
        Program::Cli(arguments) => cli::run(&arguments),
        Program::Plugin(command) => plugin::run(command),
        Program::TestRunner { mut arguments } => match test_plugins::plugins(&mut arguments) {
            Ok(plugins) => calzone_driver::main(&arguments, plugins),
            Err(message) => {
                eprintln!("calzone test-runner: {message}");
                ExitCode::from(2)
            }
        },
    }
}
