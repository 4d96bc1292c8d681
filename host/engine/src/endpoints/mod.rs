//! Endpoints of this server: HTTP handlers made by CREATE ENDPOINT, each with its code, its grants and its figures.
//!
//! The state says which endpoints there are ([`crate::state::EndpointEntry`]); here is what runs of them. Whoever serves HTTP follows
//! the table by [`Endpoints::follow`], finds an endpoint by path or address, and calls [`Endpoint::handle`] on a thread that may
//! block. A swap puts another [`Endpoint`] into the table; requests under way keep the one that they began with.

mod bind;
mod data;
mod describe;
mod listener;
mod statistics;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use calzone_sandbox::{Fault, Grants, HttpRequest, HttpResponse, Limits, SandboxError};
use calzone_sql::ast::{Grant, GrantKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::engine::Engine;
use crate::state::{EndpointEntry, State, grants_of};

pub use listener::parse_address;
pub use statistics::{BUCKET_MILLIS, EndpointMetrics, EndpointStatistics};

pub(crate) use data::GrantedData;

/// Where endpoints without an address of their own answer.
pub const PATH_PREFIX: &str = "/endpoints";

/// How long an address is waited for that something else still lets go of, such as an endpoint that was just dropped.
const BIND_TIME: Duration = Duration::from_secs(1);

/// Requests that all endpoints together work on at a time: half of the threads that the server has for what may block.
const WORKING_MAX: usize = 64;

/// The endpoints of this server, and a way to follow them.
pub struct Endpoints {
    working: Arc<Semaphore>,
    table: watch::Sender<Arc<EndpointTable>>,
    /// Held while the table is made anew.
    changing: Mutex<()>,
}

/// The endpoints at one time.
#[derive(Default)]
pub struct EndpointTable {
    endpoints: BTreeMap<String, Arc<Endpoint>>,
    listeners: Vec<Arc<EndpointListener>>,
}

/// An address that an endpoint answers at. The socket takes connections already; they wait until somebody accepts them.
pub struct EndpointListener {
    /// As the statement says it.
    pub address: String,
    pub socket: TcpListener,
}

/// One endpoint, in one revision.
pub struct Endpoint {
    pub name: String,
    /// `/shop`: it answers at `/endpoints/shop` and below.
    pub path: String,
    pub revision: i64,
    /// The plugin's limits, as they were when it was loaded.
    limits: Limits,
    definition: EndpointEntry,
    /// The code, or why it does not run.
    code: Result<calzone_sandbox::Endpoint, String>,
    statistics: Arc<EndpointStatistics>,
    room: Arc<Room>,
}

/// Requests that are worked on at a time, and those that wait.
struct Room {
    /// Of all endpoints.
    server: Arc<Semaphore>,
    working: Arc<Semaphore>,
    /// Both together.
    admitted: Arc<Semaphore>,
    working_max: usize,
}

/// The right to be worked on.
pub struct Turn {
    _server: OwnedSemaphorePermit,
    _working: OwnedSemaphorePermit,
    _admitted: OwnedSemaphorePermit,
}

/// Why a request got no answer from its endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointFault {
    /// Too many requests at a time, or the code could not be loaded: ask again later.
    Unavailable(String),
    /// The guest failed.
    Failed(String),
}

impl Default for Endpoints {
    fn default() -> Endpoints {
        let working = Arc::new(Semaphore::new(WORKING_MAX));
        Endpoints { working, table: watch::Sender::new(Arc::default()), changing: Mutex::default() }
    }
}

impl Endpoints {
    /// The table as it is now.
    pub fn table(&self) -> Arc<EndpointTable> {
        self.table.borrow().clone()
    }

    /// Hears of every change of the table.
    pub fn follow(&self) -> watch::Receiver<Arc<EndpointTable>> {
        self.table.subscribe()
    }

    /// Makes the table what the state says. What has not changed stays as it is; what cannot be loaded or bound says so to
    /// those who ask for it, and is tried again by [`Endpoints::retry`].
    pub(crate) fn update(&self, engine: &Engine, state: &State) {
        self.renew(engine, state, BIND_TIME);
    }

    fn renew(&self, engine: &Engine, state: &State, bind_time: Duration) {
        let _order = self.changing.lock().expect("no panic while holding the lock");
        let old = self.table();
        let endpoints: BTreeMap<String, Arc<Endpoint>> = state
            .endpoints
            .values()
            .map(|entry| {
                let revision = state.endpoint_revision(entry);
                let limits = limits_of(engine, state, entry);
                let before = old.endpoints.get(&entry.name);
                let endpoint = match before {
                    Some(same) if same.is_still(entry, revision, &limits) => same.clone(),
                    _ => Arc::new(Endpoint::load(engine, state, entry, (revision, limits), before.map(|b| &**b))),
                };
                (entry.name.clone(), endpoint)
            })
            .collect();
        let mut listeners = Vec::new();
        for entry in state.endpoints.values() {
            let Some(address) = &entry.listener else { continue };
            match old.listeners.iter().find(|l| l.address == *address) {
                Some(open) => listeners.push(open.clone()),
                None => match listener::bind(address, bind_time) {
                    Ok(socket) => listeners.push(Arc::new(EndpointListener { address: address.clone(), socket })),
                    Err(e) => tracing::error!(endpoint = %entry.name, "{e}; trying again"),
                },
            }
        }
        self.table.send_replace(Arc::new(EndpointTable { endpoints, listeners }));
    }

    /// Can this server listen where the endpoint is to be found? Not asked when the statement is applied or replayed: it is no
    /// part of what statements add up to.
    pub(crate) fn check_address(&self, entry: &EndpointEntry) -> Result<(), String> {
        match &entry.listener {
            Some(address) if !self.table().listeners.iter().any(|l| l.address == *address) => {
                listener::bind(address, BIND_TIME).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Tries again what could not be loaded or bound.
    pub(crate) fn retry(&self, engine: &Engine) {
        let table = self.table();
        let wanted = table.endpoints.values().filter(|e| e.definition.listener.is_some()).count();
        if wanted == table.listeners.len() && table.endpoints.values().all(|e| e.code.is_ok()) {
            return;
        }
        self.renew(engine, &engine.state.read().expect("no panic while holding the lock"), Duration::ZERO);
    }
}

impl EndpointTable {
    /// The endpoint that answers at a path below `/endpoints`, and the path below its own. The longest match counts.
    pub fn find<'p>(&self, path: &'p str) -> Option<(&Arc<Endpoint>, &'p str)> {
        let below = |endpoint: &Endpoint| {
            let rest = path.strip_prefix(endpoint.path.as_str())?;
            (rest.is_empty() || rest.starts_with('/')).then_some(rest)
        };
        let matching = self.endpoints.values().filter_map(|endpoint| Some((endpoint, below(endpoint)?)));
        matching.min_by_key(|(_, rest)| rest.len()).map(|(endpoint, rest)| (endpoint, if rest.is_empty() { "/" } else { rest }))
    }

    /// The endpoint with this address of its own.
    pub fn at_address(&self, address: &str) -> Option<&Arc<Endpoint>> {
        self.endpoints.values().find(|e| e.definition.listener.as_deref() == Some(address))
    }

    pub fn get(&self, name: &str) -> Option<&Arc<Endpoint>> {
        self.endpoints.get(name)
    }

    pub fn listeners(&self) -> &[Arc<EndpointListener>] {
        &self.listeners
    }

    /// Figures of all endpoints.
    pub fn metrics(&self) -> Vec<EndpointMetrics> {
        self.endpoints.values().map(|e| e.metrics()).collect()
    }
}

impl Endpoint {
    fn load(
        engine: &Engine,
        state: &State,
        entry: &EndpointEntry,
        (revision, limits): (i64, Limits),
        before: Option<&Endpoint>,
    ) -> Endpoint {
        let code = load_code(engine, state, entry, revision);
        if let Err(e) = &code {
            tracing::error!(endpoint = %entry.name, error = %e, "an endpoint cannot be loaded; trying again");
        }
        let (working, waiting) = (limits.concurrent_requests, limits.waiting_requests);
        let same_room = before.filter(|b| (b.limits.concurrent_requests, b.limits.waiting_requests) == (working, waiting));
        let room =
            same_room.map_or_else(|| Arc::new(Room::new(&engine.endpoints, working, waiting)), |before| before.room.clone());
        Endpoint {
            name: entry.name.clone(),
            path: entry.path.clone(),
            revision,
            limits,
            definition: entry.clone(),
            code,
            statistics: before.map_or_else(Arc::default, |b| b.statistics.clone()),
            room,
        }
    }

    /// Is it what it would be if it were loaded anew?
    fn is_still(&self, entry: &EndpointEntry, revision: i64, limits: &Limits) -> bool {
        self.revision == revision && self.definition == *entry && self.limits == *limits && self.code.is_ok()
    }

    /// The most bytes that a request's body may have.
    pub fn request_bytes(&self) -> usize {
        self.limits.request_bytes
    }

    pub fn metrics(&self) -> EndpointMetrics {
        self.statistics.metrics(&self.name, &self.definition.plugin)
    }

    /// Does it run, or why not?
    pub fn state(&self) -> Result<(), &str> {
        self.code.as_ref().map(|_| ()).map_err(String::as_str)
    }

    /// Waits for a turn; refused at once if too many wait already.
    pub async fn turn(&self) -> Result<Turn, EndpointFault> {
        let Ok(admitted) = self.room.admitted.clone().try_acquire_owned() else {
            self.statistics.turned_away.fetch_add(1, Ordering::Relaxed);
            let message = format!(
                "endpoint {} works on {} requests (concurrent_requests) and no more can wait (waiting_requests)",
                self.name, self.room.working_max
            );
            return Err(EndpointFault::Unavailable(message));
        };
        let working = self.room.working.clone().acquire_owned().await;
        // Its own place first: who waits for that keeps nobody else's.
        let server = self.room.server.clone().acquire_owned().await;
        match (working, server) {
            (Ok(working), Ok(server)) => Ok(Turn { _server: server, _working: working, _admitted: admitted }),
            // Nobody closes them.
            _ => Err(EndpointFault::Unavailable("the server is stopping".to_owned())),
        }
    }

    /// Answers a request; blocks for as long as that takes.
    pub fn handle(&self, request: &HttpRequest) -> Result<HttpResponse, EndpointFault> {
        let started = Instant::now();
        let result = match &self.code {
            Ok(code) => code.handle(request).map_err(|fault| match fault {
                // What the guest itself says needs no further words.
                Fault::Error(message) => EndpointFault::Failed(format!("endpoint {}: {message}", self.name)),
                fault => {
                    let (endpoint, plugin, revision) = (&self.name, &self.definition.plugin, self.revision);
                    tracing::warn!(%endpoint, %plugin, revision, method = %request.method, path = %request.path, error = %fault, "a request failed");
                    EndpointFault::Failed(format!("endpoint {}: {fault}", self.name))
                }
            }),
            Err(why) => Err(EndpointFault::Unavailable(format!("endpoint {} cannot be loaded: {why}", self.name))),
        };
        self.statistics.count(started.elapsed(), result.is_ok());
        result
    }
}

impl Room {
    fn new(server: &Endpoints, working: usize, waiting: usize) -> Room {
        // As many as a semaphore can count are as good as no limit.
        let permits = |n: usize| Arc::new(Semaphore::new(n.clamp(1, Semaphore::MAX_PERMITS)));
        let server = server.working.clone();
        Room { server, working: permits(working), admitted: permits(working.saturating_add(waiting)), working_max: working }
    }
}

/// The limits in force for an endpoint: those of its plugin.
fn limits_of(engine: &Engine, state: &State, entry: &EndpointEntry) -> Limits {
    let store = &engine.plugin_store;
    state.plugins.get(&entry.plugin).map_or_else(|| store.default_limits().clone(), |plugin| store.limits_of(plugin))
}

fn load_code(engine: &Engine, state: &State, entry: &EndpointEntry, revision: i64) -> Result<calzone_sandbox::Endpoint, String> {
    let missing = || format!("plugin '{}' has no revision {revision}", entry.plugin);
    let known = state.plugins.get(&entry.plugin).and_then(|p| Some((p, p.revision(revision)?)));
    let (plugin, found) = known.ok_or_else(missing)?;
    let component = engine.plugin_store.component(plugin, &found.sha256).map_err(|e| e.message)?;
    open(engine, &component, &entry.config, &entry.grants).map_err(|e| e.to_string())
}

/// Makes an endpoint of a component. Fails as [`calzone_sandbox::Component::open_endpoint`] does.
pub(crate) fn open(
    engine: &Engine,
    component: &calzone_sandbox::Component,
    config: &[(String, String)],
    grants: &[Grant],
) -> Result<calzone_sandbox::Endpoint, SandboxError> {
    let has = |wanted: fn(&GrantKind) -> bool| grants.iter().any(|g| wanted(&g.kind));
    let allowed = Grants {
        insert: has(|kind| matches!(kind, GrantKind::InsertOn(..))),
        query: has(|kind| matches!(kind, GrantKind::QueryOn(..))),
        ..grants_of(grants).map_err(SandboxError::Unusable)?
    };
    component.open_endpoint(config, &allowed, Arc::new(GrantedData::new(engine.handle(), grants)))
}

impl Engine {
    /// The endpoints of this server.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }
}
