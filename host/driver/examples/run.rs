//! The command `test-runner` without the server: `cargo run -p calzone-driver --example run -- --suite cases.jsonl`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    calzone_driver::main(&args, calzone_driver::suite_functions::plugins())
}
