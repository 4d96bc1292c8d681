//! The sandbox with real guests, as `make plugins` builds them.

mod capabilities;
mod endpoints;
mod error_policies;
mod functions;
mod hostile;
mod kinds;
mod speed;
mod stages;
mod uploads;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use calzone_functions::{Argument, Binding, Evaluated, Scalar};
use calzone_sandbox::{Component, Grants, Limits, Sandbox, SandboxOptions, ScalarInstance};
use calzone_types::{SqlType, Value, column_from_values, value_at};

/// The bytes of a guest.
fn guest(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins").join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}: run `make plugins` first", path.display()))
}

fn options(cache_dir: PathBuf, limits: Limits) -> SandboxOptions {
    SandboxOptions { cache_dir, compiler: env!("CARGO_BIN_EXE_calzone-compile-plugin").into(), limits, outbound: None }
}

/// One sandbox for all tests, so that each guest is compiled once.
fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<(tempfile::TempDir, Sandbox)> = OnceLock::new();
    &SANDBOX
        .get_or_init(|| {
            let directory = tempfile::tempdir().unwrap();
            let sandbox = Sandbox::new(options(directory.path().join("compiled"), Limits::default())).unwrap();
            (directory, sandbox)
        })
        .1
}

fn load(name: &str) -> Arc<Component> {
    sandbox().load(name, &guest(name)).unwrap()
}

/// All granted.
const ALL: Grants =
    Grants { random: true, clock: true, log: true, key_value: true, http: Vec::new(), insert: false, query: false };

fn binding(arguments: &[SqlType], returns: SqlType) -> Binding {
    Binding { arguments: arguments.to_vec(), returns, properties: Default::default() }
}

fn function(component: &Component, name: &str, arguments: &[SqlType], returns: SqlType) -> ScalarInstance {
    component.instantiate_scalar(name, &binding(arguments, returns), &ALL).unwrap()
}

/// Calls with columns of these values, in batches of at most `batch` rows.
fn call(function: &mut ScalarInstance, columns: &[(SqlType, Vec<Value>)], batch: usize) -> (Vec<Value>, Vec<(u32, String)>) {
    let rows = columns[0].1.len();
    let arrays: Vec<_> = columns.iter().map(|(ty, values)| column_from_values(ty, values)).collect();
    let (mut values, mut errors) = (Vec::new(), Vec::new());
    for start in (0..rows).step_by(batch) {
        let len = batch.min(rows - start);
        let mut arguments: Vec<Argument<'_>> = arrays.iter().map(|a| Argument::Column(a.slice(start, len))).collect();
        let Evaluated { column, errors: failed } = function.call(&mut arguments, len);
        assert_eq!(column.len(), len);
        values.extend((0..len).map(|r| value_at(&column, r)));
        errors.extend(failed.into_iter().map(|e| (e.row + start as u32, e.message)));
    }
    (values, errors)
}
