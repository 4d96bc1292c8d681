//! Servers, time and faults under one seed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use calzone_engine::query::{Bindings, Failure, PluginBinding, Runner, RunnerHandle, RunnerOptions, WaitingRecords, Work};
use calzone_engine::{EngineOptions, ProcessingLog};
use calzone_log::{EmbeddedLog, EmbeddedSettings, Guarantee, Log, LogKind};
use calzone_sandbox::{Grants, Limits};
use calzone_state::{Database, Durability, Settings};
use calzone_types::{RecordBatch, RecordRef};

use crate::Options;
use crate::clock::SimulatedClock;
use crate::disorder::{disordered, forget_locks};
use crate::embedded::mortal;
use crate::guest::{Outage, PlayedGuest};
use crate::journal;
use crate::kafka::{SharedCluster, SimulatedLog, lock};
use crate::link::{COMMIT_FAULTS, Link};
use crate::random::Random;
use crate::scenario::{self, FAILING_INPUT, INPUT, Query};

/// Steps that everything may take to come to rest after the last fault.
const ROUNDS_MAX: usize = 3_000;

/// Everything that one seed decides.
pub struct World {
    pub random: Random,
    pub clock: SimulatedClock,
    pub kind: LogKind,
    pub guarantee: Guarantee,
    /// Of the embedded log: does an acknowledged write survive a power cut?
    pub durability: Durability,
    pub cluster: SharedCluster,
    pub queries: Vec<Query>,
    /// Revisions of the plugin in the order in which they were put in force.
    pub revisions: Vec<i64>,
    /// Rows whose append was acknowledged.
    pub acknowledged: BTreeSet<i64>,
    pub power_was_cut: bool,
    /// Something else than the rows themselves decided which of them fail.
    pub had_outage: bool,
    /// A lock was released by hand.
    pub was_released: bool,
    pub trace: Vec<String>,
    servers: Vec<Server>,
    next_row: i64,
    partitions: i32,
    options: Options,
    outage: Outage,
    home: tempfile::TempDir,
    processing_log: Option<Arc<ProcessingLog>>,
}

struct Server {
    name: String,
    directory: PathBuf,
    database: Option<Database>,
    /// `None`: the server does not run.
    log: Option<Arc<dyn Log>>,
    link: Arc<Link>,
    slots: Vec<Slot>,
    frozen_until_ms: u64,
    /// Position in [`World::revisions`] up to which it has read the statement log.
    applied: usize,
    /// Journal bytes that a power cut cannot take.
    durable: u64,
    paused: bool,
}

/// A query on a server.
struct Slot {
    runner: Runner,
    handle: RunnerHandle,
    work: Option<Work>,
    retry_at_ms: u64,
    failures: u32,
}

impl World {
    pub fn new(seed: u64, options: Options) -> World {
        let mut random = Random::new(seed);
        let kind = if random.percent(40) { LogKind::Embedded } else { LogKind::Kafka };
        let exactly_once = kind == LogKind::Embedded || random.percent(75);
        let durability = if random.percent(50) { Durability::Synced } else { Durability::Buffered };
        let servers = if kind == LogKind::Embedded { 1 } else { random.between(1, 3) };
        let partitions = random.between(1, 4) as i32;
        let memory = std::path::Path::new("/dev/shm");
        let home = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let mut world = World {
            clock: SimulatedClock::default(),
            kind,
            guarantee: if exactly_once { Guarantee::ExactlyOnce } else { Guarantee::AtLeastOnce },
            durability,
            cluster: SharedCluster::default(),
            queries: Vec::new(),
            revisions: vec![1],
            acknowledged: BTreeSet::new(),
            power_was_cut: false,
            had_outage: false,
            was_released: false,
            trace: Vec::new(),
            servers: Vec::new(),
            next_row: 0,
            partitions,
            options,
            outage: Outage::default(),
            home: home.expect("a folder for the databases"),
            processing_log: None,
            random,
        };
        for number in 0..servers {
            world.add_server(format!("server{number}"));
        }
        let log = world.open_log(0);
        world.queries = scenario::queries(&*log, partitions, &mut world.random);
        world.processing_log = Some(ProcessingLog::start(&log, &world.engine_options()).expect("the processing log starts"));
        drop(log);
        let summary: Vec<_> = world.queries.iter().map(Query::summary).collect();
        world.note(format!("{kind:?}, {:?}, {servers} servers, {partitions} partitions: {summary:?}", world.guarantee));
        for number in 0..world.servers.len() {
            world.start(number);
        }
        if kind == LogKind::Embedded {
            // The statements are old; their topics have long been on disk.
            world.servers[0].durable = journal::end(&world.servers[0].directory);
        }
        world
    }

    fn engine_options(&self) -> EngineOptions {
        EngineOptions {
            service_id: "simulation".into(),
            state_dir: self.home.path().into(),
            properties: BTreeMap::new(),
            compiler: PathBuf::new(),
            limits: Limits::default(),
            outbound: None,
            cluster: None,
        }
    }

    fn note(&mut self, what: String) {
        self.trace.push(format!("{:>8} {what}", self.clock.ms()));
    }

    fn add_server(&mut self, name: String) {
        let directory = self.home.path().join(&name);
        self.servers.push(Server {
            name,
            directory,
            database: None,
            log: None,
            link: Arc::new(Link::new(Random::new(0))),
            slots: Vec::new(),
            frozen_until_ms: 0,
            applied: 0,
            durable: 0,
            paused: false,
        });
    }

    /// A server's log over its database, which is opened if need be.
    fn open_log(&mut self, server: usize) -> Arc<dyn Log> {
        let random = self.random.split();
        let settings =
            Settings { block_cache_bytes: 1 << 20, write_buffer_bytes: 4 << 20, background_threads: 1, ..Settings::default() };
        let this = &mut self.servers[server];
        let open = || Database::open_with(&this.directory, settings).expect("the database opens after whatever happened");
        let database = this.database.get_or_insert_with(open).clone();
        this.link = Arc::new(Link::new(random));
        let link = this.link.clone();
        let log: Arc<dyn Log> = match self.kind {
            LogKind::Kafka => {
                Arc::new(SimulatedLog::new(self.cluster.clone(), link, &database).expect("a keyspace for positions"))
            }
            LogKind::Embedded => {
                let settings = EmbeddedSettings { durability: self.durability, retention_ms: None };
                let log = EmbeddedLog::open(database.clone(), settings).expect("the embedded log opens");
                Arc::new(mortal(log, link))
            }
        };
        match self.options.breaks_order {
            true => Arc::new(disordered(log, database)),
            false => log,
        }
    }

    fn bindings(&self, query: &Query, applied: usize) -> Arc<Bindings> {
        let binding = || PluginBinding {
            revision: self.revisions[applied],
            since: applied as i64,
            guest: Arc::new(PlayedGuest { outage: self.outage.clone() }),
            grants: Grants::default(),
        };
        Arc::new(query.plan.plugins.iter().map(|used| (used.clone(), binding())).collect())
    }

    fn start(&mut self, server: usize) {
        self.note(format!("{} starts", self.servers[server].name));
        let log = self.open_log(server);
        let applied = self.revisions.len() - 1;
        let mut slots = Vec::new();
        for query in &self.queries {
            let options = RunnerOptions {
                query_id: query.id.clone(),
                topology: query.topology(),
                worker: query.worker_options(&self.servers[server].name, self.guarantee),
                sink_topic: Some(query.sink_topic.clone()),
                commit_interval: Duration::from_millis(100),
                commit_when_idle: self.guarantee == Guarantee::ExactlyOnce,
                bindings: self.bindings(query, applied),
                breaker: Default::default(),
                paused: false,
                clock: Arc::new(self.clock.clone()),
                standbys: None,
                properties: BTreeMap::new(),
            };
            let database = self.servers[server].database.clone().expect("opened with the log");
            if let (true, Some(store)) = (self.options.forgets_locks, options.topology.retry_store()) {
                forget_locks(&database, &query.id, &store.name, self.partitions);
            }
            let processing_log = self.processing_log.clone().expect("made with the world");
            let (runner, handle) = Runner::new(options, log.clone(), database, processing_log);
            slots.push(Slot { runner, handle, work: None, retry_at_ms: 0, failures: 0 });
        }
        let this = &mut self.servers[server];
        (this.log, this.slots, this.applied, this.paused, this.frozen_until_ms) = (Some(log), slots, applied, false, 0);
        self.note_durable(server);
    }

    /// After an acknowledged write.
    fn note_durable(&mut self, server: usize) {
        if self.kind == LogKind::Embedded && self.durability == Durability::Synced {
            self.servers[server].durable = journal::end(&self.servers[server].directory);
        }
    }

    fn running(&self) -> Vec<usize> {
        let now = self.clock.ms();
        (0..self.servers.len()).filter(|n| self.servers[*n].log.is_some() && self.servers[*n].frozen_until_ms <= now).collect()
    }

    /// A log to look at the cluster through.
    pub fn log(&self) -> Arc<dyn Log> {
        self.servers.iter().find_map(|server| server.log.clone()).expect("somebody runs")
    }

    /// Ends the process as kill -9 does.
    fn kill(&mut self, server: usize) {
        let this = &mut self.servers[server];
        this.link.crash();
        this.slots.clear();
        this.log = None;
    }

    /// Ends the machine: what it had not brought to its disk may be gone, and torn.
    fn cut_power(&mut self, server: usize) {
        self.kill(server);
        let this = &mut self.servers[server];
        this.database = None;
        journal::tear(&this.directory, this.durable, &mut self.random);
        self.power_was_cut = true;
    }

    /// One step of a query on a server.
    fn step(&mut self, server: usize, slot: usize) -> Result<(), String> {
        let now = self.clock.ms();
        let embedded = self.kind == LogKind::Embedded;
        let this = &mut self.servers[server];
        let place = &mut this.slots[slot];
        if place.retry_at_ms > now {
            return Ok(());
        }
        let commits = |place: &Slot| place.handle.statistics.commits.load(std::sync::atomic::Ordering::Relaxed);
        let before = commits(place);
        let outcome = match &mut place.work {
            None => place.runner.open().map(|work| place.work = Some(work)),
            Some(work) => place.runner.step(work).map(|_| ()),
        };
        let committed = commits(place) != before;
        let Err(failure) = outcome else {
            if committed {
                place.failures = 0;
                if embedded {
                    self.note_durable(server);
                }
            }
            return Ok(());
        };
        if this.link.has_crashed() {
            let name = this.name.clone();
            let cut = embedded || self.random.percent(20);
            self.note(format!("{name} dies in a commit{}", if cut { ", and its power is cut" } else { "" }));
            if cut {
                self.cut_power(server)
            } else {
                self.kill(server)
            }
            return Ok(());
        }
        if let Some(work) = place.work.take() {
            place.runner.abandon(work);
        }
        place.failures += 1;
        place.retry_at_ms = now + (200 << place.failures.min(6));
        let text = format!("{} of {}: {}", self.queries[slot].id, this.name, failure.message());
        let harmless = matches!(failure, Failure::Retry(_));
        self.note(text.clone());
        match harmless {
            true => Ok(()),
            false => Err(format!("a query counts as in error: {text}")),
        }
    }

    /// Appends rows to one of the inputs.
    fn produce(&mut self, server: usize) {
        let under_policy = self.queries.iter().filter(|query| query.judged.is_under_policy()).count() as u64;
        let failing = self.random.below(self.queries.len().max(1) as u64) < under_policy;
        let topic = if failing { FAILING_INPUT } else { INPUT };
        let mut records = RecordBatch::default();
        let mut rows = Vec::new();
        for _ in 0..self.random.between(1, 8) {
            let id = self.next_row;
            self.next_row += 1;
            let (key, group) = (self.random.below(5), self.random.below(4));
            let number = self.random.below(40);
            let value = match failing && self.random.percent(4) {
                true => format!("#{id}"),
                false => format!(r#"{{"ID":{id},"G":"g{group}","N":{number}}}"#),
            };
            // Out of order by some seconds, as rows come.
            let timestamp = 1_700_000_000_000 + id * 200 + self.random.below(15_000) as i64;
            let key = (!failing || self.random.percent(93)).then(|| format!("k{key}"));
            records.push(RecordRef {
                offset: 0,
                timestamp,
                partition: RecordBatch::ANY_PARTITION,
                key: key.as_deref().map(str::as_bytes),
                value: Some(value.as_bytes()),
                headers: &[],
            });
            rows.push(id);
        }
        let Some(log) = self.servers[server].log.clone() else { return };
        let appended = log.appender().and_then(|appender| appender.append(topic, &records));
        if appended.is_ok() {
            self.acknowledged.extend(rows);
            self.note_durable(server);
        }
    }

    fn pass_time(&mut self, ms: u64) {
        self.clock.advance(ms);
        let now = self.clock.ms();
        let running = self.running();
        let mut cluster = lock(&self.cluster);
        for server in running {
            let suffix = format!("-{}", self.servers[server].name);
            cluster.groups.values_mut().for_each(|group| group.heartbeat_of(&suffix, now));
        }
        cluster.pass_time(now);
    }

    /// A server reads on in the statement log.
    fn deliver(&mut self, server: usize) {
        if self.servers[server].applied + 1 < self.revisions.len() {
            self.servers[server].applied += 1;
            let applied = self.servers[server].applied;
            self.note(format!("{} takes revision {}", self.servers[server].name, self.revisions[applied]));
            for slot in 0..self.servers[server].slots.len() {
                let bindings = self.bindings(&self.queries[slot], applied);
                if !bindings.is_empty() {
                    self.servers[server].slots[slot].handle.rebind(bindings);
                }
            }
        }
    }

    fn stop(&mut self, server: usize) -> Result<(), String> {
        self.note(format!("{} is stopped", self.servers[server].name));
        for slot in 0..self.servers[server].slots.len() {
            self.servers[server].slots[slot].handle.stop();
            if self.servers[server].slots[slot].work.is_some() {
                self.step(server, slot)?;
            }
            if self.servers[server].log.is_none() {
                return Ok(());
            }
        }
        let this = &mut self.servers[server];
        this.slots.clear();
        this.log = None;
        Ok(())
    }

    /// Does something, whatever chance says.
    pub fn act(&mut self) -> Result<(), String> {
        let ms = self.random.between(0, 4);
        self.pass_time(ms);
        let all = self.servers.len() as u64;
        let any = self.random.below(all) as usize;
        let running = self.running();
        let Some(&server) = running.get(self.random.below(running.len().max(1) as u64) as usize) else {
            match self.servers[any].log {
                None => self.start(any),
                Some(_) => self.pass_time(1_000),
            }
            return Ok(());
        };
        match self.random.below(106) {
            0..60 => {
                for _ in 0..self.random.between(1, 4) {
                    if self.servers[server].log.is_none() || self.queries.is_empty() {
                        break;
                    }
                    let slot = self.random.below(self.queries.len() as u64) as usize;
                    self.step(server, slot)?;
                }
            }
            60..74 => self.produce(server),
            74..80 => {
                let ms = self.random.between(1, 120);
                self.pass_time(ms);
            }
            80..84 => {
                let fault = *self.random.pick(&COMMIT_FAULTS);
                self.servers[server].link.set_fault(Some(fault));
            }
            84..86 => {
                self.note(format!("{} is killed", self.servers[server].name));
                self.kill(server);
            }
            86 => {
                self.note(format!("the power of {} is cut", self.servers[server].name));
                self.cut_power(server);
            }
            87 if self.kind == LogKind::Kafka => {
                self.note(format!("{} loses its disk", self.servers[server].name));
                self.kill(server);
                self.servers[server].database = None;
                std::fs::remove_dir_all(&self.servers[server].directory).map_err(|e| e.to_string())?;
                // Its id lay on that disk.
                self.servers[server].name.push('x');
            }
            88..93 if self.servers[any].log.is_none() => self.start(any),
            93 => {
                // Never the one in force: the first is 1.
                let last = self.revisions[self.revisions.len() - 1];
                let next =
                    if self.random.percent(30) && last > 1 { last - 1 } else { self.revisions.iter().max().unwrap_or(&0) + 1 };
                self.note(format!("revision {next} is put in force"));
                self.revisions.push(next);
                self.deliver(server);
            }
            94 | 95 => self.deliver(server),
            96 => {
                let paused = !self.servers[server].paused;
                self.servers[server].paused = paused;
                for slot in &self.servers[server].slots {
                    if paused { slot.handle.pause() } else { slot.handle.resume() }
                }
            }
            97 if self.kind == LogKind::Kafka => {
                let ms = self.random.between(500, 25_000);
                self.note(format!("{} freezes for {ms} ms", self.servers[server].name));
                self.servers[server].frozen_until_ms = self.clock.ms() + ms;
            }
            98 => self.stop(server)?,
            99 => {
                let ms = self.random.between(500, 12_000);
                self.pass_time(ms);
            }
            100..103 => {
                let remainder = self.random.below(Outage::REMAINDERS);
                self.note(format!("an outage of {remainder} begins or ends"));
                self.outage.toggle(remainder);
                self.had_outage = true;
            }
            103 => self.release(server)?,
            _ => {
                // About as long as records wait to be tried again.
                let ms = self.random.between(20, 200);
                self.pass_time(ms);
            }
        }
        Ok(())
    }

    /// Somebody gives up what holds up the groups of a query.
    fn release(&mut self, server: usize) -> Result<(), String> {
        let slot = self.random.below(self.queries.len().max(1) as u64) as usize;
        let Some(place) = self.servers[server].slots.get(slot) else { return Ok(()) };
        let released = place.handle.release(None).map_err(|e| format!("releasing: {e}"))?;
        if released > 0 {
            self.note(format!("{released} locks of {} are released on {}", self.queries[slot].id, self.servers[server].name));
            self.was_released = true;
        }
        Ok(())
    }

    /// Ends all faults and lets everything come to rest.
    pub fn settle(&mut self) -> Result<(), String> {
        self.note("no more faults".into());
        self.outage.end();
        for server in 0..self.servers.len() {
            self.servers[server].frozen_until_ms = 0;
            if self.servers[server].log.is_none() {
                self.start(server);
            }
            self.servers[server].link.set_fault(None);
            while self.servers[server].applied + 1 < self.revisions.len() {
                self.deliver(server);
            }
            self.servers[server].slots.iter().for_each(|slot| slot.handle.resume());
        }
        let mut was_at_rest = false;
        for round in 0..ROUNDS_MAX {
            for server in 0..self.servers.len() {
                for slot in 0..self.servers[server].slots.len() {
                    self.step(server, slot)?;
                }
            }
            self.pass_time(25);
            if round % 20 == 19 {
                // Twice, as what waits no longer may have left with work that is yet to be committed.
                let is_at_rest = self.is_at_rest()?;
                if is_at_rest && was_at_rest {
                    return Ok(());
                }
                was_at_rest = is_at_rest;
            }
        }
        Err(format!("no rest after {ROUNDS_MAX} rounds without faults"))
    }

    /// What waits in the stores of a query, on all servers.
    pub fn waiting(&self, slot: usize) -> WaitingRecords {
        let slots = self.servers.iter().filter_map(|server| server.slots.get(slot));
        slots.flat_map(|slot| slot.handle.statistics.policy.waiting().into_values()).fold(
            WaitingRecords::default(),
            |sum, one| WaitingRecords {
                records: sum.records + one.records,
                locked_groups: sum.locked_groups + one.locked_groups,
            },
        )
    }

    /// Has every query committed all of its input, and does nothing wait to be tried again?
    fn is_at_rest(&self) -> Result<bool, String> {
        let log = self.log();
        if (0..self.queries.len()).any(|slot| self.waiting(slot).records > 0) {
            return Ok(false);
        }
        for query in &self.queries {
            for topic in query.inputs() {
                let committed = log.committed(&query.group(), &topic).map_err(|e| e.to_string())?;
                let places = crate::check::places(&*log, &topic)?;
                if places.iter().any(|(partition, offset)| committed[*partition as usize].unwrap_or(0) <= *offset) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for server in 0..self.servers.len() {
            self.kill(server);
        }
        if let Some(processing_log) = &self.processing_log {
            processing_log.stop();
        }
    }
}
