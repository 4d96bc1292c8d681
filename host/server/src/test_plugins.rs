//! Plugins for `calzone test-runner`: every function of the components in a folder, run in the sandbox.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use calzone_driver::Plugins;
use calzone_engine::LoadedPlugins;
use calzone_exec::{Environment, Stage, StoreSpec, TaskStore};
use calzone_functions::{Aggregate, Binding, FunctionDefinition, Scalar};
use calzone_plan::plan::StageStep;
use calzone_sandbox::{Component, Grants, Limits, Sandbox, SandboxOptions};
use calzone_state::MemoryStore;
use calzone_types::{SqlType, Value};

/// The component with the functions that ksqlDB's test suites call and ksqlDB does not have.
const TEST_FUNCTIONS: &str = "ksqldb-test-functions.wasm";

/// What components are granted: randomness that repeats itself, nothing else.
const GRANTS: Grants =
    Grants { random: true, clock: false, log: false, key_value: false, http: Vec::new(), insert: false, query: false };
/// What stages are granted, once the planner has compared their imports with the statement's GRANT.
const STAGE_GRANTS: Grants =
    Grants { random: true, clock: true, log: true, key_value: true, http: Vec::new(), insert: false, query: false };

/// Takes `--plugins DIR` out of the arguments, and loads the components that are there. Without the flag, the functions of
/// ksqlDB's test suites come from where `make plugins` puts them.
pub fn plugins(arguments: &mut Vec<String>) -> Result<Plugins, String> {
    let given = match arguments.iter().position(|a| a == "--plugins") {
        Some(at) => {
            let value = arguments.get(at + 1).cloned().ok_or("--plugins needs a folder.")?;
            arguments.drain(at..at + 2);
            Some(value)
        }
        None => None,
    };
    match given {
        Some(folder) => load(Path::new(&folder), |_| true),
        None => match built_folder() {
            Some(folder) => load(&folder, |name| name == TEST_FUNCTIONS),
            None => {
                eprintln!("{TEST_FUNCTIONS} is not built: cases that use its functions will fail (`make plugins` builds it)");
                Ok(Plugins::none())
            }
        },
    }
}

/// `target/plugins`, here or beside the folder that this program was built into.
fn built_folder() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.parent()?.join("plugins")));
    let here = PathBuf::from("target/plugins");
    [Some(here), beside].into_iter().flatten().find(|folder| folder.join(TEST_FUNCTIONS).exists())
}

fn load(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Plugins, String> {
    let read_failed = |e: std::io::Error| format!("cannot read the plugins in {}: {e}", folder.display());
    let cache = tempfile::tempdir().map_err(|e| format!("cannot make a folder for compiled plugins: {e}"))?;
    let compiler = std::env::current_exe().map_err(|e| format!("cannot find this program's own file: {e}"))?;
    let options =
        SandboxOptions { cache_dir: cache.path().join("compiled"), compiler, limits: Limits::default(), outbound: None };
    let sandbox = Sandbox::new(options).map_err(|e| e.to_string())?;
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|e| e.path())).collect::<Result<Vec<_>, _>>())
        .map_err(read_failed)?;
    files.retain(|file| file.extension().is_some_and(|e| e == "wasm"));
    files.retain(|file| file.file_name().is_some_and(|name| wanted(&name.to_string_lossy())));
    files.sort();
    let mut components = Vec::with_capacity(files.len());
    for file in &files {
        let name = file.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let bytes = std::fs::read(file).map_err(read_failed)?;
        // Hostile components lie in such folders too: what the server would refuse is left out, and said.
        match sandbox.load(&name, &bytes) {
            Ok(component) => components.push(component),
            Err(e) => eprintln!("{} is left out: {e}", file.display()),
        }
    }
    let (mut scalars, mut tables, mut aggregates) = (Vec::new(), Vec::new(), Vec::new());
    for component in &components {
        for function in &component.description.functions {
            match component.function_definition(&component.plugin, &function.name).map_err(|e| e.to_string())? {
                FunctionDefinition::Scalar(definition) => scalars.push(definition),
                FunctionDefinition::Table(definition) => tables.push(definition),
                FunctionDefinition::Aggregate(definition) => aggregates.push(definition),
            }
        }
    }
    Ok(Plugins { scalars, tables, aggregates, ..of_components(components) })
}

/// Components that CREATE FUNCTION and CREATE STAGE find; none of their functions has a name before that.
pub fn of_components(components: Vec<Arc<Component>>) -> Plugins {
    let loaded = Arc::new(LoadedPlugins(components));
    let lookup = loaded.clone();
    Plugins { environment: Arc::new(move || Box::new(SandboxEnvironment(loaded.clone()))), lookup, ..Plugins::none() }
}

/// Gives each query instances of its own.
struct SandboxEnvironment(Arc<LoadedPlugins>);

impl Environment for SandboxEnvironment {
    fn scalar(&mut self, plugin: &str, function: &str, binding: &Binding) -> Result<Box<dyn Scalar>, String> {
        let instance = self.0.find(plugin)?.instantiate_scalar(function, binding, &GRANTS).map_err(|e| e.to_string())?;
        Ok(Box::new(instance))
    }

    fn aggregate(
        &mut self,
        plugin: &str,
        function: &str,
        binding: &Binding,
        init: &[Value],
        _: &SqlType,
    ) -> Result<Arc<dyn Aggregate>, String> {
        let instance = self.0.find(plugin)?.instantiate_aggregate(function, binding, init, &GRANTS).map_err(|e| e.to_string())?;
        Ok(Arc::new(instance))
    }

    fn stage(&mut self, step: &StageStep) -> Result<Box<dyn Stage>, String> {
        self.0.instantiate(step, STAGE_GRANTS)
    }

    fn store(&mut self, _: &StoreSpec, _: i32) -> Result<Box<dyn TaskStore>, String> {
        Ok(Box::new(MemoryStore::new()))
    }
}
