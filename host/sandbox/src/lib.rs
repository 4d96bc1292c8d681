//! The sandbox: code that a user uploads, as WebAssembly components.
//!
//! A plugin's way, in the order of the modules: [`validate`] looks at the uploaded bytes without running or compiling them;
//! [`compile`] has a child process compile them, under limits, into a cache; [`describe`] asks the component what is in it;
//! [`component`] keeps all that, and makes instances: [`scalar`] functions, [`aggregate`] functions and [`stage`]s, which see batches of [`columns`],
//! [`endpoint`]s, which see HTTP requests, and [`error_policy`]s, which see failures.
//! Everything is bounded by [`limits`], and a component gets no capability that is not in its [`Grants`]: a store of its own
//! ([`KeyValue`]) and the way out ([`http`]) among them.
//!
//! There is one module per version of the interface (`wit/`): [`v1`] alone knows the types generated from `wit/v1`.
//!
//! This crate knows nothing of queries, statements or what topics hold, and opens no connection.

pub mod aggregate;
pub mod columns;
pub mod compile;
pub mod component;
pub mod definition;
pub mod describe;
pub mod endpoint;
pub mod engine;
pub mod error;
pub mod error_policy;
pub mod fault;
pub mod http;
pub mod instance;
pub mod isolate;
mod key_value;
pub mod limits;
pub mod scalar;
pub mod seed;
pub mod signature;
pub mod stage;
pub mod v1;
pub mod validate;
mod wasi;
mod wasi_http;
mod watch;

pub use aggregate::AggregateInstance;
pub use compile::compile_child_main;
pub use component::{Component, Sandbox, SandboxOptions};
pub use describe::{
    Capability, Description, EndpointDescription, ErrorPolicyDescription, FunctionDescription, RouteDescription,
    SettingDescription, SignatureDescription, StageDescription,
};
pub use endpoint::{DataAccess, DataError, Endpoint, HttpRequest, HttpResponse, Parameter};
pub use error::SandboxError;
pub use error_policy::{ErrorPolicyInstance, PolicyDecision, PolicyFailure};
pub use fault::Fault;
pub use http::{Outbound, Place};
pub use instance::Grants;
pub use key_value::KeyValue;
pub use limits::{LIMITS, LimitSetting, Limits};
pub use scalar::ScalarInstance;
pub use stage::{StageAnswer, StageBatch, StageColumn, StageInstance, StageOutput, StagePlan, StageRows, StageSource};
pub use watch::FaultListener;
