use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use calzone_types::{Decimal, SqlType, Value, column_from_values, value_at};

use crate::definition::AggregateImplementation;
use crate::{Aggregate, ArgumentType, Registry};

/// The aggregate for columns of these types and these literals.
fn resolve(name: &str, columns: &[SqlType], init: &[Value]) -> Result<Arc<dyn Aggregate>, String> {
    let mut types: Vec<ArgumentType> = columns.iter().cloned().map(ArgumentType::Sql).collect();
    let mut literals: Vec<Option<Value>> = vec![None; columns.len()];
    for value in init {
        types.push(ArgumentType::Sql(match value {
            Value::Boolean(_) => SqlType::Boolean,
            _ => SqlType::Integer,
        }));
        literals.push(Some(value.clone()));
    }
    let resolved =
        Registry::built_in().resolve_aggregate(name, &types, &literals, &BTreeMap::new()).map_err(|e| e.to_string())?;
    let AggregateImplementation::BuiltIn(make) = resolved.implementation else { return Err("not built in".into()) };
    make(&resolved.binding, &resolved.init)
}

fn state_of(aggregate: &dyn Aggregate, columns: &[ArrayRef], rows: impl IntoIterator<Item = usize>) -> Result<Value, String> {
    let mut state = aggregate.initial();
    for row in rows {
        aggregate.accumulate(&mut state, columns, row)?;
        // States are stored between records: nothing of one may be lost in a column of its type.
        let stored = column_from_values(&aggregate.state_type(), [&state]);
        assert_eq!(value_at(&stored, 0), state);
    }
    Ok(state)
}

fn int(v: i32) -> Value {
    Value::Integer(v)
}

#[test]
fn results_leave_nulls_out() {
    let array = |values: &[i32]| Value::Array(values.iter().copied().map(int).collect());
    let integers = [int(3), Value::Null, int(-1), int(3)];
    for (name, init, expected) in [
        ("COUNT", vec![], Value::Bigint(3)),
        ("COUNT_DISTINCT", vec![], Value::Bigint(2)),
        ("SUM", vec![], int(5)),
        ("AVG", vec![], Value::Double(5.0 / 3.0)),
        ("MIN", vec![], int(-1)),
        ("MAX", vec![], int(3)),
        ("COLLECT_LIST", vec![], Value::Array(integers.to_vec())),
        ("COLLECT_SET", vec![], Value::Array(integers[..3].to_vec())),
        ("EARLIEST_BY_OFFSET", vec![], int(3)),
        ("LATEST_BY_OFFSET", vec![int(2), Value::Boolean(true)], array(&[-1, 3])),
        ("TOPK", vec![int(2)], array(&[3, 3])),
        ("TOPKDISTINCT", vec![int(3)], array(&[3, -1])),
        ("STDDEV_SAMP", vec![], Value::Double(16.0 / 3.0)),
        ("STDDEV_SAMPLE", vec![], Value::Double((16.0f64 / 3.0).sqrt())),
        ("ATTR", vec![], Value::Null),
    ] {
        let aggregate = resolve(name, &[SqlType::Integer], &init).unwrap_or_else(|e| panic!("{name}: {e}"));
        let columns = [column_from_values(&SqlType::Integer, &integers)];
        let state = state_of(&*aggregate, &columns, 0..4).unwrap();
        assert_eq!(aggregate.result(&state), expected, "{name}");
        let stored = column_from_values(&aggregate.result_type(), [&expected]);
        assert_eq!(value_at(&stored, 0), expected, "{name} says another type than it gives");
    }
}

#[test]
fn count_without_an_argument_counts_rows() {
    let count = resolve("COUNT", &[], &[]).unwrap();
    assert_eq!(state_of(&*count, &[], 0..3), Ok(Value::Bigint(3)));
}

#[test]
fn empty_groups_have_results() {
    for (name, expected) in
        [("SUM", int(0)), ("AVG", Value::Double(0.0)), ("MAX", Value::Null), ("LATEST_BY_OFFSET", Value::Null)]
    {
        let aggregate = resolve(name, &[SqlType::Integer], &[]).unwrap();
        assert_eq!(aggregate.result(&aggregate.initial()), expected, "{name}");
    }
}

/// Every aggregate over a column of small numbers, whose results are exact.
fn every_aggregate() -> Vec<(&'static str, Arc<dyn Aggregate>, Vec<ArrayRef>)> {
    let numbers = [4, 1, 4, 2, 8, 0, 3, 1];
    let column = column_from_values(&SqlType::Integer, &numbers.map(int));
    let texts = column_from_values(&SqlType::Varchar, &numbers.map(|n| Value::Varchar(n.to_string())));
    let lists = column_from_values(&SqlType::array(SqlType::Integer), &numbers.map(|n| Value::Array(vec![int(n), int(1)])));
    let k = [int(3)];
    let one = |name| (name, resolve(name, &[SqlType::Integer], &[]).unwrap(), vec![column.clone()]);
    let top = |name| (name, resolve(name, &[SqlType::Integer], &k).unwrap(), vec![column.clone()]);
    vec![
        one("ATTR"),
        one("AVG"),
        one("COLLECT_LIST"),
        one("COLLECT_SET"),
        one("COUNT"),
        one("COUNT_DISTINCT"),
        one("EARLIEST_BY_OFFSET"),
        one("LATEST_BY_OFFSET"),
        one("MAX"),
        one("MIN"),
        one("STDDEV_SAMP"),
        one("STDDEV_SAMPLE"),
        one("SUM"),
        top("EARLIEST_BY_OFFSET"),
        top("LATEST_BY_OFFSET"),
        top("TOPK"),
        top("TOPKDISTINCT"),
        ("TOPK", resolve("TOPK", &[SqlType::Integer, SqlType::Varchar], &k).unwrap(), vec![column.clone(), texts.clone()]),
        (
            "CORRELATION",
            resolve("CORRELATION", &[SqlType::Integer, SqlType::Integer], &[]).unwrap(),
            vec![column.clone(), column.clone()],
        ),
        ("HISTOGRAM", resolve("HISTOGRAM", &[SqlType::Varchar], &[]).unwrap(), vec![texts]),
        ("SUM_LIST", resolve("SUM_LIST", &[SqlType::array(SqlType::Integer)], &[]).unwrap(), vec![lists]),
    ]
}

fn assert_close(name: &str, actual: Value, expected: Value) {
    match (&actual, &expected) {
        (Value::Double(a), Value::Double(b)) => assert!((a - b).abs() < 1e-9, "{name}: {a} is not {b}"),
        _ => assert_eq!(actual, expected, "{name}"),
    }
}

#[test]
fn merged_states_are_those_of_all_rows() {
    for (name, aggregate, columns) in every_aggregate() {
        for cut in [0, 1, 3, 8] {
            let older = state_of(&*aggregate, &columns, 0..cut).unwrap();
            let newer = state_of(&*aggregate, &columns, cut..8).unwrap();
            let merged = aggregate.merge(older, newer).unwrap();
            let whole = state_of(&*aggregate, &columns, 0..8).unwrap();
            assert_close(name, aggregate.result(&merged), aggregate.result(&whole));
        }
    }
}

#[test]
fn retracted_rows_leave_no_trace() {
    let mut retractable = Vec::new();
    for (name, aggregate, columns) in every_aggregate() {
        let mut state = state_of(&*aggregate, &columns, 0..8).unwrap();
        if !aggregate.can_retract() {
            assert!(aggregate.retract(&mut state, &columns, 0).is_err(), "{name}");
            continue;
        }
        retractable.push(name);
        // The rows that came last go first: COLLECT_LIST cannot tell equal values apart.
        (5..8).rev().for_each(|row| aggregate.retract(&mut state, &columns, row).unwrap());
        let rest = state_of(&*aggregate, &columns, 0..5).unwrap();
        assert_close(name, aggregate.result(&state), aggregate.result(&rest));
    }
    let expected =
        ["ATTR", "AVG", "COLLECT_LIST", "COUNT", "STDDEV_SAMP", "STDDEV_SAMPLE", "SUM", "CORRELATION", "HISTOGRAM", "SUM_LIST"];
    assert_eq!(retractable, expected);
}

#[test]
fn sums_wrap_or_overflow_as_their_type_does() {
    let dec = |unscaled| Value::Decimal(Decimal::new(unscaled, 1));
    let ty = SqlType::decimal(4, 1);
    let sum = resolve("SUM", std::slice::from_ref(&ty), &[]).unwrap();
    let columns = [column_from_values(&ty, &[dec(5009), dec(3008), dec(4008)])];
    assert_eq!(state_of(&*sum, &columns, 0..2), Ok(dec(8017)));
    assert!(state_of(&*sum, &columns, 0..3).is_err());
    let sum = resolve("SUM", &[SqlType::Integer], &[]).unwrap();
    let columns = [column_from_values(&SqlType::Integer, &[int(i32::MAX), int(1)])];
    assert_eq!(state_of(&*sum, &columns, 0..2), Ok(int(i32::MIN)));
}

#[test]
fn counts_to_keep_must_be_positive() {
    for name in ["TOPK", "TOPKDISTINCT", "LATEST_BY_OFFSET"] {
        assert!(resolve(name, &[SqlType::Integer], &[int(0)]).is_err(), "{name}");
    }
}
