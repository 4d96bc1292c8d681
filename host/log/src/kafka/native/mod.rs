//! librdkafka's C interface, narrowed to what this crate uses; all its unsafe code is in this folder.
//!
//! Consumers are read by the batch call, which the usual Rust wrapper does not have and which costs half as much as
//! a call for each message. Callbacks do nothing but note what happened; everything is done by the thread that polls.

mod admin;
mod client;
mod code;
mod consumer;
mod partitions;
mod producer;

pub(super) use admin::{Admin, OffsetSpec};
pub(super) use code::{Code, NativeError, error_for};
pub(super) use consumer::{Consumer, GroupProof, Notice, Rebalance};
pub(super) use partitions::Place;
pub(super) use producer::{Delivery, Producer, Topic};

use client::Client;
use std::ffi::{CStr, CString};
use std::os::raw::c_char;
use std::time::Duration;

/// In place of a partition number: librdkafka's partitioner decides.
const PARTITION_UNASSIGNED: i32 = -1;

/// A C string; what follows a NUL, which no legal name holds, is cut off.
fn c_string(text: &str) -> CString {
    let bytes = text.as_bytes();
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    CString::new(&bytes[..end]).unwrap_or_default()
}

/// # Safety
/// `text` is null or points to a NUL-terminated string.
unsafe fn owned_text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null, and terminated as the caller promises.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

fn milliseconds(timeout: Duration) -> i32 {
    i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
}
