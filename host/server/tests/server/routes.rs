//! Routes that answer at once.

use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{BOTH, Http, Server};

#[tokio::test]
async fn every_get_route_answers_over_both_versions() {
    let server = Server::start();
    server.ksql("CREATE STREAM s (v INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);").await;
    for version in BOTH {
        let mut client = server.client(version).await;
        for (path, status, content_type, pointer, wanted) in [
            ("/info", 200, Some("application/json"), "/KsqlServerInfo/serverStatus", json!("RUNNING")),
            ("/info/", 200, Some("application/json"), "/KsqlServerInfo/ksqlServiceId", json!("default_")),
            ("/healthcheck", 200, Some("application/json"), "/isHealthy", json!(true)),
            ("/chc/live", 200, Some("application/json"), "", json!({})),
            ("/v1/metadata", 200, Some("application/json"), "/clusterId/scope/clusters/ksql-cluster", json!("default_")),
            ("/v1/metadata/id", 200, Some("application/json"), "/id", json!("")),
            ("/status", 200, Some("application/json"), "/commandStatuses/stream~1`S`~1create", json!("SUCCESS")),
            ("/status/stream/%60S%60/create", 200, Some("application/json"), "/status", json!("SUCCESS")),
            ("/status/stream/%60NO%60/create", 404, Some("application/json"), "/error_code", json!(40400)),
            ("/is_valid_property/ksql.streams.auto.offset.reset", 200, Some("application/json"), "", json!(true)),
            ("/is_valid_property/no.such", 400, Some("application/json"), "/error_code", json!(40000)),
            ("/plugins", 200, Some("application/json"), "", json!([])),
            ("/plugins/none", 404, Some("application/json"), "/error_code", json!(40400)),
        ] {
            let answer = client.get(path).await;
            assert_eq!(answer.status, status, "{version:?} {path}: {}", answer.text());
            assert_eq!(answer.content_type(), content_type, "{version:?} {path}");
            assert_eq!(answer.json().pointer(pointer), Some(&wanted), "{version:?} {path}: {}", answer.text());
            assert!(answer.headers.get("date").is_none() && answer.headers.get("content-length").is_some());
        }
        let metrics = client.get("/metrics").await;
        assert!(metrics.text().contains("process_resident_memory_bytes "), "{}", metrics.text());
        let redirect = client.get("/").await;
        assert_eq!((redirect.status, redirect.headers["location"].to_str().unwrap()), (307, "/info"));
        let off = client.get("/clusterStatus").await;
        assert_eq!((off.status, off.text().as_str(), off.content_type()), (404, "", Some("application/json")));
    }
}

#[tokio::test]
async fn what_no_route_takes_is_not_found() {
    let server = Server::start();
    for version in BOTH {
        let mut client = server.client(version).await;
        for (method, path) in [
            (Method::GET, "/nosuch"),
            (Method::GET, "/ksql"),
            (Method::DELETE, "/ksql"),
            (Method::OPTIONS, "/ksql"),
            (Method::POST, "/info"),
            (Method::POST, "/KSQL"),
            (Method::GET, "/status/bad"),
        ] {
            let answer = client.send(method.clone(), path, &[], "{}").await;
            assert_eq!(
                (answer.status, answer.text().as_str(), answer.content_type()),
                (404, "Not Found", None),
                "{method} {path}"
            );
        }
        let answer = client.send(Method::POST, "/ksql", &[("accept", "text/html")], "{}").await;
        assert_eq!((answer.status, answer.content_type()), (404, None));
    }
}

#[tokio::test]
async fn statements_answer_with_entities() {
    let server = Server::start();
    for (version, name) in [(Http::One, "A"), (Http::Two, "B")] {
        let mut client = server.client(version).await;
        let statements = format!(
            "CREATE STREAM {name} (k STRING KEY, v INT) WITH (kafka_topic='{name}', value_format='JSON', partitions=1); \
             SHOW STREAMS; INSERT INTO {name} VALUES ('x', 1); DESCRIBE {name};"
        );
        let answer = client.post("/ksql", &json!({ "ksql": statements })).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let entities = answer.json();
        let kinds: Vec<&Value> = entities.as_array().unwrap().iter().map(|e| &e["@type"]).collect();
        assert_eq!(kinds, ["currentStatus", "streams", "sourceDescription"]);
        assert!(entities.as_array().unwrap().iter().all(|e| e["warnings"] == json!([]) && e["statementText"].is_string()));
        assert_eq!(entities[2]["sourceDescription"]["fields"][0]["type"], "KEY");
        // Whatever the content type, as curl sends forms.
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let answer = client.send(Method::POST, "/ksql", &form, r#"{"ksql":"SHOW TABLES;","unknown":1}"#).await;
        assert_eq!(answer.json()[0]["tables"], json!([]));
    }
}

#[tokio::test]
async fn bad_requests_name_what_is_wrong() {
    let server = Server::start();
    for version in BOTH {
        let mut client = server.client(version).await;
        for (path, body, status, code, word) in [
            ("/ksql", "", 400, 40000, "empty"),
            ("/ksql", "{", 400, 40000, "JSON"),
            ("/ksql", "[]", 400, 40000, "object"),
            ("/ksql", r#"{"ksql":5}"#, 400, 40000, "ksql"),
            ("/ksql", r#"{"ksql":"SELEC 1;"}"#, 400, 40001, "SELEC"),
            ("/ksql", r#"{"ksql":"SHOW STREAMS"}"#, 400, 40001, ";"),
            ("/ksql", r#"{"ksql":"SELECT * FROM x EMIT CHANGES;"}"#, 400, 40002, "query-stream"),
            ("/ksql", r#"{"ksql":"SHOW TYPES;","streamsProperties":{"ksql.service.id":"1"}}"#, 400, 40000, "ksql.service.id"),
            ("/ksql", r#"{"ksql":"SHOW TYPES;","streamsProperties":[]}"#, 400, 40000, "streamsProperties"),
            ("/ksql", "{\"ksql\":\"\u{0}\"}", 400, 40000, "JSON"),
            ("/query", r#"{"ksql":"SELECT * FROM nosuch;"}"#, 400, 40001, "NOSUCH"),
            ("/query", r#"{"ksql":"SHOW STREAMS;"}"#, 400, 40000, "SELECT"),
            ("/query", r#"{"ksql":""}"#, 400, 40000, "statement"),
            ("/query-stream", "{", 400, 40000, "JSON"),
            ("/query-stream", r#"{"ksql":"SELECT 1;"}"#, 400, 40000, "sql"),
            ("/query-stream", r#"{"sql":"SELECT * FROM nosuch;"}"#, 400, 40001, "NOSUCH"),
            ("/close-query", r#"{"queryId":"none"}"#, 400, 40000, "none"),
            ("/close-query", "{}", 400, 40000, "queryId"),
        ] {
            let answer = client.send(Method::POST, path, &[], body).await;
            let error = answer.json();
            assert_eq!((answer.status, &error["error_code"]), (status, &json!(code)), "{path} {body}: {error}");
            assert!(error["message"].as_str().unwrap().contains(word), "{path} {body}: {error}");
            assert_eq!(
                error["@type"],
                if code == 40001 || code == 40002 { "statement_error" } else { "generic_error" },
                "{error}"
            );
        }
    }
}

#[tokio::test]
async fn a_request_upgrades_to_http_2() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = Server::start();
    let mut stream = tokio::net::TcpStream::connect(&server.address).await.unwrap();
    let request = "GET /info HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 512];
    let count = stream.read(&mut head).await.unwrap();
    assert!(head[..count].starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head[..count]));
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut answer = Vec::new();
    let wanted = b"KsqlServerInfo";
    while !answer.windows(wanted.len()).any(|w| w == wanted) {
        let mut part = [0; 1024];
        let count =
            tokio::time::timeout(std::time::Duration::from_secs(10), stream.read(&mut part)).await.expect("in time").unwrap();
        assert!(count > 0, "the server hung up");
        answer.extend_from_slice(&part[..count]);
    }
}
