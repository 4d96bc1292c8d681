//! What plugins may do and cost while they run: limits, the breaker, several outputs, stores, grants, dry runs.

use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{Http, Server, eventually};
use crate::plugins::component;

impl Server {
    async fn upload(&self, name: &str, file: &str) -> Value {
        let path = format!("/plugins/{name}");
        let answer = self.client(Http::One).await.send(Method::PUT, &path, &[], component(file)).await;
        assert!(answer.status < 300, "{}", answer.text());
        answer.json()
    }

    /// The message of a statement that is refused.
    async fn refused(&self, text: &str) -> String {
        let answer = self.client(Http::One).await.post("/ksql", &json!({ "ksql": text })).await;
        assert_eq!(answer.status, 400, "{text}: {}", answer.text());
        answer.json()["message"].as_str().unwrap_or_default().to_owned()
    }

    /// Rows of a query that ends by itself, as text.
    async fn rows(&self, text: &str) -> Vec<String> {
        let body = json!({ "sql": text, "properties": { "auto.offset.reset": "earliest" } });
        let answer = self.client(Http::Two).await.post("/query-stream", &body).await;
        assert_eq!(answer.status, 200, "{text}: {}", answer.text());
        answer.text().lines().skip(1).map(str::to_owned).collect()
    }

    async fn until_rows(&self, text: &str, wanted: &[&str]) {
        let mut seen = Vec::new();
        let found = tokio::time::timeout(std::time::Duration::from_secs(20), async {
            loop {
                seen = self.rows(text).await;
                seen.sort();
                if seen == wanted {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        });
        if found.await.is_err() {
            panic!("{text}: wanted {wanted:?}, the last seen were {seen:?}");
        }
    }

    async fn until_count(&self, text: &str, wanted: usize) {
        eventually(async || (self.rows(text).await.len() == wanted).then_some(())).await;
    }

    async fn stage(&self, name: &str) -> Value {
        self.ksql(&format!("DESCRIBE STAGE {name};")).await[0]["stage"].clone()
    }
}

#[tokio::test]
async fn a_plugin_that_keeps_failing_pauses_its_query() {
    let settings = ["calzone.plugin.breaker.faults=3"];
    let server = Server::start_in(tempfile::TempDir::new().unwrap(), &settings);
    server.upload("hostile", "hostile").await;
    server
        .ksql(
            "CREATE FUNCTION boom USING PLUGIN 'hostile' FUNCTION 'panic';\
             CREATE STREAM s (v BIGINT) WITH (kafka_topic='s', value_format='JSON', partitions=1);\
             CREATE STREAM o AS SELECT boom(v) AS v FROM s;",
        )
        .await;
    server.ksql("INSERT INTO s VALUES (1); INSERT INTO s VALUES (-1); INSERT INTO s VALUES (-2);").await;
    server.until_rows("SELECT v FROM o;", &["[1]", "[null]", "[null]"]).await;
    let query = async || server.ksql("SHOW QUERIES;").await[0]["queries"][0].clone();
    assert_eq!(query().await["state"], "RUNNING");
    server.ksql("INSERT INTO s VALUES (-3);").await;
    let paused = eventually(async || Some(query().await).filter(|q| q["state"] == "PAUSED")).await;
    let reason = paused["pausedBecause"].as_str().unwrap();
    assert!(reason.contains("3 records") && reason.contains("calzone.plugin.breaker.faults"), "{reason}");
    let explained = server.ksql(&format!("EXPLAIN {};", paused["id"].as_str().unwrap())).await;
    assert!(explained[0]["queryDescription"]["queryErrors"].to_string().contains("no number may be negative"), "{explained}");
    // What went well is committed, what comes waits.
    server.ksql("INSERT INTO s VALUES (7);").await;
    server.until_rows("SELECT v FROM o;", &["[1]", "[null]", "[null]", "[null]"]).await;
    server.ksql("RESUME ALL;").await;
    server.until_rows("SELECT v FROM o;", &["[1]", "[7]", "[null]", "[null]", "[null]"]).await;
    assert!(query().await.get("pausedBecause").is_none());
}

#[tokio::test]
async fn a_query_whose_plugin_loops_ends_at_once_and_loses_nothing() {
    let server = Server::start();
    server.upload("hostile", "hostile").await;
    server
        .ksql(
            "CREATE FUNCTION loops USING PLUGIN 'hostile' FUNCTION 'spin';\
             CREATE STREAM s (v BIGINT) WITH (kafka_topic='s', value_format='JSON', partitions=1);",
        )
        .await;
    // Each of them takes 2 s to be found out.
    let inserts: String = (0..60).map(|i| format!("INSERT INTO s VALUES ({});", if i == 0 { 7 } else { -1 })).collect();
    server.ksql(&inserts).await;
    server.ksql("CREATE STREAM o AS SELECT loops(v) AS v FROM s; CREATE STREAM other AS SELECT v FROM s;").await;
    server.until_count("SELECT v FROM other;", 60).await;
    let asked = std::time::Instant::now();
    server.ksql("TERMINATE ALL;").await;
    assert!(asked.elapsed().as_secs() < 8, "{:?}", asked.elapsed());
    assert_eq!(server.rows("SELECT v FROM o;").await.len(), 0, "half a batch was kept");
    server.ksql("CREATE STREAM p AS SELECT loops(v) AS v FROM s;").await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let (folder, took, well) = server.stop(libc::SIGTERM);
    assert!(well && took.as_secs() < 8, "{took:?}");
    // The batch begins anew, and with a shorter deadline it comes to its end.
    let server = Server::start_in(folder, &["calzone.plugin.batch.ms=20"]);
    server.until_count("SELECT v FROM p;", 60).await;
    assert_eq!(server.rows("SELECT v FROM p WHERE v IS NOT NULL;").await, ["[7]"]);
}

#[tokio::test]
async fn a_plugin_has_limits_of_its_own() {
    let server = Server::start_in(tempfile::TempDir::new().unwrap(), &["calzone.plugin.memory.bytes=100000000"]);
    server.upload("hostile", "hostile").await;
    server
        .ksql(
            "CREATE FUNCTION loops USING PLUGIN 'hostile' FUNCTION 'spin';\
             CREATE STREAM s (v BIGINT) WITH (kafka_topic='s', value_format='JSON', partitions=1);\
             CREATE STREAM o AS SELECT loops(v) AS v FROM s;",
        )
        .await;
    server.ksql("ALTER PLUGIN hostile SET (batch_ms = 20, 'calzone.plugin.log.lines' = 5);").await;
    let limit = async |name: &str| {
        let plugin = server.ksql("DESCRIBE PLUGIN hostile;").await[0]["plugin"].clone();
        let found = plugin["limits"].as_array().unwrap().iter().find(|l| l["name"] == name).cloned().unwrap();
        (found["value"].as_u64().unwrap(), found["origin"].as_str().unwrap().to_owned())
    };
    assert_eq!(limit("batch.ms").await, (20, "PLUGIN".to_owned()));
    assert_eq!(limit("log.lines").await, (5, "PLUGIN".to_owned()));
    assert_eq!(limit("memory.bytes").await, (100_000_000, "SERVER".to_owned()));
    assert_eq!(limit("start.ms").await.1, "DEFAULT");
    // The running query has the new limit: the loop ends after 20 ms and says so.
    server.ksql("INSERT INTO s VALUES (-1); INSERT INTO s VALUES (5);").await;
    server.until_rows("SELECT v FROM o;", &["[5]", "[null]"]).await;
    let (folder, _, _) = server.stop(libc::SIGKILL);
    let server = Server::start_in(folder, &[]);
    server.ksql("INSERT INTO s VALUES (-2); INSERT INTO s VALUES (6);").await;
    server.until_rows("SELECT v FROM o;", &["[5]", "[6]", "[null]", "[null]"]).await;
    server.ksql("ALTER PLUGIN hostile SET (batch_ms = 'default');").await;
    for (statement, wanted) in [
        ("ALTER PLUGIN hostile SET (batches = 1);", "there is no limit batches; there are module.bytes"),
        ("ALTER PLUGIN hostile SET (batch_ms = 0);", "whole number above 0"),
        ("ALTER PLUGIN hostile SET (batch_ms = 'soon');", "whole number above 0"),
        ("ALTER PLUGIN hostile SET (stack_bytes = 1000);", "the same for all plugins"),
        ("ALTER PLUGIN nobody SET (batch_ms = 1);", "There is no plugin"),
    ] {
        let message = server.refused(statement).await;
        assert!(message.contains(wanted), "{statement}: {message}");
    }
}

#[tokio::test]
async fn a_stage_writes_several_streams() {
    let server = Server::start();
    server.upload("router", "router").await;
    server
        .ksql("CREATE STREAM orders (id INT KEY, count BIGINT) WITH (kafka_topic='orders', value_format='JSON', partitions=2);")
        .await;
    for (statement, wanted) in [
        ("CREATE STAGE s FROM orders INTO a USING PLUGIN 'router';", "has 2 outputs (large, small), and INTO names 1"),
        ("CREATE STAGE s FROM orders INTO a, a USING PLUGIN 'router';", "names A twice"),
        ("CREATE STAGE s FROM orders INTO a, b WITH (kafka_topic='x') USING PLUGIN 'router';", "KAFKA_TOPIC names one topic"),
    ] {
        let message = server.refused(statement).await;
        assert!(message.contains(wanted), "{statement}: {message}");
    }
    server.ksql("CREATE STAGE s FROM orders INTO large, small USING PLUGIN 'router';").await;
    server
        .ksql(
            "INSERT INTO orders VALUES (1, 10); INSERT INTO orders VALUES (2, 3); INSERT INTO orders VALUES (3, -1);\
             INSERT INTO orders VALUES (4, NULL); INSERT INTO orders VALUES (5, 99);",
        )
        .await;
    server.until_rows("SELECT id, count FROM large;", &["[1,10]", "[5,99]"]).await;
    server.until_rows("SELECT id, count FROM small;", &["[2,3]"]).await;
    let stages = server.ksql("SHOW STAGES;").await;
    assert_eq!(stages[0]["stages"][0]["into"], json!(["LARGE", "SMALL"]));
    let message = server.refused("DROP STREAM small;").await;
    assert!(message.contains("stage S"), "{message}");
    let (folder, _, _) = server.stop(libc::SIGKILL);
    let server = Server::start_in(folder, &[]);
    server.ksql("INSERT INTO orders VALUES (6, 4);").await;
    server.until_rows("SELECT id, count FROM small;", &["[2,3]", "[6,4]"]).await;
    server.ksql("DROP STAGE s; DROP STREAM small; DROP STREAM large;").await;
}

#[tokio::test]
async fn a_stage_keeps_a_store_over_a_crash() {
    let server = Server::start();
    server.upload("number", "number").await;
    server.ksql("CREATE STREAM s (usr VARCHAR, n BIGINT) WITH (kafka_topic='s', value_format='JSON', partitions=1);").await;
    let message = server.refused("CREATE STAGE c FROM s INTO o USING PLUGIN 'number';").await;
    assert!(message.contains("calzone:plugin/key-value@1.0.0"), "{message}");
    server.ksql("CREATE STAGE c FROM s INTO o USING PLUGIN 'number' GRANT (KEY VALUE);").await;
    server.ksql("INSERT INTO s VALUES ('ada', 1); INSERT INTO s VALUES ('ada', 1); INSERT INTO s VALUES ('bob', 1);").await;
    server.until_rows("SELECT usr, number, users FROM o;", &["[\"ada\",1,1]", "[\"ada\",2,1]", "[\"bob\",1,2]"]).await;
    let (folder, _, _) = server.stop(libc::SIGKILL);
    let server = Server::start_in(folder, &[]);
    server.ksql("INSERT INTO s VALUES ('ada', 1);").await;
    server.until_rows("SELECT number, users FROM o WHERE usr = 'ada';", &["[1,1]", "[2,1]", "[3,2]"]).await;
    assert_eq!(server.stage("c").await["grants"], json!(["KEY VALUE"]));
    let message = server.refused("ALTER STAGE c REVOKE (KEY VALUE);").await;
    assert!(message.contains("from the beginning to the end"), "{message}");
    // A stage of that name that is made anew begins anew.
    server.ksql("DROP STAGE c; CREATE STAGE c FROM s INTO p USING PLUGIN 'number' GRANT (KEY VALUE);").await;
    server.until_rows("SELECT number FROM p WHERE usr = 'ada';", &["[1]", "[2]", "[3]"]).await;
}

#[tokio::test]
async fn grants_are_given_and_taken_while_queries_run() {
    let server = Server::start();
    server.upload("draw", "draw").await;
    let message = server.refused("CREATE FUNCTION draw USING PLUGIN 'draw';").await;
    assert!(message.contains("calzone:plugin/random@1.0.0") && message.contains("add RANDOM to GRANT"), "{message}");
    server
        .ksql(
            "CREATE FUNCTION draw USING PLUGIN 'draw' GRANT (RANDOM);\
             CREATE STREAM s (v BIGINT) WITH (kafka_topic='s', value_format='JSON', partitions=1);\
             CREATE STREAM o AS SELECT v, draw(1) AS zero FROM s;",
        )
        .await;
    server.ksql("INSERT INTO s VALUES (1);").await;
    server.until_rows("SELECT v, zero FROM o;", &["[1,0]"]).await;
    server.ksql("ALTER FUNCTION draw REVOKE (RANDOM);").await;
    let query = eventually(async || {
        let query = server.ksql("SHOW QUERIES;").await[0]["queries"][0].clone();
        Some(query).filter(|q| q["state"] == "ERROR")
    })
    .await;
    let explained = server.ksql(&format!("EXPLAIN {};", query["id"].as_str().unwrap())).await;
    assert!(explained[0]["queryDescription"]["queryErrors"].to_string().contains("calzone:plugin/random@1.0.0"), "{explained}");
    server.ksql("INSERT INTO s VALUES (2);").await;
    server.ksql("ALTER FUNCTION draw GRANT (RANDOM);").await;
    server.until_rows("SELECT v, zero FROM o;", &["[1,0]", "[2,0]"]).await;
    for (statement, wanted) in [
        ("ALTER FUNCTION draw REVOKE (CLOCK);", "was not granted CLOCK"),
        ("ALTER FUNCTION draw GRANT (KEY VALUE);", "KEY VALUE is for stages"),
        ("ALTER FUNCTION draw GRANT (HTTP TO 'nowhere:x');", "is no place"),
        ("ALTER STAGE nobody GRANT (CLOCK);", "There is no stage"),
    ] {
        let message = server.refused(statement).await;
        assert!(message.contains(wanted), "{statement}: {message}");
    }
}

#[tokio::test]
async fn a_stage_asks_the_place_it_was_granted() {
    let place = serve().await;
    let server = Server::start();
    server.upload("ask", "ask").await;
    server.ksql("CREATE STREAM s (usr VARCHAR) WITH (kafka_topic='s', value_format='JSON', partitions=1);").await;
    server
        .ksql(&format!(
            "CREATE STAGE a FROM s INTO o USING PLUGIN 'ask' CONFIG (url = 'http://{place}/who/') GRANT (HTTP TO '{place}');"
        ))
        .await;
    server.ksql("INSERT INTO s VALUES ('ada');").await;
    server.until_rows("SELECT usr, answer FROM o;", &["[\"ada\",\"200 hello /who/ada\"]"]).await;
    // Another place than the one that is asked: the import is granted, the request is not.
    server.ksql(&format!("ALTER STAGE a GRANT (HTTP TO 'api.example.org:80'); ALTER STAGE a REVOKE (HTTP TO '{place}');")).await;
    server.ksql("INSERT INTO s VALUES ('bob');").await;
    eventually(async || Some(server.stage("a").await).filter(|s| s["partitions"][0]["errors"] == 1)).await;
    assert_eq!(server.rows("SELECT usr FROM o;").await, ["[\"ada\"]"]);
}

/// A server that greets with the path of each request.
async fn serve() -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.unwrap_or(0);
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            let body = format!("hello {}", head.split(' ').nth(1).unwrap_or_default());
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            let _ = stream.write_all(Bytes::from(answer).as_ref()).await;
        }
    });
    place
}

#[tokio::test]
async fn a_dry_run_shows_what_would_change_and_changes_nothing() {
    let server = Server::start();
    server.upload("sauce", "sauce").await;
    server.ksql("CREATE STREAM s (id INT KEY, n BIGINT) WITH (kafka_topic='s', value_format='JSON', partitions=2);").await;
    server.ksql("CREATE STAGE sauce FROM s INTO o USING PLUGIN 'sauce' GRANT (RANDOM);").await;
    let inserts: String = (0..40).map(|i| format!("INSERT INTO s VALUES ({i}, {i});")).collect();
    server.ksql(&inserts).await;
    eventually(async || (server.rows("SELECT id FROM o;").await.len() == 40).then_some(())).await;
    server.upload("sauce", "sauce2").await;
    let answer = server.ksql("DRY RUN ALTER PLUGIN sauce USE REVISION 2 ON LAST 30 ROWS;").await;
    assert_eq!((&answer[0]["@type"], &answer[0]["revision"]), (&json!("dry_run"), &json!(2)), "{answer}");
    let query = &answer[0]["queries"][0];
    assert_eq!(query["records"], 30);
    let differing = query["differing"].as_u64().unwrap();
    assert!((1..30).contains(&differing), "{query}");
    let example = &query["examples"][0];
    assert!(example["old"] != example["new"] && example["old"][0].as_str().unwrap().contains("SAUCE"), "{example}");
    let same = server.ksql("DRY RUN ALTER STAGE sauce USE REVISION 1;").await;
    assert_eq!((&same[0]["queries"][0]["records"], &same[0]["queries"][0]["differing"]), (&json!(40), &json!(0)));
    assert_eq!(server.stage("sauce").await["revision"], 1);
    assert_eq!(server.rows("SELECT id FROM o;").await.len(), 40);
    let message = server.refused("DRY RUN ALTER PLUGIN sauce USE REVISION 3;").await;
    assert!(message.contains("has no revision 3"), "{message}");
}
