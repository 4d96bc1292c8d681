//! Starting, stopping, and what a start keeps.

use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Http, Server, eventually};

#[tokio::test]
async fn a_restart_keeps_everything() {
    let server = Server::start();
    server
        .ksql(
            "CREATE STREAM s (k STRING KEY, v INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);\
             CREATE TABLE t AS SELECT k, COUNT(*) AS n FROM s GROUP BY k;\
             INSERT INTO s VALUES ('a', 1); INSERT INTO s VALUES ('a', 2);",
        )
        .await;
    let (folder, took, success) = server.stop(libc::SIGTERM);
    assert!(success && took < Duration::from_secs(5), "stopped in {took:?}, {success}");
    let server = Server::start_in(folder, &[]);
    server.ksql("INSERT INTO s VALUES ('a', 3);").await;
    let ask = json!({ "ksql": "SELECT n FROM t WHERE k = 'a';" });
    eventually(async || {
        let answer = server.client(Http::One).await.post("/query", &ask).await;
        answer.text().contains("[3]").then_some(())
    })
    .await;
    let (folder, _, _) = server.stop(libc::SIGKILL);
    let server = Server::start_in(folder, &[]);
    let tables = server.ksql("SHOW TABLES;").await;
    assert_eq!(tables[0]["tables"][0]["name"], "T");
    assert!(server.stop(libc::SIGINT).2);
}

#[tokio::test]
async fn idle_servers_are_small() {
    let server = Server::start();
    server.ksql("SHOW STREAMS;").await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let resident = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    let kilobytes: u64 = resident.trim().trim_end_matches(" kB").trim().parse().unwrap();
    assert!(kilobytes < 100_000, "{kilobytes} kB");
}

#[test]
fn settings_that_cannot_be_used_end_the_start() {
    let folder = TempDir::new().unwrap();
    let start = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_calzone"))
            .arg("server")
            .args(arguments)
            .env("HOME", folder.path())
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("--set=listeners=http://{}", taken.local_addr().unwrap());
    for (arguments, word) in [
        (vec!["/no/such/file.properties"], "/no/such/file.properties"),
        (vec!["--set=nothing"], "name=value"),
        (vec!["--set=listeners=https://127.0.0.1:0"], "TLS"),
        (vec![taken.as_str()], "listen"),
    ] {
        let (success, log) = start(&arguments);
        assert!(!success && log.contains(word), "{arguments:?}: {log}");
    }
}

#[tokio::test]
async fn terminating_a_cluster_forgets_its_sources() {
    let server = Server::start();
    server
        .ksql(
            "CREATE STREAM s (v INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);\
             CREATE STREAM c AS SELECT * FROM s;",
        )
        .await;
    let mut client = server.client(Http::Two).await;
    let answer = client.post("/ksql/terminate", &json!({ "deleteTopicList": ["C"] })).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let after = client.post("/ksql", &json!({ "ksql": "SHOW STREAMS;" })).await;
    assert_eq!((after.status, &after.json()["error_code"]), (503, &json!(50304)));
}
