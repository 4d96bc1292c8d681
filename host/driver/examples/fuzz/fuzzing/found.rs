//! What fuzzing has found so far: inputs by target.

/// Target and parts of an input that once failed.
pub const FOUND: &[(&str, &[&str])] = &[
    // A result as long as a number says is as much memory as a number says.
    ("expressions", &["CREATE STREAM O AS SELECT K, LPAD('x', `I`, '/') AS R FROM T;", "{\"I\":2147483647}"]),
    ("expressions", &["CREATE STREAM O AS SELECT K, RPAD(`Z`, `I`, `Z`) AS R FROM T;", "{\"I\":2147483647,\"Z\":\"AQID\"}"]),
    // Results that double with each element.
    (
        "expressions",
        &["CREATE STREAM O AS SELECT K, LEN(REDUCE(GENERATE_SERIES(1, 60), 'x', (s, i) => s + s)) AS R FROM T;", "{}"],
    ),
    (
        "expressions",
        &["CREATE STREAM O AS SELECT K, LEN(REDUCE(GENERATE_SERIES(1, 60), 'x', (s, i) => CONCAT(s, s))) AS R FROM T;", "{}"],
    ),
    (
        "expressions",
        &[
            "CREATE STREAM O AS SELECT K, LEN(REDUCE(GENERATE_SERIES(1, 60), 'x', (s, i) => REPLACE(s, 'x', 'xx'))) AS R FROM T;",
            "{}",
        ],
    ),
    (
        "expressions",
        &[
            "CREATE STREAM O AS SELECT K, REDUCE(GENERATE_SERIES(1, 60), ARRAY[1], (s, i) => ARRAY_CONCAT(s, s)) AS R FROM T;",
            "{}",
        ],
    ),
];
