//! Parameters of aggregates that order values: one overload for each type that has an order.

use calzone_types::{SqlType, Value};

use crate::signature::Returns;
use crate::{ArgumentType, Parameter, ParameterType};

/// The parameter, and the return type that is the same, of each overload.
pub(super) fn parameters(name: &str) -> Vec<(Parameter, Returns)> {
    let mut parameters: Vec<(Parameter, Returns)> = [
        SqlType::Integer,
        SqlType::Bigint,
        SqlType::Double,
        SqlType::Varchar,
        SqlType::Bytes,
        SqlType::Date,
        SqlType::Time,
        SqlType::Timestamp,
    ]
    .into_iter()
    .map(|ty| (Parameter::new(name, ty.clone(), ""), ty.into()))
    .collect();
    parameters.push((Parameter::new(name, ParameterType::AnyDecimal, ""), Returns::Computed(same_type)));
    parameters
}

fn same_type(arguments: &[ArgumentType], _literals: &[Option<Value>]) -> Result<SqlType, String> {
    match arguments.first() {
        Some(ArgumentType::Sql(ty)) => Ok(ty.clone()),
        _ => Ok(SqlType::decimal(1, 0)),
    }
}
