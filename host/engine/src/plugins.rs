//! Plugins: names, revisions, bytes.
//!
//! Which revisions there are is part of the replicated state and follows from the statement log; the bytes lie in a topic of
//! their own under their hash, so that every server of a cluster finds them, and in a folder of files as a cache.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use calzone_log::{Appender, Log, StartOffset, TopicPartition, TopicSpec};
use calzone_sandbox::{Component, Limits, Sandbox, SandboxError};
use calzone_types::{RecordBatch, RecordRef};
use sha2::{Digest, Sha256};

use crate::StatementError;
use crate::error::ErrorKind;

/// Bytes of a plugin per record; below the smallest message limit in use (1 MB).
const CHUNK_BYTES: usize = 512 * 1024;

/// Longest wait for a plugin's bytes from the log.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);

/// A plugin as the statement log tells it.
#[derive(Clone, Debug)]
pub struct Plugin {
    pub name: String,
    /// In order of upload; revision numbers start at 1.
    pub revisions: Vec<Revision>,
    pub active: i64,
    /// Limits of its own, by name; for all others the server's hold.
    pub limits: BTreeMap<String, String>,
}

/// One upload. Immutable.
#[derive(Clone, Debug)]
pub struct Revision {
    pub revision: i64,
    pub sha256: String,
    pub bytes: usize,
}

impl Plugin {
    pub fn revision(&self, revision: i64) -> Option<&Revision> {
        self.revisions.iter().find(|r| r.revision == revision)
    }
}

/// All plugins by name.
pub type Plugins = BTreeMap<String, Plugin>;

/// Keeps and loads the bytes.
pub struct PluginStore {
    log: Arc<dyn Log>,
    topic: String,
    appender: Box<dyn Appender>,
    folder: PathBuf,
    sandbox: Sandbox,
    /// By plugin and hash, with the server's limits.
    components: Mutex<HashMap<(String, String), Arc<Component>>>,
}

/// Hash under which bytes are kept: SHA-256 in lower-case hexadecimal.
pub fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

impl PluginStore {
    /// Opens the store, creating its topic where it is missing.
    pub fn open(
        log: Arc<dyn Log>,
        topic: String,
        replicas: i32,
        folder: PathBuf,
        sandbox: Sandbox,
    ) -> Result<PluginStore, StatementError> {
        let internal = |e: &dyn std::fmt::Display| StatementError::internal(format!("cannot open the plugin store: {e}"));
        std::fs::create_dir_all(&folder).map_err(|e| internal(&e))?;
        if log.topic(&topic).map_err(|e| internal(&e))?.is_none() {
            let config = vec![("retention.ms".into(), "-1".into()), ("cleanup.policy".into(), "compact".into())];
            log.create_topic(&TopicSpec { name: topic.clone(), partitions: 1, replicas, config }).map_err(|e| internal(&e))?;
        }
        let appender = log.appender().map_err(|e| internal(&e))?;
        Ok(PluginStore { log, topic, appender, folder, sandbox, components: Mutex::new(HashMap::new()) })
    }

    /// Checks and compiles bytes, and keeps nothing of what is refused. `known`: the plugin they are to be a revision of.
    pub fn check(&self, name: &str, known: Option<&Plugin>, bytes: &[u8]) -> Result<Arc<Component>, StatementError> {
        let limits = known.map_or_else(|| self.default_limits().clone(), |plugin| self.limits_of(plugin));
        let component = self.sandbox.load_upload(name, bytes, &Arc::new(limits)).map_err(|e| refusal(name, &e))?;
        Ok(self.remember(name, component))
    }

    /// Keeps a component for the next who asks.
    fn remember(&self, name: &str, component: Arc<Component>) -> Arc<Component> {
        let place = (name.to_owned(), component.sha256.clone());
        let kept = Arc::new(component.with_limits(self.default_limits().clone()));
        self.components.lock().expect("no panic while holding the lock").insert(place, kept);
        component
    }

    /// The server's limits, which hold for every plugin that has none of its own.
    pub fn default_limits(&self) -> &Limits {
        self.sandbox.limits()
    }

    /// The limits in force for a plugin.
    pub fn limits_of(&self, plugin: &Plugin) -> Limits {
        let mut limits = self.default_limits().clone();
        for (name, value) in &plugin.limits {
            if let Err(e) = limits.set(name, value) {
                // Another version of this program may have known it.
                tracing::warn!(plugin = %plugin.name, error = %e, "limit of a plugin is not known here and has no effect");
            }
        }
        limits
    }

    /// Writes bytes where every server finds them. Durable when it returns.
    pub fn keep(&self, sha256: &str, bytes: &[u8], now_ms: i64) -> Result<(), StatementError> {
        let chunks: Vec<&[u8]> = bytes.chunks(CHUNK_BYTES).collect();
        for (i, chunk) in chunks.iter().enumerate() {
            let key = format!("{sha256}/{i}/{}", chunks.len());
            let mut records = RecordBatch::default();
            records.push(RecordRef {
                offset: 0,
                timestamp: now_ms,
                partition: 0,
                key: Some(key.as_bytes()),
                value: Some(chunk),
                headers: &[],
            });
            self.appender
                .append(&self.topic, &records)
                .map_err(|e| StatementError::internal(format!("cannot store the plugin's bytes in `{}`: {e}", self.topic)))?;
        }
        self.cache(sha256, bytes)
    }

    /// Deletes bytes: in the log by tombstones, and here.
    pub fn forget(&self, sha256: &str, now_ms: i64) -> Result<(), StatementError> {
        let size = self.bytes(sha256)?.len();
        let chunks = size.div_ceil(CHUNK_BYTES);
        let mut records = RecordBatch::default();
        for i in 0..chunks {
            let key = format!("{sha256}/{i}/{chunks}");
            let key = Some(key.as_bytes());
            records.push(RecordRef { offset: 0, timestamp: now_ms, partition: 0, key, value: None, headers: &[] });
        }
        self.appender
            .append(&self.topic, &records)
            .map_err(|e| StatementError::internal(format!("cannot delete the plugin's bytes in `{}`: {e}", self.topic)))?;
        self.components.lock().expect("no panic while holding the lock").retain(|(_, hash), _| hash != sha256);
        let path = self.folder.join(format!("{sha256}.wasm"));
        std::fs::remove_file(&path).map_err(|e| StatementError::internal(format!("cannot delete {}: {e}", path.display())))
    }

    fn cache(&self, sha256: &str, bytes: &[u8]) -> Result<(), StatementError> {
        let path = self.folder.join(format!("{sha256}.wasm"));
        // Renaming makes the file appear whole or not at all.
        let partial = self.folder.join(format!("{sha256}.part"));
        std::fs::write(&partial, bytes)
            .and_then(|()| std::fs::rename(&partial, &path))
            .map_err(|e| StatementError::internal(format!("cannot write {}: {e}", path.display())))
    }

    /// The bytes of a revision: from the cache, else from the log.
    pub fn bytes(&self, sha256: &str) -> Result<Vec<u8>, StatementError> {
        let path = self.folder.join(format!("{sha256}.wasm"));
        if let Ok(bytes) = std::fs::read(&path) {
            if hash(&bytes) == sha256 {
                return Ok(bytes);
            }
            tracing::warn!(path = %path.display(), "cached plugin is damaged; it is fetched again");
        }
        let bytes = self.fetch(sha256)?;
        self.cache(sha256, &bytes)?;
        Ok(bytes)
    }

    fn fetch(&self, sha256: &str) -> Result<Vec<u8>, StatementError> {
        let failed = |why: String| {
            StatementError::internal(format!("plugin bytes {sha256} could not be read from `{}`: {why}", self.topic))
        };
        let end = self.log.offsets(&self.topic).map_err(|e| failed(e.to_string()))?.first().map_or(0, |o| o.latest);
        let place = TopicPartition::new(self.topic.as_str(), 0);
        let mut reader = self.log.reader(&[(place.clone(), StartOffset::Earliest)]).map_err(|e| failed(e.to_string()))?;
        let mut bytes = Vec::new();
        let mut next = 0;
        let started = Instant::now();
        while reader.position(&place) < end && started.elapsed() < FETCH_TIMEOUT {
            let mut fetched = Vec::new();
            reader.poll(&mut fetched, 16, Duration::from_millis(200)).map_err(|e| failed(e.to_string()))?;
            for record in fetched.iter().flat_map(|f| f.records.iter()) {
                let key = std::str::from_utf8(record.key.unwrap_or_default()).unwrap_or_default();
                let mut parts = key.split('/');
                if parts.next() != Some(sha256) {
                    continue;
                }
                let index: usize = parts.next().and_then(|p| p.parse().ok()).unwrap_or(usize::MAX);
                let Some(value) = record.value else {
                    // Deleted here; it may have been uploaded again after that.
                    bytes.clear();
                    next = 0;
                    continue;
                };
                if index == 0 {
                    bytes.clear();
                    next = 0;
                }
                if index == next {
                    bytes.extend_from_slice(value);
                    next += 1;
                }
                if parts.next().and_then(|p| p.parse().ok()) == Some(next) && hash(&bytes) == sha256 {
                    return Ok(bytes);
                }
            }
        }
        Err(failed("they are not there".into()))
    }

    /// The compiled component of a revision, with the plugin's limits.
    pub fn component(&self, plugin: &Plugin, sha256: &str) -> Result<Arc<Component>, StatementError> {
        let place = (plugin.name.clone(), sha256.to_owned());
        let known = self.components.lock().expect("no panic while holding the lock").get(&place).cloned();
        let component = match known {
            Some(component) => component,
            None => {
                let bytes = self.bytes(sha256)?;
                let mut limits = self.limits_of(plugin);
                // What was taken once stays, whatever uploads may have now.
                limits.module_bytes = limits.module_bytes.max(bytes.len());
                let loaded = self.sandbox.load_within(&plugin.name, &bytes, &Arc::new(limits));
                return Ok(self.remember(&plugin.name, loaded.map_err(|e| refusal(&plugin.name, &e))?));
            }
        };
        if plugin.limits.is_empty() {
            return Ok(component);
        }
        Ok(Arc::new(component.with_limits(self.limits_of(plugin))))
    }
}

fn refusal(name: &str, error: &SandboxError) -> StatementError {
    let kind = match error {
        SandboxError::TooLarge { .. } => ErrorKind::TooLarge,
        SandboxError::Internal(_) => ErrorKind::Internal,
        _ => ErrorKind::BadRequest,
    };
    StatementError::new(kind, format!("Plugin `{name}` was refused: {error}"))
}
