//! What a command line session remembers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::screen::Screen;
use crate::arguments::{CliArguments, OutputFormat};
use crate::client::Server;

pub struct Session {
    pub server: Server,
    /// Settings sent along with each statement.
    pub properties: BTreeMap<String, String>,
    /// Values of `${name}`.
    pub variables: BTreeMap<String, String>,
    pub output: OutputFormat,
    /// Long cells go on in a second line; otherwise they are cut.
    pub wrap: bool,
    /// Width of a column of rows; 0 divides the screen.
    pub column_width: usize,
    /// Do statements go out without waiting for the effect of those before them?
    pub request_pipelining: bool,
    /// Of the last statement that changed something: later ones wait for it, on whichever server they land.
    pub command_sequence_number: i64,
    pub row_limit: Option<u64>,
    pub timeout_ms: Option<u64>,
    pub screen: Screen,
}

impl Session {
    pub fn new(arguments: &CliArguments) -> Result<Session, String> {
        let server = Server::parse(&arguments.server).map_err(|e| e.to_string())?;
        let mut variables = BTreeMap::new();
        for definition in &arguments.definitions {
            let (name, value) =
                definition.split_once('=').ok_or_else(|| format!("--define {definition}: write it as --define name=value"))?;
            variables.insert(name.trim().to_owned(), unquoted(value.trim()).to_owned());
        }
        let mut properties = BTreeMap::new();
        if let Some(path) = &arguments.config_file {
            let gathered = crate::config::gather(Some(path), std::iter::empty(), &[]).map_err(|e| e.to_string())?;
            properties = gathered.properties;
        }
        Ok(Session {
            server,
            properties,
            variables,
            output: arguments.output,
            wrap: true,
            column_width: 0,
            request_pipelining: false,
            command_sequence_number: -1,
            row_limit: arguments.query_row_limit,
            timeout_ms: arguments.query_timeout,
            screen: Screen::default(),
        })
    }

    /// The body of a request with a statement.
    pub fn request(&self, statement: &str) -> Value {
        json!({
            "ksql": statement,
            "streamsProperties": self.properties,
            "sessionVariables": self.variables,
            "commandSequenceNumber": if self.request_pipelining { -1 } else { self.command_sequence_number },
        })
    }
}

/// Without the quotes around it.
pub fn unquoted(text: &str) -> &str {
    text.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')).unwrap_or(text)
}
