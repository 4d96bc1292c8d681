//! Comparisons and IN. A comparison with null is false, not null, as in ksqlDB.

use arrow_array::Array;
use arrow_buffer::BooleanBuffer;
use calzone_sql::ast::CompareOp as Op;
use calzone_types::cast::{CompareOp, compare_columns};

use super::{Node, Outcome, Scope, also, booleans, truth};

pub(super) fn compare(op: Op, left: &mut Node, right: &mut Node, scope: &Scope<'_>) -> Outcome {
    let (left, right) = (left.evaluate(scope), right.evaluate(scope));
    let compared = |op: CompareOp| truth(&compare_columns(op, &left.column, &right.column));
    let values = match op {
        Op::Equal => compared(CompareOp::Eq),
        Op::NotEqual => compared(CompareOp::Ne),
        Op::Less => compared(CompareOp::Lt),
        Op::LessOrEqual => compared(CompareOp::Le),
        Op::Greater => compared(CompareOp::Gt),
        Op::GreaterOrEqual => compared(CompareOp::Ge),
        Op::IsDistinctFrom => !&same(&compared(CompareOp::Eq), &left, &right),
        Op::IsNotDistinctFrom => same(&compared(CompareOp::Eq), &left, &right),
    };
    Outcome { column: booleans(values, None), errors: also(left.errors, right.errors) }
}

/// Equal, or both null.
fn same(equal: &BooleanBuffer, left: &Outcome, right: &Outcome) -> BooleanBuffer {
    BooleanBuffer::collect_bool(equal.len(), |row| equal.value(row) || (left.column.is_null(row) && right.column.is_null(row)))
}

/// True where the operand equals an item; items are evaluated only until all rows are decided.
pub(super) fn is_in(operand: &mut Node, list: &mut [Node], scope: &Scope<'_>) -> Outcome {
    let operand = operand.evaluate(scope);
    let mut errors = operand.errors;
    let mut found = BooleanBuffer::new_unset(scope.len);
    for item in list {
        let item = item.evaluate(scope);
        found = &found | &truth(&compare_columns(CompareOp::Eq, &operand.column, &item.column));
        errors = also(errors, item.errors);
    }
    Outcome { column: booleans(found, None), errors }
}
