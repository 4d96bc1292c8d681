//! Guests that loop, grow, trap and lie: one row fails, its neighbours do not.

use std::time::{Duration, Instant};

use calzone_functions::Scalar;
use calzone_sandbox::Limits;
use calzone_types::{SqlType, Value};

use crate::{ALL, binding, call, load};

fn tight() -> Limits {
    Limits { batch_ms: 100, memory_bytes: 16 << 20, output_bytes: 1 << 20, ..Limits::default() }
}

/// Calls `function` with 64 numbers of which some are negative; only those may fail. Gives the first failure's text.
fn only_negative_rows_fail(function: &str, guilty: &[usize]) -> String {
    let component = load("hostile").with_limits(tight());
    let mut instance = component.instantiate_scalar(function, &binding(&[SqlType::Bigint], SqlType::Bigint), &ALL).unwrap();
    let rows: Vec<Value> = (0..64).map(|i| Value::Bigint(if guilty.contains(&i) { -1 } else { i as i64 })).collect();
    let mut messages = Vec::new();
    for batch in [64, 7] {
        let (values, errors) = call(&mut instance, &[(SqlType::Bigint, rows.clone())], batch);
        assert_eq!(errors.iter().map(|e| e.0 as usize).collect::<Vec<_>>(), guilty, "{function}: {errors:?}");
        for (i, value) in values.iter().enumerate() {
            let wanted = if guilty.contains(&i) { Value::Null } else { Value::Bigint(i as i64) };
            assert_eq!(*value, wanted, "{function}, row {i}");
        }
        messages.extend(errors.into_iter().map(|e| e.1));
    }
    messages.remove(0)
}

#[test]
fn endless_loops_end() {
    assert_eq!(only_negative_rows_fail("spin", &[40]), "the plugin took more than 100 ms for one batch (batch_ms)");
}

#[test]
fn memory_is_bounded() {
    assert_eq!(only_negative_rows_fail("grow", &[3, 63]), "the plugin needs more than 16777216 bytes of memory (memory_bytes)");
}

#[test]
fn panics_tell_their_reason() {
    let message = only_negative_rows_fail("panic", &[0, 1, 17]);
    assert!(message.starts_with("the plugin trapped: ") && message.contains("no number may be negative, -1 is"), "{message}");
}

#[test]
fn the_stack_is_bounded() {
    let message = only_negative_rows_fail("deep", &[31]);
    assert!(message.contains("stack") || message.contains("trapped"), "{message}");
}

#[test]
fn errors_are_no_traps() {
    assert_eq!(only_negative_rows_fail("fail", &[5, 6]), "-1 is negative");
}

#[test]
fn an_answer_that_is_too_large() {
    let component = load("hostile").with_limits(Limits { output_bytes: 1 << 20, ..Limits::default() });
    let mut huge = component.instantiate_scalar("huge", &binding(&[SqlType::Bigint], SqlType::Bigint), &ALL).unwrap();
    let (values, errors) = call(&mut huge, &[(SqlType::Bigint, vec![Value::Bigint(1)])], 1);
    assert_eq!(values, [Value::Null]);
    assert_eq!(errors, [(0, "the plugin's answer has more than 1048576 bytes (output_bytes)".to_owned())]);
}

#[test]
fn lies_are_found_out() {
    let component = load("hostile");
    let mut lie =
        component.instantiate_scalar("lie", &binding(&[SqlType::Integer, SqlType::Varchar], SqlType::Varchar), &ALL).unwrap();
    let wanted = [
        "2 values where 1 belong",
        "1 bytes of data, its offsets end at 9",
        "offsets that start at 1",
        "non utf-8",
        "a bitmap of 0 bytes for 1 values",
        "no offsets",
        "no data",
        "no column",
        "an error for row 9 of 1",
    ];
    for (fault, wanted) in wanted.iter().enumerate() {
        let columns = [(SqlType::Integer, vec![Value::Integer(fault as i32)]), (SqlType::Varchar, vec![Value::from("a")])];
        let (values, errors) = call(&mut lie, &columns, 1);
        assert_eq!(values, [Value::Null]);
        let message = &errors[0].1;
        assert!(
            message.starts_with("the plugin's answer is wrong: ") && message.to_lowercase().contains(&wanted.to_lowercase()),
            "{message}"
        );
    }
    let honest = [(SqlType::Integer, vec![Value::Integer(99)]), (SqlType::Varchar, vec![Value::from("a")])];
    assert_eq!(call(&mut lie, &honest, 1), (vec![Value::from("a")], vec![]));
}

#[test]
fn finding_the_rows_to_blame_ends() {
    let limits = Limits { batch_ms: 50, isolation_ms: 400, ..Limits::default() };
    let component = load("hostile").with_limits(limits);
    let mut spin = component.instantiate_scalar("spin", &binding(&[SqlType::Bigint], SqlType::Bigint), &ALL).unwrap();
    let start = Instant::now();
    let (_, errors) = call(&mut spin, &[(SqlType::Bigint, vec![Value::Bigint(-1); 1_000])], 1_000);
    assert_eq!(errors.len(), 1_000);
    assert!(errors[999].1.contains("isolation_ms"));
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(spin.call(&mut [], 0).column.len(), 0);
}
