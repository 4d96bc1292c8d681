//! Scalar functions: some name the overload that was chosen, some fail on purpose.

use calzone_functions::evaluate::per_row;
use calzone_functions::{Parameter, Scalar, ScalarDefinition, ScalarOverload, Signature};
use calzone_types::{Field, SqlType, Value};

pub fn definitions() -> Vec<ScalarDefinition> {
    vec![test_udf(), bad_udf(), when("WHENCONDITION", SqlType::Boolean), when("WHENRESULT", SqlType::Integer), to_struct()]
}

fn define(name: &str, overloads: Vec<ScalarOverload>) -> ScalarDefinition {
    ScalarDefinition::built_in(name, "TEST", "A function of ksqlDB's test suites.", overloads, &[])
}

fn overload(signature: Signature, make: fn(&calzone_functions::Binding) -> Result<Box<dyn Scalar>, String>) -> ScalarOverload {
    ScalarOverload::new("", signature, make)
}

/// `STRUCT<A VARCHAR>`.
fn structure() -> SqlType {
    SqlType::structure([Field::new("A", SqlType::Varchar)])
}

fn test_udf() -> ScalarDefinition {
    use SqlType::{Bigint, Integer, Varchar};
    let named = |types: &[SqlType], make| {
        let parameters: Vec<(&str, SqlType)> = types.iter().map(|ty| ("argument", ty.clone())).collect();
        overload(Signature::of(&parameters, Varchar), make)
    };
    let longs = Signature::variadic(vec![Parameter::new("longs", Bigint, "")], Varchar.into());
    define(
        "TEST_UDF",
        vec![
            named(&[Integer, Varchar], |binding| per_row(&binding.returns, |_| Ok("doStuffIntString".into()))),
            named(&[Bigint, Varchar], |binding| per_row(&binding.returns, |_| Ok("doStuffLongString".into()))),
            named(&[Bigint, Bigint, Varchar], |binding| per_row(&binding.returns, |_| Ok("doStuffLongLongString".into()))),
            overload(longs, |binding| per_row(&binding.returns, |_| Ok("doStuffLongVarargs".into()))),
            overload(Signature::of(&[("structure", structure())], Varchar), |binding| {
                per_row(&binding.returns, |values| match values {
                    [Value::Struct(fields)] => Ok(fields.first().cloned().unwrap_or(Value::Null)),
                    _ => Ok(Value::Null),
                })
            }),
            overload(Signature::of(&[], structure()), |binding| {
                per_row(&binding.returns, |_| Ok(Value::Struct(vec!["foo".into()])))
            }),
        ],
    )
}

fn bad_udf() -> ScalarDefinition {
    use SqlType::{Boolean, Integer, Varchar};
    define(
        "BAD_UDF",
        vec![
            overload(Signature::of(&[("number", Integer)], Integer), |binding| {
                per_row(&binding.returns, |_| Err("this form always fails".to_owned()))
            }),
            overload(Signature::of(&[("fails", Boolean)], Integer), |binding| {
                per_row(&binding.returns, |values| match values {
                    [Value::Boolean(true)] => Err("it was told to fail".to_owned()),
                    _ => Ok(Value::Integer(0)),
                })
            }),
            overload(Signature::of(&[("text", Varchar)], Varchar), |binding| {
                let mut calls = 0u64;
                per_row(&binding.returns, move |values| {
                    calls += 1;
                    Ok(if calls % 2 == 1 { Value::Null } else { values.first().cloned().unwrap_or(Value::Null) })
                })
            }),
        ],
    )
}

/// Gives its first argument, and fails if it should not have been called at all.
fn when(name: &str, ty: SqlType) -> ScalarDefinition {
    let signature = Signature::of(&[("value", ty.clone()), ("expected", SqlType::Boolean)], ty);
    let make = |binding: &calzone_functions::Binding| {
        per_row(&binding.returns, |values| match values {
            [value, Value::Boolean(true)] => Ok(value.clone()),
            _ => Err("it was not to be called".to_owned()),
        })
    };
    define(name, vec![overload(signature, make)])
}

fn to_struct() -> ScalarDefinition {
    let signature = Signature::of(&[("text", SqlType::Varchar)], structure());
    let make = |binding: &calzone_functions::Binding| per_row(&binding.returns, |values| Ok(Value::Struct(values.to_vec())));
    define("TOSTRUCT", vec![overload(signature, make)])
}
