//! Endpoints over both versions of HTTP: what crosses, what is refused, what a guest that misbehaves costs.

use bytes::Bytes;
use hyper::Method;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Answer, BOTH, Client, Http, Server};
use crate::plugins::component;

async fn server() -> Server {
    let settings =
        ["calzone.plugin.request.ms=300", "calzone.plugin.request.bytes=100000", "calzone.plugin.concurrent.requests=2"];
    let server = Server::start_in(TempDir::new().unwrap(), &settings);
    let mut client = server.client(Http::One).await;
    for name in ["hostile-endpoint", "wasi-http"] {
        let uploaded = client.send(Method::PUT, &format!("/plugins/{name}"), &[], component(name)).await;
        assert_eq!((uploaded.status, &uploaded.json()["endpoint"]), (201, &json!(true)), "{}", uploaded.text());
    }
    server
        .ksql(
            "CREATE STREAM s (k VARCHAR KEY, v INT) WITH (KAFKA_TOPIC='s', PARTITIONS=1, VALUE_FORMAT='JSON');
             CREATE TABLE t AS SELECT k, COUNT(*) AS n FROM s GROUP BY k EMIT CHANGES;
             CREATE ENDPOINT e ON '/e/v1' USING PLUGIN 'hostile-endpoint' GRANT (INSERT ON STREAM s, QUERY ON TABLE t, QUERY ON STREAM s);
             CREATE ENDPOINT h ON '/h' USING PLUGIN 'wasi-http';",
        )
        .await;
    server
}

async fn post(client: &mut Client, path: &str, body: &str) -> Answer {
    client.send(Method::POST, path, &[], body.to_owned()).await
}

#[tokio::test]
async fn requests_cross_as_they_are_sent() {
    let server = server().await;
    for version in BOTH {
        let mut client = server.client(version).await;
        let path = "/endpoints/e/v1/echo/a%20b?x=%31&y";
        let sent = client.send(Method::POST, path, &[("x-sent", "yes"), ("te", "trailers")], Bytes::from_static(&[0, 255])).await;
        assert_eq!(sent.status, 201, "{version:?}: {}", sent.text());
        let said = sent.headers.get("x-said").unwrap().to_str().unwrap();
        assert_eq!(said, "POST /echo/a%20b Some(\"x=%31&y\") a b Some(\"yes\")");
        assert_eq!(sent.content_type(), Some("application/octet-stream"));
        assert_eq!(client.send(Method::HEAD, "/endpoints/e/v1/seen", &[], "").await.status, 200);
        assert_eq!(client.get("/endpoints/e/v1/echo/").await.status, 404, "a slash at the end is part of the path");
        let hello = client.get("/endpoints/h/hello/Ada").await;
        assert_eq!((hello.status, hello.text().as_str()), (200, "Hello, Ada!"), "{version:?}");
        let big = "ab".repeat(30_000);
        assert_eq!(post(&mut client, "/endpoints/h/upper", &big).await.text(), big.to_uppercase());
    }
}

#[tokio::test]
async fn failures_have_the_form_of_the_servers_own() {
    let server = server().await;
    for version in BOTH {
        let mut client = server.client(version).await;
        for (path, status, word) in [
            ("/endpoints/e/v1/loop", 500, "request_ms"),
            ("/endpoints/e/v1/panic", 500, "this endpoint panics"),
            ("/endpoints/e/v1/split", 500, "x-a"),
            ("/endpoints/e/v1/status/99", 500, "99"),
            ("/endpoints/h/silent", 500, "no response"),
            ("/endpoints/e/v1/nowhere", 404, "nowhere"),
            ("/endpoints/e", 404, "SHOW ENDPOINTS"),
            ("/endpoints/e/v11", 404, "SHOW ENDPOINTS"),
        ] {
            let answer = client.get(path).await;
            let error = answer.json();
            assert_eq!((answer.status, &error["@type"]), (status, &json!("generic_error")), "{path}: {error}");
            assert!(error["message"].as_str().unwrap().contains(word), "{path}: {error}");
        }
        let large = post(&mut client, "/endpoints/e/v1/echo/x", &"x".repeat(100_001)).await;
        assert!(large.status == 413 && large.text().contains("calzone.plugin.request.bytes"), "{}", large.text());
        assert_eq!(client.get("/info").await.status, 200);
    }
}

#[tokio::test]
async fn rows_go_in_and_come_out() {
    let server = server().await;
    let mut client = server.client(Http::One).await;
    assert_eq!(post(&mut client, "/endpoints/e/v1/insert/s/3", r#"{"k":"it's","V":7}"#).await.text(), "3");
    // Rows of a stream are there at once, those of a table with the next commit.
    let found = post(&mut client, "/endpoints/e/v1/select/it's", "SELECT v, k FROM s WHERE k = ?;").await;
    assert_eq!(found.json(), json!([{ "V": 7, "K": "it's" }, { "V": 7, "K": "it's" }, { "V": 7, "K": "it's" }]));
    let counted = crate::harness::eventually(async || {
        let rows = post(&mut client, "/endpoints/e/v1/select/it's", "SELECT * FROM t WHERE k = ?").await.json();
        (rows[0]["N"] == 3).then_some(rows)
    })
    .await;
    assert_eq!(counted, json!([{ "K": "it's", "N": 3 }]));
    for (path, body, word) in [
        ("/insert/t/1", r#"{"k":"a"}"#, "INSERT ON t is not granted; granted is S"),
        ("/insert/s/1", r#"{"k":"a","v":"x"}"#, "V"),
        ("/insert/s/1", r#"{"v":1}"#, "K"),
        ("/insert/s/1", "[]", "no JSON object"),
        ("/select/x", "SELECT * FROM u WHERE k = ?", "QUERY ON U is not granted"),
        ("/select/x", "SELECT * FROM t WHERE k = 'x'", "0 question marks"),
        ("/select/x", "SELECT * FROM t WHERE k = ? EMIT CHANGES", "EMIT"),
        ("/select/x", "DROP TABLE t; -- ?", "question marks"),
        ("/select/x", "INSERT INTO s VALUES (?, 1)", "only a SELECT"),
        ("/select/x", "SELECT nothing FROM t WHERE k = ?", "NOTHING"),
    ] {
        let answer = post(&mut client, &format!("/endpoints/e/v1{path}"), body).await;
        let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
        assert!(answer.status == 500 && message.contains(word), "{path} {body}: {} {}", answer.status, answer.text());
    }
}

/// Guests that loop take their endpoint's places, not the server's threads.
#[tokio::test]
async fn loops_do_not_stop_others() {
    let server = server().await;
    let looping: Vec<_> = {
        let mut waiting = Vec::new();
        for _ in 0..12 {
            let mut client = server.client(Http::One).await;
            waiting.push(tokio::spawn(async move { client.get("/endpoints/e/v1/loop").await.status }));
        }
        waiting
    };
    let mut client = server.client(Http::Two).await;
    assert_eq!(client.get("/endpoints/h/hello/Bob").await.text(), "Hello, Bob!");
    assert_eq!(client.get("/info").await.status, 200);
    for one in looping {
        assert_eq!(one.await.unwrap(), 500);
    }
    let metrics = client.get("/metrics").await.text();
    assert!(metrics.contains("calzone_endpoint_failures_total{endpoint=\"E\",plugin=\"hostile-endpoint\"} 12\n"), "{metrics}");
}

#[tokio::test]
async fn a_swap_takes_the_next_request() {
    let server = server().await;
    let mut client = server.client(Http::One).await;
    let uploaded = client.send(Method::PUT, "/plugins/wasi-http", &[], component("hostile-endpoint")).await;
    assert_eq!(uploaded.json()["revision"], 2);
    assert_eq!(client.get("/endpoints/h/hello/Ada").await.status, 200);
    let body = json!({ "ksql": "ALTER PLUGIN wasi_http USE REVISION 2;" });
    assert_eq!(client.post("/ksql", &body).await.status, 400, "no plugin has that name");
    let body = json!({ "ksql": "ALTER PLUGIN `wasi-http` USE REVISION 2;" });
    let refused = client.post("/ksql", &body).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("does not fit endpoint H") && refused.text().contains("not granted"), "{}", refused.text());
    server
        .ksql("CREATE OR REPLACE ENDPOINT h ON '/h' USING PLUGIN 'wasi-http' GRANT (INSERT ON STREAM s, QUERY ON TABLE t);")
        .await;
    server.ksql("ALTER PLUGIN `wasi-http` USE REVISION 2;").await;
    assert_eq!(client.get("/endpoints/h/seen").await.text(), "1");
    assert_eq!(client.get("/endpoints/h/hello/Ada").await.status, 404);
    server.ksql("ALTER PLUGIN `wasi-http` USE REVISION 1;").await;
    assert_eq!(client.get("/endpoints/h/hello/Ada").await.status, 200);
}

#[tokio::test]
async fn an_endpoint_has_the_limits_of_its_plugin() {
    let server = server().await;
    let mut client = server.client(Http::One).await;
    let large = "x".repeat(150_000);
    assert_eq!(post(&mut client, "/endpoints/e/v1/echo/x", &large).await.status, 413);
    server.ksql("ALTER PLUGIN 'hostile-endpoint' SET (request_bytes = 200000, request_ms = 40, concurrent_requests = 1, waiting_requests = 1);").await;
    assert_eq!(post(&mut client, "/endpoints/e/v1/echo/x", &large).await.status, 201);
    let looped = client.get("/endpoints/e/v1/loop").await;
    assert!(looped.status == 500 && looped.text().contains("40 ms for one request"), "{}", looped.text());
    let mut waiting = Vec::new();
    for _ in 0..12 {
        let mut client = server.client(Http::One).await;
        waiting.push(tokio::spawn(async move { client.get("/endpoints/e/v1/loop").await.status }));
    }
    let mut statuses = Vec::new();
    for one in waiting {
        statuses.push(one.await.unwrap());
    }
    assert!(
        statuses.contains(&503) && statuses.contains(&500),
        "one is worked on, one waits, others are turned away: {statuses:?}"
    );
    server.ksql("ALTER PLUGIN 'hostile-endpoint' SET (request_bytes = 'default');").await;
    assert_eq!(post(&mut client, "/endpoints/e/v1/echo/x", &large).await.status, 413);
}

#[tokio::test]
async fn an_endpoint_is_altered_without_a_gap() {
    let server = server().await;
    let mut client = server.client(Http::One).await;
    let uploaded = client.send(Method::PUT, "/plugins/wasi-http", &[], component("hostile-endpoint")).await;
    assert_eq!(uploaded.json()["revision"], 2);
    let (stop, mut stopped) = tokio::sync::oneshot::channel();
    let mut asking = server.client(Http::Two).await;
    let asked = tokio::spawn(async move {
        let mut statuses = std::collections::BTreeMap::new();
        while stopped.try_recv().is_err() {
            *statuses.entry(asking.get("/endpoints/h/hello/Ada").await.status).or_insert(0) += 1;
        }
        statuses
    });
    let refused = async |statement: &str, word: &str| {
        let answer = server.client(Http::One).await.post("/ksql", &json!({ "ksql": statement })).await;
        assert!(answer.status == 400 && answer.text().contains(word), "{statement}: {} {}", answer.status, answer.text());
    };
    refused("ALTER ENDPOINT nobody USE REVISION 1;", "There is no endpoint NOBODY").await;
    refused("ALTER ENDPOINT h USE REVISION 3;", "has no revision 3; it has: 1, 2").await;
    refused("ALTER ENDPOINT h USE REVISION 2;", "not granted").await;
    refused("ALTER ENDPOINT h USING PLUGIN 'nobody';", "There is no plugin 'nobody'").await;
    refused("ALTER ENDPOINT h REVOKE (CLOCK);", "was not granted CLOCK").await;
    refused("ALTER ENDPOINT h GRANT (KEY VALUE);", "cannot be granted KEY VALUE").await;
    refused("ALTER ENDPOINT h GRANT (QUERY ON TABLE nothing);", "There is no stream or table NOTHING").await;
    refused("ALTER ENDPOINT e REVOKE (INSERT ON STREAM s);", "not granted").await;
    let described = async || server.ksql("DESCRIBE ENDPOINT h;").await[0]["endpoint"].clone();
    assert_eq!(described().await["revision"], 1);
    server.ksql("ALTER ENDPOINT h GRANT (INSERT ON STREAM s, QUERY ON TABLE t);").await;
    assert_eq!(described().await["grants"], json!(["INSERT ON S", "QUERY ON T"]));
    server.ksql("ALTER ENDPOINT h USE REVISION 2;").await;
    assert_eq!((client.get("/endpoints/h/seen").await.text().as_str(), &described().await["revision"]), ("1", &json!(2)));
    // It is pinned: the plugin's active revision is no matter of its.
    server.ksql("ALTER PLUGIN 'wasi-http' USE REVISION 2; ALTER PLUGIN 'wasi-http' USE REVISION 1;").await;
    assert_eq!(described().await["revision"], 2);
    server.ksql("ALTER ENDPOINT h USE REVISION 1; ALTER ENDPOINT h REVOKE (INSERT ON STREAM s, QUERY ON TABLE t);").await;
    assert_eq!(client.get("/endpoints/h/hello/Ada").await.status, 200);
    let _ = stop.send(());
    let statuses = asked.await.unwrap();
    assert!(statuses.keys().all(|status| [200, 404].contains(status)) && statuses.contains_key(&200), "{statuses:?}");
    // Other code altogether, and all of it after a crash.
    server.ksql("ALTER ENDPOINT h GRANT (INSERT ON STREAM s, QUERY ON TABLE t);").await;
    server.ksql("ALTER ENDPOINT h USING PLUGIN 'hostile-endpoint';").await;
    assert_eq!(described().await["plugin"], "hostile-endpoint");
    let (folder, _, _) = server.stop(libc::SIGKILL);
    let server = Server::start_in(folder, &[]);
    let mut client = server.client(Http::One).await;
    assert_eq!(client.get("/endpoints/h/seen").await.text(), "1");
    let described = server.ksql("DESCRIBE ENDPOINT h;").await[0]["endpoint"].clone();
    assert_eq!((&described["plugin"], &described["grants"]), (&json!("hostile-endpoint"), &json!(["INSERT ON S", "QUERY ON T"])));
}
