//! `IFNULL(value, other)`.

use super::first_valid::first_valid;
use crate::definition::category;
use crate::evaluate::columnar;
use crate::signature::Returns;
use crate::{Parameter, ParameterType, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let parameter = |name: &str| Parameter::new(name, ParameterType::Generic('T'), "");
    let signature = Signature::new(vec![parameter("value"), parameter("altValue")], Returns::Type(ParameterType::Generic('T')));
    ScalarDefinition::built_in(
        "IFNULL",
        category::CONDITIONAL,
        "The first value, or the second where the first is null.",
        vec![ScalarOverload::new("", signature, |_| columnar(first_valid))],
        &[("IFNULL(NULL, 5)", "5")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::check;
    use calzone_types::Value;

    #[test]
    fn the_second_stands_in() {
        let (one, two) = (Value::Double(1.0), Value::Double(2.0));
        check(definition, &[(&[one.clone(), two.clone()], one), (&[Value::Null, two.clone()], two)]);
    }
}
