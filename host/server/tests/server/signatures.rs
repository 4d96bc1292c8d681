//! What the planner makes of signatures that components write: types that follow from others, settings, and what is refused.

use hyper::Method;
use serde_json::json;

use crate::harness::{Http, Server};
use crate::plugins::component;

const FUNCTIONS: [&str; 9] = ["surround", "last_of", "interleave", "cost", "width", "labelled", "rounded", "told", "numbered"];

async fn server() -> Server {
    let settings = ["ksql.functions._global_.who=everybody", "ksql.functions._global_.day=Monday"];
    let server = Server::start_in(tempfile::TempDir::new().unwrap(), &settings);
    let mut client = server.client(Http::One).await;
    let uploaded = client.send(Method::PUT, "/plugins/signatures", &[], component("signatures")).await;
    assert_eq!(uploaded.status, 201, "{}", uploaded.text());
    for function in FUNCTIONS {
        server.ksql(&format!("CREATE FUNCTION {function} USING PLUGIN 'signatures';")).await;
    }
    server
        .ksql(
            "CREATE STREAM s (k INT KEY, t VARCHAR, n BIGINT, d DOUBLE, ts ARRAY<VARCHAR>, ns ARRAY<INT>, \
             item STRUCT<qty INT, price DOUBLE>) WITH (kafka_topic='s', value_format='JSON', partitions=1);\
             INSERT INTO s VALUES (1, 'a', 7, 1.2345, ARRAY['x', 'y'], ARRAY[1, 2, 3], STRUCT(qty := 3, price := 1.5));",
        )
        .await;
    server
}

#[tokio::test]
async fn types_follow_from_arguments_and_literals() {
    let server = server().await;
    for (expression, ty, value) in [
        ("surround(t, t, 'b', 'c', 9)", "STRING", "\"aa+b+c9\""),
        ("surround(t, 9)", "STRING", "\"a9\""),
        ("last_of(ts)", "STRING", "\"y\""),
        ("last_of(ns)", "INTEGER", "3"),
        ("last_of(ARRAY[ns])", "ARRAY<INTEGER>", "[1,2,3]"),
        ("interleave(ts, ARRAY['z'])", "ARRAY<STRING>", "[\"x\",\"z\",\"y\"]"),
        ("cost(item)", "DOUBLE", "4.5"),
        ("width(item)", "INTEGER", "2"),
        ("width(STRUCT(a := 1))", "INTEGER", "1"),
        ("labelled(t, n)", "STRUCT<`NAME` STRING, `NUMBER` BIGINT>", "{\"NAME\":\"a\",\"NUMBER\":7}"),
        ("labelled(t, n)->number", "BIGINT", "7"),
        ("rounded(d, 2)", "DECIMAL(20, 2)", "1.23"),
        ("rounded(d, 0)", "DECIMAL(20, 0)", "1"),
        ("numbered(ts)", "STRUCT<`PLACE` INTEGER, `ITEM` STRING>", "{\"PLACE\":1,\"ITEM\":\"x\"}"),
    ] {
        let body = json!({
            "sql": format!("SELECT {expression} AS r FROM s EMIT CHANGES LIMIT 1;"),
            "properties": { "auto.offset.reset": "earliest" },
        });
        let answer = server.client(Http::Two).await.post("/query-stream", &body).await;
        assert_eq!(answer.status, 200, "{expression}: {}", answer.text());
        let lines: Vec<String> = answer.text().lines().map(str::to_owned).collect();
        let head: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(head["columnTypes"][0], ty, "{expression}");
        assert_eq!(lines[1], format!("[{value}]"), "{expression}");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_a_reason() {
    let server = server().await;
    for (expression, wanted) in [
        ("surround(t)", "SURROUND"),
        ("surround(t, t, n, 9)", "SURROUND"),
        ("interleave(ts, ns)", "INTERLEAVE"),
        ("cost(STRUCT(qty := 'many', price := 1.5))", "COST"),
        ("rounded(d, k)", "`digits` must be a literal"),
        ("rounded(d, 11)", "`digits` must be from 0 to 10, it is 11"),
        ("last_of(ns, x => x + 1)", "LAST_OF"),
    ] {
        let body = json!({ "ksql": format!("CREATE STREAM o AS SELECT k, {expression} AS r FROM s;") });
        let answer = server.client(Http::One).await.post("/ksql", &body).await;
        let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
        assert!(answer.status == 400 && message.contains(wanted), "{expression}: {} {message}", answer.status);
    }
}

#[tokio::test]
async fn settings_reach_their_function() {
    let server = server().await;
    let ask = async |properties: serde_json::Value| {
        let sql = "SELECT told('who') AS who, told('day') AS day, told('none') AS none FROM s EMIT CHANGES LIMIT 1;";
        let mut all = json!({ "auto.offset.reset": "earliest" });
        all.as_object_mut().unwrap().extend(properties.as_object().cloned().unwrap());
        let answer = server.client(Http::Two).await.post("/query-stream", &json!({ "sql": sql, "properties": all })).await;
        answer.text().lines().nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!(ask(json!({})).await, "[\"everybody\",\"Monday\",null]");
    let own = json!({ "ksql.functions.told.who": "Ada", "ksql.functions.last_of.day": "Friday" });
    assert_eq!(ask(own).await, "[\"Ada\",\"Monday\",null]");
    // What a query was made with stays with it.
    let body = json!({
        "ksql": "CREATE STREAM o AS SELECT k, told('who') AS who FROM s;",
        "streamsProperties": { "auto.offset.reset": "earliest", "ksql.functions.told.who": "Bob" },
    });
    assert_eq!(server.client(Http::One).await.post("/ksql", &body).await.status, 200);
    let (folder, _, _) = server.stop(libc::SIGKILL);
    let server = Server::start_in(folder, &[]);
    let sql = json!({ "sql": "SELECT who FROM o EMIT CHANGES LIMIT 1;", "properties": { "auto.offset.reset": "earliest" } });
    let answer = server.client(Http::Two).await.post("/query-stream", &sql).await;
    assert_eq!(answer.text().lines().nth(1), Some("[\"Bob\"]"));
}

#[tokio::test]
async fn one_plugin_holds_functions_of_several_kinds() {
    let server = server().await;
    let shown = server.ksql("DESCRIBE FUNCTION surround;").await.to_string();
    assert!(shown.contains("VARCHAR") && shown.contains("Puts texts between two others"), "{shown}");
    let shown = server.ksql("SHOW FUNCTIONS;").await.to_string();
    assert!(shown.contains("NUMBERED") && shown.contains("\"TABLE\""), "{shown}");
}
