//! Functions of one or two numbers that give a DOUBLE: each takes INTEGER, BIGINT and DOUBLE.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array};
use arrow_buffer::NullBuffer;
use calzone_types::SqlType;

use crate::{Argument, Binding, Evaluated, Parameter, Scalar, ScalarDefinition, ScalarOverload, Signature};

/// The types that these functions are declared for; a DECIMAL becomes a DOUBLE.
const NUMBERS: [SqlType; 3] = [SqlType::Integer, SqlType::Bigint, SqlType::Double];

/// A function of one number. A type rather than a closure, so that the loop is compiled for each.
pub(super) trait UnaryDouble: 'static {
    fn apply(x: f64) -> f64;
}

/// A function of two numbers.
pub(super) trait BinaryDouble: 'static {
    fn apply(x: f64, y: f64) -> f64;
}

pub(super) fn unary<F: UnaryDouble>(
    name: &str,
    description: &str,
    examples: &[(&'static str, &'static str)],
) -> ScalarDefinition {
    let overloads = NUMBERS.map(|ty| {
        let signature = Signature::new(vec![Parameter::new("value", ty, "")], SqlType::Double.into());
        ScalarOverload::new(description, signature, |_: &Binding| Ok(Box::new(Unary::<F>(PhantomData))))
    });
    ScalarDefinition::built_in(name, "MATHEMATICAL", description, overloads.to_vec(), examples)
}

pub(super) fn binary<F: BinaryDouble>(
    name: &str,
    description: &str,
    parameters: [&str; 2],
    examples: &[(&'static str, &'static str)],
) -> ScalarDefinition {
    let overloads = NUMBERS.map(|ty| {
        let parameters = parameters.map(|parameter| Parameter::new(parameter, ty.clone(), "")).to_vec();
        let signature = Signature::new(parameters, SqlType::Double.into());
        ScalarOverload::new(description, signature, |_: &Binding| Ok(Box::new(Binary::<F>(PhantomData))))
    });
    ScalarDefinition::built_in(name, "MATHEMATICAL", description, overloads.to_vec(), examples)
}

struct Unary<F>(PhantomData<fn() -> F>);

impl<F: UnaryDouble> Scalar for Unary<F> {
    fn call(&mut self, arguments: &mut [Argument<'_>], _rows: usize) -> Evaluated {
        let result: Float64Array = doubles(arguments[0].column()).unary(F::apply);
        (Arc::new(result) as ArrayRef).into()
    }
}

struct Binary<F>(PhantomData<fn() -> F>);

impl<F: BinaryDouble> Scalar for Binary<F> {
    fn call(&mut self, arguments: &mut [Argument<'_>], _rows: usize) -> Evaluated {
        let (a, b) = (doubles(arguments[0].column()), doubles(arguments[1].column()));
        let values: Vec<f64> = a.values().iter().zip(b.values()).map(|(x, y)| F::apply(*x, *y)).collect();
        (Arc::new(Float64Array::new(values.into(), NullBuffer::union(a.nulls(), b.nulls()))) as ArrayRef).into()
    }
}

/// A numeric column as doubles.
pub(super) fn doubles(column: &ArrayRef) -> Float64Array {
    if let Some(integers) = column.as_primitive_opt::<Int32Type>() {
        return integers.unary(f64::from);
    }
    if let Some(bigints) = column.as_primitive_opt::<Int64Type>() {
        return bigints.unary(|v| v as f64);
    }
    match column.as_primitive_opt::<Float64Type>() {
        Some(doubles) => doubles.clone(),
        None => Float64Array::new_null(column.len()),
    }
}
