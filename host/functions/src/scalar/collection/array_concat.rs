//! `ARRAY_CONCAT`.

use calzone_types::{ELEMENT_BYTES, Value};

use super::generic::array_of;
use crate::evaluate::{check_size, per_row};
use crate::signature::Returns;
use crate::{Parameter, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let description =
        "The elements of the first array, then those of the second. A null array counts as empty; null if both are.";
    let parameters =
        vec![Parameter::new("left", array_of('T'), "first array"), Parameter::new("right", array_of('T'), "second array")];
    let overload = ScalarOverload::new(description, Signature::new(parameters, Returns::Type(array_of('T'))), |binding| {
        per_row(&binding.returns, evaluate)
    });
    ScalarDefinition::built_in(
        "ARRAY_CONCAT",
        "ARRAY",
        description,
        vec![overload],
        &[("ARRAY_CONCAT(ARRAY[1, 2], ARRAY[2, 3])", "[1,2,2,3]")],
    )
}

fn evaluate(arguments: &[Value]) -> Result<Value, String> {
    Ok(match arguments {
        [Value::Array(left), Value::Array(right)] => {
            check_size((left.len() + right.len()).saturating_mul(ELEMENT_BYTES))?;
            Value::Array(left.iter().chain(right).cloned().collect())
        }
        [Value::Null, other] | [other, _] => other.clone(),
        _ => Value::Null,
    })
}
