//! Casts and implicit conversions between SQL types, and the arithmetic and comparisons that rest on them.
//!
//! [`rules`](can_cast) says which types convert to which, [`cast_value`] converts one cell, [`cast_column`] a column;
//! [`arithmetic_column`] and [`compare_columns`] are the operators of expressions over whole columns.

mod arithmetic;
mod column;
mod compare;
mod rules;
mod value;

pub use arithmetic::{ArithmeticOp, arithmetic_column, arithmetic_value, null_operands};
pub use column::cast_column;
pub use compare::{CompareOp, compare_columns, same_value};
pub use rules::{arithmetic_type, can_cast, can_coerce, common_type, to_decimal_type};
pub use value::{cast_value, parse_boolean, value_to_text};

#[cfg(test)]
mod tests;
