//! Statements of every kind: what the tree prints parses to the same tree, and prints the same again.

use std::collections::BTreeMap;

use calzone_sql::{format_statement, parse};

/// One statement a line or more, in the folder's `.sql` files.
const CORPUS: &[(&str, &str)] = &[
    ("sources", include_str!("corpus/sources.sql")),
    ("queries", include_str!("corpus/queries.sql")),
    ("expressions", include_str!("corpus/expressions.sql")),
    ("administration", include_str!("corpus/administration.sql")),
    ("plugins", include_str!("corpus/plugins.sql")),
];

#[test]
fn every_kind_of_statement_prints_and_reads_back() {
    for (name, script) in CORPUS {
        let statements = parse(script, &BTreeMap::new()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!statements.is_empty());
        for parsed in statements {
            let text = format_statement(&parsed.statement);
            let again = parse(&text, &BTreeMap::new()).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(again.len(), 1, "{text}");
            assert_eq!(again[0].statement, parsed.statement, "{text}");
            assert_eq!(format_statement(&again[0].statement), text);
        }
    }
}

/// Statements cut and changed at random places never panic.
#[test]
fn mutated_statements_never_panic() {
    let pieces = [
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
        "NOT ",
        " FROM ",
        "\0",
        ">>",
        "9223372036854775808",
    ];
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below.max(1) as u64) as usize
    };
    let statements: Vec<String> =
        CORPUS.iter().flat_map(|(_, script)| calzone_sql::split_statements(script).map(str::to_owned)).collect();
    for _ in 0..20_000 {
        let mut text: Vec<char> = statements[random(statements.len())].chars().collect();
        for _ in 0..=random(3) {
            let at = random(text.len() + 1);
            match random(4) {
                0 => text.truncate(at),
                1 => {
                    let end = (at + random(12)).min(text.len());
                    text.drain(at..end);
                }
                2 => {
                    let other = &statements[random(statements.len())];
                    text.splice(at..at, other.chars().skip(random(40)).take(random(30)));
                }
                _ => {
                    text.splice(at..at, pieces[random(pieces.len())].chars());
                }
            }
        }
        let text: String = text.into_iter().collect();
        match parse(&text, &BTreeMap::new()) {
            Ok(statements) => {
                for parsed in statements {
                    let printed = format_statement(&parsed.statement);
                    let again = parse(&printed, &BTreeMap::new()).unwrap_or_else(|error| panic!("{text}\n{error}"));
                    assert_eq!(again[0].statement, parsed.statement, "{text}\n{printed}");
                }
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}
