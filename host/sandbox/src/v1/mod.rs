//! Version 1 of the interface: `wit/v1`. The only module that knows the types generated from it.

/// A kind of plugin: where a component has the functions of one interface, and how they are called. `$exports` is the place where
/// an instance keeps them, once they were looked up.
macro_rules! interface {
    ($(#[$doc:meta])* $name:ident, $module:ident, $exports:ident, $label:expr) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub(crate) struct $name($module::GuestIndices);

        impl $name {
            /// The error says what of the interface is missing or different.
            pub(crate) fn find(component: &wasmtime::component::InstancePre<crate::instance::Guest>) -> Result<$name, String> {
                $module::GuestIndices::new(component).map($name).map_err(|e| format!("{}: {e:#}", $label))
            }

            fn call<R>(
                &self,
                instance: &mut crate::instance::Instance,
                time: crate::fault::TimeLimit,
                call: impl FnOnce(&mut wasmtime::Store<crate::instance::Guest>, &$module::Guest) -> wasmtime::Result<R>,
            ) -> Result<R, crate::fault::Fault> {
                let exports = match instance.$exports.take() {
                    Some(exports) => exports,
                    None => instance.look_up(|store, linked| self.0.load(store, linked))?,
                };
                let result = instance.call(time, |store| call(store, &exports));
                instance.$exports = Some(exports);
                result
            }
        }
    };
}
use interface;

mod aggregates;
mod capabilities;
mod convert;
mod endpoints;
mod error_policies;
mod functions;
mod http;
mod key_value;
mod stages;

pub(crate) use aggregates::{AggregateBatch, Aggregates};
pub(crate) use bindings::exports::calzone::plugin::aggregate_functions::Guest as AggregateExports;
pub(crate) use bindings::exports::calzone::plugin::endpoints::Guest as EndpointExports;
pub(crate) use bindings::exports::calzone::plugin::error_policies::Guest as ErrorPolicyExports;
pub(crate) use bindings::exports::calzone::plugin::scalar_functions::Guest as ScalarExports;
pub(crate) use bindings::exports::calzone::plugin::stages::Guest as StageExports;
pub(crate) use bindings::exports::calzone::plugin::table_functions::Guest as TableExports;
pub(crate) use capabilities::linker;
pub(crate) use endpoints::Endpoints;
pub(crate) use error_policies::ErrorPolicies;
pub(crate) use functions::{Bind, Functions, ScalarFunctions, TableFunctions};
pub(crate) use stages::{BatchColumns, OutputRows, Stages};

/// Each is a world's mark: a plugin exports one of them at least.
pub const WORLDS: [&str; 6] = [FUNCTIONS, TABLE_FUNCTIONS, AGGREGATES, STAGES, ENDPOINTS, ERROR_POLICIES];
/// What a plugin may import. `types` holds no functions and gives nothing.
pub const IMPORTS: [&str; 9] = [
    "calzone:plugin/types@1.0.0",
    "calzone:plugin/fault@1.0.0",
    "calzone:plugin/random@1.0.0",
    "calzone:plugin/clock@1.0.0",
    "calzone:plugin/log@1.0.0",
    "calzone:plugin/key-value@1.0.0",
    "calzone:plugin/http@1.0.0",
    "calzone:plugin/insert@1.0.0",
    "calzone:plugin/query@1.0.0",
];
pub(crate) const FUNCTIONS: &str = "calzone:plugin/scalar-functions@1.0.0";
pub(crate) const TABLE_FUNCTIONS: &str = "calzone:plugin/table-functions@1.0.0";
pub(crate) const AGGREGATES: &str = "calzone:plugin/aggregate-functions@1.0.0";
pub(crate) const STAGES: &str = "calzone:plugin/stages@1.0.0";
pub(crate) const ERROR_POLICIES: &str = "calzone:plugin/error-policies@1.0.0";
pub(crate) const ENDPOINTS: &str = "calzone:plugin/endpoints@1.0.0";

/// Is there something behind this import?
pub fn offers(import: &str) -> bool {
    IMPORTS.contains(&import)
}

/// What must be granted for this import, if anything.
pub fn capability(import: &str) -> Option<crate::Capability> {
    match import {
        "calzone:plugin/random@1.0.0" => Some(crate::Capability::Random),
        "calzone:plugin/clock@1.0.0" => Some(crate::Capability::Clock),
        "calzone:plugin/log@1.0.0" => Some(crate::Capability::Log),
        "calzone:plugin/key-value@1.0.0" => Some(crate::Capability::KeyValue),
        "calzone:plugin/http@1.0.0" => Some(crate::Capability::Http),
        "calzone:plugin/insert@1.0.0" => Some(crate::Capability::Insert),
        "calzone:plugin/query@1.0.0" => Some(crate::Capability::Query),
        _ => None,
    }
}

/// Generated from the WIT files, all worlds at once; which of the exports a component has is asked at run time.
pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/v1",
        inline: "
            package calzone:host;
            world host {
                import calzone:plugin/fault@1.0.0;
                import calzone:plugin/random@1.0.0;
                import calzone:plugin/clock@1.0.0;
                import calzone:plugin/log@1.0.0;
                import calzone:plugin/key-value@1.0.0;
                import calzone:plugin/http@1.0.0;
                import calzone:plugin/insert@1.0.0;
                import calzone:plugin/query@1.0.0;
                export calzone:plugin/scalar-functions@1.0.0;
                export calzone:plugin/table-functions@1.0.0;
                export calzone:plugin/aggregate-functions@1.0.0;
                export calzone:plugin/stages@1.0.0;
                export calzone:plugin/error-policies@1.0.0;
                export calzone:plugin/endpoints@1.0.0;
            }
        ",
        // A store that fails, or is too full, ends the call.
        imports: { "calzone:plugin/key-value": trappable },
        // Columns are lent to the guest, not copied for it.
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}
