//! Table functions over every type, and one that fails.

use calzone_guest::function::ArgumentType;
use calzone_guest::{Decimal, SqlType, Value, table_function};

/// One row for each argument, as text.
#[table_function("test_udtf(integer, bigint, double, boolean, varchar, decimal, struct<a varchar>) -> varchar")]
pub fn texts(a: Value, b: Value, c: Value, d: Value, e: Value, f: Value, g: Value) -> Vec<Value> {
    [a, b, c, d, e, f, g].iter().map(as_text).collect()
}

/// One row for each argument: the first element as text.
#[table_function(
    "test_udtf(array<integer>, array<bigint>, array<double>, array<boolean>, array<varchar>, array<decimal>, array<struct<a varchar>>) -> varchar"
)]
pub fn texts_of_arrays(a: Value, b: Value, c: Value, d: Value, e: Value, f: Value, g: Value) -> Vec<Value> {
    [a, b, c, d, e, f, g].iter().map(as_text).collect()
}

/// One row for each argument: the first value as text.
#[table_function(
    "test_udtf(map<varchar, integer>, map<varchar, bigint>, map<varchar, double>, map<varchar, boolean>, map<varchar, varchar>, map<varchar, decimal>, map<varchar, struct<a varchar>>) -> varchar"
)]
pub fn texts_of_maps(a: Value, b: Value, c: Value, d: Value, e: Value, f: Value, g: Value) -> Vec<Value> {
    [a, b, c, d, e, f, g].iter().map(as_text).collect()
}

#[table_function("test_udtf(integer) -> integer")]
pub fn one_int(value: Value) -> Vec<Value> {
    vec![value]
}

#[table_function("test_udtf(bigint) -> bigint")]
pub fn one_bigint(value: Value) -> Vec<Value> {
    vec![value]
}

#[table_function("test_udtf(double) -> double")]
pub fn one_double(value: Value) -> Vec<Value> {
    vec![value]
}

#[table_function("test_udtf(boolean) -> boolean")]
pub fn one_boolean(value: Value) -> Vec<Value> {
    vec![value]
}

#[table_function("test_udtf(varchar) -> varchar")]
pub fn one_string(value: Value) -> Vec<Value> {
    vec![value]
}

#[table_function("test_udtf(decimal) -> computed", return_type = wide_decimal)]
pub fn one_decimal(value: Option<Decimal>) -> Vec<Option<Decimal>> {
    vec![value]
}

#[table_function("test_udtf(struct<a varchar>) -> struct<a varchar>")]
pub fn one_struct(value: Value) -> Vec<Value> {
    vec![value]
}

/// Thirty digits, as many of them behind the point as the argument has.
fn wide_decimal(arguments: &[ArgumentType]) -> Result<SqlType, String> {
    let scale = match arguments.first().and_then(|a| a.ty.as_ref()) {
        Some(SqlType::Decimal { scale, .. }) => *scale,
        _ => 10,
    };
    Ok(SqlType::Decimal { precision: 30, scale })
}

/// Fails if it is told to.
#[table_function("throwing_udtf(boolean) -> boolean")]
pub fn throwing(fails: Option<bool>) -> Result<Vec<Option<bool>>, &'static str> {
    if fails == Some(true) { Err("it was told to fail") } else { Ok(vec![fails]) }
}

/// A value as Java prints it; of a collection the first element.
fn as_text(value: &Value) -> Value {
    Value::Varchar(match value {
        Value::Boolean(v) => v.to_string(),
        Value::Integer(v) => v.to_string(),
        Value::Bigint(v) => v.to_string(),
        Value::Double(v) => format!("{v:?}"),
        Value::Decimal(v) => decimal_text(*v),
        Value::Varchar(v) => v.clone(),
        Value::Array(items) => return items.first().map_or(Value::Null, as_text),
        Value::Map(entries) => return entries.first().map_or(Value::Null, |(_, value)| as_text(value)),
        Value::Struct(fields) => match fields.first() {
            Some(Value::Varchar(text)) => format!("Struct{{A={text}}}"),
            _ => "Struct{}".to_owned(),
        },
        _ => return Value::Null,
    })
}

fn decimal_text(value: Decimal) -> String {
    let digits = format!("{:0>width$}", value.unscaled.unsigned_abs(), width = usize::from(value.scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(value.scale));
    let sign = if value.unscaled < 0 { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}
