//! Functions of one number that keep its type: INTEGER, BIGINT, DOUBLE and DECIMAL.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{ArrayRef, Decimal128Array, Float64Array, Int32Array, Int64Array};
use calzone_types::SqlType;
use calzone_types::decimal::pow10;

use crate::signature::Returns;
use crate::{
    Argument, ArgumentType, Binding, Evaluated, Parameter, ParameterType, RowError, Scalar, ScalarDefinition, ScalarOverload,
    Signature,
};

/// A function of one number. A type rather than a closure, so that each loop is compiled for it.
pub(super) trait SameType: 'static {
    fn integer(x: i32) -> i32;
    fn bigint(x: i64) -> i64;
    fn double(x: f64) -> f64;
    /// The unscaled result; `one` is the unscaled value of 1.
    fn decimal(unscaled: i128, one: i128) -> i128;
}

pub(super) fn definition<F: SameType>(
    name: &str,
    description: &str,
    examples: &[(&'static str, &'static str)],
) -> ScalarDefinition {
    let make = |binding: &Binding| -> Result<Box<dyn Scalar>, String> {
        Ok(Box::new(Unary::<F> { ty: binding.returns.clone(), function: PhantomData }))
    };
    let mut overloads: Vec<ScalarOverload> = [SqlType::Integer, SqlType::Bigint, SqlType::Double]
        .into_iter()
        .map(|ty| {
            let signature = Signature::new(vec![Parameter::new("value", ty.clone(), "")], ty.into());
            ScalarOverload::new(description, signature, make)
        })
        .collect();
    let parameters = vec![Parameter::new("value", ParameterType::AnyDecimal, "")];
    overloads.push(ScalarOverload::new(description, Signature::new(parameters, Returns::Computed(first_argument)), make));
    ScalarDefinition::built_in(name, "MATHEMATICAL", description, overloads, examples)
}

/// The type of the first argument is the type of the result.
pub(super) fn first_argument(arguments: &[ArgumentType], _literals: &[Option<calzone_types::Value>]) -> Result<SqlType, String> {
    match arguments.first() {
        Some(ArgumentType::Sql(ty)) => Ok(ty.clone()),
        _ => Ok(SqlType::decimal(1, 0)),
    }
}

struct Unary<F> {
    ty: SqlType,
    function: PhantomData<fn() -> F>,
}

impl<F: SameType> Scalar for Unary<F> {
    fn call(&mut self, arguments: &mut [Argument<'_>], rows: usize) -> Evaluated {
        let column = arguments[0].column();
        let result: ArrayRef = match self.ty {
            SqlType::Integer => Arc::new(column.as_primitive::<Int32Type>().unary::<_, Int32Type>(F::integer) as Int32Array),
            SqlType::Bigint => Arc::new(column.as_primitive::<Int64Type>().unary::<_, Int64Type>(F::bigint) as Int64Array),
            SqlType::Double => Arc::new(column.as_primitive::<Float64Type>().unary::<_, Float64Type>(F::double) as Float64Array),
            SqlType::Decimal { precision, scale } => {
                let one = pow10(scale).unwrap_or(i128::MAX);
                let results = column.as_primitive::<Decimal128Type>().unary(|v| F::decimal(v, one));
                return checked_decimals(results, precision, scale);
            }
            _ => arrow_array::new_null_array(&self.ty.to_arrow(), rows),
        };
        result.into()
    }
}

/// A column of DECIMAL(precision, scale) from unscaled numbers; those with too many digits are errors of their rows.
pub(super) fn checked_decimals(unscaled: Decimal128Array, precision: u16, scale: u16) -> Evaluated {
    let ty = SqlType::decimal(precision, scale).to_arrow();
    let limit = pow10(precision).unwrap_or(i128::MAX);
    let fits = |v: i128| v > -limit && v < limit;
    let errors: Vec<RowError> = unscaled
        .iter()
        .enumerate()
        .filter(|(_, v)| v.is_some_and(|v| !fits(v)))
        .map(|(row, _)| RowError { row: row as u32, message: format!("The result does not fit DECIMAL({precision}, {scale}).") })
        .collect();
    let checked: Decimal128Array =
        if errors.is_empty() { unscaled } else { unscaled.iter().map(|v| v.filter(|v| fits(*v))).collect() };
    Evaluated { column: Arc::new(checked.with_data_type(ty)), errors }
}
