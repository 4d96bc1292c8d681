use arrow_array::{Array, ArrayRef};
use calzone_types::cast::{ArithmeticOp, CompareOp, arithmetic_column, compare_columns, null_operands};
use calzone_types::column::constant_column;
use calzone_types::{SqlType, Value, column_from_values, value_at};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::scalar::testing::{check, check_fails, texts};
use crate::{Argument, Binding, Evaluated, Implementation, LambdaEvaluator, RowError, Scalar};

fn int(v: i32) -> Value {
    Value::Integer(v)
}

fn ints(values: &[i32]) -> Value {
    Value::Array(values.iter().copied().map(int).collect())
}

fn with_null(values: &[i32]) -> Value {
    Value::Array(values.iter().copied().map(int).chain([Value::Null]).collect())
}

fn map(entries: &[(&str, i32)]) -> Value {
    Value::Map(entries.iter().map(|(k, v)| (Value::from(*k), int(*v))).collect())
}

#[test]
fn arrays() {
    check(
        array_concat::definition,
        &[
            (&[ints(&[1]), with_null(&[1])], Value::Array(vec![int(1), int(1), Value::Null])),
            (&[Value::Null, ints(&[2])], ints(&[2])),
        ],
    );
    check(
        array_contains::definition,
        &[
            (&[ints(&[1, 2]), int(2)], Value::Boolean(true)),
            (&[with_null(&[1]), Value::Null], Value::Boolean(true)),
            (&[ints(&[1]), Value::Null], Value::Boolean(false)),
            (&[Value::Null, int(1)], Value::Boolean(false)),
            (&[texts(&["a", "b"]), "b".into()], Value::Boolean(true)),
            (&[texts(&["a", "b"]), "c".into()], Value::Boolean(false)),
        ],
    );
    check(array_distinct::definition, &[(&[with_null(&[3, 1, 3])], with_null(&[3, 1]))]);
    check(
        array_except::definition,
        &[(&[texts(&["a", "b", "a"]), texts(&["b"])], texts(&["a"])), (&[ints(&[1]), Value::Null], Value::Null)],
    );
    check(array_intersect::definition, &[(&[ints(&[0, 0, 1, -1]), ints(&[1, 0])], ints(&[0, 1]))]);
    check(array_union::definition, &[(&[ints(&[1, 2]), with_null(&[2])], with_null(&[1, 2]))]);
    check(array_join::definition, &[(&[with_null(&[1, 2])], "1,2,null".into()), (&[ints(&[1, 2]), Value::Null], "12".into())]);
    check_fails(array_join::definition, &[&[Value::Array(vec![ints(&[1])])]]);
    check(array_length::definition, &[(&[with_null(&[1])], int(2)), (&[ints(&[])], int(0)), (&[Value::Null], Value::Null)]);
    check(array_max::definition, &[(&[with_null(&[1, 7, 3])], int(7)), (&[ints(&[])], Value::Null)]);
    check(array_min::definition, &[(&[with_null(&[4, 2, 3])], int(2)), (&[with_null(&[])], Value::Null)]);
    check(
        array_remove::definition,
        &[(&[with_null(&[1, 2, 1]), int(1)], with_null(&[2])), (&[with_null(&[1]), Value::Null], ints(&[1]))],
    );
    let descending: &[Value] = &[Value::Array(vec![Value::Null, int(1), int(3)]), "desc".into()];
    check(
        array_sort::definition,
        &[(&[Value::Array(vec![Value::Null, int(3), int(1)])], with_null(&[1, 3])), (descending, with_null(&[3, 1]))],
    );
    check(
        slice::definition,
        &[
            (&[ints(&[1, 2, 3, 4]), int(2), int(3)], ints(&[2, 3])),
            (&[ints(&[1, 2, 3, 4]), Value::Null, int(1)], ints(&[1])),
            (&[ints(&[1, 2]), int(2), int(3)], Value::Null),
            (&[ints(&[1, 2]), int(0), int(1)], Value::Null),
        ],
    );
    check(
        generate_series::definition,
        &[
            (&[int(3), int(1)], ints(&[3, 2, 1])),
            (&[Value::Bigint(1), int(2)], Value::Array(vec![Value::Bigint(1), Value::Bigint(2)])),
        ],
    );
}

#[test]
fn maps() {
    let b2a1 = map(&[("b", 2), ("a", 1)]);
    check(
        as_map::definition,
        &[(&[texts(&["a", "b"]), ints(&[1, 2, 3])], map(&[("a", 1), ("b", 2)])), (&[Value::Null, ints(&[1])], Value::Null)],
    );
    check(map_keys::definition, &[(std::slice::from_ref(&b2a1), texts(&["b", "a"]))]);
    check(map_values::definition, &[(std::slice::from_ref(&b2a1), ints(&[2, 1]))]);
    check(
        map_union::definition,
        &[
            (&[b2a1.clone(), map(&[("b", 9), ("c", 3)])], map(&[("b", 9), ("a", 1), ("c", 3)])),
            (&[Value::Null, b2a1.clone()], b2a1.clone()),
        ],
    );
    let entry = |k: &str, v| Value::Struct(vec![k.into(), int(v)]);
    check(
        entries::definition,
        &[
            (&[b2a1.clone(), Value::Boolean(true)], Value::Array(vec![entry("a", 1), entry("b", 2)])),
            (&[b2a1, Value::Boolean(false)], Value::Array(vec![entry("b", 2), entry("a", 1)])),
        ],
    );
}

/// A lambda written as a function of its parameters; it fails where the function gives errors.
struct Body<F> {
    ty: SqlType,
    body: F,
}

impl<F: FnMut(&[ArrayRef]) -> (ArrayRef, Vec<(u32, String)>)> LambdaEvaluator for Body<F> {
    fn evaluate(&mut self, parameters: &[ArrayRef], outer_rows: &[u32]) -> Evaluated {
        assert!(parameters.iter().all(|p| p.len() == outer_rows.len()));
        let (column, errors) = (self.body)(parameters);
        Evaluated { column, errors: errors.into_iter().map(|(row, message)| RowError { row, message }).collect() }
    }

    fn output_type(&self) -> &SqlType {
        &self.ty
    }
}

fn plus(amount: i32) -> impl FnMut(&[ArrayRef]) -> (ArrayRef, Vec<(u32, String)>) {
    move |parameters| {
        let last = &parameters[parameters.len() - 1];
        let amount = constant_column(&SqlType::Integer, &int(amount), last.len());
        (arithmetic_column(ArithmeticOp::Add, last, &amount, &SqlType::Integer).0, null_operands(last, &amount))
    }
}

fn above(limit: i32) -> impl FnMut(&[ArrayRef]) -> (ArrayRef, Vec<(u32, String)>) {
    move |parameters| {
        let last = &parameters[parameters.len() - 1];
        let limit = constant_column(&SqlType::Integer, &int(limit), last.len());
        (Arc::new(compare_columns(CompareOp::Gt, last, &limit)), Vec::new())
    }
}

/// Runs overload `overload` on a column and lambdas; gives the rows and those that failed.
fn run(
    definition: ScalarDefinition,
    overload: usize,
    column: ArrayRef,
    returns: SqlType,
    lambdas: &mut [&mut dyn LambdaEvaluator],
) -> (Vec<Value>, Vec<u32>) {
    let Implementation::BuiltIn(make) = definition.overloads[overload].implementation else { panic!("built in") };
    let mut function = make(&Binding { arguments: Vec::new(), returns, properties: BTreeMap::new() }).unwrap();
    let rows = column.len();
    let mut arguments = vec![Argument::Column(column)];
    arguments.extend(lambdas.iter_mut().map(|lambda| Argument::Lambda(&mut **lambda)));
    let evaluated = Scalar::call(function.as_mut(), &mut arguments, rows);
    ((0..rows).map(|row| value_at(&evaluated.column, row)).collect(), evaluated.errors.iter().map(|e| e.row).collect())
}

#[test]
fn lambdas_over_arrays() {
    let ty = SqlType::array(SqlType::Integer);
    let rows = [ints(&[99]), ints(&[3, 6]), with_null(&[5]), Value::Null, ints(&[]), ints(&[7])];
    // A slice, so that the elements do not start at the buffer's start.
    let column = column_from_values(&ty, &rows).slice(1, 5);
    let mut add = Body { ty: SqlType::Integer, body: plus(5) };
    let (transformed, failed) = run(transform::definition(), 0, column.clone(), ty.clone(), &mut [&mut add]);
    assert_eq!(transformed, [ints(&[8, 11]), Value::Null, Value::Null, ints(&[]), ints(&[12])]);
    assert_eq!(failed, [1]);
    let mut more = Body { ty: SqlType::Boolean, body: above(5) };
    let (filtered, failed) = run(filter::definition(), 0, column, ty, &mut [&mut more]);
    assert_eq!(filtered, [ints(&[6]), ints(&[]), Value::Null, ints(&[]), ints(&[7])]);
    assert!(failed.is_empty());
    // The body may be of a narrower type than the result.
    let bigints = SqlType::array(SqlType::Bigint);
    let column = column_from_values(&SqlType::array(SqlType::Integer), &[ints(&[1])]);
    let (widened, _) = run(transform::definition(), 0, column, bigints, &mut [&mut add]);
    assert_eq!(widened, [Value::Array(vec![Value::Bigint(6)])]);
}

#[test]
fn lambdas_over_maps() {
    let ty = SqlType::map(SqlType::Varchar, SqlType::Integer);
    let rows = [map(&[("a", 1), ("b", 9)]), Value::Null, map(&[]), map(&[("c", 7)])];
    let column = column_from_values(&ty, &rows);
    let mut more = Body { ty: SqlType::Boolean, body: above(5) };
    let (filtered, _) = run(filter::definition(), 1, column.clone(), ty.clone(), &mut [&mut more]);
    assert_eq!(filtered, [map(&[("b", 9)]), Value::Null, map(&[]), map(&[("c", 7)])]);
    let mut keys = Body { ty: SqlType::Varchar, body: |p: &[ArrayRef]| (p[0].clone(), Vec::new()) };
    let mut add = Body { ty: SqlType::Integer, body: plus(1) };
    let (transformed, _) = run(transform::definition(), 1, column.clone(), ty.clone(), &mut [&mut keys, &mut add]);
    assert_eq!(transformed, [map(&[("a", 2), ("b", 10)]), Value::Null, map(&[]), map(&[("c", 8)])]);
    let mut same = Body {
        ty: SqlType::Varchar,
        body: |p: &[ArrayRef]| (constant_column(&SqlType::Varchar, &"k".into(), p[0].len()), Vec::new()),
    };
    let (clashing, failed) = run(transform::definition(), 1, column, ty, &mut [&mut same, &mut add]);
    assert_eq!((clashing[0].clone(), failed), (Value::Null, vec![0]));
    assert_eq!(clashing[3], map(&[("k", 8)]));
}
