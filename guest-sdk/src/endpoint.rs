//! HTTP handlers: what `#[endpoint]` makes, and how the host calls it. Feature `endpoint`.
//!
//! A shop that takes orders and says what became of them, whole:
//!
//! ```
//! use calzone_guest::endpoint::{Json, Problem, insert, json, select};
//! use calzone_guest::{Random, endpoint, plugin};
//!
//! /// Orders pizzas.
//! #[endpoint("POST /order/{count}")]
//! fn order(count: u32, random: &mut Random) -> Result<Json, Problem> {
//!     let id = format!("{:016x}", random.next_u64());
//!     let rows: Vec<Json> = (1..=count).map(|number| json!({ "order_id": id, "number": number })).collect();
//!     insert("pizza", &rows)?; // they are safe when this returns
//!     Ok(json!({ "order_id": id }))
//! }
//!
//! /// An order and its pizzas.
//! #[endpoint("GET /order/{id}")]
//! fn find(id: &str) -> Result<Json, Problem> {
//!     let rows = select("SELECT * FROM orders WHERE id = ?", &[&id])?;
//!     rows.into_iter().next().ok_or_else(|| Problem::not_found(format!("there is no order {id}")))
//! }
//!
//! plugin!(endpoint: [order, find]);
//! # fn main() {}
//! ```
//!
//! ```sql
//! CREATE ENDPOINT shop ON '/shop' USING PLUGIN 'shop'
//!   GRANT (RANDOM, INSERT ON STREAM pizza, QUERY ON TABLE orders);
//! ```
//!
//! answers `POST /endpoints/shop/order/3` and `GET /endpoints/shop/order/…`; `LISTENER 'http://127.0.0.1:8094'` in the statement
//! gives it an address of its own besides, where the paths begin at `/order`.
//!
//! A function's parameters are the placeholders of its path by name, as text or as anything that text can be parsed as (400 if it
//! cannot), [`&Request`](Request), [`&Settings`](crate::Settings) and [`&mut Random`](crate::Random). It returns anything that is
//! [`IntoResponse`]: [`Json`], a [`Response`], a text, nothing, or a `Result` of two of these. Paths that no function has are answered
//! with 404, other methods of a path with 405.
//!
//! An instance answers many requests, one after the other, and may be replaced at any time: what must last belongs into a stream.

use std::cell::RefCell;
use std::fmt;

pub use serde_json::{Value as Json, json};

use crate::Settings;
use crate::bindings::endpoint::calzone::plugin::{insert as insert_import, query as query_import};
use crate::bindings::endpoint::exports::calzone::plugin::endpoints as wit;
use crate::bindings::types::{About, DataError as WitDataError, Setting};
use crate::capability::{Random, Seeds};

/// Bytes of one placeholder's or query parameter's value that messages repeat.
const SHOWN_BYTES_MAX: usize = 100;

/// Requests that a function answers. Made by `#[endpoint]`.
#[derive(Clone, Copy)]
pub struct Route {
    pub method: &'static str,
    /// `/order/{id}`
    pub path: &'static str,
    pub doc: &'static str,
    pub handle: Handle,
}

/// Answers a request; the placeholders' values are in the path's order.
pub type Handle = fn(&Call<'_>) -> Response;

/// A request, and what it comes with.
pub struct Call<'r> {
    pub request: &'r Request,
    pub settings: &'r Settings,
    path: &'static str,
    values: Vec<String>,
}

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET`, in capitals.
    pub method: String,
    /// Begins with a slash; as it was sent.
    pub path: String,
    /// Behind the question mark; as it was sent.
    pub query: Option<String>,
    /// Names in small letters.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Request {
    /// A header's text; None if it is not there or no text. The name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)?;
        std::str::from_utf8(value).ok()
    }

    /// A parameter of the query, decoded: `limit` of `?limit=5&all`.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let pairs = self.query.as_deref()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs
            .map(|(n, value)| (decode(n, true), value))
            .find(|(n, _)| n.as_deref() == Some(name))
            .and_then(|(_, v)| decode(v, true))
    }

    /// The body as text.
    pub fn text(&self) -> Result<&str, Problem> {
        std::str::from_utf8(&self.body).map_err(|_| Problem::bad_request("the body is no text in UTF-8"))
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Json, Problem> {
        serde_json::from_slice(&self.body).map_err(|e| Problem::bad_request(format!("the body is no JSON: {e}")))
    }
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// 200 to 599.
    pub status: u16,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Response {
    /// One without a body.
    pub fn new(status: u16) -> Response {
        Response { status, headers: Vec::new(), body: Vec::new() }
    }

    pub fn with_header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Response {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn with_body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Response {
        self.headers.push(("content-type".to_owned(), content_type.into()));
        self.body = body.into();
        self
    }
}

/// What a function of an endpoint may return.
pub trait IntoResponse {
    fn into_response(self) -> Response;
}

impl IntoResponse for Response {
    fn into_response(self) -> Response {
        self
    }
}

/// 200 and `application/json`.
impl IntoResponse for Json {
    fn into_response(self) -> Response {
        Response::new(200).with_body("application/json", self.to_string())
    }
}

/// 200 and `text/plain`.
impl IntoResponse for String {
    fn into_response(self) -> Response {
        Response::new(200).with_body("text/plain; charset=utf-8", self)
    }
}

/// 200 and `text/plain`.
impl IntoResponse for &str {
    fn into_response(self) -> Response {
        self.to_owned().into_response()
    }
}

/// 204.
impl IntoResponse for () {
    fn into_response(self) -> Response {
        Response::new(204)
    }
}

/// The content with another status.
impl<T: IntoResponse> IntoResponse for (u16, T) {
    fn into_response(self) -> Response {
        Response { status: self.0, ..self.1.into_response() }
    }
}

impl<T: IntoResponse, E: IntoResponse> IntoResponse for Result<T, E> {
    fn into_response(self) -> Response {
        match self {
            Ok(content) => content.into_response(),
            Err(error) => error.into_response(),
        }
    }
}

/// A refusal, answered in the form of the server's own errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub status: u16,
    pub message: String,
}

impl Problem {
    pub fn new(status: u16, message: impl Into<String>) -> Problem {
        Problem { status, message: message.into() }
    }

    /// 400: the request is wrong.
    pub fn bad_request(message: impl Into<String>) -> Problem {
        Problem::new(400, message)
    }

    /// 404: there is no such thing.
    pub fn not_found(message: impl Into<String>) -> Problem {
        Problem::new(404, message)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let code = u32::from(self.status) * 100;
        (self.status, json!({ "@type": "generic_error", "error_code": code, "message": self.message })).into_response()
    }
}

/// Why the server's data could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataError {
    /// The call is wrong: not granted, a column that is not there, a value that does not fit.
    Refused(String),
    /// The server could not do it now; the same call may succeed later.
    Failed(String),
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (DataError::Refused(message) | DataError::Failed(message)) = self;
        f.write_str(message)
    }
}

impl std::error::Error for DataError {}

/// 500 for a call that is wrong, which is the plugin's own fault; 503 for one that may succeed later.
impl From<DataError> for Problem {
    fn from(error: DataError) -> Problem {
        match error {
            DataError::Refused(message) => Problem::new(500, message),
            DataError::Failed(message) => Problem::new(503, message),
        }
    }
}

/// 500.
impl From<String> for Problem {
    fn from(message: String) -> Problem {
        Problem::new(500, message)
    }
}

impl From<WitDataError> for DataError {
    fn from(error: WitDataError) -> DataError {
        match error {
            WitDataError::Refused(message) => DataError::Refused(message),
            WitDataError::Failed(message) => DataError::Failed(message),
        }
    }
}

/// Writes rows to a stream or table (INSERT ON), each an object by column name. All are safe when this returns; if the server fails
/// meanwhile, some may have been written.
pub fn insert(into: &str, rows: &[Json]) -> Result<(), DataError> {
    let rows: Vec<String> = rows.iter().map(Json::to_string).collect();
    Ok(insert_import::rows(into, &rows)?)
}

/// Runs a SELECT without EMIT (QUERY ON) and gives each row as an object by column name: unquoted names are in capitals. Each question
/// mark stands for a parameter, whatever is in it.
pub fn select(sql: &str, parameters: &[&dyn Parameter]) -> Result<Vec<Json>, DataError> {
    let parameters: Vec<query_import::Parameter> = parameters.iter().map(|p| p.to_wit()).collect();
    let rows = query_import::select(sql, &parameters)?;
    let row = |text: &String| serde_json::from_str(text).map_err(|e| DataError::Failed(format!("a row is no JSON: {e}")));
    rows.iter().map(row).collect()
}

/// A value that a question mark of a query can stand for.
pub trait Parameter {
    #[doc(hidden)]
    fn to_wit(&self) -> query_import::Parameter;
}

macro_rules! parameters {
    ($($ty:ty => $variant:ident $convert:expr),* $(,)?) => {$(
        impl Parameter for $ty {
            fn to_wit(&self) -> query_import::Parameter {
                let convert: fn(&$ty) -> _ = $convert;
                query_import::Parameter::$variant(convert(self))
            }
        }
    )*};
}

parameters! {
    bool => Boolean |v| *v,
    i32 => Bigint |v| i64::from(*v),
    u32 => Bigint |v| i64::from(*v),
    i64 => Bigint |v| *v,
    f64 => Double |v| *v,
    str => Text |v| v.to_owned(),
    String => Text |v| v.clone(),
}

impl<T: Parameter + ?Sized> Parameter for &T {
    fn to_wit(&self) -> query_import::Parameter {
        (**self).to_wit()
    }
}

impl<T: Parameter> Parameter for Option<T> {
    fn to_wit(&self) -> query_import::Parameter {
        self.as_ref().map_or(query_import::Parameter::Null, Parameter::to_wit)
    }
}

impl<'r> Call<'r> {
    /// The value of the n-th placeholder.
    pub fn text(&self, n: usize) -> &str {
        &self.values[n]
    }

    /// The value of the n-th placeholder as something that text can be parsed as.
    pub fn parse<T: std::str::FromStr>(&self, n: usize) -> Result<T, Problem> {
        let text = &self.values[n];
        text.parse().map_err(|_| {
            let name = segments(self.path).filter_map(placeholder).nth(n).unwrap_or_default();
            let shown: String = text.chars().take(SHOWN_BYTES_MAX).collect();
            Problem::bad_request(format!("{name} of {}: '{shown}' is no {}", self.path, std::any::type_name::<T>()))
        })
    }

    /// Random numbers for this request (RANDOM); nobody can foresee or repeat them.
    pub fn random(&self) -> Random {
        Seeds::of_batch().row(0)
    }
}

/// The segments of a path: `/a/b` has two, `/` none.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/').filter(move |_| path != "/")
}

fn placeholder(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

/// Text with its percent-encoding undone; in queries a plus stands for a space. None if it is not text then.
fn decode(text: &str, in_query: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = |b: u8| (b as char).to_digit(16);
        let (byte, next) = match (first, after) {
            (b'%', [high, low, next @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => ((high * 16 + low) as u8, next),
                _ => (b'%', after),
            },
            (b'+', _) if in_query => (b' ', after),
            (byte, _) => (*byte, after),
        };
        bytes.push(byte);
        rest = next;
    }
    String::from_utf8(bytes).ok()
}

/// The values of the placeholders, if the path fits the pattern. Fixed segments are compared as they are written.
fn fit(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (mut wanted, mut sent) = (segments(pattern), segments(path));
    let mut values = Vec::new();
    loop {
        match (wanted.next(), sent.next()) {
            (None, None) => return Some(values),
            (Some(wanted), Some(sent)) => match placeholder(wanted) {
                Some(_) if sent.is_empty() => return None,
                Some(_) => values.push(decode(sent, false)?),
                None if wanted == sent => {}
                None => return None,
            },
            _ => return None,
        }
    }
}

/// The answer of the first route that fits: fixed segments go before placeholders. HEAD is answered as GET.
pub fn answer(routes: &[Route], settings: &Settings, request: &Request) -> Response {
    let mut fits: Vec<(Route, Vec<String>)> =
        routes.iter().filter_map(|route| Some((*route, fit(route.path, &request.path)?))).collect();
    fits.sort_by_key(|(_, values)| values.len());
    let method = if request.method == "HEAD" { "GET" } else { &request.method };
    if let Some((route, values)) = fits.iter().find(|(route, _)| route.method == method) {
        return (route.handle)(&Call { request, settings, path: route.path, values: values.clone() });
    }
    if fits.is_empty() {
        return Problem::not_found(format!("there is nothing at {}", request.path)).into_response();
    }
    let mut allowed: Vec<&str> = fits.iter().map(|(route, _)| route.method).collect();
    allowed.sort_unstable();
    allowed.dedup();
    let allowed = allowed.join(", ");
    let message = format!("{} takes {allowed}, not {}", request.path, request.method);
    Problem::new(405, message).into_response().with_header("allow", allowed)
}

thread_local! {
    static SETTINGS: RefCell<Settings> = RefCell::default();
}

pub fn describe(author: &str, version: &str, doc: &str, routes: &[Route]) -> wit::Description {
    let routes =
        routes.iter().map(|r| wit::Route { method: r.method.to_owned(), path: r.path.to_owned(), doc: r.doc.to_owned() });
    wit::Description {
        about: About { author: author.to_owned(), version: version.to_owned() },
        doc: doc.to_owned(),
        settings: Vec::new(),
        routes: routes.collect(),
    }
}

pub fn open(settings: Vec<Setting>) -> Result<(), String> {
    crate::capability::report_panics();
    SETTINGS.set(Settings::new(settings.into_iter().map(|s| (s.key, s.value))));
    Ok(())
}

pub fn handle(routes: &[Route], request: wit::Request) -> Result<wit::Response, String> {
    let headers = request.headers.into_iter().map(|h| (h.name, h.value)).collect();
    let request = Request { method: request.method, path: request.path, query: request.query, headers, body: request.body };
    let settings = SETTINGS.with_borrow(Settings::clone);
    let Response { status, headers, body } = answer(routes, &settings, &request);
    let headers = headers.into_iter().map(|(name, value)| wit::Header { name, value }).collect();
    Ok(wit::Response { status, headers, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> [Route; 4] {
        let route = |method, path, handle| Route { method, path, doc: "", handle };
        [
            route("GET", "/order/{id}", |call| call.text(0).into_response()),
            route("GET", "/order/last", |_| "the last".into_response()),
            route("POST", "/order/{count}", |call| call.parse::<u32>(0).map(|n| json!(n)).into_response()),
            route("GET", "/", |_| ().into_response()),
        ]
    }

    fn ask(method: &str, path: &str) -> (u16, String) {
        let request = Request { method: method.to_owned(), path: path.to_owned(), ..Request::default() };
        let response = answer(&routes(), &Settings::default(), &request);
        (response.status, String::from_utf8(response.body).unwrap())
    }

    #[test]
    fn requests_find_their_function() {
        assert_eq!(ask("GET", "/order/a%20b%2Fc"), (200, "a b/c".to_owned()));
        assert_eq!(ask("GET", "/order/last"), (200, "the last".to_owned()));
        assert_eq!(ask("HEAD", "/order/7").0, 200);
        assert_eq!(ask("POST", "/order/7"), (200, "7".to_owned()));
        assert_eq!(ask("GET", "/"), (204, String::new()));
        for (method, path, status, word) in [
            ("POST", "/order/many", 400, "count"),
            ("POST", "/order/-1", 400, "'-1'"),
            ("GET", "/order", 404, "/order"),
            ("GET", "/order/", 404, ""),
            ("GET", "/order/1/2", 404, ""),
            ("GET", "/order/%ff", 404, ""),
            ("DELETE", "/order/1", 405, "GET, POST"),
        ] {
            let (found, text) = ask(method, path);
            assert!(found == status && text.contains(word), "{method} {path}: {found} {text}");
        }
    }

    #[test]
    fn parameters_of_the_query() {
        let query = Some("limit=5&name=a+b%26c&all&x=%zz".to_owned());
        let request = Request { query, ..Request::default() };
        for (name, wanted) in
            [("limit", Some("5")), ("name", Some("a b&c")), ("all", Some("")), ("x", Some("%zz")), ("none", None)]
        {
            assert_eq!(request.parameter(name).as_deref(), wanted, "{name}");
        }
    }
}
