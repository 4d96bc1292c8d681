//! A librdkafka client of any kind: made from settings, freed when dropped.

use super::{Code, NativeError, c_string, milliseconds, owned_text};
use crate::error::{LogError, Result};
use crate::kafka::fetch::Leaders;
use crate::kafka::settings::ClientSettings;
use crate::topic::{TopicInfo, TopicPartition};
use rdkafka_sys::*;
use std::ffi::c_void;
use std::os::raw::{c_char, c_int};
use std::ptr::null_mut;
use std::sync::Arc;
use std::time::Duration;

/// Owns the C object; all its functions may be called from several threads.
pub(in crate::kafka) struct Client {
    pub(super) raw: *mut rd_kafka_t,
}

// SAFETY: librdkafka's client functions are documented as thread-safe.
unsafe impl Send for Client {}
// SAFETY: as above.
unsafe impl Sync for Client {}

/// A configuration object that is freed unless a client takes it.
pub(super) struct Configuration {
    raw: *mut rd_kafka_conf_t,
}

impl Configuration {
    /// # Errors
    /// `Setting` for a value that librdkafka refuses, or a name of ours that it does not know. Users' names that it
    /// does not know are Java's: they are passed over with a warning.
    pub(super) fn new(settings: &ClientSettings) -> Result<Configuration> {
        // SAFETY: no preconditions.
        let configuration = Configuration { raw: unsafe { rd_kafka_conf_new() } };
        let mut reason = [0 as c_char; 512];
        for (name, value) in settings.iter() {
            let (c_name, c_value) = (c_string(name), c_string(value));
            // SAFETY: all pointers are valid for the call; the reason's length is given.
            let outcome = unsafe {
                rd_kafka_conf_set(configuration.raw, c_name.as_ptr(), c_value.as_ptr(), reason.as_mut_ptr(), reason.len())
            };
            match outcome {
                rd_kafka_conf_res_t::RD_KAFKA_CONF_OK => {}
                rd_kafka_conf_res_t::RD_KAFKA_CONF_UNKNOWN => {
                    tracing::warn!(setting = name, "this client setting has no meaning here and is passed over");
                }
                rd_kafka_conf_res_t::RD_KAFKA_CONF_INVALID => {
                    // SAFETY: librdkafka has written a terminated text.
                    let reason = unsafe { owned_text(reason.as_ptr()) };
                    return Err(LogError::Setting { setting: name.to_owned(), reason });
                }
            }
        }
        // SAFETY: the callback is a function of the right type that lives forever.
        unsafe { rd_kafka_conf_set_log_cb(configuration.raw, Some(log_line)) };
        Ok(configuration)
    }

    pub(super) fn set_rebalance_callback(
        &mut self,
        callback: unsafe extern "C" fn(*mut rd_kafka_t, rd_kafka_resp_err_t, *mut rd_kafka_topic_partition_list_t, *mut c_void),
        opaque: *mut c_void,
    ) {
        // SAFETY: the configuration is ours; the opaque pointer is only handed on to the callback.
        unsafe {
            rd_kafka_conf_set_rebalance_cb(self.raw, Some(callback));
            rd_kafka_conf_set_opaque(self.raw, opaque);
        }
    }

    /// Delivery reports come as events of the main queue.
    pub(super) fn set_delivery_events(&mut self) {
        // SAFETY: the configuration is ours.
        unsafe { rd_kafka_conf_set_events(self.raw, RD_KAFKA_EVENT_DR) };
    }

    pub(super) fn build(mut self, kind: rd_kafka_type_t) -> Result<Client> {
        let mut reason = [0 as c_char; 512];
        // SAFETY: the configuration is ours and, if this succeeds, librdkafka's.
        let raw = unsafe { rd_kafka_new(kind, self.raw, reason.as_mut_ptr(), reason.len()) };
        if raw.is_null() {
            // SAFETY: librdkafka has written a terminated text.
            let reason = unsafe { owned_text(reason.as_ptr()) };
            return Err(LogError::Setting { setting: String::from("of the Kafka client"), reason });
        }
        self.raw = null_mut();
        Ok(Client { raw })
    }
}

impl Drop for Configuration {
    fn drop(&mut self) {
        if !self.raw.is_null() {
            // SAFETY: no client has taken it.
            unsafe { rd_kafka_conf_destroy(self.raw) };
        }
    }
}

/// librdkafka's log, into ours. Called from its threads.
unsafe extern "C" fn log_line(_: *const rd_kafka_t, level: c_int, facility: *const c_char, line: *const c_char) {
    // SAFETY: both are terminated strings for the time of the call.
    let (facility, line) = unsafe { (owned_text(facility), owned_text(line)) };
    match level {
        0..=3 => tracing::warn!(target: "calzone_log::kafka", facility, "{line}"),
        4 => tracing::info!(target: "calzone_log::kafka", facility, "{line}"),
        _ => tracing::debug!(target: "calzone_log::kafka", facility, "{line}"),
    }
}

impl Client {
    /// A client for questions about the cluster. It is a consumer, since a producer's questions about a topic that
    /// does not exist would create it.
    pub(super) fn for_questions(settings: &ClientSettings) -> Result<Client> {
        Configuration::new(settings)?.build(rd_kafka_type_t::RD_KAFKA_CONSUMER)
    }

    pub(in crate::kafka) fn cluster_id(&self, timeout: Duration) -> Option<String> {
        // SAFETY: the client is alive; the string is ours to free.
        unsafe {
            let id = rd_kafka_clusterid(self.raw, milliseconds(timeout));
            if id.is_null() {
                return None;
            }
            let text = owned_text(id);
            rd_kafka_mem_free(self.raw, id.cast());
            Some(text)
        }
    }

    /// One topic, or all.
    pub(in crate::kafka) fn topics(
        &self,
        only: Option<&str>,
        timeout: Duration,
    ) -> std::result::Result<Vec<TopicInfo>, NativeError> {
        self.metadata(only, timeout, |metadata| {
            // SAFETY: the metadata is alive, its lists have the lengths that stand beside them.
            unsafe {
                let found = slice(metadata.topics, metadata.topic_cnt).iter().filter(|topic| Code::of(topic.err).is_ok());
                let replicas = |topic: &rd_kafka_metadata_topic| {
                    let partitions = slice(topic.partitions, topic.partition_cnt).iter();
                    partitions.map(|partition| partition.replica_cnt).max().unwrap_or(0)
                };
                let info = |topic: &rd_kafka_metadata_topic| TopicInfo {
                    name: owned_text(topic.topic),
                    partitions: topic.partition_cnt,
                    replicas: replicas(topic),
                };
                found.map(info).collect()
            }
        })
    }

    /// Adds who leads the partitions of a topic, and where brokers are.
    pub(in crate::kafka) fn leaders(
        &self,
        topic: &str,
        timeout: Duration,
        leaders: &mut Leaders,
    ) -> std::result::Result<(), NativeError> {
        self.metadata(Some(topic), timeout, |metadata| {
            // SAFETY: as above.
            unsafe {
                for broker in slice(metadata.brokers, metadata.broker_cnt) {
                    if let Ok(port) = u16::try_from(broker.port) {
                        leaders.brokers.insert(broker.id, (owned_text(broker.host), port));
                    }
                }
                for topic in slice(metadata.topics, metadata.topic_cnt).iter().filter(|topic| Code::of(topic.err).is_ok()) {
                    let name: Arc<str> = owned_text(topic.topic).into();
                    for partition in slice(topic.partitions, topic.partition_cnt) {
                        let leader = (partition.leader >= 0).then_some(partition.leader);
                        leaders.partitions.insert(TopicPartition::new(name.clone(), partition.id), leader);
                    }
                }
            }
        })
    }

    fn metadata<T>(
        &self,
        only: Option<&str>,
        timeout: Duration,
        read: impl FnOnce(&rd_kafka_metadata) -> T,
    ) -> std::result::Result<T, NativeError> {
        let mut metadata: *const rd_kafka_metadata = null_mut();
        // SAFETY: the client is alive, the topic handle lives through the call, and the metadata is read before it is freed.
        unsafe {
            let topic = match only {
                Some(name) => rd_kafka_topic_new(self.raw, c_string(name).as_ptr(), null_mut()),
                None => null_mut(),
            };
            if only.is_some() && topic.is_null() {
                return Err(NativeError::from_code(Code::of(rd_kafka_last_error())));
            }
            let outcome = rd_kafka_metadata(self.raw, c_int::from(only.is_none()), topic, &mut metadata, milliseconds(timeout));
            if !topic.is_null() {
                rd_kafka_topic_destroy(topic);
            }
            NativeError::check(outcome)?;
            let found = read(&*metadata);
            rd_kafka_metadata_destroy(metadata);
            Ok(found)
        }
    }

    /// Set once the client can do no more.
    pub(in crate::kafka) fn fatal_error(&self) -> Option<NativeError> {
        let mut text = [0 as c_char; 512];
        // SAFETY: the client is alive, the text's length is given.
        unsafe {
            let code = Code::of(rd_kafka_fatal_error(self.raw, text.as_mut_ptr(), text.len()));
            let text = owned_text(text.as_ptr());
            (!code.is_ok()).then_some(NativeError { code, text, is_fatal: true, is_retriable: false, requires_abort: false })
        }
    }
}

/// # Safety
/// `first` points to `count` values that live as long as the result is used, or `count` is not positive.
unsafe fn slice<'a, T>(first: *const T, count: c_int) -> &'a [T] {
    match usize::try_from(count) {
        // SAFETY: as the caller promises.
        Ok(count) if count > 0 && !first.is_null() => unsafe { std::slice::from_raw_parts(first, count) },
        _ => &[],
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // SAFETY: nobody uses the client after its owner. A consumer has been closed by its owner already, in bounded
        // time; the flag keeps this call from waiting for the group once more.
        unsafe { rd_kafka_destroy_flags(self.raw, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE) };
    }
}
