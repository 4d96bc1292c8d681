//! What a server's engine is started with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use calzone_sandbox::{Limits, Outbound};

use crate::cluster::ClusterOptions;

/// Settings of the engine, already read from properties files, environment and command line.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// `ksql.service.id`: prefix of topics, groups and transactional ids; servers with the same id share their work.
    pub service_id: String,
    /// `ksql.streams.state.dir`: stores, compiled plugins, and the embedded log if it is used.
    pub state_dir: PathBuf,
    /// Server-wide settings, `ksql.` and `ksql.streams.` names among them.
    pub properties: BTreeMap<String, String>,
    /// Program that compiles uploads when called as `PROGRAM compile-plugin IN OUT`.
    pub compiler: PathBuf,
    /// Limits of the sandbox.
    pub limits: Limits,
    /// Sends the requests of plugins (HTTP TO); without it none can.
    pub outbound: Option<Arc<dyn Outbound>>,
    /// How other servers of the service reach this one; without it this server is alone.
    pub cluster: Option<ClusterOptions>,
}

/// Rows that a persistent query decodes and computes at a time. Large enough that per-batch costs vanish, small
/// enough that a batch of columns stays in the second-level cache.
pub const BATCH_RECORDS_MAX: usize = 4096;

/// Rows that wait for a push query's client before the query stops reading.
pub const PUSH_BUFFER_BATCHES: usize = 16;

impl EngineOptions {
    /// Topic that holds the statements, in order.
    pub fn statement_topic(&self) -> String {
        format!("_confluent-ksql-{}_command_topic", self.service_id)
    }

    /// Topic that holds the bytes of uploaded plugins.
    pub fn plugin_topic(&self) -> String {
        format!("_confluent-ksql-{}_calzone_plugins", self.service_id)
    }

    /// Topic in which servers tell each other what they keep.
    pub fn servers_topic(&self) -> String {
        format!("_confluent-ksql-{}_calzone_servers", self.service_id)
    }

    /// Topic that says which dead letters were replayed.
    pub fn replayed_topic(&self) -> String {
        format!("_confluent-ksql-{}_calzone_replayed", self.service_id)
    }

    /// Group and transactional id of replays of a dead letter topic.
    pub fn replay_group(&self, topic: &str) -> String {
        format!("_confluent-ksql-{}replay_{topic}", self.service_id)
    }

    /// Consumer group, and prefix of internal topics, of a persistent query.
    pub fn query_prefix(&self, query_id: &str) -> String {
        format!("_confluent-ksql-{}query_{query_id}", self.service_id)
    }

    /// Topic of the processing log.
    pub fn processing_log_topic(&self) -> String {
        self.properties
            .get("ksql.logging.processing.topic.name")
            .cloned()
            .unwrap_or_else(|| format!("{}ksql_processing_log", self.service_id))
    }

    /// The server's settings with a session's on top.
    pub fn effective(&self, session: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        merged(&self.properties, session)
    }
}

/// Settings with a session's overrides on top, which may have their short names.
pub fn merged(properties: &BTreeMap<String, String>, overrides: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut all = properties.clone();
    all.extend(overrides.iter().map(|(name, value)| (crate::properties::canonical(name), value.clone())));
    all
}

/// A setting that Kafka Streams clients know under several names: `ksql.streams.x`, `ksql.x` and `x`; the longest wins.
pub fn streams_setting<'a>(properties: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    [format!("ksql.streams.{name}"), format!("ksql.{name}"), name.to_owned()]
        .iter()
        .find_map(|n| properties.get(n))
        .map(String::as_str)
}
