//! Short names of generic parameter types.

use crate::ParameterType;

/// `T`.
pub(super) fn one(variable: char) -> ParameterType {
    ParameterType::Generic(variable)
}

/// `ARRAY<T>`.
pub(super) fn array_of(variable: char) -> ParameterType {
    ParameterType::Array(Box::new(one(variable)))
}

/// `MAP<K, V>`.
pub(super) fn map_of(key: char, value: char) -> ParameterType {
    ParameterType::Map(Box::new(one(key)), Box::new(one(value)))
}
