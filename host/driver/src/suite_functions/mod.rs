//! Functions that ksqlDB's test suites call and ksqlDB does not have: its tests bring them along as user-defined functions.
//! They stand in for plugins where no sandbox is at hand.

mod aggregate;
mod scalar;
mod table;

use crate::plugins::Plugins;

/// Plugins with all of these functions.
pub fn plugins() -> Plugins {
    Plugins {
        scalars: scalar::definitions(),
        tables: table::definitions(),
        aggregates: aggregate::definitions(),
        ..Plugins::none()
    }
}
