//! What a call costs. Prints figures; the bound is loose, as test machines are slow and shared.

use std::time::Instant;

use calzone_functions::{Aggregate, AggregateAction, AggregateStep, Argument, Scalar};
use calzone_types::{SqlType, Value, column_from_values};

use crate::{ALL, binding, function, load};

const ROUNDS: usize = 200;

fn nanos_per_row(rows_per_call: i64, component: &str, name: &str, ty: SqlType, value: impl Fn(i64) -> Value) -> f64 {
    let component = load(component);
    let mut function = function(&component, name, std::slice::from_ref(&ty), ty.clone());
    let rows: Vec<Value> = (0..rows_per_call).map(value).collect();
    let column = column_from_values(&ty, &rows);
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let evaluated = function.call(&mut [Argument::Column(column.clone())], rows_per_call as usize);
        best = best.min(start.elapsed().as_nanos() as f64 / rows_per_call as f64);
        assert!(evaluated.errors.is_empty());
    }
    println!("{name}: {best:.1} ns a row in batches of {rows_per_call}");
    best
}

#[test]
fn a_row_costs_nanoseconds() {
    let text = |i: i64| Value::Varchar(format!("Pizza number {i} for Ada"));
    assert!(nanos_per_row(1, "every-type", "boundary", SqlType::Bigint, Value::Bigint) < 50_000.0);
    assert!(nanos_per_row(1_024, "every-type", "boundary", SqlType::Bigint, Value::Bigint) < 200.0);
    assert!(nanos_per_row(1_024, "every-type", "same_bigint", SqlType::Bigint, Value::Bigint) < 200.0);
    assert!(nanos_per_row(1_024, "every-type", "same_double", SqlType::Double, |i| Value::Double(i as f64)) < 200.0);
    assert!(nanos_per_row(1_024, "mask", "mask", SqlType::Varchar, text) < 2_000.0);
    assert!(nanos_per_row(1_024, "every-type", "same", SqlType::Varchar, text) < 2_000.0);
}

#[test]
fn a_step_of_an_aggregate_costs_nanoseconds() {
    let component = load("kinds");
    let sum = component.instantiate_aggregate("my_sum", &binding(&[SqlType::Bigint], SqlType::Bigint), &[], &ALL).unwrap();
    let column = column_from_values(&SqlType::Bigint, &(0..1_024).map(Value::Bigint).collect::<Vec<_>>());
    for groups in [1, 100, 1_024] {
        let step = |row| AggregateStep { group: row % groups, row, action: AggregateAction::Accumulate, result: true };
        let steps: Vec<AggregateStep> = (0..1_024).map(step).collect();
        let mut states = vec![sum.initial(); groups as usize];
        let mut best = f64::INFINITY;
        for _ in 0..ROUNDS {
            let start = Instant::now();
            let results = sum.update(&mut states, &steps, std::slice::from_ref(&column)).unwrap();
            best = best.min(start.elapsed().as_nanos() as f64 / 1_024.0);
            assert_eq!(results.len(), 1_024);
        }
        println!("my_sum: {best:.1} ns a row of {groups} groups in batches of 1024");
        assert!(best < 2_000.0);
    }
}
