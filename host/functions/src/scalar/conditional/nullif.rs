//! `NULLIF(value, other)`.

use calzone_types::Value;

use crate::definition::category;
use crate::evaluate::per_row;
use crate::signature::Returns;
use crate::{Parameter, ParameterType, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let parameter = |name: &str| Parameter::new(name, ParameterType::Generic('T'), "");
    let signature = Signature::new(vec![parameter("value1"), parameter("value2")], Returns::Type(ParameterType::Generic('T')));
    ScalarDefinition::built_in(
        "NULLIF",
        category::CONDITIONAL,
        "Null where both values are equal, else the first.",
        vec![ScalarOverload::new("", signature, |binding| {
            per_row(&binding.returns, |values| Ok(if values[0] == values[1] { Value::Null } else { values[0].clone() }))
        })],
        &[("NULLIF('a', 'a')", "null"), ("NULLIF('a', 'b')", "\"a\"")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, texts};

    #[test]
    fn equal_values_give_null() {
        check(
            definition,
            &[
                (&[Value::Integer(1), Value::Integer(1)], Value::Null),
                (&[Value::Integer(1), Value::Null], Value::Integer(1)),
                (&[texts(&["a"]), texts(&["a"])], Value::Null),
                (&[texts(&["a"]), texts(&["b"])], texts(&["a"])),
            ],
        );
    }
}
