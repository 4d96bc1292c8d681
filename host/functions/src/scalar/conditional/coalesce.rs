//! `COALESCE(value, …)`.

use super::first_valid::first_valid;
use crate::definition::category;
use crate::evaluate::columnar;
use crate::signature::Returns;
use crate::{Parameter, ParameterType, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let parameter = |name: &str| Parameter::new(name, ParameterType::Generic('T'), "");
    let signature =
        Signature::variadic(vec![parameter("first"), parameter("others")], Returns::Type(ParameterType::Generic('T')));
    ScalarDefinition::built_in(
        "COALESCE",
        category::CONDITIONAL,
        "The first of the values that is not null. All have the same type.",
        vec![ScalarOverload::new("", signature, |_| columnar(first_valid))],
        &[("COALESCE(NULL, 'a', 'b')", "\"a\"")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, check_fails, text, texts};
    use calzone_types::Value;

    #[test]
    fn any_type_and_any_number_of_values() {
        check(
            definition,
            &[
                (&[Value::Null, text("a"), text("b")], text("a")),
                (&[Value::Integer(1), Value::Bigint(2)], Value::Bigint(1)),
                (&[Value::Null, texts(&["a"])], texts(&["a"])),
                (&[Value::Null, Value::Null], Value::Null),
            ],
        );
        check_fails(definition, &[&[Value::Integer(1), text("a")], &[]]);
    }
}
