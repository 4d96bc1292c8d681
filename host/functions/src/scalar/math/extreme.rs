//! The extreme of any number of arguments of one type: what GREATEST and LEAST share.

use std::cmp::Ordering;
use std::marker::PhantomData;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, Time32MillisecondType, TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use calzone_types::cast::{cast_column, common_type};
use calzone_types::{ColumnBuilder, SqlType, value_at};

use crate::signature::Returns;
use crate::{
    Argument, ArgumentType, Binding, Evaluated, Parameter, ParameterType, RowError, Scalar, ScalarDefinition, ScalarOverload,
    Signature,
};

/// GREATEST or LEAST.
pub(super) trait Extreme: 'static {
    /// How the value that wins compares to the other.
    const WINS: Ordering;
}

pub(super) fn definition<F: Extreme>(
    name: &str,
    description: &str,
    examples: &[(&'static str, &'static str)],
) -> ScalarDefinition {
    let make = |binding: &Binding| -> Result<Box<dyn Scalar>, String> {
        Ok(Box::new(OfColumns::<F> { types: binding.arguments.clone(), returns: binding.returns.clone(), function: PhantomData }))
    };
    let overload = |ty: ParameterType, returns: Returns| {
        let parameters =
            vec![Parameter::new("first", ty.clone(), "a value"), Parameter::new("others", ty, "more values of the same type")];
        ScalarOverload::new(description, Signature::variadic(parameters, returns), make)
    };
    let mut overloads: Vec<ScalarOverload> = [
        SqlType::Integer,
        SqlType::Bigint,
        SqlType::Double,
        SqlType::Varchar,
        SqlType::Bytes,
        SqlType::Date,
        SqlType::Time,
        SqlType::Timestamp,
    ]
    .into_iter()
    .map(|ty| overload(ty.clone().into(), ty.into()))
    .collect();
    overloads.push(overload(ParameterType::AnyDecimal, Returns::Computed(widest)));
    ScalarDefinition::built_in(name, "MATHEMATICAL", description, overloads, examples)
}

/// The DECIMAL that holds the values of all arguments.
fn widest(arguments: &[ArgumentType], _literals: &[Option<calzone_types::Value>]) -> Result<SqlType, String> {
    let mut widest: Option<SqlType> = None;
    for argument in arguments {
        let ArgumentType::Sql(ty) = argument else { continue };
        widest = match widest {
            None => Some(ty.clone()),
            Some(so_far) => Some(common_type(&so_far, ty).ok_or_else(|| format!("{so_far} and {ty} have no common type"))?),
        };
    }
    Ok(widest.unwrap_or_else(|| SqlType::decimal(1, 0)))
}

struct OfColumns<F> {
    types: Vec<SqlType>,
    returns: SqlType,
    function: PhantomData<fn() -> F>,
}

impl<F: Extreme> Scalar for OfColumns<F> {
    fn call(&mut self, arguments: &mut [Argument<'_>], rows: usize) -> Evaluated {
        let mut best: Option<ArrayRef> = None;
        let mut errors = Vec::new();
        for (argument, ty) in arguments.iter().zip(&self.types) {
            let (column, failed) = cast_column(argument.column(), ty, &self.returns);
            errors.extend(failed.into_iter().map(|(row, message)| RowError { row, message }));
            best = Some(match best {
                None => column,
                Some(best) => self.pick(&best, &column),
            });
        }
        errors.sort_by_key(|e| e.row);
        let column = best.unwrap_or_else(|| arrow_array::new_null_array(&self.returns.to_arrow(), rows));
        Evaluated { column, errors }
    }
}

impl<F: Extreme> OfColumns<F> {
    fn pick(&self, a: &ArrayRef, b: &ArrayRef) -> ArrayRef {
        match self.returns {
            SqlType::Integer => primitive::<F, Int32Type>(a, b, Ord::cmp),
            SqlType::Bigint => primitive::<F, Int64Type>(a, b, Ord::cmp),
            SqlType::Double => primitive::<F, Float64Type>(a, b, f64::total_cmp),
            SqlType::Decimal { .. } => primitive::<F, Decimal128Type>(a, b, Ord::cmp),
            SqlType::Date => primitive::<F, Date32Type>(a, b, Ord::cmp),
            SqlType::Time => primitive::<F, Time32MillisecondType>(a, b, Ord::cmp),
            SqlType::Timestamp => primitive::<F, TimestampMillisecondType>(a, b, Ord::cmp),
            _ => {
                let mut builder = ColumnBuilder::new(&self.returns, a.len());
                for row in 0..a.len() {
                    let (x, y) = (value_at(a, row), value_at(b, row));
                    let second = x.is_null() || (!y.is_null() && y.compare(&x) == F::WINS);
                    builder.push(if second { &y } else { &x });
                }
                builder.finish()
            }
        }
    }
}

fn primitive<F: Extreme, T: ArrowPrimitiveType>(
    a: &ArrayRef,
    b: &ArrayRef,
    compare: impl Fn(&T::Native, &T::Native) -> Ordering,
) -> ArrayRef {
    let (a, b) = (a.as_primitive::<T>(), b.as_primitive::<T>());
    let picked: PrimitiveArray<T> = a
        .iter()
        .zip(b.iter())
        .map(|(x, y)| match (x, y) {
            (Some(x), Some(y)) => Some(if compare(&y, &x) == F::WINS { y } else { x }),
            (x, y) => x.or(y),
        })
        .collect();
    Arc::new(picked.with_data_type(a.data_type().clone()))
}
