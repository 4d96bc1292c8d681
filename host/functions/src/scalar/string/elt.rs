//! `ELT(n, text, …)`.

use calzone_types::{SqlType, Value};

use crate::definition::category;
use crate::evaluate::per_row;
use crate::{Parameter, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let parameters = vec![Parameter::new("n", SqlType::Integer, ""), Parameter::new("args", SqlType::Varchar, "")];
    ScalarDefinition::built_in(
        "ELT",
        category::STRING,
        "The nth of the texts, the first being 1. Null if there is none. The opposite of FIELD.",
        vec![ScalarOverload::new("", Signature::variadic(parameters, SqlType::Varchar.into()), |binding| {
            per_row(&binding.returns, |values| {
                let position = values[0].as_i64().and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
                Ok(position.and_then(|n| values.get(n)).cloned().unwrap_or(Value::Null))
            })
        })],
        &[("ELT(2, 'a', 'b')", "\"b\""), ("ELT(3, 'a', 'b')", "null")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, text};

    #[test]
    fn positions_outside_give_null() {
        for (n, expected) in [(1, text("a")), (2, Value::Null), (0, Value::Null), (-1, Value::Null), (3, Value::Null)] {
            check(definition, &[(&[Value::Integer(n), text("a"), Value::Null], expected)]);
        }
    }
}
