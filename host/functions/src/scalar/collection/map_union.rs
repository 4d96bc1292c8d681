//! `MAP_UNION`.

use calzone_types::Value;

use super::generic::map_of;
use crate::evaluate::per_row;
use crate::signature::Returns;
use crate::{Parameter, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let description =
        "The entries of both maps; where both have a key, the second one's. A null map counts as empty; null if both are.";
    let parameters =
        vec![Parameter::new("left", map_of('K', 'V'), "first map"), Parameter::new("right", map_of('K', 'V'), "second map")];
    let overload = ScalarOverload::new(description, Signature::new(parameters, Returns::Type(map_of('K', 'V'))), |binding| {
        per_row(&binding.returns, |arguments| Ok(evaluate(arguments)))
    });
    ScalarDefinition::built_in(
        "MAP_UNION",
        "MAP",
        description,
        vec![overload],
        &[("MAP_UNION(MAP('a' := 1, 'b' := 2), MAP('b' := 3))", "{\"a\":1,\"b\":3}")],
    )
}

fn evaluate(arguments: &[Value]) -> Value {
    let (left, right) = match arguments {
        [Value::Map(left), Value::Map(right)] => (left, right),
        [Value::Null, other] | [other, _] => return other.clone(),
        _ => return Value::Null,
    };
    let mut union = left.clone();
    for (key, value) in right {
        match union.iter_mut().find(|(k, _)| k == key) {
            Some(entry) => entry.1 = value.clone(),
            None => union.push((key.clone(), value.clone())),
        }
    }
    Value::Map(union)
}
