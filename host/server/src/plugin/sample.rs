//! Values to measure with: every type has some, none of them null, all the same on each run.

use std::collections::HashMap;

use calzone_functions::{ArgumentType, ParameterType, Signature};
use calzone_types::{Decimal, Field, SqlType, Value};

/// Elements of an ARRAY and entries of a MAP.
const ELEMENTS: usize = 4;

/// The type that stands for what a parameter accepts; a type variable is the same type wherever it stands. None: a lambda.
fn type_of(parameter: &ParameterType, variables: &mut HashMap<char, SqlType>) -> Option<SqlType> {
    Some(match parameter {
        ParameterType::Sql(ty) => ty.clone(),
        ParameterType::AnyDecimal => SqlType::decimal(10, 2),
        ParameterType::AnyStruct => SqlType::structure([Field::new("A", SqlType::Bigint), Field::new("B", SqlType::Varchar)]),
        ParameterType::Any => SqlType::Varchar,
        ParameterType::Generic(name) => variables.entry(*name).or_insert(SqlType::Bigint).clone(),
        ParameterType::Array(element) => SqlType::array(type_of(element, variables)?),
        ParameterType::Map(_, value) => SqlType::map(SqlType::Varchar, type_of(value, variables)?),
        ParameterType::Lambda { .. } | ParameterType::IntervalUnit => return None,
    })
}

/// Types to call a signature with; a parameter that may occur any number of times occurs twice.
pub fn argument_types(signature: &Signature) -> Option<Vec<SqlType>> {
    let mut variables = HashMap::new();
    let mut types = Vec::new();
    for (i, parameter) in signature.parameters.iter().enumerate() {
        let ty = type_of(&parameter.ty, &mut variables)?;
        if signature.variadic == Some(i) {
            types.push(ty.clone());
        }
        types.push(ty);
    }
    Some(types)
}

/// The same, as the registry asks for them.
pub fn as_arguments(types: &[SqlType]) -> Vec<ArgumentType> {
    types.iter().cloned().map(ArgumentType::Sql).collect()
}

/// The value of a row. Numbers are small, so that a function that wants a length or a position gets one.
pub fn value(ty: &SqlType, row: usize) -> Value {
    let small = row % 100;
    match ty {
        SqlType::Boolean => Value::Boolean(row.is_multiple_of(3)),
        SqlType::Integer => Value::Integer(small as i32),
        SqlType::Bigint => Value::Bigint(small as i64),
        SqlType::Double => Value::Double(small as f64 + 0.25),
        SqlType::Decimal { scale, .. } => Value::Decimal(Decimal { unscaled: small as i128, scale: *scale }),
        SqlType::Varchar => Value::Varchar(format!("Pizza number {row} for Ada")),
        SqlType::Bytes => Value::Bytes(format!("Pizza number {row} for Ada").into_bytes()),
        SqlType::Date => Value::Date(small as i32),
        SqlType::Time => Value::Time(small as i32),
        SqlType::Timestamp => Value::Timestamp(small as i64),
        SqlType::Array(element) => Value::Array((0..ELEMENTS).map(|i| value(element, row + i)).collect()),
        SqlType::Map(key, entry) => Value::Map((0..ELEMENTS).map(|i| (value(key, row + i), value(entry, row + i))).collect()),
        SqlType::Struct(fields) => Value::Struct(fields.iter().map(|f| value(&f.ty, row)).collect()),
    }
}
