//! Queries over records, in memory: each case in batches of 1, 7 and 4096 records and with a restart after every record.

mod support;

use calzone_exec::materialized::{self, ResultReader};
use calzone_exec::{BuiltInsOnly, Changelog, OutputTopic, TaskOutput};
use calzone_types::{RecordBatch, Value};
use support::{Query, records};

const CLICKS: &str =
    "CREATE STREAM clicks (user STRING KEY, page STRING, n INT) WITH (kafka_topic='clicks', value_format='JSON', partitions=1);";
const VIEWS: &str =
    "CREATE STREAM views (user STRING KEY, page STRING) WITH (kafka_topic='views', value_format='JSON', partitions=1);";
const USERS: &str = "CREATE TABLE users (id STRING PRIMARY KEY, city STRING, n INT) WITH (kafka_topic='users', value_format='JSON', partitions=1);";
const CITIES: &str = "CREATE TABLE cities (name STRING PRIMARY KEY, country STRING) WITH (kafka_topic='cities', value_format='JSON', partitions=1);";

/// A failing expression is null in SELECT and false in WHERE; the record's neighbours do not notice.
#[test]
fn filters_and_projections() {
    Query::new(&[CLICKS], "CREATE STREAM o AS SELECT user, 10 / n AS q, UCASE(page) AS p FROM clicks WHERE page <> 'x';")
        .record("clicks", "a", 1, r#"{"PAGE":"home","N":5}"#)
        .record("clicks", "b", 2, r#"{"PAGE":"x","N":5}"#)
        .record("clicks", "c", 3, r#"{"PAGE":"cart","N":0}"#)
        .record("clicks", "d", 4, "not json")
        .record("clicks", "e", 5, r#"{"N":1}"#)
        .gives(&[r#"a 1 {"Q":2,"P":"HOME"}"#, r#"c 3 {"Q":null,"P":"CART"}"#]);
}

/// A branch sees only the rows that reach it, and a null operand makes the whole expression null.
#[test]
fn branches_are_lazy() {
    let select = "SELECT user, CASE WHEN n = 0 THEN -1 WHEN 10 / n > 3 THEN 1 ELSE 0 END AS c, \
                  (n = 0 OR 10 / n > 3) AS o, (n <> 0 AND 10 / n > 3) AS a, IFNULL(page, 'none') AS p FROM clicks";
    Query::new(&[CLICKS], &format!("CREATE STREAM o AS {select};"))
        .record("clicks", "a", 1, r#"{"PAGE":"home","N":0}"#)
        .record("clicks", "b", 2, r#"{"N":2}"#)
        .record("clicks", "c", 3, r#"{"PAGE":"x","N":9}"#)
        .record("clicks", "d", 4, r#"{"PAGE":"x"}"#)
        .gives(&[
            r#"a 1 {"C":-1,"O":true,"A":false,"P":"home"}"#,
            r#"b 2 {"C":1,"O":true,"A":true,"P":"none"}"#,
            r#"c 3 {"C":0,"O":false,"A":false,"P":"x"}"#,
            r#"d 4 {"C":null,"O":null,"A":false,"P":"x"}"#,
        ]);
}

/// Every record updates its group; the row's time is the latest seen.
#[test]
fn groups_of_a_stream() {
    Query::new(
        &[CLICKS],
        "CREATE TABLE o AS SELECT page, COUNT(*) AS c, SUM(n) AS s FROM clicks GROUP BY page HAVING SUM(n) < 10;",
    )
    .record("clicks", "a", 5, r#"{"PAGE":"home","N":3}"#)
    .record("clicks", "b", 2, r#"{"PAGE":"home","N":4}"#)
    .record("clicks", "c", 7, r#"{"PAGE":null,"N":4}"#)
    .record("clicks", "c", 8, r#"{"PAGE":"big","N":40}"#)
    .record("clicks", "d", 9, r#"{"PAGE":"home","N":8}"#)
    .record("clicks", "d", 9, r#"{"PAGE":"home","N":8}"#)
    .gives(&[r#"home 5 {"C":1,"S":3}"#, r#"home 5 {"C":2,"S":7}"#, "home 9 null"]);
}

/// A change of a table's row leaves its old group before it enters the new one.
#[test]
fn groups_of_a_table() {
    Query::new(&[USERS], "CREATE TABLE o AS SELECT city, COUNT(*) AS c, SUM(n) AS s FROM users GROUP BY city;")
        .record("users", "a", 1, r#"{"CITY":"rome","N":1}"#)
        .record("users", "b", 2, r#"{"CITY":"rome","N":2}"#)
        .record("users", "a", 3, r#"{"CITY":"rome","N":5}"#)
        .record("users", "b", 4, r#"{"CITY":"oslo","N":2}"#)
        .tombstone("users", "a", 5)
        .gives(&[
            r#"rome 1 {"C":1,"S":1}"#,
            r#"rome 2 {"C":2,"S":3}"#,
            r#"rome 3 {"C":2,"S":7}"#,
            r#"rome 4 {"C":1,"S":5}"#,
            r#"oslo 4 {"C":1,"S":2}"#,
            r#"rome 5 {"C":0,"S":0}"#,
        ]);
}

/// A window takes late records until its grace is over.
#[test]
fn tumbling_windows() {
    let window = "WINDOW TUMBLING (SIZE 10 MILLISECONDS, GRACE PERIOD 5 MILLISECONDS)";
    Query::new(&[CLICKS], &format!("CREATE TABLE o AS SELECT user, COUNT(*) AS c FROM clicks {window} GROUP BY user;"))
        .record("clicks", "a", 1, r#"{"N":1}"#)
        .record("clicks", "a", 12, r#"{"N":1}"#)
        .record("clicks", "a", 9, r#"{"N":1}"#)
        .record("clicks", "a", 15, r#"{"N":1}"#)
        .record("clicks", "a", 8, r#"{"N":1}"#)
        .gives(&[r#"a[0,10] 1 {"C":1}"#, r#"a[10,20] 12 {"C":1}"#, r#"a[0,10] 9 {"C":2}"#, r#"a[10,20] 15 {"C":2}"#]);
}

#[test]
fn hopping_windows_go_up() {
    let window = "WINDOW HOPPING (SIZE 10 MILLISECONDS, ADVANCE BY 5 MILLISECONDS)";
    Query::new(&[CLICKS], &format!("CREATE TABLE o AS SELECT user, COUNT(*) AS c FROM clicks {window} GROUP BY user;"))
        .record("clicks", "a", 7, r#"{"N":1}"#)
        .record("clicks", "a", 11, r#"{"N":1}"#)
        .gives(&[r#"a[0,10] 7 {"C":1}"#, r#"a[5,15] 7 {"C":1}"#, r#"a[5,15] 11 {"C":2}"#, r#"a[10,20] 11 {"C":1}"#]);
}

/// A record between two sessions joins them: both are deleted, then the whole comes.
#[test]
fn sessions_merge() {
    Query::new(
        &[CLICKS],
        "CREATE TABLE o AS SELECT user, COUNT(*) AS c FROM clicks WINDOW SESSION (10 MILLISECONDS) GROUP BY user;",
    )
    .record("clicks", "a", 0, r#"{"N":1}"#)
    .record("clicks", "a", 15, r#"{"N":1}"#)
    .record("clicks", "b", 7, r#"{"N":1}"#)
    .record("clicks", "a", 7, r#"{"N":1}"#)
    .gives(&[
        r#"a[0,0] 0 {"C":1}"#,
        r#"a[15,15] 15 {"C":1}"#,
        r#"b[7,7] 7 {"C":1}"#,
        "a[0,0] 0 null",
        "a[15,15] 15 null",
        r#"a[0,15] 15 {"C":3}"#,
    ]);
}

/// EMIT FINAL shows a window once, when stream time has passed its end and grace.
#[test]
fn final_results() {
    let window = "WINDOW TUMBLING (SIZE 10 MILLISECONDS)";
    Query::new(
        &[CLICKS],
        &format!("CREATE TABLE o AS SELECT user, COUNT(*) AS c FROM clicks {window} GROUP BY user EMIT FINAL;"),
    )
    .record("clicks", "b", 1, r#"{"N":1}"#)
    .record("clicks", "a", 2, r#"{"N":1}"#)
    .record("clicks", "b", 9, r#"{"N":1}"#)
    .record("clicks", "a", 10, r#"{"N":1}"#)
    .record("clicks", "a", 3, r#"{"N":1}"#)
    .record("clicks", "a", 21, r#"{"N":1}"#)
    .gives(&[r#"a[0,10] 2 {"C":1}"#, r#"b[0,10] 9 {"C":2}"#, r#"a[10,20] 10 {"C":1}"#]);
}

#[test]
fn stream_stream_joins() {
    let join = "FROM clicks c LEFT JOIN views v WITHIN 10 MILLISECONDS ON c.user = v.user";
    let select = "SELECT c.user, c.page AS c, v.page AS v";
    Query::new(&[CLICKS, VIEWS], &format!("CREATE STREAM o AS {select} {join};"))
        .record("clicks", "a", 0, r#"{"PAGE":"c0"}"#)
        .record("views", "a", 5, r#"{"PAGE":"v5"}"#)
        .record("views", "a", 11, r#"{"PAGE":"v11"}"#)
        .record("clicks", "a", 10, r#"{"PAGE":"c10"}"#)
        .gives(&[
            r#"a 0 {"C":"c0","V":null}"#,
            r#"a 5 {"C":"c0","V":"v5"}"#,
            r#"a 10 {"C":"c10","V":"v5"}"#,
            r#"a 11 {"C":"c10","V":"v11"}"#,
        ]);
}

/// With a grace period a miss is only given when no match can come any more.
#[test]
fn stream_stream_misses_wait_for_their_grace() {
    let join = "FROM clicks c FULL JOIN views v WITHIN 10 MILLISECONDS GRACE PERIOD 5 MILLISECONDS ON c.user = v.user";
    Query::new(&[CLICKS, VIEWS], &format!("CREATE STREAM o AS SELECT ROWKEY AS k, c.page AS c, v.page AS v {join};"))
        .record("clicks", "a", 0, r#"{"PAGE":"c0"}"#)
        .record("views", "b", 1, r#"{"PAGE":"v1"}"#)
        .record("clicks", "c", 2, r#"{"PAGE":"c2"}"#)
        .record("views", "c", 12, r#"{"PAGE":"v12"}"#)
        .record("clicks", "d", 16, r#"{"PAGE":"c16"}"#)
        .record("clicks", "e", 40, r#"{"PAGE":"c40"}"#)
        .gives(&[
            r#"c 12 {"C":"c2","V":"v12"}"#,
            r#"a 0 {"C":"c0","V":null}"#,
            r#"b 1 {"C":null,"V":"v1"}"#,
            r#"d 16 {"C":"c16","V":null}"#,
        ]);
}

#[test]
fn stream_table_joins() {
    let select = "SELECT c.user, c.page, u.city FROM clicks c JOIN users u ON c.user = u.id";
    Query::new(&[CLICKS, USERS], &format!("CREATE STREAM o AS {select};"))
        .record("clicks", "a", 1, r#"{"PAGE":"early"}"#)
        .record("users", "a", 9, r#"{"CITY":"rome"}"#)
        .record("clicks", "a", 3, r#"{"PAGE":"home"}"#)
        .record("users", "a", 9, r#"{"CITY":"oslo"}"#)
        .record("clicks", "a", 4, r#"{"PAGE":"home"}"#)
        .tombstone("users", "a", 10)
        .record("clicks", "a", 5, r#"{"PAGE":"late"}"#)
        .gives(&[r#"a 3 {"PAGE":"home","CITY":"rome"}"#, r#"a 4 {"PAGE":"home","CITY":"oslo"}"#]);
}

#[test]
fn table_table_joins() {
    let select = "SELECT u.id, u.city, c.country FROM users u FULL JOIN cities c ON u.id = c.name";
    Query::new(&[USERS, CITIES], &format!("CREATE TABLE o AS {};", select.replace("u.id,", "ROWKEY AS k,")))
        .record("users", "a", 1, r#"{"CITY":"rome"}"#)
        .record("cities", "a", 5, r#"{"COUNTRY":"it"}"#)
        .record("users", "a", 3, r#"{"CITY":"oslo"}"#)
        .tombstone("users", "a", 4)
        .tombstone("cities", "a", 6)
        .tombstone("cities", "a", 7)
        .gives(&[
            r#"a 1 {"CITY":"rome","COUNTRY":null}"#,
            r#"a 5 {"CITY":"rome","COUNTRY":"it"}"#,
            r#"a 5 {"CITY":"oslo","COUNTRY":"it"}"#,
            r#"a 5 {"CITY":null,"COUNTRY":"it"}"#,
            "a 6 null",
        ]);
}

#[test]
fn foreign_key_joins() {
    let select = "SELECT u.id, u.city, c.country FROM users u JOIN cities c ON u.city = c.name";
    Query::new(&[USERS, CITIES], &format!("CREATE TABLE o AS {select};"))
        .record("users", "b", 1, r#"{"CITY":"rome"}"#)
        .record("users", "a", 2, r#"{"CITY":"rome"}"#)
        .record("cities", "rome", 3, r#"{"COUNTRY":"it"}"#)
        .record("cities", "oslo", 4, r#"{"COUNTRY":"no"}"#)
        .record("users", "a", 5, r#"{"CITY":"oslo"}"#)
        .record("cities", "rome", 6, r#"{"COUNTRY":"IT"}"#)
        .tombstone("users", "b", 7)
        .record("users", "a", 8, r#"{"CITY":"nowhere"}"#)
        .gives(&[
            r#"a 3 {"CITY":"rome","COUNTRY":"it"}"#,
            r#"b 3 {"CITY":"rome","COUNTRY":"it"}"#,
            r#"a 5 {"CITY":"oslo","COUNTRY":"no"}"#,
            r#"b 6 {"CITY":"rome","COUNTRY":"IT"}"#,
            "b 7 null",
            "a 8 null",
        ]);
}

/// An answer to an older state of the left row is dropped, so a joined table can be grouped.
#[test]
fn a_foreign_key_join_can_be_grouped() {
    let select = "SELECT c.country, COUNT(*) AS n FROM users u JOIN cities c ON u.city = c.name GROUP BY c.country";
    Query::new(&[USERS, CITIES], &format!("CREATE TABLE o AS {select};"))
        .record("cities", "rome", 1, r#"{"COUNTRY":"it"}"#)
        .record("cities", "oslo", 1, r#"{"COUNTRY":"no"}"#)
        .record("users", "a", 2, r#"{"CITY":"rome"}"#)
        .record("users", "a", 3, r#"{"CITY":"oslo"}"#)
        .gives(&[r#"it 2 {"N":1}"#, r#"it 3 {"N":0}"#, r#"no 3 {"N":1}"#]);
}

#[test]
fn partition_by_and_table_functions() {
    let schema =
        "CREATE STREAM s (id STRING KEY, v ARRAY<INT>, g STRING) WITH (kafka_topic='s', value_format='JSON', partitions=1);";
    Query::new(&[schema], "CREATE STREAM o AS SELECT g, EXPLODE(v) AS a, EXPLODE(ARRAY[1, 2]) AS b FROM s PARTITION BY g;")
        .record("s", "x", 1, r#"{"V":[7,8,9],"G":"g1"}"#)
        .record("s", "x", 2, r#"{"V":null,"G":"g2"}"#)
        .tombstone("s", "x", 3)
        .gives(&[
            r#"g1 1 {"A":7,"B":1}"#,
            r#"g1 1 {"A":8,"B":2}"#,
            r#"g1 1 {"A":9,"B":null}"#,
            r#"g2 2 {"A":null,"B":1}"#,
            r#"g2 2 {"A":null,"B":2}"#,
        ]);
}

/// The same records, in whatever batches and however often restarted, give the same output.
#[test]
fn batches_and_restarts_do_not_matter() {
    let grouped = "CREATE TABLE o AS SELECT page, COUNT(*) AS c, LATEST_BY_OFFSET(n) AS l FROM clicks";
    let full = "FROM clicks c FULL JOIN views v WITHIN 20 MILLISECONDS GRACE PERIOD 10 MILLISECONDS ON c.user = v.user";
    let queries: [(&[&str], String); 9] = [
        (&[CLICKS], "CREATE STREAM o AS SELECT *, 100 / n AS q FROM clicks WHERE n > 2 OR page = 'p1' PARTITION BY page;".into()),
        (&[CLICKS], format!("{grouped} GROUP BY page HAVING COUNT(*) > 2;")),
        (&[CLICKS], format!("{grouped} WINDOW TUMBLING (SIZE 30 MILLISECONDS, GRACE PERIOD 20 MILLISECONDS) GROUP BY page;")),
        (
            &[CLICKS],
            format!(
                "{grouped} WINDOW HOPPING (SIZE 30 MILLISECONDS, ADVANCE BY 10 MILLISECONDS, GRACE PERIOD 5 MILLISECONDS) GROUP BY page EMIT FINAL;"
            ),
        ),
        (&[CLICKS], format!("{grouped} WINDOW SESSION (5 MILLISECONDS, GRACE PERIOD 20 MILLISECONDS) GROUP BY page;")),
        (&[CLICKS, VIEWS], format!("CREATE STREAM o AS SELECT ROWKEY AS k, c.page, v.page {full};")),
        (
            &[CLICKS, USERS],
            "CREATE STREAM o AS SELECT c.page, u.city, n FROM clicks c LEFT JOIN users u ON c.page = u.id;"
                .replace("n FROM", "c.n FROM"),
        ),
        (
            &[USERS, CITIES],
            "CREATE TABLE o AS SELECT u.id, u.n, c.country FROM users u LEFT JOIN cities c ON u.city = c.name;".into(),
        ),
        (&[USERS], "CREATE TABLE o AS SELECT city, SUM(n) AS s FROM users WHERE n <> 3 GROUP BY city;".into()),
    ];
    for (sources, query) in &queries {
        let mut test = Query::new(sources, query);
        let mut seed = 42u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let topics: Vec<&str> =
            ["clicks", "views", "users", "cities"].into_iter().filter(|t| sources.iter().any(|s| s.contains(t))).collect();
        for i in 0..120 {
            let topic = topics[random(topics.len() as u64) as usize];
            let time = i + random(40) as i64;
            let (key, page) = (format!("p{}", random(4)), random(4));
            let value = format!(r#"{{"PAGE":"p{page}","CITY":"p{page}","COUNTRY":"c{}","N":{}}}"#, random(3), random(6));
            test = match random(10) {
                0 => test.tombstone(topic, &key, time),
                _ => test.record(topic, &key, time, &value),
            };
        }
        test.agrees();
    }
}

/// With a cache only the last change of each group is forwarded, at the flush.
#[test]
fn a_cache_forwards_the_last_change() {
    Query::new(&[CLICKS], "CREATE TABLE o AS SELECT page, SUM(n) AS s FROM clicks GROUP BY page HAVING SUM(n) < 10;")
        .record("clicks", "a", 1, r#"{"PAGE":"x","N":1}"#)
        .record("clicks", "a", 2, r#"{"PAGE":"y","N":2}"#)
        .record("clicks", "a", 3, r#"{"PAGE":"x","N":3}"#)
        .flush()
        .record("clicks", "a", 4, r#"{"PAGE":"x","N":30}"#)
        .record("clicks", "a", 5, r#"{"PAGE":"z","N":30}"#)
        .gives_cached(&[r#"x 3 {"S":4}"#, r#"y 2 {"S":2}"#, "x 4 null"]);
}

/// A table's store is restored from the table's topic.
#[test]
fn a_source_table_is_restored_from_its_topic() {
    let select = "SELECT c.user, u.city FROM clicks c JOIN users u ON c.user = u.id";
    let topology = Query::new(&[CLICKS, USERS], &format!("CREATE STREAM o AS {select};")).topology();
    let [part] = topology.parts() else { panic!("the join needs no internal topic") };
    let mut task = part.task(0, &mut BuiltInsOnly).expect("the task can be made");
    let store =
        topology.stores().iter().find(|store| store.changelog == Changelog::Topic("users".into())).expect("the table is stored");
    let table = [("a", 1, Some(r#"{"CITY":"rome"}"#)), ("b", 1, Some(r#"{"CITY":"oslo"}"#)), ("a", 2, None)];
    task.restore(&store.name, &records(&table)).expect("the store can be restored");
    let mut out = TaskOutput::new();
    task.process("clicks", &records(&[("a", 5, Some("{}")), ("b", 6, Some("{}"))]), &mut out)
        .expect("the records can be processed");
    let [(OutputTopic::Sink, joined)] = out.records.as_slice() else { panic!("only the sink is written") };
    let values: Vec<_> = joined.iter().map(|record| (record.key, record.value)).collect();
    assert_eq!(values, [(Some(&b"b"[..]), Some(&br#"{"CITY":"oslo"}"#[..]))]);
}

/// The rows kept for pull queries are those of the sink's topic, and are restored from it.
#[test]
fn results_are_kept_and_restored() {
    let window = "WINDOW TUMBLING (SIZE 10 MILLISECONDS)";
    let query =
        Query::new(&[CLICKS], &format!("CREATE TABLE o AS SELECT user, COUNT(*) AS c FROM clicks {window} GROUP BY user;"));
    let topology = query.topology();
    let sink = query.sink();
    let [part] = topology.parts() else { panic!("the stream is keyed by its group") };
    let reader = ResultReader::new(&sink.schema, sink.window.is_some());
    let rows_of = |task: &mut calzone_exec::Task| {
        let mut rows = Vec::new();
        let (from, to) = materialized::all_rows();
        let store = task.store("result").expect("the result is kept");
        materialized::scan(store, &reader, &from, &to, &mut |row| {
            rows.push((row.key, row.window, row.timestamp, row.value));
            true
        })
        .expect("the store can be read");
        rows
    };
    let mut task = part.task(0, &mut BuiltInsOnly).expect("the task can be made");
    let mut out = TaskOutput::new();
    let input = [("b", 1, Some("{}")), ("a", 12, Some("{}")), ("a", 3, Some("{}")), ("b", 4, Some("{}"))];
    task.process("clicks", &records(&input), &mut out).expect("the records can be processed");
    let row = |key: &str, start, timestamp, count| {
        (vec![Value::from(key)], Some((start, start + 10)), timestamp, vec![Value::Bigint(count)])
    };
    let expected = [row("a", 0, 3, 1), row("a", 10, 12, 1), row("b", 0, 4, 2)];
    assert_eq!(rows_of(&mut task), expected);

    // Its changelog holds the store's own entries.
    let mut changelog = RecordBatch::default();
    let store = task.store("result").expect("the result is kept");
    store
        .range(&[], &[], &mut |key, value| {
            changelog.push_with(
                0,
                0,
                0,
                |out| {
                    out.extend_from_slice(key);
                    true
                },
                |out| {
                    out.extend_from_slice(value);
                    true
                },
            );
            std::ops::ControlFlow::Continue(())
        })
        .expect("the store can be read");
    let mut restored = part.task(0, &mut BuiltInsOnly).expect("the task can be made");
    restored.restore("result", &changelog).expect("the store can be restored");
    assert_eq!(rows_of(&mut restored), expected);
}

/// Functions that take the steps of a batch at a time give what the others give, for every record.
#[test]
fn steps_of_a_batch() {
    let both = "SUM(n) AS s, STEPS_SUM(n) AS t";
    let stream = |query: &str| {
        Query::new(&[CLICKS], query)
            .record("clicks", "a", 5, r#"{"PAGE":"home","N":3}"#)
            .record("clicks", "b", 2, r#"{"PAGE":"cart","N":4}"#)
            .record("clicks", "c", 12, r#"{"PAGE":"home","N":5}"#)
            .flush()
            .record("clicks", "d", 13, r#"{"PAGE":"home","N":8}"#)
            .record("clicks", "d", 13, r#"{"PAGE":"cart","N":1}"#)
    };
    let grouped = stream(&format!("CREATE TABLE o AS SELECT page, {both} FROM clicks GROUP BY page;"));
    grouped.gives(&[
        r#"home 5 {"S":3,"T":3}"#,
        r#"cart 2 {"S":4,"T":4}"#,
        r#"home 12 {"S":8,"T":8}"#,
        r#"home 13 {"S":16,"T":16}"#,
        r#"cart 13 {"S":5,"T":5}"#,
    ]);
    grouped.gives_cached(&[
        r#"home 12 {"S":8,"T":8}"#,
        r#"cart 2 {"S":4,"T":4}"#,
        r#"home 13 {"S":16,"T":16}"#,
        r#"cart 13 {"S":5,"T":5}"#,
    ]);
    // HAVING needs what was there before.
    let having = stream(&format!("CREATE TABLE o AS SELECT page, {both} FROM clicks GROUP BY page HAVING STEPS_SUM(n) < 10;"));
    having.gives(&[
        r#"home 5 {"S":3,"T":3}"#,
        r#"cart 2 {"S":4,"T":4}"#,
        r#"home 12 {"S":8,"T":8}"#,
        "home 13 null",
        r#"cart 13 {"S":5,"T":5}"#,
    ]);
    having.gives_cached(&[r#"home 12 {"S":8,"T":8}"#, r#"cart 2 {"S":4,"T":4}"#, "home 13 null", r#"cart 13 {"S":5,"T":5}"#]);
    let windows = stream(&format!(
        "CREATE TABLE o AS SELECT page, {both} FROM clicks WINDOW TUMBLING (SIZE 10 MILLISECONDS) GROUP BY page;"
    ));
    windows.gives(&[
        r#"home[0,10] 5 {"S":3,"T":3}"#,
        r#"cart[0,10] 2 {"S":4,"T":4}"#,
        r#"home[10,20] 12 {"S":5,"T":5}"#,
        r#"home[10,20] 13 {"S":13,"T":13}"#,
        r#"cart[10,20] 13 {"S":1,"T":1}"#,
    ]);
    let sessions = format!("CREATE TABLE o AS SELECT page, {both} FROM clicks WINDOW SESSION (8 MILLISECONDS) GROUP BY page;");
    stream(&sessions).gives(&[
        r#"home[5,5] 5 {"S":3,"T":3}"#,
        r#"cart[2,2] 2 {"S":4,"T":4}"#,
        "home[5,5] 5 null",
        r#"home[5,12] 12 {"S":8,"T":8}"#,
        "home[5,12] 12 null",
        r#"home[5,13] 13 {"S":16,"T":16}"#,
        r#"cart[13,13] 13 {"S":1,"T":1}"#,
    ]);
    Query::new(&[USERS], &format!("CREATE TABLE o AS SELECT city, {both} FROM users GROUP BY city;"))
        .record("users", "a", 1, r#"{"CITY":"Rome","N":3}"#)
        .record("users", "b", 2, r#"{"CITY":"Rome","N":4}"#)
        .record("users", "a", 3, r#"{"CITY":"Rome","N":5}"#)
        .record("users", "b", 4, r#"{"CITY":"Oslo","N":6}"#)
        .tombstone("users", "a", 5)
        .gives(&[
            r#"Rome 1 {"S":3,"T":3}"#,
            r#"Rome 2 {"S":7,"T":7}"#,
            r#"Rome 3 {"S":9,"T":9}"#,
            r#"Rome 4 {"S":5,"T":5}"#,
            r#"Oslo 4 {"S":6,"T":6}"#,
            r#"Rome 5 {"S":0,"T":0}"#,
        ]);
}
