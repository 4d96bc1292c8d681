//! `SUM`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use calzone_types::decimal::pow10;
use calzone_types::{Decimal, SqlType, Value};

use super::state::mismatch;
use crate::signature::Returns;
use crate::{
    Aggregate, AggregateDefinition, AggregateExample, AggregateOverload, ArgumentType, Binding, Parameter, ParameterType,
    Signature,
};

pub fn definition() -> AggregateDefinition {
    let description = "The sum of a column, of the column's type; nulls do not count.";
    let make =
        |binding: &Binding, _: &[Value]| -> Result<Arc<dyn Aggregate>, String> { Ok(Arc::new(Sum::of(&binding.arguments)?)) };
    let mut overloads: Vec<AggregateOverload> = [SqlType::Integer, SqlType::Bigint, SqlType::Double]
        .into_iter()
        .map(|ty| {
            let signature = Signature::new(vec![Parameter::new("value", ty.clone(), "")], ty.into());
            AggregateOverload::new(description, signature, 0, make)
        })
        .collect();
    let decimal = Signature::new(vec![Parameter::new("value", ParameterType::AnyDecimal, "")], Returns::Computed(same_type));
    overloads.push(AggregateOverload::new(description, decimal, 0, make));
    AggregateDefinition::built_in("SUM", description, overloads).with_examples(&[
        AggregateExample { columns: "X INT", rows: &["1", "2", "NULL"], expression: "SUM(X)", result: "3" },
        AggregateExample { columns: "X DECIMAL(5, 2)", rows: &["1.50", "2.25"], expression: "SUM(X)", result: "3.75" },
    ])
}

fn same_type(arguments: &[ArgumentType], _literals: &[Option<Value>]) -> Result<SqlType, String> {
    match arguments.first() {
        Some(ArgumentType::Sql(ty)) => Ok(ty.clone()),
        _ => Ok(SqlType::decimal(1, 0)),
    }
}

struct Sum {
    ty: SqlType,
}

impl Sum {
    fn of(arguments: &[SqlType]) -> Result<Sum, String> {
        let ty = arguments.first().ok_or("an argument is missing")?;
        Ok(Sum { ty: ty.clone() })
    }

    /// Adds `sign` times the row's number. INTEGER and BIGINT wrap around.
    fn add(&self, state: &mut Value, arguments: &[ArrayRef], row: usize, sign: i8) -> Result<(), String> {
        let column = &arguments[0];
        if column.is_null(row) {
            return Ok(());
        }
        match (state, &self.ty) {
            (Value::Integer(sum), SqlType::Integer) => {
                *sum = sum.wrapping_add(column.as_primitive::<Int32Type>().value(row).wrapping_mul(sign.into()));
            }
            (Value::Bigint(sum), SqlType::Bigint) => {
                *sum = sum.wrapping_add(column.as_primitive::<Int64Type>().value(row).wrapping_mul(sign.into()));
            }
            (Value::Double(sum), SqlType::Double) => *sum += f64::from(sign) * column.as_primitive::<Float64Type>().value(row),
            (Value::Decimal(sum), SqlType::Decimal { precision, .. }) => {
                let value = column.as_primitive::<Decimal128Type>().value(row);
                sum.unscaled = within(sum.unscaled.checked_add(value * i128::from(sign)), *precision, &self.ty)?;
            }
            _ => return Err(mismatch()),
        }
        Ok(())
    }
}

/// The sum, if it has no more digits than the type. None came of a sum beyond 128 bits.
fn within(sum: Option<i128>, precision: u16, ty: &SqlType) -> Result<i128, String> {
    match (sum, pow10(precision)) {
        (Some(sum), Some(limit)) if sum.abs() < limit => Ok(sum),
        _ => Err(format!("The sum does not fit {ty}. CAST the argument to a DECIMAL of more digits.")),
    }
}

impl Aggregate for Sum {
    fn state_type(&self) -> SqlType {
        self.ty.clone()
    }

    fn result_type(&self) -> SqlType {
        self.ty.clone()
    }

    fn initial(&self) -> Value {
        match &self.ty {
            SqlType::Integer => Value::Integer(0),
            SqlType::Bigint => Value::Bigint(0),
            SqlType::Decimal { scale, .. } => Value::Decimal(Decimal::new(0, *scale)),
            _ => Value::Double(0.0),
        }
    }

    fn accumulate(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        self.add(state, arguments, row, 1)
    }

    fn retract(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        self.add(state, arguments, row, -1)
    }

    fn can_retract(&self) -> bool {
        true
    }

    fn merge(&self, older: Value, newer: Value) -> Result<Value, String> {
        Ok(match (older, newer, &self.ty) {
            (Value::Integer(a), Value::Integer(b), _) => Value::Integer(a.wrapping_add(b)),
            (Value::Bigint(a), Value::Bigint(b), _) => Value::Bigint(a.wrapping_add(b)),
            (Value::Double(a), Value::Double(b), _) => Value::Double(a + b),
            (Value::Decimal(a), Value::Decimal(b), SqlType::Decimal { precision, scale }) => {
                Value::Decimal(Decimal::new(within(a.unscaled.checked_add(b.unscaled), *precision, &self.ty)?, *scale))
            }
            _ => return Err(mismatch()),
        })
    }

    fn result(&self, state: &Value) -> Value {
        state.clone()
    }
}
