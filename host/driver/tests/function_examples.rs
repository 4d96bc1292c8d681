//! Every function says what it does, and its examples are true: they run through parser, planner and operators.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use calzone_driver::Plugins;
use calzone_driver::driver::{ClientRow, Driver, Executed, Session};
use calzone_functions::{FunctionKind, Registry};
use calzone_sql::ast::Statement;

/// How many functions ksqlDB has, all of which are here.
const FUNCTIONS: usize = 149;

fn driver_with(script: &str) -> Driver {
    let mut driver = Driver::new(Arc::new(Plugins::none()), BTreeMap::new(), 1);
    let mut session = Session::default();
    for parsed in driver.parse(script, &session).unwrap_or_else(|error| panic!("{script}\n{error}")) {
        match driver.execute(&parsed, &mut session).unwrap_or_else(|error| panic!("{script}\n{error}")) {
            Executed::Insert(inserted) => driver.topics.append(&inserted.source.topic, inserted.record),
            Executed::Done | Executed::Query(_) => {}
        }
    }
    driver
}

fn select(driver: &Driver, query: &str) -> Result<Vec<ClientRow>, String> {
    let session = Session::default();
    let parsed = driver.parse(query, &session).map_err(|error| error.message)?;
    let [statement] = parsed.as_slice() else { return Err(format!("{} statements", parsed.len())) };
    let Statement::Query(query) = &statement.statement else { return Err("no query".into()) };
    driver.select(query, &session, &statement.text).map(|answer| answer.rows).map_err(|error| error.message)
}

/// The one value of the last row.
fn last_value(rows: &[ClientRow]) -> String {
    rows.last().map_or("no row".into(), |row| row.columns[0].to_string())
}

#[test]
fn examples_are_true() {
    let registry = Registry::built_in();
    let one_row = driver_with(
        "CREATE STREAM T (X INT) WITH (KAFKA_TOPIC='t', PARTITIONS=1, VALUE_FORMAT='JSON'); INSERT INTO T VALUES (1);",
    );
    let mut wrong = Vec::new();
    let mut compare = |expression: &str, expected: &str, found: Result<String, String>| match found {
        Ok(found) if found == expected => {}
        Ok(found) => wrong.push(format!("{expression} gives {found}, not {expected}")),
        Err(error) => wrong.push(format!("{expression}: {error}")),
    };
    for function in registry.names() {
        let mut examples = 0;
        if let Some(definition) = registry.scalar(function.name) {
            for example in &definition.examples {
                let rows = select(&one_row, &format!("SELECT {} AS R FROM T EMIT CHANGES;", example.expression));
                compare(example.expression, example.result, rows.map(|rows| last_value(&rows)));
                examples += 1;
            }
        }
        if let Some(definition) = registry.table(function.name) {
            for example in &definition.examples {
                let rows = select(&one_row, &format!("SELECT {} AS R FROM T EMIT CHANGES;", example.expression));
                let values = |rows: Vec<ClientRow>| rows.iter().map(|row| row.columns[0].to_string()).collect::<Vec<_>>();
                compare(example.expression, example.result, rows.map(|rows| format!("[{}]", values(rows).join(","))));
                examples += 1;
            }
        }
        if let Some(definition) = registry.aggregate(function.name) {
            for example in &definition.examples {
                let inserts: String = example.rows.iter().map(|row| format!("INSERT INTO T VALUES (1, {row});\n")).collect();
                let driver = driver_with(&format!(
                    "CREATE STREAM T (G INT KEY, {}) WITH (KAFKA_TOPIC='t', PARTITIONS=1, FORMAT='JSON');\n{inserts}",
                    example.columns
                ));
                let rows = select(&driver, &format!("SELECT {} AS R FROM T GROUP BY G EMIT CHANGES;", example.expression));
                compare(example.expression, example.result, rows.map(|rows| last_value(&rows)));
                examples += 1;
            }
        }
        assert!(examples > 0, "{} has no example", function.name);
    }
    assert!(wrong.is_empty(), "{} examples are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_function_describes_itself() {
    let registry = Registry::built_in();
    assert_eq!(registry.names().len(), FUNCTIONS);
    for function in registry.names() {
        let name = function.name;
        assert!(!function.category.is_empty(), "{name} has no category");
        let scalar = registry.scalar(name).or_else(|| registry.table(name));
        let (description, signatures) = match (scalar, registry.aggregate(name)) {
            (Some(d), _) => (&d.description, d.overloads.iter().map(|o| &o.signature).collect::<Vec<_>>()),
            (None, Some(d)) => (&d.description, d.overloads.iter().map(|o| &o.signature).collect()),
            (None, None) => panic!("{name} is listed but cannot be found"),
        };
        assert!(description.ends_with(['.', ')']) && description.len() > 6, "{name}: {description}");
        assert!(!signatures.is_empty(), "{name} has no signature");
        for parameter in signatures.iter().flat_map(|signature| &signature.parameters) {
            assert!(!parameter.name.is_empty(), "{name} has a parameter without a name");
        }
    }
}

/// Source files by name.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the functions' sources are beside this crate") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn every_function_has_a_file_of_its_own() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions/src");
    for function in Registry::built_in().names() {
        let folder = match function.kind {
            FunctionKind::Scalar => "scalar",
            FunctionKind::Table => "table",
            FunctionKind::Aggregate => "aggregate",
        };
        let mut files = Vec::new();
        sources(&root.join(folder), &mut files);
        let wanted = format!("{}.rs", function.name.to_lowercase());
        let mine: Vec<&PathBuf> = files.iter().filter(|file| file.file_name().is_some_and(|name| *name == *wanted)).collect();
        assert_eq!(mine.len(), 1, "{} belongs into {folder}/…/{wanted}", function.name);
        let text = fs::read_to_string(mine[0]).expect("a readable file");
        assert!(text.contains(&format!("\"{}\"", function.name)), "{wanted} does not define {}", function.name);
    }
}
