//! The response that a handler gives.

use wasmtime::component::Resource;

use super::SharedBody;
use super::bindings::wasi::http::types::{ErrorCode, HostOutgoingBody, HostOutgoingResponse, HostResponseOutparam};
use super::fields::Fields;
use super::io::OutputStream;
use crate::endpoint::HttpResponse;
use crate::instance::Guest;

/// A response, its body perhaps still being written.
pub struct OutgoingResponse {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: SharedBody,
    is_body_taken: bool,
}

/// A response's body.
pub struct OutgoingBody {
    body: SharedBody,
    is_stream_taken: bool,
}

/// The right to set the one response.
pub struct ResponseOutparam;

impl OutgoingResponse {
    pub(super) fn finish(self) -> HttpResponse {
        let body = std::mem::take(&mut self.body.lock().expect("no panic while holding the lock").bytes);
        HttpResponse { status: self.status, headers: self.headers, body }
    }
}

impl HostResponseOutparam for Guest {
    fn send_informational(
        &mut self,
        _: Resource<ResponseOutparam>,
        _: u16,
        _: Resource<Fields>,
    ) -> wasmtime::Result<Result<(), ErrorCode>> {
        // An unstable part of the standard, which is not linked.
        wasmtime::bail!("responses before the response are not offered")
    }

    fn set(
        &mut self,
        outparam: Resource<ResponseOutparam>,
        response: Result<Resource<OutgoingResponse>, ErrorCode>,
    ) -> wasmtime::Result<()> {
        self.table()?.delete(outparam)?;
        let response = match response {
            Ok(response) => Ok(self.table()?.delete(response)?),
            Err(code) => Err(code),
        };
        self.http()?.response = Some(response);
        Ok(())
    }

    fn drop(&mut self, outparam: Resource<ResponseOutparam>) -> wasmtime::Result<()> {
        self.table()?.delete(outparam)?;
        Ok(())
    }
}

impl HostOutgoingResponse for Guest {
    fn new(&mut self, headers: Resource<Fields>) -> wasmtime::Result<Resource<OutgoingResponse>> {
        let headers = self.table()?.delete(headers)?.entries;
        self.push(OutgoingResponse { status: 200, headers, body: SharedBody::default(), is_body_taken: false })
    }

    fn status_code(&mut self, response: Resource<OutgoingResponse>) -> wasmtime::Result<u16> {
        Ok(self.table()?.get(&response)?.status)
    }

    fn set_status_code(&mut self, response: Resource<OutgoingResponse>, status: u16) -> wasmtime::Result<Result<(), ()>> {
        if !(200..=599).contains(&status) {
            return Ok(Err(()));
        }
        self.table()?.get_mut(&response)?.status = status;
        Ok(Ok(()))
    }

    fn headers(&mut self, response: Resource<OutgoingResponse>) -> wasmtime::Result<Resource<Fields>> {
        let entries = self.table()?.get(&response)?.headers.clone();
        self.push(Fields::immutable(entries))
    }

    fn body(&mut self, response: Resource<OutgoingResponse>) -> wasmtime::Result<Result<Resource<OutgoingBody>, ()>> {
        let response = self.table()?.get_mut(&response)?;
        if std::mem::replace(&mut response.is_body_taken, true) {
            return Ok(Err(()));
        }
        let body = response.body.clone();
        Ok(Ok(self.push(OutgoingBody { body, is_stream_taken: false })?))
    }

    fn drop(&mut self, response: Resource<OutgoingResponse>) -> wasmtime::Result<()> {
        self.table()?.delete(response)?;
        Ok(())
    }
}

impl HostOutgoingBody for Guest {
    fn write(&mut self, body: Resource<OutgoingBody>) -> wasmtime::Result<Result<Resource<OutputStream>, ()>> {
        let body = self.table()?.get_mut(&body)?;
        if std::mem::replace(&mut body.is_stream_taken, true) {
            return Ok(Err(()));
        }
        let body = Some(body.body.clone());
        Ok(Ok(self.push(OutputStream { body })?))
    }

    fn finish(
        &mut self,
        body: Resource<OutgoingBody>,
        trailers: Option<Resource<Fields>>,
    ) -> wasmtime::Result<Result<(), ErrorCode>> {
        self.table()?.delete(body)?;
        // Trailers are not sent on: hardly a client reads them.
        if let Some(trailers) = trailers {
            self.table()?.delete(trailers)?;
        }
        Ok(Ok(()))
    }

    fn drop(&mut self, body: Resource<OutgoingBody>) -> wasmtime::Result<()> {
        self.table()?.delete(body)?;
        Ok(())
    }
}
