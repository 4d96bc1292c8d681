//! Rows of queries, piece by piece.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, BOTH, Http, Server, eventually, piece};

const STREAM: &str = "CREATE STREAM s (k STRING KEY, v INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);\
    INSERT INTO s VALUES ('a', 1); INSERT INTO s VALUES ('b', 2); INSERT INTO s VALUES ('a', 3);";

fn earliest() -> Value {
    json!({ "auto.offset.reset": "earliest" })
}

#[tokio::test]
async fn each_row_is_a_piece_in_every_format_and_version() {
    let server = Server::start();
    server.ksql(STREAM).await;
    let head = r#""columnNames":["K","V"],"columnTypes":["STRING","INTEGER"]}"#;
    for version in BOTH {
        let mut client = server.client(version).await;
        let body = json!({ "sql": "SELECT * FROM s EMIT CHANGES LIMIT 2;", "properties": earliest() }).to_string();
        for (accept, content_type, head_end, rows) in [
            (None, "application/vnd.ksqlapi.delimited.v1", format!("{head}\n"), vec!["[\"a\",1]\n", "[\"b\",2]\n"]),
            (Some("*/*"), "application/vnd.ksqlapi.delimited.v1", format!("{head}\n"), vec!["[\"a\",1]\n", "[\"b\",2]\n"]),
            (Some("application/json"), "application/json", head.to_owned(), vec![",[\"a\",1]", ",[\"b\",2]", "]"]),
            (
                Some("application/vnd.ksql.v1+json"),
                "application/vnd.ksql.v1+json",
                "\"schema\":\"`K` STRING, `V` INTEGER\"}},\n".to_owned(),
                vec![
                    "{\"row\":{\"columns\":[\"a\",1]}},\n",
                    "{\"row\":{\"columns\":[\"b\",2]}},\n",
                    "{\"finalMessage\":\"Limit Reached\"}",
                    "]",
                ],
            ),
        ] {
            let headers: Vec<(&str, &str)> = accept.iter().map(|a| ("accept", *a)).collect();
            let answer = client.send(Method::POST, "/query-stream", &headers, body.clone()).await;
            assert_eq!((answer.status, answer.content_type()), (200, Some(content_type)), "{version:?} {accept:?}");
            assert!(answer.pieces[0].ends_with(&head_end), "{version:?} {accept:?}: {:?}", answer.pieces);
            assert_eq!(answer.pieces[1..], rows, "{version:?} {accept:?}");
            assert!(answer.headers.get("content-length").is_none());
        }
        let body = json!({ "ksql": "SELECT v FROM s WHERE k = 'a';", "streamsProperties": earliest() });
        let answer = client.post("/query", &body).await;
        assert_eq!(answer.pieces[1..3], ["{\"row\":{\"columns\":[1]}},\n", "{\"row\":{\"columns\":[3]}},\n"]);
        assert_eq!(answer.json().as_array().map(|a| a.last().cloned()), Some(Some(json!({ "finalMessage": "Query Completed" }))));
    }
}

#[tokio::test]
async fn pull_queries_over_tables() {
    let server = Server::start();
    server.ksql(STREAM).await;
    let body = json!({
        "ksql": "CREATE TABLE t AS SELECT k, COUNT(*) AS n FROM s GROUP BY k;",
        "streamsProperties": earliest(),
    });
    assert_eq!(server.client(Http::One).await.post("/ksql", &body).await.status, 200);
    let ask = json!({ "ksql": "SELECT * FROM t WHERE k = 'a';" });
    for version in BOTH {
        let answer: Answer = eventually(async || {
            let answer = server.client(version).await.post("/query", &ask).await;
            answer.text().contains("[\"a\",2]").then_some(answer)
        })
        .await;
        assert_eq!(answer.pieces.len(), 1, "one piece: {:?}", answer.pieces);
        assert_eq!(answer.json()[0]["header"]["schema"], "`K` STRING KEY, `N` BIGINT");
        assert_eq!(answer.json()[1], json!({ "row": { "columns": ["a", 2] } }));
    }
}

#[tokio::test]
async fn closing_a_query_ends_its_rows() {
    let server = Server::start();
    server.ksql(STREAM).await;
    for version in BOTH {
        let mut client = server.client(version).await;
        let body = json!({ "sql": "SELECT k FROM s EMIT CHANGES;", "properties": earliest() }).to_string();
        let mut rows = client.open(Method::POST, "/query-stream", &[], body).await.into_body();
        let head: Value = serde_json::from_str(&piece(&mut rows).await.unwrap()).unwrap();
        for row in ["[\"a\"]\n", "[\"b\"]\n", "[\"a\"]\n"] {
            assert_eq!(piece(&mut rows).await.as_deref(), Some(row));
        }
        let close = json!({ "queryId": head["queryId"] });
        let closed = server.client(version).await.post("/close-query", &close).await;
        assert_eq!((closed.status, closed.text().as_str()), (200, ""));
        assert_eq!(piece(&mut rows).await, None, "{version:?}");
        let again = server.client(version).await.post("/close-query", &close).await;
        assert_eq!((again.status, again.content_type()), (400, None));
    }
}

async fn push_queries(server: &Server) -> usize {
    server.ksql("SHOW QUERIES;").await[0]["queries"]
        .as_array()
        .map_or(0, |q| q.iter().filter(|q| q["queryType"] == "PUSH").count())
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_query() {
    let server = Server::start();
    server.ksql(STREAM).await;
    for version in BOTH {
        let mut client = server.client(version).await;
        let body = json!({ "sql": "SELECT k FROM s EMIT CHANGES;" }).to_string();
        let mut rows = client.open(Method::POST, "/query-stream", &[], body).await.into_body();
        piece(&mut rows).await.unwrap();
        assert_eq!(push_queries(&server).await, 1);
        drop((rows, client));
        eventually(async || (push_queries(&server).await == 0).then_some(())).await;
    }
}

#[tokio::test]
async fn rows_that_come_later_arrive_at_once() {
    let server = Server::start();
    server.ksql(STREAM).await;
    let mut client = server.client(Http::Two).await;
    let body = json!({ "sql": "SELECT v FROM s EMIT CHANGES;" }).to_string();
    let mut rows = client.open(Method::POST, "/query-stream", &[], body).await.into_body();
    // The head comes although there is no row, and the query's beginning is fixed by then.
    piece(&mut rows).await.unwrap();
    for v in 10..13 {
        server.ksql(&format!("INSERT INTO s VALUES ('x', {v});")).await;
        assert_eq!(piece(&mut rows).await, Some(format!("[{v}]\n")));
    }
    let nothing = tokio::time::timeout(Duration::from_millis(1500), piece(&mut rows)).await;
    assert!(nothing.is_err(), "an idle query sends nothing: {nothing:?}");
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_nobody_else_up() {
    let server = Server::start();
    server.ksql(STREAM).await;
    let values: String = (0..2000).map(|i| format!("INSERT INTO s VALUES ('{}', {i});", "x".repeat(500))).collect();
    let mut slow = server.client(Http::One).await;
    let body = json!({ "sql": "SELECT * FROM s EMIT CHANGES;", "properties": earliest() }).to_string();
    let unread = slow.open(Method::POST, "/query-stream", &[], body).await;
    server.ksql(&values).await;
    let body = json!({ "sql": "SELECT v FROM s EMIT CHANGES LIMIT 2003;", "properties": earliest() });
    let answer = server.client(Http::One).await.post("/query-stream", &body).await;
    // Lines, as this client splits large chunks.
    assert_eq!(answer.text().lines().count(), 2004);
    drop(unread);
}

#[tokio::test]
async fn print_shows_formats_and_records() {
    let server = Server::start();
    server.ksql(STREAM).await;
    for version in BOTH {
        let mut client = server.client(version).await;
        let answer = client.post("/query", &json!({ "ksql": "PRINT s FROM BEGINNING LIMIT 2;" })).await;
        assert_eq!(answer.content_type(), Some("application/json"));
        let text = answer.text();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("Key format: ") && lines[1].starts_with("Value format: JSON"), "{text}");
        assert!(lines[2].starts_with("rowtime: ") && lines[2].ends_with("key: a, value: {\"V\":1}, partition: 0"), "{text}");
        let answer = client.post("/query-stream", &json!({ "sql": "PRINT s FROM BEGINNING LIMIT 2;" })).await;
        assert_eq!((answer.pieces.len(), answer.content_type()), (2, None));
    }
}
