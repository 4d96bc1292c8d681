//! Scalar functions: some name the overload that was chosen, some fail on purpose.

use std::cell::Cell;

use calzone_guest::{Value, Variadic, function};

#[function("test_udf(integer, varchar) -> varchar")]
pub fn doing_int_string(_a: Option<i32>, _b: Option<&str>) -> &'static str {
    "doStuffIntString"
}

#[function("test_udf(bigint, varchar) -> varchar")]
pub fn doing_long_string(_a: Option<i64>, _b: Option<&str>) -> &'static str {
    "doStuffLongString"
}

#[function("test_udf(bigint, bigint, varchar) -> varchar")]
pub fn doing_long_long_string(_a: Option<i64>, _b: Option<i64>, _c: Option<&str>) -> &'static str {
    "doStuffLongLongString"
}

#[function("test_udf(bigint...) -> varchar")]
pub fn doing_longs(_a: Variadic<Option<i64>>) -> &'static str {
    "doStuffLongVarargs"
}

/// The field A.
#[function("test_udf(struct<a varchar>) -> varchar")]
pub fn doing_struct(structure: Value) -> Value {
    match structure {
        Value::Struct(fields) => fields.into_iter().next().unwrap_or(Value::Null),
        _ => Value::Null,
    }
}

#[function("test_udf() -> struct<a varchar>")]
pub fn doing_nothing() -> Value {
    Value::Struct(vec![Value::Varchar("foo".to_owned())])
}

#[function("bad_udf(integer) -> integer")]
pub fn bad_int(_a: Option<i32>) -> Result<i32, &'static str> {
    Err("this form always fails")
}

#[function("bad_udf(boolean) -> integer")]
pub fn bad_boolean(fails: Option<bool>) -> Result<i32, &'static str> {
    if fails == Some(true) { Err("it was told to fail") } else { Ok(0) }
}

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

/// Null for every other call of this instance.
#[function("bad_udf(varchar) -> varchar")]
pub fn bad_string(text: Option<String>) -> Option<String> {
    let calls = CALLS.get() + 1;
    CALLS.set(calls);
    if calls % 2 == 1 { None } else { text }
}

/// The value; fails where it should not have been called.
#[function("whencondition(boolean, boolean) -> boolean")]
pub fn when_condition(value: Option<bool>, expected: Option<bool>) -> Result<Option<bool>, &'static str> {
    if expected == Some(true) { Ok(value) } else { Err("it was not to be called") }
}

/// The value; fails where it should not have been called.
#[function("whenresult(integer, boolean) -> integer")]
pub fn when_result(value: Option<i32>, expected: Option<bool>) -> Result<Option<i32>, &'static str> {
    if expected == Some(true) { Ok(value) } else { Err("it was not to be called") }
}

#[function("tostruct(varchar) -> struct<a varchar>")]
pub fn to_struct(text: Value) -> Value {
    Value::Struct(vec![text])
}
