//! Compiles components in a child process, into a cache.
//!
//! Nothing in wasmtime bounds the time and memory that compiling takes: small uploads exist that take minutes or gigabytes.
//! So the program runs itself again with limits on CPU time, memory and the size of its only output, and is killed when
//! they are exceeded. The server loads only files that such a child made: in a directory nobody else may write,
//! under the hash of the component and of the compiler's version and settings.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::SandboxError;
use crate::engine::new_engine;
use crate::limits::{COMPILE_ADDRESS_FACTOR, Limits, cut};

/// The first argument that makes the server's program a compiler. What [`compile_child_main`] gets are those after it.
pub const SUBCOMMAND: &str = "compile-plugin";

/// How often the child's memory is looked at.
const WATCH_MS: u64 = 5;
/// The child's exit code for a component that does not compile; its standard error says why.
const EXIT_REJECTED: u8 = 3;
/// How much of the child's error text is of interest.
const CHILD_ERROR_BYTES: usize = 4 << 10;
/// Lower priority than the server's own threads: queries go on while a component is compiled.
const CHILD_NICE: i32 = 10;

/// Compiles, and keeps what was compiled.
pub(crate) struct Compiler {
    directory: PathBuf,
    program: PathBuf,
    /// Version and settings of the engine, as part of file names.
    engine_hash: u64,
    /// One at a time: the limits are per compilation.
    compiling: Mutex<()>,
    /// Makes names of unfinished files distinct.
    count: AtomicU64,
}

impl Compiler {
    pub(crate) fn new(directory: PathBuf, program: PathBuf, engine: &Engine) -> Result<Compiler, SandboxError> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&directory).map_err(|e| SandboxError::io("cannot make", &directory, &e))?;
        let metadata = fs::metadata(&directory).map_err(|e| SandboxError::io("cannot look at", &directory, &e))?;
        // SAFETY: geteuid has no preconditions.
        if metadata.uid() != unsafe { libc::geteuid() } || metadata.mode() & 0o022 != 0 {
            return Err(SandboxError::Internal(format!(
                "{}: compiled plugins are run as they are found, so this directory must belong to this user and be writable by no other",
                directory.display()
            )));
        }
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Compiler { directory, program, engine_hash: hasher.finish(), compiling: Mutex::new(()), count: AtomicU64::new(0) })
    }

    /// The compiled component, from the cache or made now.
    pub(crate) fn compile(
        &self,
        engine: &Engine,
        sha256: &str,
        bytes: &[u8],
        limits: &Limits,
    ) -> Result<Component, SandboxError> {
        let path = self.directory.join(format!("{sha256}-{:016x}.compiled", self.engine_hash));
        if let Some(component) = load(engine, &path) {
            return Ok(component);
        }
        let _one_at_a_time = self.compiling.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(component) = load(engine, &path) {
            return Ok(component);
        }
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let unfinished = |what: &str| self.directory.join(format!("{sha256}.{}.{number}.{what}", std::process::id()));
        let files = Files { input: unfinished("in"), output: unfinished("out"), errors: unfinished("err") };
        fs::write(&files.input, bytes).map_err(|e| SandboxError::io("cannot write", &files.input, &e))?;
        self.run_child(&files, limits)?;
        // On disk before it has its name: after a crash there must be no half file under it.
        File::open(&files.output)
            .and_then(|f| f.sync_all())
            .and_then(|()| fs::rename(&files.output, &path))
            .map_err(|e| SandboxError::io("cannot keep", &path, &e))?;
        load(engine, &path)
            .ok_or_else(|| SandboxError::Internal(format!("{}: was compiled just now, but does not load", path.display())))
    }

    fn run_child(&self, files: &Files, limits: &Limits) -> Result<(), SandboxError> {
        let errors = File::create(&files.errors).map_err(|e| SandboxError::io("cannot write", &files.errors, &e))?;
        let mut child = Command::new(&self.program)
            .arg(SUBCOMMAND)
            .args([&files.input, &files.output])
            .args([limits.compile_memory_bytes, limits.compile_cpu_seconds, limits.compiled_bytes].map(|n| n.to_string()))
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .map_err(|e| SandboxError::io("cannot start the compiler", &self.program, &e))?;
        let status = watch(&mut child, limits)?;
        if status.success() {
            return Ok(());
        }
        let said = fs::read(&files.errors).unwrap_or_default();
        let said = cut(String::from_utf8_lossy(&said).trim(), CHILD_ERROR_BYTES);
        Err(meaning_of(status, &said, limits))
    }
}

/// Files of one compilation; gone when it is over, however it ends.
struct Files {
    input: PathBuf,
    output: PathBuf,
    errors: PathBuf,
}

impl Drop for Files {
    fn drop(&mut self) {
        for path in [&self.input, &self.output, &self.errors] {
            // The output is not there any more when all went well.
            let _ = fs::remove_file(path);
        }
    }
}

/// Waits for the child, and kills it when it takes too long or too much memory.
fn watch(child: &mut Child, limits: &Limits) -> Result<ExitStatus, SandboxError> {
    let deadline = Instant::now() + Duration::from_secs(limits.compile_seconds);
    let stop = |child: &mut Child, error: SandboxError| {
        // It may have ended by itself meanwhile; then there is nothing to kill, and it is reaped all the same.
        let _ = child.kill();
        let _ = child.wait();
        error
    };
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) => {}
            Err(e) => return Err(stop(child, SandboxError::Internal(format!("lost the compiler's process: {e}")))),
        }
        if Instant::now() > deadline {
            let text = format!("compiling the component took more than {} s (compile_seconds)", limits.compile_seconds);
            return Err(stop(child, SandboxError::Limit(text)));
        }
        if resident_bytes(child.id()).is_some_and(|bytes| bytes > limits.compile_memory_bytes) {
            return Err(stop(child, memory_error(limits)));
        }
        std::thread::sleep(Duration::from_millis(WATCH_MS));
    }
}

fn memory_error(limits: &Limits) -> SandboxError {
    let bytes = limits.compile_memory_bytes;
    SandboxError::Limit(format!("compiling the component took more than {bytes} bytes of memory (compile_memory_bytes)"))
}

/// None where there is no /proc; then only the address space is bounded.
fn resident_bytes(pid: u32) -> Option<u64> {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    // SAFETY: sysconf has no preconditions.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Some(pages * u64::try_from(page).ok()?)
}

fn meaning_of(status: ExitStatus, said: &str, limits: &Limits) -> SandboxError {
    if status.code() == Some(EXIT_REJECTED.into()) {
        return SandboxError::Rejected(format!("the component does not compile: {said}"));
    }
    match status.signal() {
        Some(libc::SIGXCPU | libc::SIGKILL) => SandboxError::Limit(format!(
            "compiling the component took more than {} s of CPU time (compile_cpu_seconds)",
            limits.compile_cpu_seconds
        )),
        Some(libc::SIGXFSZ) => {
            SandboxError::Limit(format!("the compiled component has more than {} bytes (compiled_bytes)", limits.compiled_bytes))
        }
        // An allocation that fails aborts; a stack that cannot grow faults.
        Some(libc::SIGABRT | libc::SIGSEGV | libc::SIGBUS | libc::SIGILL) => memory_error(limits),
        _ => SandboxError::Internal(format!("the compiler ended with {status}: {said}")),
    }
}

fn load(engine: &Engine, path: &Path) -> Option<Component> {
    if !path.exists() {
        return None;
    }
    // SAFETY: the file was made by `precompile_component` of this program in a child process, in a directory that belongs
    // to this user and that no other may write (`Compiler::new`), and got its name only when it was complete.
    match unsafe { Component::deserialize_file(engine, path) } {
        Ok(component) => Some(component),
        Err(e) => {
            tracing::warn!(path = %path.display(), error = %format!("{e:#}"), "a compiled plugin does not load and is compiled again");
            None
        }
    }
}

/// The compiler's process: `IN OUT MEMORY_BYTES CPU_SECONDS OUTPUT_BYTES`. To be called by the server's program, before it
/// starts any thread, when its first argument is [`SUBCOMMAND`], with the arguments after that.
pub fn compile_child_main(arguments: &[String]) -> ExitCode {
    match compile_child(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, message)) => {
            eprintln!("{message}");
            ExitCode::from(code)
        }
    }
}

fn compile_child(arguments: &[String]) -> Result<(), (u8, String)> {
    let failed = |message: String| (1, message);
    let [input, output, memory, cpu, size] = arguments else {
        return Err(failed(format!("usage: {SUBCOMMAND} IN OUT MEMORY_BYTES CPU_SECONDS OUTPUT_BYTES")));
    };
    let number = |text: &String| text.parse::<u64>().map_err(|e| failed(format!("`{text}`: {e}")));
    limit(libc::RLIMIT_AS, number(memory)?.saturating_mul(COMPILE_ADDRESS_FACTOR)).map_err(failed)?;
    limit(libc::RLIMIT_CPU, number(cpu)?).map_err(failed)?;
    limit(libc::RLIMIT_FSIZE, number(size)?).map_err(failed)?;
    limit(libc::RLIMIT_CORE, 0).map_err(failed)?;
    give_way();
    let bytes = fs::read(input).map_err(|e| failed(format!("{input}: {e}")))?;
    let engine = new_engine(Limits::default().stack_bytes).map_err(|e| failed(e.to_string()))?;
    let compiled = engine.precompile_component(&bytes).map_err(|e| (EXIT_REJECTED, format!("{e:#}")))?;
    fs::write(output, compiled).map_err(|e| failed(format!("{output}: {e}")))
}

/// Lowers the priority of the calling thread, for good. Without that it works all the same.
pub(crate) fn give_way() {
    // SAFETY: setpriority has no preconditions. On Linux, process 0 means the calling thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, CHILD_NICE) };
}

fn limit(resource: libc::__rlimit_resource_t, value: u64) -> Result<(), String> {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: `limit` is a valid rlimit for the duration of the call.
    if unsafe { libc::setrlimit(resource, &limit) } == 0 {
        return Ok(());
    }
    Err(format!("cannot limit the compiler: {}", std::io::Error::last_os_error()))
}
