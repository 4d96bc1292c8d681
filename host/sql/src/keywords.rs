//! Which words are reserved, and names written so that they read back.

/// Words that cannot be names unless quoted, sorted.
const RESERVED: &[&str] = &[
    "ADVANCE",
    "ALL",
    "AND",
    "AS",
    "AT",
    "BEGINNING",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "CATALOG",
    "CONNECTOR",
    "CONNECTORS",
    "CREATE",
    "DECIMAL",
    "DEFINE",
    "DELETE",
    "DESCRIBE",
    "DISTINCT",
    "DROP",
    "ELSE",
    "END",
    "EXISTS",
    "EXPORT",
    "EXTENDED",
    "FALSE",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "HOPPING",
    "IN",
    "INNER",
    "INSERT",
    "INTO",
    "IS",
    "JOIN",
    "LEFT",
    "LIKE",
    "LIMIT",
    "LIST",
    "LOAD",
    "MATERIALIZED",
    "NAMESPACE",
    "NOT",
    "NULL",
    "ON",
    "OR",
    "OUTER",
    "PRINT",
    "PROPERTIES",
    "QUERIES",
    "QUERY",
    "RENAME",
    "RETENTION",
    "RIGHT",
    "RUN",
    "SAMPLE",
    "SCRIPT",
    "SELECT",
    "SIZE",
    "STREAM",
    "STREAMS",
    "TABLE",
    "TERMINATE",
    "THEN",
    "TO",
    "TOPIC",
    "TOPICS",
    "TRUE",
    "TUMBLING",
    "UNDEFINE",
    "UNSET",
    "VALUES",
    "VIEW",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
    "WITHIN",
];

/// Units of time with their milliseconds, largest first. `DAY` and `DAYS` are the same.
pub(crate) const TIME_UNITS: &[(&str, &str, i64)] = &[
    ("DAY", "DAYS", 86_400_000),
    ("HOUR", "HOURS", 3_600_000),
    ("MINUTE", "MINUTES", 60_000),
    ("SECOND", "SECONDS", 1_000),
    ("MILLISECOND", "MILLISECONDS", 1),
];

/// Is this word, in any case, reserved by the grammar? Reserved words can be names only in backticks.
pub fn is_reserved(word: &str) -> bool {
    RESERVED.binary_search(&word.to_ascii_uppercase().as_str()).is_ok()
}

/// The name as it must be written to be read back: in backticks where it is not a plain upper-case identifier.
pub fn quote_name(name: &str) -> String {
    if is_plain(name, |c| c.is_ascii_uppercase()) && !is_reserved(name) { name.to_owned() } else { in_backticks(name) }
}

pub(crate) fn in_backticks(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text literal: in single quotes, those inside doubled.
pub fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name that keeps its case (topics, plugins, settings): plain where it can be, else a text literal.
pub(crate) fn quote_resource(name: &str) -> String {
    if is_plain(name, |c| c.is_ascii_alphabetic()) && !is_reserved(name) { name.to_owned() } else { quote_text(name) }
}

/// Does the tokenizer read this text as one unquoted identifier, made of the given letters?
fn is_plain(name: &str, is_letter: impl Fn(char) -> bool) -> bool {
    name.starts_with(|c: char| is_letter(c) || c == '_')
        && name.chars().all(|c| is_letter(c) || c.is_ascii_digit() || matches!(c, '_' | '@'))
}

/// The plural of a unit of time, from either form in upper case.
pub(crate) fn time_unit(word: &str) -> Option<(&'static str, i64)> {
    TIME_UNITS.iter().find(|(one, many, _)| word == *one || word == *many).map(|(_, many, ms)| (*many, *ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted() {
        assert!(RESERVED.is_sorted());
    }

    #[test]
    fn quotes_only_where_needed() {
        for (name, text) in
            [("ID", "ID"), ("_x", "`_x`"), ("FROM", "`FROM`"), ("a b", "`a b`"), ("9", "`9`"), ("`", "````"), ("", "``")]
        {
            assert_eq!(quote_name(name), text);
        }
        assert_eq!(quote_resource("pizza-with-sauce"), "'pizza-with-sauce'");
        assert_eq!(quote_resource("orders_t"), "orders_t");
    }
}
