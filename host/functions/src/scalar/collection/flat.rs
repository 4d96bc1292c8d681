//! The elements of a batch's arrays or maps one after the other, so that a lambda is evaluated once for all of them.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use calzone_types::SqlType;
use calzone_types::cast::cast_column;

use crate::{Argument, Evaluated, RowError};

/// The elements of all rows that are not null.
pub(super) struct Flat {
    /// The elements of arrays; or keys and values of maps.
    pub columns: Vec<ArrayRef>,
    /// The row that each element comes from, ascending.
    pub rows: Vec<u32>,
    /// Elements `offsets[r]..offsets[r + 1]` are those of row r.
    pub offsets: Vec<usize>,
    /// Rows without an array.
    pub nulls: Option<NullBuffer>,
}

/// Takes a column of arrays or maps apart.
pub(super) fn flatten(collections: &ArrayRef) -> Flat {
    let (offsets, columns): (&[i32], Vec<ArrayRef>) = match collections.data_type() {
        DataType::Map(..) => {
            let maps = collections.as_map();
            (maps.value_offsets(), vec![maps.keys().clone(), maps.values().clone()])
        }
        _ => {
            let lists = collections.as_list::<i32>();
            (lists.value_offsets(), vec![lists.values().clone()])
        }
    };
    let nulls = collections.nulls().cloned();
    let mut flat = Flat { columns, rows: Vec::new(), offsets: Vec::with_capacity(offsets.len()), nulls };
    flat.offsets.push(0);
    let mut indices: Vec<u32> = Vec::new();
    for (row, bounds) in offsets.windows(2).enumerate() {
        // A null may hide elements in the buffers below it.
        if collections.is_valid(row) {
            indices.extend(bounds[0] as u32..bounds[1] as u32);
            flat.rows.resize(indices.len(), row as u32);
        }
        flat.offsets.push(indices.len());
    }
    let (first, count) = (offsets.first().map_or(0, |o| *o as usize), indices.len());
    if offsets.last().is_some_and(|last| *last as usize - first == count) {
        flat.columns.iter_mut().for_each(|column| *column = column.slice(first, count));
    } else {
        let indices = UInt32Array::from(indices);
        let take =
            |column: &ArrayRef| arrow_select::take::take(column, &indices, None).expect("elements lie inside their column");
        flat.columns = flat.columns.iter().map(take).collect();
    }
    flat
}

impl Flat {
    /// Evaluates the lambda in `argument` on every element and converts its results to `ty`. The errors are those of
    /// the batch's rows: a row fails with its first element that fails.
    pub fn evaluate(&self, argument: &mut Argument<'_>, ty: &SqlType) -> Evaluated {
        evaluate_lambda(argument, &self.columns, &self.rows, ty)
    }

    /// The rows' nulls together with the rows that failed.
    pub fn nulls_with(&self, errors: &[RowError]) -> Option<NullBuffer> {
        if errors.is_empty() {
            return self.nulls.clone();
        }
        let rows = self.offsets.len() - 1;
        let mut valid: Vec<bool> = self.nulls.as_ref().map_or_else(|| vec![true; rows], |nulls| nulls.iter().collect());
        errors.iter().for_each(|e| valid[e.row as usize] = false);
        Some(NullBuffer::from(valid))
    }
}

/// Evaluates the lambda in `argument` on columns of its parameters, and converts its results to `ty`.
pub(super) fn evaluate_lambda(argument: &mut Argument<'_>, parameters: &[ArrayRef], rows: &[u32], ty: &SqlType) -> Evaluated {
    let Argument::Lambda(lambda) = argument else { panic!("the planner put a column where a lambda belongs") };
    if rows.is_empty() {
        return arrow_array::new_empty_array(&ty.to_arrow()).into();
    }
    let evaluated = lambda.evaluate(parameters, rows);
    let (column, failed) = cast_column(&evaluated.column, lambda.output_type(), ty);
    let failed = failed.into_iter().map(|(row, message)| RowError { row, message });
    let mut errors: Vec<RowError> = evaluated.errors.into_iter().chain(failed).collect();
    errors.iter_mut().for_each(|e| e.row = rows[e.row as usize]);
    errors.sort_by_key(|e| e.row);
    errors.dedup_by_key(|e| e.row);
    Evaluated { column, errors }
}

/// Errors of several lambdas: the first of each row.
pub(super) fn joined_errors(mut errors: Vec<RowError>, more: Vec<RowError>) -> Vec<RowError> {
    errors.extend(more);
    errors.sort_by_key(|e| e.row);
    errors.dedup_by_key(|e| e.row);
    errors
}
