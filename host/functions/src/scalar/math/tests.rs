use calzone_types::{Decimal, SqlType, Value};

use super::*;
use crate::ArgumentType;
use crate::scalar::testing::{call_typed, check, check_fails};

fn int(v: i32) -> Value {
    Value::Integer(v)
}

fn big(v: i64) -> Value {
    Value::Bigint(v)
}

fn dbl(v: f64) -> Value {
    Value::Double(v)
}

fn dec(text: &str) -> Value {
    Value::Decimal(text.parse::<Decimal>().unwrap())
}

#[test]
fn same_type_functions() {
    check(
        abs::definition,
        &[
            (&[int(-3)], int(3)),
            (&[int(i32::MIN)], int(i32::MIN)),
            (&[big(-5_000_000_000)], big(5_000_000_000)),
            (&[dbl(-0.5)], dbl(0.5)),
            (&[dec("-2.45")], dec("2.45")),
        ],
    );
    check(
        ceil::definition,
        &[(&[int(7)], int(7)), (&[dbl(-1.1)], dbl(-1.0)), (&[dec("1.1")], dec("2.0")), (&[dec("-1.1")], dec("-1.0"))],
    );
    check(
        floor::definition,
        &[(&[big(7)], big(7)), (&[dbl(-1.1)], dbl(-2.0)), (&[dec("1.7")], dec("1.0")), (&[dec("-1.1")], dec("-2.0"))],
    );
    // 10.0 has three digits.
    check_fails(ceil::definition, &[&[dec("9.9")]]);
}

#[test]
fn functions_to_doubles_take_every_number() {
    check(exp::definition, &[(&[int(0)], dbl(1.0)), (&[big(1)], dbl(std::f64::consts::E)), (&[dec("0.0")], dbl(1.0))]);
    check(cbrt::definition, &[(&[int(-8)], dbl(-2.0))]);
    check(cot::definition, &[(&[int(0)], dbl(f64::INFINITY))]);
    check(ln::definition, &[(&[int(0)], dbl(f64::NEG_INFINITY))]);
    check(power::definition, &[(&[int(15), int(13)], dbl(1_946_195_068_359_375.0)), (&[int(0), int(0)], dbl(1.0))]);
    check(atan2::definition, &[(&[dbl(1.0), int(0)], dbl(std::f64::consts::FRAC_PI_2))]);
    check(pi::definition, &[(&[], dbl(std::f64::consts::PI))]);
    check(sign::definition, &[(&[dbl(-0.5)], int(-1)), (&[big(0)], int(0)), (&[dbl(f64::NAN)], int(0)), (&[int(9)], int(1))]);
    let null = call_typed(sqrt::definition(), &[ArgumentType::Sql(SqlType::Double)], &[Value::Null], &[]);
    assert_eq!(null, Ok(Value::Null));
}

#[test]
fn logarithms() {
    check(log::definition, &[(&[int(1)], dbl(0.0)), (&[int(2), int(8)], dbl(3.0)), (&[int(15), int(0)], dbl(f64::NEG_INFINITY))]);
}

#[test]
fn rounding() {
    check(
        round::definition,
        &[
            (&[int(7)], int(7)),
            (&[dbl(1.5)], big(2)),
            (&[dbl(-1.5)], big(-1)),
            (&[dbl(0.49999999999999994)], big(0)),
            (&[dbl(f64::NAN)], big(0)),
            (&[dbl(1.005), int(2)], dbl(1.01)),
            (&[dbl(-12345.678), int(-2)], dbl(-12300.0)),
            (&[dec("12.50")], dec("13")),
            (&[dec("-12.50")], dec("-12")),
            (&[dec("12.555"), int(2)], dec("12.560")),
            (&[dec("155.55"), int(-2)], dec("200.00")),
            (&[dec("155.55"), int(-3)], dec("0.00")),
            (&[dec("155.55"), int(9)], dec("155.55")),
            (&[dec("155.55"), int(i32::MIN)], dec("0.00")),
        ],
    );
    check_fails(round::definition, &[&[dec("99.9")], &[dec("999.9"), int(0)], &[dbl(f64::INFINITY), int(2)]]);
    check(
        trunc::definition,
        &[
            (&[dbl(-1.7)], big(-1)),
            (&[dbl(12345.678), int(1)], dbl(12345.6)),
            (&[dbl(-12345.678), int(-1)], dbl(-12340.0)),
            (&[dec("-9.99")], dec("-9")),
            (&[dec("12.555"), int(2)], dec("12.550")),
        ],
    );
}

#[test]
fn extremes_skip_nulls_and_widen_decimals() {
    check(
        greatest::definition,
        &[
            (&[int(3), Value::Null, int(5)], int(5)),
            (&[dbl(-1.0), int(2)], dbl(2.0)),
            (&["b".into(), "a".into(), Value::Null], "b".into()),
            (&[dec("1.50"), dec("0.123456")], dec("1.500000")),
            (&[Value::Bytes(vec![1]), Value::Bytes(vec![0, 9])], Value::Bytes(vec![1])),
            (&[Value::Date(-3), Value::Date(4)], Value::Date(4)),
        ],
    );
    check(
        least::definition,
        &[
            (&[int(3), Value::Null, int(5)], int(3)),
            (&[dec("1.50"), dec("0.123456")], dec("0.123456")),
            (&[Value::Timestamp(5), Value::Null], Value::Timestamp(5)),
        ],
    );
    check_fails(least::definition, &[&[], &[int(1), big(2)], &["a".into(), int(1)], &[Value::Null, Value::Null]]);
}
