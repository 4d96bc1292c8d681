//! `SUM_LIST`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use calzone_types::{SqlType, Value};

use super::state::mismatch;
use crate::{Aggregate, AggregateDefinition, AggregateExample, AggregateOverload, Binding, Parameter, Signature};

pub fn definition() -> AggregateDefinition {
    let description = "The sum of the elements of all arrays of a column; nulls do not count.";
    let overloads = [SqlType::Integer, SqlType::Bigint, SqlType::Double].map(|ty| {
        let parameters = vec![Parameter::new("values", SqlType::array(ty.clone()), "")];
        AggregateOverload::new(description, Signature::new(parameters, ty.into()), 0, make)
    });
    AggregateDefinition::built_in("SUM_LIST", description, overloads.to_vec()).with_examples(&[AggregateExample {
        columns: "X ARRAY<INT>",
        rows: &["ARRAY[1, 2]", "NULL", "ARRAY[3, NULL]"],
        expression: "SUM_LIST(X)",
        result: "6",
    }])
}

fn make(binding: &Binding, _init: &[Value]) -> Result<Arc<dyn Aggregate>, String> {
    match binding.arguments.first() {
        Some(SqlType::Array(element)) => Ok(Arc::new(SumList { ty: (**element).clone() })),
        _ => Err("the argument must be an array".into()),
    }
}

struct SumList {
    ty: SqlType,
}

impl SumList {
    fn add(&self, state: &mut Value, arguments: &[ArrayRef], row: usize, sign: i8) -> Result<(), String> {
        let lists = arguments[0].as_list::<i32>();
        if lists.is_null(row) {
            return Ok(());
        }
        let elements = lists.value_offsets()[row] as usize..lists.value_offsets()[row + 1] as usize;
        let items = lists.values();
        let present = elements.filter(|i| items.is_valid(*i));
        match (state, &self.ty) {
            (Value::Integer(sum), SqlType::Integer) => {
                let items = items.as_primitive::<Int32Type>();
                *sum = present.fold(*sum, |sum, i| sum.wrapping_add(items.value(i).wrapping_mul(sign.into())));
            }
            (Value::Bigint(sum), SqlType::Bigint) => {
                let items = items.as_primitive::<Int64Type>();
                *sum = present.fold(*sum, |sum, i| sum.wrapping_add(items.value(i).wrapping_mul(sign.into())));
            }
            (Value::Double(sum), SqlType::Double) => {
                let items = items.as_primitive::<Float64Type>();
                *sum = present.fold(*sum, |sum, i| sum + f64::from(sign) * items.value(i));
            }
            _ => return Err(mismatch()),
        }
        Ok(())
    }
}

impl Aggregate for SumList {
    fn state_type(&self) -> SqlType {
        self.ty.clone()
    }

    fn result_type(&self) -> SqlType {
        self.ty.clone()
    }

    fn initial(&self) -> Value {
        match self.ty {
            SqlType::Integer => Value::Integer(0),
            SqlType::Bigint => Value::Bigint(0),
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
        Ok(match (older, newer) {
            (Value::Integer(a), Value::Integer(b)) => Value::Integer(a.wrapping_add(b)),
            (Value::Bigint(a), Value::Bigint(b)) => Value::Bigint(a.wrapping_add(b)),
            (Value::Double(a), Value::Double(b)) => Value::Double(a + b),
            _ => return Err(mismatch()),
        })
    }

    fn result(&self, state: &Value) -> Value {
        state.clone()
    }
}
