//! JSON for people, laid out as ksqlDB's command line does.

use serde_json::Value;

/// The value over several lines: objects a field a line, arrays on one line as far as they hold no objects.
pub fn pretty(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    out
}

fn write(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(fields) if fields.is_empty() => out.push_str("{ }"),
        Value::Object(fields) => {
            out.push_str("{\n");
            for (at, (name, value)) in fields.iter().enumerate() {
                out.push_str(&"  ".repeat(depth + 1));
                out.push_str(&format!("{} : ", Value::from(name.as_str())));
                write(value, depth + 1, out);
                out.push_str(if at + 1 < fields.len() { ",\n" } else { "\n" });
            }
            out.push_str(&"  ".repeat(depth));
            out.push('}');
        }
        Value::Array(items) if items.is_empty() => out.push_str("[ ]"),
        Value::Array(items) => {
            out.push_str("[ ");
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                write(item, depth, out);
            }
            out.push_str(" ]");
        }
        simple => out.push_str(&simple.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn objects_and_arrays() {
        let value = json!([{ "a": 1, "b": [{ "c": null }, { }], "d": ["x", 2.0], "e": [] }]);
        let wanted =
            "[ {\n  \"a\" : 1,\n  \"b\" : [ {\n    \"c\" : null\n  }, { } ],\n  \"d\" : [ \"x\", 2.0 ],\n  \"e\" : [ ]\n} ]";
        assert_eq!(super::pretty(&value), wanted);
    }
}
