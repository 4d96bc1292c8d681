//! What belongs to one request or one client.

use std::collections::BTreeMap;

/// Overrides that a client sends along with its statements.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// `streamsProperties`: settings that win over the server's, for this request.
    pub properties: BTreeMap<String, String>,
    /// `sessionVariables`: values of `${name}`.
    pub variables: BTreeMap<String, String>,
    /// Wait until the statement log was applied up to this offset.
    pub after_sequence_number: Option<i64>,
    /// The credentials that the client sent; other servers that are asked for it get them, too.
    pub authorization: Option<String>,
}
