//! Where inputs begin: our own statements.

use super::random::Random;

/// Scripts of the parser's tests and our own goldens.
const SCRIPTS: &[&str] = &[
    include_str!("../../../../sql/tests/corpus/sources.sql"),
    include_str!("../../../../sql/tests/corpus/queries.sql"),
    include_str!("../../../../sql/tests/corpus/expressions.sql"),
    include_str!("../../../../sql/tests/corpus/administration.sql"),
    include_str!("../../../../sql/tests/corpus/plugins.sql"),
    include_str!("../../../../../tests/goldens/foreign_key_join.sql"),
    include_str!("../../../../../tests/goldens/having.sql"),
    include_str!("../../../../../tests/goldens/session_merge.sql"),
    include_str!("../../../../../tests/goldens/stream_stream_join.sql"),
];

/// Pieces that mean something to somebody.
const PIECES: &[&str] = &[
    "'",
    "`",
    "\"",
    "(",
    ")",
    "[",
    "]",
    "<",
    ">",
    "->",
    "=>",
    ":=",
    ";",
    "--",
    "/*",
    "*/",
    "${",
    "}",
    "$",
    "ä",
    "\u{1F355}",
    "-",
    ".",
    "1e",
    " NOT ",
    " FROM ",
    "\0",
    ">>",
    "9223372036854775808",
    "1e400",
    " AND ",
    " IN (",
    " BETWEEN ",
    " CASE ",
    " END ",
    " AS ",
    "''",
    "``",
    ",",
    "\u{202e}",
    "\r\n",
    "\u{feff}",
    " NULL ",
    "@",
    " AT TIME ZONE ",
    " LIKE ",
    " ESCAPE ",
    "*",
    "+",
    " DATE '2020-02-30' ",
    " TIMESTAMP '",
    "CAST(",
    " AS DECIMAL(",
    "ARRAY[",
    "MAP(",
    "STRUCT(",
    " WITHIN ",
    " WINDOW ",
    "0x1F",
    "\\u0000",
    " KEY ",
    " PRIMARY KEY ",
    " EMIT CHANGES ",
    " EMIT FINAL ",
    " LIMIT ",
    " HAVING ",
    " PARTITION BY ",
];

/// All statements.
pub fn statements() -> Vec<&'static str> {
    SCRIPTS.iter().flat_map(|script| calzone_sql::split_statements(script)).collect()
}

/// A text with some places changed, cut, doubled or taken from elsewhere.
pub fn mutate(random: &mut Random, text: &str, others: &[&str]) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(4) {
        let at = random.below(text.len() + 1);
        let end = (at + random.below(16)).min(text.len());
        match random.below(8) {
            0 => text.truncate(at),
            1 => drop(text.drain(at..end)),
            2 | 3 => {
                let other: Vec<char> = random.pick(others).chars().collect();
                let from = random.below(other.len() + 1);
                let to = (from + random.below(40)).min(other.len());
                text.splice(at..end, other[from..to].iter().copied());
            }
            4 => {
                let copy: Vec<char> = text[at..end].to_vec();
                let place = random.below(text.len() + 1);
                text.splice(place..place, copy);
            }
            5 => {
                let count = random.below(60);
                let piece = random.pick(PIECES).repeat(count);
                text.splice(at..at, piece.chars());
            }
            _ => drop(text.splice(at..at, random.pick(PIECES).chars())),
        }
    }
    text.into_iter().collect()
}
