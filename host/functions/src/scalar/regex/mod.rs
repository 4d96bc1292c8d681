//! Functions of regular expressions, one a file. [`dialect`] knows Java's syntax.

pub mod dialect;
mod regexp_extract;
mod regexp_extract_all;
mod regexp_replace;
mod regexp_split_to_array;

use calzone_types::Value;

use crate::ScalarDefinition;

/// Every function of this folder.
pub fn definitions() -> Vec<ScalarDefinition> {
    vec![
        regexp_extract::definition(),
        regexp_extract_all::definition(),
        regexp_replace::definition(),
        regexp_split_to_array::definition(),
    ]
}

/// The group that an argument names; without argument the whole match.
fn group_number(argument: Option<&Value>) -> Option<usize> {
    match argument {
        None => Some(0),
        Some(group) => group.as_i64().and_then(|group| usize::try_from(group).ok()),
    }
}

/// Why a match was given up.
fn stopped(error: fancy_regex::Error) -> String {
    format!("The regular expression could not be matched: {error}.")
}
