//! Standard HTTP handlers: components that export `wasi:http/incoming-handler`.
//!
//! What they import of `wasi:io` and `wasi:http/types` is here, on bodies that are wholly in memory: reading and writing never
//! wait, so that everything that can be waited for is ready. Requests to others are not offered. The rest of WASI is as inert
//! as for all plugins ([`crate::wasi`]).

mod fields;
mod io;
mod requests;
mod responses;

use std::sync::{Arc, Mutex};

use wasmtime::component::{HasSelf, InstancePre, Linker, Resource, ResourceTable};

use crate::SandboxError;
use crate::endpoint::{HttpRequest, HttpResponse};
use crate::fault::{Fault, TimeLimit};
use crate::instance::{Guest, Instance};

use bindings::exports::wasi::http::incoming_handler::GuestIndices;
use bindings::wasi::http::types::{ErrorCode, LinkOptions};
use io::BodyBuffer;
use requests::IncomingRequest;
use responses::{OutgoingResponse, ResponseOutparam};

/// Resources that a guest may hold at a time.
const RESOURCES_MAX: usize = 10_000;

/// Interfaces that are behind the imports of a handler, without their versions.
pub(crate) const INTERFACES: [&str; 4] = ["wasi:io/error", "wasi:io/poll", "wasi:io/streams", "wasi:http/types"];

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/wasi-http",
        world: "handler",
        // A handle that is none must end the guest.
        imports: { default: trappable },
        with: {
            "wasi:io/error.error": super::io::IoError,
            "wasi:io/poll.pollable": super::io::Pollable,
            "wasi:io/streams.input-stream": super::io::InputStream,
            "wasi:io/streams.output-stream": super::io::OutputStream,
            "wasi:http/types.fields": super::fields::Fields,
            "wasi:http/types.incoming-request": super::requests::IncomingRequest,
            "wasi:http/types.incoming-body": super::requests::IncomingBody,
            "wasi:http/types.future-trailers": super::requests::FutureTrailers,
            "wasi:http/types.outgoing-request": super::requests::OutgoingRequest,
            "wasi:http/types.request-options": super::requests::RequestOptions,
            "wasi:http/types.incoming-response": super::requests::IncomingResponse,
            "wasi:http/types.future-incoming-response": super::requests::FutureIncomingResponse,
            "wasi:http/types.outgoing-response": super::responses::OutgoingResponse,
            "wasi:http/types.outgoing-body": super::responses::OutgoingBody,
            "wasi:http/types.response-outparam": super::responses::ResponseOutparam,
        },
    });
}

/// The host's side of a handler's instance.
pub(crate) struct Http {
    table: ResourceTable,
    /// What was given to `response-outparam.set`.
    response: Option<Result<OutgoingResponse, ErrorCode>>,
}

impl Http {
    pub(crate) fn new() -> Box<Http> {
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES_MAX);
        Box::new(Http { table, response: None })
    }

    /// A stream that takes everything and keeps nothing, for a guest that prints.
    pub(crate) fn sink(&mut self) -> wasmtime::Result<Resource<io::OutputStream>> {
        Ok(self.table.push(io::OutputStream::nowhere())?)
    }

    /// A stream that is at its end.
    pub(crate) fn nothing(&mut self) -> wasmtime::Result<Resource<io::InputStream>> {
        Ok(self.table.push(io::InputStream::default())?)
    }

    /// Something that is ready.
    pub(crate) fn ready(&mut self) -> wasmtime::Result<Resource<io::Pollable>> {
        Ok(self.table.push(io::Pollable)?)
    }
}

impl Guest {
    /// Fails in a component that is no handler: only those have these imports.
    fn http(&mut self) -> wasmtime::Result<&mut Http> {
        self.http.as_deref_mut().ok_or_else(|| wasmtime::Error::msg("there is no request to work on"))
    }

    fn table(&mut self) -> wasmtime::Result<&mut ResourceTable> {
        Ok(&mut self.http()?.table)
    }

    fn push<T: Send + 'static>(&mut self, resource: T) -> wasmtime::Result<Resource<T>> {
        Ok(self.table()?.push(resource)?)
    }
}

/// Where a component has its handler.
#[derive(Clone)]
pub(crate) struct Handler(GuestIndices);

/// Is this the export of a standard handler? Every version 0.2 has the same.
pub(crate) fn is_handler(export: &str) -> bool {
    export.strip_prefix("wasi:http/incoming-handler@").is_some_and(|version| version == "0.2" || version.starts_with("0.2."))
}

/// Puts the host's side under a handler's imports of `wasi:io` and `wasi:http`.
pub(crate) fn link(linker: &mut Linker<Guest>) -> Result<(), SandboxError> {
    let add = |linker: &mut Linker<Guest>| -> wasmtime::Result<()> {
        bindings::wasi::io::error::add_to_linker::<_, HasSelf<Guest>>(linker, |g| g)?;
        bindings::wasi::io::poll::add_to_linker::<_, HasSelf<Guest>>(linker, |g| g)?;
        bindings::wasi::io::streams::add_to_linker::<_, HasSelf<Guest>>(linker, |g| g)?;
        bindings::wasi::http::types::add_to_linker::<_, HasSelf<Guest>>(linker, &LinkOptions::default(), |g| g)
    };
    add(linker).map_err(|e| SandboxError::Internal(format!("the sandbox's own HTTP does not link: {e:#}")))
}

impl Handler {
    /// The error says what of the interface is missing or different.
    pub(crate) fn find(component: &InstancePre<Guest>) -> Result<Handler, String> {
        GuestIndices::new(component).map(Handler).map_err(|e| format!("wasi:http/incoming-handler: {e:#}"))
    }

    /// Answers a request. A handler answers one and is dropped then, as the standard allows it to expect.
    pub(crate) fn handle(&self, instance: &mut Instance, request: &HttpRequest) -> Result<HttpResponse, Fault> {
        let exports = instance.look_up(|store, linked| self.0.load(store, linked))?;
        let request = IncomingRequest::new(request);
        instance.call(TimeLimit::Request, |store| {
            let request = store.data_mut().push(request)?;
            let outparam = store.data_mut().push(ResponseOutparam)?;
            exports.call_handle(&mut *store, request, outparam)
        })?;
        let response = instance.guest().http.take().and_then(|http| http.response);
        match response {
            Some(Ok(response)) => Ok(response.finish()),
            Some(Err(code)) => Err(Fault::Error(format!("the plugin answered with the error {code:?}"))),
            None => Err(Fault::Answer("it set no response".to_owned())),
        }
    }
}

/// A body that is being written, shared by the response, its body and its stream.
type SharedBody = Arc<Mutex<BodyBuffer>>;
