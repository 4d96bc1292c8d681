//! One instance of a component, with its limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use wasmtime::component::Instance as Linked;
use wasmtime::{ResourceLimiter, Store, UpdateDeadline};

use crate::component::Code;
use crate::endpoint::EndpointGuest;
use crate::engine::ticks;
use crate::fault::{Fault, TimeLimit};
use crate::http::{Outbound, Place};
use crate::key_value::{KeyValue, LentStore};
use crate::limits::Limits;
use crate::seed::RowSeeds;
use crate::wasi_http::Http;
use crate::{Capability, SandboxError, v1};

/// What a statement grants to a component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    pub random: bool,
    pub clock: bool,
    pub log: bool,
    /// Of stages only.
    pub key_value: bool,
    /// Places that may be asked by HTTP.
    pub http: Vec<Place>,
    /// Some INSERT ON; what it names is checked call by call.
    pub insert: bool,
    /// Some QUERY ON.
    pub query: bool,
}

impl Grants {
    pub fn allow(&self, capability: Capability) -> bool {
        match capability {
            Capability::Random => self.random,
            Capability::Clock => self.clock,
            Capability::Log => self.log,
            Capability::KeyValue => self.key_value,
            Capability::Http => !self.http.is_empty(),
            Capability::Insert => self.insert,
            Capability::Query => self.query,
        }
    }

    /// Fails with the first import that is not granted.
    pub(crate) fn check(&self, imports: &[String]) -> Result<(), SandboxError> {
        for import in imports {
            if let Some(capability) = v1::capability(import).filter(|c| !self.allow(*c)) {
                return Err(SandboxError::NotGranted { import: import.clone(), capability });
            }
        }
        Ok(())
    }
}

/// The host's side of an instance: what the guest's imports see, and what it has used.
pub(crate) struct Guest {
    pub(crate) plugin: Arc<str>,
    /// Of the rows of the call in progress; None while there are no rows.
    pub(crate) seeds: Option<RowSeeds>,
    /// The guest's own store, during a call.
    pub(crate) store: Option<LentStore>,
    pub(crate) outbound: HttpAccess,
    /// What the guest said before it trapped.
    pub(crate) reported: Option<String>,
    /// The beginning of what it has printed in this call.
    printed: Vec<u8>,
    pub(crate) log_lines_left: u32,
    pub(crate) log_lines_dropped: u64,
    pub(crate) message_bytes: usize,
    call: CallTime,
    /// What an endpoint's instance has besides.
    pub(crate) endpoint: Option<EndpointGuest>,
    /// What a standard HTTP handler has while it works on a request.
    pub(crate) http: Option<Box<Http>>,
    used: Used,
    _counted: Counted,
}

/// What a guest may do by HTTP.
pub(crate) struct HttpAccess {
    pub(crate) granted: Vec<Place>,
    pub(crate) outbound: Option<Arc<dyn Outbound>>,
    pub(crate) request_ms: u64,
    /// Of the time for all requests of the call.
    pub(crate) left: Duration,
    pub(crate) bytes_max: usize,
}

/// The time of the call in progress.
struct CallTime {
    began: Instant,
    limit_ms: u64,
    /// In the host, waiting for others: not the guest's.
    paused: Duration,
}

impl Guest {
    /// Takes time that the guest waited out of its call's. Gives the milliseconds that are left.
    pub(crate) fn pause(&mut self, waited: Duration) -> u64 {
        self.call.paused += waited;
        let used = self.call.began.elapsed().saturating_sub(self.call.paused);
        self.call.limit_ms.saturating_sub(u64::try_from(used.as_millis()).unwrap_or(u64::MAX))
    }

    /// Keeps the beginning of what is printed, in case the call traps.
    pub(crate) fn note_printed(&mut self, bytes: impl Iterator<Item = u8>) {
        let room = self.message_bytes.saturating_sub(self.printed.len());
        self.printed.extend(bytes.take(room));
    }

    pub(crate) fn store_bytes(&self) -> usize {
        self.used.limits.store_bytes
    }
}

/// One of a plugin's instances, as long as it lives.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(live: &Arc<AtomicUsize>, limit: usize) -> Result<Counted, Fault> {
        // Not exact when several begin at once: one of them may be refused too soon.
        if live.fetch_add(1, Ordering::Relaxed) >= limit {
            live.fetch_sub(1, Ordering::Relaxed);
            return Err(Fault::Start(format!("it has {limit} instances already (instances)")));
        }
        Ok(Counted(live.clone()))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Guest {
    pub(crate) fn limits(&self) -> &Limits {
        &self.used.limits
    }

    /// Memory in use, all linear memories together.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.used.memory_bytes
    }
}

/// Counts an instance's memory and tables, and refuses more than is allowed.
struct Used {
    limits: Arc<Limits>,
    memory_bytes: usize,
    table_elements: usize,
    /// The limit that was met.
    denied: Option<Fault>,
}

impl ResourceLimiter for Used {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        if total > self.limits.memory_bytes {
            self.denied = Some(Fault::Memory(self.limits.memory_bytes));
            return Ok(false);
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.table_elements.saturating_add(desired.saturating_sub(current));
        if total > self.limits.table_elements {
            self.denied = Some(Fault::Count(self.limits.table_elements, "elements in its tables", "table_elements"));
            return Ok(false);
        }
        self.table_elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.limits.core_instances
    }

    fn tables(&self) -> usize {
        self.limits.tables
    }

    fn memories(&self) -> usize {
        self.limits.memories
    }
}

/// A running instance. After a trap it is dead and must be dropped.
pub(crate) struct Instance {
    store: Store<Guest>,
    linked: Linked,
    /// Its exports, where they were looked up: that costs as much as a small batch.
    pub(crate) functions: Option<v1::ScalarExports>,
    pub(crate) table_functions: Option<v1::TableExports>,
    pub(crate) aggregates: Option<v1::AggregateExports>,
    pub(crate) stages: Option<v1::StageExports>,
    pub(crate) error_policies: Option<v1::ErrorPolicyExports>,
    pub(crate) endpoints: Option<v1::EndpointExports>,
    /// Time in calls so far, instantiation not counted.
    pub(crate) nanos: u64,
}

impl Instance {
    pub(crate) fn start(code: &Code) -> Result<Instance, Fault> {
        let (component, limits) = (&code.instance, &code.limits);
        let counted = Counted::new(&code.live, limits.instances)?;
        let used = Used { limits: limits.clone(), memory_bytes: 0, table_elements: 0, denied: None };
        let guest = Guest {
            plugin: code.plugin.clone(),
            seeds: None,
            store: None,
            outbound: HttpAccess {
                granted: Vec::new(),
                outbound: code.outbound.clone(),
                request_ms: limits.http_ms,
                left: Duration::ZERO,
                bytes_max: limits.http_bytes,
            },
            call: CallTime { began: Instant::now(), limit_ms: 0, paused: Duration::ZERO },
            reported: None,
            printed: Vec::new(),
            log_lines_left: limits.log_lines,
            log_lines_dropped: 0,
            message_bytes: limits.message_bytes,
            endpoint: None,
            http: code.handler.is_some().then(Http::new),
            used,
            _counted: counted,
        };
        let mut store = Store::new(component.engine(), guest);
        store.limiter(|guest| &mut guest.used);
        store.set_hostcall_fuel(limits.output_bytes);
        store.set_epoch_deadline(ticks(TimeLimit::Start.milliseconds(limits)));
        match component.instantiate(&mut store) {
            Ok(linked) => Ok(Instance {
                store,
                linked,
                functions: None,
                table_functions: None,
                aggregates: None,
                stages: None,
                error_policies: None,
                endpoints: None,
                nanos: 0,
            }),
            Err(e) => Err(fault_of(&mut store, &e, TimeLimit::Start)),
        }
    }

    /// Calls into the guest. After any fault the instance must be dropped.
    pub(crate) fn call<R>(
        &mut self,
        time: TimeLimit,
        call: impl FnOnce(&mut Store<Guest>) -> wasmtime::Result<R>,
    ) -> Result<R, Fault> {
        let guest = self.store.data_mut();
        guest.log_lines_left = guest.used.limits.log_lines;
        guest.printed.clear();
        let milliseconds = time.milliseconds(&guest.used.limits);
        guest.call = CallTime { began: Instant::now(), limit_ms: milliseconds, paused: Duration::ZERO };
        guest.outbound.left = Duration::from_millis(guest.used.limits.http_batch_ms);
        self.store.set_epoch_deadline(ticks(milliseconds));
        let start = Instant::now();
        let result = call(&mut self.store);
        self.nanos += u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.warn_of_dropped_lines();
        result.map_err(|e| fault_of(&mut self.store, &e, time))
    }

    /// Looks something up in the instance.
    pub(crate) fn look_up<R>(
        &mut self,
        look: impl FnOnce(&mut Store<Guest>, &Linked) -> wasmtime::Result<R>,
    ) -> Result<R, Fault> {
        look(&mut self.store, &self.linked).map_err(|e| Fault::Start(format!("{e:#}")))
    }

    /// The host's side, between calls.
    pub(crate) fn guest(&mut self) -> &mut Guest {
        self.store.data_mut()
    }

    /// From now on time that the guest waits for the server's data does not count for its deadline.
    pub(crate) fn forgive_waiting(&mut self) {
        self.store.epoch_deadline_callback(|mut store| {
            let waited = store.data_mut().endpoint.as_mut().map_or(0, EndpointGuest::take_waited_ticks);
            Ok(if waited == 0 { UpdateDeadline::Interrupt } else { UpdateDeadline::Continue(waited) })
        });
    }

    pub(crate) fn set_seeds(&mut self, seeds: RowSeeds) {
        self.store.data_mut().seeds = Some(seeds);
    }

    /// From now on requests may go to these places.
    pub(crate) fn allow_http(&mut self, granted: &[Place]) {
        self.store.data_mut().outbound.granted = granted.to_vec();
    }

    /// Lends the guest its store for a call.
    pub(crate) fn lend_store(&mut self, store: Option<Box<dyn KeyValue>>) {
        self.store.data_mut().store = store.map(LentStore::new);
    }

    /// Takes the store back, with what the call wrote or without. The fault is the store's own.
    pub(crate) fn take_store(&mut self, keep: bool) -> (Option<Box<dyn KeyValue>>, Result<(), Fault>) {
        match self.store.data_mut().store.take() {
            None => (None, Ok(())),
            Some(lent) => {
                let (store, result) = lent.give_back(keep);
                (Some(store), result)
            }
        }
    }

    fn warn_of_dropped_lines(&mut self) {
        let guest = self.store.data_mut();
        let dropped = std::mem::take(&mut guest.log_lines_dropped);
        if dropped > 0 {
            tracing::warn!(target: "calzone::plugin", plugin = &*guest.plugin, dropped, "lines above the limit (log_lines) were dropped");
        }
    }
}

fn fault_of(store: &mut Store<Guest>, error: &wasmtime::Error, time: TimeLimit) -> Fault {
    let guest = store.data_mut();
    let limits = guest.used.limits.clone();
    let printed = String::from_utf8_lossy(&guest.printed).trim().to_owned();
    let reported = guest.reported.take().or(Some(printed).filter(|text| !text.is_empty()));
    Fault::of(error, &limits, time, reported, guest.used.denied.clone())
}
