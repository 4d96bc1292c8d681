//! What operators see of their state.

use crate::error::Result;
use std::ops::ControlFlow;

/// Called with key and value of each entry of a range; may end the range.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// An ordered map of bytes that one task owns.
///
/// A visitor must not use the store it is called from.
pub trait Store: Send {
    /// Calls `visit` with the value and returns true, or returns false if there is none. Copies nothing.
    fn get_with(&self, key: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool>;

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()>;

    fn delete(&mut self, key: &[u8]) -> Result<()>;

    /// Visits entries with `from <= key < to` in order; an empty `to` means to the end.
    fn range(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<()>;

    /// Visits the entries of [`Store::range`] from the last to the first.
    fn range_reverse(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<()>;

    /// A copy of the value.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut found = None;
        self.get_with(key, &mut |value| found = Some(value.to_vec()))?;
        Ok(found)
    }
}

/// The first key after all that begin with `prefix`; empty if there is none.
pub(crate) fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}
