//! Built-in functions, and what every function (built-in or plugin) looks like to the planner and the operators.
//!
//! [`definition`] says what a function is, [`registry`] finds one by name and argument types (how is in [`resolution`]),
//! [`evaluate`] is how one is run over columns. The functions themselves are one file each under [`scalar`], [`aggregate`]
//! and [`table`].
//!
//! This crate knows nothing of Wasm: a plugin's function is a definition whose implementation only names the plugin.

pub mod aggregate;
pub mod definition;
pub mod evaluate;
pub mod registry;
pub mod resolution;
pub mod scalar;
pub mod signature;
pub mod table;

pub use definition::{
    Aggregate, AggregateAction, AggregateDefinition, AggregateExample, AggregateImplementation, AggregateOverload, AggregateStep,
    Binding, Example, FunctionDefinition, Implementation, ScalarDefinition, ScalarOverload,
};
pub use evaluate::{Argument, Evaluated, LambdaEvaluator, PerRow, RowError, Scalar};
pub use registry::{FunctionKind, FunctionName, Registry, ResolveError, ResolvedAggregate, ResolvedScalar};
pub use signature::{ArgumentType, Parameter, ParameterType, Signature};
