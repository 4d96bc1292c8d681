//! `calzone plugin test`: the crate's tests natively, then its golden rows through the real sandbox.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use calzone_driver::golden;

use super::{build, inspect};
use crate::test_plugins::of_components;

/// Folder of a plugin's scripts, beside its `src`.
const GOLDENS: &str = "goldens";

/// Runs the crate's tests natively, where functions and stages are ordinary Rust. If there is a folder `goldens`, builds the
/// component and runs the scripts in it: statements, records in and records out, with the server's own planner and operators.
/// `bless` writes what came out as what is expected.
pub fn test(folder: &Path, bless: bool) -> Result<(), String> {
    let status = Command::new("cargo").arg("test").current_dir(folder).status().map_err(|e| format!("cannot run cargo: {e}"))?;
    if !status.success() {
        return Err("a test failed; see above".into());
    }
    let goldens = folder.join(GOLDENS);
    if !goldens.is_dir() {
        println!("there is no {}: nothing ran in the sandbox", goldens.display());
        return Ok(());
    }
    let component = inspect::load(&build::build(folder)?)?;
    let plugins = Arc::new(of_components(vec![component]));
    println!("{}:", goldens.display());
    if golden::run_folder(&goldens, None, &golden::BATCH_SIZES, bless, &plugins)? {
        Ok(())
    } else {
        Err("golden rows differ; if the new ones are right, run `calzone plugin test --bless`".into())
    }
}
