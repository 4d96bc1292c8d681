//! The request that a handler gets; and the resources of requests to others, which cannot be made.

use wasmtime::component::Resource;

use super::bindings::wasi::http::types::{
    self, ErrorCode, HostFutureIncomingResponse, HostFutureTrailers, HostIncomingBody, HostIncomingRequest, HostIncomingResponse,
    HostOutgoingRequest, HostRequestOptions, Method, Scheme,
};
use super::fields::Fields;
use super::io::{InputStream, IoError, Pollable};
use super::responses::OutgoingBody;
use crate::endpoint::HttpRequest;
use crate::instance::Guest;

/// A request, its body not yet taken.
pub struct IncomingRequest {
    method: Method,
    path_with_query: String,
    authority: Option<String>,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
}

/// A request's body, its stream not yet taken.
pub struct IncomingBody {
    bytes: Option<Vec<u8>>,
}

/// What comes after a request's body: nothing.
pub struct FutureTrailers;

/// Of requests to others; none of them is ever made.
pub enum OutgoingRequest {}
pub enum RequestOptions {}
pub enum IncomingResponse {}
pub enum FutureIncomingResponse {}

impl IncomingRequest {
    pub(super) fn new(request: &HttpRequest) -> IncomingRequest {
        let method = match request.method.as_str() {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            "CONNECT" => Method::Connect,
            "OPTIONS" => Method::Options,
            "TRACE" => Method::Trace,
            "PATCH" => Method::Patch,
            other => Method::Other(other.to_owned()),
        };
        let path_with_query = match &request.query {
            Some(query) => format!("{}?{query}", request.path),
            None => request.path.clone(),
        };
        // The standard forbids handlers to see this one, as it has a place of its own.
        let headers = request.headers.iter().filter(|(name, _)| name != "host").cloned().collect();
        IncomingRequest {
            method,
            path_with_query,
            authority: request.authority.clone(),
            headers,
            body: Some(request.body.clone()),
        }
    }
}

fn no_requests() -> wasmtime::Error {
    wasmtime::Error::msg("an endpoint cannot make HTTP requests")
}

impl types::Host for Guest {
    fn http_error_code(&mut self, _: Resource<IoError>) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(None)
    }
}

impl HostIncomingRequest for Guest {
    fn method(&mut self, request: Resource<IncomingRequest>) -> wasmtime::Result<Method> {
        Ok(self.table()?.get(&request)?.method.clone())
    }

    fn path_with_query(&mut self, request: Resource<IncomingRequest>) -> wasmtime::Result<Option<String>> {
        Ok(Some(self.table()?.get(&request)?.path_with_query.clone()))
    }

    fn scheme(&mut self, _: Resource<IncomingRequest>) -> wasmtime::Result<Option<Scheme>> {
        Ok(Some(Scheme::Http))
    }

    fn authority(&mut self, request: Resource<IncomingRequest>) -> wasmtime::Result<Option<String>> {
        Ok(self.table()?.get(&request)?.authority.clone())
    }

    fn headers(&mut self, request: Resource<IncomingRequest>) -> wasmtime::Result<Resource<Fields>> {
        let entries = self.table()?.get(&request)?.headers.clone();
        self.push(Fields::immutable(entries))
    }

    fn consume(&mut self, request: Resource<IncomingRequest>) -> wasmtime::Result<Result<Resource<IncomingBody>, ()>> {
        match self.table()?.get_mut(&request)?.body.take() {
            Some(bytes) => Ok(Ok(self.push(IncomingBody { bytes: Some(bytes) })?)),
            None => Ok(Err(())),
        }
    }

    fn drop(&mut self, request: Resource<IncomingRequest>) -> wasmtime::Result<()> {
        self.table()?.delete(request)?;
        Ok(())
    }
}

impl HostIncomingBody for Guest {
    fn stream(&mut self, body: Resource<IncomingBody>) -> wasmtime::Result<Result<Resource<InputStream>, ()>> {
        match self.table()?.get_mut(&body)?.bytes.take() {
            Some(bytes) => Ok(Ok(self.push(InputStream { rest: bytes.into_iter() })?)),
            None => Ok(Err(())),
        }
    }

    fn finish(&mut self, body: Resource<IncomingBody>) -> wasmtime::Result<Resource<FutureTrailers>> {
        self.table()?.delete(body)?;
        self.push(FutureTrailers)
    }

    fn drop(&mut self, body: Resource<IncomingBody>) -> wasmtime::Result<()> {
        self.table()?.delete(body)?;
        Ok(())
    }
}

impl HostFutureTrailers for Guest {
    fn subscribe(&mut self, _: Resource<FutureTrailers>) -> wasmtime::Result<Resource<Pollable>> {
        self.push(Pollable)
    }

    fn get(
        &mut self,
        _: Resource<FutureTrailers>,
    ) -> wasmtime::Result<Option<Result<Result<Option<Resource<Fields>>, ErrorCode>, ()>>> {
        Ok(Some(Ok(Ok(None))))
    }

    fn drop(&mut self, trailers: Resource<FutureTrailers>) -> wasmtime::Result<()> {
        self.table()?.delete(trailers)?;
        Ok(())
    }
}

impl HostOutgoingRequest for Guest {
    fn new(&mut self, _: Resource<Fields>) -> wasmtime::Result<Resource<OutgoingRequest>> {
        Err(no_requests())
    }

    fn body(&mut self, _: Resource<OutgoingRequest>) -> wasmtime::Result<Result<Resource<OutgoingBody>, ()>> {
        Err(no_requests())
    }

    fn method(&mut self, _: Resource<OutgoingRequest>) -> wasmtime::Result<Method> {
        Err(no_requests())
    }

    fn set_method(&mut self, _: Resource<OutgoingRequest>, _: Method) -> wasmtime::Result<Result<(), ()>> {
        Err(no_requests())
    }

    fn path_with_query(&mut self, _: Resource<OutgoingRequest>) -> wasmtime::Result<Option<String>> {
        Err(no_requests())
    }

    fn set_path_with_query(&mut self, _: Resource<OutgoingRequest>, _: Option<String>) -> wasmtime::Result<Result<(), ()>> {
        Err(no_requests())
    }

    fn scheme(&mut self, _: Resource<OutgoingRequest>) -> wasmtime::Result<Option<Scheme>> {
        Err(no_requests())
    }

    fn set_scheme(&mut self, _: Resource<OutgoingRequest>, _: Option<Scheme>) -> wasmtime::Result<Result<(), ()>> {
        Err(no_requests())
    }

    fn authority(&mut self, _: Resource<OutgoingRequest>) -> wasmtime::Result<Option<String>> {
        Err(no_requests())
    }

    fn set_authority(&mut self, _: Resource<OutgoingRequest>, _: Option<String>) -> wasmtime::Result<Result<(), ()>> {
        Err(no_requests())
    }

    fn headers(&mut self, _: Resource<OutgoingRequest>) -> wasmtime::Result<Resource<Fields>> {
        Err(no_requests())
    }

    fn drop(&mut self, _: Resource<OutgoingRequest>) -> wasmtime::Result<()> {
        Err(no_requests())
    }
}

impl HostRequestOptions for Guest {
    fn new(&mut self) -> wasmtime::Result<Resource<RequestOptions>> {
        Err(no_requests())
    }

    fn connect_timeout(&mut self, _: Resource<RequestOptions>) -> wasmtime::Result<Option<u64>> {
        Err(no_requests())
    }

    fn set_connect_timeout(&mut self, _: Resource<RequestOptions>, _: Option<u64>) -> wasmtime::Result<Result<(), ()>> {
        Err(no_requests())
    }

    fn first_byte_timeout(&mut self, _: Resource<RequestOptions>) -> wasmtime::Result<Option<u64>> {
        Err(no_requests())
    }

    fn set_first_byte_timeout(&mut self, _: Resource<RequestOptions>, _: Option<u64>) -> wasmtime::Result<Result<(), ()>> {
        Err(no_requests())
    }

    fn between_bytes_timeout(&mut self, _: Resource<RequestOptions>) -> wasmtime::Result<Option<u64>> {
        Err(no_requests())
    }

    fn set_between_bytes_timeout(&mut self, _: Resource<RequestOptions>, _: Option<u64>) -> wasmtime::Result<Result<(), ()>> {
        Err(no_requests())
    }

    fn drop(&mut self, _: Resource<RequestOptions>) -> wasmtime::Result<()> {
        Err(no_requests())
    }
}

impl HostIncomingResponse for Guest {
    fn status(&mut self, _: Resource<IncomingResponse>) -> wasmtime::Result<u16> {
        Err(no_requests())
    }

    fn headers(&mut self, _: Resource<IncomingResponse>) -> wasmtime::Result<Resource<Fields>> {
        Err(no_requests())
    }

    fn consume(&mut self, _: Resource<IncomingResponse>) -> wasmtime::Result<Result<Resource<IncomingBody>, ()>> {
        Err(no_requests())
    }

    fn drop(&mut self, _: Resource<IncomingResponse>) -> wasmtime::Result<()> {
        Err(no_requests())
    }
}

impl HostFutureIncomingResponse for Guest {
    fn subscribe(&mut self, _: Resource<FutureIncomingResponse>) -> wasmtime::Result<Resource<Pollable>> {
        Err(no_requests())
    }

    fn get(
        &mut self,
        _: Resource<FutureIncomingResponse>,
    ) -> wasmtime::Result<Option<Result<Result<Resource<IncomingResponse>, ErrorCode>, ()>>> {
        Err(no_requests())
    }

    fn drop(&mut self, _: Resource<FutureIncomingResponse>) -> wasmtime::Result<()> {
        Err(no_requests())
    }
}
