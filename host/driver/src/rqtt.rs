//! REST query tests: statements of one request, records, then SELECTs whose answers are compared.

use std::collections::VecDeque;
use std::sync::Arc;

use calzone_sql::ast::Parsed;
use calzone_sql::ast::{Query, Statement};
use serde_json::{Value as Json, json};

use crate::actual::{Numbers, of_json};
use crate::case::Case;
use crate::driver::{ClientRows, Driver, DriverError, Executed, PendingQuery, Record, Session};
use crate::expected::{self, Strictness};
use crate::outcome::{Diff, Failure, Outcome, Refusal};
use crate::plugins::Plugins;
use crate::{compare, qtt};

/// A moment that is far from the times of any record: the wall clock of a server.
const CLOCK_MS: i64 = 1_700_000_000_000;

/// Runs a case.
pub fn run(case: &Case, plugins: &Arc<Plugins>, batch_size: usize) -> Outcome {
    let mut driver = Driver::new(plugins.clone(), qtt::server_properties(), batch_size);
    driver.clock_ms = CLOCK_MS;
    let session = Session { properties: case.settings(), ..Session::default() };
    match (execute(case, &mut driver, session), &case.expected_error) {
        (Err(error), Some(_)) => Ok(Some(Refusal { stage: qtt::stage_word(error.stage), message: error.message })),
        (Ok(_), Some(_)) => Err(Failure::new("statement", "the case was accepted, but must be refused")),
        (Err(error), None) => Err(Failure::new(qtt::stage_word(error.stage), error.message)),
        (Ok(answers), None) => {
            let strictness = Strictness { numbers: Numbers::Exact, zero_is_any_time: false, more_allowed: true, headers: false };
            expected::check(&driver, &case.outputs, strictness)?;
            check_responses(case, &answers)?;
            Ok(None)
        }
    }
}

/// What a statement answered: nothing but its being done, or rows.
enum Answer {
    Admin,
    Rows(ClientRows),
}

fn execute(case: &Case, driver: &mut Driver, mut session: Session) -> Result<Vec<Answer>, DriverError> {
    let is_select = |statement: &String| statement.trim_start().to_uppercase().starts_with("SELECT ");
    let first = case.statements.iter().position(is_select).unwrap_or(case.statements.len());
    let (admin, selects) = case.statements.split_at(first);
    let script = driver.parse(&admin.join("\n"), &session)?;
    qtt::create_topics(case, driver, &script);
    let mut answers = Vec::new();
    for parsed in &script {
        if let Executed::Insert(inserted) = driver.execute(parsed, &mut session)? {
            driver.produce(&inserted.source.topic, inserted.record)?;
        } else {
            answers.push(Answer::Admin);
        }
    }
    let selects = selects.iter().map(|text| driver.parse(text, &session)).collect::<Result<Vec<_>, _>>()?.concat();
    let waits = case.input_conditions.as_ref().is_some_and(|conditions| conditions["waitForActivePushQuery"] == json!(true));
    let mut pending: Vec<Option<PendingQuery>> = Vec::new();
    if waits {
        for parsed in &selects {
            pending.push(driver.open_query(query_of(parsed)?, &session, &parsed.text)?);
        }
    }
    let records = qtt::input_records(driver, &case.inputs).map_err(DriverError::run)?;
    for (topic, record) in by_time(records) {
        driver.produce(&topic, record)?;
    }
    let mut pending = pending.into_iter();
    for parsed in &selects {
        let rows = match pending.next().flatten() {
            Some(opened) => driver.run_query(opened)?,
            None => driver.select(query_of(parsed)?, &session, &parsed.text)?,
        };
        answers.push(Answer::Rows(rows));
    }
    Ok(answers)
}

fn query_of(parsed: &Parsed) -> Result<&Query, DriverError> {
    match &parsed.statement {
        Statement::Query(query) => Ok(query),
        _ => Err(DriverError::statement(format!("Only SELECT may follow a SELECT: {}", parsed.text))),
    }
}

/// Records in the order in which a query takes them that finds all topics full: of the topics' first records always the
/// one with the lowest timestamp.
fn by_time(records: Vec<(String, Record)>) -> Vec<(String, Record)> {
    let mut queues: Vec<(String, VecDeque<Record>)> = Vec::new();
    for (topic, record) in records {
        match queues.iter_mut().find(|(name, _)| *name == topic) {
            Some((_, queue)) => queue.push_back(record),
            None => queues.push((topic, VecDeque::from([record]))),
        }
    }
    let mut ordered = Vec::new();
    loop {
        let heads = queues.iter().enumerate().filter_map(|(place, (_, queue))| Some((queue.front()?.timestamp, place)));
        let Some((_, place)) = heads.min() else { return ordered };
        let (topic, queue) = &mut queues[place];
        ordered.extend(queue.pop_front().map(|record| (topic.clone(), record)));
    }
}

fn check_responses(case: &Case, answers: &[Answer]) -> Result<(), Failure> {
    // INSERT VALUES answers nothing, so responses that are expected may be fewer than statements.
    if case.responses.len() > answers.len() {
        let reason = format!("expected {} responses, found {}", case.responses.len(), answers.len());
        return Err(Failure::new("compare", reason));
    }
    case.responses.iter().zip(answers).enumerate().try_for_each(|(index, (expected, answer))| match answer {
        Answer::Admin if expected.get("admin").is_some() => Ok(()),
        Answer::Rows(rows) => match expected.get("query").and_then(Json::as_array) {
            Some(wanted) => check_rows(index, wanted, rows),
            None => Err(Failure::new("compare", format!("response {index}: rows were not expected here"))),
        },
        Answer::Admin => Err(Failure::new("compare", format!("response {index}: expected {expected}"))),
    })
}

/// The rows of an answer, as the server would send them.
fn answer_json(rows: &ClientRows) -> Vec<Json> {
    let header = json!({ "header": { "queryId": rows.query_id, "schema": rows.schema.to_string() } });
    let row = |row: &crate::driver::ClientRow| {
        let mut shown = json!({ "row": { "columns": row.columns } });
        if row.tombstone {
            shown["row"]["tombstone"] = json!(true);
        }
        shown
    };
    let last = rows.final_message.map(|message| json!({ "finalMessage": message }));
    std::iter::once(header).chain(rows.rows.iter().map(row)).chain(last).collect()
}

fn check_rows(response: usize, expected: &[Json], rows: &ClientRows) -> Result<(), Failure> {
    let actual = answer_json(rows);
    let topic = format!("response {response}");
    let fail = |index: usize, reason: String| {
        let at = |list: &[Json]| list.get(index).cloned().unwrap_or(json!("no row"));
        let diff = Diff { topic: topic.clone(), index, expected: at(expected), actual: at(&actual) };
        Failure { stage: "compare", reason, diff: Some(Box::new(diff)) }
    };
    // A closing word that nobody expects is no row.
    let has_last = actual.last().is_some_and(|last| last.get("finalMessage").is_some());
    let wants_last = expected.last().is_some_and(|last| last.get("finalMessage").is_some());
    let shown = if has_last && !wants_last { &actual[..actual.len() - 1] } else { &actual[..] };
    if shown.len() != expected.len() {
        let index = shown.len().min(expected.len());
        return Err(fail(index, format!("expected {} rows, found {}", expected.len(), shown.len())));
    }
    // Columns are compared as a set: rows of several partitions have no order.
    let mut left: Vec<&Json> = shown.iter().filter_map(|row| row.get("row")).collect();
    for (index, (wanted, found)) in expected.iter().zip(shown).enumerate() {
        let Some(wanted_row) = wanted.get("row") else {
            contains(wanted, found).map_err(|reason| fail(index, reason))?;
            continue;
        };
        if found.get("row").is_none() {
            return Err(fail(index, "expected a row here".into()));
        }
        match left.iter().position(|row| contains(wanted_row, row).is_ok()) {
            Some(place) => {
                left.remove(place);
            }
            None => return Err(fail(index, "no row like this was found".into())),
        }
    }
    Ok(())
}

/// Does the answer hold at least what is expected?
fn contains(expected: &Json, actual: &Json) -> Result<(), String> {
    let (Json::Object(wanted), Json::Object(_)) = (expected, actual) else {
        return compare::value(expected, &of_json(actual, Numbers::Approximate));
    };
    wanted.iter().try_for_each(|(name, value)| {
        if let Some(field) = name.strip_suffix("|starts_with") {
            let (prefix, text) = (value.as_str().unwrap_or_default(), actual[field].as_str().unwrap_or_default());
            return if text.starts_with(prefix) {
                Ok(())
            } else {
                Err(format!("{field} is {text}, but must start with {prefix}"))
            };
        }
        match actual.get(name) {
            Some(found) => contains(value, found),
            None => Err(format!("there is no {name}")),
        }
    })
}
