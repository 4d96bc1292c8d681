//! Functions that read a value as another, one a file.

mod as_value;
mod bigint_from_bytes;
mod byte_order;
mod double_from_bytes;
mod int_from_bytes;

use crate::ScalarDefinition;

/// Every function of this folder.
pub fn definitions() -> Vec<ScalarDefinition> {
    vec![as_value::definition(), bigint_from_bytes::definition(), double_from_bytes::definition(), int_from_bytes::definition()]
}
