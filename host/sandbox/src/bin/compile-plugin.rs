//! The compiler's child process alone, for tests and tools that have no server.

fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(2).collect();
    calzone_sandbox::compile_child_main(&arguments)
}
