//! `ARRAY_SORT`.

use calzone_types::{SqlType, Value};

use super::generic::array_of;
use crate::evaluate::per_row;
use crate::signature::Returns;
use crate::{Parameter, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let description = "The elements of an array in order; nulls come last.";
    let array = || Parameter::new("array", array_of('T'), "the array");
    let direction = Parameter::new("direction", SqlType::Varchar, "'ASC' or 'DESC'");
    let overloads = [vec![array()], vec![array(), direction]].map(|parameters| {
        ScalarOverload::new(description, Signature::new(parameters, Returns::Type(array_of('T'))), |binding| {
            per_row(&binding.returns, |arguments| Ok(evaluate(arguments)))
        })
    });
    let examples = [("ARRAY_SORT(ARRAY[3, 1, 2])", "[1,2,3]"), ("ARRAY_SORT(ARRAY[3, 1, 2], 'DESC')", "[3,2,1]")];
    ScalarDefinition::built_in("ARRAY_SORT", "ARRAY", description, overloads.to_vec(), &examples)
}

fn evaluate(arguments: &[Value]) -> Value {
    let Some(Value::Array(items)) = arguments.first() else { return Value::Null };
    let descending = match arguments.get(1) {
        None => false,
        Some(Value::Varchar(direction)) => match direction.trim().to_ascii_uppercase().as_str() {
            "ASC" | "ASCENDING" => false,
            "DESC" | "DESCENDING" => true,
            _ => return Value::Null,
        },
        Some(_) => return Value::Null,
    };
    let mut sorted: Vec<Value> = items.iter().filter(|item| !item.is_null()).cloned().collect();
    // Reversing the comparison, not the result, keeps equal elements in their order.
    sorted.sort_by(|a, b| if descending { b.compare(a) } else { a.compare(b) });
    sorted.resize(items.len(), Value::Null);
    Value::Array(sorted)
}
