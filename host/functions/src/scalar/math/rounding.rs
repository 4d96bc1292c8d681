//! What ROUND and TRUNC share: overloads, and dropping digits of decimals.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, Decimal128Array, Float64Array};
use calzone_types::decimal::pow10;
use calzone_types::{Decimal, SqlType, Value};

use super::of_same_type::{checked_decimals, first_argument};
use crate::signature::Returns;
use crate::{
    Argument, ArgumentType, Binding, Evaluated, Parameter, ParameterType, RowError, Scalar, ScalarDefinition, ScalarOverload,
    Signature,
};

/// ROUND or TRUNC.
pub(super) trait Rounding: 'static {
    /// The whole number for a double.
    fn whole(x: f64) -> i64;
    /// `unscaled / factor` in the function's way of rounding; `factor` is a positive power of ten.
    fn drop_digits(unscaled: i128, factor: i128) -> i128;
}

pub(super) fn definition<F: Rounding>(
    name: &str,
    description: &str,
    examples: &[(&'static str, &'static str)],
) -> ScalarDefinition {
    let make = |binding: &Binding| -> Result<Box<dyn Scalar>, String> {
        Ok(Box::new(Rounded::<F> { returns: binding.returns.clone(), function: PhantomData }))
    };
    let value = |ty: ParameterType| Parameter::new("value", ty, "the number");
    let places = || Parameter::new("places", SqlType::Integer, "decimal places to keep; negative for places before the point");
    let overload = |parameters: Vec<Parameter>, returns: Returns| {
        ScalarOverload::new(description, Signature::new(parameters, returns), make)
    };
    let overloads = vec![
        overload(vec![value(SqlType::Integer.into())], SqlType::Integer.into()),
        overload(vec![value(SqlType::Bigint.into())], SqlType::Bigint.into()),
        overload(vec![value(SqlType::Double.into())], SqlType::Bigint.into()),
        overload(vec![value(ParameterType::AnyDecimal)], Returns::Computed(without_fraction)),
        overload(vec![value(SqlType::Double.into()), places()], SqlType::Double.into()),
        overload(vec![value(ParameterType::AnyDecimal), places()], Returns::Computed(first_argument)),
    ];
    ScalarDefinition::built_in(name, "MATHEMATICAL", description, overloads, examples)
}

/// DECIMAL(p, s) becomes DECIMAL(p - s, 0).
fn without_fraction(arguments: &[ArgumentType], literals: &[Option<Value>]) -> Result<SqlType, String> {
    match first_argument(arguments, literals)? {
        SqlType::Decimal { precision, scale } => Ok(SqlType::decimal(precision.saturating_sub(scale).max(1), 0)),
        other => Ok(other),
    }
}

struct Rounded<F> {
    returns: SqlType,
    function: PhantomData<fn() -> F>,
}

impl<F: Rounding> Scalar for Rounded<F> {
    fn call(&mut self, arguments: &mut [Argument<'_>], rows: usize) -> Evaluated {
        let value = arguments[0].column().clone();
        let places = arguments.get(1).map(|argument| argument.column().as_primitive::<Int32Type>());
        if let Some(doubles) = value.as_primitive_opt::<Float64Type>() {
            return match places {
                None => (Arc::new(doubles.unary::<_, Int64Type>(F::whole)) as ArrayRef).into(),
                Some(places) => {
                    let mut errors = Vec::new();
                    let rounded = doubles.iter().zip(places.iter()).enumerate().map(|(row, (x, places))| {
                        let (x, places) = (x?, places?);
                        if !x.is_finite() {
                            errors.push(RowError { row: row as u32, message: format!("{x} has no digits to round.") });
                            return None;
                        }
                        Some(round_double::<F>(x, places))
                    });
                    let column: Float64Array = rounded.collect();
                    Evaluated { column: Arc::new(column), errors }
                }
            };
        }
        if let (Some(decimals), SqlType::Decimal { precision, scale }) =
            (value.as_primitive_opt::<Decimal128Type>(), &self.returns)
        {
            let from = i32::from(decimals.scale());
            let rounded: Decimal128Array = match places {
                None => decimals.unary(|v| drop_places::<F>(v, from)),
                Some(places) => decimals
                    .iter()
                    .zip(places.iter())
                    .map(|(v, places)| {
                        let (v, dropped) = (v?, from.saturating_sub(places?));
                        // What was dropped comes back as zeros: the type keeps its scale.
                        let factor = u16::try_from(dropped).ok().filter(|d| *d > 0).map_or(Some(1), pow10);
                        Some(factor.map_or(0, |factor| drop_places::<F>(v, dropped).saturating_mul(factor)))
                    })
                    .collect(),
            };
            return checked_decimals(rounded, *precision, *scale);
        }
        // INTEGER and BIGINT have nothing after the point.
        debug_assert_eq!(value.len(), rows);
        value.into()
    }
}

/// The number without its last `dropped` digits; as it is if that is not positive.
fn drop_places<F: Rounding>(unscaled: i128, dropped: i32) -> i128 {
    match u16::try_from(dropped) {
        Err(_) if dropped < 0 => unscaled,
        Ok(0) => unscaled,
        Ok(dropped) => pow10(dropped).map_or(0, |factor| F::drop_digits(unscaled, factor)),
        Err(_) => 0,
    }
}

/// By way of the shortest decimal text of the double, as `BigDecimal.valueOf(x).setScale(places)` does: 1.005 has the
/// digits one sees, not those of its binary value.
fn round_double<F: Rounding>(x: f64, places: i32) -> f64 {
    let Some(decimal) = Decimal::from_f64(x) else {
        // Beyond 38 digits a double has no places after the point, and none that rounding could show.
        return x;
    };
    let dropped = i32::from(decimal.scale).saturating_sub(places);
    if dropped <= 0 {
        return x;
    }
    let kept = drop_places::<F>(decimal.unscaled, dropped);
    // `kept × 10^-places`, read as text so that it is rounded to a double only once.
    format!("{kept}e{}", -i64::from(places)).parse().unwrap_or(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Up;

    impl Rounding for Up {
        fn whole(x: f64) -> i64 {
            x as i64
        }

        fn drop_digits(unscaled: i128, factor: i128) -> i128 {
            (unscaled + factor / 2).div_euclid(factor)
        }
    }

    #[test]
    fn doubles_round_by_their_digits() {
        for (x, places, expected) in [
            (1.005, 2, 1.01),
            (-1.5, 0, -1.0),
            (-1.1, -1, 0.0),
            (12345.678, -1, 12350.0),
            (1.2, 10, 1.2),
            (1e300, 2, 1e300),
            (1e-300, 2, 0.0),
            (5.0, i32::MIN, 0.0),
        ] {
            assert_eq!(round_double::<Up>(x, places), expected, "{x} to {places}");
        }
    }
}
