//! Scalar functions: one row in, one value out. One folder a category, one function a file.

mod cached;
pub mod collection;
pub mod conditional;
pub mod conversion;
pub mod geo;
pub mod json;
pub mod math;
pub mod regex;
pub mod string;
pub mod time;
pub mod url;

#[cfg(test)]
pub(crate) mod testing;

use crate::ScalarDefinition;

/// Every scalar function.
pub fn definitions() -> Vec<ScalarDefinition> {
    let folders: [fn() -> Vec<ScalarDefinition>; 10] = [
        collection::definitions,
        conditional::definitions,
        conversion::definitions,
        geo::definitions,
        json::definitions,
        math::definitions,
        regex::definitions,
        string::definitions,
        time::definitions,
        url::definitions,
    ];
    folders.iter().flat_map(|definitions| definitions()).collect()
}
