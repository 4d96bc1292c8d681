//! What is written is read back.

use calzone_formats::{Format, FormatSpec, Part};
use calzone_types::{Decimal, Field, SqlType, Value};
use proptest::prelude::*;

use crate::{columns, decode, encode, row, spec};

/// A type and four values of it.
type Sample = (SqlType, Vec<Value>);

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9,\"\\\\ \n\r|-]{0,12}", any::<String>()]
}

fn values_of(ty: SqlType) -> BoxedStrategy<Value> {
    let value = match &ty {
        SqlType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        SqlType::Integer => any::<i32>().prop_map(Value::Integer).boxed(),
        SqlType::Bigint => any::<i64>().prop_map(Value::Bigint).boxed(),
        SqlType::Double => prop_oneof![any::<f64>(), -1e9..1e9f64].prop_map(Value::Double).boxed(),
        SqlType::Decimal { precision, scale } => {
            let (limit, scale) = (10i128.pow((*precision).into()), *scale);
            (1 - limit..limit).prop_map(move |unscaled| Value::Decimal(Decimal::new(unscaled, scale))).boxed()
        }
        SqlType::Varchar => text().prop_map(Value::Varchar).boxed(),
        SqlType::Bytes => any::<Vec<u8>>().prop_map(Value::Bytes).boxed(),
        SqlType::Date => any::<i32>().prop_map(Value::Date).boxed(),
        SqlType::Time => (0..86_400_000).prop_map(Value::Time).boxed(),
        SqlType::Timestamp => any::<i64>().prop_map(Value::Timestamp).boxed(),
        SqlType::Array(element) => proptest::collection::vec(values_of((**element).clone()), 0..4).prop_map(Value::Array).boxed(),
        SqlType::Map(_, value) => proptest::collection::btree_map(text(), values_of((**value).clone()), 0..4)
            .prop_map(|entries| Value::Map(entries.into_iter().map(|(key, value)| (Value::Varchar(key), value)).collect()))
            .boxed(),
        SqlType::Struct(fields) => {
            fields.iter().map(|field| values_of(field.ty.clone())).collect::<Vec<_>>().prop_map(Value::Struct).boxed()
        }
    };
    prop_oneof![9 => value, 1 => Just(Value::Null)].boxed()
}

fn sample(types: impl Strategy<Value = SqlType>) -> impl Strategy<Value = Sample> {
    types.prop_flat_map(|ty| {
        let values = proptest::collection::vec(values_of(ty.clone()), 4);
        (Just(ty), values)
    })
}

fn kafka_types() -> impl Strategy<Value = SqlType> {
    proptest::sample::select(vec![SqlType::Integer, SqlType::Bigint, SqlType::Double, SqlType::Varchar, SqlType::Bytes])
}

fn plain_types() -> impl Strategy<Value = SqlType> {
    prop_oneof![
        kafka_types(),
        proptest::sample::select(vec![SqlType::Boolean, SqlType::Date, SqlType::Time, SqlType::Timestamp]),
        (1..=38u16).prop_flat_map(|precision| (Just(precision), 0..=precision)).prop_map(|(p, s)| SqlType::decimal(p, s)),
    ]
}

fn all_types() -> impl Strategy<Value = SqlType> {
    plain_types().prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(SqlType::array),
            inner.clone().prop_map(|value| SqlType::map(SqlType::Varchar, value)),
            proptest::collection::vec(inner, 0..3).prop_map(|types| SqlType::structure(
                types.into_iter().enumerate().map(|(at, ty)| Field::new(format!("f{at}"), ty))
            )),
        ]
    })
}

/// Writes the four rows, reads them back, and compares after `seen` has made of the rows what the format can tell.
fn check(spec: &FormatSpec, part: Part, samples: &[Sample], seen: impl Fn(&Value) -> Value) -> Result<(), TestCaseError> {
    let types: Vec<_> = samples.iter().map(|(ty, _)| ty.clone()).collect();
    let columns = columns(&types);
    let rows: Vec<Vec<Value>> = (0..4).map(|at| samples.iter().map(|(_, values)| values[at].clone()).collect()).collect();
    let written = encode(spec, part, &columns, &rows);
    let decoded = decode(spec, part, &columns, &written.iter().map(Option::as_deref).collect::<Vec<_>>());
    prop_assert!(decoded.errors.is_empty(), "{:?} of {:?}", decoded.errors, written);
    for (at, values) in rows.iter().enumerate() {
        let expected: Vec<_> = values.iter().map(&seen).collect();
        // Compared as texts, so that NaN equals itself.
        prop_assert_eq!(format!("{:?}", row(&decoded, at)), format!("{expected:?}"), "{:?}", written[at]);
        let present = decoded.present.as_ref().is_none_or(|present| present.value(at));
        prop_assert_eq!(present, written[at].is_some());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn json_objects(samples in proptest::collection::vec(sample(all_types()), 2..5)) {
        check(&spec(Format::Json), Part::Value, &samples, Value::clone)?;
    }

    #[test]
    fn json_bare_values(sample in sample(all_types())) {
        check(&FormatSpec { wrap_single: false, ..spec(Format::Json) }, Part::Value, &[sample], Value::clone)?;
    }

    #[test]
    fn json_keys(samples in proptest::collection::vec(sample(plain_types()), 1..4)) {
        check(&spec(Format::Json), Part::Key, &samples, Value::clone)?;
    }

    #[test]
    fn delimited(samples in proptest::collection::vec(sample(plain_types()), 1..5), delimiter in proptest::sample::select(b",|\t ;$".to_vec())) {
        // An empty text cannot be told from null.
        let seen = |value: &Value| match value {
            Value::Varchar(text) if text.is_empty() => Value::Null,
            Value::Bytes(bytes) if bytes.is_empty() => Value::Null,
            other => other.clone(),
        };
        check(&FormatSpec { delimiter, ..spec(Format::Delimited) }, Part::Value, &samples, seen)?;
    }

    #[test]
    fn kafka(sample in sample(kafka_types())) {
        check(&spec(Format::Kafka), Part::Key, &[sample], Value::clone)?;
    }
}
