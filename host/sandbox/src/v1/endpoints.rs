//! Calls of the interface `endpoints`, and what is behind the imports `insert` and `query`.

use super::bindings::calzone::plugin::types::{DataError as WitDataError, Setting};
use super::bindings::calzone::plugin::{insert, query};
use super::bindings::exports::calzone::plugin::endpoints::{self, HeaderParam, Request};
use crate::describe::{EndpointDescription, RouteDescription, SettingDescription};
use crate::endpoint::{DataError, HttpRequest, HttpResponse, Parameter};
use crate::fault::{Fault, TimeLimit};
use crate::instance::{Guest, Instance};
use crate::limits::cut;

super::interface! {
    /// Where a component has its endpoint.
    Endpoints, endpoints, endpoints, super::ENDPOINTS
}

impl Endpoints {
    /// Author, version, the endpoint.
    pub(crate) fn describe(&self, instance: &mut Instance) -> Result<(String, String, EndpointDescription), Fault> {
        let d = self.call(instance, TimeLimit::Start, |store, exports| exports.call_describe(store))?;
        let settings = d.settings.into_iter().map(|s| SettingDescription { key: s.key, doc: s.doc, default: s.default });
        let routes = d.routes.into_iter().map(|r| RouteDescription { method: r.method, path: r.path, doc: r.doc });
        let endpoint = EndpointDescription { doc: d.doc, settings: settings.collect(), routes: routes.collect() };
        Ok((d.about.author, d.about.version, endpoint))
    }

    pub(crate) fn open(&self, instance: &mut Instance, settings: &[(String, String)]) -> Result<(), Fault> {
        let settings: Vec<Setting<'_>> = settings.iter().map(|(key, value)| Setting { key, value }).collect();
        self.call(instance, TimeLimit::Start, |store, exports| exports.call_open(store, &settings))?.map_err(Fault::Error)
    }

    pub(crate) fn handle(&self, instance: &mut Instance, request: &HttpRequest) -> Result<HttpResponse, Fault> {
        let headers: Vec<HeaderParam<'_>> = request.headers.iter().map(|(name, value)| HeaderParam { name, value }).collect();
        let lent = Request {
            method: &request.method,
            path: &request.path,
            query: request.query.as_deref(),
            headers: &headers,
            body: &request.body,
        };
        let answer = self.call(instance, TimeLimit::Request, |store, exports| exports.call_handle(store, lent))?;
        let message_bytes = instance.guest().message_bytes;
        let response = answer.map_err(|message| Fault::Error(cut(&message, message_bytes)))?;
        Ok(HttpResponse {
            status: response.status,
            headers: response.headers.into_iter().map(|h| (h.name, h.value)).collect(),
            body: response.body,
        })
    }
}

impl insert::Host for Guest {
    fn rows(&mut self, into: String, rows: Vec<String>) -> Result<(), WitDataError> {
        self.ask_for_data(|data| data.insert(&into, &rows)).map_err(data_error)
    }
}

impl query::Host for Guest {
    fn select(&mut self, sql: String, parameters: Vec<query::Parameter>) -> Result<Vec<String>, WitDataError> {
        let parameters: Vec<Parameter> = parameters
            .into_iter()
            .map(|parameter| match parameter {
                query::Parameter::Null => Parameter::Null,
                query::Parameter::Boolean(value) => Parameter::Boolean(value),
                query::Parameter::Bigint(value) => Parameter::Bigint(value),
                query::Parameter::Double(value) => Parameter::Double(value),
                query::Parameter::Text(value) => Parameter::Text(value),
            })
            .collect();
        let rows_max = self.limits().query_rows;
        self.ask_for_data(|data| data.select(&sql, &parameters, rows_max)).map_err(data_error)
    }
}

fn data_error(error: DataError) -> WitDataError {
    match error {
        DataError::Refused(message) => WitDataError::Refused(message),
        DataError::Failed(message) => WitDataError::Failed(message),
    }
}
