//! Backticks in the first line of a connection's first request.
//!
//! Command ids hold backticks, and whoever copies one into a curl command sends them as they are.
//! They are no part of a URI, so the HTTP library refuses them before any route is asked; here they become `%60`.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes after which a line without an end is not looked at any further.
const LINE_BYTES_MAX: usize = 8192;

/// A connection whose first line is read with its backticks quoted.
pub struct QuotedRequestLine<T> {
    inner: T,
    /// Bytes of the line seen so far; none are looked at after its end.
    seen: Option<usize>,
    /// Read, and not yet given on.
    waiting: Vec<u8>,
}

impl<T> QuotedRequestLine<T> {
    pub fn new(inner: T) -> QuotedRequestLine<T> {
        QuotedRequestLine { inner, seen: Some(0), waiting: Vec::new() }
    }

    fn quote(&mut self, read: &[u8]) {
        for (at, byte) in read.iter().enumerate() {
            match self.seen {
                Some(seen) if *byte != b'\n' && seen < LINE_BYTES_MAX => {
                    self.seen = Some(seen + 1);
                    match byte {
                        b'`' => self.waiting.extend_from_slice(b"%60"),
                        other => self.waiting.push(*other),
                    }
                }
                _ => {
                    self.seen = None;
                    self.waiting.extend_from_slice(&read[at..]);
                    return;
                }
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for QuotedRequestLine<T> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.waiting.is_empty() {
            if this.seen.is_none() {
                return Pin::new(&mut this.inner).poll_read(context, out);
            }
            let mut space = [0; 2048];
            let mut part = ReadBuf::new(&mut space);
            match Pin::new(&mut this.inner).poll_read(context, &mut part) {
                Poll::Ready(Ok(())) => {}
                other => return other,
            }
            this.quote(part.filled());
        }
        let count = this.waiting.len().min(out.remaining());
        out.put_slice(&this.waiting[..count]);
        this.waiting.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for QuotedRequestLine<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn only_the_first_line_is_changed() {
        for (sent, wanted) in [
            ("GET /`S` HTTP/1.1\r\nx: `\r\n\r\n", "GET /%60S%60 HTTP/1.1\r\nx: `\r\n\r\n"),
            ("GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`"),
            ("", ""),
        ] {
            let mut got = String::new();
            QuotedRequestLine::new(sent.as_bytes()).read_to_string(&mut got).await.unwrap();
            assert_eq!(got, wanted);
        }
    }
}
