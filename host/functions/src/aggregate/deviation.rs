//! Variance by the method of Youngs and Cramer, which needs one pass: what STDDEV_SAMP and STDDEV_SAMPLE share.

use arrow_array::ArrayRef;
use calzone_types::{Field, SqlType, Value};

use super::state::{double_at, mismatch, structure};
use crate::definition::MakeAggregate;
use crate::{Aggregate, AggregateDefinition, AggregateOverload, Parameter, Signature};

pub(super) fn definition(name: &str, description: &str, make: MakeAggregate) -> AggregateDefinition {
    let overloads = [SqlType::Integer, SqlType::Bigint, SqlType::Double].map(|ty| {
        let signature = Signature::new(vec![Parameter::new("value", ty, "")], SqlType::Double.into());
        AggregateOverload::new(description, signature, 0, make)
    });
    AggregateDefinition::built_in(name, description, overloads.to_vec())
}

/// The state is the count, the sum, and the sum of squared distances from the mean (M2).
pub(super) struct Deviation {
    /// Made of the variance.
    pub(super) result: fn(f64) -> f64,
}

struct Moments<'a> {
    count: &'a mut i64,
    sum: &'a mut f64,
    m2: &'a mut f64,
}

fn moments(state: &mut Value) -> Result<Moments<'_>, String> {
    match structure::<3>(state)? {
        [Value::Bigint(count), Value::Double(sum), Value::Double(m2)] => Ok(Moments { count, sum, m2 }),
        _ => Err(mismatch()),
    }
}

impl Aggregate for Deviation {
    fn state_type(&self) -> SqlType {
        SqlType::structure([
            Field::new("COUNT", SqlType::Bigint),
            Field::new("SUM", SqlType::Double),
            Field::new("M2", SqlType::Double),
        ])
    }

    fn result_type(&self) -> SqlType {
        SqlType::Double
    }

    fn initial(&self) -> Value {
        Value::Struct(vec![Value::Bigint(0), Value::Double(0.0), Value::Double(0.0)])
    }

    fn accumulate(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        let Some(value) = double_at(&arguments[0], row) else { return Ok(()) };
        let Moments { count, sum, m2 } = moments(state)?;
        *count += 1;
        *sum += value;
        if *count > 1 {
            let n = *count as f64;
            *m2 += (n * value - *sum).powi(2) / (n * (n - 1.0));
        }
        Ok(())
    }

    fn retract(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        let Some(value) = double_at(&arguments[0], row) else { return Ok(()) };
        let Moments { count, sum, m2 } = moments(state)?;
        let n = *count as f64;
        if *count > 1 {
            *m2 -= (n * value - *sum).powi(2) / (n * (n - 1.0));
        }
        *count -= 1;
        *sum -= value;
        if *count < 2 {
            *m2 = 0.0;
        }
        Ok(())
    }

    fn can_retract(&self) -> bool {
        true
    }

    fn merge(&self, mut older: Value, mut newer: Value) -> Result<Value, String> {
        let (a, b) = (moments(&mut older)?, moments(&mut newer)?);
        if *a.count > 0 && *b.count > 0 {
            let (n, m) = (*a.count as f64, *b.count as f64);
            *a.m2 += *b.m2 + n / (m * (n + m)) * (m / n * *a.sum - *b.sum).powi(2);
        } else {
            *a.m2 += *b.m2;
        }
        *a.sum += *b.sum;
        *a.count += *b.count;
        Ok(older)
    }

    fn result(&self, state: &Value) -> Value {
        let Value::Struct(fields) = state else { return Value::Null };
        match fields.as_slice() {
            [Value::Bigint(count), _, Value::Double(m2)] if *count > 1 => Value::Double((self.result)(*m2 / (*count - 1) as f64)),
            _ => Value::Double(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use calzone_types::column_from_values;

    use super::*;

    #[test]
    fn parts_add_up_and_come_off_again() {
        let deviation = Deviation { result: f64::sqrt };
        let values = [10.0, 12.0, 13.0, 14.0, 16.0].map(Value::Double);
        let column = [column_from_values(&SqlType::Double, &values)];
        let of = |rows: std::ops::Range<usize>| {
            let mut state = deviation.initial();
            rows.for_each(|row| deviation.accumulate(&mut state, &column, row).unwrap());
            state
        };
        let close = |state: &Value, expected: f64| {
            let Value::Double(v) = deviation.result(state) else { panic!("a double") };
            assert!((v - expected).abs() < 1e-12, "{v} is not {expected}");
        };
        close(&of(0..1), 0.0);
        close(&of(0..5), 5f64.sqrt());
        close(&deviation.merge(of(0..2), of(2..5)).unwrap(), 5f64.sqrt());
        close(&deviation.merge(deviation.initial(), of(0..5)).unwrap(), 5f64.sqrt());
        let mut state = of(0..5);
        (3..5).for_each(|row| deviation.retract(&mut state, &column, row).unwrap());
        close(&state, (7.0f64 / 3.0).sqrt());
    }
}
