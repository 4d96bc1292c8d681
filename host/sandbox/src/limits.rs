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
    /// Elements of one table (function pointers).
    pub table_elements: usize,
    /// Tables of one instance of a component; each core instance in it may have some.
    pub tables: usize,
    /// Core instances inside one instance of a component. Python has about 30.
    pub core_instances: usize,
    /// Linear memories of one instance of a component.
    pub memories: usize,
    /// Lines that a call may log; the rest is dropped and counted.
    pub log_lines: u32,
    /// Bytes of one logged line, and of the text of one error.
    pub message_bytes: usize,
}

/// Bytes of stack of a guest. The same for all, as it is a setting of the engine. Well below the 2 MiB that a thread of
/// the server has, of which the host needs some.
pub const STACK_BYTES: usize = 512 << 10;

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
            log_lines: 100,
            message_bytes: 4 << 10,
        }
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
