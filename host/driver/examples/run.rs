//! The command `test-runner` without the server and its sandbox: `cargo run -p calzone-driver --example run -- --suite cases.jsonl`.
//! Cases that need functions of plugins do not pass here.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    calzone_driver::main(&args, calzone_driver::Plugins::none())
}
