//! Table functions over every type, and one that fails.

use calzone_functions::evaluate::per_row;
use calzone_functions::signature::Returns;
use calzone_functions::{ArgumentType, Parameter, ParameterType, ScalarDefinition, ScalarOverload, Signature};
use calzone_types::{Field, SqlType, Value, text};

pub fn definitions() -> Vec<ScalarDefinition> {
    vec![test_udtf(), throwing_udtf()]
}

fn test_udtf() -> ScalarDefinition {
    let structure = || ParameterType::Sql(SqlType::structure([Field::new("A", SqlType::Varchar)]));
    let plain = || -> Vec<ParameterType> {
        vec![
            SqlType::Integer.into(),
            SqlType::Bigint.into(),
            SqlType::Double.into(),
            SqlType::Boolean.into(),
            SqlType::Varchar.into(),
            ParameterType::AnyDecimal,
            structure(),
        ]
    };
    let array = |ty: ParameterType| ParameterType::Array(Box::new(ty));
    let map = |ty: ParameterType| ParameterType::Map(Box::new(SqlType::Varchar.into()), Box::new(ty));
    let texts = |types: Vec<ParameterType>| {
        let parameters = types.into_iter().map(|ty| Parameter { name: "argument".into(), ty, doc: String::new() }).collect();
        let signature = Signature::new(parameters, SqlType::array(SqlType::Varchar).into());
        ScalarOverload::new("One row for each argument, as text.", signature, |binding| {
            per_row(&binding.returns, |values| Ok(Value::Array(values.iter().map(as_text).collect())))
        })
    };
    let mut overloads =
        vec![texts(plain()), texts(plain().into_iter().map(array).collect()), texts(plain().into_iter().map(map).collect())];
    for ty in plain() {
        let parameter = Parameter { name: "argument".into(), ty, doc: String::new() };
        let signature = Signature::new(vec![parameter], Returns::Computed(array_of_argument));
        overloads.push(ScalarOverload::new("The argument as the only row.", signature, |binding| {
            per_row(&binding.returns, |values| Ok(Value::Array(values.to_vec())))
        }));
    }
    ScalarDefinition::built_in("TEST_UDTF", "TEST", "A table function of ksqlDB's test suites.", overloads, &[])
}

fn array_of_argument(arguments: &[ArgumentType], _: &[Option<Value>]) -> Result<SqlType, String> {
    match arguments.first() {
        Some(ArgumentType::Sql(SqlType::Decimal { scale, .. })) => Ok(SqlType::array(SqlType::decimal(30, *scale))),
        Some(ArgumentType::Sql(ty)) => Ok(SqlType::array(ty.clone())),
        _ => Ok(SqlType::array(SqlType::Varchar)),
    }
}

/// A value as Java prints it; of a collection the first element.
fn as_text(value: &Value) -> Value {
    match value {
        Value::Boolean(v) => Value::Varchar(v.to_string()),
        Value::Integer(v) => Value::Varchar(v.to_string()),
        Value::Bigint(v) => Value::Varchar(v.to_string()),
        Value::Double(v) => Value::Varchar(text::double_to_java(*v)),
        Value::Decimal(v) => Value::Varchar(v.to_string()),
        Value::Varchar(_) => value.clone(),
        Value::Array(items) => items.first().map_or(Value::Null, as_text),
        Value::Map(entries) => entries.first().map_or(Value::Null, |(_, value)| as_text(value)),
        Value::Struct(fields) => {
            let field = fields.first().and_then(Value::as_str).unwrap_or_default();
            Value::Varchar(format!("Struct{{A={field}}}"))
        }
        _ => Value::Null,
    }
}

fn throwing_udtf() -> ScalarDefinition {
    let signature = Signature::of(&[("fails", SqlType::Boolean)], SqlType::array(SqlType::Boolean));
    let overload = ScalarOverload::new("Fails if it is told to.", signature, |binding| {
        per_row(&binding.returns, |values| match values {
            [Value::Boolean(true)] => Err("it was told to fail".to_owned()),
            _ => Ok(Value::Array(values.to_vec())),
        })
    });
    ScalarDefinition::built_in("THROWING_UDTF", "TEST", "A table function of ksqlDB's test suites.", vec![overload], &[])
}
