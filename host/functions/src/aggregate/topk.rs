//! `TOPK`.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use calzone_types::{Field, SqlType, Value, value_at};

use super::state::array;
use super::top::{count, insert};
use crate::signature::Returns;
use crate::{
    Aggregate, AggregateDefinition, AggregateExample, AggregateOverload, ArgumentType, Binding, Parameter, ParameterType,
    Signature,
};

pub fn definition() -> AggregateDefinition {
    let description = "The K largest values of a column, largest first; nulls do not count. With more columns, structs of the value \
        (sort_col) and the other columns (col0, col1, …) of its row.";
    let overloads = [SqlType::Integer, SqlType::Bigint, SqlType::Double, SqlType::Varchar].map(|ty| {
        let parameters = vec![
            Parameter::new("sort_col", ty, "decides which rows are kept"),
            Parameter::new("columns", ParameterType::Any, "goes with it"),
            Parameter::new("k", SqlType::Integer, "how many"),
        ];
        let signature = Signature { parameters, variadic: Some(1), returns: Returns::Computed(returns) };
        AggregateOverload::new(description, signature, 1, |binding: &Binding, init: &[Value]| {
            Ok(Arc::new(TopK {
                entry: entry_type(&binding.arguments)?,
                with_columns: binding.arguments.len() > 1,
                count: count(init)?,
            }))
        })
    });
    AggregateDefinition::built_in("TOPK", description, overloads.to_vec()).with_examples(&[
        AggregateExample { columns: "X INT", rows: &["3", "7", "NULL", "7"], expression: "TOPK(X, 2)", result: "[7,7]" },
        AggregateExample {
            columns: "X INT, Y VARCHAR",
            rows: &["3, 'a'", "7, 'b'"],
            expression: "TOPK(X, Y, 1)",
            result: r#"[{"sort_col":7,"col0":"b"}]"#,
        },
    ])
}

/// The last argument is the count.
fn returns(arguments: &[ArgumentType], _literals: &[Option<Value>]) -> Result<SqlType, String> {
    let columns = &arguments[..arguments.len().saturating_sub(1)];
    let types: Vec<SqlType> = columns
        .iter()
        .map(|argument| match argument {
            ArgumentType::Sql(ty) => ty.clone(),
            _ => SqlType::Varchar,
        })
        .collect();
    Ok(SqlType::array(entry_type(&types)?))
}

fn entry_type(columns: &[SqlType]) -> Result<SqlType, String> {
    match columns {
        [] => Err("an argument is missing".into()),
        [only] => Ok(only.clone()),
        [sort, others @ ..] => {
            let others = others.iter().enumerate().map(|(i, ty)| Field::new(format!("col{i}"), ty.clone()));
            Ok(SqlType::structure(std::iter::once(Field::new("sort_col", sort.clone())).chain(others)))
        }
    }
}

struct TopK {
    entry: SqlType,
    with_columns: bool,
    count: usize,
}

impl TopK {
    fn order(&self, a: &Value, b: &Value) -> Ordering {
        match (a, b) {
            (Value::Struct(a), Value::Struct(b)) if self.with_columns => match (a.first(), b.first()) {
                (Some(a), Some(b)) => a.compare(b),
                _ => Ordering::Equal,
            },
            _ => a.compare(b),
        }
    }
}

impl Aggregate for TopK {
    fn state_type(&self) -> SqlType {
        SqlType::array(self.entry.clone())
    }

    fn result_type(&self) -> SqlType {
        self.state_type()
    }

    fn initial(&self) -> Value {
        Value::Array(Vec::new())
    }

    fn accumulate(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        if arguments[0].is_null(row) {
            return Ok(());
        }
        let entry = if self.with_columns {
            Value::Struct(arguments.iter().map(|column| value_at(column, row)).collect())
        } else {
            value_at(&arguments[0], row)
        };
        insert(array(state)?, entry, self.count, |a, b| self.order(a, b));
        Ok(())
    }

    fn retract(&self, _state: &mut Value, _arguments: &[ArrayRef], _row: usize) -> Result<(), String> {
        Err("A value cannot be taken out of the largest ones: those below them are not kept.".into())
    }

    fn can_retract(&self) -> bool {
        false
    }

    fn merge(&self, mut older: Value, mut newer: Value) -> Result<Value, String> {
        let entries = array(&mut older)?;
        for entry in array(&mut newer)?.drain(..) {
            insert(entries, entry, self.count, |a, b| self.order(a, b));
        }
        Ok(older)
    }

    fn result(&self, state: &Value) -> Value {
        state.clone()
    }
}
