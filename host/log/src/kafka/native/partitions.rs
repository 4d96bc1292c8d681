//! Lists of partitions with offsets and texts, across the C interface.

use super::{Code, PARTITION_UNASSIGNED, c_string, owned_text};
use crate::topic::TopicPartition;
use rdkafka_sys::*;

/// A partition with an offset; the offset may be one of librdkafka's negative special ones.
#[derive(Clone, Debug)]
pub(in crate::kafka) struct Place {
    pub(in crate::kafka) tp: TopicPartition,
    pub(in crate::kafka) offset: i64,
    pub(in crate::kafka) metadata: String,
    pub(in crate::kafka) code: Code,
}

impl Place {
    pub(in crate::kafka) fn new(tp: TopicPartition, offset: i64) -> Place {
        Place { tp, offset, metadata: String::new(), code: Code::OK }
    }
}

/// Owns a C list.
pub(in crate::kafka) struct Places {
    pub(super) raw: *mut rd_kafka_topic_partition_list_t,
}

impl Places {
    pub(in crate::kafka) fn new(places: impl IntoIterator<Item = Place>) -> Places {
        // SAFETY: no preconditions; the size is only a hint.
        let list = Places { raw: unsafe { rd_kafka_topic_partition_list_new(8) } };
        for place in places {
            list.add(&place);
        }
        list
    }

    pub(in crate::kafka) fn of_partitions<'a>(partitions: impl IntoIterator<Item = &'a TopicPartition>) -> Places {
        Places::new(partitions.into_iter().map(|tp| Place::new(tp.clone(), i64::from(RD_KAFKA_OFFSET_INVALID))))
    }

    pub(in crate::kafka) fn of_topics<'a>(topics: impl IntoIterator<Item = &'a String>) -> Places {
        Places::new(topics.into_iter().map(|topic| Place::new(TopicPartition::new(topic.as_str(), PARTITION_UNASSIGNED), 0)))
    }

    fn add(&self, place: &Place) {
        let topic = c_string(&place.tp.topic);
        // SAFETY: the list is ours and copies the name. The text is allocated by malloc, as librdkafka frees it by free.
        unsafe {
            let entry = rd_kafka_topic_partition_list_add(self.raw, topic.as_ptr(), place.tp.partition);
            (*entry).offset = place.offset;
            if !place.metadata.is_empty() {
                let bytes = place.metadata.as_bytes();
                let copy = libc::malloc(bytes.len());
                if !copy.is_null() {
                    std::ptr::copy_nonoverlapping(bytes.as_ptr(), copy.cast(), bytes.len());
                    (*entry).metadata = copy;
                    (*entry).metadata_size = bytes.len();
                }
            }
        }
    }

    pub(in crate::kafka) fn read(&self) -> Vec<Place> {
        // SAFETY: the list is ours and alive.
        unsafe { read_list(self.raw) }
    }
}

/// # Safety
/// `list` is null or a list that lives through the call.
pub(super) unsafe fn read_list(list: *const rd_kafka_topic_partition_list_t) -> Vec<Place> {
    if list.is_null() {
        return Vec::new();
    }
    // SAFETY: the list is alive and has `cnt` entries.
    unsafe { (0..(*list).cnt).map(|index| read_entry((*list).elems.add(index as usize))).collect() }
}

/// # Safety
/// `entry` points to an entry that lives through the call.
pub(super) unsafe fn read_entry(entry: *const rd_kafka_topic_partition_t) -> Place {
    // SAFETY: as the caller promises; the text has the length that stands beside it.
    unsafe {
        let metadata = match (*entry).metadata.is_null() {
            true => String::new(),
            false => {
                let bytes = std::slice::from_raw_parts((*entry).metadata.cast::<u8>(), (*entry).metadata_size);
                String::from_utf8_lossy(bytes).into_owned()
            }
        };
        let tp = TopicPartition::new(owned_text((*entry).topic), (*entry).partition);
        Place { tp, offset: (*entry).offset, metadata, code: Code::of((*entry).err) }
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        // SAFETY: the list is ours.
        unsafe { rd_kafka_topic_partition_list_destroy(self.raw) };
    }
}
