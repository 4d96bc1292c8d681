//! What COLLECT_LIST and COLLECT_SET share.

use calzone_types::SqlType;

use crate::Binding;

/// Most values that are kept unless a setting says otherwise. State is read and written with every record, so an
/// array without bounds would make a query slower and slower.
const LIMIT_DEFAULT: usize = 1000;

/// The setting `limit` of the function; a negative one means no limit.
pub(super) fn limit(binding: &Binding) -> Result<usize, String> {
    let Some(text) = binding.properties.get("limit") else { return Ok(LIMIT_DEFAULT) };
    match text.trim().parse::<i64>() {
        Ok(limit) => Ok(usize::try_from(limit).unwrap_or(usize::MAX)),
        Err(_) => Err(format!("the limit '{text}' is not a whole number")),
    }
}

/// Type of the values to collect.
pub(super) fn element_type(binding: &Binding) -> Result<SqlType, String> {
    binding.arguments.first().cloned().ok_or_else(|| "an argument is missing".to_owned())
}
