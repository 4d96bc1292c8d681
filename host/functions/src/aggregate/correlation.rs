//! `CORRELATION`.

use std::sync::Arc;

use arrow_array::ArrayRef;
use calzone_types::{Field, SqlType, Value};

use super::state::{bigint, double, double_at, structure};
use crate::{Aggregate, AggregateDefinition, AggregateExample, AggregateOverload, Parameter, Signature};

pub fn definition() -> AggregateDefinition {
    let description = "Pearson's correlation of two columns; rows with a null do not count. NaN for fewer than two rows.";
    let overloads = [SqlType::Integer, SqlType::Bigint, SqlType::Double].map(|ty| {
        let parameters = vec![Parameter::new("x", ty.clone(), ""), Parameter::new("y", ty, "")];
        AggregateOverload::new(description, Signature::new(parameters, SqlType::Double.into()), 0, |_, _| {
            Ok(Arc::new(Correlation))
        })
    });
    AggregateDefinition::built_in("CORRELATION", description, overloads.to_vec()).with_examples(&[
        AggregateExample {
            columns: "X INT, Y INT",
            rows: &["1, 2", "2, 4", "NULL, 0", "3, 6"],
            expression: "ROUND(CORRELATION(X, Y), 3)",
            result: "1.0",
        },
        AggregateExample { columns: "X INT, Y INT", rows: &["1, 2"], expression: "CORRELATION(X, Y)", result: r#""NaN""# },
    ])
}

struct Correlation;

/// The sums after the count, in the state's order.
const SUMS: [&str; 5] = ["SUM_X", "SUM_Y", "SUM_XX", "SUM_YY", "SUM_XY"];

impl Correlation {
    fn add(&self, state: &mut Value, arguments: &[ArrayRef], row: usize, sign: f64) -> Result<(), String> {
        let (Some(x), Some(y)) = (double_at(&arguments[0], row), double_at(&arguments[1], row)) else { return Ok(()) };
        let [count, sums @ ..] = structure::<6>(state)?;
        *bigint(count)? += sign as i64;
        for (sum, term) in sums.iter_mut().zip([x, y, x * x, y * y, x * y]) {
            *double(sum)? += sign * term;
        }
        Ok(())
    }
}

impl Aggregate for Correlation {
    fn state_type(&self) -> SqlType {
        let sums = SUMS.map(|name| Field::new(name, SqlType::Double));
        SqlType::structure(std::iter::once(Field::new("COUNT", SqlType::Bigint)).chain(sums))
    }

    fn result_type(&self) -> SqlType {
        SqlType::Double
    }

    fn initial(&self) -> Value {
        let mut fields = vec![Value::Bigint(0)];
        fields.resize(1 + SUMS.len(), Value::Double(0.0));
        Value::Struct(fields)
    }

    fn accumulate(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        self.add(state, arguments, row, 1.0)
    }

    fn retract(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        self.add(state, arguments, row, -1.0)
    }

    fn can_retract(&self) -> bool {
        true
    }

    fn merge(&self, mut older: Value, mut newer: Value) -> Result<Value, String> {
        let ([count, sums @ ..], [more, others @ ..]) = (structure::<6>(&mut older)?, structure::<6>(&mut newer)?);
        *bigint(count)? += *bigint(more)?;
        for (sum, other) in sums.iter_mut().zip(others) {
            *double(sum)? += *double(other)?;
        }
        Ok(older)
    }

    fn result(&self, state: &Value) -> Value {
        let Value::Struct(fields) = state else { return Value::Null };
        let numbers: Vec<f64> = fields.iter().filter_map(Value::as_f64).collect();
        let [n, x, y, xx, yy, xy] = numbers[..] else { return Value::Null };
        let covariance = n * xy - x * y;
        Value::Double(covariance / ((n * xx - x * x).sqrt() * (n * yy - y * y).sqrt()))
    }
}

#[cfg(test)]
mod tests {
    use calzone_types::column_from_values;

    use super::*;

    #[test]
    fn lines_correlate() {
        let column = |values: [f64; 3]| column_from_values(&SqlType::Double, &values.map(Value::Double));
        let columns = [column([1.0, 2.0, 4.0]), column([-2.0, -4.0, -8.0])];
        let mut state = Correlation.initial();
        Correlation.accumulate(&mut state, &columns, 0).unwrap();
        assert!(matches!(Correlation.result(&state), Value::Double(v) if v.is_nan()));
        (1..3).for_each(|row| Correlation.accumulate(&mut state, &columns, row).unwrap());
        assert_eq!(Correlation.result(&state), Value::Double(-1.0));
    }
}
