//! What is behind a guest's import `http`.

use std::time::{Duration, Instant};

use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use super::bindings::calzone::plugin::http::{Error, Header, Request, Response};
use crate::engine::ticks;
use crate::http::{OutboundError, OutboundRequest, OutboundResponse, check_granted, parse_url};
use crate::instance::Guest;

/// Not by the generated trait: the time that a request takes is given back to the call, which needs the store.
pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.instance("calzone:plugin/http@1.0.0")?.func_wrap(
        "send",
        |mut store: StoreContextMut<'_, Guest>, (request,): (Request,)| {
            let started = Instant::now();
            let answer = send(store.data_mut(), request);
            let left_ms = store.data_mut().pause(started.elapsed());
            store.set_epoch_deadline(ticks(left_ms));
            Ok((answer,))
        },
    )
}

fn send(guest: &mut Guest, request: Request) -> Result<Response, Error> {
    let target = parse_url(&request.url).map_err(error)?;
    let private_address = check_granted(&target.place, &guest.outbound.granted).map_err(error)?;
    let Some(outbound) = &guest.outbound.outbound else {
        return Err(Error::Denied("no request can be sent from here".to_owned()));
    };
    let timeout = Duration::from_millis(guest.outbound.request_ms).min(guest.outbound.left);
    if timeout.is_zero() {
        return Err(Error::Timeout);
    }
    let request = OutboundRequest {
        method: request.method,
        tls: target.tls,
        place: target.place,
        path: target.path,
        headers: request.headers.into_iter().map(|h| (h.name, h.value)).collect(),
        body: request.body,
        timeout,
        bytes_max: guest.outbound.bytes_max,
        private_address,
    };
    let started = Instant::now();
    let answer = outbound.send(request);
    guest.outbound.left = guest.outbound.left.saturating_sub(started.elapsed());
    let OutboundResponse { status, headers, body } = answer.map_err(error)?;
    Ok(Response { status, headers: headers.into_iter().map(|(name, value)| Header { name, value }).collect(), body })
}

fn error(e: OutboundError) -> Error {
    match e {
        OutboundError::Denied(why) => Error::Denied(why),
        OutboundError::Invalid(why) => Error::Invalid(why),
        OutboundError::Timeout => Error::Timeout,
        OutboundError::TooLarge => Error::TooLarge,
        OutboundError::Failed(why) => Error::Failed(why),
    }
}
