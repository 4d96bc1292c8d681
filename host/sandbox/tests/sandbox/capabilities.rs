//! What must be granted: a store, requests, lots; and stages with several outputs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrow_array::ArrayRef;
use calzone_functions::{Argument, Scalar};
use calzone_sandbox::http::{Outbound, OutboundError, OutboundRequest, OutboundResponse};
use calzone_sandbox::{FaultListener, Grants, KeyValue, Limits, Place, Sandbox, SandboxError, StageBatch};
use calzone_types::{Column, Origin, Schema, SqlType, Value, column_from_values, value_at};

use crate::{ALL, binding, guest, load, options};

fn schema() -> Schema {
    Schema::new([Column::value("USR", SqlType::Varchar), Column::value("N", SqlType::Bigint)])
}

fn origin(first: i64, rows: usize) -> Origin {
    Origin { topic: "t".into(), partition: 1, offsets: (first..first + rows as i64).collect() }
}

fn batch(columns: Vec<ArrayRef>, first: i64, rows: usize) -> StageBatch {
    StageBatch { columns, timestamps: (0..rows as i64).collect(), headers: None, origin: origin(first, rows) }
}

/// A store in memory.
#[derive(Default)]
struct Map(BTreeMap<Vec<u8>, Vec<u8>>);

impl KeyValue for Map {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, String> {
        Ok(self.0.get(key).cloned())
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        self.0.insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), String> {
        self.0.remove(key);
        Ok(())
    }

    fn scan(&self, from: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), String> {
        self.0.range(from.to_vec()..).all(|(key, value)| visit(key, value));
        Ok(())
    }
}

/// Rows of the stage `number`, in batches of `size`: (row, number, users), and rows that failed.
fn number(users: &[&str], ns: &[i64], size: usize) -> (Vec<(usize, i64, i64)>, Vec<usize>) {
    let mut stage = load("number").instantiate_stage("number", &[], &schema(), &ALL).unwrap();
    let mut store: Option<Box<dyn KeyValue>> = Some(Box::new(Map::default()));
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for start in (0..users.len()).step_by(size) {
        let len = size.min(users.len() - start);
        let texts: Vec<Value> = users[start..start + len].iter().map(|u| Value::from(*u)).collect();
        let numbers: Vec<Value> = ns[start..start + len].iter().map(|n| Value::Bigint(*n)).collect();
        let columns = vec![column_from_values(&SqlType::Varchar, &texts), column_from_values(&SqlType::Bigint, &numbers)];
        let answer = stage.process(&batch(columns, start as i64, len), &mut store);
        let out = &answer.outputs[0];
        for (i, row) in out.source_rows.iter().enumerate() {
            let value = |c: usize| value_at(&out.columns[c], i).as_i64().unwrap();
            rows.push((start + *row as usize, value(0), value(1)));
        }
        failed.extend(answer.errors.iter().map(|e| start + e.row as usize));
    }
    (rows, failed)
}

#[test]
fn a_store_is_the_same_however_batches_are_cut_and_calls_fail() {
    let users = ["ada", "bob", "ada", "eve", "ada", "bob", "eve"];
    // The fourth row panics after it has written: nothing of that stays. The fifth deletes.
    let ns = [1, 1, 1, -13, 0, 1, 1];
    let wanted = (vec![(0, 1, 1), (1, 1, 2), (2, 2, 2), (4, 3, 1), (5, 2, 1), (6, 1, 2)], vec![3]);
    for size in [1, 2, 3, 7] {
        assert_eq!(number(&users, &ns, size), wanted, "batches of {size}");
    }
}

#[test]
fn what_is_not_granted_is_refused_by_name() {
    let refused = load("number").open_stage("number", &[], &schema(), &Grants::default()).unwrap_err();
    assert!(
        matches!(&refused, SandboxError::NotGranted { import, .. } if import == "calzone:plugin/key-value@1.0.0"),
        "{refused}"
    );
    assert!(refused.to_string().contains("add KEY VALUE to GRANT"), "{refused}");
    let config = [("url".to_owned(), "http://a/".to_owned())];
    let refused = load("ask").open_stage("ask", &config, &schema(), &Grants::default()).unwrap_err();
    assert!(refused.to_string().contains("add HTTP TO 'host:port' to GRANT"), "{refused}");
}

#[test]
fn a_store_has_a_limit() {
    let component = load("number").with_limits(Limits { store_bytes: 20, ..Limits::default() });
    let mut stage = component.instantiate_stage("number", &[], &schema(), &ALL).unwrap();
    let mut store: Option<Box<dyn KeyValue>> = Some(Box::new(Map::default()));
    let columns = vec![
        column_from_values(&SqlType::Varchar, &[Value::from("ada"), Value::from("a very long name")]),
        column_from_values(&SqlType::Bigint, &[Value::Bigint(1), Value::Bigint(1)]),
    ];
    let answer = stage.process(&batch(columns, 0, 2), &mut store);
    assert_eq!((answer.outputs[0].source_rows.as_slice(), answer.errors.len()), ([0].as_slice(), 1));
    assert!(answer.errors[0].message.contains("store_bytes"), "{}", answer.errors[0].message);
}

/// Answers every request with its path, slowly, and remembers what was asked.
#[derive(Debug, Default)]
struct Echo(Mutex<Vec<String>>);

impl Outbound for Echo {
    fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        self.0.lock().unwrap().push(format!("{} {}{}", request.method, request.place, request.path));
        std::thread::sleep(std::time::Duration::from_millis(30));
        Ok(OutboundResponse { status: 200, headers: Vec::new(), body: request.path.into_bytes() })
    }
}

#[test]
fn requests_go_where_they_are_granted_and_take_no_time_of_the_batch() {
    let directory = tempfile::tempdir().unwrap();
    let echo = Arc::new(Echo::default());
    let limits = Limits { batch_ms: 100, ..Limits::default() };
    let mut options = options(directory.path().join("compiled"), limits);
    options.outbound = Some(echo.clone());
    let component = Sandbox::new(options).unwrap().load("ask", &guest("ask")).unwrap();
    let granted = Grants { http: vec![Place::parse("api.example.org:80").unwrap()], ..Grants::default() };
    let ask = |url: &str, component: &calzone_sandbox::Component| {
        let config = [("url".to_owned(), url.to_owned())];
        let mut stage = component.instantiate_stage("ask", &config, &schema(), &granted).unwrap();
        let users: Vec<Value> = (0..8).map(|i| Value::from(format!("u{i}").as_str())).collect();
        stage.process(&batch(vec![column_from_values(&SqlType::Varchar, &users)], 0, 8), &mut None)
    };
    let answer = ask("http://api.example.org/x/", &component);
    assert_eq!(answer.errors, []);
    assert_eq!(value_at(&answer.outputs[0].columns[0], 7), Value::from("200 /x/u7"));
    assert_eq!(echo.0.lock().unwrap().len(), 8);
    let denied = ask("http://other.example.org/", &component);
    assert_eq!(denied.errors.len(), 8);
    assert!(denied.errors[0].message.contains("HTTP TO 'other.example.org:80' is not granted"), "{}", denied.errors[0].message);
    // Other ways to name other places, this computer among them. Nothing leaves.
    for url in [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0/",
        "https://api.example.org/",
        "http://api.example.org:8080/",
        "http://api.example.org.evil.example/",
        "http://api.example.org@evil.example/",
        "http://api.example.org:80@evil.example/",
        "http://evil.example\\@api.example.org/",
        "http://api.example.org\r\nHost: evil.example/",
        "//api.example.org/",
        "ftp://api.example.org/",
        "file:///etc/passwd",
        "http://",
        "",
    ] {
        let answer = ask(url, &component);
        assert_eq!(answer.errors.len(), 8, "{url}");
    }
    assert_eq!(echo.0.lock().unwrap().len(), 8);
    let confined = ask("http://api.example.org/", &component.without_outbound());
    assert_eq!(confined.errors.len(), 8);
    assert_eq!(echo.0.lock().unwrap().len(), 8);
}

#[test]
fn a_function_draws_the_same_for_the_same_record() {
    let component = load("draw");
    let draw = |size: usize| {
        let mut function = component.instantiate_scalar("draw", &binding(&[SqlType::Bigint], SqlType::Bigint), &ALL).unwrap();
        assert!(function.wants_origin());
        let mut drawn = Vec::new();
        for start in (0..60).step_by(size) {
            let len = size.min(60 - start);
            function.set_origin(&origin(start as i64, len));
            let column = column_from_values(&SqlType::Bigint, &vec![Value::Bigint(1_000); len]);
            let answer = function.call(&mut [Argument::Column(column)], len);
            drawn.extend((0..len).map(|row| value_at(&answer.column, row).as_i64().unwrap()));
        }
        drawn
    };
    let whole = draw(60);
    assert!(whole.iter().collect::<std::collections::HashSet<_>>().len() > 20, "{whole:?}");
    assert_eq!((draw(1), draw(7)), (whole.clone(), whole));
}

#[test]
fn a_router_parts_its_rows() {
    let columns = Schema::new([Column::key("ID", SqlType::Integer), Column::value("COUNT", SqlType::Bigint)]);
    let component = load("router");
    let plan = component.open_stage("by_count", &[], &columns, &Grants::default()).unwrap();
    let names: Vec<&str> = plan.outputs.iter().map(|o| &*o.name).collect();
    assert_eq!(names, ["large", "small"]);
    assert!(plan.outputs.iter().all(|o| o.output_schema(&columns) == columns));
    let mut stage = component.instantiate_stage("by_count", &[], &columns, &Grants::default()).unwrap();
    let counts = [Value::Bigint(10), Value::Bigint(3), Value::Null, Value::Bigint(-1), Value::Bigint(99)];
    let answer = stage.process(&batch(vec![column_from_values(&SqlType::Bigint, &counts)], 0, 5), &mut None);
    assert_eq!(answer.outputs[0].source_rows, [0, 4]);
    assert_eq!(answer.outputs[1].source_rows, [1]);
    assert_eq!(answer.errors.iter().map(|e| (e.row, e.message.as_str())).collect::<Vec<_>>(), [(3, "the count is -1")]);
}

/// Counts what it is told.
#[derive(Default)]
struct Count(Mutex<(usize, usize, String)>);

impl FaultListener for Count {
    fn call_failed(&self, _: std::time::Duration) {
        self.0.lock().unwrap().0 += 1;
    }

    fn records_failed(&self, records: usize, cause: &str) {
        let mut counted = self.0.lock().unwrap();
        counted.1 += records;
        cause.clone_into(&mut counted.2);
    }
}

#[test]
fn faults_are_told_and_errors_are_not() {
    let tell = |function: &str| {
        let count = Arc::new(Count::default());
        let component = load("hostile").watched_by(count.clone());
        let mut function = component.instantiate_scalar(function, &binding(&[SqlType::Bigint], SqlType::Bigint), &ALL).unwrap();
        let rows: Vec<Value> = (0..8).map(|i| Value::Bigint(if i == 3 || i == 4 { -1 } else { i })).collect();
        function.call(&mut [Argument::Column(column_from_values(&SqlType::Bigint, &rows))], 8);
        let counted = count.0.lock().unwrap();
        (counted.0, counted.1, counted.2.clone())
    };
    let panicked = tell("panic");
    // 8 fail, both halves, both quarters in the middle, and the two rows.
    assert_eq!((panicked.0, panicked.1), (7, 2));
    assert!(panicked.2.contains("no number may be negative"), "{}", panicked.2);
    assert_eq!(tell("fail").1, 0);
}

#[test]
fn instances_are_counted() {
    let component = load("router").with_limits(Limits { instances: 1, ..Limits::default() });
    let columns = Schema::new([Column::value("COUNT", SqlType::Bigint)]);
    let open = || component.instantiate_stage("by_count", &[], &columns, &Grants::default());
    // Other tests hold instances of this plugin now and then.
    let mut tries = (0..200).map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        open()
    });
    let first = tries.find_map(Result::ok).expect("an instance is free now and then");
    let refused = open().err().unwrap().to_string();
    assert!(refused.contains("it has 1 instances already (instances)"), "{refused}");
    drop(first);
}
