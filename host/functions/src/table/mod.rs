//! Table functions, one a file: a row in, any number of rows out. They give arrays, whose elements are the rows.

mod cube_explode;
mod explode;

use crate::ScalarDefinition;

/// Every table function.
pub fn definitions() -> Vec<ScalarDefinition> {
    vec![cube_explode::definition(), explode::definition()]
}
