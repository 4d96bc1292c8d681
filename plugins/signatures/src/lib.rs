//! Functions with every kind of signature: what SQL's planner makes of them is tested with a real server.

use calzone_guest::function::ArgumentType;
use calzone_guest::{Decimal, Settings, SqlType, Value, Variadic, function, plugin, table_function};

/// Puts texts between two others: the parameter that may occur any number of times stands in the middle.
#[function("surround(open varchar, parts varchar..., close integer) -> varchar")]
fn surround(open: &str, parts: Variadic<&str>, close: i32) -> String {
    format!("{open}{}{close}", parts.join("+"))
}

/// The last element: the result has the type that the elements have.
#[function("last_of(items array<T>) -> T")]
fn last_of(items: Vec<Value>) -> Value {
    items.last().cloned().unwrap_or(Value::Null)
}

/// Elements of both in turns: both have the same type.
#[function("interleave(a array<T>, b array<T>) -> array<T>")]
fn interleave(a: Vec<Value>, b: Vec<Value>) -> Vec<Value> {
    let (mut a, mut b) = (a.into_iter(), b.into_iter());
    let mut joined = Vec::new();
    loop {
        match (a.next(), b.next()) {
            (None, None) => return joined,
            (first, second) => joined.extend(first.into_iter().chain(second)),
        }
    }
}

/// What an item costs: the fields of a STRUCT by their names.
#[function("cost(item struct<qty integer, price double>) -> double")]
fn cost(item: Value) -> Result<f64, String> {
    match item {
        Value::Struct(fields) => match fields.as_slice() {
            [Value::Integer(qty), Value::Double(price)] => Ok(f64::from(*qty) * price),
            _ => Err("an item without quantity or price".to_owned()),
        },
        other => Err(format!("{other:?} is no item")),
    }
}

/// How many fields a STRUCT has, whatever they are.
#[function("width(struct) -> integer")]
fn width(value: Value) -> i32 {
    if let Value::Struct(fields) = value { fields.len() as i32 } else { 0 }
}

/// A STRUCT of a name and a number.
#[function("labelled(name varchar, number bigint) -> struct<name varchar, number bigint>")]
fn labelled(name: &str, number: i64) -> Value {
    Value::Struct(vec![Value::Varchar(name.to_owned()), Value::Bigint(number)])
}

/// A number as a DECIMAL with as many digits after the point as the second argument says, which must be a literal.
#[function("rounded(number double, digits integer) -> computed", return_type = digits_of)]
fn rounded(number: f64, digits: i32) -> Result<Decimal, String> {
    let digits = u8::try_from(digits).map_err(|e| e.to_string())?;
    let unscaled = (number * 10f64.powi(digits.into())).round();
    Ok(Decimal::new(unscaled as i128, digits))
}

fn digits_of(arguments: &[ArgumentType]) -> Result<SqlType, String> {
    let literal = arguments.get(1).and_then(|a| a.literal.as_deref()).ok_or("`digits` must be a literal")?;
    match literal.parse() {
        Ok(scale @ 0..=10) => Ok(SqlType::Decimal { precision: 20, scale }),
        _ => Err(format!("`digits` must be from 0 to 10, it is {literal}")),
    }
}

/// What the setting of that name says: `ksql.functions.told.<name>` or else `ksql.functions._global_.<name>`.
#[function("told(name varchar) -> varchar")]
fn told(name: &str, settings: &Settings) -> Option<String> {
    settings.get(name).map(str::to_owned)
}

/// Each element with its place: rows whose type follows from the argument's.
#[table_function("numbered(items array<T>) -> computed", return_type = numbered_type)]
fn numbered(items: Vec<Value>) -> Vec<Value> {
    items.into_iter().zip(1..).map(|(item, place)| Value::Struct(vec![Value::Integer(place), item])).collect()
}

fn numbered_type(arguments: &[ArgumentType]) -> Result<SqlType, String> {
    match arguments.first().and_then(|a| a.ty.clone()) {
        Some(SqlType::Array(item)) => {
            Ok(SqlType::Struct(vec![("PLACE".to_owned(), SqlType::Integer), ("ITEM".to_owned(), *item)]))
        }
        _ => Err("an ARRAY is needed".to_owned()),
    }
}

plugin!(
    functions: [surround, last_of, interleave, cost, width, labelled, rounded, told],
    table_functions: [numbered],
);
