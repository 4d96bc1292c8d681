//! Aggregate functions with several column arguments, variadic ones, and literal arguments behind them.

use std::sync::Arc;

use arrow_array::ArrayRef;
use calzone_functions::signature::Returns;
use calzone_functions::{Aggregate, AggregateDefinition, AggregateOverload, Binding, Parameter, ParameterType, Signature};
use calzone_types::{Field, SqlType, Value, value_at};

pub fn definitions() -> Vec<AggregateDefinition> {
    use SqlType::{Bigint, Integer, Varchar};
    let with_literals = |name: &str, columns: &[SqlType]| {
        let mut parameters: Vec<Parameter> = columns.iter().map(|ty| Parameter::new("column", ty.clone(), "")).collect();
        parameters.push(Parameter::new("first", Integer, ""));
        parameters.push(Parameter::new("others", Varchar, ""));
        define(name, vec![AggregateOverload::new("", Signature::variadic(parameters, Bigint.into()), 2, weights_before)])
    };
    vec![
        test_udaf(),
        define("VAR_ARG", vec![AggregateOverload::new("", signature(vec![Bigint, Varchar], Some(1)), 0, weights_before)]),
        with_literals("MULTI_ARG", &[Bigint, Varchar]),
        with_literals("FOUR_ARG", &[Bigint, Varchar, Varchar, Varchar]),
        with_literals("FIVE_ARG", &[Bigint, Varchar, Varchar, Varchar, Integer]),
        define(
            "MID_VAR_ARG",
            vec![AggregateOverload::new("", signature(vec![Bigint, Varchar, Integer, Integer], Some(1)), 2, weights_after)],
        ),
        define("OBJ_COL_ARG", vec![collected(ParameterType::Sql(Integer), &[], ParameterType::Any)]),
        define(
            "GENERIC_VAR_ARG",
            vec![collected(ParameterType::Generic('A'), &[ParameterType::Generic('B')], ParameterType::Generic('C'))],
        ),
    ]
}

fn define(name: &str, overloads: Vec<AggregateOverload>) -> AggregateDefinition {
    AggregateDefinition::built_in(name, "An aggregate function of ksqlDB's test suites.", overloads)
}

fn signature(types: Vec<SqlType>, variadic: Option<usize>) -> Signature {
    let parameters = types.into_iter().map(|ty| Parameter::new("argument", ty, "")).collect();
    Signature { parameters, variadic, returns: SqlType::Bigint.into() }
}

fn test_udaf() -> AggregateDefinition {
    let pair = SqlType::structure([Field::new("A", SqlType::Integer), Field::new("B", SqlType::Integer)]);
    let sum = |ty: SqlType, returns: SqlType| {
        let signature = Signature::of(&[("value", ty)], returns);
        AggregateOverload::new("", signature, 0, |binding, _| Ok(Arc::new(Sum { ty: binding.returns.clone() })))
    };
    let lengths = Signature::of(&[("text", SqlType::Varchar), ("first", SqlType::Varchar)], SqlType::Bigint);
    define(
        "TEST_UDAF",
        vec![
            sum(SqlType::Integer, SqlType::Bigint),
            sum(SqlType::Bigint, SqlType::Bigint),
            sum(SqlType::Double, SqlType::Double),
            AggregateOverload::new("", lengths, 1, weights_before),
            sum(pair.clone(), pair),
        ],
    )
}

/// What a value adds to a sum: a number itself, a text its length.
fn weight(value: &Value) -> i64 {
    match value {
        Value::Varchar(text) => text.encode_utf16().count() as i64,
        other => other.as_i64().unwrap_or(0),
    }
}

/// The literals are where the sum begins.
fn weights_before(_: &Binding, literals: &[Value]) -> Result<Arc<dyn Aggregate>, String> {
    Ok(Arc::new(Weights { initial: literals.iter().map(weight).sum(), added: 0 }))
}

/// The literals are added to the result.
fn weights_after(_: &Binding, literals: &[Value]) -> Result<Arc<dyn Aggregate>, String> {
    Ok(Arc::new(Weights { initial: 0, added: literals.iter().map(weight).sum() }))
}

struct Weights {
    initial: i64,
    added: i64,
}

impl Weights {
    fn add(state: &mut Value, arguments: &[ArrayRef], row: usize, sign: i64) {
        let sum: i64 = arguments.iter().map(|column| weight(&value_at(column.as_ref(), row))).sum();
        *state = Value::Bigint(state.as_i64().unwrap_or(0) + sign * sum);
    }
}

impl Aggregate for Weights {
    fn state_type(&self) -> SqlType {
        SqlType::Bigint
    }

    fn result_type(&self) -> SqlType {
        SqlType::Bigint
    }

    fn initial(&self) -> Value {
        Value::Bigint(self.initial)
    }

    fn accumulate(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        Weights::add(state, arguments, row, 1);
        Ok(())
    }

    fn retract(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        Weights::add(state, arguments, row, -1);
        Ok(())
    }

    fn can_retract(&self) -> bool {
        true
    }

    fn merge(&self, older: Value, newer: Value) -> Result<Value, String> {
        Ok(Value::Bigint(older.as_i64().unwrap_or(0) + newer.as_i64().unwrap_or(0) - self.initial))
    }

    fn result(&self, state: &Value) -> Value {
        Value::Bigint(state.as_i64().unwrap_or(0) + self.added)
    }
}

/// A sum of numbers, or of the fields of a STRUCT.
struct Sum {
    ty: SqlType,
}

fn zero(ty: &SqlType) -> Value {
    match ty {
        SqlType::Integer => Value::Integer(0),
        SqlType::Double => Value::Double(0.0),
        SqlType::Struct(fields) => Value::Struct(fields.iter().map(|field| zero(&field.ty)).collect()),
        _ => Value::Bigint(0),
    }
}

fn plus(sum: &Value, value: &Value, sign: i64) -> Value {
    match sum {
        Value::Integer(v) => Value::Integer(v.wrapping_add((sign * value.as_i64().unwrap_or(0)) as i32)),
        Value::Bigint(v) => Value::Bigint(v.wrapping_add(sign * value.as_i64().unwrap_or(0))),
        Value::Double(v) => Value::Double(v + sign as f64 * value.as_f64().unwrap_or(0.0)),
        Value::Struct(fields) => match value {
            Value::Struct(others) => Value::Struct(fields.iter().zip(others).map(|(a, b)| plus(a, b, sign)).collect()),
            _ => sum.clone(),
        },
        _ => sum.clone(),
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
        zero(&self.ty)
    }

    fn accumulate(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        *state = plus(state, &value_at(arguments[0].as_ref(), row), 1);
        Ok(())
    }

    fn retract(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        *state = plus(state, &value_at(arguments[0].as_ref(), row), -1);
        Ok(())
    }

    fn can_retract(&self) -> bool {
        true
    }

    fn merge(&self, older: Value, newer: Value) -> Result<Value, String> {
        Ok(plus(&older, &newer, 1))
    }

    fn result(&self, state: &Value) -> Value {
        state.clone()
    }
}

/// Collects the first argument of those rows that have all arguments.
fn collected(first: ParameterType, more: &[ParameterType], variadic: ParameterType) -> AggregateOverload {
    let returns = Returns::Type(ParameterType::Array(Box::new(first.clone())));
    let types = std::iter::once(first).chain(more.iter().cloned()).chain([variadic]);
    let parameters = types.map(|ty| Parameter { name: "argument".into(), ty, doc: String::new() }).collect();
    AggregateOverload::new("", Signature::variadic(parameters, returns), 0, |binding, _| {
        Ok(Arc::new(Collected { ty: binding.returns.clone() }))
    })
}

struct Collected {
    ty: SqlType,
}

impl Aggregate for Collected {
    fn state_type(&self) -> SqlType {
        self.ty.clone()
    }

    fn result_type(&self) -> SqlType {
        self.ty.clone()
    }

    fn initial(&self) -> Value {
        Value::Array(Vec::new())
    }

    fn accumulate(&self, state: &mut Value, arguments: &[ArrayRef], row: usize) -> Result<(), String> {
        let values: Vec<Value> = arguments.iter().map(|column| value_at(column.as_ref(), row)).collect();
        if let (Value::Array(items), false) = (state, values.iter().any(Value::is_null)) {
            items.extend(values.into_iter().next());
        }
        Ok(())
    }

    fn retract(&self, _: &mut Value, _: &[ArrayRef], _: usize) -> Result<(), String> {
        Err("what was collected cannot be taken back".to_owned())
    }

    fn can_retract(&self) -> bool {
        false
    }

    fn merge(&self, older: Value, newer: Value) -> Result<Value, String> {
        match (older, newer) {
            (Value::Array(mut items), Value::Array(others)) => {
                items.extend(others);
                Ok(Value::Array(items))
            }
            (older, _) => Ok(older),
        }
    }

    fn result(&self, state: &Value) -> Value {
        state.clone()
    }
}
