//! Functions of JSON text, one a file.

mod document;
mod extractjsonfield;
mod is_json_string;
mod json_array_contains;
mod json_array_length;
mod json_concat;
mod json_items;
mod json_keys;
mod json_records;
mod path;
mod to_json_string;

use crate::ScalarDefinition;

/// Every function of this folder.
pub fn definitions() -> Vec<ScalarDefinition> {
    vec![
        extractjsonfield::definition(),
        is_json_string::definition(),
        json_array_contains::definition(),
        json_array_length::definition(),
        json_concat::definition(),
        json_items::definition(),
        json_keys::definition(),
        json_records::definition(),
        to_json_string::definition(),
    ]
}
