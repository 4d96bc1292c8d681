//! `MASK(text…)`: The text with all its characters masked.

use super::masking::{Part, instance, overloads};
use crate::ScalarDefinition;
use crate::definition::category;

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "MASK",
        category::STRING,
        "The text with all its characters masked.",
        overloads(false, |binding| instance(binding, Part::All)),
        &[("MASK('My Test $123')", "\"Xx-Xxxx--nnn\"")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, check_fails, text};
    use calzone_types::Value;

    #[test]
    fn masks_by_class() {
        let masks = [text("*"), Value::Null, text("9"), Value::Null];
        let arguments = |input: &str| {
            let mut arguments = vec![text(input)];
            if false {
                arguments.push(Value::Integer(4));
            }
            arguments
        };
        check(definition, &[(&arguments("My Test $123"), text("Xx-Xxxx--nnn"))]);
        check(definition, &[(&[arguments("My Test $123"), masks.to_vec()].concat(), text("*y *est $999"))]);
        check(definition, &[(&arguments(""), text(""))]);
        let too_long = [text("**"), Value::Null, Value::Null, Value::Null];
        check_fails(definition, &[&[arguments("a"), too_long.to_vec()].concat()]);
    }
}
