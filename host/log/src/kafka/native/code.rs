//! librdkafka's errors, and what they mean to our callers.

use super::owned_text;
use crate::error::LogError;
use rdkafka_sys::*;

/// An error code of librdkafka (negative) or of the broker (positive).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kafka) struct Code(i32);

macro_rules! codes {
    ($($name:ident = $native:ident;)*) => {
        impl Code {
            $(pub(in crate::kafka) const $name: Code = Code(rd_kafka_resp_err_t::$native as i32);)*
        }
    };
}

codes! {
    OK = RD_KAFKA_RESP_ERR_NO_ERROR;
    PARTITION_EOF = RD_KAFKA_RESP_ERR__PARTITION_EOF;
    TIMED_OUT = RD_KAFKA_RESP_ERR__TIMED_OUT;
    QUEUE_FULL = RD_KAFKA_RESP_ERR__QUEUE_FULL;
    NO_OFFSET = RD_KAFKA_RESP_ERR__NO_OFFSET;
    PURGE_QUEUE = RD_KAFKA_RESP_ERR__PURGE_QUEUE;
    PURGE_INFLIGHT = RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
    UNKNOWN_TOPIC_OR_PART = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    OFFSET_OUT_OF_RANGE = RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE;
    GROUP_ID_NOT_FOUND = RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND;
    NON_EMPTY_GROUP = RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP;
}

impl Code {
    pub(super) fn of(native: rd_kafka_resp_err_t) -> Code {
        Code(native as i32)
    }

    /// A code as a broker sends it: librdkafka's positive ones are the same.
    pub(in crate::kafka) fn of_broker(code: i16) -> Code {
        Code(i32::from(code))
    }

    pub(in crate::kafka) fn is_ok(self) -> bool {
        self == Code::OK
    }

    /// Somebody else works under our name, or the group has gone on without us.
    pub(in crate::kafka) fn is_fenced(self) -> bool {
        use rd_kafka_resp_err_t::*;
        const FENCED: [rd_kafka_resp_err_t; 7] = [
            RD_KAFKA_RESP_ERR__FENCED,
            RD_KAFKA_RESP_ERR_PRODUCER_FENCED,
            RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
            RD_KAFKA_RESP_ERR_TRANSACTION_COORDINATOR_FENCED,
            RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID,
            RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING,
            RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,
        ];
        FENCED.iter().any(|native| self == Code::of(*native))
    }

    /// The group has another generation: whoever owned partitions does not own them as before.
    pub(in crate::kafka) fn is_stale_member(self) -> bool {
        use rd_kafka_resp_err_t::*;
        const STALE: [rd_kafka_resp_err_t; 6] = [
            RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
            RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
            RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
            RD_KAFKA_RESP_ERR_FENCED_MEMBER_EPOCH,
            RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH,
            RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST,
        ];
        STALE.iter().any(|native| self == Code::of(*native))
    }

    pub(in crate::kafka) fn is_retriable(self) -> bool {
        use rd_kafka_resp_err_t::*;
        const RETRIABLE: [rd_kafka_resp_err_t; 41] = [
            RD_KAFKA_RESP_ERR__TRANSPORT,
            RD_KAFKA_RESP_ERR__RESOLVE,
            RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
            RD_KAFKA_RESP_ERR__TIMED_OUT,
            RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE,
            RD_KAFKA_RESP_ERR__MSG_TIMED_OUT,
            RD_KAFKA_RESP_ERR__WAIT_COORD,
            RD_KAFKA_RESP_ERR__WAIT_CACHE,
            RD_KAFKA_RESP_ERR__IN_PROGRESS,
            RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS,
            RD_KAFKA_RESP_ERR__RETRY,
            RD_KAFKA_RESP_ERR__QUEUE_FULL,
            RD_KAFKA_RESP_ERR__DESTROY_BROKER,
            RD_KAFKA_RESP_ERR__LOG_TRUNCATION,
            // The group has gone on without us; the next poll joins it again.
            RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED,
            RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
            RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
            RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE,
            RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE,
            RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION,
            RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
            RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
            RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
            RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
            RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
            RD_KAFKA_RESP_ERR_NOT_CONTROLLER,
            RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS,
            RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT,
            RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE,
            // Client and broker disagree for a moment on who leads a partition, or since when.
            RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH,
            RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH,
            RD_KAFKA_RESP_ERR_PREFERRED_LEADER_NOT_AVAILABLE,
            RD_KAFKA_RESP_ERR_ELIGIBLE_LEADERS_NOT_AVAILABLE,
            RD_KAFKA_RESP_ERR_LISTENER_NOT_FOUND,
            RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID,
            RD_KAFKA_RESP_ERR_STALE_BROKER_EPOCH,
            RD_KAFKA_RESP_ERR_STALE_CTRL_EPOCH,
            RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
            RD_KAFKA_RESP_ERR_FETCH_SESSION_ID_NOT_FOUND,
            RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED,
        ];
        RETRIABLE.iter().any(|native| self == Code::of(*native)) || self.is_stale_member() || self == Code::NON_EMPTY_GROUP
    }

    fn is_authorization(self) -> bool {
        use rd_kafka_resp_err_t::*;
        const REFUSED: [rd_kafka_resp_err_t; 6] = [
            RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
            RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
            RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED,
            RD_KAFKA_RESP_ERR__AUTHENTICATION,
        ];
        REFUSED.iter().any(|native| self == Code::of(*native))
    }

    /// librdkafka's words for it.
    pub(in crate::kafka) fn text(self) -> String {
        let native = rd_kafka_resp_err_t::try_from(self.0).unwrap_or(rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_UNKNOWN);
        // SAFETY: returns a static string for every code.
        unsafe { owned_text(rd_kafka_err2str(native)) }
    }
}

/// What a call of librdkafka says when it fails.
#[derive(Clone, Debug)]
pub(in crate::kafka) struct NativeError {
    pub(in crate::kafka) code: Code,
    pub(in crate::kafka) text: String,
    pub(in crate::kafka) is_fatal: bool,
    pub(in crate::kafka) is_retriable: bool,
    pub(in crate::kafka) requires_abort: bool,
}

impl NativeError {
    pub(in crate::kafka) fn from_code(code: Code) -> NativeError {
        NativeError { code, text: code.text(), is_fatal: false, is_retriable: code.is_retriable(), requires_abort: false }
    }

    /// Takes and frees an error object; `Ok` if there is none.
    ///
    /// # Safety
    /// `error` is null or an error object that nobody else frees.
    pub(super) unsafe fn take(error: *mut rd_kafka_error_t) -> Result<(), NativeError> {
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: not null, and ours to free.
        unsafe {
            let code = Code::of(rd_kafka_error_code(error));
            // The object's own mark is set by few of librdkafka's calls.
            let is_retriable = rd_kafka_error_is_retriable(error) != 0 || code.is_retriable();
            let taken = NativeError {
                code,
                text: owned_text(rd_kafka_error_string(error)),
                is_fatal: rd_kafka_error_is_fatal(error) != 0,
                is_retriable,
                requires_abort: rd_kafka_error_txn_requires_abort(error) != 0,
            };
            rd_kafka_error_destroy(error);
            Err(taken)
        }
    }

    pub(super) fn check(native: rd_kafka_resp_err_t) -> Result<(), NativeError> {
        match Code::of(native) {
            code if code.is_ok() => Ok(()),
            code => Err(NativeError::from_code(code)),
        }
    }

    pub(in crate::kafka) fn while_doing(self, action: impl Into<String>) -> LogError {
        let action = action.into();
        match self.is_fatal {
            true if self.code.is_fenced() => LogError::Fenced { action, cause: self.text },
            true => LogError::Fatal { action, cause: self.text },
            false => error_for(self.code, action, self.text, None),
        }
    }
}

/// The error our callers know, for a code; `topic` if one is concerned.
pub(in crate::kafka) fn error_for(code: Code, action: String, cause: String, topic: Option<&str>) -> LogError {
    use rd_kafka_resp_err_t::*;
    let is = |natives: &[rd_kafka_resp_err_t]| natives.iter().any(|native| Code::of(*native) == code);
    if let Some(topic) = topic {
        let topic = topic.to_owned();
        if is(&[RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION])
        {
            return LogError::TopicMissing { topic };
        }
        if is(&[RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS]) {
            return LogError::TopicExists { topic };
        }
        if is(&[RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE]) {
            return LogError::RecordTooLarge {
                topic,
                detail: format!("{cause}; see max.message.bytes of the topic and max.request.size of the producer"),
            };
        }
        if is(&[RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, RD_KAFKA_RESP_ERR_INVALID_RECORD, RD_KAFKA_RESP_ERR_INVALID_MSG]) {
            return LogError::RecordRejected { topic, reason: cause };
        }
        if is(&[
            RD_KAFKA_RESP_ERR_INVALID_PARTITIONS,
            RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR,
            RD_KAFKA_RESP_ERR_INVALID_CONFIG,
            RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
            RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
            RD_KAFKA_RESP_ERR__INVALID_ARG,
        ]) {
            return LogError::InvalidTopic { topic, reason: cause };
        }
    }
    if code.is_authorization() {
        return LogError::NotAuthorized { action, cause };
    }
    if code.is_fenced() {
        return LogError::Fenced { action, cause };
    }
    match code.is_retriable() {
        true => LogError::Retriable { action, cause },
        false => LogError::Fatal { action, cause },
    }
}
