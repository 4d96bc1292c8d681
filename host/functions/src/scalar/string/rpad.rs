//! `RPAD(input, length, padding)`.

use crate::ScalarDefinition;
use crate::definition::category;

pub fn definition() -> ScalarDefinition {
    ScalarDefinition::built_in(
        "RPAD",
        category::STRING,
        "The text or the bytes, padded on the right up to the target length, or cut to it. \
         Null if the padding is empty or the length negative.",
        super::pad::overloads(false),
        &[("RPAD('foo', 6, 'Ba')", "\"fooBaB\"")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, text};
    use calzone_types::Value;

    #[test]
    fn pads_or_cuts() {
        let case = |length: i32, padding: &str| [text("foo"), Value::Integer(length), text(padding)];
        check(
            definition,
            &[
                (&case(6, "Ba"), text("fooBaB")),
                (&case(2, "Ba"), text("fo")),
                (&case(0, "Ba"), text("")),
                (&case(-1, "Ba"), Value::Null),
                (&case(6, ""), Value::Null),
            ],
        );
        let bytes = [Value::Bytes(vec![7]), Value::Integer(1), Value::Bytes(vec![1, 2])];
        check(definition, &[(&bytes, Value::Bytes(vec![7]))]);
    }
}
