//! Endpoints of components: HTTP requests in, responses out.
//!
//! A request is worked on by an instance that works on nothing else meanwhile. Instances that have answered well are kept
//! for the next requests, up to a few; one that has failed is dropped.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::component::{Code, Component, refusal};
use crate::fault::Fault;
use crate::instance::{Grants, Guest, Instance};
use crate::limits::TICK_MS;
use crate::seed::RowSeeds;
use crate::wasi_http::Handler;
use crate::{SandboxError, v1};

/// Instances that are kept while there are no requests for them.
const IDLE_INSTANCES_MAX: usize = 4;

/// A request as an endpoint sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpRequest {
    /// In capitals.
    pub method: String,
    /// Begins with a slash; below the path that the endpoint was put at.
    pub path: String,
    pub query: Option<String>,
    /// `host:port` that the client asked.
    pub authority: Option<String>,
    /// Names in small letters.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

/// What an endpoint answered; not more than the limits allow, but otherwise as the guest gave it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpResponse {
    pub status: u16,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

/// A value for a question mark of a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Parameter {
    Null,
    Boolean(bool),
    Bigint(i64),
    Double(f64),
    Text(String),
}

/// Why a call for the server's data did nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataError {
    /// Not granted, or wrong in itself.
    Refused(String),
    /// The server's trouble, perhaps over soon.
    Failed(String),
}

/// The data that an endpoint was granted. Both calls may block.
pub trait DataAccess: Send + Sync {
    /// Writes rows, each a JSON object by column name. All are durable when it returns.
    fn insert(&self, into: &str, rows: &[String]) -> Result<(), DataError>;

    /// Runs a SELECT that ends and gives each row as a JSON object; refuses to give more than `rows_max`.
    fn select(&self, sql: &str, parameters: &[Parameter], rows_max: usize) -> Result<Vec<String>, DataError>;
}

/// A component, ready to answer requests. Shared by the threads that do.
pub struct Endpoint {
    code: Arc<Code>,
    interface: Interface,
    settings: Vec<(String, String)>,
    data: Arc<dyn DataAccess>,
    idle: Mutex<Vec<Instance>>,
}

/// By which of its exports a component answers.
enum Interface {
    Endpoints(v1::Endpoints),
    /// A standard handler, whose instances answer one request each.
    Handler(Handler),
}

/// What an endpoint's instance has on the host's side.
pub(crate) struct EndpointGuest {
    data: Arc<dyn DataAccess>,
    calls_left: u32,
    /// Time in calls for data that its deadline was not moved by yet.
    waited: Duration,
}

impl EndpointGuest {
    /// Ticks of the clock that went by while the guest waited, each given once.
    pub(crate) fn take_waited_ticks(&mut self) -> u64 {
        let ticks = self.waited.as_millis() as u64 / TICK_MS;
        self.waited -= Duration::from_millis(ticks * TICK_MS);
        ticks
    }
}

impl Guest {
    /// Makes a call for data, if it may.
    pub(crate) fn ask_for_data<T>(&mut self, ask: impl FnOnce(&dyn DataAccess) -> Result<T, DataError>) -> Result<T, DataError> {
        let calls = self.limits().request_calls;
        let Some(endpoint) = &mut self.endpoint else {
            return Err(DataError::Refused("there is data for endpoints only, while they work on a request".to_owned()));
        };
        if endpoint.calls_left == 0 {
            let message =
                format!("a request may make {calls} calls of insert and query (request_calls); put more rows into one call");
            return Err(DataError::Refused(message));
        }
        endpoint.calls_left -= 1;
        let started = Instant::now();
        let answer = ask(&*endpoint.data);
        endpoint.waited += started.elapsed();
        answer
    }
}

impl Component {
    /// The component as an endpoint with these settings. Fails if it is none, if it refuses the settings, or imports what is
    /// not granted.
    pub fn open_endpoint(
        &self,
        config: &[(String, String)],
        grants: &Grants,
        data: Arc<dyn DataAccess>,
    ) -> Result<Endpoint, SandboxError> {
        grants.check(&self.imports)?;
        let interface = match (&self.code.endpoints, &self.code.handler) {
            (Some(endpoints), _) => Interface::Endpoints(endpoints.clone()),
            (None, Some(handler)) => Interface::Handler(handler.clone()),
            (None, None) => {
                let message = format!("plugin {} is no endpoint: it does not answer HTTP requests", self.plugin);
                return Err(SandboxError::Unusable(message));
            }
        };
        let mut settings = config.to_vec();
        for setting in self.description.endpoint.iter().flat_map(|e| &e.settings) {
            if settings.iter().any(|(key, _)| key.eq_ignore_ascii_case(&setting.key)) {
                continue;
            }
            match &setting.default {
                Some(default) => settings.push((setting.key.clone(), default.clone())),
                None => {
                    return Err(SandboxError::Unusable(format!(
                        "plugin {}: CONFIG must give {} ({})",
                        self.plugin, setting.key, setting.doc
                    )));
                }
            }
        }
        let code = self.code.clone();
        let endpoint = Endpoint { code, interface, settings, data, idle: Mutex::default() };
        let first = endpoint.start().map_err(|f| refusal(&format!("plugin {}, endpoint", self.plugin), &f))?;
        endpoint.put_back(first);
        Ok(endpoint)
    }
}

impl Endpoint {
    /// Answers a request; blocks for as long as that takes. A fault concerns this request only.
    pub fn handle(&self, request: &HttpRequest) -> Result<HttpResponse, Fault> {
        let kept = self.idle.lock().expect("no panic while holding the lock").pop();
        let mut instance = match kept {
            Some(instance) => instance,
            None => self.start().map_err(|f| Fault::Start(f.to_string()))?,
        };
        let calls_left = self.code.limits.request_calls;
        instance.guest().endpoint = Some(EndpointGuest { data: self.data.clone(), calls_left, waited: Duration::ZERO });
        instance.set_seeds(RowSeeds::fresh());
        let answered = match &self.interface {
            Interface::Endpoints(endpoints) => endpoints.handle(&mut instance, request),
            Interface::Handler(handler) => {
                let answered = handler.handle(&mut instance, request);
                return answered.and_then(|response| self.check(response));
            }
        };
        let result = answered.and_then(|response| self.check(response));
        if result.as_ref().err().is_none_or(Fault::instance_survives) {
            instance.guest().endpoint = None;
            self.put_back(instance);
        }
        result
    }

    fn start(&self) -> Result<Instance, Fault> {
        let mut instance = self.code.start()?;
        instance.forgive_waiting();
        if let Interface::Endpoints(endpoints) = &self.interface {
            endpoints.open(&mut instance, &self.settings)?;
        }
        Ok(instance)
    }

    /// Keeps an instance for the next request, unless there are enough or it has grown: memory is never given back.
    fn put_back(&self, mut instance: Instance) {
        if instance.guest().memory_bytes() > self.code.limits.memory_bytes / 2 {
            return;
        }
        let mut idle = self.idle.lock().expect("no panic while holding the lock");
        if idle.len() < IDLE_INSTANCES_MAX {
            idle.push(instance);
        }
    }

    fn check(&self, response: HttpResponse) -> Result<HttpResponse, Fault> {
        if !(200..=599).contains(&response.status) {
            return Err(Fault::Answer(format!("{} is no status of a response", response.status)));
        }
        let limit = self.code.limits.response_bytes;
        if response.body.len() > limit {
            return Err(Fault::Answer(format!(
                "its body has {} bytes, at most {limit} may be (response_bytes)",
                response.body.len()
            )));
        }
        Ok(response)
    }
}
