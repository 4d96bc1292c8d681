//! WASI for toolchains whose components import it whether they need it or not (componentize-py, componentize-js, Go).
//!
//! Nothing is behind it: no files, no arguments, no environment, clocks stand still, random bytes are zeros. What is printed in a
//! call is the reason if the call traps, as runtimes print an error before they give up; else it goes nowhere. That much lets a
//! language's runtime start; whatever else of WASI is called traps.

use wasmtime::component::{Component, Linker, LinkerInstance, Resource, ResourceAny, ResourceType, Val, types::ComponentItem};
use wasmtime::{AsContextMut, Engine, StoreContextMut};

use crate::SandboxError;
use crate::instance::Guest;
use crate::validate::is_wasi;
use crate::wasi_http;

/// The most random bytes given at once.
const RANDOM_BYTES_MAX: u64 = 1 << 20;
/// How much an output stream says it can take.
const WRITE_BYTES: u64 = 1 << 16;

/// What a function of WASI answers.
#[derive(Clone, Copy)]
enum Inert {
    Nothing,
    EmptyList,
    None,
    Zero,
    One,
    /// A `datetime`.
    Epoch,
    /// As many zero bytes as the argument says.
    ZeroBytes,
    /// Two zeros.
    ZeroPair,
    /// A stream at its end, a stream that keeps nothing, something that is ready: real ones for an HTTP handler, new handles
    /// of nothing for others.
    InputHandle,
    OutputHandle,
    PollableHandle,
    Ok,
    /// `ok`, and the second argument's bytes are noted.
    Printed,
    /// The error of a stream that has come to its end.
    Closed,
    True,
    /// `ok` with the number of bytes that may be written.
    OkToWrite,
}

/// Interface (without version), function, answer.
const INERT: [(&str, &str, Inert); 35] = [
    ("wasi:cli/environment", "get-environment", Inert::EmptyList),
    ("wasi:cli/environment", "get-arguments", Inert::EmptyList),
    ("wasi:cli/environment", "initial-cwd", Inert::None),
    ("wasi:cli/stdin", "get-stdin", Inert::InputHandle),
    ("wasi:cli/stdout", "get-stdout", Inert::OutputHandle),
    ("wasi:cli/stderr", "get-stderr", Inert::OutputHandle),
    ("wasi:cli/terminal-stdin", "get-terminal-stdin", Inert::None),
    ("wasi:cli/terminal-stdout", "get-terminal-stdout", Inert::None),
    ("wasi:cli/terminal-stderr", "get-terminal-stderr", Inert::None),
    ("wasi:filesystem/preopens", "get-directories", Inert::EmptyList),
    ("wasi:clocks/monotonic-clock", "now", Inert::Zero),
    ("wasi:clocks/monotonic-clock", "resolution", Inert::One),
    ("wasi:clocks/monotonic-clock", "subscribe-instant", Inert::PollableHandle),
    ("wasi:clocks/monotonic-clock", "subscribe-duration", Inert::PollableHandle),
    ("wasi:clocks/wall-clock", "now", Inert::Epoch),
    ("wasi:clocks/wall-clock", "resolution", Inert::Epoch),
    ("wasi:random/random", "get-random-bytes", Inert::ZeroBytes),
    ("wasi:random/random", "get-random-u64", Inert::Zero),
    ("wasi:random/insecure", "get-insecure-random-bytes", Inert::ZeroBytes),
    ("wasi:random/insecure", "get-insecure-random-u64", Inert::Zero),
    ("wasi:random/insecure-seed", "insecure-seed", Inert::ZeroPair),
    ("wasi:random/insecure-seed", "get-insecure-seed", Inert::ZeroPair),
    ("wasi:io/streams", "[method]output-stream.check-write", Inert::OkToWrite),
    ("wasi:io/streams", "[method]output-stream.write", Inert::Printed),
    ("wasi:io/streams", "[method]output-stream.blocking-write-and-flush", Inert::Printed),
    ("wasi:io/streams", "[method]output-stream.flush", Inert::Ok),
    ("wasi:io/streams", "[method]output-stream.blocking-flush", Inert::Ok),
    ("wasi:io/streams", "[method]output-stream.write-zeroes", Inert::Ok),
    ("wasi:io/streams", "[method]output-stream.blocking-write-zeroes-and-flush", Inert::Ok),
    ("wasi:io/streams", "[method]output-stream.subscribe", Inert::PollableHandle),
    ("wasi:io/streams", "[method]input-stream.read", Inert::Closed),
    ("wasi:io/streams", "[method]input-stream.blocking-read", Inert::Closed),
    ("wasi:io/streams", "[method]input-stream.subscribe", Inert::PollableHandle),
    ("wasi:io/poll", "[method]pollable.ready", Inert::True),
    ("wasi:io/poll", "[method]pollable.block", Inert::Nothing),
];

/// Puts something under every import of WASI that the component has; those of an HTTP handler that [`wasi_http`] is behind are left
/// alone.
pub(crate) fn link(
    engine: &Engine,
    component: &Component,
    linker: &mut Linker<Guest>,
    is_handler: bool,
) -> Result<(), SandboxError> {
    let link = |linker: &mut Linker<Guest>| -> wasmtime::Result<()> {
        for (interface, import) in component.component_type().imports(engine) {
            let ComponentItem::ComponentInstance(instance) = import.ty else { continue };
            let plain = interface.split('@').next().unwrap_or(interface);
            if !is_wasi(interface) || is_handler && wasi_http::INTERFACES.contains(&plain) {
                continue;
            }
            for (function, item) in instance.exports(engine) {
                if let Some((_, _, inert)) = INERT.iter().find(|(i, f, _)| *i == plain && *f == function) {
                    let inert = *inert;
                    linker
                        .instance(interface)?
                        .func_new(function, move |store, _, arguments, results| answer(inert, store, arguments, results))?;
                } else if is_handler {
                    trap(&mut linker.instance(interface)?, interface, function, &item.ty)?;
                }
            }
        }
        // For a handler this would shadow those of its imports that have another version than the host's.
        if is_handler { Ok(()) } else { linker.define_unknown_imports_as_traps(component) }
    };
    link(linker).map_err(|e| SandboxError::Rejected(format!("the component's imports of WASI do not link: {e:#}")))
}

/// Defines an import that must not be called.
fn trap(linker: &mut LinkerInstance<'_, Guest>, interface: &str, name: &str, item: &ComponentItem) -> wasmtime::Result<()> {
    match item {
        ComponentItem::ComponentFunc(_) => {
            let message = format!("`{interface}#{name}` is not offered to plugins");
            linker.func_new(name, move |_, _, _, _| Err(wasmtime::Error::msg(message.clone())))
        }
        ComponentItem::Resource(_) => linker.resource(name, ResourceType::host::<()>(), |_, _| Ok(())),
        _ => Ok(()),
    }
}

fn answer(inert: Inert, mut store: StoreContextMut<'_, Guest>, arguments: &[Val], results: &mut [Val]) -> wasmtime::Result<()> {
    // A handle that was lent for the call must be given back before it ends.
    for argument in arguments {
        if let Val::Resource(handle) = argument {
            handle.resource_drop(store.as_context_mut())?;
        }
    }
    let value = match inert {
        Inert::Nothing => return Ok(()),
        Inert::EmptyList => Val::List(Vec::new()),
        Inert::None => Val::Option(None),
        Inert::Zero => Val::U64(0),
        Inert::One => Val::U64(1),
        Inert::Epoch => Val::Record(vec![("seconds".to_owned(), Val::U64(0)), ("nanoseconds".to_owned(), Val::U32(0))]),
        Inert::ZeroBytes => match arguments {
            [Val::U64(bytes)] if *bytes <= RANDOM_BYTES_MAX => Val::List(vec![Val::U8(0); *bytes as usize]),
            _ => wasmtime::bail!("more than {RANDOM_BYTES_MAX} random bytes asked for"),
        },
        Inert::ZeroPair => Val::Tuple(vec![Val::U64(0), Val::U64(0)]),
        Inert::InputHandle | Inert::OutputHandle | Inert::PollableHandle => Val::Resource(handle(inert, store)?),
        Inert::Ok => Val::Result(Ok(None)),
        Inert::Printed => {
            if let Some(Val::List(bytes)) = arguments.get(1) {
                store.data_mut().note_printed(bytes.iter().map(|byte| if let Val::U8(byte) = byte { *byte } else { b'?' }));
            }
            Val::Result(Ok(None))
        }
        Inert::Closed => Val::Result(Err(Some(Box::new(Val::Variant("closed".to_owned(), None))))),
        Inert::True => Val::Bool(true),
        Inert::OkToWrite => Val::Result(Ok(Some(Box::new(Val::U64(WRITE_BYTES))))),
    };
    if let [result] = results {
        *result = value;
    }
    Ok(())
}

fn handle(inert: Inert, mut store: StoreContextMut<'_, Guest>) -> wasmtime::Result<ResourceAny> {
    match (&mut store.data_mut().http, inert) {
        (Some(http), Inert::InputHandle) => http.nothing()?.try_into_resource_any(store),
        (Some(http), Inert::OutputHandle) => http.sink()?.try_into_resource_any(store),
        (Some(http), _) => http.ready()?.try_into_resource_any(store),
        (None, _) => Resource::<()>::new_own(0).try_into_resource_any(store),
    }
}
