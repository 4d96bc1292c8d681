//! One connection to a broker, with at most one request under way. Nothing here waits.

use super::protocol::{Malformed, knows_fetch, versions_request};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Bytes of a response's length, and of the number that connects it with its request.
const LENGTH_LEN: usize = 4;
const CORRELATION_LEN: usize = 4;

/// No response is longer; what is asked for is bounded by settings, but a single batch may be larger than these.
const RESPONSE_BYTES_MAX: usize = 512 << 20;

/// How much memory is made ready for a response before its bytes arrive.
const BUFFER_STEP: usize = 1 << 20;

/// How long connecting may take, and an answer beyond what the broker was allowed to wait.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connecting,
    /// The broker was asked for the versions it knows.
    Greeting,
    Ready,
}

pub(super) struct Connection {
    stream: TcpStream,
    stage: Stage,
    outgoing: Vec<u8>,
    sent: usize,
    /// Filled from the start; what lies behind is of earlier responses.
    incoming: Vec<u8>,
    filled: usize,
    correlation: i32,
    /// When an answer must be there.
    deadline: Option<Instant>,
    /// There may be something to read.
    readable: bool,
}

/// A whole response.
pub(super) struct Response {
    pub(super) bytes: Vec<u8>,
    /// Where the body begins, behind length and correlation, and where it ends.
    pub(super) body: std::ops::Range<usize>,
}

/// Why a connection cannot be used.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It may be better next time.
    Network(Error),
    /// The broker is too old, or too new, for what is asked here.
    Unsupported,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Network(error)
    }
}

impl From<Malformed> for Trouble {
    fn from(_: Malformed) -> Trouble {
        Trouble::Network(Error::new(ErrorKind::InvalidData, "a response that does not follow the protocol"))
    }
}

impl Connection {
    /// Begins to connect.
    pub(super) fn open(registry: &Registry, token: Token, host: &str, port: u16) -> Result<Connection> {
        let mut addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
        // Brokers on a machine of both kinds mostly listen to IPv4.
        addresses.sort_by_key(SocketAddr::is_ipv6);
        let address = addresses.into_iter().next();
        let mut stream = TcpStream::connect(address.ok_or_else(|| Error::new(ErrorKind::NotFound, "the name has no address"))?)?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Connection {
            stream,
            stage: Stage::Connecting,
            outgoing: Vec::new(),
            sent: 0,
            incoming: Vec::new(),
            filled: 0,
            correlation: 0,
            deadline: Some(Instant::now() + ANSWER_TIME_MAX),
            readable: false,
        })
    }

    pub(super) fn close(mut self, registry: &Registry) {
        // The system forgets the socket with its last handle in any case.
        let _ = registry.deregister(&mut self.stream);
    }

    /// May a request be sent now?
    pub(super) fn is_free(&self) -> bool {
        self.stage == Stage::Ready && self.deadline.is_none()
    }

    pub(super) fn is_busy(&self) -> bool {
        self.deadline.is_some()
    }

    pub(super) fn next_correlation(&mut self) -> i32 {
        self.correlation = self.correlation.wrapping_add(1);
        self.correlation
    }

    /// Sends a request whose answer the broker may delay by `wait`.
    pub(super) fn send(&mut self, request: Vec<u8>, wait: Duration) -> Result<()> {
        (self.outgoing, self.sent) = (request, 0);
        self.deadline = Some(Instant::now() + wait + ANSWER_TIME_MAX);
        self.write()
    }

    fn write(&mut self) -> Result<()> {
        while self.sent < self.outgoing.len() {
            match self.stream.write(&self.outgoing[self.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The system says that there is something to do.
    pub(super) fn note(&mut self, readable: bool, writable: bool, client: &str) -> std::result::Result<(), Trouble> {
        self.readable |= readable;
        if self.stage == Stage::Connecting && writable {
            if let Some(error) = self.stream.take_error()? {
                return Err(error.into());
            }
            match self.stream.peer_addr() {
                Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(()),
                other => other?,
            };
            self.stream.set_nodelay(true)?;
            self.stage = Stage::Greeting;
            let correlation = self.next_correlation();
            self.send(versions_request(correlation, client), Duration::ZERO)?;
        } else if writable {
            self.write()?;
        }
        Ok(())
    }

    /// The answer to the request, if all of it has arrived.
    pub(super) fn receive(&mut self, spare: &mut Vec<Vec<u8>>) -> std::result::Result<Option<Response>, Trouble> {
        loop {
            if !self.readable {
                return match self.deadline {
                    Some(deadline) if Instant::now() > deadline => Err(Error::from(ErrorKind::TimedOut).into()),
                    _ => Ok(None),
                };
            }
            let wanted = match self.length()? {
                Some(length) => LENGTH_LEN + length,
                None => LENGTH_LEN,
            };
            if self.filled == wanted && wanted > LENGTH_LEN {
                let Some(response) = self.complete(spare)? else { continue };
                return Ok(Some(response));
            }
            if self.incoming.is_empty() {
                self.incoming = spare.pop().unwrap_or_default();
            }
            if self.incoming.len() < wanted.min(self.filled + BUFFER_STEP) {
                self.incoming.resize(wanted.min(self.filled + BUFFER_STEP), 0);
            }
            let end = wanted.min(self.incoming.len());
            match self.stream.read(&mut self.incoming[self.filled..end]) {
                Ok(0) => return Err(Error::from(ErrorKind::UnexpectedEof).into()),
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// How long the response is that has begun to arrive.
    fn length(&self) -> std::result::Result<Option<usize>, Malformed> {
        match self.incoming.first_chunk() {
            Some(length) if self.filled >= LENGTH_LEN => {
                let length = usize::try_from(i32::from_be_bytes(*length)).map_err(|_| Malformed)?;
                match (CORRELATION_LEN..=RESPONSE_BYTES_MAX).contains(&length) {
                    true => Ok(Some(length)),
                    false => Err(Malformed),
                }
            }
            _ => Ok(None),
        }
    }

    /// Takes the response that has arrived; None if it was not for our caller.
    fn complete(&mut self, spare: &mut Vec<Vec<u8>>) -> std::result::Result<Option<Response>, Trouble> {
        let bytes = std::mem::take(&mut self.incoming);
        let end = std::mem::take(&mut self.filled);
        let correlation = bytes.get(LENGTH_LEN..LENGTH_LEN + CORRELATION_LEN).and_then(|bytes| bytes.try_into().ok());
        if self.deadline.take().is_none() || correlation.map(i32::from_be_bytes) != Some(self.correlation) {
            return Err(Malformed.into());
        }
        let body = LENGTH_LEN + CORRELATION_LEN..end;
        if self.stage != Stage::Greeting {
            return Ok(Some(Response { bytes, body }));
        }
        if !knows_fetch(&bytes[body])? {
            return Err(Trouble::Unsupported);
        }
        self.stage = Stage::Ready;
        spare.push(bytes);
        Ok(None)
    }
}
