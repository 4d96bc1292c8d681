//! The body of a running query's answer.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use calzone_engine::{QueryEnd, RowEvent, RowStream};
use hyper::body::{Body, Frame};

use super::{Encoder, RowFormat};

/// Gives out rows as they come. Dropping it, as happens when the client goes away, ends the query.
pub struct RowBody {
    stream: RowStream,
    encoder: Encoder,
    ready: VecDeque<Bytes>,
    ended: bool,
}

impl RowBody {
    pub fn new(stream: RowStream, format: RowFormat) -> RowBody {
        let encoder = Encoder::new(format, stream.id.clone(), stream.schema.clone());
        // The header goes out at once: clients wait for it, and then for rows as long as they like.
        let ready = VecDeque::from([encoder.header()]);
        RowBody { stream, encoder, ready, ended: false }
    }
}

impl Body for RowBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        loop {
            if let Some(piece) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if this.ended {
                return Poll::Ready(None);
            }
            let end = match ready!(this.stream.rows.poll_recv(context)) {
                Some(RowEvent::Rows(batch)) => {
                    this.encoder.rows(&batch, &this.stream.columns, &mut this.ready);
                    continue;
                }
                Some(RowEvent::End(end)) => end,
                None => QueryEnd::Closed,
            };
            this.ended = true;
            this.ready.extend(this.encoder.end(&end));
        }
    }
}
