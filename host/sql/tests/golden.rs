//! Golden files of statements: each `>` block is read as a script, and what is printed must be what stands after `---`:
//! the canonical texts, or the error with its caret. `CALZONE_BLESS=1` writes the files anew.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use calzone_sql::{format_statement, parse};

#[test]
fn golden_files() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("the folder of golden files").filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let expected = std::fs::read_to_string(&file).expect("a golden file");
        let actual = run(&expected);
        if std::env::var_os("CALZONE_BLESS").is_some() {
            std::fs::write(&file, &actual).expect("write a golden file");
        } else {
            assert_eq!(actual, expected, "{}", file.display());
        }
    }
}

/// The file with its outputs made anew. Lines that start with `#` are comments.
fn run(file: &str) -> String {
    let mut out = String::new();
    let mut lines = file.lines().peekable();
    while let Some(line) = lines.next() {
        if !line.starts_with('>') {
            // Comments and blank lines between blocks; old outputs are skipped below.
            writeln!(out, "{line}").expect("writing to a string");
            continue;
        }
        let mut script = line.strip_prefix("> ").unwrap_or("").to_owned();
        writeln!(out, "{line}").expect("writing to a string");
        while let Some(more) = lines.next_if(|l| l.starts_with('>')) {
            script.push('\n');
            script.push_str(more.strip_prefix("> ").unwrap_or(""));
            writeln!(out, "{more}").expect("writing to a string");
        }
        while lines.next_if(|l| !l.is_empty()).is_some() {}
        writeln!(out, "---").expect("writing to a string");
        match parse(&script, &BTreeMap::new()) {
            Ok(statements) => {
                for parsed in statements {
                    // A blank line would end the block, and white space at a line's end is easily lost.
                    let text = format_statement(&parsed.statement).replace(" \n", "·\n");
                    writeln!(out, "{text}").expect("writing to a string");
                }
            }
            Err(error) => writeln!(out, "{error}").expect("writing to a string"),
        }
    }
    out
}
