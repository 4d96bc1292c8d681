//! SELECT: columns computed anew.

use std::sync::Arc;

use arrow_array::ArrayRef;
use calzone_plan::{Expr, ExprKind};
use calzone_types::{Batch, Side};

use crate::environment::Environment;
use crate::error::{ErrorClass, ExecError};
use crate::expression::{Evaluator, Rows};
use crate::operator::{Context, Operator};

/// Computes columns. A failing expression is null in its row and reported.
pub(crate) struct Project {
    columns: Vec<Column>,
    /// Is the old side wanted by those downstream?
    needs_old: bool,
    step: Arc<str>,
}

enum Column {
    /// An input column as it is.
    Reference(usize),
    /// An input column, null for records without a value: what belongs to the value went with it.
    OfValue(usize),
    Computed {
        evaluator: Evaluator,
        for_dead: bool,
    },
}

impl Project {
    /// `reads_key_only(i)`: column i depends on nothing but the key, so that it has a value for tombstones too.
    /// `keeps_dead(i)`: so has column i if it is a plain reference.
    pub fn new(
        columns: &[Expr],
        reads_key_only: impl Fn(usize) -> bool,
        keeps_dead: impl Fn(usize) -> bool,
        needs_old: bool,
        step: &str,
        environment: &mut dyn Environment,
    ) -> Result<Project, ExecError> {
        let columns = columns
            .iter()
            .enumerate()
            .map(|(i, expression)| match expression.kind {
                ExprKind::Column(position) if keeps_dead(i) => Ok(Column::Reference(position)),
                ExprKind::Column(position) => Ok(Column::OfValue(position)),
                _ => Evaluator::new(expression, environment)
                    .map(|evaluator| Column::Computed { evaluator, for_dead: reads_key_only(i) }),
            })
            .collect::<Result<_, _>>()
            .map_err(ExecError::Plan)?;
        Ok(Project { columns, needs_old, step: step.into() })
    }

    fn side(&mut self, batch: &Batch, side: &Side, mut report: impl FnMut(Vec<calzone_functions::RowError>)) -> Side {
        let rows = Rows::side(batch, side);
        let columns: Vec<ArrayRef> = self
            .columns
            .iter_mut()
            .map(|column| match column {
                Column::Reference(position) => side.columns[*position].clone(),
                Column::OfValue(position) => match &side.live {
                    None => side.columns[*position].clone(),
                    Some(live) => {
                        let rows = (0..live.len()).map(|row| live.value(row).then_some(row as u32));
                        let rows: arrow_array::UInt32Array = rows.collect();
                        arrow_select::take::take(&side.columns[*position], &rows, None).expect("rows lie inside the batch")
                    }
                },
                Column::Computed { evaluator, for_dead } => {
                    let evaluated = match &side.live {
                        Some(live) if !*for_dead => evaluator.evaluate_selected(rows, live),
                        _ => evaluator.evaluate(rows),
                    };
                    report(evaluated.errors);
                    evaluated.column
                }
            })
            .collect();
        Side { columns, live: side.live.clone() }
    }
}

impl Operator for Project {
    fn process(&mut self, _: usize, mut batch: Batch, context: &mut Context<'_>) -> Result<Option<Batch>, ExecError> {
        let step = self.step.clone();
        let mut failed = Vec::new();
        let new = self.side(&batch, &batch.new, |errors| {
            if !errors.is_empty() {
                failed.extend(errors.iter().map(|error| error.row));
                context.report(ErrorClass::Expression, &step, &batch.origin, errors);
            }
        });
        // An old row was reported when it was new.
        let old = match &batch.old {
            Some(old) if self.needs_old => Some(self.side(&batch, old, |_| {})),
            _ => None,
        };
        batch.new = new;
        batch.old = old;
        Ok(Some(context.leave_out(ErrorClass::Expression, batch, &failed)))
    }
}

/// Does the expression read only these input columns (and no window bounds or times)?
pub(crate) fn reads_only(expression: &Expr, positions: &[usize]) -> bool {
    let all = |items: &[Expr]| items.iter().all(|e| reads_only(e, positions));
    match &expression.kind {
        ExprKind::Literal(_) | ExprKind::Parameter(_) => true,
        ExprKind::Column(position) => positions.contains(position),
        ExprKind::WindowStart | ExprKind::WindowEnd | ExprKind::Rowtime => true,
        ExprKind::Call { arguments, .. } => all(arguments),
        ExprKind::Lambda { body, .. } => reads_only(body, positions),
        ExprKind::Cast(e) | ExprKind::Negate(e) | ExprKind::Not(e) | ExprKind::IsNull(e) => reads_only(e, positions),
        ExprKind::Field { base, .. } => reads_only(base, positions),
        ExprKind::Arithmetic { left, right, .. } | ExprKind::Compare { left, right, .. } => {
            reads_only(left, positions) && reads_only(right, positions)
        }
        ExprKind::And(left, right) | ExprKind::Or(left, right) => reads_only(left, positions) && reads_only(right, positions),
        ExprKind::In { operand, list } => reads_only(operand, positions) && all(list),
        ExprKind::Like { operand, pattern, .. } => reads_only(operand, positions) && reads_only(pattern, positions),
        ExprKind::Case { branches, otherwise } => {
            branches.iter().all(|(a, b)| reads_only(a, positions) && reads_only(b, positions))
                && otherwise.as_ref().is_none_or(|e| reads_only(e, positions))
        }
        ExprKind::Subscript { base, index } => reads_only(base, positions) && reads_only(index, positions),
        ExprKind::Array(items) | ExprKind::Struct(items) => all(items),
        ExprKind::Map(entries) => entries.iter().all(|(a, b)| reads_only(a, positions) && reads_only(b, positions)),
    }
}
