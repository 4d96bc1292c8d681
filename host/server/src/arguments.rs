//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Streaming SQL for Apache Kafka, and without it, in one program.
#[derive(Debug, Parser)]
#[command(name = "calzone", version, about)]
pub struct Arguments {
    #[command(subcommand)]
    pub program: Program,
}

#[derive(Debug, Subcommand)]
pub enum Program {
    /// Run a server.
    Server(ServerArguments),
    /// Send statements to a server, at a prompt, from the command line or from a file.
    Cli(CliArguments),
    /// Write, build, upload and try plugins.
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Run test cases in memory: statements, records in, records out. `test-runner --help` says how.
    #[command(disable_help_flag = true)]
    TestRunner {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub struct ServerArguments {
    /// A properties file such as ksqlDB's ksql-server.properties.
    pub properties_file: Option<PathBuf>,
    /// A setting; wins over the file and the environment. May be given several times.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub settings: Vec<String>,
}

/// The server that a client talks to.
const DEFAULT_SERVER: &str = "http://localhost:8088";

#[derive(Debug, Args)]
pub struct CliArguments {
    /// The server.
    #[arg(default_value = DEFAULT_SERVER)]
    pub server: String,
    /// Run these statements and end.
    #[arg(short = 'e', long = "execute", value_name = "STATEMENTS")]
    pub execute: Option<String>,
    /// Run the statements of this file and end.
    #[arg(short = 'f', long = "file", value_name = "FILE", conflicts_with = "execute")]
    pub file: Option<PathBuf>,
    /// Define a variable for ${name}.
    #[arg(short = 'd', long = "define", value_name = "NAME=VALUE")]
    pub definitions: Vec<String>,
    /// How answers are shown.
    #[arg(long, value_enum, default_value = "tabular", ignore_case = true)]
    pub output: OutputFormat,
    /// End queries after this many rows.
    #[arg(long, value_name = "ROWS")]
    pub query_row_limit: Option<u64>,
    /// End queries after this many milliseconds.
    #[arg(long, value_name = "MILLISECONDS")]
    pub query_timeout: Option<u64>,
    /// Properties for all statements, one name=value a line.
    #[arg(long, value_name = "FILE")]
    pub config_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    Tabular,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// Write a new plugin: a folder with a crate that builds as it is.
    New {
        name: String,
        /// What the plugin offers.
        #[arg(long, value_enum, default_value = "function")]
        kind: PluginKind,
    },
    /// Compile the plugin in a folder to target/plugins/NAME.wasm.
    Build {
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
    /// Run the plugin's own tests, natively, and its golden rows, in the sandbox.
    Test {
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// Write what came out as what is expected in goldens/.
        #[arg(long)]
        bless: bool,
    },
    /// Measure what each function of a component costs per row, beside an empty call.
    Bench {
        /// The component; without it, the one that was built in this folder.
        file: Option<PathBuf>,
        /// Rows of a batch.
        #[arg(long, default_value_t = 1_024, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        rows: u32,
        /// The source's columns, to measure stages: "id INT, name VARCHAR".
        #[arg(long)]
        source: Option<String>,
        /// Only functions and stages with this in their name.
        #[arg(long)]
        only: Option<String>,
        /// Measure built-in functions of the same name and types too, in turns, and show the ratio.
        #[arg(long)]
        against_builtins: bool,
    },
    /// Upload a plugin; its first revision is active at once.
    Push {
        name: String,
        /// The component; without it, target/plugins/NAME.wasm.
        file: Option<PathBuf>,
        /// Use the new revision at once, wherever the plugin's active revision is followed.
        #[arg(long)]
        activate: bool,
        #[command(flatten)]
        server: ServerUrl,
    },
    /// List the plugins of a server.
    List {
        #[command(flatten)]
        server: ServerUrl,
    },
    /// Make a revision the active one.
    Use {
        name: String,
        revision: i64,
        #[command(flatten)]
        server: ServerUrl,
    },
    /// Show what is in a component.
    Inspect { file: PathBuf },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PluginKind {
    Function,
    TableFunction,
    Aggregate,
    Stage,
    ErrorPolicy,
    Endpoint,
}

#[derive(Debug, Args)]
pub struct ServerUrl {
    /// The server.
    #[arg(long, default_value = DEFAULT_SERVER)]
    pub server: String,
}
