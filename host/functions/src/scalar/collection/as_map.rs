//! `AS_MAP`.

use calzone_types::{SqlType, Value};

use super::generic::{array_of, one};
use crate::evaluate::per_row;
use crate::signature::Returns;
use crate::{Parameter, ParameterType, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let description = "A map of keys and values from two arrays; what the longer one has more is left out.";
    let keys = SqlType::array(SqlType::Varchar);
    let parameters = vec![Parameter::new("keys", keys, "the keys"), Parameter::new("values", array_of('T'), "the values")];
    let returns = ParameterType::Map(Box::new(SqlType::Varchar.into()), Box::new(one('T')));
    let overload = ScalarOverload::new(description, Signature::new(parameters, Returns::Type(returns)), |binding| {
        per_row(&binding.returns, |arguments| Ok(evaluate(arguments)))
    });
    let examples = [("AS_MAP(ARRAY['a', 'b'], ARRAY[1, 2])", r#"{"a":1,"b":2}"#)];
    ScalarDefinition::built_in("AS_MAP", "MAP", description, vec![overload], &examples)
}

fn evaluate(arguments: &[Value]) -> Value {
    let [Value::Array(keys), Value::Array(values)] = arguments else { return Value::Null };
    let mut entries: Vec<(Value, Value)> = Vec::with_capacity(keys.len().min(values.len()));
    for (key, value) in keys.iter().zip(values) {
        // A null key is written as this text by all formats.
        let key = if key.is_null() { Value::from("null") } else { key.clone() };
        match entries.iter_mut().find(|(k, _)| *k == key) {
            Some(entry) => entry.1 = value.clone(),
            None => entries.push((key, value.clone())),
        }
    }
    Value::Map(entries)
}
