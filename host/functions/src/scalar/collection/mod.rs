//! Functions of arrays, maps and lambdas, one a file. `generic`, `value_set` and `flat` hold what several of them share.

mod array_concat;
mod array_contains;
mod array_distinct;
mod array_except;
mod array_intersect;
mod array_join;
mod array_length;
mod array_max;
mod array_min;
mod array_remove;
mod array_sort;
mod array_union;
mod as_map;
mod entries;
mod filter;
mod flat;
mod generate_series;
mod generic;
mod hash_order;
mod map_keys;
mod map_union;
mod map_values;
mod reduce;
mod slice;
mod transform;
pub(crate) mod value_set;

use crate::ScalarDefinition;

/// Every function of this folder.
pub fn definitions() -> Vec<ScalarDefinition> {
    vec![
        array_concat::definition(),
        array_contains::definition(),
        array_distinct::definition(),
        array_except::definition(),
        array_intersect::definition(),
        array_join::definition(),
        array_length::definition(),
        array_max::definition(),
        array_min::definition(),
        array_remove::definition(),
        array_sort::definition(),
        array_union::definition(),
        as_map::definition(),
        entries::definition(),
        filter::definition(),
        generate_series::definition(),
        map_keys::definition(),
        map_union::definition(),
        map_values::definition(),
        reduce::definition(),
        slice::definition(),
        transform::definition(),
    ]
}

#[cfg(test)]
mod tests;
