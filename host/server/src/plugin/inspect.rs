//! `calzone plugin inspect FILE`: what a server would see in a component.

use std::path::Path;
use std::sync::Arc;

use calzone_functions::FunctionKind;
use calzone_sandbox::{Component, Limits, Sandbox, SandboxOptions};

/// Loads a component as a server would, in a cache that is thrown away.
pub fn load(file: &Path) -> Result<Arc<Component>, String> {
    let bytes = std::fs::read(file).map_err(|e| format!("cannot read {}: {e}", file.display()))?;
    let cache = tempfile::tempdir().map_err(|e| format!("cannot make a folder for the compiled plugin: {e}"))?;
    let compiler = std::env::current_exe().map_err(|e| format!("cannot find this program's own file: {e}"))?;
    let options =
        SandboxOptions { cache_dir: cache.path().join("compiled"), compiler, limits: Limits::default(), outbound: None };
    let name = file.file_stem().map_or_else(|| "plugin".into(), |n| n.to_string_lossy().into_owned());
    let sandbox = Sandbox::new(options).map_err(|e| e.to_string())?;
    sandbox.load(&name, &bytes).map_err(|e| e.to_string())
}

/// Prints what is in a component.
pub fn inspect(file: &Path) -> Result<(), String> {
    let component = load(file)?;
    let about = &component.description;
    println!("{} ({} bytes, sha256 {})", file.display(), component.bytes, component.sha256);
    for (label, value) in [("author", &about.author), ("version", &about.version)] {
        if !value.is_empty() {
            println!("{label}: {value}");
        }
    }
    for function in &about.functions {
        let kind = match function.kind {
            FunctionKind::Scalar => "function",
            FunctionKind::Table => "table function",
            FunctionKind::Aggregate => "aggregate function",
        };
        println!("\n{kind} {}: {}", function.name, function.doc);
        for signature in &function.signatures {
            let tables = if signature.can_retract { "  (tables too)" } else { "" };
            println!("  {}{tables}", signature.text);
        }
    }
    for stage in &about.stages {
        println!("\nstage {}: {}", stage.name, stage.doc);
        for setting in &stage.settings {
            let default = setting.default.as_ref().map_or("must be given".to_owned(), |d| format!("default {d}"));
            println!("  {} ({default}): {}", setting.key, setting.doc);
        }
    }
    for policy in &about.error_policies {
        println!("\nerror policy {}: {}", policy.name, policy.doc);
        for setting in &policy.settings {
            let default = setting.default.as_ref().map_or("must be given".to_owned(), |d| format!("default {d}"));
            println!("  {} ({default}): {}", setting.key, setting.doc);
        }
    }
    if !component.imports.is_empty() {
        println!("\nimports: {}", component.imports.join(", "));
    }
    if !about.wants.is_empty() {
        let wants: Vec<String> = about.wants.iter().map(ToString::to_string).collect();
        println!("grant:   {}", wants.join(", "));
    }
    Ok(())
}
