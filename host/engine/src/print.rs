//! PRINT: records of a topic as text, with a guess at their formats.

use std::time::Duration;

use calzone_log::{StartOffset, TopicPartition};
use calzone_sql::ast::Print;
use tokio::sync::mpsc;

use crate::StatementError;
use crate::engine::Engine;
use crate::options::PUSH_BUFFER_BATCHES;

/// What a client of PRINT gets, in order; the channel closes after the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrintLine {
    /// What the keys may be: `KAFKA_INT or KAFKA_STRING`; known once a record was seen.
    KeyFormat(String),
    ValueFormat(String),
    /// `rowtime: …, key: …, value: …, partition: …`
    Record(String),
    /// The topic cannot be read any more.
    Failed(String),
}

/// A running PRINT.
pub struct PrintStream {
    pub lines: mpsc::Receiver<PrintLine>,
}

/// Shown for a part that was null in every record so far.
const NO_DATA: &str = "¯\\_(ツ)_/¯ - no data processed";

const POLL: Duration = Duration::from_millis(250);

impl Engine {
    pub(crate) fn print(&self, print: &Print) -> Result<PrintStream, StatementError> {
        let topic = self.log.topic(&print.topic.node).map_err(|e| StatementError::internal(e.to_string()))?;
        let topic = topic.ok_or_else(|| {
            StatementError::bad_request(format!(
                "There is no topic '{}'. Names of topics keep their case; SHOW TOPICS lists them.",
                print.topic.node
            ))
        })?;
        let start = if print.from_beginning { StartOffset::Earliest } else { StartOffset::Latest };
        let places: Vec<_> = (0..topic.partitions).map(|p| (TopicPartition::new(topic.name.as_str(), p), start)).collect();
        let mut reader = self.log.reader(&places).map_err(|e| StatementError::internal(e.to_string()))?;
        let (sender, lines) = mpsc::channel(PUSH_BUFFER_BATCHES);
        let interval = print.interval.unwrap_or(1).max(1);
        let limit = print.limit;
        let engine = self.handle();
        let work = move || {
            let mut printer = Printer { key: None, value: None, announced: (false, false) };
            let (mut seen, mut printed) = (0u64, 0u64);
            let mut fetched = Vec::new();
            while limit.is_none_or(|n| printed < n) && !sender.is_closed() && engine.upgrade().is_some_and(|e| !e.is_stopping()) {
                fetched.clear();
                if let Err(e) = reader.poll(&mut fetched, 256, POLL) {
                    let _ = sender.blocking_send(PrintLine::Failed(e.to_string()));
                    return;
                }
                for part in &fetched {
                    for record in part.records.iter() {
                        seen += 1;
                        if (seen - 1) % interval != 0 {
                            continue;
                        }
                        for line in printer.lines(record, part.tp.partition) {
                            if sender.blocking_send(line).is_err() {
                                return;
                            }
                        }
                        printed += 1;
                        if limit.is_some_and(|n| printed >= n) {
                            return;
                        }
                    }
                }
            }
        };
        std::thread::Builder::new().name("print".into()).spawn(work).map_err(|e| StatementError::internal(e.to_string()))?;
        Ok(PrintStream { lines })
    }
}

/// What a part's bytes are taken for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guess {
    Json,
    Int,
    Long,
    Text,
}

struct Printer {
    key: Option<Guess>,
    value: Option<Guess>,
    announced: (bool, bool),
}

impl Printer {
    fn lines(&mut self, record: calzone_types::RecordRef<'_>, partition: i32) -> Vec<PrintLine> {
        let mut lines = Vec::new();
        for (bytes, guess, announced, make) in [
            (record.key, &mut self.key, &mut self.announced.0, PrintLine::KeyFormat as fn(String) -> PrintLine),
            (record.value, &mut self.value, &mut self.announced.1, PrintLine::ValueFormat as fn(String) -> PrintLine),
        ] {
            if guess.is_none()
                && let Some(bytes) = bytes
            {
                let (best, names) = guess_format(bytes);
                *guess = Some(best);
                *announced = true;
                lines.push(make(names));
            } else if !*announced {
                *announced = true;
                lines.push(make(NO_DATA.to_owned()));
            }
        }
        let time = calzone_types::text::format_timestamp(record.timestamp).replace('-', "/").replace('T', " ");
        let key = show(record.key, self.key);
        let value = show(record.value, self.value);
        lines.push(PrintLine::Record(format!("rowtime: {time} Z, key: {key}, value: {value}, partition: {partition}")));
        lines
    }
}

fn guess_format(bytes: &[u8]) -> (Guess, String) {
    let mut names = Vec::new();
    let mut best = None;
    let mut offer = |guess: Guess, name: &'static str| {
        names.push(name);
        best.get_or_insert(guess);
    };
    let starts_with_json =
        serde_json::Deserializer::from_slice(bytes).into_iter::<serde_json::Value>().next().is_some_and(|v| v.is_ok());
    if starts_with_json {
        offer(Guess::Json, "JSON");
    }
    if bytes.len() == 4 {
        offer(Guess::Int, "KAFKA_INT");
    }
    if bytes.len() == 8 {
        offer(Guess::Long, "KAFKA_BIGINT");
        names.push("KAFKA_DOUBLE");
    }
    names.push("KAFKA_STRING");
    (best.unwrap_or(Guess::Text), names.join(" or "))
}

fn show(bytes: Option<&[u8]>, guess: Option<Guess>) -> String {
    let Some(bytes) = bytes else { return "<null>".into() };
    match (guess, bytes.len()) {
        (Some(Guess::Int), 4) => i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]).to_string(),
        (Some(Guess::Long), 8) => i64::from_be_bytes(std::array::from_fn(|i| bytes[i])).to_string(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}
