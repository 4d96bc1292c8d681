//! How a scalar or table function is run: a call for a batch, columns in, a column and row errors out.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use calzone_types::{Origin, SizeLimit, SqlType, VALUE_BYTES_MAX, Value};

/// A function bound to its argument types, with whatever it keeps between calls. Each task has its own.
///
/// A table function is the same with a column of ARRAYs: the elements are the rows it makes; null or an error makes none.
pub trait Scalar: Send {
    /// Evaluates `rows` rows. All argument columns have that length; so has the answer.
    fn call(&mut self, arguments: &mut [Argument<'_>], rows: usize) -> Evaluated;

    /// Does the function draw random numbers that must repeat themselves when a record is processed again?
    fn wants_origin(&self) -> bool {
        false
    }

    /// Before a call, if it wants that: the records that the call's rows come from.
    fn set_origin(&mut self, _: &Origin) {}
}

/// One argument of a call.
pub enum Argument<'a> {
    Column(ArrayRef),
    Lambda(&'a mut dyn LambdaEvaluator),
}

impl Argument<'_> {
    /// The column; a lambda in this place is a fault of the planner and panics.
    pub fn column(&self) -> &ArrayRef {
        match self {
            Argument::Column(column) => column,
            Argument::Lambda(_) => panic!("the planner put a lambda where a column belongs"),
        }
    }
}

/// The body of a lambda, with the row's columns it refers to already bound.
pub trait LambdaEvaluator {
    /// Evaluates the body once per row of `parameters` (all of one length). `outer_rows[i]` is the row of the call's batch
    /// that evaluation `i` belongs to, from which columns that the body refers to are taken.
    fn evaluate(&mut self, parameters: &[ArrayRef], outer_rows: &[u32]) -> Evaluated;

    /// Type of the body.
    fn output_type(&self) -> &SqlType;
}

/// A column, and the rows that failed (null in the column), in row order.
#[derive(Clone, Debug)]
pub struct Evaluated {
    pub column: ArrayRef,
    pub errors: Vec<RowError>,
}

/// Why one row has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    pub row: u32,
    pub message: String,
}

impl From<ArrayRef> for Evaluated {
    fn from(column: ArrayRef) -> Evaluated {
        Evaluated { column, errors: Vec::new() }
    }
}

/// Refuses a result of so many bytes or elements before it is made, for functions whose results may be far larger than
/// their arguments.
pub fn check_size(bytes: usize) -> Result<(), String> {
    if bytes <= VALUE_BYTES_MAX {
        return Ok(());
    }
    Err(format!("The result would have more than {VALUE_BYTES_MAX} bytes."))
}

/// Runs `function` row by row on [`Value`]s: the simple way, for functions off the hot path.
pub struct PerRow<F> {
    pub returns: SqlType,
    pub function: F,
}

impl<F: FnMut(&[Value]) -> Result<Value, String> + Send> Scalar for PerRow<F> {
    fn call(&mut self, arguments: &mut [Argument<'_>], rows: usize) -> Evaluated {
        let mut builder = calzone_types::ColumnBuilder::new(&self.returns, rows);
        let (mut errors, mut limit) = (Vec::new(), SizeLimit::default());
        let mut values = Vec::with_capacity(arguments.len());
        for row in 0..rows {
            values.clear();
            values.extend(arguments.iter().map(|a| calzone_types::value_at(a.column(), row)));
            match (self.function)(&values).and_then(|value| limit.take_value(&value).map(|()| value)) {
                Ok(value) => builder.push(&value),
                Err(message) => {
                    builder.push_null();
                    errors.push(RowError { row: row as u32, message });
                }
            }
        }
        Evaluated { column: builder.finish(), errors }
    }
}

/// A boxed [`PerRow`].
pub fn per_row(
    returns: &SqlType,
    function: impl FnMut(&[Value]) -> Result<Value, String> + Send + 'static,
) -> Result<Box<dyn Scalar>, String> {
    Ok(Box::new(PerRow { returns: returns.clone(), function }))
}

/// A boxed [`PerRow`] that gives null where any argument is null.
pub fn per_row_of_values(
    returns: &SqlType,
    mut function: impl FnMut(&[Value]) -> Result<Value, String> + Send + 'static,
) -> Result<Box<dyn Scalar>, String> {
    per_row(returns, move |values| if values.iter().any(Value::is_null) { Ok(Value::Null) } else { function(values) })
}

/// A function that takes whole columns and gives a column, without row errors.
pub struct Columnar<F>(pub F);

impl<F: FnMut(&[ArrayRef], usize) -> ArrayRef + Send> Scalar for Columnar<F> {
    fn call(&mut self, arguments: &mut [Argument<'_>], rows: usize) -> Evaluated {
        let columns: Vec<ArrayRef> = arguments.iter().map(|a| a.column().clone()).collect();
        (self.0)(&columns, rows).into()
    }
}

/// As [`Columnar`], for functions whose rows may fail.
pub struct Fallible<F>(pub F);

impl<F: FnMut(&[ArrayRef], usize) -> Evaluated + Send> Scalar for Fallible<F> {
    fn call(&mut self, arguments: &mut [Argument<'_>], rows: usize) -> Evaluated {
        let columns: Vec<ArrayRef> = arguments.iter().map(|a| a.column().clone()).collect();
        (self.0)(&columns, rows)
    }
}

/// A boxed [`Fallible`].
pub fn fallible(function: impl FnMut(&[ArrayRef], usize) -> Evaluated + Send + 'static) -> Result<Box<dyn Scalar>, String> {
    Ok(Box::new(Fallible(function)))
}

/// A boxed [`Columnar`].
pub fn columnar(function: impl FnMut(&[ArrayRef], usize) -> ArrayRef + Send + 'static) -> Result<Box<dyn Scalar>, String> {
    Ok(Box::new(Columnar(function)))
}

/// Maps each text of a column to a text that `function` appends to the builder with [`std::fmt::Write`] only. Nulls stay.
pub fn map_text(column: &ArrayRef, mut function: impl FnMut(&str, &mut StringBuilder)) -> ArrayRef {
    let texts = column.as_string::<i32>();
    let mut builder = StringBuilder::with_capacity(texts.len(), texts.value_data().len());
    for text in texts {
        match text {
            Some(text) => {
                function(text, &mut builder);
                // Ends the row that the function wrote.
                builder.append_value("");
            }
            None => builder.append_null(),
        }
    }
    Arc::new(builder.finish())
}
