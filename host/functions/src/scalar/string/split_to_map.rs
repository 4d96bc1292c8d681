//! `SPLIT_TO_MAP(text, entry delimiter, key-value delimiter)`.

use calzone_types::{SqlType, Value};

use crate::definition::category;
use crate::evaluate::per_row_of_values;
use crate::{ScalarDefinition, ScalarOverload, Signature};

pub fn definition() -> ScalarDefinition {
    let parameters = [("input", SqlType::Varchar), ("entryDelimiter", SqlType::Varchar), ("kvDelimiter", SqlType::Varchar)];
    let signature = Signature::of(&parameters, SqlType::map(SqlType::Varchar, SqlType::Varchar));
    ScalarDefinition::built_in(
        "SPLIT_TO_MAP",
        category::STRING,
        "A map of the entries of a text. Entries without the key-value delimiter are left out; of equal keys the last wins. \
         Null if a delimiter is empty.",
        vec![ScalarOverload::new("", signature, |binding| per_row_of_values(&binding.returns, |values| Ok(split(values))))],
        &[("SPLIT_TO_MAP('a:1/b:2', '/', ':')", "{\"a\":\"1\",\"b\":\"2\"}")],
    )
}

fn split(values: &[Value]) -> Value {
    let (Some(text), Some(entry), Some(pair)) = (values[0].as_str(), values[1].as_str(), values[2].as_str()) else {
        return Value::Null;
    };
    if entry.is_empty() || pair.is_empty() {
        return Value::Null;
    }
    let mut entries: Vec<(Value, Value)> = Vec::new();
    for part in text.split(entry).filter(|part| !part.is_empty()) {
        let mut pieces = part.split(pair);
        let (Some(key), Some(value)) = (pieces.next(), pieces.next()) else { continue };
        let (key, value) = (Value::from(key), Value::from(value));
        match entries.iter_mut().find(|(known, _)| *known == key) {
            Some(found) => found.1 = value,
            None => entries.push((key, value)),
        }
    }
    Value::Map(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::testing::{check, text};

    #[test]
    fn the_last_of_equal_keys_wins() {
        let map = |entries: &[(&str, &str)]| Value::Map(entries.iter().map(|(k, v)| (text(k), text(v))).collect());
        let case = |input: &str, entry: &str, pair: &str| [text(input), text(entry), text(pair)];
        check(
            definition,
            &[
                (&case("a:1//b:2/a:3/", "/", ":"), map(&[("a", "3"), ("b", "2")])),
                (&case("a:1", "/", "="), map(&[])),
                (&case("a:1", "", ":"), Value::Null),
                (&case("", "/", ":"), map(&[])),
            ],
        );
    }
}
