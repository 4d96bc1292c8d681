//! Plugins for Calzone, in Rust.
//!
//! A function, whole:
//!
//! ```
//! # #![allow(clippy::needless_doctest_main)]
//! use calzone_guest::{function, plugin};
//!
//! /// Greets someone.
//! #[function("greet(varchar) -> varchar")]
//! fn greet(name: &str) -> String {
//!     format!("Hello, {name}!")
//! }
//!
//! plugin!(functions: [greet]);
//!
//! # fn main() {
//! assert_eq!(greet("Ada"), "Hello, Ada!"); // it stays a plain function, to be tested as one
//! # }
//! ```
//!
//! and a stage:
//!
//! ```
//! use calzone_guest::{plugin, stage};
//!
//! /// Adds the number of characters of NAME.
//! #[stage("name_length BIGINT")]
//! fn measure(name: &str) -> i64 {
//!     name.chars().count() as i64
//! }
//!
//! plugin!(stages: [measure]);
//! # fn main() {}
//! ```
//!
//! A stage with several outputs (`INTO a, b`) says for each row where it goes:
//!
//! ```
//! use calzone_guest::{plugin, stage};
//!
//! /// Parts large orders from small ones.
//! #[stage(into = ["large", "small"])]
//! fn by_size(count: i64) -> usize {
//!     if count >= 10 { 0 } else { 1 }
//! }
//!
//! plugin!(stages: [by_size]);
//! # fn main() {}
//! ```
//!
//! A table function gives any number of rows for a row:
//!
//! ```
//! use calzone_guest::{plugin, table_function};
//!
//! /// The words of a text, each in a row of its own.
//! #[table_function("explode_words(varchar) -> varchar")]
//! fn explode_words(text: &str) -> Vec<String> {
//!     text.split_whitespace().map(str::to_owned).collect()
//! }
//!
//! plugin!(table_functions: [explode_words]);
//! # fn main() {}
//! ```
//!
//! and an [`aggregate`](mod@aggregate) function one value for a group:
//!
//! ```
//! use calzone_guest::{aggregate, plugin};
//!
//! #[derive(Default)]
//! struct Longest;
//!
//! /// The longest text of a group.
//! #[aggregate("longest(varchar) -> varchar")]
//! impl Longest {
//!     fn initial(&self) -> Option<String> {
//!         None
//!     }
//!
//!     fn accumulate(&self, longest: &mut Option<String>, text: &str) {
//!         if longest.as_ref().is_none_or(|l| l.len() < text.len()) {
//!             *longest = Some(text.to_owned());
//!         }
//!     }
//!
//!     fn merge(&self, older: Option<String>, newer: Option<String>) -> Option<String> {
//!         if older.as_ref().map(String::len) < newer.as_ref().map(String::len) { newer } else { older }
//!     }
//!
//!     fn result(&self, longest: &Option<String>) -> Option<String> {
//!         longest.clone()
//!     }
//! }
//!
//! plugin!(aggregates: [Longest]);
//! # fn main() {}
//! ```
//!
//! An [`error_policy`](mod@error_policy) says what becomes of records that fail:
//!
//! ```
//! use calzone_guest::{Decision, Failure, error_policy, plugin};
//!
//! /// Tries again what looks temporary, one second longer each time.
//! #[error_policy]
//! fn patient(failure: &Failure) -> Decision {
//!     match failure.attempt {
//!         attempt if failure.cause.contains("timeout") && attempt < 5 => Decision::Retry { after_ms: 1000 * u64::from(attempt) },
//!         _ => Decision::DeadLetter,
//!     }
//! }
//!
//! plugin!(error_policies: [patient]);
//!
//! # fn main() {
//! let failure = Failure { cause: "a timeout".to_owned(), attempt: 2, ..Failure::default() };
//! assert_eq!(patient(&failure), Decision::Retry { after_ms: 2000 });
//! # }
//! ```
//!
//! With the feature `endpoint`, functions answer HTTP requests: the module `endpoint` has a shop.
//!
//! | SQL | Rust |
//! |---|---|
//! | BOOLEAN, INTEGER, BIGINT, DOUBLE | `bool`, `i32`, `i64`, `f64` |
//! | VARCHAR | `&str` or `String`; result: `String` or `&'static str` |
//! | BYTES | `&[u8]` or `Vec<u8>`; result: `Vec<u8>` |
//! | DECIMAL, DATE, TIME, TIMESTAMP | [`Decimal`], [`Date`], [`Time`], [`Timestamp`] |
//! | `ARRAY<T>`, `MAP<K, V>` | `Vec<T>`, `BTreeMap<K, V>` |
//! | `T...` | [`Variadic<T>`] |
//! | STRUCT, `T`, `any` | [`Value`] |
//!
//! An `Option` takes or gives null; a parameter that is not an `Option` makes the result null where it is null, without
//! calling the function. A `Result` gives that row an error. `&mut` [`Random`] and `&` [`Settings`] are parameters of their
//! own that stand in no signature.

extern crate self as calzone_guest;

pub mod aggregate;
pub mod argument;
pub mod bindings;
pub mod capability;
pub mod column;
#[cfg(feature = "endpoint")]
pub mod endpoint;
pub mod error_policy;
pub mod function;
pub mod output;
pub mod route;
pub mod sql_type;
pub mod stage;
pub mod state;
pub mod table_function;
pub mod value;
pub mod value_output;

pub use aggregate::AggregateFunction;
pub use argument::Variadic;
#[cfg(feature = "endpoint")]
pub use calzone_guest_macros::endpoint;
pub use calzone_guest_macros::{State, aggregate, error_policy, function, stage, table_function};
pub use capability::{Random, Settings, http, log, now, store};
pub use error_policy::{Decision, ErrorPolicy, Failure};
pub use function::Function;
pub use sql_type::SqlType;
pub use stage::{Plan, Row, Rows, Stage};
pub use state::State;
pub use table_function::TableFunction;
pub use value::{Date, Decimal, Time, Timestamp, Value};

/// Makes the component out of functions, stages, error policies and what answers HTTP requests:
/// `plugin!(functions: [mask], table_functions: [words], aggregates: [Longest], stages: [sauce], error_policies: [patient],
/// endpoint: [order, find])`.
///
/// Author and version are those of `Cargo.toml`. Outside wasm32 it only checks the names, so that tests run natively.
#[macro_export]
macro_rules! plugin {
    ($($kind:ident: [$($item:ident),* $(,)?]),* $(,)?) => {
        $($crate::kind_of_plugin!($kind: $($item),*);)*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! kind_of_plugin {
    (functions: $($item:ident),*) => { $crate::functions_of_plugin!($($item),*); };
    (table_functions: $($item:ident),*) => { $crate::table_functions_of_plugin!($($item),*); };
    (aggregates: $($item:ident),*) => { $crate::aggregates_of_plugin!($($item),*); };
    (stages: $($item:ident),*) => { $crate::stages_of_plugin!($($item),*); };
    (error_policies: $($item:ident),*) => { $crate::error_policies_of_plugin!($($item),*); };
    (endpoint: $($item:ident),*) => { $crate::endpoint_of_plugin!($($item),*); };
    ($other:ident: $($item:ident),*) => {
        compile_error!("a plugin has functions, table_functions, aggregates, stages, error_policies and an endpoint");
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! functions_of_plugin {
    ($($function:ident),*) => {
        const _: () = {
            use $crate::bindings::scalar_function::exports::calzone::plugin::scalar_functions as wit;

            static FUNCTIONS: &[$crate::Function] = &[$($function::FUNCTION),*];
            struct Functions;

            impl wit::Guest for Functions {
                fn describe() -> wit::Description {
                    $crate::function::describe(env!("CARGO_PKG_AUTHORS"), env!("CARGO_PKG_VERSION"), FUNCTIONS)
                }

                fn return_type(name: String, signature: u32, arguments: Vec<wit::Argument>) -> Result<String, String> {
                    $crate::function::return_type(FUNCTIONS, &name, signature, arguments)
                }

                fn bind(
                    name: String,
                    signature: u32,
                    arguments: Vec<String>,
                    returns: String,
                    settings: Vec<wit::Setting>,
                ) -> Result<(), String> {
                    $crate::function::bind(FUNCTIONS, &name, signature, &arguments, &returns, settings)
                }

                fn call(rows: u32, arguments: Vec<wit::Column>) -> Result<wit::Answer, String> {
                    $crate::function::call(rows, &arguments)
                }
            }

            #[cfg(target_arch = "wasm32")]
            $crate::bindings::scalar_function::export_scalar_function!(
                Functions with_types_in $crate::bindings::scalar_function
            );
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! table_functions_of_plugin {
    ($($function:ident),*) => {
        const _: () = {
            use $crate::bindings::table_function::exports::calzone::plugin::table_functions as wit;

            static FUNCTIONS: &[$crate::TableFunction] = &[$($function::TABLE_FUNCTION),*];
            struct TableFunctions;

            impl wit::Guest for TableFunctions {
                fn describe() -> wit::Description {
                    $crate::table_function::describe(env!("CARGO_PKG_AUTHORS"), env!("CARGO_PKG_VERSION"), FUNCTIONS)
                }

                fn return_type(name: String, signature: u32, arguments: Vec<wit::Argument>) -> Result<String, String> {
                    $crate::table_function::return_type(FUNCTIONS, &name, signature, arguments)
                }

                fn bind(
                    name: String,
                    signature: u32,
                    arguments: Vec<String>,
                    returns: String,
                    settings: Vec<wit::Setting>,
                ) -> Result<(), String> {
                    $crate::table_function::bind(FUNCTIONS, &name, signature, &arguments, &returns, settings)
                }

                fn call(rows: u32, arguments: Vec<wit::Column>) -> Result<wit::Answer, String> {
                    $crate::table_function::call(rows, &arguments)
                }
            }

            #[cfg(target_arch = "wasm32")]
            $crate::bindings::table_function::export_table_function!(
                TableFunctions with_types_in $crate::bindings::table_function
            );
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! aggregates_of_plugin {
    ($($aggregate:ident),*) => {
        const _: () = {
            use $crate::bindings::aggregate_function::exports::calzone::plugin::aggregate_functions as wit;

            static FUNCTIONS: &[$crate::AggregateFunction] = &[$($aggregate::AGGREGATE),*];
            struct Aggregates;

            impl wit::Guest for Aggregates {
                fn describe() -> wit::Description {
                    $crate::aggregate::describe(env!("CARGO_PKG_AUTHORS"), env!("CARGO_PKG_VERSION"), FUNCTIONS)
                }

                fn return_type(name: String, signature: u32, arguments: Vec<wit::Argument>) -> Result<String, String> {
                    $crate::aggregate::return_type(FUNCTIONS, &name, signature, arguments)
                }

                fn bind(
                    name: String,
                    signature: u32,
                    arguments: Vec<String>,
                    literals: wit::Literals,
                    returns: String,
                    settings: Vec<wit::Setting>,
                ) -> Result<(), String> {
                    $crate::aggregate::bind(FUNCTIONS, &name, signature, &arguments, literals, &returns, settings)
                }

                fn update(batch: wit::Batch) -> Result<wit::Answer, String> {
                    $crate::aggregate::update(&batch)
                }

                fn merge(older: wit::Column, newer: wit::Column) -> Result<wit::Column, String> {
                    $crate::aggregate::merge(&older, &newer)
                }
            }

            #[cfg(target_arch = "wasm32")]
            $crate::bindings::aggregate_function::export_aggregate_function!(
                Aggregates with_types_in $crate::bindings::aggregate_function
            );
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! stages_of_plugin {
    ($($stage:ident),*) => {
        const _: () = {
            use $crate::bindings::stage::exports::calzone::plugin::stages as wit;

            static STAGES: &[$crate::stage::StageEntry] = &[$($stage::STAGE),*];
            struct Stages;

            impl wit::Guest for Stages {
                fn describe() -> wit::Description {
                    $crate::stage::describe(env!("CARGO_PKG_AUTHORS"), env!("CARGO_PKG_VERSION"), STAGES)
                }

                fn open(name: String, settings: Vec<wit::Setting>, input: Vec<wit::InputColumn>) -> Result<wit::Plan, String> {
                    $crate::stage::open(STAGES, &name, settings, input)
                }

                fn process(batch: wit::Batch) -> Result<wit::Answer, String> {
                    $crate::stage::process(&batch)
                }
            }

            #[cfg(target_arch = "wasm32")]
            $crate::bindings::stage::export_stage!(Stages with_types_in $crate::bindings::stage);
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! error_policies_of_plugin {
    ($($policy:ident),*) => {
        const _: () = {
            use $crate::bindings::error_policy::exports::calzone::plugin::error_policies as wit;

            static POLICIES: &[$crate::error_policy::ErrorPolicyEntry] = &[$($policy::ERROR_POLICY),*];
            struct Policies;

            impl wit::Guest for Policies {
                fn describe() -> wit::Description {
                    $crate::error_policy::describe(env!("CARGO_PKG_AUTHORS"), env!("CARGO_PKG_VERSION"), POLICIES)
                }

                fn open(name: String, settings: Vec<wit::Setting>) -> Result<(), String> {
                    $crate::error_policy::open(POLICIES, &name, settings)
                }

                fn decide(failures: Vec<wit::Failure>) -> Result<Vec<wit::Decision>, String> {
                    $crate::error_policy::decide(failures)
                }
            }

            #[cfg(target_arch = "wasm32")]
            $crate::bindings::error_policy::export_error_policy!(Policies with_types_in $crate::bindings::error_policy);
        };
    };
}

#[cfg(feature = "endpoint")]
#[doc(hidden)]
#[macro_export]
macro_rules! endpoint_of_plugin {
    ($($function:ident),*) => {
        const _: () = {
            use $crate::bindings::endpoint::exports::calzone::plugin::endpoints as wit;

            static ROUTES: &[$crate::endpoint::Route] = &[$($function::ROUTE),*];
            struct Endpoint;

            impl wit::Guest for Endpoint {
                fn describe() -> wit::Description {
                    let doc = env!("CARGO_PKG_DESCRIPTION");
                    $crate::endpoint::describe(env!("CARGO_PKG_AUTHORS"), env!("CARGO_PKG_VERSION"), doc, ROUTES)
                }

                fn open(settings: Vec<$crate::bindings::types::Setting>) -> Result<(), String> {
                    $crate::endpoint::open(settings)
                }

                fn handle(request: wit::Request) -> Result<wit::Response, String> {
                    $crate::endpoint::handle(ROUTES, request)
                }
            }

            #[cfg(target_arch = "wasm32")]
            $crate::bindings::endpoint::export_endpoint!(Endpoint with_types_in $crate::bindings::endpoint);
        };
    };
}
