//! `ARRAY_JOIN`.

use calzone_types::cast::value_to_text;
use calzone_types::{SqlType, Value};

use super::generic::array_of;
use crate::evaluate::{check_size, per_row};
use crate::{Binding, Parameter, Scalar, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let description =
        "The elements of an array as text, with a delimiter between them (',' if none is given). A null element is 'null'.";
    let array = || Parameter::new("array", array_of('T'), "array of values that are not nested");
    let delimiter = Parameter::new("delimiter", SqlType::Varchar, "what stands between elements; null for nothing");
    let overloads = [vec![array()], vec![array(), delimiter]]
        .map(|parameters| ScalarOverload::new(description, Signature::new(parameters, SqlType::Varchar.into()), make));
    let examples = [("ARRAY_JOIN(ARRAY[1, 2, 3], '-')", "\"1-2-3\""), ("ARRAY_JOIN(ARRAY['a', 'b'])", "\"a,b\"")];
    ScalarDefinition::built_in("ARRAY_JOIN", "ARRAY", description, overloads.to_vec(), &examples)
}

fn make(binding: &Binding) -> Result<Box<dyn Scalar>, String> {
    let Some(SqlType::Array(element)) = binding.arguments.first().cloned() else {
        return Err("the first argument must be an array".into());
    };
    if element.is_nested() {
        return Err(format!("elements of type {element} cannot be joined: TRANSFORM them to text first"));
    }
    per_row(&binding.returns, move |arguments| evaluate(arguments, &element))
}

fn evaluate(arguments: &[Value], element: &SqlType) -> Result<Value, String> {
    let Some(Value::Array(items)) = arguments.first() else { return Ok(Value::Null) };
    let delimiter = match arguments.get(1) {
        None => ",",
        Some(delimiter) => delimiter.as_str().unwrap_or(""),
    };
    let texts: Vec<String> = items.iter().map(|item| value_to_text(item, element)).collect();
    check_size(texts.iter().map(String::len).sum::<usize>().saturating_add(texts.len().saturating_mul(delimiter.len())))?;
    Ok(Value::Varchar(texts.join(delimiter)))
}
