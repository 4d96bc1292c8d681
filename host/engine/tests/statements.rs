//! The engine on the embedded log: statements, rows, and a restart.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use calzone_engine::answer::AnswerKind;
use calzone_engine::{Engine, EngineOptions, ErrorKind, RowEvent, Rows, Session, StatementError};
use calzone_log::{EmbeddedLog, EmbeddedSettings};
use calzone_sandbox::Limits;
use calzone_state::Database;
use calzone_types::{Value, value_at};

fn start(directory: &Path) -> Arc<Engine> {
    let database = Database::open(&directory.join("data")).unwrap();
    let log = Arc::new(EmbeddedLog::open(database.clone(), EmbeddedSettings::default()).unwrap());
    let options = EngineOptions {
        service_id: "test_".into(),
        state_dir: directory.into(),
        properties: Default::default(),
        compiler: "false".into(),
        limits: Limits::default(),
        outbound: None,
        cluster: None,
    };
    Engine::start(options, log, database).unwrap()
}

fn run(engine: &Engine, sql: &str) {
    let mut session = Session::default();
    session.properties.insert("ksql.streams.auto.offset.reset".into(), "earliest".into());
    engine.execute(sql, &session).unwrap_or_else(|e| panic!("{sql}\n{e}"));
}

/// All rows of a query that ends by itself.
fn rows(engine: &Engine, sql: &str) -> Vec<Vec<Value>> {
    let mut session = Session::default();
    session.properties.insert("ksql.streams.auto.offset.reset".into(), "earliest".into());
    match engine.query(sql, &session).unwrap_or_else(|e| panic!("{sql}\n{e}")) {
        Rows::Pull(pull) => (0..pull.rows).map(|row| pull.columns.iter().map(|c| value_at(c, row)).collect()).collect(),
        Rows::Stream(mut stream) => {
            let mut all = Vec::new();
            while let Some(RowEvent::Rows(batch)) = stream.rows.blocking_recv() {
                all.extend(
                    (0..batch.len())
                        .map(|row| stream.columns.iter().map(|&c| value_at(&batch.new.columns[c], row)).collect::<Vec<_>>()),
                );
            }
            all
        }
        Rows::Print(_) => unreachable!("not a PRINT"),
    }
}

fn eventually(what: &str, check: impl Fn() -> bool) {
    let started = Instant::now();
    while !check() {
        assert!(started.elapsed() < Duration::from_secs(20), "{what}: not so after 20 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn queries_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let counts = |engine: &Engine| {
        let mut all = rows(engine, "SELECT page, n FROM hits;");
        all.sort_by(|a, b| a[0].compare(&b[0]));
        all
    };
    let expected = |n: i64| vec![vec!["a".into(), Value::Bigint(n)], vec!["b".into(), Value::Bigint(n)]];
    {
        let engine = start(directory.path());
        run(
            &engine,
            "CREATE STREAM clicks (id INT KEY, page VARCHAR) WITH (KAFKA_TOPIC='clicks', PARTITIONS=2, VALUE_FORMAT='JSON');",
        );
        run(&engine, "CREATE STREAM big AS SELECT id, UCASE(page) AS p FROM clicks WHERE id > 1 EMIT CHANGES;");
        run(&engine, "CREATE TABLE hits AS SELECT page, COUNT(*) AS n FROM clicks GROUP BY page EMIT CHANGES;");
        run(&engine, "INSERT INTO clicks VALUES (1, 'a'); INSERT INTO clicks VALUES (2, 'b');");
        eventually("both pages are counted", || counts(&engine) == expected(1));
        eventually("one click is big", || rows(&engine, "SELECT p FROM big;") == vec![vec![Value::from("B")]]);
        let limited = rows(&engine, "SELECT id FROM clicks EMIT CHANGES LIMIT 2;");
        assert_eq!(limited.len(), 2);
        engine.shutdown();
    }
    let engine = start(directory.path());
    run(&engine, "INSERT INTO clicks VALUES (3, 'a'); INSERT INTO clicks VALUES (4, 'b');");
    eventually("counting goes on", || counts(&engine) == expected(2));
    eventually("three clicks are big", || rows(&engine, "SELECT p FROM big;").len() == 3);
    run(&engine, "DROP TABLE hits DELETE TOPIC; DROP STREAM big DELETE TOPIC; DROP STREAM clicks DELETE TOPIC;");
    assert!(engine.catalog().sources.is_empty());
    engine.shutdown();
}

/// The error of a request.
fn error(engine: &Engine, sql: &str) -> StatementError {
    engine.execute(sql, &Session::default()).expect_err(sql)
}

#[test]
fn a_request_is_done_as_a_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let engine = start(directory.path());
    let create = "CREATE STREAM one (id INT KEY, a INT) WITH (KAFKA_TOPIC='one', PARTITIONS=1, VALUE_FORMAT='JSON');";
    for last in [
        "DROP STREAM two;",
        "DESCRIBE two;",
        "SELECT * FROM one EMIT CHANGES;",
        "CREATE TABLE t AS SELECT b, COUNT(*) FROM one GROUP BY b;",
    ] {
        let failed = error(&engine, &format!("{create} SHOW STREAMS; {last}"));
        assert!(failed.answers.is_empty(), "{last}");
        assert!(engine.catalog().sources.is_empty(), "{last}");
        assert!(engine.log().topic("one").unwrap().is_none(), "{last}");
    }
    assert_eq!(error(&engine, &format!("{create} DROP ME;")).statement.unwrap(), format!("{create} DROP ME;"));
    // Each statement meets what those before it did: sources, topics and their partitions, queries, types, settings.
    let answers = engine
        .execute(
            &format!(
                "{create} CREATE TYPE pair AS STRUCT<x INT, y INT>; CREATE TABLE t AS SELECT id, COUNT(*) AS n FROM one GROUP BY id; \
                 CREATE STREAM two (p pair) WITH (KAFKA_TOPIC='one', VALUE_FORMAT='JSON'); DESCRIBE two; DROP TYPE pair; \
                 DROP TABLE t DELETE TOPIC; DROP STREAM two; SET 'auto.offset.reset'='earliest'; DROP STREAM one DELETE TOPIC;"
            ),
            &Session::default(),
        )
        .unwrap();
    let shown: Vec<&str> = answers.iter().map(|a| a.statement.as_str()).collect();
    assert_eq!(shown.len(), 9);
    assert_eq!(
        shown[3],
        "CREATE STREAM TWO (P STRUCT<X INTEGER, Y INTEGER>) WITH (CLEANUP_POLICY='delete', KAFKA_TOPIC='one', KEY_FORMAT='KAFKA', VALUE_FORMAT='JSON');"
    );
    assert_eq!(shown[6], "DROP TABLE T;");
    engine.shutdown();
}

#[test]
fn statements_are_kept_in_their_normal_form() {
    let directory = tempfile::tempdir().unwrap();
    let table = "CREATE TABLE T WITH (CLEANUP_POLICY='compact', KAFKA_TOPIC='T', PARTITIONS=1, REPLICAS=1, RETENTION_MS=604800000) AS SELECT\n  S.A A,\n  COUNT(*) KSQL_COL_0\nFROM S S\nGROUP BY S.A\nEMIT CHANGES;";
    let altered = "CREATE STREAM S (ID INTEGER KEY, A INTEGER) WITH (CLEANUP_POLICY='delete', KAFKA_TOPIC='s', KEY_FORMAT='KAFKA', PARTITIONS=1, VALUE_FORMAT='JSON');\nALTER STREAM s ADD COLUMN b INT;";
    let check = |engine: &Engine| {
        let answers = engine.execute("DESCRIBE s;", &Session::default()).unwrap();
        let AnswerKind::Source(described) = &answers[0].kind else { panic!("not a description") };
        assert_eq!(&*described.source.statement, altered);
        assert_eq!(described.read_queries[0].statement, table);
        assert_eq!(described.constraints, ["T"]);
    };
    {
        let engine = start(directory.path());
        run(&engine, "CREATE STREAM s (id INT KEY, a INT) WITH (KAFKA_TOPIC='s', PARTITIONS=1, VALUE_FORMAT='json');");
        run(&engine, "CREATE TABLE t AS SELECT a, COUNT(*) FROM s GROUP BY a;");
        run(&engine, "ALTER STREAM s ADD COLUMN b INT;");
        check(&engine);
        for (sql, shown) in [
            ("CREATE TABLE t AS SELECT a, COUNT(*) FROM s GROUP BY a;", table),
            ("INSERT INTO s (id, a) VALUES (1, 'secret');", "INSERT INTO `S` (`ID`, `A`) VALUES ('[value]', '[value]');"),
            ("UNSET 'no.such.setting';", "UNSET 'no.such.setting';"),
        ] {
            let failed = error(&engine, sql);
            assert_eq!((failed.kind, failed.statement.as_deref()), (ErrorKind::BadStatement, Some(shown)));
        }
        assert_eq!(error(&engine, "INSERT INTO nowhere VALUES (1);").kind, ErrorKind::BadRequest);
        engine.shutdown();
    }
    let engine = start(directory.path());
    check(&engine);
    engine.shutdown();
}

#[test]
fn explain_says_what_a_statement_would_run() {
    let directory = tempfile::tempdir().unwrap();
    let engine = start(directory.path());
    run(&engine, "CREATE STREAM s (id INT KEY, a INT) WITH (KAFKA_TOPIC='s', PARTITIONS=1, VALUE_FORMAT='JSON');");
    for (sql, id, sinks, schema) in [
        ("SELECT a FROM s x EMIT CHANGES;", "transient_X_", vec![], "`ID` INTEGER KEY, `A` INTEGER"),
        ("CREATE TABLE t AS SELECT a, COUNT(*) AS n FROM s GROUP BY a;", "CTAS_T_1", vec!["T"], "`A` INTEGER KEY, `N` BIGINT"),
        ("INSERT INTO s SELECT * FROM s;", "INSERTQUERY_1", vec!["S"], "`ID` INTEGER KEY, `A` INTEGER"),
    ] {
        let answers = engine.execute(&format!("EXPLAIN {sql}"), &Session::default()).unwrap();
        let AnswerKind::QueryDescription(described) = &answers[0].kind else { panic!("not a description") };
        assert!(described.summary.id.starts_with(id), "{}", described.summary.id);
        assert_eq!((described.summary.statement.as_str(), described.runs), (sql, false));
        assert_eq!(described.summary.sinks, sinks);
        assert_eq!(described.schema.to_string(), schema);
    }
    engine.shutdown();
}
