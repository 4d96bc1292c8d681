//! Loaded components, and the sandbox that loads them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::{InstancePre, Linker};

use crate::compile::Compiler;
use crate::describe::{Capability, Description, EndpointDescription};
use crate::engine::{new_engine, start_clock};
use crate::fault::Fault;
use crate::http::Outbound;
use crate::instance::{Grants, Guest, Instance};
use crate::limits::Limits;
use crate::validate::{is_wasi, validate};
use crate::wasi_http::{self, Handler};
use crate::watch::{FaultListener, Watch};
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
    /// Sends the requests of guests; without it none can.
    pub outbound: Option<Arc<dyn Outbound>>,
}

struct Shared {
    engine: Engine,
    compiler: Compiler,
    linker: Linker<Guest>,
    limits: Arc<Limits>,
    outbound: Option<Arc<dyn Outbound>>,
    uploading: Mutex<()>,
    /// Instances there are, by plugin.
    live: Mutex<HashMap<String, Arc<AtomicUsize>>>,
}

/// A component that was checked, compiled and asked what is in it. Clones share the code.
#[derive(Clone)]
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
#[derive(Clone)]
pub(crate) struct Code {
    pub(crate) plugin: Arc<str>,
    pub(crate) instance: InstancePre<Guest>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) watch: Watch,
    /// Plugin and revision, if errors are to name them.
    pub(crate) label: Option<Arc<str>>,
    pub(crate) outbound: Option<Arc<dyn Outbound>>,
    /// How many instances of the plugin there are in this server.
    pub(crate) live: Arc<AtomicUsize>,
    pub(crate) functions: Option<v1::ScalarFunctions>,
    pub(crate) table_functions: Option<v1::TableFunctions>,
    pub(crate) aggregates: Option<v1::Aggregates>,
    pub(crate) stages: Option<v1::Stages>,
    pub(crate) error_policies: Option<v1::ErrorPolicies>,
    pub(crate) endpoints: Option<v1::Endpoints>,
    pub(crate) handler: Option<Handler>,
}

impl Code {
    /// An error's text with the names of who failed.
    pub(crate) fn named(&self, kind: &str, item: &str, message: String) -> String {
        match &self.label {
            Some(label) => format!("plugin {label}, {kind} {item}: {message}"),
            None => message,
        }
    }

    pub(crate) fn start(&self) -> Result<Instance, Fault> {
        Instance::start(self)
    }
}

impl Sandbox {
    /// Starts the engine and its clock. Fails if the cache directory cannot be used.
    pub fn new(options: SandboxOptions) -> Result<Sandbox, SandboxError> {
        let engine = new_engine(options.limits.stack_bytes)?;
        start_clock(&engine)?;
        let compiler = Compiler::new(options.cache_dir, options.compiler, &engine)?;
        let linker = v1::linker(&engine)?;
        let limits = Arc::new(options.limits);
        Ok(Sandbox {
            shared: Arc::new(Shared {
                engine,
                compiler,
                linker,
                limits,
                outbound: options.outbound,
                uploading: Mutex::default(),
                live: Mutex::default(),
            }),
        })
    }

    /// Checks, compiles (or takes from the cache) and describes a component, under the limits. Takes as long as they
    /// allow: call it from a thread that may block.
    pub fn load(&self, plugin: &str, bytes: &[u8]) -> Result<Arc<Component>, SandboxError> {
        self.load_within(plugin, bytes, &self.shared.limits)
    }

    /// The limits of a component that has none of its own.
    pub fn limits(&self) -> &Arc<Limits> {
        &self.shared.limits
    }

    /// As [`Sandbox::load_within`], for bytes that nobody knows yet: one upload at a time, on a thread that gives way to
    /// those of queries. A component that takes all the time it may to describe itself takes it from no query.
    pub fn load_upload(&self, plugin: &str, bytes: &[u8], limits: &Arc<Limits>) -> Result<Arc<Component>, SandboxError> {
        let _one_at_a_time = self.shared.uploading.lock().unwrap_or_else(PoisonError::into_inner);
        std::thread::scope(|scope| {
            let loading = std::thread::Builder::new().name("upload".to_owned()).spawn_scoped(scope, || {
                crate::compile::give_way();
                self.load_within(plugin, bytes, limits)
            });
            let loading = loading.map_err(|e| SandboxError::Internal(format!("no thread for the upload: {e}")))?;
            loading.join().unwrap_or_else(|_| Err(SandboxError::Internal("checking the component panicked".to_owned())))
        })
    }

    /// As [`Sandbox::load`], under these limits, which the component keeps.
    pub fn load_within(&self, plugin: &str, bytes: &[u8], limits: &Arc<Limits>) -> Result<Arc<Component>, SandboxError> {
        let shared = &self.shared;
        let surface = validate(bytes, limits)?;
        let sha256: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
        let compiled = shared.compiler.compile(&shared.engine, &sha256, bytes, limits)?;
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
        let live = shared.live.lock().unwrap_or_else(PoisonError::into_inner).entry(plugin.to_owned()).or_default().clone();
        let code = Code {
            plugin: plugin.into(),
            instance,
            limits: limits.clone(),
            watch: Watch::default(),
            label: None,
            outbound: shared.outbound.clone(),
            live,
            functions,
            table_functions,
            aggregates,
            stages,
            endpoints,
            handler,
            error_policies,
        };
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
        Fault::Deadline(..) | Fault::Memory(_) | Fault::Count(..) | Fault::Stack(_) | Fault::Output(_) | Fault::Isolation(_) => {
            SandboxError::Limit(format!("{what}: {fault}"))
        }
        Fault::Error(_) => SandboxError::Unusable(format!("{what}: {fault}")),
        Fault::Answer(_) | Fault::Trap(_) | Fault::Start(_) | Fault::Over => SandboxError::Rejected(format!("{what}: {fault}")),
    }
}

impl Component {
    /// The same component with other limits, for uses made from now on.
    pub fn with_limits(&self, limits: Limits) -> Component {
        self.with_code(Code { limits: Arc::new(limits), ..(*self.code).clone() })
    }

    /// The same component, whose uses made from now on tell `listener` of their faults.
    pub fn watched_by(&self, listener: Arc<dyn FaultListener>) -> Component {
        self.with_code(Code { watch: Watch::new(listener), ..(*self.code).clone() })
    }

    /// The same component, whose uses made from now on name `label` (plugin and revision) and themselves in every error.
    pub fn labelled(&self, label: &str) -> Component {
        self.with_code(Code { label: Some(label.into()), ..(*self.code).clone() })
    }

    /// The same component, whose uses made from now on can send no requests.
    pub fn without_outbound(&self) -> Component {
        self.with_code(Code { outbound: None, ..(*self.code).clone() })
    }

    fn with_code(&self, code: Code) -> Component {
        Component { code: Arc::new(code), ..self.clone() }
    }

    /// Does the component import nothing but what is granted?
    pub fn check_grants(&self, grants: &Grants) -> Result<(), SandboxError> {
        grants.check(&self.imports)
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
