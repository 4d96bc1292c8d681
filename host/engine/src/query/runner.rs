//! A persistent query's thread: polls its inputs, runs its tasks, commits.
//!
//! Outputs, store changes, input offsets and the plugin revisions in force commit together. A new revision is taken right
//! after a commit and before the next record, so a revision always begins at a committed offset: after a crash the
//! same records meet the same revision.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use calzone_exec::{Changelog, ExecError, OutputTopic, RecordError, StoreSpec, Task, TaskOutput, Topology};
use calzone_log::{Assignment, CommitOutcome, Event, Fetched, Log, LogKind, TopicPartition, Worker, WorkerOptions};
use calzone_state::{Database, TransactionStore, WriteBatch};
use calzone_types::{RecordBatch, RecordRef};

use super::held::{Held, TablePlace};
use super::policy::{Desk, Fed, Guard, LockInfo, read_locks};
use super::standby::{ChooseStandbys, Standbys};
use super::{Bindings, Breaker, Clock, Failure, QueryStatistics, StoreHome, TaskEnvironment};
use crate::answer::QueryState;
use crate::options::BATCH_RECORDS_MAX;
use crate::processing_log::ProcessingLog;
use crate::revisions::RevisionHistory;

/// First and longest wait before a failed query is tried again.
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_LONGEST: Duration = Duration::from_secs(15);

/// So often in a row, without a commit between, a doubtful failure may happen before the query counts as in error.
const DOUBTFUL_FAILURES_MAX: u32 = 3;

/// How long a poll waits for records when there is nothing to commit.
const IDLE_POLL: Duration = Duration::from_millis(500);

/// The same while other servers' partitions are copied.
const STANDBY_POLL: Duration = Duration::from_millis(100);

/// Output that may wait for a commit; more than this is committed early, so that memory stays bounded.
const UNCOMMITTED_BYTES_MAX: usize = 32 << 20;

/// What a query is started with.
pub struct RunnerOptions {
    pub query_id: String,
    pub topology: Topology,
    pub worker: WorkerOptions,
    pub sink_topic: Option<String>,
    /// At most this long between two commits while records flow.
    pub commit_interval: Duration,
    /// Commit as soon as the inputs are drained: a commit makes outputs visible.
    pub commit_when_idle: bool,
    pub bindings: Arc<Bindings>,
    pub breaker: Arc<Breaker>,
    pub paused: bool,
    pub clock: Arc<dyn Clock>,
    /// Which partitions of other servers are copied; `None`: none ever.
    pub standbys: Option<ChooseStandbys>,
    /// The query's settings.
    pub properties: BTreeMap<String, String>,
}

/// What a query's thread is told.
enum Control {
    Pause,
    Resume,
    /// Use these revisions from the next record on; answered when the boundary was taken.
    Rebind(Arc<Bindings>),
    /// Give up the records that hold these groups (`None`: all groups).
    Release(Option<Vec<u8>>),
    /// Somebody has found a store damaged.
    Damaged(String),
    Stop,
}

/// The way to a running query.
pub struct RunnerHandle {
    pub statistics: Arc<QueryStatistics>,
    /// Open: the query is paused until it is resumed or gets other code.
    pub breaker: Arc<Breaker>,
    home: StoreHome,
    retry_store: Option<StoreSpec>,
    table: Option<TablePlace>,
    stores: Vec<StoreSpec>,
    shared: Arc<Shared>,
    control: Sender<Control>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread tells others.
pub(super) struct Shared {
    state: Mutex<QueryState>,
    /// (milliseconds since the epoch, message), newest last; bounded.
    errors: Mutex<Vec<(i64, String)>>,
    wake: Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
    pub(super) stopping: AtomicBool,
    /// What this server works on; `None` before the first assignment.
    held: Mutex<Option<Held>>,
    /// Partitions that are copied, and by how many records each is behind.
    standbys: Mutex<BTreeMap<i32, i64>>,
    /// How often other revisions were asked for, and how many of those requests records have begun to meet.
    rebinds_asked: AtomicU64,
    rebinds_taken: AtomicU64,
}

/// Name of the store that keeps a table's rows for pull queries.
pub const RESULT_STORE: &str = "result";

/// Errors kept for EXPLAIN.
const ERRORS_KEPT: usize = 10;

impl RunnerHandle {
    pub fn state(&self) -> QueryState {
        *self.shared.state.lock().expect("no panic while holding the lock")
    }

    pub fn errors(&self) -> Vec<(i64, String)> {
        self.shared.errors.lock().expect("no panic while holding the lock").clone()
    }

    /// What of the query this server works on; `None` while that is not known yet.
    pub fn held(&self) -> Option<Held> {
        self.shared.held.lock().expect("no panic while holding the lock").clone()
    }

    /// Where the rows of the query's table lie, if it keeps any.
    pub fn table(&self) -> Option<&TablePlace> {
        self.table.as_ref()
    }

    /// Partitions whose stores this server copies, and by how many records each is behind at most.
    pub fn standbys(&self) -> BTreeMap<i32, i64> {
        self.shared.standbys.lock().expect("no panic while holding the lock").clone()
    }

    /// The topics that hold the stores' own keys and values.
    pub fn changelogs(&self) -> impl Iterator<Item = &Arc<str>> {
        self.stores.iter().filter_map(|store| match &store.changelog {
            Changelog::Internal(topic) => Some(topic),
            Changelog::Topic(_) => None,
        })
    }

    /// All stores of the query.
    pub fn stores(&self) -> &[StoreSpec] {
        &self.stores
    }

    pub fn pause(&self) {
        self.tell(Control::Pause);
    }

    pub fn resume(&self) {
        self.tell(Control::Resume);
    }

    /// Groups of records that wait in order because the first of them fails, as of the last commit; at most so many.
    pub fn locks(&self, limit: usize) -> Result<Vec<LockInfo>, ExecError> {
        match &self.retry_store {
            Some(spec) => read_locks(&self.home, &spec.name, self.statistics.policy.waiting().into_keys(), limit),
            None => Ok(Vec::new()),
        }
    }

    /// Makes a dead letter of the record that holds up the group of this name (`None`: up every group), so that the records behind
    /// it go on. Gives how many groups are held up now.
    pub fn release(&self, group: Option<&[u8]>) -> Result<usize, ExecError> {
        let locks = self.locks(usize::MAX)?;
        let held = locks.iter().filter(|lock| lock.head.is_some() && group.is_none_or(|group| *lock.group == *group)).count();
        if held > 0 {
            self.tell(Control::Release(group.map(<[u8]>::to_vec)));
        }
        Ok(held)
    }

    /// Tells the query that a store of it was found damaged: it makes its stores anew.
    pub fn report_damage(&self, message: String) {
        self.tell(Control::Damaged(message));
    }

    /// Gives the query other plugin revisions, from its next commit on.
    pub fn rebind(&self, bindings: Arc<Bindings>) {
        self.shared.rebinds_asked.fetch_add(1, Ordering::AcqRel);
        self.tell(Control::Rebind(bindings));
    }

    /// Has the query taken every revision it was given, at all its partitions?
    pub fn has_taken_revisions(&self) -> bool {
        self.shared.rebinds_taken.load(Ordering::Acquire) >= self.shared.rebinds_asked.load(Ordering::Acquire)
    }

    /// Asks the query to commit and end; [`RunnerHandle::join`] waits for it.
    pub fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.breaker.end();
        self.tell(Control::Stop);
    }

    /// Waits until the thread has ended.
    pub fn join(&self) {
        if let Some(thread) = self.thread.lock().expect("no panic while holding the lock").take()
            && thread.join().is_err()
        {
            tracing::error!("a query's thread panicked while stopping");
        }
    }

    fn tell(&self, control: Control) {
        // The thread may have ended by itself; then there is nobody left to tell.
        let _ = self.control.send(control);
        if let Some(wake) = &*self.shared.wake.lock().expect("no panic while holding the lock") {
            wake();
        }
    }
}

/// The thread's own side. [`Runner::start`] gives it a thread; a simulation takes its steps by hand.
pub struct Runner {
    pub(super) options: RunnerOptions,
    pub(super) log: Arc<dyn Log>,
    pub(super) database: Database,
    processing_log: Arc<ProcessingLog>,
    pub(super) statistics: Arc<QueryStatistics>,
    pub(super) shared: Arc<Shared>,
    control: Receiver<Control>,
    pub(super) bindings: Arc<Bindings>,
    rebinds_seen: u64,
    pub(super) paused: bool,
    /// What becomes of records that fail, if there is an error policy.
    pub(super) guard: Option<Guard>,
}

/// What lives from one worker to its end: after an error all of it is built anew from the last commit.
pub struct Work {
    pub(super) worker: Box<dyn Worker>,
    /// By (part, partition).
    pub(super) tasks: BTreeMap<(usize, i32), Task>,
    /// By partition; none without an error policy.
    pub(super) desks: BTreeMap<i32, Desk>,
    pub(super) fed: Fed,
    pub(super) assigned: BTreeMap<TopicPartition, Position>,
    pub(super) standbys: Standbys,
    pub(super) output: TaskOutput,
    pub(super) dirty: bool,
    /// By the query's clock.
    pub(super) last_commit: Duration,
    events: Vec<Event>,
}

/// How far an input partition was read, and which revisions it has met.
pub(super) struct Position {
    pub(super) next_offset: i64,
    revisions: RevisionHistory,
}

/// Why the loop ended.
enum End {
    Stopped,
    Failed(Failure),
}

impl Runner {
    /// Starts the query's thread.
    pub fn start(
        options: RunnerOptions,
        log: Arc<dyn Log>,
        database: Database,
        processing_log: Arc<ProcessingLog>,
    ) -> std::io::Result<RunnerHandle> {
        let name = format!("query-{}", options.query_id);
        let (mut runner, handle) = Runner::new(options, log, database, processing_log);
        let thread = std::thread::Builder::new().name(name).spawn(move || runner.run())?;
        *handle.thread.lock().expect("no panic while holding the lock") = Some(thread);
        Ok(handle)
    }

    /// A query without a thread, for those who take its steps themselves: [`Runner::open`], then [`Runner::step`].
    pub fn new(
        options: RunnerOptions,
        log: Arc<dyn Log>,
        database: Database,
        processing_log: Arc<ProcessingLog>,
    ) -> (Runner, RunnerHandle) {
        let (sender, control) = channel();
        let shared = Arc::new(Shared {
            state: Mutex::new(if options.paused { QueryState::Paused } else { QueryState::Running }),
            errors: Mutex::default(),
            wake: Mutex::default(),
            stopping: AtomicBool::new(false),
            held: Mutex::new(None),
            standbys: Mutex::default(),
            rebinds_asked: AtomicU64::new(0),
            rebinds_taken: AtomicU64::new(0),
        });
        let statistics = Arc::new(QueryStatistics::default());
        let breaker = options.breaker.clone();
        let home = StoreHome { database: database.clone(), query_id: options.query_id.clone() };
        let retry_store = options.topology.retry_store().cloned();
        let table = TablePlace::of(&options.topology);
        let stores = options.topology.stores().to_vec();
        let runner = Runner {
            guard: Guard::new(&options.topology, &options.properties),
            bindings: options.bindings.clone(),
            rebinds_seen: 0,
            paused: options.paused,
            options,
            log,
            database,
            processing_log,
            statistics: statistics.clone(),
            shared: shared.clone(),
            control,
        };
        let thread = Mutex::new(None);
        (runner, RunnerHandle { statistics, breaker, home, retry_store, table, stores, shared, control: sender, thread })
    }

    /// Works until stopped; failures are waited out with a growing pause.
    fn run(&mut self) {
        let mut pause = RETRY_FIRST;
        let mut failures = 0;
        loop {
            let commits = self.statistics.commits.load(Ordering::Relaxed);
            let end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.work())).unwrap_or_else(|_| {
                End::Failed(Failure::Fatal("a fault of the server: the query's thread panicked; see the server's log".into()))
            });
            *self.shared.wake.lock().expect("no panic while holding the lock") = None;
            let End::Failed(failure) = end else { return };
            if self.statistics.commits.load(Ordering::Relaxed) != commits {
                (pause, failures) = (RETRY_FIRST, 0);
            }
            failures += 1;
            self.note_failure(&failure, failures, pause);
            if self.options.breaker.is_open() && !self.paused {
                self.paused = true;
                self.note_reason(self.options.breaker.reason().unwrap_or_default());
            }
            if let (Failure::Damaged(_), LogKind::Kafka) = (&failure, self.log.kind())
                && let Err(failure) = self.discard_stores()
            {
                tracing::error!(query = %self.options.query_id, message = failure.message(), "damaged stores could not be thrown away");
            }
            let waits_for_user = matches!(failure, Failure::Stop { .. });
            if if waits_for_user { self.wait_for_user() } else { self.wait_after_failure(pause) } {
                return;
            }
            pause = (pause * 2).min(RETRY_LONGEST);
        }
    }

    /// Keeps a failure for EXPLAIN, and logs it when it is not the one before once more.
    fn note_failure(&self, failure: &Failure, failures: u32, pause: Duration) {
        let message = failure.message();
        let fatal = match failure {
            Failure::Retry(_) => false,
            Failure::Doubtful(_) => failures >= DOUBTFUL_FAILURES_MAX,
            Failure::Damaged(_) => self.log.kind() == LogKind::Embedded,
            Failure::Fatal(_) | Failure::Refused(_) | Failure::Record { .. } | Failure::Stop { .. } => true,
        };
        if fatal {
            self.set_state(QueryState::Error);
        }
        let (query, retry_in_ms) = (&self.options.query_id, pause.as_millis() as u64);
        let mut errors = self.shared.errors.lock().expect("no panic while holding the lock");
        match errors.last_mut() {
            Some((at, last)) if failures > 1 && last == message => {
                *at = self.options.clock.now_ms();
                tracing::debug!(%query, %message, failures, retry_in_ms, "query failed again");
                return;
            }
            _ if fatal => tracing::error!(%query, %message, retry_in_ms, "query failed"),
            _ => tracing::warn!(%query, %message, retry_in_ms, "query was interrupted; it goes on at its last commit"),
        }
        errors.push((self.options.clock.now_ms(), message.to_owned()));
        let excess = errors.len().saturating_sub(ERRORS_KEPT);
        errors.drain(..excess);
    }

    fn set_state(&self, state: QueryState) {
        *self.shared.state.lock().expect("no panic while holding the lock") = state;
    }

    /// Waits before the next try; true if the query was stopped meanwhile.
    fn wait_after_failure(&mut self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            match self.control.recv_timeout(left) {
                Ok(Control::Stop) | Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return true,
                Ok(control) => self.note_control(control),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => return false,
            }
        }
        false
    }

    /// Waits until the user lets a query go on that its error policy has stopped; true if it was stopped for good.
    fn wait_for_user(&mut self) -> bool {
        loop {
            match self.control.recv() {
                Ok(Control::Stop) | Err(_) => return true,
                Ok(Control::Resume) => {
                    self.note_control(Control::Resume);
                    return false;
                }
                Ok(control) => self.note_control(control),
            }
            // No record meets the old revisions any more.
            self.shared.rebinds_taken.store(self.rebinds_seen, Ordering::Release);
        }
    }

    /// Takes note of what is asked for while no work is done.
    fn note_control(&mut self, control: Control) {
        match control {
            Control::Pause => self.paused = true,
            Control::Resume => {
                self.options.breaker.close();
                self.paused = false;
                if let Some(guard) = &mut self.guard {
                    guard.resume();
                }
            }
            Control::Rebind(bindings) => {
                self.close_breaker();
                self.bindings = bindings;
                self.rebinds_seen += 1;
            }
            Control::Release(group) => {
                if let Some(guard) = &mut self.guard {
                    guard.release(group);
                }
            }
            Control::Damaged(_) | Control::Stop => {}
        }
    }

    fn work(&mut self) -> End {
        match self.try_work() {
            Ok(()) => End::Stopped,
            Err(failure) => End::Failed(failure),
        }
    }

    fn try_work(&mut self) -> Result<(), Failure> {
        let mut work = self.open()?;
        let result = loop {
            match self.step(&mut work) {
                Ok(false) => {}
                Ok(true) => break Ok(()),
                Err(failure) => break Err(failure),
            }
        };
        if result.is_err() {
            self.abandon(work);
        }
        result
    }

    /// Ends work that has failed: what was sent since the last commit must not become visible.
    pub fn abandon(&self, mut work: Work) {
        if let Some(guard) = &self.guard {
            guard.forget_failures();
        }
        // They may be somebody else's before they come back.
        work.desks.keys().for_each(|partition| self.statistics.policy.forget(*partition));
        if let Err(e) = work.worker.abort() {
            tracing::warn!(query = %self.options.query_id, error = %e, "uncommitted records could not be dropped at once");
        }
    }

    /// Joins the group; partitions come with the first steps.
    pub fn open(&mut self) -> Result<Work, Failure> {
        self.prepare_policy()?;
        self.forget_full();
        let worker = self.log.worker(self.options.worker.clone())?;
        *self.shared.wake.lock().expect("no panic while holding the lock") = Some(worker.wake_handle());
        self.set_state(if self.paused { QueryState::Paused } else { QueryState::Running });
        Ok(Work {
            worker,
            tasks: BTreeMap::new(),
            desks: BTreeMap::new(),
            fed: Fed::default(),
            assigned: BTreeMap::new(),
            standbys: Standbys::default(),
            output: TaskOutput::default(),
            dirty: false,
            last_commit: self.options.clock.elapsed(),
            events: Vec::new(),
        })
    }

    /// Does what was asked for, polls once, processes what came, and commits if that is due. True if the query is to end.
    pub fn step(&mut self, work: &mut Work) -> Result<bool, Failure> {
        match self.try_step(work) {
            Err(failure) => self.undo(work, failure).map(|()| false),
            done => done,
        }
    }

    fn try_step(&mut self, work: &mut Work) -> Result<bool, Failure> {
        if self.obey(work)? {
            return Ok(true);
        }
        let timeout = if !work.dirty {
            IDLE_POLL
        } else if self.options.commit_when_idle {
            Duration::ZERO
        } else {
            self.options.commit_interval.saturating_sub(self.since_commit(work))
        };
        let mut events = std::mem::take(&mut work.events);
        let mut timeout = self.poll_timeout(work, timeout);
        if work.standbys.is_active() {
            timeout = timeout.min(STANDBY_POLL);
        }
        work.worker.poll(&mut events, BATCH_RECORDS_MAX, timeout)?;
        let mut idle = true;
        let mut coming = events.drain(..);
        while let Some(event) = coming.next() {
            idle &= !matches!(event, Event::Records(_));
            if let Err(failure) = self.handle(work, event) {
                // The work may go on without the record that is to blame, but not with partitions that are gone.
                for event in coming {
                    if let Event::Revoked(partitions) | Event::Lost(partitions) = event {
                        self.forget(work, &partitions);
                    }
                }
                return Err(failure);
            }
        }
        drop(coming);
        work.events = events;
        self.run_policy(work)?;
        self.follow_standbys(work);
        if self.options.breaker.is_open() && !self.paused {
            self.trip(work)?;
        }
        let due = self.since_commit(work) >= self.options.commit_interval
            || (idle && self.options.commit_when_idle)
            || work.worker.uncommitted_bytes() >= UNCOMMITTED_BYTES_MAX
            || self.guard.as_ref().is_some_and(Guard::has_much_to_report);
        if work.dirty && due {
            self.commit(work)?;
        }
        Ok(false)
    }

    fn handle(&mut self, work: &mut Work, event: Event) -> Result<(), Failure> {
        match event {
            Event::Assigned(assignments) => self.assign(work, assignments)?,
            Event::Revoked(partitions) => {
                self.commit(work)?;
                self.forget(work, &partitions);
            }
            Event::Lost(partitions) => self.forget(work, &partitions),
            Event::Records(fetched) if self.guard.is_some() => self.process_guarded(work, &fetched)?,
            Event::Records(fetched) => {
                self.process(work, &fetched)?;
                work.worker.recycle(fetched.records);
            }
        }
        Ok(())
    }

    fn since_commit(&self, work: &Work) -> Duration {
        self.options.clock.elapsed().saturating_sub(work.last_commit)
    }

    /// Does what others asked for; true if the query shall end.
    fn obey(&mut self, work: &mut Work) -> Result<bool, Failure> {
        while let Ok(control) = self.control.try_recv() {
            match control {
                Control::Pause if !self.paused => self.pause(work)?,
                Control::Resume if self.paused => {
                    self.options.breaker.close();
                    self.resume(work)?;
                }
                // Who pauses a query that the breaker has paused wants it to stay so.
                Control::Pause => self.options.breaker.close(),
                Control::Resume => {}
                Control::Release(_) => self.note_control(control),
                Control::Damaged(message) => return Err(Failure::Damaged(message)),
                Control::Rebind(bindings) => {
                    self.commit(work)?;
                    self.bindings = bindings;
                    self.rebinds_seen += 1;
                    if self.close_breaker() {
                        self.resume(work)?;
                    }
                    self.take_revisions(work);
                    self.rebuild_tasks(work)?;
                    // The boundary becomes part of the state at once, so that it is seen even if no record follows.
                    work.dirty = true;
                    self.commit(work)?;
                    self.note_revisions_taken(work);
                }
                Control::Stop => {
                    self.commit(work)?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn pause(&mut self, work: &mut Work) -> Result<(), Failure> {
        self.commit(work)?;
        self.paused = true;
        let all: Vec<_> = work.assigned.keys().cloned().collect();
        work.worker.pause(&all)?;
        self.set_state(QueryState::Paused);
        Ok(())
    }

    fn resume(&mut self, work: &mut Work) -> Result<(), Failure> {
        self.paused = false;
        let all: Vec<_> = work.assigned.keys().cloned().collect();
        work.worker.resume(&all)?;
        self.forget_full();
        self.set_state(QueryState::Running);
        Ok(())
    }

    /// Pauses, as the breaker has opened. Records that did not fail are committed.
    fn trip(&mut self, work: &mut Work) -> Result<(), Failure> {
        let reason = self.options.breaker.reason().unwrap_or_default();
        tracing::error!(query = %self.options.query_id, %reason, "query paused");
        self.note_reason(reason);
        self.pause(work)
    }

    /// Keeps for EXPLAIN why the breaker has opened.
    fn note_reason(&self, reason: String) {
        let mut errors = self.shared.errors.lock().expect("no panic while holding the lock");
        errors.push((self.options.clock.now_ms(), reason));
        let excess = errors.len().saturating_sub(ERRORS_KEPT);
        errors.drain(..excess);
    }

    /// For other code: true if the breaker was what paused the query.
    fn close_breaker(&mut self) -> bool {
        let was_open = self.options.breaker.is_open();
        self.options.breaker.close();
        if was_open {
            self.paused = false;
        }
        was_open
    }

    /// Before the first assignment no partition has met the revisions yet.
    fn note_revisions_taken(&self, work: &Work) {
        if !work.assigned.is_empty() {
            self.shared.rebinds_taken.store(self.rebinds_seen, Ordering::Release);
        }
    }

    /// Notes, at each partition's next offset, the revisions that are in force from there.
    fn take_revisions(&self, work: &mut Work) {
        // What waits to be tried again meets whatever is in force then.
        let retry_topic = self.guard.as_ref().and_then(Guard::retry_topic);
        for (place, position) in work.assigned.iter_mut().filter(|(place, _)| retry_topic != Some(&*place.topic)) {
            for (used, binding) in self.bindings.iter() {
                position.revisions.take(&used.name, binding.revision, binding.since, position.next_offset);
            }
            self.show_boundaries(place, position);
        }
    }

    /// After an assignment: what was revoked may come back at once, and is as good as it was until then.
    fn show_held(&self, work: &Work) {
        let part = self.options.topology.stores().iter().find(|s| *s.name == *RESULT_STORE).map(|s| s.part);
        let table = work.tasks.keys().filter(|(of, _)| Some(*of) == part).map(|(_, partition)| *partition).collect();
        let inputs = work.assigned.keys().cloned().collect();
        *self.shared.held.lock().expect("no panic while holding the lock") = Some(Held { inputs, table });
    }

    /// What is copied now, for others to see.
    pub(super) fn show_standbys(&self, lags: BTreeMap<i32, i64>) {
        *self.shared.standbys.lock().expect("no panic while holding the lock") = lags;
    }

    fn leave_standbys(&self, partitions: &BTreeSet<i32>) {
        self.shared.standbys.lock().expect("no panic while holding the lock").retain(|p, _| !partitions.contains(p));
    }

    fn show_boundaries(&self, place: &TopicPartition, position: &Position) {
        if let Some(used) = self.bindings.keys().next() {
            self.statistics.boundaries(place.partition, position.revisions.of(&used.name).to_vec());
        }
    }

    fn assign(&mut self, work: &mut Work, assignments: Vec<Assignment>) -> Result<(), Failure> {
        let mut starting = BTreeSet::new();
        let partitions: BTreeSet<i32> = assignments.iter().map(|assignment| assignment.tp.partition).collect();
        // The worker remembers what was paused; a partition may have been elsewhere while the query was resumed.
        work.worker.resume(&assignments.iter().map(|assignment| assignment.tp.clone()).collect::<Vec<_>>())?;
        for assignment in assignments {
            let revisions = RevisionHistory::parse(&assignment.metadata);
            self.check_not_behind(&revisions)?;
            let next_offset = assignment.position;
            work.assigned.insert(assignment.tp.clone(), Position { next_offset, revisions });
            for (index, part) in self.options.topology.parts().iter().enumerate() {
                if part.inputs.iter().any(|topic| **topic == *assignment.tp.topic) {
                    starting.insert((index, assignment.tp.partition));
                }
            }
        }
        self.take_revisions(work);
        work.standbys.leave(&partitions);
        self.leave_standbys(&partitions);
        for (part, partition) in starting {
            // Also where a task is there already: after an abort its partitions begin again at what is committed.
            work.tasks.insert((part, partition), self.restored_task(part, partition, &work.assigned)?);
        }
        self.open_desks(work, partitions)?;
        if self.paused {
            let all: Vec<_> = work.assigned.keys().cloned().collect();
            work.worker.pause(&all)?;
        }
        self.note_revisions_taken(work);
        self.show_held(work);
        Ok(())
    }

    /// Another server may have applied a swap that this one has yet to read: records must not meet the old revision again.
    fn check_not_behind(&self, revisions: &RevisionHistory) -> Result<(), Failure> {
        match self.bindings.iter().find(|(used, binding)| revisions.since(&used.name) > binding.since) {
            None => Ok(()),
            Some((used, _)) => Err(Failure::Retry(format!(
                "{} runs another revision by the statement at offset {}, which this server has not applied yet",
                used.name,
                revisions.since(&used.name)
            ))),
        }
    }

    pub(super) fn make_task(&self, part: usize, partition: i32) -> Result<Task, Failure> {
        let mut environment = TaskEnvironment {
            bindings: self.bindings.clone(),
            stores: Some(self.home()),
            statistics: self.statistics.clone(),
            breaker: Some(self.options.breaker.clone()),
            partition,
        };
        Ok(self.options.topology.parts()[part].task(partition, &mut environment)?)
    }

    fn rebuild_tasks(&mut self, work: &mut Work) -> Result<(), Failure> {
        let partitions = work.desks.keys().copied().collect();
        self.open_desks(work, partitions)?;
        let keys: Vec<_> = work.tasks.keys().copied().collect();
        for (part, partition) in keys {
            work.tasks.insert((part, partition), self.make_task(part, partition)?);
        }
        Ok(())
    }

    /// Drops the tasks of partitions that are somebody else's now.
    fn forget(&self, work: &mut Work, partitions: &[TopicPartition]) {
        for place in partitions {
            work.assigned.remove(place);
        }
        let gone = |partition: &i32| !work.assigned.keys().any(|place| place.partition == *partition);
        for (partition, _) in work.desks.extract_if(.., |partition, _| gone(partition)) {
            self.statistics.policy.forget(partition);
        }
        let parts = self.options.topology.parts();
        work.tasks.retain(|(part, partition), _| {
            work.assigned.keys().any(|p| p.partition == *partition && parts[*part].inputs.iter().any(|t| **t == *p.topic))
        });
    }

    pub(super) fn home(&self) -> StoreHome {
        StoreHome { database: self.database.clone(), query_id: self.options.query_id.clone() }
    }

    fn process(&self, work: &mut Work, fetched: &Fetched) -> Result<(), Failure> {
        let topic = &*fetched.tp.topic;
        for (index, part) in self.options.topology.parts().iter().enumerate() {
            if !part.inputs.iter().any(|t| **t == *topic) {
                continue;
            }
            let task = work.tasks.get_mut(&(index, fetched.tp.partition)).ok_or_else(|| {
                Failure::Retry(format!("records of {topic} partition {} came before their task was made", fetched.tp.partition))
            })?;
            task.process(topic, &fetched.records, &mut work.output)?;
            self.check_interrupted()?;
            self.send(&mut *work.worker, &mut work.output)?;
        }
        self.advance(work, &fetched.tp, &fetched.records);
        Ok(())
    }

    /// Fails where a guest's failing batch was given up because the query is to end: it is processed again when it begins anew.
    pub(super) fn check_interrupted(&self) -> Result<(), Failure> {
        match self.options.breaker.was_interrupted() {
            true => Err(Failure::Retry("the query was ended while its plugin failed".into())),
            false => Ok(()),
        }
    }

    /// Sends what tasks have put out, and clears it.
    pub(super) fn send(&self, worker: &mut dyn Worker, output: &mut TaskOutput) -> Result<(), Failure> {
        for (target, records) in &mut output.records {
            if records.is_empty() {
                continue;
            }
            let topic = match target {
                OutputTopic::Sink => match self.options.sink_topic.as_deref() {
                    Some(topic) => topic,
                    None => {
                        // The query only keeps rows of a topic for pull queries: they are where they belong already.
                        records.clear();
                        continue;
                    }
                },
                OutputTopic::Internal(name) | OutputTopic::Route(name) => name,
            };
            QueryStatistics::add(&self.statistics.records_out, records.len());
            worker.send(topic, records).map_err(Failure::of_production)?;
            records.clear();
        }
        match &self.guard {
            _ if output.errors.is_empty() => {}
            Some(guard) => guard.keep_to_report(&mut output.errors),
            None => self.report(std::mem::take(&mut output.errors)),
        }
        Ok(())
    }

    /// Counts failures and puts them into the processing log.
    pub(super) fn report(&self, mut errors: Vec<RecordError>) {
        QueryStatistics::add(&self.statistics.errors, errors.len());
        self.statistics.last_error_ms.store(self.options.clock.now_ms(), Ordering::Relaxed);
        self.processing_log.report(&self.options.query_id, &mut errors);
    }

    /// Makes everything since the last commit visible and durable at once.
    pub(super) fn commit(&mut self, work: &mut Work) -> Result<(), Failure> {
        if !work.dirty {
            return Ok(());
        }
        for ((_, partition), task) in &mut work.tasks {
            task.flush(&mut work.output)?;
            self.settle_flushed(&mut work.desks, *partition, &work.output)?;
            self.send(&mut *work.worker, &mut work.output)?;
        }
        self.before_commit(work)?;
        let mut batch = self.database.batch();
        let mut changelogs: BTreeMap<Arc<str>, RecordBatch> = BTreeMap::new();
        let kafka = self.log.kind() == LogKind::Kafka;
        let now = self.options.clock.now_ms();
        for ((part, partition), task) in &mut work.tasks {
            drain_stores(task, &mut batch, &mut |spec, key, value| {
                if kafka && let Changelog::Internal(topic) = &spec.changelog {
                    let record =
                        RecordRef { offset: 0, timestamp: now, partition: *partition, key: Some(key), value, headers: &[] };
                    changelogs.entry(topic.clone()).or_default().push(record);
                }
            });
            if kafka {
                self.keep_source_positions(*part, *partition, &work.assigned, &mut batch)?;
            }
        }
        let waiting = self.options.topology.retry_store().map(|spec| &spec.changelog);
        if let Some(Changelog::Internal(topic)) = waiting {
            for (partition, desk) in &mut work.desks {
                let Some(store) = desk.store_mut() else { continue };
                store.drain_into(&mut batch, &mut |key, value| {
                    if kafka {
                        let record =
                            RecordRef { offset: 0, timestamp: now, partition: *partition, key: Some(key), value, headers: &[] };
                        changelogs.entry(topic.clone()).or_default().push(record);
                    }
                });
            }
        }
        if !changelogs.is_empty() {
            // Without transactions a changelog must not say that something came of a record before that has arrived: after a
            // crash, or when the log refuses it, it would be lost.
            work.worker.flush().map_err(Failure::of_production)?;
        }
        for (topic, records) in &changelogs {
            work.worker.send(topic, records)?;
        }
        let offsets: Vec<(TopicPartition, i64, String)> =
            work.assigned.iter().map(|(place, p)| (place.clone(), p.next_offset, p.revisions.to_string())).collect();
        match work.worker.commit(&offsets, batch).map_err(Failure::of_production)? {
            CommitOutcome::Committed => {}
            CommitOutcome::Aborted { cause } | CommitOutcome::Fenced { cause } => return Err(Failure::Retry(cause)),
        }
        self.statistics.commits.fetch_add(1, Ordering::Relaxed);
        self.after_commit(work);
        work.dirty = false;
        work.last_commit = self.options.clock.elapsed();
        Ok(())
    }
}

/// Puts the uncommitted changes of a task's stores into the batch, and shows each to `visit`.
pub(super) fn drain_stores(task: &mut Task, batch: &mut WriteBatch, visit: &mut dyn FnMut(&StoreSpec, &[u8], Option<&[u8]>)) {
    for (spec, store) in task.stores_mut() {
        let store: &mut dyn Any = store;
        if let Some(store) = store.downcast_mut::<TransactionStore>() {
            store.drain_into(batch, &mut |key, value| visit(spec, key, value));
        }
    }
}
