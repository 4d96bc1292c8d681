//! The limits of a plugin, each with its reason.

/// What a component may cost. Names are shown in errors, so that whoever meets one knows what to raise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of an upload. A Python component has 18 MB, JavaScript with StarlingMonkey 12 MB, Rust 100 kB.
    pub module_bytes: usize,
    /// CPU seconds of the compiling process. The largest of the above takes 12 s on two cores.
    pub compile_cpu_seconds: u64,
    /// Seconds until the compiling process is killed, whatever it does. Far more than the CPU time, which is what bounds its work:
    /// it has the lowest priority, and on a busy machine a component of 18 MB takes minutes.
    pub compile_seconds: u64,
    /// Resident bytes of the compiling process. Its address space may be [`COMPILE_ADDRESS_FACTOR`] times that.
    pub compile_memory_bytes: u64,
    /// Bytes of the compiled file: a bound on what a small upload can unfold to (Python: 35 MB).
    pub compiled_bytes: u64,
    /// Milliseconds that a component may take to start and to describe or open itself. Python's first call takes 36 ms.
    pub start_ms: u64,
    /// Milliseconds a call with a batch may take.
    pub batch_ms: u64,
    /// Milliseconds spent on finding the rows to blame in one batch; rows not reached by then fail too.
    pub isolation_ms: u64,
    /// Bytes of linear memory of one instance, all its memories together. Python starts with 13 MB.
    pub memory_bytes: usize,
    /// Bytes a call may hand to the host, counted as the host would hold them.
    pub output_bytes: usize,
    /// Rows that a stage may give for a batch.
    pub output_rows: usize,
    /// Columns that a stage's sink may have.
    pub output_columns: usize,
    /// Milliseconds that an endpoint may compute for a request; waiting for rows to be written or read does not count.
    pub request_ms: u64,
    /// Bytes of a request's body.
    pub request_bytes: usize,
    /// Bytes of a response's body.
    pub response_bytes: usize,
    /// Calls of `insert` and `query` that a request may make.
    pub request_calls: u32,
    /// Rows that a query of an endpoint may give.
    pub query_rows: usize,
    /// Requests that an endpoint works on at a time, each in an instance and on a thread of its own.
    pub concurrent_requests: usize,
    /// Requests that wait for their turn; further ones are turned away.
    pub waiting_requests: usize,
    /// Elements (function pointers) of all tables of one instance together.
    pub table_elements: usize,
    /// Tables of one instance of a component; each core instance in it may have some.
    pub tables: usize,
    /// Core instances inside one instance of a component. Python has about 30.
    pub core_instances: usize,
    /// Linear memories of one instance of a component.
    pub memories: usize,
    /// Instances of the plugin at one time in a server. Each task of a query has one for each call and each stage.
    pub instances: usize,
    /// Bytes of stack of a guest. Of the server, not of a plugin: it is a setting of the engine, and a thread of the server
    /// has 2 MiB, of which the host needs some.
    pub stack_bytes: usize,
    /// Bytes of keys and values that a call may write to the store of its own (KEY VALUE), and that a scan may give at once.
    pub store_bytes: usize,
    /// Milliseconds that a request (HTTP) may take.
    pub http_ms: u64,
    /// Milliseconds that all requests of a call with a batch may take together. This does not count as `batch_ms`.
    pub http_batch_ms: u64,
    /// Bytes of an answer to a request.
    pub http_bytes: usize,
    /// Lines that a call may log; the rest is dropped and counted.
    pub log_lines: u32,
    /// Bytes of one logged line, and of the text of one error.
    pub message_bytes: usize,
}

/// The most that `stack_bytes` may be.
pub const STACK_BYTES_MAX: usize = 1 << 20;

/// Milliseconds between ticks of the clock that deadlines are counted by; a deadline is met that exactly.
pub const TICK_MS: u64 = 10;

/// Address space is not memory: an allocator and threads reserve far more than they touch.
pub const COMPILE_ADDRESS_FACTOR: u64 = 4;

/// Depth of components inside components. Tools nest one or two deep.
pub const NESTING_MAX: usize = 8;
/// Components and modules inside a component, all levels together. Python's linker makes about 60.
pub const NESTED_MAX: usize = 500;
/// Instances that instantiating the component makes, all levels together: components that instantiate each other twice
/// would double them with every level.
pub const INSTANCES_MAX: u64 = 2_000;
/// Functions in all modules together. Python has about 30,000.
pub const FUNCTIONS_MAX: u64 = 200_000;
/// Local variables of one function: compile time grows faster than their number.
pub const LOCALS_MAX: u64 = 20_000;
/// Bytes of one function's body.
pub const FUNCTION_BYTES_MAX: usize = 2 << 20;
/// Imports and exports of the component itself.
pub const IMPORTS_MAX: usize = 200;

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            module_bytes: 64 << 20,
            compile_cpu_seconds: 60,
            compile_seconds: 600,
            compile_memory_bytes: 1 << 30,
            compiled_bytes: 256 << 20,
            start_ms: 5_000,
            batch_ms: 2_000,
            isolation_ms: 30_000,
            memory_bytes: 128 << 20,
            output_bytes: 64 << 20,
            output_rows: 1_000_000,
            output_columns: 1_000,
            request_ms: 2_000,
            request_bytes: 4 << 20,
            response_bytes: 16 << 20,
            request_calls: 1_000,
            query_rows: 100_000,
            concurrent_requests: 8,
            waiting_requests: 256,
            table_elements: 1_000_000,
            tables: 200,
            core_instances: 200,
            memories: 20,
            instances: 1_000,
            stack_bytes: 512 << 10,
            store_bytes: 16 << 20,
            http_ms: 5_000,
            http_batch_ms: 60_000,
            http_bytes: 4 << 20,
            log_lines: 100,
            message_bytes: 4 << 10,
        }
    }
}

/// One limit by its name, as properties files and ALTER PLUGIN know it.
pub struct LimitSetting {
    /// What follows `calzone.plugin.`; the unit is its last word.
    pub name: &'static str,
    pub get: fn(&Limits) -> u64,
    set: fn(&mut Limits, u64),
    /// Can a plugin have one of its own?
    pub of_plugin: bool,
}

macro_rules! limit {
    ($name:literal, $field:ident) => {
        LimitSetting { name: $name, get: |l| l.$field as u64, set: |l, n| l.$field = n as _, of_plugin: true }
    };
}

/// All limits, in the order of a plugin's life.
pub const LIMITS: &[LimitSetting] = &[
    limit!("module.bytes", module_bytes),
    limit!("compile.cpu.seconds", compile_cpu_seconds),
    limit!("compile.seconds", compile_seconds),
    limit!("compile.memory.bytes", compile_memory_bytes),
    limit!("compiled.bytes", compiled_bytes),
    limit!("start.ms", start_ms),
    limit!("batch.ms", batch_ms),
    limit!("isolation.ms", isolation_ms),
    limit!("memory.bytes", memory_bytes),
    limit!("output.bytes", output_bytes),
    limit!("output.rows", output_rows),
    limit!("output.columns", output_columns),
    limit!("instances", instances),
    limit!("core.instances", core_instances),
    limit!("memories", memories),
    limit!("tables", tables),
    limit!("table.elements", table_elements),
    LimitSetting { of_plugin: false, ..limit!("stack.bytes", stack_bytes) },
    limit!("request.ms", request_ms),
    limit!("request.bytes", request_bytes),
    limit!("response.bytes", response_bytes),
    limit!("request.calls", request_calls),
    limit!("query.rows", query_rows),
    limit!("concurrent.requests", concurrent_requests),
    limit!("waiting.requests", waiting_requests),
    limit!("store.bytes", store_bytes),
    limit!("http.ms", http_ms),
    limit!("http.batch.ms", http_batch_ms),
    limit!("http.bytes", http_bytes),
    limit!("log.lines", log_lines),
    limit!("message.bytes", message_bytes),
];

impl Limits {
    /// Sets a limit by its name, in any case, with dots or underscores, with or without `calzone.plugin.`. Gives the name as
    /// it is listed.
    ///
    /// # Errors
    /// There is no such limit, or it cannot have that value.
    pub fn set(&mut self, name: &str, value: &str) -> Result<&'static str, String> {
        let setting = LimitSetting::find(name)?;
        let number = match value.trim().parse::<u64>() {
            Ok(number) if number > 0 => number,
            _ => return Err(format!("{name} is '{value}': give a whole number above 0")),
        };
        if setting.name == "stack.bytes" && number > STACK_BYTES_MAX as u64 {
            return Err(format!("{name} is {number}: at most {STACK_BYTES_MAX} bytes of a thread's stack can be a guest's"));
        }
        (setting.set)(self, number);
        Ok(setting.name)
    }
}

impl LimitSetting {
    /// The limit of that name; the error lists those there are.
    pub fn find(name: &str) -> Result<&'static LimitSetting, String> {
        let plain = name.to_ascii_lowercase().replace('_', ".");
        let plain = plain.strip_prefix("calzone.plugin.").unwrap_or(&plain);
        LIMITS.iter().find(|l| l.name == plain).ok_or_else(|| {
            let known: Vec<&str> = LIMITS.iter().map(|l| l.name).collect();
            format!("there is no limit {name}; there are {}", known.join(", "))
        })
    }
}

/// `text`, cut to `bytes` at a character boundary.
pub(crate) fn cut(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let mut end = bytes;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}
