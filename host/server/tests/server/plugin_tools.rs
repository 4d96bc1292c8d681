//! `calzone plugin …` that needs no server: looking at components and measuring them.

use std::path::Path;
use std::process::Command;

fn plugin(arguments: &[&str]) -> (String, String, bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins");
    let output = Command::new(env!("CARGO_BIN_EXE_calzone")).arg("plugin").args(arguments).current_dir(folder).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.success())
}

/// Cells of the line that begins with `label`.
fn cells(table: &str, label: &str) -> Vec<String> {
    let line = table.lines().find(|l| l.trim_start().starts_with(label)).unwrap_or_else(|| panic!("no {label} in\n{table}"));
    line.split('|').map(|cell| cell.trim().to_owned()).collect()
}

#[test]
fn functions_are_measured_beside_their_built_in_twins() {
    let (table, error, success) = plugin(&["bench", "twins.wasm", "--against-builtins", "--only", "sum"]);
    assert!(success, "{error}");
    let sum: Vec<f64> = cells(&table, "sum(").iter().skip(1).map(|cell| cell.parse().unwrap()).collect();
    let [per_row, empty_call, built_in, ratio] = sum[..] else { panic!("{table}") };
    assert!(per_row > 0.0 && empty_call > 0.0 && built_in > 0.0, "{table}");
    assert!((ratio - per_row / built_in).abs() < 0.1 * ratio + 0.1, "{table}");
    // A function without a twin has no ratio.
    let (table, error, success) = plugin(&["bench", "mask.wasm", "--against-builtins", "--only", "mask_all"]);
    assert!(success && cells(&table, "mask_all(")[3].is_empty(), "{table}{error}");
}

#[test]
fn a_component_says_what_is_in_it() {
    let (text, error, success) = plugin(&["inspect", "signatures.wasm"]);
    assert!(success, "{error}");
    for wanted in ["surround(open varchar, parts varchar..., close integer) -> varchar", "numbered(items array<T>) -> computed"] {
        assert!(text.contains(wanted), "{text}");
    }
    let (_, error, success) = plugin(&["inspect", "nothing.wasm"]);
    assert!(!success && error.contains("nothing.wasm"), "{error}");
}
