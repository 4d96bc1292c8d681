//! Query tests: statements, then records through one query after the other, then topics and sources compared.

use std::collections::BTreeMap;
use std::sync::Arc;

use calzone_plan::{Source, SourceKind, WindowType};
use calzone_sql::ast::Parsed;
use calzone_sql::ast::Statement;
use calzone_types::{Namespace, Value};
use serde_json::Value as Json;

use crate::actual::Numbers;
use crate::case::{Case, RecordSpec};
use crate::driver::{Driver, DriverError, Executed, Record, Session, Stage};
use crate::encode::{self, append_window};
use crate::expected::{self, Strictness, columns};
use crate::outcome::{Failure, Outcome, Refusal};
use crate::plugins::Plugins;
use crate::post;

/// Partitions of topics about which a case says nothing.
const PARTITIONS_DEFAULT: i32 = 4;

/// Runs a case.
pub fn run(case: &Case, plugins: &Arc<Plugins>, batch_size: usize) -> Outcome {
    let mut driver = Driver::new(plugins.clone(), server_properties(), batch_size);
    let mut session = Session { properties: case.settings(), ..Session::default() };
    let result = execute(case, &mut driver, &mut session);
    match (&case.expected_exception, result) {
        (None, Ok(())) => {}
        (None, Err(error)) => return Err(Failure::new(stage_word(error.stage), error.message)),
        (Some(expected), Err(error)) => return check_refusal(expected, error, &case.statements),
        (Some(_), Ok(())) => return Err(Failure::new("statement", "the case was accepted, but must be refused")),
    }
    let exact = session.properties.get("use.exact.numeric.comparison").is_none_or(|value| value != "false");
    let strictness = Strictness {
        numbers: if exact { Numbers::Exact } else { Numbers::Approximate },
        zero_is_any_time: case.inputs.is_empty(),
        more_allowed: false,
        headers: true,
    };
    expected::check(&driver, &case.outputs, strictness)?;
    case.post.as_ref().map_or(Ok(()), |post| post::check(&driver, post))?;
    Ok(None)
}

/// Settings of the server that the suites are made for.
pub fn server_properties() -> BTreeMap<String, String> {
    [
        ("ksql.streams.cache.max.bytes.buffering", "0"),
        ("ksql.headers.columns.enabled", "true"),
        ("ksql.persistence.default.format.key", "KAFKA"),
        ("ksql.query.pull.table.scan.enabled", "true"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// The stage's word in results.
pub fn stage_word(stage: Stage) -> &'static str {
    match stage {
        Stage::Parse => "parse",
        Stage::Statement => "statement",
        Stage::Run => "run",
    }
}

/// Was the case refused at the stage at which it must be?
fn check_refusal(expected: &Json, error: DriverError, statements: &[String]) -> Outcome {
    let kind = expected["type"].as_str().unwrap_or_default();
    let at_run_time = kind.ends_with("StreamsException");
    if at_run_time != (error.stage == Stage::Run) {
        let wanted = if at_run_time { "at run time" } else { "before any record flows" };
        let reason = format!("refused, but must be {wanted}: {}", error.message);
        return Err(Failure::new(stage_word(error.stage), reason));
    }
    let is_statement = kind.ends_with("KsqlStatementException");
    if let Some(place) = error.statement.filter(|place| is_statement && place + 1 < statements.len()) {
        let reason = format!("statement {} was refused, but the last one must be: {}", place + 1, error.message);
        return Err(Failure::new(stage_word(error.stage), reason));
    }
    Ok(Some(Refusal { stage: stage_word(error.stage), message: error.message }))
}

fn execute(case: &Case, driver: &mut Driver, session: &mut Session) -> Result<(), DriverError> {
    let script = driver.parse(&case.statements.join("\n"), session)?;
    create_topics(case, driver, &script);
    for (place, parsed) in script.iter().enumerate() {
        execute_one(driver, parsed, session).map_err(|error| DriverError { statement: Some(place), ..error })?;
    }
    if driver.queries().is_empty() && case.expected_exception.is_none() {
        return Err(DriverError::statement("The case makes no persistent query."));
    }
    let records = input_records(driver, &case.inputs).map_err(DriverError::run)?;
    run_queries(driver, &records)
}

/// Writes records to their topics, then sends through every query, one after the other, all that it can read.
pub fn run_queries(driver: &mut Driver, inputs: &[(String, Record)]) -> Result<(), DriverError> {
    for (topic, record) in inputs {
        driver.topics.append(topic, record.clone());
    }
    (0..driver.queries().len()).try_for_each(|query| run_query(driver, query, inputs))
}

fn execute_one(driver: &mut Driver, parsed: &Parsed, session: &mut Session) -> Result<(), DriverError> {
    let allowed = matches!(
        parsed.statement,
        Statement::CreateSource(_)
            | Statement::CreateSourceAs(_)
            | Statement::InsertInto(_)
            | Statement::InsertValues(_)
            | Statement::DropSource(_)
            | Statement::AlterSource { .. }
            | Statement::CreateType { .. }
            | Statement::DropType { .. }
            | Statement::Set { .. }
            | Statement::Unset { .. }
    );
    if !allowed {
        return Err(DriverError::statement(format!("A query test cannot hold this statement: {}", parsed.text)));
    }
    if let Executed::Insert(inserted) = driver.execute(parsed, session)? {
        driver.topics.append(&inserted.source.topic, inserted.record);
    }
    Ok(())
}

/// Makes the topics that are listed, then those that declarations and records name.
pub fn create_topics(case: &Case, driver: &mut Driver, script: &[Parsed]) {
    for topic in &case.topics {
        driver.topics.create(&topic.name, topic.partitions.unwrap_or(1), topic.replicas.unwrap_or(1));
    }
    for parsed in script {
        let Statement::CreateSource(create) = &parsed.statement else { continue };
        let property = |name: &str| {
            create
                .properties
                .iter()
                .find(|property| property.name.node.eq_ignore_ascii_case(name))
                .map(|property| &property.value.value)
        };
        if let Some(Value::Varchar(topic)) = property("KAFKA_TOPIC") {
            let number = |name: &str| property(name).and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok());
            driver.topics.create(topic, number("PARTITIONS").unwrap_or(PARTITIONS_DEFAULT), number("REPLICAS").unwrap_or(1));
        }
    }
    for record in case.inputs.iter().chain(&case.outputs) {
        driver.topics.create(&record.topic, PARTITIONS_DEFAULT, 1);
    }
}

/// The bytes of all inputs, in order.
pub fn input_records(driver: &Driver, inputs: &[RecordSpec]) -> Result<Vec<(String, Record)>, String> {
    inputs
        .iter()
        .enumerate()
        .map(|(index, spec)| {
            let record = input_record(driver, spec).map_err(|error| format!("input {index}: {error}"))?;
            Ok((spec.topic.clone(), record))
        })
        .collect()
}

fn input_record(driver: &Driver, spec: &RecordSpec) -> Result<Record, String> {
    let source: &Source = driver.source_of_topic(&spec.topic).ok_or_else(|| format!("no source reads topic {}", spec.topic))?;
    let mut key =
        encode::encode(&spec.key, &source.key_format, &columns(source, Namespace::Key)).map_err(|e| format!("key: {e}"))?;
    if let (Some(window), Some(key)) = (&spec.window, &mut key) {
        let kind = if window.kind.eq_ignore_ascii_case("session") { WindowType::Session } else { WindowType::Tumbling };
        append_window(key, kind, window.start, window.end);
    }
    let value = encode::encode(&spec.value, &source.value_format, &columns(source, Namespace::Value))
        .map_err(|e| format!("value: {e}"))?;
    let headers = encode::headers(spec.headers.as_ref().unwrap_or(&Json::Null))?;
    Ok(Record { key, value, timestamp: spec.timestamp.unwrap_or(0), headers })
}

/// Sends through a query all it can read: inputs in their order, then what topics hold that no input feeds.
fn run_query(driver: &mut Driver, query: usize, inputs: &[(String, Record)]) -> Result<(), DriverError> {
    let mine: Vec<&(String, Record)> = inputs.iter().filter(|(topic, _)| driver.queries()[query].reads(topic)).collect();
    // Neighbours of one topic may go together, as they would lie together in one fetch.
    let runs = mine.chunk_by(|a, b| a.0 == b.0);
    let runs: Vec<(String, Vec<Record>)> =
        runs.map(|run| (run[0].0.clone(), run.iter().map(|(_, record)| record.clone()).collect())).collect();
    for (topic, records) in &runs {
        driver.pipe(query, topic, records)?;
    }
    let upstream: Vec<Arc<str>> = driver.queries()[query].inputs().to_vec();
    for topic in upstream {
        if !inputs.iter().any(|(fed, _)| *fed == *topic) {
            let records = driver.topics.records(&topic).to_vec();
            driver.pipe(query, &topic, &records)?;
        }
    }
    Ok(())
}

/// `STREAM` or `TABLE`.
pub fn kind_word(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Stream => "STREAM",
        SourceKind::Table => "TABLE",
    }
}
