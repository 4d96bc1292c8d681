//! Entries of the statement log.
//!
//! An entry holds all that applying it needs: the text, the settings it was sent with, and what was looked up outside when
//! it was checked (partition counts of topics), so that replaying it years later gives the same plan.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Version that this program writes; it reads all versions up to this one.
pub const COMMAND_VERSION: u32 = 1;

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    pub version: u32,
    #[serde(flatten)]
    pub body: CommandBody,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum CommandBody {
    /// A statement.
    #[serde(rename_all = "camelCase")]
    Statement {
        statement: String,
        /// Overrides of the session.
        streams_properties: BTreeMap<String, String>,
        /// The server's settings that plans depend on, as they were.
        original_properties: BTreeMap<String, String>,
        /// Partitions and replicas of topics that the plan asked for.
        topics: BTreeMap<String, (i32, i32)>,
    },
    /// A revision of a plugin was uploaded; its bytes lie in the plugin topic under their hash.
    PluginRevision { name: String, revision: i64, sha256: String, bytes: usize, activate: bool },
    /// Revisions that nothing used were deleted.
    PluginRevisionsRemoved { name: String, revisions: Vec<i64> },
    /// A plugin that nothing used was deleted, with all revisions.
    PluginDeleted { name: String },
}

impl Command {
    pub fn new(body: CommandBody) -> Command {
        Command { version: COMMAND_VERSION, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_survive_json() {
        for body in [
            CommandBody::Statement {
                statement: "DROP STREAM s;".into(),
                streams_properties: BTreeMap::from([("auto.offset.reset".into(), "earliest".into())]),
                original_properties: BTreeMap::new(),
                topics: BTreeMap::from([("t".into(), (4, 1))]),
            },
            CommandBody::PluginRevision { name: "sauce".into(), revision: 2, sha256: "00".into(), bytes: 7, activate: true },
            CommandBody::PluginRevisionsRemoved { name: "sauce".into(), revisions: vec![1, 2] },
            CommandBody::PluginDeleted { name: "sauce".into() },
        ] {
            let command = Command::new(body);
            let text = serde_json::to_string(&command).unwrap();
            assert_eq!(serde_json::from_str::<Command>(&text).unwrap(), command);
        }
    }
}
