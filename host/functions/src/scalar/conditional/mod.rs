//! Functions that choose between values, one a file.

mod coalesce;
mod first_valid;
mod ifnull;
mod nullif;

use crate::ScalarDefinition;

/// Every function of this folder.
pub fn definitions() -> Vec<ScalarDefinition> {
    vec![coalesce::definition(), ifnull::definition(), nullif::definition()]
}
