//! Calls a function as the planner and the operators would, one row at a time.

use std::collections::BTreeMap;

use calzone_types::{Field, SqlType, Value, column_from_values, value_at};

use crate::{Argument, ArgumentType, Implementation, Registry, ScalarDefinition};

/// The value of the call, the message of its row error, or why it does not resolve.
pub fn call(definition: ScalarDefinition, arguments: &[Value]) -> Result<Value, String> {
    call_with(definition, arguments, &[])
}

/// [`call`] with settings.
pub fn call_with(definition: ScalarDefinition, arguments: &[Value], settings: &[(&str, &str)]) -> Result<Value, String> {
    let types: Vec<ArgumentType> = arguments.iter().map(|v| type_of(v).map_or(ArgumentType::Null, ArgumentType::Sql)).collect();
    call_typed(definition, &types, arguments, settings)
}

/// [`call`] where the types cannot be told from the values.
pub fn call_typed(
    definition: ScalarDefinition,
    types: &[ArgumentType],
    arguments: &[Value],
    settings: &[(&str, &str)],
) -> Result<Value, String> {
    let name = definition.name.clone();
    let mut registry = Registry::default();
    registry.add_scalar(definition);
    let settings: BTreeMap<String, String> = settings.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let resolved = registry.resolve_scalar(&name, types, &[], &[], &settings).map_err(|e| e.to_string())?;
    let Implementation::BuiltIn(make) = resolved.implementation else { return Err("not built in".into()) };
    let mut function = make(&resolved.binding)?;
    let mut columns: Vec<Argument<'_>> = arguments
        .iter()
        .zip(&resolved.binding.arguments)
        .map(|(value, ty)| Argument::Column(column_from_values(ty, [value, value])))
        .collect();
    let answer = function.call(&mut columns, 2);
    assert_eq!(answer.column.data_type(), &resolved.binding.returns.to_arrow(), "{name} returns another type than it says");
    assert_eq!(answer.column.len(), 2);
    let (first, second) = (value_at(&answer.column, 0), value_at(&answer.column, 1));
    assert_eq!(first, second, "{name} gives the same row two values");
    match answer.errors.first() {
        Some(error) => Err(error.message.clone()),
        None => Ok(first),
    }
}

/// Runs a table of cases: arguments, expected value. An expected error is a case of its own.
pub fn check(definition: fn() -> ScalarDefinition, cases: &[(&[Value], Value)]) {
    for (arguments, expected) in cases {
        let actual = call(definition(), arguments).unwrap_or_else(|e| panic!("{}{arguments:?}: {e}", definition().name));
        assert_eq!(&actual, expected, "{}{arguments:?}", definition().name);
    }
}

/// Every case must give a row error or not resolve.
pub fn check_fails(definition: fn() -> ScalarDefinition, cases: &[&[Value]]) {
    for arguments in cases {
        assert!(call(definition(), arguments).is_err(), "{}{arguments:?} must fail", definition().name);
    }
}

fn type_of(value: &Value) -> Option<SqlType> {
    Some(match value {
        Value::Null => return None,
        Value::Boolean(_) => SqlType::Boolean,
        Value::Integer(_) => SqlType::Integer,
        Value::Bigint(_) => SqlType::Bigint,
        Value::Double(_) => SqlType::Double,
        Value::Decimal(d) => SqlType::decimal(d.precision().max(d.scale), d.scale),
        Value::Varchar(_) => SqlType::Varchar,
        Value::Bytes(_) => SqlType::Bytes,
        Value::Date(_) => SqlType::Date,
        Value::Time(_) => SqlType::Time,
        Value::Timestamp(_) => SqlType::Timestamp,
        Value::Array(items) => SqlType::array(items.iter().find_map(type_of).unwrap_or(SqlType::Varchar)),
        Value::Map(entries) => SqlType::map(
            entries.iter().find_map(|(k, _)| type_of(k)).unwrap_or(SqlType::Varchar),
            entries.iter().find_map(|(_, v)| type_of(v)).unwrap_or(SqlType::Varchar),
        ),
        Value::Struct(fields) => SqlType::structure(
            fields.iter().enumerate().map(|(i, f)| Field::new(format!("F{i}"), type_of(f).unwrap_or(SqlType::Varchar))),
        ),
    })
}

/// The text as a VARCHAR.
pub fn text(s: &str) -> Value {
    Value::from(s)
}

/// An ARRAY of VARCHAR.
pub fn texts(items: &[&str]) -> Value {
    Value::Array(items.iter().map(|s| Value::from(*s)).collect())
}
