//! What the JSON functions share: reading documents and picking from them.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

/// The document. `None` for blank text, which has no value; an error for text that is not JSON.
pub fn read(text: &str) -> Result<Option<Json>, String> {
    if is_blank(text) {
        return Ok(None);
    }
    serde_json::from_str(text).map(Some).map_err(|e| not_json(&e))
}

/// The value at the path, without building the rest of the document.
pub fn pick(text: &str, path: &[String]) -> Result<Option<Json>, String> {
    if is_blank(text) {
        return Ok(None);
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let found = Pick { path }.deserialize(&mut deserializer).map_err(|e| not_json(&e))?;
    deserializer.end().map_err(|e| not_json(&e))?;
    Ok(found)
}

/// The text of a string, the JSON of anything else.
pub fn to_text(value: Json) -> String {
    match value {
        Json::String(text) => text,
        other => other.to_string(),
    }
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_whitespace())
}

fn not_json(error: &serde_json::Error) -> String {
    format!("The text is not valid JSON: {error}.")
}

/// Takes the first step of the path, and ignores everything beside it.
struct Pick<'p> {
    path: &'p [String],
}

impl<'de> DeserializeSeed<'de> for Pick<'_> {
    type Value = Option<Json>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Json>, D::Error> {
        if self.path.is_empty() {
            return serde::Deserialize::deserialize(deserializer).map(Some);
        }
        deserializer.deserialize_any(self)
    }
}

/// A scalar has nothing below it.
macro_rules! nothing_below {
    ($($method:ident: $ty:ty),*) => {
        $(fn $method<E>(self, _: $ty) -> Result<Option<Json>, E> {
            Ok(None)
        })*
    };
}

impl<'de> Visitor<'de> for Pick<'_> {
    type Value = Option<Json>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    nothing_below!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E>(self) -> Result<Option<Json>, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Option<Json>, A::Error> {
        let Ok(wanted) = self.path[0].parse::<usize>() else {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(None);
        };
        for _ in 0..wanted {
            if items.next_element::<IgnoredAny>()?.is_none() {
                return Ok(None);
            }
        }
        let found = items.next_element_seed(Pick { path: &self.path[1..] })?.flatten();
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Option<Json>, A::Error> {
        let mut found = None;
        // A number arrives here too, as a map of one entry whose key no path can name.
        while let Some(key) = entries.next_key::<std::borrow::Cow<'de, str>>()? {
            if key == self.path[0].as_str() {
                found = entries.next_value_seed(Pick { path: &self.path[1..] })?;
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}
