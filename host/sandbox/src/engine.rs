//! wasmtime's engine, set up once, and the clock that deadlines are counted by.

use std::time::Duration;

use wasmtime::{Config, Engine, EngineWeak};

use crate::SandboxError;
use crate::limits::TICK_MS;

/// The engine of the server and of the compiling process. Both must be set up alike: a file compiled for another
/// configuration is refused when it is loaded; the stack's size is not part of that.
pub(crate) fn new_engine(stack_bytes: usize) -> Result<Engine, SandboxError> {
    let mut config = Config::new();
    config.wasm_component_model(true).epoch_interruption(true).max_wasm_stack(stack_bytes);
    // Guests are stripped and errors name plugin, function and row: a trace of addresses would tell nobody anything.
    config.wasm_backtrace_max_frames(None);
    // So tables for it need not be made, stored or registered.
    config.generate_address_map(false).native_unwind_info(false);
    Engine::new(&config).map_err(|e| SandboxError::Internal(format!("the WebAssembly engine does not start: {e:#}")))
}

/// Moves the engine's clock until the engine is gone.
pub(crate) fn start_clock(engine: &Engine) -> Result<(), SandboxError> {
    let engine: EngineWeak = engine.weak();
    std::thread::Builder::new()
        .name("sandbox-clock".to_owned())
        .spawn(move || {
            loop {
                std::thread::sleep(Duration::from_millis(TICK_MS));
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        })
        .map(drop)
        .map_err(|e| SandboxError::Internal(format!("no thread for the sandbox's clock: {e}")))
}

/// Ticks until a deadline of so many milliseconds from now; one more, as the current tick has begun.
pub(crate) fn ticks(milliseconds: u64) -> u64 {
    milliseconds.div_ceil(TICK_MS) + 1
}
