//! AND, OR, NOT, IS NULL, CASE, COALESCE: what decides which rows are evaluated at all.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::BooleanBuffer;
use calzone_functions::RowError;
use calzone_types::SqlType;

use super::{Node, Outcome, Scope, booleans, scatter, truth};

/// The right side is only evaluated where the left is true.
pub(super) fn and(left: &mut Node, right: &mut Node, scope: &Scope<'_>) -> Outcome {
    short_circuit(left, right, scope, true)
}

/// The right side is only evaluated where the left is false.
pub(super) fn or(left: &mut Node, right: &mut Node, scope: &Scope<'_>) -> Outcome {
    short_circuit(left, right, scope, false)
}

fn short_circuit(left: &mut Node, right: &mut Node, scope: &Scope<'_>, needs_right: bool) -> Outcome {
    let left = left.evaluate(scope);
    let failed = failed_rows(&left.errors, scope.len);
    let Some(column) = left.column.as_boolean_opt() else { return left };
    let undecided = |row: usize| !failed.value(row) && column.is_valid(row) && column.value(row) == needs_right;
    let rows: Vec<u32> = (0..scope.len).filter(|row| undecided(*row)).map(|row| row as u32).collect();
    if rows.is_empty() {
        return left;
    }
    if rows.len() == scope.len {
        return right.evaluate(scope);
    }
    let others: Vec<u32> = (0..scope.len).filter(|row| !undecided(*row)).map(|row| row as u32).collect();
    let right = right.evaluate(&scope.select(&rows));
    let kept = kept_rows(&left, &others);
    scatter(scope.len, &SqlType::Boolean, vec![(others, kept), (rows, right)])
}

pub(super) fn not(operand: &mut Node, scope: &Scope<'_>) -> Outcome {
    let operand = operand.evaluate(scope);
    match operand.column.as_boolean_opt() {
        Some(column) => Outcome { column: booleans(!column.values(), column.nulls().cloned()), errors: operand.errors },
        None => operand,
    }
}

pub(super) fn is_null(operand: &mut Node, scope: &Scope<'_>) -> Outcome {
    let operand = operand.evaluate(scope);
    let column = match operand.column.nulls() {
        Some(nulls) => booleans(!nulls.inner(), None),
        None => booleans(BooleanBuffer::new_unset(scope.len), None),
    };
    Outcome { column, errors: operand.errors }
}

/// The value of the first branch whose condition is true; a row is only shown to the conditions up to its branch.
pub(super) fn case(branches: &mut [(Node, Node)], otherwise: Option<&mut Node>, ty: &SqlType, scope: &Scope<'_>) -> Outcome {
    let mut rest: Vec<u32> = (0..scope.len as u32).collect();
    let mut parts = Vec::new();
    let mut errors = Vec::new();
    for (condition, value) in branches {
        if rest.is_empty() {
            break;
        }
        let inner = scope.select(&rest);
        let tested = condition.evaluate(&inner);
        let failed = failed_rows(&tested.errors, rest.len());
        let passes = tested.column.as_boolean_opt().map_or_else(|| BooleanBuffer::new_unset(rest.len()), truth);
        errors.extend(tested.errors.into_iter().map(|e| RowError { row: rest[e.row as usize], message: e.message }));
        let (mut taken, mut left) = (Vec::new(), Vec::new());
        for (i, row) in rest.iter().enumerate() {
            match (failed.value(i), passes.value(i)) {
                (true, _) => {}
                (false, true) => taken.push(*row),
                (false, false) => left.push(*row),
            }
        }
        if !taken.is_empty() {
            let outcome = value.evaluate(&scope.select(&taken));
            parts.push((taken, outcome));
        }
        rest = left;
    }
    if let (Some(otherwise), false) = (otherwise, rest.is_empty()) {
        let outcome = otherwise.evaluate(&scope.select(&rest));
        parts.push((rest, outcome));
    }
    let mut outcome = scatter(scope.len, ty, parts);
    outcome.errors.extend(errors);
    outcome
}

/// The first argument that is not null; an argument is only evaluated where all before it are null.
pub(super) fn first_not_null(arguments: &mut [Node], ty: &SqlType, scope: &Scope<'_>) -> Outcome {
    let mut rest: Vec<u32> = (0..scope.len as u32).collect();
    let mut parts: Vec<(Vec<u32>, Outcome)> = Vec::new();
    for argument in arguments {
        if rest.is_empty() {
            break;
        }
        let outcome = if rest.len() == scope.len { argument.evaluate(scope) } else { argument.evaluate(&scope.select(&rest)) };
        if parts.is_empty() && outcome.errors.is_empty() && outcome.column.null_count() == 0 && rest.len() == scope.len {
            return outcome;
        }
        let failed = failed_rows(&outcome.errors, rest.len());
        let decided = |i: usize| failed.value(i) || outcome.column.is_valid(i);
        let (done, open): (Vec<usize>, Vec<usize>) = (0..rest.len()).partition(|i| decided(*i));
        let positions: Vec<u32> = done.iter().map(|i| *i as u32).collect();
        let kept = kept_rows(&outcome, &positions);
        parts.push((done.iter().map(|i| rest[*i]).collect(), kept));
        rest = open.iter().map(|i| rest[*i]).collect();
    }
    scatter(scope.len, ty, parts)
}

/// An outcome cut down to some of its rows, in ascending order.
fn kept_rows(outcome: &Outcome, rows: &[u32]) -> Outcome {
    let column: ArrayRef = super::take(&outcome.column, &rows.to_vec().into());
    let errors = outcome.errors.iter().filter_map(|e| {
        let row = rows.binary_search(&e.row).ok()?;
        Some(RowError { row: row as u32, message: e.message.clone() })
    });
    Outcome { column, errors: errors.collect() }
}

fn failed_rows(errors: &[RowError], len: usize) -> BooleanBuffer {
    if errors.is_empty() {
        return BooleanBuffer::new_unset(len);
    }
    let mut failed = vec![false; len];
    errors.iter().for_each(|error| failed[error.row as usize] = true);
    failed.into()
}
