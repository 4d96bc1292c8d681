//! `ENTRIES`.

use calzone_types::{Field, SqlType, Value};

use crate::evaluate::per_row;
use crate::{Parameter, ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let description = "The entries of a map as an array of structs with the fields K and V, sorted by key if wanted.";
    let values = [SqlType::Integer, SqlType::Bigint, SqlType::Double, SqlType::Boolean, SqlType::Varchar];
    let overloads = values.map(|ty| {
        let parameters = vec![
            Parameter::new("map", SqlType::map(SqlType::Varchar, ty.clone()), "the map"),
            Parameter::new("sorted", SqlType::Boolean, "order the entries by key?"),
        ];
        let entry = SqlType::structure([Field::new("K", SqlType::Varchar), Field::new("V", ty)]);
        ScalarOverload::new(description, Signature::new(parameters, SqlType::array(entry).into()), |binding| {
            per_row(&binding.returns, |arguments| Ok(evaluate(arguments)))
        })
    });
    let examples = [("ENTRIES(MAP('b' := 2, 'a' := 1), TRUE)", r#"[{"K":"a","V":1},{"K":"b","V":2}]"#)];
    ScalarDefinition::built_in("ENTRIES", "MAP", description, overloads.to_vec(), &examples)
}

fn evaluate(arguments: &[Value]) -> Value {
    let [Value::Map(entries), sorted] = arguments else { return Value::Null };
    let mut entries = entries.clone();
    if *sorted == Value::Boolean(true) {
        entries.sort_by(|a, b| a.0.compare(&b.0));
    }
    Value::Array(entries.into_iter().map(|(k, v)| Value::Struct(vec![k, v])).collect())
}
