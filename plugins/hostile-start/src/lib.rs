//! Never says what is in it: describing itself does not end.

use calzone_guest::bindings::scalar_function::exports::calzone::plugin::scalar_functions::{
    Answer, Argument, Description, Guest,
};
use calzone_guest::bindings::types::{Column, Setting};

struct Silent;

impl Guest for Silent {
    fn describe() -> Description {
        loop {
            std::hint::black_box(());
        }
    }

    fn return_type(_: String, _: u32, _: Vec<Argument>) -> Result<String, String> {
        Err("silent".to_owned())
    }

    fn bind(_: String, _: u32, _: Vec<String>, _: String, _: Vec<Setting>) -> Result<(), String> {
        Err("silent".to_owned())
    }

    fn call(_: u32, _: Vec<Column>) -> Result<Answer, String> {
        Err("silent".to_owned())
    }
}

#[cfg(target_arch = "wasm32")]
calzone_guest::bindings::scalar_function::export_scalar_function!(Silent with_types_in calzone_guest::bindings::scalar_function);
