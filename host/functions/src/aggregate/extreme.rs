//! What MIN and MAX share.

use std::cmp::Ordering;
use std::marker::PhantomData;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, Time32MillisecondType, TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef};
use calzone_types::{SqlType, Value, value_at};

use super::comparable;
use crate::{Aggregate, AggregateDefinition, AggregateOverload, Binding, Signature};

/// MIN or MAX.
pub(super) trait Extreme: 'static {
    /// How the value that wins compares to the other.
    const WINS: Ordering;
}

pub(super) fn definition<F: Extreme>(name: &str, description: &str) -> AggregateDefinition {
    let make = |binding: &Binding, _: &[Value]| -> Result<Arc<dyn Aggregate>, String> {
        let ty = binding.arguments.first().ok_or("an argument is missing")?.clone();
        Ok(Arc::new(OfColumn::<F> { ty, function: PhantomData }))
    };
    let overload = |(parameter, returns)| AggregateOverload::new(description, Signature::new(vec![parameter], returns), 0, make);
    AggregateDefinition::built_in(name, description, comparable::parameters("value").into_iter().map(overload).collect())
}

struct OfColumn<F> {
    ty: SqlType,
    function: PhantomData<fn() -> F>,
}

impl<F: Extreme> Aggregate for OfColumn<F> {
    fn state_type(&self) -> SqlType {
        self.ty.clone()
    }

    fn result_type(&self) -> SqlType {
        self.ty.clone()
    }

    fn initial(&self) -> Value {
        Value::Null
    }

    fn accumulate(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        let column = &arguments[0];
        if column.is_null(row) {
            return Ok(());
        }
        macro_rules! primitive {
            ($best:ident, $arrow:ty, $compare:expr) => {{
                let value = column.as_primitive::<$arrow>().value(row);
                if $compare(&value, &*$best) == F::WINS {
                    *$best = value;
                }
            }};
        }
        match (state, &self.ty) {
            (state @ Value::Null, _) => *state = value_at(column, row),
            (Value::Integer(best), SqlType::Integer) => primitive!(best, Int32Type, Ord::cmp),
            (Value::Bigint(best), SqlType::Bigint) => primitive!(best, Int64Type, Ord::cmp),
            (Value::Double(best), SqlType::Double) => primitive!(best, Float64Type, f64::total_cmp),
            (Value::Date(best), SqlType::Date) => primitive!(best, Date32Type, Ord::cmp),
            (Value::Time(best), SqlType::Time) => primitive!(best, Time32MillisecondType, Ord::cmp),
            (Value::Timestamp(best), SqlType::Timestamp) => primitive!(best, TimestampMillisecondType, Ord::cmp),
            (Value::Decimal(decimal), SqlType::Decimal { .. }) => {
                let best = &mut decimal.unscaled;
                primitive!(best, Decimal128Type, Ord::cmp)
            }
            (Value::Varchar(best), SqlType::Varchar) => {
                let text = column.as_string::<i32>().value(row);
                if text.cmp(best.as_str()) == F::WINS {
                    best.clear();
                    best.push_str(text);
                }
            }
            (state, _) => {
                let value = value_at(column, row);
                if value.compare(state) == F::WINS {
                    *state = value;
                }
            }
        }
        Ok(())
    }

    fn retract(&self, _state: &mut Value, _arguments: &[ArrayRef], _row: usize) -> Result<(), String> {
        Err("An extreme cannot be taken back: the value before it is not kept.".into())
    }

    fn can_retract(&self) -> bool {
        false
    }

    fn merge(&self, older: Value, newer: Value) -> Result<Value, String> {
        Ok(if older.is_null() || (!newer.is_null() && newer.compare(&older) == F::WINS) { newer } else { older })
    }

    fn result(&self, state: &Value) -> Value {
        state.clone()
    }
}
