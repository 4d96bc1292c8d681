//! `wasi:io`: streams that never wait.

use wasmtime::component::Resource;

use super::SharedBody;
use super::bindings::wasi::io::streams::StreamError;
use super::bindings::wasi::io::{error, poll, streams};
use crate::instance::Guest;

/// Bytes that a stream gives or takes in one call.
const CHUNK_BYTES: u64 = 64 << 10;

/// Why a stream failed; none does.
pub struct IoError;

/// Something to wait for. It is always ready.
pub struct Pollable;

/// The rest of a request's body.
#[derive(Default)]
pub struct InputStream {
    pub(super) rest: std::vec::IntoIter<u8>,
}

/// Where a body is written to.
pub struct OutputStream {
    /// None: nowhere.
    pub(super) body: Option<SharedBody>,
}

/// A response's body, as far as it was written.
#[derive(Default)]
pub(super) struct BodyBuffer {
    pub(super) bytes: Vec<u8>,
}

impl OutputStream {
    pub(super) fn nowhere() -> OutputStream {
        OutputStream { body: None }
    }
}

impl error::Host for Guest {}

impl error::HostError for Guest {
    fn to_debug_string(&mut self, _: Resource<IoError>) -> wasmtime::Result<String> {
        Ok("the stream failed".to_owned())
    }

    fn drop(&mut self, error: Resource<IoError>) -> wasmtime::Result<()> {
        self.table()?.delete(error)?;
        Ok(())
    }
}

impl poll::Host for Guest {
    fn poll(&mut self, pollables: Vec<Resource<Pollable>>) -> wasmtime::Result<Vec<u32>> {
        if pollables.is_empty() {
            wasmtime::bail!("poll of nothing would wait for ever");
        }
        Ok((0..pollables.len() as u32).collect())
    }
}

impl poll::HostPollable for Guest {
    fn ready(&mut self, _: Resource<Pollable>) -> wasmtime::Result<bool> {
        Ok(true)
    }

    fn block(&mut self, _: Resource<Pollable>) -> wasmtime::Result<()> {
        Ok(())
    }

    fn drop(&mut self, pollable: Resource<Pollable>) -> wasmtime::Result<()> {
        self.table()?.delete(pollable)?;
        Ok(())
    }
}

impl streams::Host for Guest {}

impl streams::HostInputStream for Guest {
    fn read(&mut self, stream: Resource<InputStream>, len: u64) -> wasmtime::Result<Result<Vec<u8>, StreamError>> {
        let rest = &mut self.table()?.get_mut(&stream)?.rest;
        if rest.len() == 0 {
            return Ok(Err(StreamError::Closed));
        }
        Ok(Ok(rest.take(len.min(CHUNK_BYTES) as usize).collect()))
    }

    fn blocking_read(&mut self, stream: Resource<InputStream>, len: u64) -> wasmtime::Result<Result<Vec<u8>, StreamError>> {
        self.read(stream, len)
    }

    fn skip(&mut self, stream: Resource<InputStream>, len: u64) -> wasmtime::Result<Result<u64, StreamError>> {
        Ok(self.read(stream, len)?.map(|bytes| bytes.len() as u64))
    }

    fn blocking_skip(&mut self, stream: Resource<InputStream>, len: u64) -> wasmtime::Result<Result<u64, StreamError>> {
        self.skip(stream, len)
    }

    fn subscribe(&mut self, _: Resource<InputStream>) -> wasmtime::Result<Resource<Pollable>> {
        self.push(Pollable)
    }

    fn drop(&mut self, stream: Resource<InputStream>) -> wasmtime::Result<()> {
        self.table()?.delete(stream)?;
        Ok(())
    }
}

impl Guest {
    fn write_body(&mut self, stream: &Resource<OutputStream>, bytes: &[u8]) -> wasmtime::Result<Result<(), StreamError>> {
        let limit = self.limits().response_bytes;
        let Some(body) = &self.table()?.get(stream)?.body else { return Ok(Ok(())) };
        let mut body = body.lock().expect("no panic while holding the lock");
        if body.bytes.len() + bytes.len() > limit {
            wasmtime::bail!("the response's body has more than {limit} bytes (response_bytes)");
        }
        body.bytes.extend_from_slice(bytes);
        Ok(Ok(()))
    }
}

impl streams::HostOutputStream for Guest {
    fn check_write(&mut self, _: Resource<OutputStream>) -> wasmtime::Result<Result<u64, StreamError>> {
        Ok(Ok(CHUNK_BYTES))
    }

    fn write(&mut self, stream: Resource<OutputStream>, contents: Vec<u8>) -> wasmtime::Result<Result<(), StreamError>> {
        self.write_body(&stream, &contents)
    }

    fn blocking_write_and_flush(
        &mut self,
        stream: Resource<OutputStream>,
        contents: Vec<u8>,
    ) -> wasmtime::Result<Result<(), StreamError>> {
        self.write_body(&stream, &contents)
    }

    fn flush(&mut self, _: Resource<OutputStream>) -> wasmtime::Result<Result<(), StreamError>> {
        Ok(Ok(()))
    }

    fn blocking_flush(&mut self, _: Resource<OutputStream>) -> wasmtime::Result<Result<(), StreamError>> {
        Ok(Ok(()))
    }

    fn subscribe(&mut self, _: Resource<OutputStream>) -> wasmtime::Result<Resource<Pollable>> {
        self.push(Pollable)
    }

    fn write_zeroes(&mut self, stream: Resource<OutputStream>, len: u64) -> wasmtime::Result<Result<(), StreamError>> {
        self.write_body(&stream, &vec![0; len.min(CHUNK_BYTES) as usize])
    }

    fn blocking_write_zeroes_and_flush(
        &mut self,
        stream: Resource<OutputStream>,
        len: u64,
    ) -> wasmtime::Result<Result<(), StreamError>> {
        self.write_zeroes(stream, len)
    }

    fn splice(
        &mut self,
        stream: Resource<OutputStream>,
        source: Resource<InputStream>,
        len: u64,
    ) -> wasmtime::Result<Result<u64, StreamError>> {
        match streams::HostInputStream::read(self, source, len)? {
            Ok(bytes) => Ok(self.write_body(&stream, &bytes)?.map(|()| bytes.len() as u64)),
            Err(closed) => Ok(Err(closed)),
        }
    }

    fn blocking_splice(
        &mut self,
        stream: Resource<OutputStream>,
        source: Resource<InputStream>,
        len: u64,
    ) -> wasmtime::Result<Result<u64, StreamError>> {
        self.splice(stream, source, len)
    }

    fn drop(&mut self, stream: Resource<OutputStream>) -> wasmtime::Result<()> {
        self.table()?.delete(stream)?;
        Ok(())
    }
}
