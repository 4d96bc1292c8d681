//! Table functions and aggregate functions: kinds, batches of any size, states, and guests that misbehave.

use std::sync::Arc;

use arrow_array::ArrayRef;
use calzone_functions::{
    Aggregate, AggregateAction, AggregateStep, ArgumentType, FunctionDefinition, FunctionKind, Registry, ResolvedAggregate,
};
use calzone_sandbox::{Component, Grants, Limits};
use calzone_types::{SqlType, Value, column_from_values, value_at};

use crate::{binding, call, function, load};

fn text(s: &str) -> Value {
    Value::Varchar(s.to_owned())
}

fn texts(items: &[&str]) -> Value {
    Value::Array(items.iter().map(|s| text(s)).collect())
}

#[test]
fn the_component_says_what_kind_a_function_is() {
    let component = load("kinds");
    let kind = |name: &str| component.description.function(name).map(|f| f.kind);
    assert_eq!(kind("Explode_Words"), Some(FunctionKind::Table));
    assert_eq!(kind("my_sum"), Some(FunctionKind::Aggregate));
    let FunctionDefinition::Table(words) = component.function_definition("kinds", "explode_words").unwrap() else {
        panic!("a table function")
    };
    assert_eq!(words.name, "EXPLODE_WORDS");
    assert_eq!(words.description, "The words of a text, each in a row of its own.");
}

#[test]
fn rows_of_table_functions() {
    let component = load("kinds");
    let mut words = function(&component, "explode_words", &[SqlType::Varchar], SqlType::array(SqlType::Varchar));
    let rows = vec![text("to be or"), text(""), Value::Null, text("not")];
    let wanted = vec![texts(&["to", "be", "or"]), texts(&[]), Value::Null, texts(&["not"])];
    for batch in [1, 3, 4] {
        assert_eq!(call(&mut words, &[(SqlType::Varchar, rows.clone())], batch), (wanted.clone(), vec![]));
    }
}

#[test]
fn rows_that_are_arrays() {
    let component = load("kinds");
    let row = SqlType::array(SqlType::Integer);
    let mut beginnings = function(&component, "beginnings", std::slice::from_ref(&row), SqlType::array(row.clone()));
    let array = |items: &[i32]| Value::Array(items.iter().map(|v| Value::Integer(*v)).collect());
    let (values, errors) = call(&mut beginnings, &[(row, vec![array(&[1, 2]), array(&[])])], 2);
    assert_eq!(errors, []);
    assert_eq!(values, [Value::Array(vec![array(&[]), array(&[1]), array(&[1, 2])]), Value::Array(vec![array(&[])])]);
}

#[test]
fn hostile_table_functions_fail_their_own_rows() {
    let component = load("kinds").with_limits(Limits { batch_ms: 100, output_bytes: 1 << 20, ..Limits::default() });
    for (name, guilty) in [("rows_panic", -1), ("rows_spin", -1), ("count_up", 2_000_000), ("count_up", 900_000)] {
        let mut instance = function(&component, name, &[SqlType::Bigint], SqlType::array(SqlType::Bigint));
        let rows: Vec<Value> = (0..20).map(|i| Value::Bigint(if i == 13 { guilty } else { 1 })).collect();
        for batch in [20, 7] {
            let (values, errors) = call(&mut instance, &[(SqlType::Bigint, rows.clone())], batch);
            assert_eq!(errors.iter().map(|e| e.0).collect::<Vec<_>>(), [13], "{name}: {errors:?}");
            assert!(values.iter().enumerate().all(|(i, v)| v.is_null() == (i == 13)), "{name}: {values:?}");
        }
    }
}

/// Resolves a call as the planner does, and makes an instance.
fn aggregate(component: &Arc<Component>, name: &str, arguments: &[SqlType], literals: &[Value]) -> Arc<dyn Aggregate> {
    let resolved = resolve(component, name, arguments, literals).unwrap();
    let instance = component.instantiate_aggregate(name, &resolved.binding, &resolved.init, &Grants::default());
    Arc::new(instance.unwrap())
}

fn resolve(component: &Component, name: &str, arguments: &[SqlType], literals: &[Value]) -> Result<ResolvedAggregate, String> {
    let mut registry = Registry::default();
    registry.add(component.function_definition("kinds", name).map_err(|e| e.to_string())?);
    let type_of = |v: &Value| match v {
        Value::Integer(_) => ArgumentType::Sql(SqlType::Integer),
        Value::Null => ArgumentType::Null,
        _ => ArgumentType::Sql(SqlType::Varchar),
    };
    let types: Vec<ArgumentType> = arguments.iter().cloned().map(ArgumentType::Sql).chain(literals.iter().map(type_of)).collect();
    let values: Vec<Option<Value>> =
        arguments.iter().map(|_| None).chain(literals.iter().map(|v| (!v.is_null()).then(|| v.clone()))).collect();
    registry.resolve_aggregate(name, &types, &values, &Default::default()).map_err(|e| e.to_string())
}

/// Does steps in batches of at most `batch`, and gives the results.
fn run(
    aggregate: &dyn Aggregate,
    groups: usize,
    steps: &[AggregateStep],
    columns: &[ArrayRef],
    batch: usize,
) -> Result<Vec<Value>, (usize, String)> {
    let mut states = vec![aggregate.initial(); groups];
    let mut results = Vec::new();
    for (i, part) in steps.chunks(batch).enumerate() {
        let column = aggregate.update(&mut states, part, columns).map_err(|(step, m)| (i * batch + step, m))?;
        results.extend((0..column.len()).map(|r| value_at(column.as_ref(), r)));
    }
    Ok(results)
}

fn steps(rows: usize, groups: u32) -> Vec<AggregateStep> {
    let step = |row: usize| AggregateStep {
        group: row as u32 % groups,
        row: row as u32,
        action: AggregateAction::Accumulate,
        result: true,
    };
    (0..rows).map(step).collect()
}

fn bigints(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    column_from_values(&SqlType::Bigint, &values.into_iter().map(Value::Bigint).collect::<Vec<_>>())
}

#[test]
fn sums_at_any_batch_size() {
    let component = load("kinds");
    let column = bigints(0..100);
    let mut all = steps(100, 7);
    // Some rows are taken back out, some groups only looked at.
    for i in (0..100).step_by(9) {
        all.push(AggregateStep { action: AggregateAction::Retract, ..all[i] });
        all.push(AggregateStep { group: 6, row: 0, action: AggregateAction::Look, result: true });
    }
    let mut sums = [0i64; 7];
    let wanted: Vec<Value> = all
        .iter()
        .map(|s| {
            sums[s.group as usize] += match s.action {
                AggregateAction::Accumulate => i64::from(s.row),
                AggregateAction::Retract => -i64::from(s.row),
                AggregateAction::Look => 0,
            };
            Value::Bigint(sums[s.group as usize])
        })
        .collect();
    for batch in [1, 7, 1_000] {
        let sum = aggregate(&component, "my_sum", &[SqlType::Bigint], &[]);
        assert!(sum.can_retract() && sum.prefers_batches());
        assert_eq!(run(&*sum, 7, &all, std::slice::from_ref(&column), batch), Ok(wanted.clone()));
    }
}

#[test]
fn rows_one_by_one_merges_and_nulls() {
    let component = load("kinds");
    let sum = aggregate(&component, "my_sum", &[SqlType::Bigint], &[]);
    let column = column_from_values(&SqlType::Bigint, &[Value::Bigint(5), Value::Null, Value::Bigint(2)]);
    let mut state = sum.initial();
    assert_eq!(sum.checked_result(&state), Ok(Value::Bigint(0)));
    for row in 0..3 {
        sum.accumulate(&mut state, std::slice::from_ref(&column), row).unwrap();
    }
    sum.retract(&mut state, &[column], 2).unwrap();
    assert_eq!(sum.checked_result(&state), Ok(Value::Bigint(5)));
    let both = sum.merge(state.clone(), state.clone()).unwrap();
    assert_eq!(sum.result(&both), Value::Bigint(10));
    assert_eq!(sum.merge(Value::Null, state.clone()), Ok(state));
    assert!(sum.merge(both, Value::Bytes(vec![1])).is_err_and(|e| e.contains("stored state of 1 bytes")));
}

#[test]
fn literals_and_states_of_structs() {
    let component = load("kinds");
    let last = aggregate(&component, "join_last", &[SqlType::Varchar], &[Value::Integer(2), text("+")]);
    assert!(!last.can_retract());
    let column = column_from_values(&SqlType::Varchar, &["a", "b", "c"].map(text));
    let wanted = vec![text("a of 1"), text("a+b of 2"), text("b+c of 3")];
    assert_eq!(run(&*last, 1, &steps(3, 1), &[column], 2), Ok(wanted));
    let resolved = resolve(&component, "join_last", &[SqlType::Varchar], &[Value::Integer(-2), text("+")]).unwrap();
    let refused = component.instantiate_aggregate("join_last", &resolved.binding, &resolved.init, &Grants::default());
    assert!(refused.err().is_some_and(|e| e.to_string().contains("must not be negative, it is -2")));
    assert!(resolve(&component, "join_last", &[SqlType::Varchar], &[text("+")]).is_err());
}

#[test]
fn hostile_aggregates_blame_the_first_step_that_fails() {
    let limits = Limits { batch_ms: 100, memory_bytes: 16 << 20, ..Limits::default() };
    let component = Arc::new(load("kinds").with_limits(limits));
    let wanted = [
        ("sum_panics", "the plugin trapped: "),
        ("sum_spins", "the plugin took more than 100 ms for one batch (batch_ms)"),
        ("sum_fails", "-1 is negative"),
        ("sum_grows", "the plugin needs more than 16777216 bytes of memory (memory_bytes)"),
    ];
    for (name, message) in wanted {
        let hostile = aggregate(&component, name, &[SqlType::Bigint], &[]);
        let column = bigints((0..64).map(|i| if i == 41 || i == 50 { -1 } else { i }));
        let (step, said) = run(&*hostile, 3, &steps(64, 3), std::slice::from_ref(&column), 64).unwrap_err();
        assert_eq!(step, 41, "{name}: {said}");
        assert!(said.starts_with(message), "{name}: {said}");
        // The instance is good for more, or another takes its place.
        assert!(run(&*hostile, 3, &steps(41, 3), &[column], 64).is_ok(), "{name}");
    }
}

#[test]
fn a_function_of_one_kind_is_none_of_another() {
    let component = load("kinds");
    let types = binding(&[SqlType::Bigint], SqlType::Bigint);
    assert!(component.instantiate_scalar("my_sum", &types, &Grants::default()).is_err());
    assert!(component.instantiate_aggregate("count_up", &types, &[], &Grants::default()).is_err());
}

#[test]
fn computed_types_are_asked_for() {
    let component = load("ksqldb-test-functions");
    let mut registry = Registry::default();
    registry.add(component.function_definition("p", "test_udtf").unwrap());
    let arguments = [ArgumentType::Sql(SqlType::decimal(7, 2))];
    let resolved = registry.resolve_table("TEST_UDTF", &arguments, &[], &[None], &Default::default()).unwrap();
    assert_eq!(resolved.binding.returns, SqlType::array(SqlType::decimal(30, 2)));
    assert!(component.instantiate_scalar("test_udtf", &resolved.binding, &Grants::default()).is_ok());
}
