use arrow_array::Array;
use arrow_array::cast::AsArray;
use proptest::prelude::*;

use super::*;
use crate::{Decimal, Field, SqlType, Value, column_from_values, value_at};

fn dec(text: &str) -> Value {
    Value::Decimal(text.parse().unwrap())
}

#[test]
fn casts() {
    let array = |ty| SqlType::array(ty);
    let d21 = SqlType::decimal(2, 1);
    let structure = |fields: &[(&str, SqlType)]| SqlType::structure(fields.iter().map(|(n, t)| Field::new(*n, t.clone())));
    for (value, from, to, expected) in [
        (Value::Bigint(2_147_483_648), SqlType::Bigint, SqlType::Integer, Some(Value::Integer(i32::MIN))),
        (Value::Double(1e20), SqlType::Double, SqlType::Integer, Some(Value::Integer(i32::MAX))),
        (Value::Double(-1.9), SqlType::Double, SqlType::Bigint, Some(Value::Bigint(-1))),
        (Value::Integer(1), SqlType::Integer, d21.clone(), Some(dec("1.0"))),
        (Value::Integer(10), SqlType::Integer, d21.clone(), None),
        ("0.99".into(), SqlType::Varchar, d21.clone(), Some(dec("1.0"))),
        ("9.96".into(), SqlType::Varchar, d21.clone(), None),
        (Value::Double(f64::NAN), SqlType::Double, d21.clone(), None),
        (dec("-10.99"), SqlType::decimal(4, 2), SqlType::Integer, Some(Value::Integer(-10))),
        (dec("0.00"), SqlType::decimal(4, 2), SqlType::Varchar, Some("0.00".into())),
        (" 12 ".into(), SqlType::Varchar, SqlType::Integer, Some(Value::Integer(12))),
        ("1.5".into(), SqlType::Varchar, SqlType::Bigint, None),
        ("1e3".into(), SqlType::Varchar, SqlType::Double, Some(Value::Double(1000.0))),
        ("NaN".into(), SqlType::Varchar, SqlType::Double, None),
        ("YE".into(), SqlType::Varchar, SqlType::Boolean, Some(Value::Boolean(true))),
        ("maybe".into(), SqlType::Varchar, SqlType::Boolean, Some(Value::Boolean(false))),
        ("1970-01".into(), SqlType::Varchar, SqlType::Date, Some(Value::Date(0))),
        (Value::Timestamp(-2000), SqlType::Timestamp, SqlType::Time, Some(Value::Time(86_398_000))),
        (Value::Timestamp(-1), SqlType::Timestamp, SqlType::Date, Some(Value::Date(-1))),
        (
            Value::Array(vec![Value::Bigint(1), Value::Null]),
            array(SqlType::Bigint),
            array(SqlType::Varchar),
            Some(Value::Array(vec!["1".into(), Value::Null])),
        ),
        (
            Value::Struct(vec![Value::Integer(1), "x".into()]),
            structure(&[("A", SqlType::Integer), ("B", SqlType::Varchar)]),
            structure(&[("C", SqlType::Varchar), ("A", SqlType::Varchar)]),
            Some(Value::Struct(vec![Value::Null, "1".into()])),
        ),
        (
            Value::Struct(vec![Value::Null, Value::Array(vec!["x".into(), Value::Null])]),
            structure(&[("A", SqlType::Integer), ("b", array(SqlType::Varchar))]),
            SqlType::Varchar,
            Some("Struct{b=[x, null]}".into()),
        ),
        (
            Value::Map(vec![("k".into(), Value::Double(1.0)), ("l".into(), Value::Null)]),
            SqlType::map(SqlType::Varchar, SqlType::Double),
            SqlType::Varchar,
            Some("{k=1.0, l=null}".into()),
        ),
        (
            Value::Map(vec![("1".into(), Value::Integer(1)), ("01".into(), Value::Integer(2))]),
            SqlType::map(SqlType::Varchar, SqlType::Integer),
            SqlType::map(SqlType::Integer, SqlType::Integer),
            Some(Value::Map(vec![(Value::Integer(1), Value::Integer(2))])),
        ),
    ] {
        assert!(can_cast(&from, &to), "{from} to {to}");
        assert_eq!(cast_value(&value, &from, &to).ok(), expected, "{value:?} to {to}");
        let column = column_from_values(&from, [&Value::Null, &value]);
        let (cast, errors) = cast_column(&column, &from, &to);
        assert_eq!(cast.data_type(), &to.to_arrow());
        assert!(cast.is_null(0));
        assert_eq!(value_at(&cast, 1), expected.clone().unwrap_or(Value::Null), "{value:?} to {to}");
        assert_eq!(errors.iter().map(|(row, _)| *row).collect::<Vec<_>>(), if expected.is_some() { vec![] } else { vec![1] });
    }
}

#[test]
fn decimal_shapes_follow_the_operators() {
    let d = SqlType::decimal;
    for (op, a, b, expected) in [
        (ArithmeticOp::Add, d(4, 2), d(4, 2), d(5, 2)),
        (ArithmeticOp::Subtract, d(4, 2), d(5, 3), d(6, 3)),
        (ArithmeticOp::Add, d(4, 2), SqlType::Integer, d(13, 2)),
        (ArithmeticOp::Multiply, d(4, 2), d(4, 2), d(9, 4)),
        (ArithmeticOp::Divide, d(4, 2), d(4, 2), d(11, 7)),
        (ArithmeticOp::Modulo, d(4, 2), d(5, 1), d(4, 2)),
        (ArithmeticOp::Multiply, d(33, 16), d(33, 16), d(38, 6)),
        (ArithmeticOp::Add, d(38, 0), d(38, 0), d(38, 0)),
        (ArithmeticOp::Add, SqlType::Integer, SqlType::Bigint, SqlType::Bigint),
        (ArithmeticOp::Divide, d(4, 2), SqlType::Double, SqlType::Double),
    ] {
        assert_eq!(arithmetic_type(op, &a, &b), Some(expected), "{a} {op:?} {b}");
    }
    assert_eq!(arithmetic_type(ArithmeticOp::Subtract, &SqlType::Varchar, &SqlType::Varchar), None);
    assert_eq!(common_type(&d(9, 2), &d(7, 6)), Some(d(13, 6)));
    assert_eq!(common_type(&SqlType::Integer, &d(4, 2)), Some(d(12, 2)));
    assert_eq!(common_type(&SqlType::Integer, &SqlType::Varchar), None);
    assert_eq!(
        common_type(&SqlType::array(SqlType::Integer), &SqlType::array(SqlType::Double)),
        Some(SqlType::array(SqlType::Double))
    );
}

#[test]
fn arithmetic() {
    use ArithmeticOp::*;
    for (op, a, b, ty, expected) in [
        (Add, Value::Integer(i32::MAX), Value::Integer(1), SqlType::Integer, Some(Value::Integer(i32::MIN))),
        (Divide, Value::Integer(-7), Value::Integer(2), SqlType::Integer, Some(Value::Integer(-3))),
        (Modulo, Value::Bigint(-7), Value::Bigint(2), SqlType::Bigint, Some(Value::Bigint(-1))),
        (Divide, Value::Bigint(i64::MIN), Value::Bigint(-1), SqlType::Bigint, Some(Value::Bigint(i64::MIN))),
        (Divide, Value::Bigint(1), Value::Bigint(0), SqlType::Bigint, None),
        (Divide, Value::Double(1.0), Value::Double(0.0), SqlType::Double, Some(Value::Double(f64::INFINITY))),
        (Divide, dec("10.10"), dec("-2.00"), SqlType::decimal(11, 7), Some(dec("-5.0500000"))),
        (Divide, dec("2"), dec("3"), SqlType::decimal(3, 2), Some(dec("0.67"))),
        (Divide, dec("2"), dec("0"), SqlType::decimal(3, 2), None),
        (Modulo, dec("10.10"), dec("-2.00"), SqlType::decimal(4, 2), Some(dec("0.10"))),
        (Add, Value::Integer(5), dec("10.01"), SqlType::decimal(13, 2), Some(dec("15.01"))),
        (Multiply, dec("99.99"), dec("99.99"), SqlType::decimal(4, 2), None),
        (Multiply, dec("1.5"), dec("1.5"), SqlType::decimal(3, 1), Some(dec("2.3"))),
        (
            Multiply,
            dec("12345678987654321.2345678987654321"),
            dec("10000000000.0000000000000000"),
            SqlType::decimal(38, 6),
            Some(dec("123456789876543212345678987.654321")),
        ),
        (Add, "a".into(), "b".into(), SqlType::Varchar, Some("ab".into())),
        (Add, Value::Integer(1), Value::Null, SqlType::Integer, Some(Value::Null)),
    ] {
        assert_eq!(arithmetic_value(op, &a, &b, &ty).ok(), expected, "{a:?} {op:?} {b:?}");
    }
}

#[test]
fn comparisons_skip_nulls() {
    let ints = |v: &[Value]| column_from_values(&SqlType::Integer, v);
    let a = ints(&[Value::Integer(1), Value::Integer(2), Value::Null]);
    let b = ints(&[Value::Integer(2), Value::Integer(2), Value::Integer(2)]);
    let less = compare_columns(CompareOp::Lt, &a, &b);
    assert_eq!(less.iter().collect::<Vec<_>>(), [Some(true), Some(false), None]);
    let nan = column_from_values(&SqlType::Double, [&Value::Double(f64::NAN)]);
    assert!(!compare_columns(CompareOp::Eq, &nan, &nan).value(0));
    assert!(compare_columns(CompareOp::Ne, &nan, &nan).value(0));
    let fine = column_from_values(&SqlType::decimal(5, 3), [&dec("10.010")]);
    let coarse = column_from_values(&SqlType::decimal(4, 2), [&dec("10.01")]);
    assert!(compare_columns(CompareOp::Eq, &fine, &coarse).value(0));
}

proptest! {
    #[test]
    fn numbers_survive_text(i in any::<i32>(), l in any::<i64>(), d in any::<f64>()) {
        let through = |value: Value, ty: SqlType| {
            let text = cast_value(&value, &ty, &SqlType::Varchar).unwrap();
            prop_assert_eq!(cast_value(&text, &SqlType::Varchar, &ty).ok(), Some(value));
            Ok(())
        };
        through(Value::Integer(i), SqlType::Integer)?;
        through(Value::Bigint(l), SqlType::Bigint)?;
        if d.is_finite() {
            through(Value::Double(d), SqlType::Double)?;
        }
    }

    #[test]
    fn times_survive_text(ms in -62_135_596_800_000i64..253_402_300_800_000) {
        for (value, ty) in [
            (Value::Timestamp(ms), SqlType::Timestamp),
            (Value::Date(ms.div_euclid(crate::text::DAY_MS) as i32), SqlType::Date),
            (Value::Time((ms.rem_euclid(crate::text::DAY_MS) / 1000 * 1000) as i32), SqlType::Time),
        ] {
            let text = cast_value(&value, &ty, &SqlType::Varchar).unwrap();
            prop_assert_eq!(cast_value(&text, &SqlType::Varchar, &ty).ok(), Some(value));
        }
    }

    #[test]
    fn decimals_survive_text(unscaled in any::<i64>(), scale in 0u16..20) {
        let decimal = Decimal::new(unscaled.into(), scale);
        prop_assert_eq!(decimal.to_string().parse::<Decimal>().unwrap(), decimal);
        prop_assert_eq!(decimal.to_f64(), decimal.to_string().parse::<f64>().unwrap());
    }

    #[test]
    fn division_is_the_nearest_decimal(a in any::<i64>(), b in any::<i64>().prop_filter("zero", |b| *b != 0), scale in 0u16..6) {
        let ty = SqlType::decimal(38, scale);
        let result = arithmetic_value(ArithmeticOp::Divide, &Value::Bigint(a), &Value::Bigint(b), &ty).unwrap();
        let Value::Decimal(quotient) = result else { panic!("a decimal") };
        // |a·10^scale − q·b| ≤ |b| / 2
        let error = i128::from(a) * 10i128.pow(scale.into()) - quotient.unscaled * i128::from(b);
        prop_assert!(2 * error.unsigned_abs() <= i128::from(b).unsigned_abs());
    }

    #[test]
    fn sums_in_columns_are_sums_of_values(rows in proptest::collection::vec((any::<Option<i32>>(), any::<Option<i32>>()), 0..20)) {
        let column = |numbers: Vec<Option<i32>>| {
            let values: Vec<Value> = numbers.into_iter().map(|n| n.map_or(Value::Null, Value::Integer)).collect();
            column_from_values(&SqlType::Integer, &values)
        };
        let (left, right) = rows.iter().cloned().unzip();
        let (sum, errors) = arithmetic_column(ArithmeticOp::Add, &column(left), &column(right), &SqlType::Integer);
        prop_assert!(errors.is_empty());
        let expected: Vec<Option<i32>> = rows.iter().map(|(a, b)| Some(a.as_ref()?.wrapping_add(*b.as_ref()?))).collect();
        prop_assert_eq!(sum.as_primitive::<arrow_array::types::Int32Type>().iter().collect::<Vec<_>>(), expected);
        prop_assert_eq!(sum.len(), rows.len());
    }
}
