//! The body of PRINT's answer.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use calzone_engine::{PrintLine, PrintStream};
use hyper::body::{Body, Frame};
use tokio::time::{Instant, Sleep};

use crate::error::generic_error;

/// How often an idle PRINT sends an empty line, by which clients see that the server is still there.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// What of PRINT's output goes to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrintForm {
    /// The formats, the records, and signs of life.
    Text,
    /// The records only.
    RecordsOnly,
}

pub struct PrintBody {
    stream: PrintStream,
    form: PrintForm,
    idle: Pin<Box<Sleep>>,
}

impl PrintBody {
    pub fn new(stream: PrintStream, form: PrintForm) -> PrintBody {
        PrintBody { stream, form, idle: Box::pin(tokio::time::sleep(SIGN_OF_LIFE)) }
    }
}

impl Body for PrintBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        loop {
            let text = match this.stream.lines.poll_recv(context) {
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(line)) => match text_of(line, this.form) {
                    Some(text) => text,
                    None => continue,
                },
                Poll::Pending if this.form == PrintForm::RecordsOnly => return Poll::Pending,
                Poll::Pending => match this.idle.as_mut().poll(context) {
                    Poll::Ready(()) => "\n".to_owned(),
                    Poll::Pending => return Poll::Pending,
                },
            };
            this.idle.as_mut().reset(Instant::now() + SIGN_OF_LIFE);
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from(text)))));
        }
    }
}

fn text_of(line: PrintLine, form: PrintForm) -> Option<String> {
    match (line, form) {
        (PrintLine::KeyFormat(_) | PrintLine::ValueFormat(_), PrintForm::RecordsOnly) => None,
        (PrintLine::KeyFormat(names), PrintForm::Text) => Some(format!("Key format: {names}\n")),
        (PrintLine::ValueFormat(names), PrintForm::Text) => Some(format!("Value format: {names}\n")),
        (PrintLine::Record(text), _) => Some(format!("{text}\n")),
        (PrintLine::Failed(message), _) => Some(format!("{}\n", generic_error(50000, &message))),
    }
}
