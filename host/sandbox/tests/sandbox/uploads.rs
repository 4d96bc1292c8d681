//! Uploads that are refused, each with an error that names its fault; and the cache of compiled code.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use calzone_sandbox::{Limits, Sandbox, SandboxError};

use crate::{guest, options, sandbox};

fn refused(bytes: &[u8]) -> String {
    let error = sandbox().load("p", bytes).err().expect("it was loaded");
    assert!(error.is_callers_fault(), "{error:?}");
    error.to_string()
}

const COMPONENT: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];
const MODULE: [u8; 8] = [0, b'a', b's', b'm', 1, 0, 0, 0];

fn leb(mut n: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (n & 0x7f) as u8;
        n >>= 7;
        bytes.push(if n == 0 { byte } else { byte | 0x80 });
        if n == 0 {
            return bytes;
        }
    }
}

fn section(id: u8, contents: &[u8]) -> Vec<u8> {
    [vec![id], leb(contents.len()), contents.to_vec()].concat()
}

fn component(sections: &[Vec<u8>]) -> Vec<u8> {
    [COMPONENT.to_vec(), sections.concat()].concat()
}

/// A section of one import: an instance without exports.
fn empty_instance_import(name: &str) -> Vec<Vec<u8>> {
    // An instance type without declarations; then the import of type 0.
    let import = [vec![1, 0x00], leb(name.len()), name.as_bytes().to_vec(), vec![0x05, 0x00]].concat();
    vec![section(7, &[1, 0x42, 0]), section(10, &import)]
}

#[test]
fn what_is_no_component() {
    assert!(refused(b"").contains("not WebAssembly"));
    assert!(refused(b"PK\x03\x04 a jar").contains("not WebAssembly"));
    assert!(refused(&MODULE).contains("core WebAssembly module"));
    assert!(refused(&component(&[])).contains("another world: it exports nothing"));
    assert!(refused(&COMPONENT[..6]).contains("broken"));
    let whole = guest("sauce");
    assert!(refused(&whole[..whole.len() / 2]).contains("broken"));
}

#[test]
fn every_flipped_byte_is_survived() {
    let whole = guest("sauce");
    // Some positions in every region of the file; compiling each variant would take long, so the checks before it are run.
    for at in (8..whole.len()).step_by(97) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        let _ = calzone_sandbox::validate::validate(&bytes, &Limits::default());
    }
    let mut bytes = whole.clone();
    let at = whole.len() / 3;
    bytes[at..at + 64].fill(0xfe);
    assert!(refused(&bytes).contains("component"));
}

#[test]
fn another_world_and_unknown_imports() {
    let import = component(&empty_instance_import("acme:database/query@1.0.0"));
    let text = refused(&import);
    assert!(text.contains("imports `acme:database/query@1.0.0`") && text.contains("calzone:plugin/random@1.0.0"), "{text}");
    // The name is right, but there is nothing behind it: an export of an imported instance under the name of a world.
    let export_name = "calzone:plugin/stages@1.0.0";
    let export = [vec![1, 0x00], leb(export_name.len()), export_name.as_bytes().to_vec(), vec![0x05, 0x00, 0x00]].concat();
    let mut sections = empty_instance_import("wasi:cli/environment@0.2.0");
    sections.push(section(11, &export));
    let text = refused(&component(&sections));
    assert!(text.contains("another world: calzone:plugin/stages@1.0.0"), "{text}");
}

#[test]
fn too_large() {
    let limits = Limits { module_bytes: 1_000, ..Limits::default() };
    let directory = tempfile::tempdir().unwrap();
    let small = Sandbox::new(options(directory.path().to_owned(), limits)).unwrap();
    let error = small.load("p", &guest("sauce")).err().unwrap();
    assert!(matches!(error, SandboxError::TooLarge { limit: 1_000, .. }), "{error}");
}

#[test]
fn bombs() {
    // Components inside components inside components.
    let mut nested = COMPONENT.to_vec();
    for _ in 0..2_000 {
        nested = component(&[section(4, &nested)]);
    }
    assert!(refused(&nested).contains("levels of components"));
    // Many beside each other.
    let many = component(&vec![section(4, &COMPONENT); 5_000]);
    assert!(refused(&many).contains("components and modules inside it"));
    // Each component instantiates the one before it twice: 2^16 instances from a few hundred bytes.
    let mut sections = vec![section(4, &COMPONENT)];
    for level in 0..16u8 {
        let alias = section(6, &[1, 0x04, 0x02, 1, level]);
        let instances = section(5, &[2, 0x00, 0, 0, 0x00, 0, 0]);
        sections.push(section(4, &component(&[alias, instances])));
    }
    sections.push(section(5, &[1, 0x00, 16, 0]));
    assert!(refused(&component(&sections)).contains("instances"));
}

/// Instructions on i64.
const GET: u8 = 0x20;
const SET: u8 = 0x21;
const CONST: u8 = 0x42;
const ADD: u8 = 0x7c;
const MUL: u8 = 0x7e;

/// A component around a module whose function has so many live locals that compiling takes very long.
fn slow_to_compile(locals: usize, rounds: usize) -> Vec<u8> {
    let mut body = leb(1);
    body.extend(leb(locals));
    body.push(0x7e); // i64
    // Local 0 is the parameter; from it each local gets a value that no compiler can know.
    let push_local = |body: &mut Vec<u8>, op: u8, local: usize| {
        body.push(op);
        body.extend(leb(local));
    };
    for local in 1..=locals {
        push_local(&mut body, GET, local - 1);
        push_local(&mut body, GET, 0);
        body.extend([MUL, CONST, (local % 60) as u8, ADD]);
        push_local(&mut body, SET, local);
    }
    for round in 0..rounds {
        for local in 1..=locals {
            let (a, b) = ((local * 7 + round) % locals, (local * 13 + 5) % locals);
            push_local(&mut body, GET, a);
            push_local(&mut body, GET, b);
            body.push(MUL);
            push_local(&mut body, GET, local);
            body.push(ADD);
            push_local(&mut body, SET, local);
        }
    }
    // The sum of all: nothing may be left out.
    body.extend([CONST, 0]);
    for local in 0..=locals {
        push_local(&mut body, GET, local);
        body.push(ADD);
    }
    body.push(0x0b);
    let code = [leb(1), leb(body.len()), body].concat();
    let module = [
        MODULE.to_vec(),
        section(1, &[1, 0x60, 1, 0x7e, 1, 0x7e]),
        section(3, &[1, 0]),
        section(7, &[1, 1, b'f', 0, 0]),
        section(10, &code),
    ]
    .concat();
    // Only modules that are instantiated are compiled.
    let mut sections = vec![section(1, &module), section(2, &[1, 0, 0, 0])];
    sections.extend(empty_instance_import("wasi:cli/environment@0.2.0"));
    let name = "calzone:plugin/stages@1.0.0";
    sections.push(section(11, &[vec![1, 0x00], leb(name.len()), name.as_bytes().to_vec(), vec![0x05, 0x00, 0x00]].concat()));
    component(&sections)
}

#[test]
fn compiling_is_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { compile_seconds: 1, compile_cpu_seconds: 1, ..Limits::default() };
    let strict = Sandbox::new(options(directory.path().to_owned(), limits)).unwrap();
    let start = Instant::now();
    let error = strict.load("p", &slow_to_compile(5_000, 12)).err().unwrap();
    assert!(matches!(&error, SandboxError::Limit(text) if text.contains("compil")), "{error}");
    assert!(start.elapsed().as_secs() < 5);
    // Nothing of it stays.
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    // And with little memory.
    let limits = Limits { compile_memory_bytes: 8 << 20, ..Limits::default() };
    let strict = Sandbox::new(options(directory.path().to_owned(), limits)).unwrap();
    let error = strict.load("p", &slow_to_compile(5_000, 12)).err().unwrap();
    assert!(matches!(&error, SandboxError::Limit(text) if text.contains("memory")), "{error}");
}

#[test]
fn compiled_code_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("compiled");
    let first = Sandbox::new(options(cache.clone(), Limits::default())).unwrap();
    let bytes = guest("sauce");
    let compiled = first.load("sauce", &bytes).unwrap();
    let files: Vec<_> = std::fs::read_dir(&cache).unwrap().map(|f| f.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    assert!(files[0].file_name().unwrap().to_string_lossy().starts_with(&compiled.sha256));
    // A compiler that does not exist is not missed.
    let mut without = options(cache, Limits::default());
    without.compiler = "/nonexistent".into();
    let second = Sandbox::new(without.clone()).unwrap();
    assert_eq!(second.load("sauce", &bytes).unwrap().sha256, compiled.sha256);
    // A file that was cut is compiled again; with no compiler, that is an error of the server.
    // (Not in place: running code is mapped from the file.)
    std::fs::remove_file(&files[0]).unwrap();
    std::fs::write(&files[0], [0x7f; 100]).unwrap();
    let error = second.load("sauce", &bytes).err().unwrap();
    assert!(!error.is_callers_fault() && error.to_string().contains("/nonexistent"), "{error}");
    drop(first);
    let third = Sandbox::new(options(without.cache_dir, Limits::default())).unwrap();
    third.load("sauce", &bytes).unwrap();
}

#[test]
fn a_cache_that_others_may_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let error = Sandbox::new(options(Path::new(directory.path()).to_owned(), Limits::default())).err().unwrap();
    assert!(error.to_string().contains("writable by no other"), "{error}");
}

/// A guest that works, with one more core module inside, which is instantiated along with it.
fn with_module(module: &[u8]) -> Vec<u8> {
    let guest = guest("sauce");
    let mut depth = 0;
    let mut modules = 0;
    for payload in wasmparser::Parser::new(0).parse_all(&guest) {
        match payload.unwrap() {
            wasmparser::Payload::ModuleSection { .. } if depth == 1 => modules += 1,
            wasmparser::Payload::Version { .. } => depth += 1,
            wasmparser::Payload::End(_) => depth -= 1,
            _ => {}
        }
    }
    let instance = [leb(1), vec![0x00], leb(modules), leb(0)].concat();
    [guest, section(1, module), section(2, &instance)].concat()
}

fn module(sections: &[Vec<u8>]) -> Vec<u8> {
    [MODULE.to_vec(), sections.concat()].concat()
}

/// A section of `count` equal entries.
fn entries(id: u8, count: usize, entry: &[u8]) -> Vec<u8> {
    section(id, &[leb(count), entry.repeat(count)].concat())
}

#[test]
fn what_an_instance_has_is_bounded() {
    // The honest one is taken, so that the others are refused for what is added.
    sandbox().load("p", &with_module(&module(&[]))).unwrap();
    let memory = |pages: usize| [vec![0x00], leb(pages)].concat();
    let table = |elements: usize| [vec![0x70, 0x00], leb(elements)].concat();
    for (what, sections, wanted) in [
        ("4 GiB of memory", vec![entries(5, 1, &memory(65_536))], "more than 134217728 bytes of memory (memory_bytes)"),
        (
            "memories that are small one by one",
            vec![entries(5, 19, &memory(200))],
            "more than 134217728 bytes of memory (memory_bytes)",
        ),
        ("memories", vec![entries(5, 50, &memory(0))], "more than 20 memories (memories)"),
        ("a table", vec![entries(4, 1, &table(9_000_000))], "more than 1000000 elements in its tables (table_elements)"),
        (
            "tables that are small one by one",
            vec![entries(4, 40, &table(90_000))],
            "more than 1000000 elements in its tables (table_elements)",
        ),
        ("tables", vec![entries(4, 60, &table(0))], "more than 50 tables (tables)"),
    ] {
        let limits = Arc::new(Limits { tables: 50, ..Limits::default() });
        let loaded = sandbox().load_within("p", &with_module(&module(&sections)), &limits);
        let error = loaded.err().unwrap_or_else(|| panic!("{what}: loaded"));
        assert!(error.is_callers_fault() && error.to_string().contains(wanted), "{what}: {error}");
    }
}

#[test]
fn starting_must_end() {
    // A function without parameters that loops, run at the start of its module.
    let looping = [leb(1), vec![0x60, 0, 0]].concat();
    let body = [vec![0], vec![0x03, 0x40, 0x0c, 0x00, 0x0b, 0x0b]].concat();
    let code = [leb(1), leb(body.len()), body].concat();
    let module = module(&[section(1, &looping), section(3, &[1, 0]), section(8, &[0]), section(10, &code)]);
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { start_ms: 200, ..Limits::default() };
    let impatient = Sandbox::new(options(directory.path().join("compiled"), limits)).unwrap();
    let error = impatient.load("p", &with_module(&module)).err().unwrap();
    assert!(matches!(&error, SandboxError::Limit(text) if text.contains("200 ms for its start (start_ms)")), "{error}");
}

#[test]
fn types_that_are_deep_or_large() {
    // Each type is a tuple of the one before, twice: 2^30 values; and of the one before, once: 500 deep.
    let defined = |types: &[Vec<u8>]| component(&[section(7, &[leb(types.len()), types.concat()].concat())]);
    let tuples = |count: usize, members: usize| -> Vec<Vec<u8>> {
        let tuple = |before: usize| [vec![0x6f], leb(members), leb(before).repeat(members)].concat();
        std::iter::once(vec![0x7f]).chain((0..count).map(tuple)).collect()
    };
    for (what, types) in [("2^30 values", tuples(30, 2)), ("500 deep", tuples(500, 1))] {
        let mut bytes = guest("sauce");
        bytes.extend(section(4, &defined(&types)));
        let start = Instant::now();
        let error = sandbox().load("p", &bytes).err().unwrap_or_else(|| panic!("{what}: loaded"));
        assert!(matches!(error, SandboxError::Rejected(_) | SandboxError::Limit(_)), "{what}: {error}");
        assert!(start.elapsed().as_secs() < 10, "{what}");
    }
}

#[test]
fn functions_that_are_huge_or_many() {
    // Instructions that do nothing, 3 MB of them.
    let body = [vec![0], vec![0x01; 3 << 20], vec![0x0b]].concat();
    let types = section(1, &[1, 0x60, 0, 0]);
    let huge = module(&[types.clone(), section(3, &[1, 0]), section(10, &[leb(1), leb(body.len()), body].concat())]);
    assert!(refused(&with_module(&huge)).contains("more than 2097152 bytes in one function"));
    let many = 300_000;
    let tiny = module(&[types.clone(), entries(3, many, &[0]), entries(10, many, &[2, 0, 0x0b])]);
    assert!(refused(&with_module(&tiny)).contains("more than 200000 functions"));
    // Few bytes, many local variables.
    let locals = [leb(1), leb(50_000), vec![0x7e, 0x0b]].concat();
    let stuffed = module(&[types, section(3, &[1, 0]), section(10, &[leb(1), leb(locals.len()), locals].concat())]);
    assert!(refused(&with_module(&stuffed)).contains("more than 20000 local variables in one function"));
}

#[test]
fn describing_itself_must_end() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { start_ms: 200, ..Limits::default() };
    let impatient = Sandbox::new(options(directory.path().join("compiled"), limits)).unwrap();
    let error = impatient.load("p", &guest("hostile-start")).err().unwrap();
    let text = "the component does not describe itself: the plugin took more than 200 ms for its start (start_ms)";
    assert_eq!(error, SandboxError::Limit(text.to_owned()));
}
