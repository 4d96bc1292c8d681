//! `MASK_KEEP_LEFT(text…)`: The text with all but its first numChars characters masked.

use super::masking::{Part, instance, overloads};
use crate::ScalarDefinition;
use crate::definition::category;

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "MASK_KEEP_LEFT",
        category::STRING,
        "The text with all but its first numChars characters masked.",
        overloads(true, |binding| instance(binding, Part::AllButLeft)),
        &[("MASK_KEEP_LEFT('My Test $123', 4)", "\"My Txxx--nnn\"")],
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
            if true {
                arguments.push(Value::Integer(4));
            }
            arguments
        };
        check(definition, &[(&arguments("My Test $123"), text("My Txxx--nnn"))]);
        check(definition, &[(&[arguments("My Test $123"), masks.to_vec()].concat(), text("My Test $999"))]);
        check(definition, &[(&arguments(""), text(""))]);
        let too_long = [text("**"), Value::Null, Value::Null, Value::Null];
        check_fails(definition, &[&[arguments("a"), too_long.to_vec()].concat()]);
    }
}
