//! What wit-bindgen makes of `wit/v1`. Each kind is generated for itself, so that a component exports only the kinds it has.
//! All capabilities are there; the linker leaves out the imports that a plugin does not use.

/// World `scalar-function`, and the types and capabilities that all worlds share.
pub mod scalar_function {
    wit_bindgen::generate!({
        path: "../wit/v1",
        inline: "
            package calzone:guest;
            world scalar-function {
                include calzone:plugin/scalar-function@1.0.0;
                include calzone:plugin/uses-random@1.0.0;
                include calzone:plugin/uses-clock@1.0.0;
                include calzone:plugin/uses-log@1.0.0;
                include calzone:plugin/uses-key-value@1.0.0;
                include calzone:plugin/uses-http@1.0.0;
                include calzone:plugin/uses-fault@1.0.0;
            }
        ",
        world: "calzone:guest/scalar-function",
        pub_export_macro: true,
        export_macro_name: "export_scalar_function",
        runtime_path: "::calzone_guest::bindings::runtime",
        generate_all,
    });
}

/// World `stage`.
pub mod stage {
    wit_bindgen::generate!({
        path: "../wit/v1",
        inline: "
            package calzone:guest;
            world stage {
                include calzone:plugin/stage@1.0.0;
                include calzone:plugin/uses-random@1.0.0;
                include calzone:plugin/uses-clock@1.0.0;
                include calzone:plugin/uses-log@1.0.0;
                include calzone:plugin/uses-key-value@1.0.0;
                include calzone:plugin/uses-http@1.0.0;
                include calzone:plugin/uses-fault@1.0.0;
            }
        ",
        world: "calzone:guest/stage",
        pub_export_macro: true,
        export_macro_name: "export_stage",
        runtime_path: "::calzone_guest::bindings::runtime",
        with: {
            "calzone:plugin/types@1.0.0": super::scalar_function::calzone::plugin::types,
            "calzone:plugin/random@1.0.0": super::scalar_function::calzone::plugin::random,
            "calzone:plugin/clock@1.0.0": super::scalar_function::calzone::plugin::clock,
            "calzone:plugin/log@1.0.0": super::scalar_function::calzone::plugin::log,
            "calzone:plugin/key-value@1.0.0": super::scalar_function::calzone::plugin::key_value,
            "calzone:plugin/http@1.0.0": super::scalar_function::calzone::plugin::http,
            "calzone:plugin/fault@1.0.0": super::scalar_function::calzone::plugin::fault,
        },
    });
}

/// World `table-function`.
pub mod table_function {
    wit_bindgen::generate!({
        path: "../wit/v1",
        inline: "
            package calzone:guest;
            world table-function {
                include calzone:plugin/table-function@1.0.0;
                include calzone:plugin/uses-random@1.0.0;
                include calzone:plugin/uses-clock@1.0.0;
                include calzone:plugin/uses-log@1.0.0;
                include calzone:plugin/uses-key-value@1.0.0;
                include calzone:plugin/uses-http@1.0.0;
                include calzone:plugin/uses-fault@1.0.0;
            }
        ",
        world: "calzone:guest/table-function",
        pub_export_macro: true,
        export_macro_name: "export_table_function",
        runtime_path: "::calzone_guest::bindings::runtime",
        with: {
            "calzone:plugin/types@1.0.0": super::scalar_function::calzone::plugin::types,
            "calzone:plugin/random@1.0.0": super::scalar_function::calzone::plugin::random,
            "calzone:plugin/clock@1.0.0": super::scalar_function::calzone::plugin::clock,
            "calzone:plugin/log@1.0.0": super::scalar_function::calzone::plugin::log,
            "calzone:plugin/key-value@1.0.0": super::scalar_function::calzone::plugin::key_value,
            "calzone:plugin/http@1.0.0": super::scalar_function::calzone::plugin::http,
            "calzone:plugin/fault@1.0.0": super::scalar_function::calzone::plugin::fault,
        },
    });
}

/// World `aggregate-function`.
pub mod aggregate_function {
    wit_bindgen::generate!({
        path: "../wit/v1",
        inline: "
            package calzone:guest;
            world aggregate-function {
                include calzone:plugin/aggregate-function@1.0.0;
                include calzone:plugin/uses-random@1.0.0;
                include calzone:plugin/uses-clock@1.0.0;
                include calzone:plugin/uses-log@1.0.0;
                include calzone:plugin/uses-key-value@1.0.0;
                include calzone:plugin/uses-http@1.0.0;
                include calzone:plugin/uses-fault@1.0.0;
            }
        ",
        world: "calzone:guest/aggregate-function",
        pub_export_macro: true,
        export_macro_name: "export_aggregate_function",
        runtime_path: "::calzone_guest::bindings::runtime",
        with: {
            "calzone:plugin/types@1.0.0": super::scalar_function::calzone::plugin::types,
            "calzone:plugin/random@1.0.0": super::scalar_function::calzone::plugin::random,
            "calzone:plugin/clock@1.0.0": super::scalar_function::calzone::plugin::clock,
            "calzone:plugin/log@1.0.0": super::scalar_function::calzone::plugin::log,
            "calzone:plugin/key-value@1.0.0": super::scalar_function::calzone::plugin::key_value,
            "calzone:plugin/http@1.0.0": super::scalar_function::calzone::plugin::http,
            "calzone:plugin/fault@1.0.0": super::scalar_function::calzone::plugin::fault,
        },
    });
}

/// World `error-policy`.
pub mod error_policy {
    wit_bindgen::generate!({
        path: "../wit/v1",
        inline: "
            package calzone:guest;
            world error-policy {
                include calzone:plugin/error-policy@1.0.0;
                include calzone:plugin/uses-random@1.0.0;
                include calzone:plugin/uses-clock@1.0.0;
                include calzone:plugin/uses-log@1.0.0;
                include calzone:plugin/uses-fault@1.0.0;
            }
        ",
        world: "calzone:guest/error-policy",
        pub_export_macro: true,
        export_macro_name: "export_error_policy",
        runtime_path: "::calzone_guest::bindings::runtime",
        with: {
            "calzone:plugin/types@1.0.0": super::scalar_function::calzone::plugin::types,
            "calzone:plugin/random@1.0.0": super::scalar_function::calzone::plugin::random,
            "calzone:plugin/clock@1.0.0": super::scalar_function::calzone::plugin::clock,
            "calzone:plugin/log@1.0.0": super::scalar_function::calzone::plugin::log,
            "calzone:plugin/fault@1.0.0": super::scalar_function::calzone::plugin::fault,
        },
    });
}

/// World `endpoint`, with the imports that only endpoints have.
#[cfg(feature = "endpoint")]
pub mod endpoint {
    wit_bindgen::generate!({
        path: "../wit/v1",
        inline: "
            package calzone:guest;
            world endpoint {
                include calzone:plugin/endpoint@1.0.0;
                include calzone:plugin/uses-insert@1.0.0;
                include calzone:plugin/uses-query@1.0.0;
                include calzone:plugin/uses-random@1.0.0;
                include calzone:plugin/uses-clock@1.0.0;
                include calzone:plugin/uses-log@1.0.0;
                include calzone:plugin/uses-fault@1.0.0;
            }
        ",
        world: "calzone:guest/endpoint",
        pub_export_macro: true,
        export_macro_name: "export_endpoint",
        runtime_path: "::calzone_guest::bindings::runtime",
        with: {
            "calzone:plugin/types@1.0.0": super::scalar_function::calzone::plugin::types,
            "calzone:plugin/random@1.0.0": super::scalar_function::calzone::plugin::random,
            "calzone:plugin/clock@1.0.0": super::scalar_function::calzone::plugin::clock,
            "calzone:plugin/log@1.0.0": super::scalar_function::calzone::plugin::log,
            "calzone:plugin/fault@1.0.0": super::scalar_function::calzone::plugin::fault,
            "calzone:plugin/insert@1.0.0": generate,
            "calzone:plugin/query@1.0.0": generate,
        },
    });
}

pub use scalar_function::calzone::plugin::{clock, fault, http, key_value, log, random, types};
pub use wit_bindgen::rt as runtime;
