//! A consumer that is read in batches.

use super::client::Configuration;
use super::partitions::{Place, Places, read_list};
use super::{Client, Code, NativeError, c_string, milliseconds, owned_text};
use crate::error::Result;
use crate::kafka::settings::ClientSettings;
use crate::reader::Fetched;
use crate::topic::TopicPartition;
use crate::worker::WakeHandle;
use calzone_types::{Header, RecordBatch};
use rdkafka_sys::*;
use std::collections::VecDeque;
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most messages that are taken over at a time.
const BATCH_MESSAGES_MAX: usize = 8_192;

/// Batches that are kept for later records, and the most memory each may have then.
const SPARE_BATCHES_MAX: usize = 16;
const SPARE_BYTES_MAX: usize = 2 << 20;

/// What the group's coordinator wants.
#[derive(Debug)]
pub(in crate::kafka) enum Rebalance {
    Assign(Vec<TopicPartition>),
    /// With `lost`, others may own the partitions already.
    Revoke {
        lost: bool,
    },
}

/// What callbacks have noted for the polling thread.
#[derive(Default)]
struct Notes {
    rebalances: Mutex<VecDeque<Rebalance>>,
}

/// The consumer queue, for those who want to end a poll; null once the consumer is gone.
struct WakeQueue(Mutex<*mut rd_kafka_queue_t>);

// SAFETY: the pointer is used under the lock only, and librdkafka's queue functions are thread-safe.
unsafe impl Send for WakeQueue {}
// SAFETY: as above.
unsafe impl Sync for WakeQueue {}

pub(in crate::kafka) struct Consumer {
    client: Client,
    queue: *mut rd_kafka_queue_t,
    wake: Arc<WakeQueue>,
    /// Boxed, since librdkafka keeps its address.
    notes: Box<Notes>,
    buffer: Vec<*mut rd_kafka_message_t>,
    /// Empty batches with memory from earlier polls.
    spare: Vec<RecordBatch>,
    subscribed: bool,
    /// Boxed, since librdkafka keeps its address.
    woken: Option<Box<WakeHandle>>,
}

// SAFETY: the queue belongs to the client and its functions are thread-safe; the buffer is empty between calls.
unsafe impl Send for Consumer {}

/// Errors and ends of partitions among what was fetched.
#[derive(Debug)]
pub(in crate::kafka) enum Notice {
    End { tp: TopicPartition, next: i64 },
    Failed { tp: Option<TopicPartition>, code: Code, text: String },
}

impl Consumer {
    pub(in crate::kafka) fn new(settings: &ClientSettings) -> Result<Consumer> {
        let mut configuration = Configuration::new(settings)?;
        let notes = Box::<Notes>::default();
        let opaque = std::ptr::from_ref::<Notes>(&notes).cast_mut().cast();
        configuration.set_rebalance_callback(note_rebalance, opaque);
        let client = configuration.build(rd_kafka_type_t::RD_KAFKA_CONSUMER)?;
        // SAFETY: the client is alive; the queue is given back in `drop`.
        let queue = unsafe {
            rd_kafka_poll_set_consumer(client.raw);
            rd_kafka_queue_get_consumer(client.raw)
        };
        let wake = Arc::new(WakeQueue(Mutex::new(queue)));
        Ok(Consumer { client, queue, wake, notes, buffer: Vec::new(), spare: Vec::new(), subscribed: false, woken: None })
    }

    pub(in crate::kafka) fn subscribe(&mut self, topics: &[String]) -> std::result::Result<(), NativeError> {
        self.subscribed = true;
        // SAFETY: client and list are alive.
        NativeError::check(unsafe { rd_kafka_subscribe(self.client.raw, Places::of_topics(topics).raw) })
    }

    /// Reads from these places from now on, and from no other partition.
    pub(in crate::kafka) fn assign(&self, places: Vec<Place>) -> std::result::Result<(), NativeError> {
        // SAFETY: client and list are alive.
        NativeError::check(unsafe { rd_kafka_assign(self.client.raw, Places::new(places).raw) })
    }

    pub(in crate::kafka) fn unassign(&self) -> std::result::Result<(), NativeError> {
        // SAFETY: the client is alive; null means no partitions.
        NativeError::check(unsafe { rd_kafka_assign(self.client.raw, null_mut()) })
    }

    /// What the group has committed, waiting for open transactions to end.
    pub(in crate::kafka) fn committed(
        &self,
        partitions: &[TopicPartition],
        timeout: Duration,
    ) -> std::result::Result<Vec<Place>, NativeError> {
        let list = Places::of_partitions(partitions);
        // SAFETY: client and list are alive.
        NativeError::check(unsafe { rd_kafka_committed(self.client.raw, list.raw, milliseconds(timeout)) })?;
        let places = list.read();
        match places.iter().find(|place| !place.code.is_ok() && place.code != Code::NO_OFFSET) {
            Some(failed) => Err(NativeError::from_code(failed.code)),
            None => Ok(places),
        }
    }

    /// Commits offsets and waits for the answer. A commit that was given up may still take place.
    pub(in crate::kafka) fn commit(&self, places: Vec<Place>, timeout: Duration) -> std::result::Result<(), NativeError> {
        let list = Places::new(places);
        // SAFETY: client and list are alive; the queue and the event are freed here.
        unsafe {
            let answers = rd_kafka_queue_new(self.client.raw);
            let started = rd_kafka_commit_queue(self.client.raw, list.raw, answers, None, null_mut());
            let outcome = NativeError::check(started).and_then(|()| {
                let event = rd_kafka_queue_poll(answers, milliseconds(timeout));
                if event.is_null() {
                    return Err(NativeError::from_code(Code::TIMED_OUT));
                }
                let code = Code::of(rd_kafka_event_error(event));
                let text = owned_text(rd_kafka_event_error_string(event));
                let places = read_list(rd_kafka_event_topic_partition_list(event));
                rd_kafka_event_destroy(event);
                if !code.is_ok() && code != Code::NO_OFFSET {
                    return Err(NativeError { text, ..NativeError::from_code(code) });
                }
                match places.into_iter().find(|place| !place.code.is_ok()) {
                    Some(failed) => Err(NativeError::from_code(failed.code)),
                    None => Ok(()),
                }
            });
            rd_kafka_queue_destroy(answers);
            outcome
        }
    }

    pub(in crate::kafka) fn pause(&self, partitions: &[TopicPartition]) -> std::result::Result<(), NativeError> {
        // SAFETY: client and list are alive.
        NativeError::check(unsafe { rd_kafka_pause_partitions(self.client.raw, Places::of_partitions(partitions).raw) })
    }

    pub(in crate::kafka) fn resume(&self, partitions: &[TopicPartition]) -> std::result::Result<(), NativeError> {
        // SAFETY: client and list are alive.
        NativeError::check(unsafe { rd_kafka_resume_partitions(self.client.raw, Places::of_partitions(partitions).raw) })
    }

    /// Adds what is there; waits for the first message, rebalance or wake-up until the timeout.
    pub(in crate::kafka) fn poll(
        &mut self,
        max_records: usize,
        timeout: Duration,
        give: &mut dyn FnMut(Fetched),
        notice: &mut dyn FnMut(Notice),
    ) -> std::result::Result<(), NativeError> {
        let wanted = max_records.clamp(1, BATCH_MESSAGES_MAX);
        self.buffer.clear();
        self.take_available(wanted)?;
        if self.buffer.is_empty() && !timeout.is_zero() && !self.has_rebalance() {
            // The batch call would wait until the batch is full; this one returns with the first message.
            // SAFETY: the client is alive.
            let first = unsafe { rd_kafka_consumer_poll(self.client.raw, milliseconds(timeout)) };
            if !first.is_null() {
                self.buffer.push(first);
                self.take_available(wanted - 1)?;
            }
        }
        self.hand_over(give, notice);
        Ok(())
    }

    fn take_available(&mut self, count: usize) -> std::result::Result<(), NativeError> {
        let filled = self.buffer.len();
        self.buffer.resize(filled + count, null_mut());
        // SAFETY: there is room for `count` pointers after the filled ones.
        let taken = unsafe { rd_kafka_consume_batch_queue(self.queue, 0, self.buffer.as_mut_ptr().add(filled), count) };
        self.buffer.truncate(filled + usize::try_from(taken).unwrap_or(0));
        match taken < 0 {
            // SAFETY: no preconditions.
            true => Err(NativeError::from_code(Code::of(unsafe { rd_kafka_last_error() }))),
            false => Ok(()),
        }
    }

    /// Copies the buffered messages into batches, one for each partition, and frees them.
    fn hand_over(&mut self, give: &mut dyn FnMut(Fetched), notice: &mut dyn FnMut(Notice)) {
        let mut lanes: Vec<(*mut rd_kafka_topic_t, Fetched)> = Vec::new();
        let mut current = usize::MAX;
        let count = self.buffer.len();
        for (index, &message) in self.buffer.iter().enumerate() {
            // SAFETY: the message is ours until it is freed below, and nothing borrowed from it is kept.
            unsafe {
                let m = &*message;
                if m.err != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                    notice(read_notice(m));
                } else {
                    let fits = |(topic, fetched): &(*mut rd_kafka_topic_t, Fetched)| {
                        *topic == m.rkt && fetched.tp.partition == m.partition
                    };
                    if !lanes.get(current).is_some_and(fits) {
                        current = lanes.iter().position(fits).unwrap_or_else(|| {
                            let tp = Arc::new(TopicPartition::new(owned_text(rd_kafka_topic_name(m.rkt)), m.partition));
                            let records = self.spare.pop().unwrap_or_else(|| {
                                let (left, mut records) = (count - index, RecordBatch::default());
                                records.reserve(left, (left * (m.len + m.key_len)).min(SPARE_BYTES_MAX));
                                records
                            });
                            lanes.push((m.rkt, Fetched { tp, records }));
                            lanes.len() - 1
                        });
                    }
                    if let Some((_, fetched)) = lanes.get_mut(current) {
                        copy_message(message, &mut fetched.records);
                    }
                }
                rd_kafka_message_destroy(message);
            }
        }
        self.buffer.clear();
        lanes.into_iter().for_each(|(_, fetched)| give(fetched));
    }

    /// Keeps the memory of a batch for later records.
    pub(in crate::kafka) fn recycle(&mut self, mut records: RecordBatch) {
        if self.spare.len() < SPARE_BATCHES_MAX && records.capacity_bytes() <= SPARE_BYTES_MAX {
            records.clear();
            self.spare.push(records);
        }
    }

    /// Has the coordinator wished for something that was not followed yet?
    pub(in crate::kafka) fn has_rebalance(&self) -> bool {
        !self.notes.rebalances.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The next wish of the coordinator that was noted during a poll. The group waits until it is followed by
    /// [`Consumer::assign`] or [`Consumer::unassign`].
    pub(in crate::kafka) fn next_rebalance(&self) -> Option<Rebalance> {
        self.notes.rebalances.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Calls `wake` from one of librdkafka's threads whenever there is something to poll, for those who wait elsewhere.
    pub(in crate::kafka) fn wake_by(&mut self, wake: WakeHandle) {
        let wake = Box::new(wake);
        // SAFETY: the queue is alive; the callback gets the box, which outlives the client.
        unsafe { rd_kafka_queue_cb_event_enable(self.queue, Some(wake_up), std::ptr::from_ref(&*wake).cast_mut().cast()) };
        self.woken = Some(wake);
    }

    pub(in crate::kafka) fn wake_handle(&self) -> WakeHandle {
        let wake = self.wake.clone();
        Arc::new(move || {
            let queue = wake.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !queue.is_null() {
                // SAFETY: the queue is alive: its owner takes the pointer away, under this lock, before it frees it.
                unsafe { rd_kafka_queue_yield(*queue) };
            }
        })
    }

    /// Why the client can do no more, as when another one has taken its name in the group.
    pub(in crate::kafka) fn fatal_error(&self) -> Option<NativeError> {
        self.client.fatal_error()
    }

    /// Proof of our membership, for a transaction.
    pub(in crate::kafka) fn group_proof(&self) -> GroupProof {
        // SAFETY: the client is alive.
        GroupProof { raw: unsafe { rd_kafka_consumer_group_metadata(self.client.raw) } }
    }

    /// Leaves the group, so that others need not wait for the session to time out. A member with a name of its own
    /// (`group.instance.id`) does not leave when it is closed, only when it unsubscribes.
    fn leave(&mut self) {
        const LEAVE_TIME_MAX: Duration = Duration::from_secs(2);
        const STEP_MS: i32 = 5;
        let deadline = Instant::now() + LEAVE_TIME_MAX;
        // SAFETY: the client is alive; messages are freed here.
        unsafe {
            rd_kafka_unsubscribe(self.client.raw);
            // The member's id is forgotten at the moment the request to leave is sent.
            while self.is_member() && Instant::now() < deadline {
                let message = rd_kafka_consumer_poll(self.client.raw, STEP_MS);
                if !message.is_null() {
                    rd_kafka_message_destroy(message);
                }
                if self.next_rebalance().is_some() {
                    rd_kafka_assign(self.client.raw, null_mut());
                }
            }
        }
    }

    /// Does the group know us?
    fn is_member(&self) -> bool {
        // SAFETY: the client is alive; the text is ours to free, and a null pointer means none.
        unsafe {
            let id = rd_kafka_memberid(self.client.raw);
            let known = !id.is_null() && *id != 0;
            rd_kafka_mem_free(self.client.raw, id.cast());
            known
        }
    }

    /// Ends the client's work for the group.
    fn close(&mut self) {
        const CLOSE_TIME_MAX: Duration = Duration::from_secs(3);
        let deadline = Instant::now() + CLOSE_TIME_MAX;
        // SAFETY: the client is alive; the queue and what is polled from it are freed here.
        unsafe {
            let events = rd_kafka_queue_new(self.client.raw);
            if NativeError::take(rd_kafka_consumer_close_queue(self.client.raw, events)).is_ok() {
                while rd_kafka_consumer_closed(self.client.raw) == 0 && Instant::now() < deadline {
                    let event = rd_kafka_queue_poll(events, 20);
                    let mut asked = self.next_rebalance().is_some();
                    if !event.is_null() {
                        asked |= rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE;
                        rd_kafka_event_destroy(event);
                    }
                    if asked {
                        rd_kafka_assign(self.client.raw, null_mut());
                    }
                }
            }
            rd_kafka_queue_destroy(events);
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        *self.wake.0.lock().unwrap_or_else(PoisonError::into_inner) = null_mut();
        if self.subscribed {
            self.leave();
            self.close();
        }
        // SAFETY: nobody else has the pointer any more; without a callback there are no calls.
        unsafe {
            rd_kafka_queue_cb_event_enable(self.queue, None, null_mut());
            rd_kafka_queue_destroy(self.queue);
        }
    }
}

/// Who we are in the group, at this moment.
pub(in crate::kafka) struct GroupProof {
    pub(super) raw: *mut rd_kafka_consumer_group_metadata_t,
}

impl Drop for GroupProof {
    fn drop(&mut self) {
        if !self.raw.is_null() {
            // SAFETY: ours to free.
            unsafe { rd_kafka_consumer_group_metadata_destroy(self.raw) };
        }
    }
}

unsafe extern "C" fn wake_up(_: *mut rd_kafka_t, wake: *mut c_void) {
    // SAFETY: the pointer is that of the consumer's box, which outlives its client.
    unsafe { (*wake.cast::<WakeHandle>())() };
}

unsafe extern "C" fn note_rebalance(
    client: *mut rd_kafka_t,
    code: rd_kafka_resp_err_t,
    list: *mut rd_kafka_topic_partition_list_t,
    notes: *mut c_void,
) {
    // SAFETY: the pointer is that of the consumer's notes, which outlive its client; list and client are alive.
    unsafe {
        let notes = &*notes.cast::<Notes>();
        let rebalance = match code {
            rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                Rebalance::Assign(read_list(list).into_iter().map(|place| place.tp).collect())
            }
            _ => Rebalance::Revoke { lost: rd_kafka_assignment_lost(client) != 0 },
        };
        notes.rebalances.lock().unwrap_or_else(PoisonError::into_inner).push_back(rebalance);
        // Ends the poll that called us.
        rd_kafka_yield(client);
    }
}

/// # Safety
/// The message is alive and carries an error.
unsafe fn read_notice(message: &rd_kafka_message_t) -> Notice {
    // SAFETY: as the caller promises; an error's payload is its text.
    unsafe {
        let code = Code::of(message.err);
        let tp = (!message.rkt.is_null())
            .then(|| TopicPartition::new(owned_text(rd_kafka_topic_name(message.rkt)), message.partition));
        match tp {
            Some(tp) if code == Code::PARTITION_EOF => Notice::End { tp, next: message.offset },
            tp => {
                let text = match message.payload.is_null() {
                    true => code.text(),
                    false => String::from_utf8_lossy(std::slice::from_raw_parts(message.payload.cast::<u8>(), message.len))
                        .into_owned(),
                };
                Notice::Failed { tp, code, text }
            }
        }
    }
}

/// # Safety
/// The message is alive and carries a record.
unsafe fn copy_message(message: *mut rd_kafka_message_t, records: &mut RecordBatch) {
    // SAFETY: key and value have the lengths that stand beside them; a null pointer is a null.
    unsafe {
        let m = &*message;
        let timestamp = rd_kafka_message_timestamp(message, null_mut());
        let append = |buffer: &mut Vec<u8>, bytes: *const c_void, length: usize| {
            if !bytes.is_null() {
                buffer.extend_from_slice(std::slice::from_raw_parts(bytes.cast::<u8>(), length));
            }
            !bytes.is_null()
        };
        records.push_with(
            m.offset,
            timestamp,
            m.partition,
            |buffer| append(buffer, m.key, m.key_len),
            |buffer| append(buffer, m.payload, m.len),
        );
        let mut headers = null_mut();
        if may_have_headers(message)
            && rd_kafka_message_headers(message, &mut headers) == rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
        {
            records.set_headers(read_headers(headers));
        }
    }
}

/// Is a record's value followed by its headers in the memory that this librdkafka gives out? So it is in the versions
/// that were looked at; of others every record is asked for its headers.
pub(super) const HEADERS_FOLLOW_VALUE: bool = RD_KAFKA_VERSION >> 16 == 0x020c;

/// False if the record is known to have no headers: asking librdkafka takes an allocation for each record, which would
/// be a sixth of what reading one costs, and most records have none.
///
/// # Safety
/// The message is alive and carries a record.
#[inline]
unsafe fn may_have_headers(message: *const rd_kafka_message_t) -> bool {
    // SAFETY: only Kafka's second record format knows leader epochs. There a record is one piece of memory which ends
    // with key, value, the number of headers and the headers, and librdkafka points into it, unless the value is empty.
    // So behind a value lies the number, of which no header is the single byte 0.
    unsafe {
        let m = &*message;
        let known = HEADERS_FOLLOW_VALUE && m.len > 0 && !m.payload.is_null() && rd_kafka_message_leader_epoch(message) >= 0;
        !known || *m.payload.cast::<u8>().add(m.len) != 0
    }
}

/// # Safety
/// The headers are alive.
unsafe fn read_headers(headers: *const rd_kafka_headers_t) -> Vec<Header> {
    let mut read = Vec::new();
    let (mut name, mut value, mut length) = (std::ptr::null(), std::ptr::null(), 0usize);
    // SAFETY: headers are read until there is none of the next number; values have the given length.
    unsafe {
        while rd_kafka_header_get_all(headers, read.len(), &mut name, &mut value, &mut length)
            == rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
        {
            let bytes = (!value.is_null()).then(|| std::slice::from_raw_parts(value.cast::<u8>(), length).to_vec());
            read.push((Arc::from(owned_text(name)), bytes));
        }
    }
    read
}

/// Kept here, beside its only counterpart.
pub(super) fn make_headers(headers: &[Header]) -> *mut rd_kafka_headers_t {
    // SAFETY: the object is ours until a message takes it; names and values are copied.
    unsafe {
        let made = rd_kafka_headers_new(headers.len());
        for (name, value) in headers {
            let name = c_string(name);
            let (bytes, length) =
                value.as_ref().map_or((std::ptr::null(), 0), |value| (value.as_ptr().cast(), value.len() as isize));
            rd_kafka_header_add(made, name.as_ptr(), -1, bytes, length);
        }
        made
    }
}
