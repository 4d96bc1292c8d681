//! Loaded components, and the sandbox that loads them.

use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::{InstancePre, Linker};

use crate::compile::Compiler;
use crate::describe::{Capability, Description, EndpointDescription};
use crate::engine::{new_engine, start_clock};
use crate::fault::Fault;
use crate::instance::{Guest, Instance};
use crate::limits::Limits;
use crate::validate::{is_wasi, validate};
use crate::wasi_http::{self, Handler};
use crate::{SandboxError, v1};

/// Loads components. Cheap to clone; one for the whole server.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

/// What a [`Sandbox`] needs.
#[derive(Clone, Debug)]
pub struct SandboxOptions {
    /// Where compiled components are kept between starts. Made if need be; must belong to this user alone.
    pub cache_dir: PathBuf,
    /// The program that runs [`crate::compile_child_main`] when its first argument is [`crate::compile::SUBCOMMAND`]:
    /// the server itself.
    pub compiler: PathBuf,
    pub limits: Limits,
}

struct Shared {
    engine: Engine,
    compiler: Compiler,
    linker: Linker<Guest>,
    limits: Arc<Limits>,
}

/// A component that was checked, compiled and asked what is in it.
pub struct Component {
    /// Name of the plugin it was loaded as.
    pub plugin: Arc<str>,
    /// Of the uploaded bytes, in hexadecimal.
    pub sha256: String,
    /// Size of the upload.
    pub bytes: usize,
    pub description: Description,
    /// Names of imported interfaces, without those that only hold types.
    pub imports: Vec<String>,
    pub(crate) code: Arc<Code>,
}

/// What instances are made of.
pub(crate) struct Code {
    pub(crate) plugin: Arc<str>,
    pub(crate) instance: InstancePre<Guest>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) functions: Option<v1::ScalarFunctions>,
    pub(crate) table_functions: Option<v1::TableFunctions>,
    pub(crate) aggregates: Option<v1::Aggregates>,
    pub(crate) stages: Option<v1::Stages>,
    pub(crate) error_policies: Option<v1::ErrorPolicies>,
    pub(crate) endpoints: Option<v1::Endpoints>,
    pub(crate) handler: Option<Handler>,
}

impl Code {
    pub(crate) fn start(&self) -> Result<Instance, Fault> {
        Instance::start(self.plugin.clone(), &self.instance, &self.limits, self.handler.is_some())
    }
}

impl Sandbox {
    /// Starts the engine and its clock. Fails if the cache directory cannot be used.
    pub fn new(options: SandboxOptions) -> Result<Sandbox, SandboxError> {
        let engine = new_engine()?;
        start_clock(&engine)?;
        let compiler = Compiler::new(options.cache_dir, options.compiler, &engine)?;
        let linker = v1::linker(&engine)?;
        Ok(Sandbox { shared: Arc::new(Shared { engine, compiler, linker, limits: Arc::new(options.limits) }) })
    }

    /// Checks, compiles (or takes from the cache) and describes a component, under the limits. Takes as long as they
    /// allow: call it from a thread that may block.
    pub fn load(&self, plugin: &str, bytes: &[u8]) -> Result<Arc<Component>, SandboxError> {
        let shared = &self.shared;
        let surface = validate(bytes, &shared.limits)?;
        let sha256: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
        let compiled = shared.compiler.compile(&shared.engine, &sha256, bytes, &shared.limits)?;
        let mut linker = shared.linker.clone();
        let is_handler = surface.exports.iter().any(|e| wasi_http::is_handler(e));
        if is_handler {
            wasi_http::link(&mut linker)?;
        }
        if surface.imports.iter().any(|i| is_wasi(i)) {
            crate::wasi::link(&shared.engine, &compiled, &mut linker, is_handler)?;
        }
        let instance = linker
            .instantiate_pre(&compiled)
            .map_err(|e| SandboxError::Rejected(format!("the component's imports are not what this server offers: {e:#}")))?;
        let other_world = |text: String| SandboxError::Rejected(format!("the component is for another world: {text}"));
        let has = |export: &str| surface.exports.iter().any(|e| e == export);
        let functions = has(v1::FUNCTIONS).then(|| v1::ScalarFunctions::find(&instance)).transpose().map_err(other_world)?;
        let table_functions =
            has(v1::TABLE_FUNCTIONS).then(|| v1::TableFunctions::find(&instance)).transpose().map_err(other_world)?;
        let aggregates = has(v1::AGGREGATES).then(|| v1::Aggregates::find(&instance)).transpose().map_err(other_world)?;
        let stages = has(v1::STAGES).then(|| v1::Stages::find(&instance)).transpose().map_err(other_world)?;
        let error_policies =
            has(v1::ERROR_POLICIES).then(|| v1::ErrorPolicies::find(&instance)).transpose().map_err(other_world)?;
        let endpoints = has(v1::ENDPOINTS).then(|| v1::Endpoints::find(&instance)).transpose().map_err(other_world)?;
        let handler = is_handler.then(|| Handler::find(&instance)).transpose().map_err(other_world)?;
        let limits = shared.limits.clone();
        let plugin = plugin.into();
        let code =
            Code { plugin, instance, limits, functions, table_functions, aggregates, stages, endpoints, handler, error_policies };
        let description = describe(&code, &surface.imports)?;
        let imports = surface.imports.into_iter().filter(|i| *i != v1::IMPORTS[0]).collect();
        Ok(Arc::new(Component {
            plugin: code.plugin.clone(),
            sha256,
            bytes: bytes.len(),
            description,
            imports,
            code: Arc::new(code),
        }))
    }
}

fn describe(code: &Code, imports: &[String]) -> Result<Description, SandboxError> {
    let mut description = Description::default();
    let mut ask = || -> Result<(), Fault> {
        let scalars = code.functions.as_ref().map(|f| f.describe(&mut code.start()?)).transpose()?;
        let tables = code.table_functions.as_ref().map(|f| f.describe(&mut code.start()?)).transpose()?;
        let aggregates = code.aggregates.as_ref().map(|f| f.describe(&mut code.start()?)).transpose()?;
        for described in [scalars, tables, aggregates].into_iter().flatten() {
            (description.author, description.version) = (described.author, described.version);
            description.functions.extend(described.functions);
        }
        if let Some(stages) = &code.stages {
            let (author, version, stages) = stages.describe(&mut code.start()?)?;
            description = Description { author, version, stages, ..std::mem::take(&mut description) };
        }
        if let Some(policies) = &code.error_policies {
            let (author, version, error_policies) = policies.describe(&mut code.start()?)?;
            description = Description { author, version, error_policies, ..std::mem::take(&mut description) };
        }
        if let Some(endpoints) = &code.endpoints {
            let (author, version, endpoint) = endpoints.describe(&mut code.start()?)?;
            description = Description { author, version, endpoint: Some(endpoint), ..std::mem::take(&mut description) };
        }
        if code.handler.is_some() {
            description.endpoint.get_or_insert_with(EndpointDescription::default);
        }
        Ok(())
    };
    ask().map_err(|fault| refusal("the component does not describe itself", &fault))?;
    let mut wants: Vec<Capability> = imports.iter().filter_map(|i| v1::capability(i)).collect();
    wants.sort();
    wants.dedup();
    description.wants = wants;
    description.check(&code.limits)?;
    Ok(description)
}

/// A fault outside of any batch.
pub(crate) fn refusal(what: &str, fault: &Fault) -> SandboxError {
    match fault {
        Fault::Deadline(..) | Fault::Memory(_) | Fault::Stack(_) | Fault::Output(_) | Fault::Isolation(_) => {
            SandboxError::Limit(format!("{what}: {fault}"))
        }
        Fault::Error(_) => SandboxError::Unusable(format!("{what}: {fault}")),
        Fault::Answer(_) | Fault::Trap(_) | Fault::Start(_) => SandboxError::Rejected(format!("{what}: {fault}")),
    }
}

impl Component {
    /// The same component with other limits, for uses made from now on.
    pub fn with_limits(&self, limits: Limits) -> Component {
        let code = Code {
            plugin: self.code.plugin.clone(),
            instance: self.code.instance.clone(),
            limits: Arc::new(limits),
            functions: self.code.functions.clone(),
            table_functions: self.code.table_functions.clone(),
            aggregates: self.code.aggregates.clone(),
            stages: self.code.stages.clone(),
            error_policies: self.code.error_policies.clone(),
            endpoints: self.code.endpoints.clone(),
            handler: self.code.handler.clone(),
        };
        Component {
            plugin: self.plugin.clone(),
            sha256: self.sha256.clone(),
            bytes: self.bytes,
            description: self.description.clone(),
            imports: self.imports.clone(),
            code: Arc::new(code),
        }
    }

    pub fn limits(&self) -> &Limits {
        &self.code.limits
    }

    pub(crate) fn no_such(&self, kind: &str, name: &str) -> SandboxError {
        let names: Vec<&str> = match kind {
            "function" => self.description.functions.iter().map(|f| f.name.as_str()).collect(),
            "error policy" => self.description.error_policies.iter().map(|p| p.name.as_str()).collect(),
            _ => self.description.stages.iter().map(|s| s.name.as_str()).collect(),
        };
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        SandboxError::Unusable(format!("plugin {} has no {kind} {name}; it has {there}", self.plugin))
    }
}
