//! `wasi:http/types.fields`: headers and trailers.

use wasmtime::component::Resource;

use super::bindings::wasi::http::types::{HeaderError, HostFields};
use crate::instance::Guest;

/// Entries that one set of headers may have.
const ENTRIES_MAX: usize = 1_000;

/// Names in small letters and values, in order.
#[derive(Clone, Default)]
pub struct Fields {
    pub(super) entries: Vec<(String, Vec<u8>)>,
    /// Those of a request are.
    pub(super) immutable: bool,
}

impl Fields {
    pub(super) fn immutable(entries: Vec<(String, Vec<u8>)>) -> Fields {
        Fields { entries, immutable: true }
    }

    /// Adds an entry, unless it is no header.
    fn add(&mut self, name: &str, value: Vec<u8>) -> Result<(), HeaderError> {
        let is_token = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        let is_text = value.iter().all(|b| *b == b'\t' || *b >= b' ' && *b != 0x7f);
        if !is_token || !is_text || self.entries.len() >= ENTRIES_MAX {
            return Err(HeaderError::InvalidSyntax);
        }
        self.entries.push((name.to_ascii_lowercase(), value));
        Ok(())
    }

    fn changeable(&mut self) -> Result<&mut Fields, HeaderError> {
        if self.immutable { Err(HeaderError::Immutable) } else { Ok(self) }
    }
}

impl HostFields for Guest {
    fn new(&mut self) -> wasmtime::Result<Resource<Fields>> {
        self.push(Fields::default())
    }

    fn from_list(&mut self, entries: Vec<(String, Vec<u8>)>) -> wasmtime::Result<Result<Resource<Fields>, HeaderError>> {
        let mut fields = Fields::default();
        for (name, value) in entries {
            if let Err(e) = fields.add(&name, value) {
                return Ok(Err(e));
            }
        }
        Ok(Ok(self.push(fields)?))
    }

    fn get(&mut self, fields: Resource<Fields>, name: String) -> wasmtime::Result<Vec<Vec<u8>>> {
        let entries = &self.table()?.get(&fields)?.entries;
        Ok(entries.iter().filter(|(n, _)| n.eq_ignore_ascii_case(&name)).map(|(_, value)| value.clone()).collect())
    }

    fn has(&mut self, fields: Resource<Fields>, name: String) -> wasmtime::Result<bool> {
        Ok(self.table()?.get(&fields)?.entries.iter().any(|(n, _)| n.eq_ignore_ascii_case(&name)))
    }

    fn set(&mut self, fields: Resource<Fields>, name: String, values: Vec<Vec<u8>>) -> wasmtime::Result<Result<(), HeaderError>> {
        let fields = self.table()?.get_mut(&fields)?;
        Ok(fields.changeable().and_then(|fields| {
            fields.entries.retain(|(n, _)| !n.eq_ignore_ascii_case(&name));
            values.into_iter().try_for_each(|value| fields.add(&name, value))
        }))
    }

    fn delete(&mut self, fields: Resource<Fields>, name: String) -> wasmtime::Result<Result<(), HeaderError>> {
        let fields = self.table()?.get_mut(&fields)?;
        Ok(fields.changeable().map(|fields| fields.entries.retain(|(n, _)| !n.eq_ignore_ascii_case(&name))))
    }

    fn append(&mut self, fields: Resource<Fields>, name: String, value: Vec<u8>) -> wasmtime::Result<Result<(), HeaderError>> {
        let fields = self.table()?.get_mut(&fields)?;
        Ok(fields.changeable().and_then(|fields| fields.add(&name, value)))
    }

    fn entries(&mut self, fields: Resource<Fields>) -> wasmtime::Result<Vec<(String, Vec<u8>)>> {
        Ok(self.table()?.get(&fields)?.entries.clone())
    }

    fn clone(&mut self, fields: Resource<Fields>) -> wasmtime::Result<Resource<Fields>> {
        let entries = self.table()?.get(&fields)?.entries.clone();
        self.push(Fields { entries, immutable: false })
    }

    fn drop(&mut self, fields: Resource<Fields>) -> wasmtime::Result<()> {
        self.table()?.delete(fields)?;
        Ok(())
    }
}
