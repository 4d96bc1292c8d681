//! Endpoints: honest requests, hostile guests, grants.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use calzone_sandbox::{
    DataAccess, DataError, Endpoint, Fault, Grants, HttpRequest, HttpResponse, Limits, Parameter, SandboxError,
};

use crate::load;

/// Remembers what was asked, and takes its time.
#[derive(Default)]
struct Asked {
    calls: Mutex<Vec<String>>,
    delay: Duration,
}

impl DataAccess for Asked {
    fn insert(&self, into: &str, rows: &[String]) -> Result<(), DataError> {
        std::thread::sleep(self.delay);
        if into != "s" {
            return Err(DataError::Refused(format!("{into} is not granted")));
        }
        self.calls.lock().unwrap().extend(rows.iter().cloned());
        Ok(())
    }

    fn select(&self, sql: &str, parameters: &[Parameter], rows_max: usize) -> Result<Vec<String>, DataError> {
        self.calls.lock().unwrap().push(format!("{sql} {parameters:?} {rows_max}"));
        Ok(vec![r#"{"A":1,"b":"x"}"#.to_owned()])
    }
}

const GRANTED: Grants =
    Grants { random: true, clock: false, log: false, key_value: false, http: Vec::new(), insert: true, query: true };

fn open(limits: Limits, data: Arc<Asked>) -> Endpoint {
    load("hostile-endpoint").with_limits(limits).open_endpoint(&[], &GRANTED, data).unwrap()
}

fn request(method: &str, path: &str, body: &[u8]) -> HttpRequest {
    HttpRequest { method: method.to_owned(), path: path.to_owned(), body: body.to_vec(), ..HttpRequest::default() }
}

fn get(endpoint: &Endpoint, path: &str) -> Result<HttpResponse, Fault> {
    endpoint.handle(&request("GET", path, b""))
}

fn header<'r>(response: &'r HttpResponse, name: &str) -> Option<&'r str> {
    response.headers.iter().find(|(n, _)| n == name).and_then(|(_, value)| std::str::from_utf8(value).ok())
}

#[test]
fn requests_and_responses_cross_whole() {
    let endpoint = open(Limits::default(), Arc::default());
    let mut sent = request("POST", "/echo/a%20b", &[0, 255, 7]);
    sent.query = Some("x=1".to_owned());
    sent.headers = vec![("x-sent".to_owned(), b"yes".to_vec())];
    let answer = endpoint.handle(&sent).unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (201, [0, 255, 7].as_slice()));
    assert_eq!(header(&answer, "x-said"), Some("POST /echo/a%20b Some(\"x=1\") a b Some(\"yes\")"));
    assert_eq!(get(&endpoint, "/nowhere").unwrap().status, 404);
}

#[test]
fn what_a_guest_must_not_do_fails_its_request_alone() {
    let limits = Limits { request_ms: 200, memory_bytes: 16 << 20, response_bytes: 1 << 20, ..Limits::default() };
    let endpoint = open(limits, Arc::default());
    for (path, word) in [
        ("/loop", "request_ms"),
        ("/panic", "this endpoint panics"),
        ("/grow", "memory_bytes"),
        ("/deep", "stack"),
        ("/bytes/2000000", "response_bytes"),
        ("/status/99", "99"),
        ("/status/600", "600"),
    ] {
        let fault = get(&endpoint, path).expect_err(path).to_string();
        assert!(fault.contains(word), "{path}: {fault}");
        assert_eq!(get(&endpoint, "/bytes/3").unwrap().body, b"xxx", "after {path}");
    }
}

#[test]
fn instances_are_kept_and_dropped_after_a_fault() {
    let endpoint = open(Limits::default(), Arc::default());
    let seen = || String::from_utf8(get(&endpoint, "/seen").unwrap().body).unwrap();
    assert_eq!((seen().as_str(), seen().as_str()), ("1", "2"));
    get(&endpoint, "/panic").unwrap_err();
    assert_eq!(seen(), "1");
}

#[test]
fn data_is_asked_for_and_waiting_does_not_count() {
    let data = Arc::new(Asked { delay: Duration::from_millis(150), ..Asked::default() });
    let endpoint = open(Limits { request_ms: 200, ..Limits::default() }, data.clone());
    let started = Instant::now();
    let answer = endpoint.handle(&request("POST", "/insert/s/4", br#"{"n":1}"#)).unwrap();
    assert!(started.elapsed() >= Duration::from_millis(600), "it did not wait");
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"4".as_slice()));
    let answer = endpoint.handle(&request("POST", "/select/it's", b"SELECT ?")).unwrap();
    assert_eq!(answer.body, br#"[{"A":1,"b":"x"}]"#);
    let mut expected = vec![r#"{"n":1}"#.to_owned(); 4];
    expected.push(r#"SELECT ? [Text("it's")] 100000"#.to_owned());
    assert_eq!(*data.calls.lock().unwrap(), expected);
    let refused = endpoint.handle(&request("POST", "/insert/other/1", b"{}")).unwrap();
    assert!(refused.status == 500 && String::from_utf8_lossy(&refused.body).contains("other is not granted"));
}

#[test]
fn calls_for_data_are_counted() {
    let endpoint = open(Limits { request_calls: 3, ..Limits::default() }, Arc::default());
    for (times, status) in [(3, 200), (4, 500), (3, 200)] {
        let answer = endpoint.handle(&request("POST", &format!("/insert/s/{times}"), b"{}")).unwrap();
        assert_eq!(answer.status, status, "{times} calls: {}", String::from_utf8_lossy(&answer.body));
    }
}

#[test]
fn imports_must_be_granted() {
    let component = load("order-api");
    for (grants, import) in [
        (Grants::default(), "calzone:plugin/"),
        (Grants { insert: false, ..GRANTED }, "calzone:plugin/insert@1.0.0"),
        (Grants { query: false, ..GRANTED }, "calzone:plugin/query@1.0.0"),
        (Grants { random: false, ..GRANTED }, "calzone:plugin/random@1.0.0"),
    ] {
        match component.open_endpoint(&[], &grants, Arc::<Asked>::default()) {
            Err(SandboxError::NotGranted { import: named, .. }) => assert!(named.starts_with(import), "{named}"),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("{import} should have been refused"),
        }
    }
    let described = component.description.endpoint.as_ref().unwrap();
    let routes: Vec<(&str, &str)> = described.routes.iter().map(|r| (r.method.as_str(), r.path.as_str())).collect();
    assert_eq!(routes, [("POST", "/order/{count}"), ("GET", "/order/{id}")]);
    assert!(load("sauce").open_endpoint(&[], &GRANTED, Arc::<Asked>::default()).is_err(), "a stage is no endpoint");
}

/// Many threads share one endpoint; each request has an instance to itself.
#[test]
fn requests_run_side_by_side() {
    let data = Arc::new(Asked { delay: Duration::from_millis(100), ..Asked::default() });
    let endpoint = open(Limits::default(), data);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(endpoint.handle(&request("POST", "/insert/s/2", b"{}")).unwrap().status, 200));
        }
    });
    assert!(started.elapsed() < Duration::from_millis(1_200), "eight requests of 0.2 s each took {:?}", started.elapsed());
}

/// A handler that knows nothing of this host.
#[test]
fn standard_handlers_run() {
    let component = load("wasi-http");
    let endpoint = component.open_endpoint(&[], &Grants::default(), Arc::<Asked>::default()).unwrap();
    let answer = get(&endpoint, "/hello/Ada").unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"Hello, Ada!".as_slice()));
    assert_eq!(header(&answer, "content-type"), Some("text/plain; charset=utf-8"));
    let long = "ab".repeat(100_000);
    assert_eq!(endpoint.handle(&request("POST", "/upper", long.as_bytes())).unwrap().body, long.to_uppercase().as_bytes());
    let mut sent = request("GET", "/headers", b"");
    sent.headers = vec![("x-a".to_owned(), b"1".to_vec()), ("x-a".to_owned(), b"2".to_vec())];
    assert_eq!(endpoint.handle(&sent).unwrap().body, b"x-a: 1\nx-a: 2\n");
    assert_eq!(get(&endpoint, "/elsewhere").unwrap().status, 404);
    assert!(get(&endpoint, "/silent").unwrap_err().to_string().contains("no response"));
    let small = component.with_limits(Limits { response_bytes: 1_000, ..Limits::default() });
    let small = small.open_endpoint(&[], &Grants::default(), Arc::<Asked>::default()).unwrap();
    let fault = small.handle(&request("POST", "/upper", long.as_bytes())).unwrap_err();
    assert!(fault.to_string().contains("response_bytes"), "{fault}");
}
