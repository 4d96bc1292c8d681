//! As little as possible between the hand-written loop and librdkafka's C interface: its batch calls.

use rdkafka_sys::types::{RDKafka, RDKafkaMessage, RDKafkaQueue, RDKafkaTopic};
use rdkafka_sys::*;
use std::ffi::{CStr, CString, c_void};
use std::sync::atomic::{AtomicU64, Ordering};

static UNDELIVERED: AtomicU64 = AtomicU64::new(0);

unsafe extern "C" fn on_delivery(_: *mut RDKafka, message: *const RDKafkaMessage, _: *mut c_void) {
    // SAFETY: librdkafka passes a message that lives during the call.
    if unsafe { (*message).err } != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        UNDELIVERED.fetch_add(1, Ordering::Relaxed);
    }
}

fn client(kind: rd_kafka_type_t, settings: &[(&str, &str)]) -> Result<*mut RDKafka, String> {
    let mut text = [0; 512];
    // SAFETY: the configuration is ours until rd_kafka_new takes it; all strings outlive the calls.
    unsafe {
        let configuration = rd_kafka_conf_new();
        for (name, value) in settings {
            let (c_name, c_value) = (c_string(name)?, c_string(value)?);
            let result = rd_kafka_conf_set(configuration, c_name.as_ptr(), c_value.as_ptr(), text.as_mut_ptr(), text.len());
            if result != rd_kafka_conf_res_t::RD_KAFKA_CONF_OK {
                return Err(format!("{name}={value}: {}", CStr::from_ptr(text.as_ptr()).to_string_lossy()));
            }
        }
        if kind == rd_kafka_type_t::RD_KAFKA_PRODUCER {
            rd_kafka_conf_set_dr_msg_cb(configuration, Some(on_delivery));
        }
        let client = rd_kafka_new(kind, configuration, text.as_mut_ptr(), text.len());
        if client.is_null() { Err(CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned()) } else { Ok(client) }
    }
}

fn c_string(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|_| format!("{text:?} has a zero byte"))
}

/// Reads all partitions of one topic from their beginning.
pub struct Consumer {
    client: *mut RDKafka,
    queue: *mut RDKafkaQueue,
    topic: CString,
    messages: Vec<*mut RDKafkaMessage>,
    /// Next offset of each partition.
    pub next: Vec<i64>,
    /// Records in the topic when the consumer was made.
    pub total: u64,
}

/// A consumed message; freed when dropped.
pub struct Message(*mut RDKafkaMessage);

impl Message {
    pub fn key(&self) -> &[u8] {
        // SAFETY: the message is ours until it is dropped.
        unsafe { bytes((*self.0).key, (*self.0).key_len) }
    }

    pub fn value(&self) -> &[u8] {
        // SAFETY: as above.
        unsafe { bytes((*self.0).payload, (*self.0).len) }
    }

    pub fn partition(&self) -> i32 {
        // SAFETY: as above.
        unsafe { (*self.0).partition }
    }

    pub fn timestamp(&self) -> i64 {
        // SAFETY: as above.
        unsafe { rd_kafka_message_timestamp(self.0, std::ptr::null_mut()) }
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: nobody else has the message.
        unsafe { rd_kafka_message_destroy(self.0) }
    }
}

/// # Safety
/// `start` is null, or `length` bytes that live as long as the result is used.
unsafe fn bytes<'a>(start: *mut c_void, length: usize) -> &'a [u8] {
    if start.is_null() { &[] } else { unsafe { std::slice::from_raw_parts(start.cast(), length) } }
}

impl Consumer {
    pub fn new(brokers: &str, topic: &str, partitions: i32, batch: usize) -> Result<Consumer, String> {
        let settings = [
            ("bootstrap.servers", brokers),
            ("group.id", "bench-loop"),
            ("enable.auto.commit", "false"),
            ("queued.min.messages", "200000"),
            ("queued.max.messages.kbytes", "131072"),
            ("fetch.message.max.bytes", "2097152"),
            ("fetch.max.bytes", "16777216"),
            ("fetch.wait.max.ms", "20"),
            // By default a partition whose queue was full once is not fetched for a second.
            ("fetch.queue.backoff.ms", "2"),
        ];
        let client = client(rd_kafka_type_t::RD_KAFKA_CONSUMER, &settings)?;
        let c_topic = c_string(topic)?;
        let mut total = 0;
        // SAFETY: the client lives as long as the process; the list is ours.
        let queue = unsafe {
            rd_kafka_poll_set_consumer(client);
            let list = rd_kafka_topic_partition_list_new(partitions);
            for partition in 0..partitions {
                let (mut low, mut high) = (0, 0);
                let error = rd_kafka_query_watermark_offsets(client, c_topic.as_ptr(), partition, &mut low, &mut high, 10_000);
                if error != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                    return Err(format!("offsets of {topic} {partition}: {error:?}"));
                }
                total += (high - low) as u64;
                (*rd_kafka_topic_partition_list_add(list, c_topic.as_ptr(), partition)).offset = low;
            }
            rd_kafka_assign(client, list);
            rd_kafka_topic_partition_list_destroy(list);
            rd_kafka_queue_get_consumer(client)
        };
        let next = vec![0; partitions as usize];
        Ok(Consumer { client, queue, topic: c_topic, messages: vec![std::ptr::null_mut(); batch], next, total })
    }

    /// Calls `take` with each message of the next batch, which may come for so long; returns how many there were.
    pub fn batch(&mut self, wait_ms: i32, mut take: impl FnMut(Message)) -> Result<u64, String> {
        // SAFETY: the queue writes at most as many pointers as the vector has; each is ours from then on.
        unsafe {
            let count = rd_kafka_consume_batch_queue(self.queue, wait_ms, self.messages.as_mut_ptr(), self.messages.len());
            for &message in &self.messages[..count.max(0) as usize] {
                let message = Message(message);
                if (*message.0).err != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                    return Err(format!("reading: {:?}", (*message.0).err));
                }
                self.next[(*message.0).partition as usize] = (*message.0).offset + 1;
                take(message);
            }
            if count < 0 { Err("reading failed".into()) } else { Ok(count as u64) }
        }
    }
}

/// Writes to some topics, by their number.
pub struct Producer {
    client: *mut RDKafka,
    topics: Vec<*mut RDKafkaTopic>,
    transactional: bool,
}

impl Producer {
    pub fn new(brokers: &str, topics: &[&str], transactional_id: Option<&str>) -> Result<Producer, String> {
        Producer::with_linger(brokers, topics, transactional_id, "20")
    }

    /// Sends what it gets after so many milliseconds.
    pub fn with_linger(
        brokers: &str,
        topics: &[&str],
        transactional_id: Option<&str>,
        linger_ms: &str,
    ) -> Result<Producer, String> {
        let mut settings = vec![
            ("bootstrap.servers", brokers),
            ("linger.ms", linger_ms),
            ("batch.size", "1000000"),
            ("batch.num.messages", "100000"),
            ("queue.buffering.max.messages", "500000"),
            ("queue.buffering.max.kbytes", "524288"),
            ("acks", "all"),
            ("delivery.report.only.error", "true"),
        ];
        if let Some(id) = transactional_id {
            // A small transaction takes 100 ms instead of 17 with librdkafka's own value.
            settings.extend([("transactional.id", id), ("retry.backoff.ms", "5")]);
        }
        let client = client(rd_kafka_type_t::RD_KAFKA_PRODUCER, &settings)?;
        let mut handles = Vec::new();
        for topic in topics {
            let topic = c_string(topic)?;
            // SAFETY: the client lives as long as the process.
            handles.push(unsafe { rd_kafka_topic_new(client, topic.as_ptr(), std::ptr::null_mut()) });
        }
        let producer = Producer { client, topics: handles, transactional: transactional_id.is_some() };
        if producer.transactional {
            // SAFETY: as above.
            unsafe {
                succeeded(rd_kafka_init_transactions(client, 30_000))?;
                succeeded(rd_kafka_begin_transaction(client))?;
            }
        }
        Ok(producer)
    }

    pub fn send(&mut self, topic: usize, partition: i32, key: &[u8], value: &[u8]) -> Result<(), String> {
        loop {
            // SAFETY: librdkafka copies value and key before it returns.
            let result = unsafe {
                rd_kafka_produce(
                    self.topics[topic],
                    partition,
                    RD_KAFKA_MSG_F_COPY as i32,
                    value.as_ptr() as *mut c_void,
                    value.len(),
                    key.as_ptr().cast(),
                    key.len(),
                    std::ptr::null_mut(),
                )
            };
            if result == 0 {
                return Ok(());
            }
            // SAFETY: as above.
            let error = unsafe { rd_kafka_last_error() };
            if error != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__QUEUE_FULL {
                return Err(format!("writing: {error:?}"));
            }
            // SAFETY: as above.
            unsafe { rd_kafka_poll(self.client, 5) };
        }
    }

    pub fn poll(&self) {
        // SAFETY: the client lives as long as the process.
        unsafe { rd_kafka_poll(self.client, 0) };
    }

    /// Makes what was sent so far visible, with the positions that the input has come to.
    pub fn commit(&self, consumer: &Consumer) -> Result<(), String> {
        if !self.transactional {
            return Ok(());
        }
        // SAFETY: list and metadata are ours.
        unsafe {
            let list = rd_kafka_topic_partition_list_new(consumer.next.len() as i32);
            for (partition, next) in consumer.next.iter().enumerate().filter(|(_, next)| **next > 0) {
                (*rd_kafka_topic_partition_list_add(list, consumer.topic.as_ptr(), partition as i32)).offset = *next;
            }
            let group = rd_kafka_consumer_group_metadata(consumer.client);
            let sent = succeeded(rd_kafka_send_offsets_to_transaction(self.client, list, group, 30_000));
            rd_kafka_consumer_group_metadata_destroy(group);
            rd_kafka_topic_partition_list_destroy(list);
            sent?;
            succeeded(rd_kafka_commit_transaction(self.client, 60_000))?;
            succeeded(rd_kafka_begin_transaction(self.client))
        }
    }

    /// Waits until everything is at the broker.
    pub fn flush(&self) -> Result<(), String> {
        // SAFETY: the client lives as long as the process.
        let error = unsafe { rd_kafka_flush(self.client, 120_000) };
        match UNDELIVERED.load(Ordering::Relaxed) {
            0 if error == rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
            undelivered => Err(format!("flushing: {error:?}; {undelivered} records were not delivered")),
        }
    }
}

/// # Safety
/// `error` is null or an error that nobody else frees.
unsafe fn succeeded(error: *mut rd_kafka_error_s) -> Result<(), String> {
    if error.is_null() {
        return Ok(());
    }
    unsafe {
        let text = CStr::from_ptr(rd_kafka_error_string(error)).to_string_lossy().into_owned();
        rd_kafka_error_destroy(error);
        Err(text)
    }
}
