//! KEY VALUE: a store of the guest's own.
//!
//! What a call writes is kept beside the store until the call has answered, so that a call that fails leaves nothing
//! behind and its rows can be tried again.

use std::any::Any;
use std::collections::BTreeMap;

use crate::fault::Fault;

/// The store behind a guest: an ordered map of bytes. Errors are the host's, for people.
pub trait KeyValue: Any + Send {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, String>;

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), String>;

    fn delete(&mut self, key: &[u8]) -> Result<(), String>;

    /// Visits entries from `from` on, in order, until `visit` says false.
    fn scan(&self, from: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), String>;
}

/// A key and its value.
pub(crate) type Entry = (Vec<u8>, Vec<u8>);

/// A guest's store during one call.
pub(crate) struct LentStore {
    store: Box<dyn KeyValue>,
    /// None: deleted.
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    changed_bytes: usize,
}

impl LentStore {
    pub(crate) fn new(store: Box<dyn KeyValue>) -> LentStore {
        LentStore { store, changes: BTreeMap::new(), changed_bytes: 0 }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, String> {
        match self.changes.get(key) {
            Some(changed) => Ok(changed.clone()),
            None => self.store.get(key),
        }
    }

    /// Puts (None: deletes) a value. Fails when the call has written more than `bytes_max`.
    pub(crate) fn change(&mut self, key: Vec<u8>, value: Option<Vec<u8>>, bytes_max: usize) -> Result<(), String> {
        self.changed_bytes += key.len() + value.as_ref().map_or(0, Vec::len);
        if self.changed_bytes > bytes_max {
            return Err(format!("a call wrote more than {bytes_max} bytes to its store (store_bytes)"));
        }
        self.changes.insert(key, value);
        Ok(())
    }

    /// At most `count` entries whose keys begin with `prefix` and come after `after`, in order, of at most `bytes_max` bytes:
    /// one at least, if there is any.
    pub(crate) fn scan(&self, prefix: &[u8], after: Option<&[u8]>, count: usize, bytes_max: usize) -> Result<Vec<Entry>, String> {
        // The smallest key behind another one is that key with a zero byte more.
        let from = after.map(|key| [key, &[0]].concat()).filter(|key| key.as_slice() > prefix).unwrap_or_else(|| prefix.to_vec());
        let mut changed = self.changes.range(from.clone()..).take_while(|(key, _)| key.starts_with(prefix)).peekable();
        let (mut found, mut bytes): (Vec<Entry>, usize) = (Vec::new(), 0);
        let mut add = |key: &[u8], value: &[u8]| {
            bytes += key.len() + value.len();
            if found.len() >= count || (bytes > bytes_max && !found.is_empty()) {
                return false;
            }
            found.push((key.to_vec(), value.to_vec()));
            true
        };
        let mut full = false;
        self.store.scan(&from, &mut |key, value| {
            if !key.starts_with(prefix) {
                return false;
            }
            while let Some((own, new)) = changed.next_if(|(own, _)| own.as_slice() <= key) {
                if let Some(new) = new
                    && !add(own, new)
                {
                    full = true;
                    return false;
                }
                if own == key {
                    return true;
                }
            }
            full = !add(key, value);
            !full
        })?;
        if !full {
            for (key, value) in changed {
                if let Some(value) = value
                    && !add(key, value)
                {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Gives the store back, with the changes if they are to be kept.
    pub(crate) fn give_back(mut self, keep: bool) -> (Box<dyn KeyValue>, Result<(), Fault>) {
        if !keep {
            return (self.store, Ok(()));
        }
        let result = self.changes.iter().try_for_each(|(key, value)| match value {
            Some(value) => self.store.put(key, value),
            None => self.store.delete(key),
        });
        (self.store, result.map_err(Fault::Trap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl KeyValue for BTreeMap<Vec<u8>, Vec<u8>> {
        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, String> {
            Ok(BTreeMap::get(self, key).cloned())
        }

        fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
            self.insert(key.to_vec(), value.to_vec());
            Ok(())
        }

        fn delete(&mut self, key: &[u8]) -> Result<(), String> {
            self.remove(key);
            Ok(())
        }

        fn scan(&self, from: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), String> {
            self.range(from.to_vec()..).all(|(key, value)| visit(key, value));
            Ok(())
        }
    }

    fn lent(entries: &[(&str, &str)]) -> LentStore {
        let map: BTreeMap<Vec<u8>, Vec<u8>> =
            entries.iter().map(|(k, v)| (k.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
        LentStore::new(Box::new(map))
    }

    fn keys(store: &LentStore, prefix: &str, after: Option<&str>, count: usize) -> Vec<String> {
        let found = store.scan(prefix.as_bytes(), after.map(str::as_bytes), count, 1_000).unwrap();
        found
            .into_iter()
            .map(|(key, value)| format!("{}={}", String::from_utf8(key).unwrap(), String::from_utf8(value).unwrap()))
            .collect()
    }

    #[test]
    fn changes_lie_over_the_store() {
        let mut store = lent(&[("a1", "x"), ("a2", "y"), ("a4", "z"), ("b", "b")]);
        for (key, value) in [("a0", Some("0")), ("a2", None), ("a3", Some("3")), ("a4", Some("4")), ("a9", Some("9"))] {
            store.change(key.into(), value.map(|v| v.into()), 1_000).unwrap();
        }
        assert_eq!(keys(&store, "a", None, 9), ["a0=0", "a1=x", "a3=3", "a4=4", "a9=9"]);
        assert_eq!(keys(&store, "a", Some("a1"), 2), ["a3=3", "a4=4"]);
        assert_eq!(keys(&store, "a", Some("a4"), 2), ["a9=9"]);
        assert_eq!(keys(&store, "", None, 99).len(), 6);
        assert_eq!(keys(&store, "c", None, 99), [""; 0]);
        assert_eq!(store.get(b"a2"), Ok(None));
        assert_eq!(store.scan(b"", None, 9, 3).unwrap().len(), 1);
        let (kept, result) = store.give_back(true);
        assert_eq!((result, kept.get(b"a4")), (Ok(()), Ok(Some(b"4".to_vec()))));
    }

    #[test]
    fn a_failed_call_leaves_nothing() {
        let mut store = lent(&[("a", "x")]);
        store.change(b"a".to_vec(), None, 10).unwrap();
        assert!(store.change(b"b".to_vec(), Some(vec![0; 10]), 10).is_err());
        assert_eq!(store.give_back(false).0.get(b"a"), Ok(Some(b"x".to_vec())));
    }
}
