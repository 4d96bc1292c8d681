//! The engine: one per server process. Start, stop, and what all requests share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, RwLock, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use calzone_functions::Registry;
use calzone_log::{Log, LogKind};
use calzone_plan::Catalog;
use calzone_sandbox::{Sandbox, SandboxOptions};
use calzone_state::Database;

use crate::apply::{Apply, start_runner};
use crate::cluster::{self, Announcements, Cluster, ClusterSettings};
use crate::endpoints::Endpoints;
use crate::error::ErrorKind;
use crate::options::EngineOptions;
use crate::plugins::PluginStore;
use crate::processing_log::{self, ProcessingLog};
use crate::push::PushQueries;
use crate::state::State;
use crate::statement_log::{LoggedCommand, StatementLog, StatementReader};
use crate::upkeep::Upkeep;
use crate::{Session, StatementError};

/// How long a statement may take from being written to being applied.
const APPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a query that could not be started is tried again.
const START_RETRY: Duration = Duration::from_secs(5);

/// Queries that stop at shutdown get this long to commit.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// The engine. Shared by all requests; every method may be called from any thread and may block.
pub struct Engine {
    pub(crate) options: EngineOptions,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) database: Database,
    pub(crate) statement_log: StatementLog,
    pub(crate) plugin_store: PluginStore,
    pub(crate) processing_log: Arc<ProcessingLog>,
    pub(crate) state: RwLock<State>,
    /// Signalled after each applied command.
    pub(crate) applied: (Mutex<i64>, Condvar),
    /// Held while a statement is checked and written, so that it is checked against what it will meet.
    pub(crate) submitting: Mutex<()>,
    /// Held while dead letters are replayed.
    pub(crate) replaying: Mutex<()>,
    pub(crate) push_queries: PushQueries,
    pub(crate) endpoints: Endpoints,
    /// The other servers of the service.
    pub(crate) cluster: Option<Arc<Cluster>>,
    pub(crate) inserts: Mutex<BTreeMap<String, Arc<dyn calzone_log::Appender>>>,
    instance_id: String,
    stopping: AtomicBool,
    applier: Mutex<Option<JoinHandle<()>>>,
    upkeep: Mutex<Option<Upkeep>>,
    /// This engine, for threads that must not keep it alive.
    this: Weak<Engine>,
}

impl Engine {
    /// Opens logs and stores, replays the statement log, starts all queries. Ready when it returns.
    pub fn start(options: EngineOptions, log: Arc<dyn Log>, database: Database) -> Result<Arc<Engine>, StatementError> {
        let internal = |what: &str, e: &dyn std::fmt::Display| StatementError::internal(format!("{what}: {e}"));
        let replicas = options.properties.get("ksql.internal.topic.replicas").and_then(|v| v.parse().ok()).unwrap_or(1);
        let sandbox = Sandbox::new(SandboxOptions {
            cache_dir: options.state_dir.join("compiled"),
            compiler: options.compiler.clone(),
            limits: options.limits.clone(),
            outbound: options.outbound.clone(),
        })
        .map_err(|e| internal("cannot start the sandbox", &e))?;
        let plugin_store =
            PluginStore::open(log.clone(), options.plugin_topic(), replicas, options.state_dir.join("plugins"), sandbox)?;
        let topic = options.statement_topic();
        let statement_log =
            StatementLog::open(&*log, &topic, replicas).map_err(|e| internal("cannot open the statement log", &e))?;
        let processing_log = ProcessingLog::start(&log, &options).map_err(|e| internal("cannot open the processing log", &e))?;
        let instance_id = kept_instance_id(&options.state_dir).map_err(|e| internal("cannot keep this server's id", &e))?;
        let catalog = Catalog { functions: Registry::built_in(), ..Catalog::default() };
        let cluster = options.cluster.as_ref().map(|given| {
            let settings = ClusterSettings::of(&options.properties);
            Arc::new(Cluster::new(given, settings, &instance_id, options.servers_topic()))
        });
        let engine = Arc::new_cyclic(|this| Engine {
            log: log.clone(),
            database,
            statement_log,
            plugin_store,
            processing_log,
            state: RwLock::new(State { catalog: Arc::new(catalog), ..State::default() }),
            applied: (Mutex::new(0), Condvar::new()),
            submitting: Mutex::new(()),
            replaying: Mutex::new(()),
            push_queries: PushQueries::new(&options.properties),
            endpoints: Endpoints::default(),
            cluster,
            inserts: Mutex::default(),
            instance_id,
            stopping: AtomicBool::new(false),
            applier: Mutex::new(None),
            upkeep: Mutex::new(None),
            this: this.clone(),
            options,
        });
        let mut reader = StatementReader::open(&*log, &topic).map_err(|e| internal("cannot read the statement log", &e))?;
        let started = Instant::now();
        let mut replayed = 0;
        reader
            .replay(&*log, |logged| {
                replayed += 1;
                engine.apply(logged, Apply::Replay);
            })
            .map_err(|e| internal("cannot replay the statement log", &e))?;
        // Known before the first request, and before queries choose what to copy.
        let announcements = match &engine.cluster {
            Some(cluster) if !engine.is_embedded() => {
                Some(Announcements::open(cluster, &*log, replicas).map_err(|e| internal("cannot read who else is there", &e))?)
            }
            _ => None,
        };
        engine.start_queries();
        if let (Some(cluster), Some(announcements)) = (&engine.cluster, announcements) {
            cluster::follow(engine.handle(), cluster.clone(), announcements)
                .and_then(|()| cluster::start_watch(engine.handle(), cluster))
                .map_err(|e| internal("cannot start the cluster's threads", &e))?;
        }
        engine.endpoints.update(&engine, &engine.state.read().expect("no panic while holding the lock"));
        tracing::info!(statements = replayed, millis = started.elapsed().as_millis() as u64, "statement log replayed");
        let follower = engine.clone();
        let applier = std::thread::Builder::new()
            .name("statements".into())
            .spawn(move || follower.follow(&mut reader))
            .map_err(|e| internal("cannot start the statement thread", &e))?;
        *engine.applier.lock().expect("no panic while holding the lock") = Some(applier);
        let upkeep = Upkeep::start(engine.handle()).map_err(|e| internal("cannot start the upkeep thread", &e))?;
        *engine.upkeep.lock().expect("no panic while holding the lock") = Some(upkeep);
        if replayed == 0 {
            engine.first_start()?;
        }
        Ok(engine)
    }

    /// On a new cluster: the stream over the processing log.
    fn first_start(&self) -> Result<(), StatementError> {
        let wanted = |name: &str| self.options.properties.get(name).is_some_and(|v| v == "true");
        let topic = self.options.processing_log_topic();
        if wanted("ksql.logging.processing.stream.auto.create")
            && self.log.topic(&topic).map_err(|e| StatementError::internal(e.to_string()))?.is_some()
        {
            self.execute(&processing_log::stream_statement(&topic), &Session::default())?;
        }
        Ok(())
    }

    /// Starts every query that has no thread: all of them after a replay, later those whose start failed.
    fn start_queries(&self) {
        if self.state.read().expect("no panic while holding the lock").queries.values().all(|q| q.runner.is_some()) {
            return;
        }
        let mut state = self.state.write().expect("no panic while holding the lock");
        let ids: Vec<String> = state.queries.values().filter(|q| q.runner.is_none()).map(|q| q.id.clone()).collect();
        for id in ids {
            if let Err(e) = start_runner(self, &mut state, &id) {
                tracing::error!(query = %id, error = %e, "query could not be started");
            }
        }
    }

    /// Applies commands as they come, until the server stops.
    fn follow(&self, reader: &mut StatementReader) {
        let mut tried = Instant::now();
        while !self.is_stopping() {
            if tried.elapsed() >= START_RETRY {
                self.start_queries();
                self.endpoints.retry(self);
                tried = Instant::now();
            }
            let result = reader.poll(Duration::from_millis(500), |logged| self.apply(logged, Apply::Live));
            if let Err(e) = result {
                tracing::error!(error = %e, "statement log cannot be read; trying again");
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    }

    /// Applies one command: the same way when it is new and when it is replayed. A command that fails changes nothing.
    fn apply(&self, logged: LoggedCommand, how: Apply) {
        let offset = logged.offset;
        let result = match logged.command {
            Ok(command) => {
                let mut state = self.state.write().expect("no panic while holding the lock");
                let result = crate::apply::apply(self, &mut state, &command, offset, how);
                state.next_offset = offset + 1;
                result
            }
            Err(message) => Err(StatementError::internal(message)),
        };
        if let Err(e) = result {
            tracing::error!(offset, error = %e, "a logged statement could not be applied and has no effect");
        }
        let (applied, signal) = &self.applied;
        *applied.lock().expect("no panic while holding the lock") = offset + 1;
        signal.notify_all();
    }

    /// Waits until the command at `offset` has been applied.
    pub(crate) fn await_applied(&self, offset: i64) -> Result<(), StatementError> {
        let (applied, signal) = &self.applied;
        let guard = applied.lock().expect("no panic while holding the lock");
        let (guard, timeout) =
            signal.wait_timeout_while(guard, APPLY_TIMEOUT, |next| *next <= offset).expect("no panic while holding the lock");
        drop(guard);
        if timeout.timed_out() {
            let message = format!(
                "the statement log was not applied up to {offset} within {} s; the statement may still be applied later",
                APPLY_TIMEOUT.as_secs()
            );
            return Err(StatementError::new(ErrorKind::Timeout, message));
        }
        Ok(())
    }

    pub(crate) fn handle(&self) -> Weak<Engine> {
        self.this.clone()
    }

    /// Distinguishes this server from others of the same service in transactional ids; stays the same over restarts.
    pub(crate) fn instance_id(&self) -> &str {
        &self.instance_id
    }

    /// The catalog as it is now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.state.read().expect("no panic while holding the lock").catalog.clone()
    }

    pub fn options(&self) -> &EngineOptions {
        &self.options
    }

    pub fn log(&self) -> &Arc<dyn Log> {
        &self.log
    }

    pub fn is_embedded(&self) -> bool {
        self.log.kind() == LogKind::Embedded
    }

    /// Internal topics whose records are used up once their query has committed: (group, topic).
    pub(crate) fn repartition_topics(&self) -> Vec<(String, String)> {
        let state = self.state.read().expect("no panic while holding the lock");
        let used_up = |query: &crate::state::PersistentQuery| {
            let group = self.options.query_prefix(&query.id);
            let topics = query.internal_topics.iter().filter(|topic| !topic.ends_with("-changelog"));
            topics.map(move |topic| (group.clone(), topic.clone())).collect::<Vec<_>>()
        };
        state.queries.values().filter(|query| query.runner.is_some()).flat_map(used_up).collect()
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Stops everything: push queries end, persistent queries commit. Takes at most a few seconds.
    pub fn shutdown(&self) {
        if self.stopping.swap(true, Ordering::AcqRel) {
            return;
        }
        self.push_queries.close_all();
        self.upkeep.lock().expect("no panic while holding the lock").take();
        let runners: Vec<_> = self
            .state
            .read()
            .expect("no panic while holding the lock")
            .queries
            .values()
            .filter_map(|q| q.runner.clone())
            .collect();
        runners.iter().for_each(|r| r.stop());
        let (done, finished) = std::sync::mpsc::channel();
        let count = runners.len();
        std::thread::spawn(move || {
            for runner in &runners {
                runner.join();
                let _ = done.send(());
            }
        });
        let deadline = Instant::now() + STOP_TIMEOUT;
        for stopped in 0..count {
            let left = deadline.saturating_duration_since(Instant::now());
            if finished.recv_timeout(left).is_err() {
                tracing::warn!(
                    unfinished = count - stopped,
                    "some queries did not stop in time; what they had not committed is done again at the next start"
                );
                break;
            }
        }
        self.leave_cluster();
        if let Some(applier) = self.applier.lock().expect("no panic while holding the lock").take() {
            let _ = applier.join();
        }
        self.processing_log.stop();
        tracing::info!("engine stopped");
    }
}

/// This server's id, made when its state directory is new and kept in it.
fn kept_instance_id(state_dir: &std::path::Path) -> std::io::Result<String> {
    let path = state_dir.join("instance-id");
    match std::fs::read_to_string(&path) {
        Ok(id) if !id.trim().is_empty() => Ok(id.trim().to_owned()),
        _ => {
            let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
            let id = crate::plugins::hash(format!("{nanos}-{}", std::process::id()).as_bytes())[..12].to_owned();
            std::fs::create_dir_all(state_dir)?;
            std::fs::write(&path, &id)?;
            Ok(id)
        }
    }
}
