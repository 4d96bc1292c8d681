//! Questions and orders to the cluster. Each waits for its answer in bounded time.

use super::partitions::{Place, Places, read_entry, read_list};
use super::{Client, Code, NativeError, c_string, milliseconds, owned_text};
use crate::error::Result;
use crate::kafka::settings::ClientSettings;
use crate::topic::{TopicPartition, TopicSpec};
use rdkafka_sys::*;
use std::os::raw::c_char;
use std::time::Duration;

pub(in crate::kafka) struct Admin {
    client: Client,
}

#[derive(Clone, Copy, Debug)]
pub(in crate::kafka) enum OffsetSpec {
    Earliest,
    /// The end of what is committed.
    Latest,
}

type Outcome<T> = std::result::Result<T, NativeError>;

/// The answer to one order; freed with what was read from it.
struct Answer {
    event: *mut rd_kafka_event_t,
}

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: ours to free.
        unsafe { rd_kafka_event_destroy(self.event) };
    }
}

impl Admin {
    pub(in crate::kafka) fn new(settings: &ClientSettings) -> Result<Admin> {
        Ok(Admin { client: Client::for_questions(settings)? })
    }

    pub(in crate::kafka) fn client(&self) -> &Client {
        &self.client
    }

    /// Gives an order and waits for the answer.
    fn order(
        &self,
        operation: rd_kafka_admin_op_t,
        timeout: Duration,
        prepare: impl FnOnce(*mut rd_kafka_AdminOptions_t),
        send: impl FnOnce(*mut rd_kafka_t, *const rd_kafka_AdminOptions_t, *mut rd_kafka_queue_t),
    ) -> Outcome<Answer> {
        let mut reason = [0 as c_char; 256];
        // SAFETY: the client is alive; options and queue live until the answer is here and are freed then.
        unsafe {
            let options = rd_kafka_AdminOptions_new(self.client.raw, operation);
            rd_kafka_AdminOptions_set_request_timeout(options, milliseconds(timeout), reason.as_mut_ptr(), reason.len());
            prepare(options);
            let answers = rd_kafka_queue_new(self.client.raw);
            send(self.client.raw, options, answers);
            // The request has its own timeout; a little more lets it report that itself.
            let event = rd_kafka_queue_poll(answers, milliseconds(timeout + Duration::from_secs(1)));
            rd_kafka_AdminOptions_destroy(options);
            rd_kafka_queue_destroy(answers);
            if event.is_null() {
                return Err(NativeError::from_code(Code::TIMED_OUT));
            }
            let answer = Answer { event };
            let code = Code::of(rd_kafka_event_error(event));
            match code.is_ok() {
                true => Ok(answer),
                false => {
                    Err(NativeError { text: owned_text(rd_kafka_event_error_string(event)), ..NativeError::from_code(code) })
                }
            }
        }
    }

    pub(in crate::kafka) fn create_topic(&self, spec: &TopicSpec, timeout: Duration) -> Outcome<()> {
        let replicas = if spec.replicas > 0 { spec.replicas } else { -1 };
        let mut reason = [0 as c_char; 256];
        // SAFETY: the order's object lives until the answer is here; the answer until its results were read.
        unsafe {
            let mut topic = rd_kafka_NewTopic_new(
                c_string(&spec.name).as_ptr(),
                spec.partitions,
                replicas,
                reason.as_mut_ptr(),
                reason.len(),
            );
            if topic.is_null() {
                let code = Code::of(rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__INVALID_ARG);
                return Err(NativeError { text: owned_text(reason.as_ptr()), ..NativeError::from_code(code) });
            }
            for (name, value) in &spec.config {
                rd_kafka_NewTopic_set_config(topic, c_string(name).as_ptr(), c_string(value).as_ptr());
            }
            let answer = self.order(
                rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATETOPICS,
                timeout,
                |_| {},
                |client, options, answers| {
                    rd_kafka_CreateTopics(client, &mut topic, 1, options, answers);
                },
            );
            rd_kafka_NewTopic_destroy(topic);
            let answer = answer?;
            let mut count = 0;
            let results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answer.event), &mut count);
            topic_outcome(results, count)
        }
    }

    pub(in crate::kafka) fn delete_topic(&self, name: &str, timeout: Duration) -> Outcome<()> {
        // SAFETY: as in `create_topic`.
        unsafe {
            let mut topic = rd_kafka_DeleteTopic_new(c_string(name).as_ptr());
            let answer = self.order(
                rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETETOPICS,
                timeout,
                |_| {},
                |client, options, answers| {
                    rd_kafka_DeleteTopics(client, &mut topic, 1, options, answers);
                },
            );
            rd_kafka_DeleteTopic_destroy(topic);
            let answer = answer?;
            let mut count = 0;
            let results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(answer.event), &mut count);
            topic_outcome(results, count)
        }
    }

    pub(in crate::kafka) fn delete_group(&self, group: &str, timeout: Duration) -> Outcome<()> {
        // SAFETY: as in `create_topic`.
        unsafe {
            let mut order = rd_kafka_DeleteGroup_new(c_string(group).as_ptr());
            let answer = self.order(
                rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETEGROUPS,
                timeout,
                |_| {},
                |client, options, answers| {
                    rd_kafka_DeleteGroups(client, &mut order, 1, options, answers);
                },
            );
            rd_kafka_DeleteGroup_destroy(order);
            let answer = answer?;
            let mut count = 0;
            let results = rd_kafka_DeleteGroups_result_groups(rd_kafka_event_DeleteGroups_result(answer.event), &mut count);
            match count {
                0 => Ok(()),
                _ => group_outcome(*results),
            }
        }
    }

    /// Removes the records of a partition before this offset.
    pub(in crate::kafka) fn delete_records(&self, partition: &TopicPartition, offset: i64, timeout: Duration) -> Outcome<()> {
        let list = Places::new([Place::new(partition.clone(), offset)]);
        // SAFETY: as in `create_topic`; the list outlives the order.
        unsafe {
            let mut order = rd_kafka_DeleteRecords_new(list.raw);
            let answer = self.order(
                rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETERECORDS,
                timeout,
                |_| {},
                |client, options, answers| {
                    rd_kafka_DeleteRecords(client, &mut order, 1, options, answers);
                },
            );
            rd_kafka_DeleteRecords_destroy(order);
            let answer = answer?;
            let places = read_list(rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(answer.event)));
            match places.iter().find(|place| !place.code.is_ok()) {
                Some(failed) => Err(NativeError::from_code(failed.code)),
                None => Ok(()),
            }
        }
    }

    /// What a group has committed in these partitions; an error while a transaction with some of them is open.
    pub(in crate::kafka) fn group_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
        timeout: Duration,
    ) -> Outcome<Vec<Place>> {
        let list = Places::of_partitions(partitions);
        let stable_only = |options| {
            // SAFETY: the options are alive; the error, if any, is freed.
            let outcome = unsafe { NativeError::take(rd_kafka_AdminOptions_set_require_stable_offsets(options, 1)) };
            if let Err(error) = outcome {
                tracing::warn!(error = error.text, "offsets of open transactions cannot be waited for");
            }
        };
        // SAFETY: as in `create_topic`; the list outlives the order.
        unsafe {
            let mut order = rd_kafka_ListConsumerGroupOffsets_new(c_string(group).as_ptr(), list.raw);
            let answer = self.order(
                rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS,
                timeout,
                stable_only,
                |client, options, answers| {
                    rd_kafka_ListConsumerGroupOffsets(client, &mut order, 1, options, answers);
                },
            );
            rd_kafka_ListConsumerGroupOffsets_destroy(order);
            let answer = answer?;
            let mut count = 0;
            let results = rd_kafka_ListConsumerGroupOffsets_result_groups(
                rd_kafka_event_ListConsumerGroupOffsets_result(answer.event),
                &mut count,
            );
            if count == 0 {
                return Ok(Vec::new());
            }
            group_outcome(*results)?;
            let places = read_list(rd_kafka_group_result_partitions(*results));
            match places.iter().find(|place| !place.code.is_ok()) {
                Some(failed) => Err(NativeError::from_code(failed.code)),
                None => Ok(places),
            }
        }
    }

    /// One end of each of these partitions, in the same order.
    pub(in crate::kafka) fn offsets(
        &self,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
        timeout: Duration,
    ) -> Outcome<Vec<i64>> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = match spec {
            OffsetSpec::Earliest => rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_EARLIEST,
            OffsetSpec::Latest => rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_LATEST,
        };
        let list = Places::new(partitions.iter().map(|tp| Place::new(tp.clone(), wanted as i64)));
        let committed_only = |options| {
            // SAFETY: the options are alive; the error, if any, is freed.
            let outcome = unsafe {
                NativeError::take(rd_kafka_AdminOptions_set_isolation_level(
                    options,
                    rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED,
                ))
            };
            if let Err(error) = outcome {
                tracing::warn!(error = error.text, "the end of committed records cannot be asked for");
            }
        };
        // SAFETY: the list outlives the order; entries are read while the answer lives.
        let places: Vec<Place> = unsafe {
            let answer = self.order(
                rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS,
                timeout,
                committed_only,
                |client, options, answers| {
                    rd_kafka_ListOffsets(client, list.raw, options, answers);
                },
            )?;
            let mut count = 0;
            let results = rd_kafka_ListOffsets_result_infos(rd_kafka_event_ListOffsets_result(answer.event), &mut count);
            (0..count).map(|index| read_entry(rd_kafka_ListOffsetsResultInfo_topic_partition(*results.add(index)))).collect()
        };
        let offset_of = |tp: &TopicPartition| match places.iter().find(|place| place.tp == *tp) {
            Some(place) if place.code.is_ok() => Ok(place.offset),
            Some(place) => Err(NativeError::from_code(place.code)),
            None => Err(NativeError::from_code(Code::of(rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION))),
        };
        partitions.iter().map(offset_of).collect()
    }
}

/// # Safety
/// `results` points to `count` results of a living answer.
unsafe fn topic_outcome(results: *mut *const rd_kafka_topic_result_t, count: usize) -> Outcome<()> {
    if count == 0 {
        return Ok(());
    }
    // SAFETY: as the caller promises.
    unsafe {
        let code = Code::of(rd_kafka_topic_result_error(*results));
        match code.is_ok() {
            true => Ok(()),
            false => {
                let text = owned_text(rd_kafka_topic_result_error_string(*results));
                let error = NativeError::from_code(code);
                Err(if text.is_empty() { error } else { NativeError { text, ..error } })
            }
        }
    }
}

/// # Safety
/// `result` is that of a living answer.
unsafe fn group_outcome(result: *const rd_kafka_group_result_t) -> Outcome<()> {
    // SAFETY: as the caller promises; the error object belongs to the answer.
    unsafe {
        let error = rd_kafka_group_result_error(result);
        if error.is_null() {
            return Ok(());
        }
        match Code::of(rd_kafka_error_code(error)) {
            code if code.is_ok() => Ok(()),
            code => Err(NativeError { text: owned_text(rd_kafka_error_string(error)), ..NativeError::from_code(code) }),
        }
    }
}
