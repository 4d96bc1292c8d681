//! A body of pieces that are all known, but not announced: without a length.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};

/// Sends each piece by itself.
#[derive(Debug, Default)]
pub struct Pieces {
    pieces: VecDeque<Bytes>,
}

impl Pieces {
    pub fn new(pieces: impl IntoIterator<Item = Bytes>) -> Pieces {
        Pieces { pieces: pieces.into_iter().collect() }
    }

    pub fn single(piece: Bytes) -> Pieces {
        Pieces::new([piece])
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.pieces.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}
