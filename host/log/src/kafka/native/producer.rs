//! A producer, transactional or not.

use super::client::Configuration;
use super::consumer::{GroupProof, make_headers};
use super::partitions::{Place, Places};
use super::{Client, Code, NativeError, PARTITION_UNASSIGNED, c_string, milliseconds, owned_text};
use crate::error::Result;
use crate::kafka::settings::ClientSettings;
use calzone_types::RecordRef;
use hashbrown::HashMap;
use rdkafka_sys::*;
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// librdkafka takes 0 for "now": the first millisecond of 1970 becomes the second.
const TIMESTAMP_MIN: i64 = 1;

pub(in crate::kafka) struct Producer {
    client: Client,
    /// Where delivery reports arrive.
    reports: *mut rd_kafka_queue_t,
    topics: Mutex<HashMap<String, Topic>>,
}

// SAFETY: client, queue and topic functions of librdkafka are thread-safe; the handles are freed by the owner only.
unsafe impl Send for Producer {}
// SAFETY: as above.
unsafe impl Sync for Producer {}

/// A handle that is valid as long as its producer.
#[derive(Clone, Copy)]
pub(in crate::kafka) struct Topic(*mut rd_kafka_topic_t);

// SAFETY: a handle of a thread-safe object.
unsafe impl Send for Topic {}

/// What became of a record that was sent.
#[derive(Debug)]
pub(in crate::kafka) struct Delivery {
    /// What the sender gave with it.
    pub(in crate::kafka) tag: u64,
    /// Only if it failed.
    pub(in crate::kafka) topic: String,
    pub(in crate::kafka) partition: i32,
    pub(in crate::kafka) offset: i64,
    pub(in crate::kafka) code: Code,
}

impl Producer {
    /// Would a producer be made of these settings?
    pub(in crate::kafka) fn check(settings: &ClientSettings) -> Result<()> {
        Configuration::new(settings).map(|_| ())
    }

    pub(in crate::kafka) fn new(settings: &ClientSettings) -> Result<Producer> {
        let mut configuration = Configuration::new(settings)?;
        configuration.set_delivery_events();
        let client = configuration.build(rd_kafka_type_t::RD_KAFKA_PRODUCER)?;
        // SAFETY: the client is alive; the queue is given back in `drop`.
        let reports = unsafe { rd_kafka_queue_get_main(client.raw) };
        Ok(Producer { client, reports, topics: Mutex::default() })
    }

    pub(in crate::kafka) fn client(&self) -> &Client {
        &self.client
    }

    pub(in crate::kafka) fn topic(&self, name: &str) -> std::result::Result<Topic, NativeError> {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(topic) = topics.get(name) {
            return Ok(*topic);
        }
        // SAFETY: the client is alive; the handle is freed in `drop`.
        let raw = unsafe { rd_kafka_topic_new(self.client.raw, c_string(name).as_ptr(), null_mut()) };
        if raw.is_null() {
            // SAFETY: no preconditions.
            return Err(NativeError::from_code(Code::of(unsafe { rd_kafka_last_error() })));
        }
        topics.insert(name.to_owned(), Topic(raw));
        Ok(Topic(raw))
    }

    /// Queues a copy of the record; the tag comes back with its delivery.
    #[inline]
    pub(in crate::kafka) fn send(&self, topic: Topic, record: RecordRef<'_>, tag: u64) -> std::result::Result<(), NativeError> {
        use rd_kafka_vtype_t::*;
        let memory = |bytes: Option<&[u8]>| rd_kafka_vu_s__bindgen_ty_1 {
            mem: rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
                ptr: bytes.map_or(null_mut(), |bytes| bytes.as_ptr().cast_mut().cast()),
                size: bytes.map_or(0, <[u8]>::len),
            },
        };
        let argument = |vtype, u| rd_kafka_vu_t { vtype, u };
        let headers = if record.headers.is_empty() { null_mut() } else { make_headers(record.headers) };
        let arguments = [
            argument(RD_KAFKA_VTYPE_RKT, rd_kafka_vu_s__bindgen_ty_1 { rkt: topic.0 }),
            argument(RD_KAFKA_VTYPE_PARTITION, rd_kafka_vu_s__bindgen_ty_1 { i32_: record.partition.max(PARTITION_UNASSIGNED) }),
            argument(RD_KAFKA_VTYPE_KEY, memory(record.key)),
            argument(RD_KAFKA_VTYPE_VALUE, memory(record.value)),
            argument(RD_KAFKA_VTYPE_TIMESTAMP, rd_kafka_vu_s__bindgen_ty_1 { i64_: record.timestamp.max(TIMESTAMP_MIN) }),
            argument(RD_KAFKA_VTYPE_MSGFLAGS, rd_kafka_vu_s__bindgen_ty_1 { i: RD_KAFKA_MSG_F_COPY }),
            argument(RD_KAFKA_VTYPE_OPAQUE, rd_kafka_vu_s__bindgen_ty_1 { ptr: tag as usize as *mut c_void }),
            argument(RD_KAFKA_VTYPE_HEADERS, rd_kafka_vu_s__bindgen_ty_1 { headers }),
        ];
        let count = if headers.is_null() { arguments.len() - 1 } else { arguments.len() };
        // SAFETY: each argument has the member that its type names; the bytes live through the call and are copied;
        // the headers become librdkafka's if the call succeeds and remain ours if not.
        unsafe {
            let outcome = NativeError::take(rd_kafka_produceva(self.client.raw, arguments.as_ptr(), count));
            if outcome.is_err() && !headers.is_null() {
                rd_kafka_headers_destroy(headers);
            }
            outcome
        }
    }

    /// Gives out delivery reports, waiting for the first of them until the timeout.
    pub(in crate::kafka) fn deliveries(&self, timeout: Duration, give: &mut dyn FnMut(Delivery)) {
        let mut wait = milliseconds(timeout);
        loop {
            // SAFETY: the queue is alive; the event is freed after its messages were read.
            unsafe {
                let event = rd_kafka_queue_poll(self.reports, wait);
                if event.is_null() {
                    return;
                }
                if rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR {
                    loop {
                        let message = rd_kafka_event_message_next(event);
                        if message.is_null() {
                            break;
                        }
                        let m = &*message;
                        give(Delivery {
                            tag: m._private as usize as u64,
                            // Copied only where it is told to somebody: reports come by the million.
                            topic: match Code::of(m.err).is_ok() || m.rkt.is_null() {
                                true => String::new(),
                                false => owned_text(rd_kafka_topic_name(m.rkt)),
                            },
                            partition: m.partition,
                            offset: m.offset,
                            code: Code::of(m.err),
                        });
                    }
                }
                rd_kafka_event_destroy(event);
            }
            wait = 0;
        }
    }

    /// Records that are neither delivered nor given up, and reports that nobody took.
    pub(in crate::kafka) fn pending(&self) -> usize {
        // SAFETY: the client is alive.
        usize::try_from(unsafe { rd_kafka_outq_len(self.client.raw) }).unwrap_or(0)
    }

    /// Sends what is queued without waiting for more, and gives out the reports; true if nothing is left by the
    /// deadline. With `all_reported` deliveries are reported too, not failures only.
    pub(in crate::kafka) fn flush(&self, deadline: Instant, all_reported: bool, give: &mut dyn FnMut(Delivery)) -> bool {
        // librdkafka's own wait ends as soon as nothing is pending, but reports that nobody takes count as pending:
        // where they come, it is called in short steps.
        let step_ms = if all_reported { 1 } else { 20 };
        loop {
            self.deliveries(Duration::ZERO, give);
            if self.pending() == 0 {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            // SAFETY: the client is alive.
            unsafe { rd_kafka_flush(self.client.raw, step_ms) };
        }
    }

    /// Gives up what is queued; what is under way arrives.
    pub(in crate::kafka) fn purge_queue(&self) {
        // SAFETY: the client is alive.
        unsafe { rd_kafka_purge(self.client.raw, RD_KAFKA_PURGE_F_QUEUE) };
    }

    pub(in crate::kafka) fn init_transactions(&self, timeout: Duration) -> std::result::Result<(), NativeError> {
        // SAFETY: the client is alive; the error is freed.
        unsafe { NativeError::take(rd_kafka_init_transactions(self.client.raw, milliseconds(timeout))) }
    }

    pub(in crate::kafka) fn begin(&self) -> std::result::Result<(), NativeError> {
        // SAFETY: as above.
        unsafe { NativeError::take(rd_kafka_begin_transaction(self.client.raw)) }
    }

    pub(in crate::kafka) fn send_offsets(
        &self,
        places: Vec<Place>,
        proof: &GroupProof,
        timeout: Duration,
    ) -> std::result::Result<(), NativeError> {
        let list = Places::new(places);
        // SAFETY: client, list and proof are alive; the error is freed.
        unsafe {
            NativeError::take(rd_kafka_send_offsets_to_transaction(self.client.raw, list.raw, proof.raw, milliseconds(timeout)))
        }
    }

    pub(in crate::kafka) fn commit_transaction(&self, timeout: Duration) -> std::result::Result<(), NativeError> {
        // SAFETY: the client is alive; the error is freed.
        unsafe { NativeError::take(rd_kafka_commit_transaction(self.client.raw, milliseconds(timeout))) }
    }

    pub(in crate::kafka) fn abort_transaction(&self, timeout: Duration) -> std::result::Result<(), NativeError> {
        // SAFETY: as above.
        unsafe { NativeError::take(rd_kafka_abort_transaction(self.client.raw, milliseconds(timeout))) }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        let topics = std::mem::take(self.topics.get_mut().unwrap_or_else(PoisonError::into_inner));
        // SAFETY: nobody uses the handles any more; the client is freed after them.
        unsafe {
            for topic in topics.into_values() {
                rd_kafka_topic_destroy(topic.0);
            }
            rd_kafka_queue_destroy(self.reports);
        }
    }
}
