//! Rows on their way to a client: each one piece of the body, that is one DATA frame or one chunk, sent when it is there.
//!
//! Clients parse each piece by itself, so a piece is never merged with another one and never split here.

mod encoder;
mod pieces;
mod print;
mod stream;

pub use encoder::{Encoder, RowFormat};
pub use pieces::Pieces;
pub use print::{PrintBody, PrintForm};
pub use stream::RowBody;
