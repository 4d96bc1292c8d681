//! Functions of URLs, one a file.

mod uri;
mod url_decode_param;
mod url_encode_param;
mod url_extract_fragment;
mod url_extract_host;
mod url_extract_parameter;
mod url_extract_path;
mod url_extract_port;
mod url_extract_protocol;
mod url_extract_query;

use crate::ScalarDefinition;

/// Every function of this folder.
pub fn definitions() -> Vec<ScalarDefinition> {
    vec![
        url_decode_param::definition(),
        url_encode_param::definition(),
        url_extract_fragment::definition(),
        url_extract_host::definition(),
        url_extract_parameter::definition(),
        url_extract_path::definition(),
        url_extract_port::definition(),
        url_extract_protocol::definition(),
        url_extract_query::definition(),
    ]
}
