//! Functions of places on Earth, one a file.

mod geo_distance;

use crate::ScalarDefinition;

/// Every function of this folder.
pub fn definitions() -> Vec<ScalarDefinition> {
    vec![geo_distance::definition()]
}
