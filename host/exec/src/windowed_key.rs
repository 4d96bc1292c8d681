//! The window at the end of a windowed key's bytes: start for time windows, end and start for sessions; 8 bytes each.

use calzone_plan::{KeyWindow, WindowType};

/// How many bytes [`write`] appends.
pub(crate) fn suffix_bytes(window: KeyWindow) -> usize {
    if window.kind == WindowType::Session { 16 } else { 8 }
}

/// Appends the window.
pub(crate) fn write(window: KeyWindow, start: i64, end: i64, out: &mut Vec<u8>) {
    if window.kind == WindowType::Session {
        out.extend_from_slice(&end.to_be_bytes());
    }
    out.extend_from_slice(&start.to_be_bytes());
}

/// Splits a key into its own bytes and its window's start and end; `None` if it is too short to be windowed.
/// The end of a time window whose size is not known is its start.
pub(crate) fn split(window: KeyWindow, key: &[u8]) -> Option<(&[u8], i64, i64)> {
    let (rest, start) = key.split_last_chunk::<8>()?;
    let start = i64::from_be_bytes(*start);
    match window.kind {
        WindowType::Session => {
            let (rest, end) = rest.split_last_chunk::<8>()?;
            Some((rest, start, i64::from_be_bytes(*end)))
        }
        _ => Some((rest, start, start.saturating_add(window.size_ms.unwrap_or(0)))),
    }
}
