//! Schemas and types as JSON.

use calzone_types::{Column, Namespace, Schema, SqlType};
use serde_json::{Value, json};

/// `{"type": …, "fields": …, "memberSchema": …}`; decimals have `parameters` too.
pub fn type_json(ty: &SqlType) -> Value {
    match ty {
        SqlType::Struct(fields) => {
            let fields: Vec<Value> = fields.iter().map(|f| json!({ "name": &*f.name, "schema": type_json(&f.ty) })).collect();
            json!({ "type": "STRUCT", "fields": fields, "memberSchema": null })
        }
        SqlType::Array(element) => json!({ "type": "ARRAY", "fields": null, "memberSchema": type_json(element) }),
        SqlType::Map(_, value) => json!({ "type": "MAP", "fields": null, "memberSchema": type_json(value) }),
        SqlType::Decimal { precision, scale } => json!({
            "type": "DECIMAL",
            "fields": null,
            "memberSchema": null,
            "parameters": { "precision": precision, "scale": scale },
        }),
        simple => json!({ "type": simple.base_name(), "fields": null, "memberSchema": null }),
    }
}

/// A column; those of the key say so.
pub fn field_json(column: &Column) -> Value {
    let mut field = json!({ "name": &*column.name, "schema": type_json(&column.ty) });
    match &column.namespace {
        Namespace::Key => field["type"] = "KEY".into(),
        Namespace::Value => {}
        Namespace::Headers(name) => {
            field["type"] = "HEADER".into();
            if let Some(name) = name {
                field["headerKey"] = (&**name).into();
            }
        }
    }
    field
}

/// All columns.
pub fn fields_json(schema: &Schema) -> Value {
    schema.columns.iter().map(field_json).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use calzone_types::Field;

    #[test]
    fn types_nest() {
        let plain = |name: &str| json!({ "type": name, "fields": null, "memberSchema": null });
        let cases = [
            (SqlType::Varchar, plain("STRING")),
            (SqlType::Integer, plain("INTEGER")),
            (SqlType::array(SqlType::Date), json!({ "type": "ARRAY", "fields": null, "memberSchema": plain("DATE") })),
            (
                SqlType::map(SqlType::Varchar, SqlType::Bytes),
                json!({ "type": "MAP", "fields": null, "memberSchema": plain("BYTES") }),
            ),
            (
                SqlType::structure([Field::new("X", SqlType::Double)]),
                json!({ "type": "STRUCT", "fields": [{ "name": "X", "schema": plain("DOUBLE") }], "memberSchema": null }),
            ),
            (
                SqlType::decimal(5, 2),
                json!({ "type": "DECIMAL", "fields": null, "memberSchema": null, "parameters": { "precision": 5, "scale": 2 } }),
            ),
        ];
        for (ty, wanted) in cases {
            assert_eq!(type_json(&ty).to_string(), wanted.to_string());
        }
    }

    #[test]
    fn key_columns_are_marked() {
        let key = field_json(&Column::key("K", SqlType::Varchar));
        assert_eq!(key["type"], "KEY");
        assert!(field_json(&Column::value("V", SqlType::Varchar)).get("type").is_none());
    }
}
