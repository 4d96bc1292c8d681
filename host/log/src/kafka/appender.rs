//! Appends for several threads through one producer.

use super::native::{Code, Delivery, Producer, error_for};
use super::settings::ClientKind;
use super::{NativeError, Shared};
use crate::error::{LogError, Result};
use crate::log::Appender;
use calzone_types::RecordBatch;
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A call's records are numbered by the low bits of their tag, calls by the others.
const ROW_BITS: u32 = 24;
/// The producer itself gives up after its delivery timeout; this is for the case that it does not say so.
const APPEND_TIME_MAX: Duration = Duration::from_secs(60);
const WAIT_STEP: Duration = Duration::from_millis(50);

pub(super) struct KafkaAppender {
    producer: Producer,
    calls: Mutex<Calls>,
    /// Held by the one thread that takes delivery reports, for all.
    reporting: Mutex<()>,
    delivered: Condvar,
}

#[derive(Default)]
struct Calls {
    next: u64,
    open: HashMap<u64, Call>,
}

struct Call {
    places: Vec<(i32, i64)>,
    missing: usize,
    failure: Option<LogError>,
}

impl KafkaAppender {
    pub(super) fn new(shared: &Shared) -> Result<KafkaAppender> {
        let mut settings = shared.client_settings(ClientKind::Producer, &BTreeMap::new());
        // Somebody waits for each append.
        settings.set("linger.ms", "0");
        let producer = Producer::new(&settings)?;
        Ok(KafkaAppender { producer, calls: Mutex::default(), reporting: Mutex::default(), delivered: Condvar::new() })
    }

    fn note(&self, delivery: Delivery) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let row = (delivery.tag & ((1 << ROW_BITS) - 1)) as usize;
        let Some(call) = calls.open.get_mut(&(delivery.tag >> ROW_BITS)) else { return };
        call.missing = call.missing.saturating_sub(1);
        if delivery.code.is_ok() {
            if let Some(place) = call.places.get_mut(row) {
                *place = (delivery.partition, delivery.offset);
            }
        } else if call.failure.is_none() {
            call.failure = Some(delivery_failure(&delivery));
        }
    }

    /// Waits until the call's records are delivered or given up.
    fn wait(&self, call: u64) -> Result<Vec<(i32, i64)>> {
        let deadline = Instant::now() + APPEND_TIME_MAX;
        loop {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            let missing = calls.open.get(&call).map_or(0, |call| call.missing);
            if missing == 0 || Instant::now() >= deadline {
                let Some(done) = calls.open.remove(&call) else { return Ok(Vec::new()) };
                return match done.failure {
                    Some(failure) => Err(failure),
                    None if missing == 0 => Ok(done.places),
                    None => Err(LogError::Retriable {
                        action: String::from("appending to Kafka"),
                        cause: format!("{missing} records were not acknowledged within {} s", APPEND_TIME_MAX.as_secs()),
                    }),
                };
            }
            match self.reporting.try_lock() {
                Ok(reporting) => {
                    drop(calls);
                    self.producer.deliveries(WAIT_STEP, &mut |delivery| self.note(delivery));
                    // Let go first, so that one of those who are woken can go on.
                    drop(reporting);
                    self.delivered.notify_all();
                }
                Err(_) => {
                    let waited = self.delivered.wait_timeout(calls, WAIT_STEP);
                    drop(waited.unwrap_or_else(PoisonError::into_inner));
                }
            }
        }
    }
}

impl Appender for KafkaAppender {
    fn append(&self, topic: &str, records: &RecordBatch) -> Result<Vec<(i32, i64)>> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let handle = self.producer.topic(topic).map_err(|error| sending_failed(error, topic))?;
        let call = {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            calls.next += 1;
            let number = calls.next;
            let places = vec![(0, 0); records.len()];
            calls.open.insert(number, Call { places, missing: records.len(), failure: None });
            number
        };
        let deadline = Instant::now() + APPEND_TIME_MAX;
        for (row, record) in records.iter().enumerate() {
            let tag = call << ROW_BITS | row as u64;
            let sent = check_timestamp(record.timestamp, topic).and_then(|()| {
                loop {
                    match self.producer.send(handle, record, tag) {
                        Err(error) if error.code == Code::QUEUE_FULL && Instant::now() < deadline => {
                            self.producer.deliveries(Duration::from_millis(5), &mut |delivery| self.note(delivery));
                        }
                        outcome => return outcome.map_err(|error| sending_failed(error, topic)),
                    }
                }
            });
            if let Err(failure) = sent {
                // What was queued before is waited for, so that the failure is the whole truth when it is told.
                let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(call) = calls.open.get_mut(&call) {
                    call.missing = call.missing.saturating_sub(records.len() - row);
                    call.failure.get_or_insert(failure);
                }
                break;
            }
        }
        self.wait(call)
    }
}

/// Why a record could not be queued.
pub(super) fn sending_failed(error: NativeError, topic: &str) -> LogError {
    match error.is_fatal {
        true => error.while_doing(format!("sending to topic '{topic}'")),
        false => error_for(error.code, format!("sending to topic '{topic}'"), error.text, Some(topic)),
    }
}

/// Why a queued record did not arrive.
pub(super) fn delivery_failure(delivery: &Delivery) -> LogError {
    let action = format!("delivering a record to {}-{}", delivery.topic, delivery.partition);
    error_for(delivery.code, action, delivery.code.text(), Some(&delivery.topic))
}

/// Kafka takes no records from before 1970.
pub(super) fn check_timestamp(timestamp: i64, topic: &str) -> Result<()> {
    match timestamp < 0 {
        false => Ok(()),
        true => Err(LogError::RecordRejected {
            topic: topic.to_owned(),
            reason: format!("its timestamp {timestamp} is negative, which Kafka does not take"),
        }),
    }
}
