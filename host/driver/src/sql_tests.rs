//! SQL tests: scripts whose ASSERT statements look at what queries wrote; INSERT VALUES runs through all queries at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use calzone_plan::Source;
use calzone_sql::ast::Parsed;
use calzone_sql::ast::{self, Statement};

use crate::case::{Case, StepSpec};
use crate::driver::{Driver, DriverError, Executed, Session, matches};
use crate::outcome::{Failure, Outcome, Refusal};
use crate::plugins::Plugins;
use crate::qtt;

/// Partitions of topics that declarations name.
const PARTITIONS: i32 = 1;

/// A moment that is far from the times of any record: the wall clock of a server.
const CLOCK_MS: i64 = 1_700_000_000_000;

/// Runs a case.
pub fn run(case: &Case, plugins: &Arc<Plugins>, batch_size: usize) -> Outcome {
    let mut driver = Driver::new(plugins.clone(), qtt::server_properties(), batch_size);
    driver.clock_ms = CLOCK_MS;
    let mut test = Test { driver, session: Session::default(), cursors: BTreeMap::new() };
    let result = case.steps.iter().enumerate().try_for_each(|(index, step)| test.step(step).map_err(|error| (index, error)));
    match (result, case.expects_error()) {
        (Ok(()), false) => Ok(None),
        (Err((_, error)), true) => Ok(Some(Refusal { stage: qtt::stage_word(error.stage), message: error.message })),
        (Ok(()), true) => Err(Failure::new("statement", "all steps were accepted, but one must be refused")),
        (Err((index, error)), false) => {
            let step = case.steps.get(index).map_or("", |step| &step.sql);
            Err(Failure::new("statement", format!("step {}: {}\n{step}", index + 1, error.message)))
        }
    }
}

struct Test {
    driver: Driver,
    session: Session,
    /// How many records of each topic were looked at.
    cursors: BTreeMap<String, usize>,
}

impl Test {
    fn step(&mut self, step: &StepSpec) -> Result<(), DriverError> {
        for parsed in self.driver.parse(&step.sql, &self.session)? {
            match &parsed.statement {
                Statement::RunScript { .. } => {
                    let script = step.script.as_deref().unwrap_or_default();
                    for parsed in self.driver.parse(script, &self.session)? {
                        self.statement(&parsed)?;
                    }
                }
                _ => self.statement(&parsed)?,
            }
        }
        Ok(())
    }

    fn statement(&mut self, parsed: &Parsed) -> Result<(), DriverError> {
        let text = &parsed.text;
        match &parsed.statement {
            Statement::AssertValues(expected) => self.assert_values(expected, false, text),
            Statement::AssertTombstone(expected) => self.assert_values(expected, true, text),
            Statement::AssertSource { kind, name, elements, properties } => {
                let found = self.driver.catalog().sources.get(&name.node).cloned();
                let found = found.ok_or_else(|| DriverError::statement(format!("There is no stream or table {}.", name.node)))?;
                let described = self.driver.described_source(*kind, name, elements, properties, &self.session, text)?;
                same_source(&described, &found).map_err(|what| {
                    DriverError::statement(format!("The {what} of {} is not what the assertion says.", name.node))
                })
            }
            _ => {
                self.create_topic(parsed);
                if let Executed::Insert(inserted) = self.driver.execute(parsed, &mut self.session)? {
                    let topic = inserted.source.topic.clone();
                    self.driver.produce(&topic, inserted.record)?;
                }
                Ok(())
            }
        }
    }

    /// A declaration finds its topic, as if somebody had made it.
    fn create_topic(&mut self, parsed: &Parsed) {
        let Statement::CreateSource(create) = &parsed.statement else { return };
        let topic = create.properties.iter().find(|property| property.name.node.eq_ignore_ascii_case("KAFKA_TOPIC"));
        if let Some(topic) = topic.and_then(|property| property.value.value.as_str()) {
            self.driver.topics.create(topic, PARTITIONS, 1);
        }
    }

    fn assert_values(&mut self, expected: &ast::InsertValues, tombstone: bool, text: &str) -> Result<(), DriverError> {
        let row = self.driver.expected_row(expected, &self.session, text)?;
        let cursor = self.cursors.entry(row.source.topic.to_string()).or_default();
        let Some(record) = self.driver.topics.records(&row.source.topic).get(*cursor) else {
            return Err(DriverError::statement(format!("{} has no more records; {cursor} were read.", row.source.name)));
        };
        *cursor += 1;
        let fail = |reason: String| DriverError::statement(format!("Record {cursor} of {}: {reason}.", row.source.name));
        if tombstone && record.value.is_some() {
            return Err(fail("expected a tombstone, found a row".into()));
        }
        matches(&row, record).map_err(fail)
    }
}

/// The first thing in which two sources differ.
fn same_source(wanted: &Source, found: &Source) -> Result<(), &'static str> {
    let checks = [
        ("schema", wanted.schema == found.schema),
        ("kind", wanted.kind == found.kind),
        ("topic", wanted.topic == found.topic),
        ("key format", wanted.key_format == found.key_format),
        ("value format", wanted.value_format == found.value_format),
        ("window", wanted.window == found.window),
        ("timestamp column", wanted.timestamp == found.timestamp),
    ];
    checks.into_iter().find(|(_, same)| !same).map_or(Ok(()), |(what, _)| Err(what))
}
