//! `FIELD(text, candidate, …)`.

use calzone_types::{SqlType, Value};

use crate::definition::category;
use crate::evaluate::per_row;
use crate::{Parameter, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let parameters = vec![Parameter::new("str", SqlType::Varchar, ""), Parameter::new("args", SqlType::Varchar, "")];
    ScalarDefinition::built_in(
        "FIELD",
        category::STRING,
        "Which of the further texts equals str, the first being 1; 0 if none does or str is null. The opposite of ELT.",
        vec![ScalarOverload::new("", Signature::variadic(parameters, SqlType::Integer.into()), |binding| {
            per_row(&binding.returns, |values| {
                let found = values[1..].iter().position(|v| !v.is_null() && *v == values[0]);
                Ok(Value::Integer(found.map_or(0, |at| at as i32 + 1)))
            })
        })],
        &[("FIELD('b', 'a', 'b')", "2")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, text};

    #[test]
    fn null_is_never_found() {
        check(
            definition,
            &[
                (&[text("b"), text("a"), Value::Null, text("b")], Value::Integer(3)),
                (&[text("x"), text("a")], Value::Integer(0)),
                (&[Value::Null, text("a"), Value::Null], Value::Integer(0)),
            ],
        );
    }
}
