//! The encodings that ENCODE, TO_BYTES and FROM_BYTES know: hex, utf8, ascii and base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A way to write bytes as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Hex,
    Utf8,
    Ascii,
    Base64,
}

impl Encoding {
    /// By its name in any case of letters.
    pub fn from_name(name: &str) -> Result<Encoding, String> {
        let known = [("hex", Encoding::Hex), ("utf8", Encoding::Utf8), ("ascii", Encoding::Ascii), ("base64", Encoding::Base64)];
        known
            .into_iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known))
            .map(|(_, encoding)| encoding)
            .ok_or_else(|| format!("There is no encoding named '{name}'. Use 'hex', 'utf8', 'ascii' or 'base64'."))
    }

    /// The bytes that the text stands for. Characters that ASCII lacks become `?`.
    pub fn decode(self, text: &str) -> Result<Vec<u8>, String> {
        match self {
            Encoding::Hex => decode_hex(text).ok_or_else(|| format!("'{text}' is not an even number of hexadecimal digits.")),
            Encoding::Utf8 => Ok(text.as_bytes().to_vec()),
            Encoding::Ascii => Ok(text.chars().map(|c| if c.is_ascii() { c as u8 } else { b'?' }).collect()),
            Encoding::Base64 => {
                // MIME: anything outside the alphabet, line ends above all, is skipped.
                let alphabet: String =
                    text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')).collect();
                STANDARD.decode(alphabet).map_err(|e| format!("'{text}' is not base64: {e}."))
            }
        }
    }

    /// The text that stands for the bytes. What is not valid becomes U+FFFD; hex digits are upper case.
    pub fn encode(self, bytes: &[u8]) -> String {
        match self {
            Encoding::Hex => hex(bytes, b"0123456789ABCDEF"),
            Encoding::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Encoding::Ascii => bytes.iter().map(|b| if b.is_ascii() { char::from(*b) } else { '\u{FFFD}' }).collect(),
            Encoding::Base64 => STANDARD.encode(bytes),
        }
    }
}

/// Bytes as hexadecimal digits out of `digits`.
pub fn hex(bytes: &[u8], digits: &[u8; 16]) -> String {
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).map(|nibble| char::from(digits[usize::from(nibble)])).collect()
}

/// Pairs of hexadecimal digits in either case.
pub fn decode_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    text.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}
