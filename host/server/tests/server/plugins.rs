//! Uploading code.

use std::path::Path;

use bytes::Bytes;
use hyper::Method;
use serde_json::json;

use crate::harness::{BOTH, Http, Server};

/// A component that `plugins/build.sh` makes.
pub fn component(name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins").join(format!("{name}.wasm"));
    Bytes::from(std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}; run `make plugins` first", path.display())))
}

#[tokio::test]
async fn the_life_of_a_plugin() {
    let server = Server::start();
    let mut client = server.client(Http::Two).await;
    let put = async |client: &mut crate::harness::Client, path: &str, file: &str| {
        client.send(Method::PUT, path, &[], component(file)).await
    };

    let first = put(&mut client, "/plugins/sauce", "sauce").await;
    assert_eq!(first.status, 201, "{}", first.text());
    let uploaded = first.json();
    assert_eq!((&uploaded["name"], &uploaded["revision"], &uploaded["active"]), (&json!("sauce"), &json!(1), &json!(true)));
    assert_eq!((&uploaded["stages"], &uploaded["functions"]), (&json!(["sauce"]), &json!([])));
    assert_eq!(uploaded["bytes"], component("sauce").len());
    assert_eq!(uploaded["sha256"].as_str().map(str::len), Some(64));

    let again = put(&mut client, "/plugins/sauce", "sauce").await;
    assert_eq!((again.status, &again.json()["revision"]), (200, &json!(1)));
    let second = put(&mut client, "/plugins/sauce", "sauce2").await;
    assert_eq!((second.status, &second.json()["revision"], &second.json()["active"]), (201, &json!(2), &json!(false)));

    let mut old = server.client(Http::One).await;
    let one = old.get("/plugins/sauce").await.json();
    assert_eq!((&one["revision"], one["revisions"].as_array().map(Vec::len)), (&json!(1), Some(2)));
    let activated = put(&mut old, "/plugins/sauce?activate=true", "sauce2").await;
    assert_eq!((activated.status, &activated.json()["active"]), (200, &json!(true)));
    assert_eq!(old.get("/plugins").await.json()[0]["revision"], 2);
    let bytes = old.send(Method::GET, "/plugins/sauce/revisions/1", &[], "").await;
    assert_eq!((bytes.status, bytes.content_type()), (200, Some("application/wasm")));
    assert_eq!(old.get("/plugins/sauce/revisions/3").await.status, 404);

    put(&mut old, "/plugins/mask", "mask").await;
    server.ksql("CREATE FUNCTION hide USING PLUGIN 'mask' FUNCTION 'mask';").await;
    let used = old.send(Method::DELETE, "/plugins/mask", &[], "").await;
    assert_eq!(used.status, 409);
    assert!(used.json()["message"].as_str().unwrap().contains("HIDE"), "{}", used.text());
    assert_eq!(old.send(Method::DELETE, "/plugins/sauce", &[], "").await.status, 204);
    assert_eq!(old.send(Method::DELETE, "/plugins/sauce", &[], "").await.status, 404);
}

#[tokio::test]
async fn bad_uploads_are_refused_and_leave_nothing() {
    let folder = tempfile::TempDir::new().unwrap();
    let server = Server::start_in(folder, &["calzone.plugin.module.bytes=100000"]);
    for version in BOTH {
        let mut client = server.client(version).await;
        for (path, body) in [
            ("/plugins/p", Bytes::from_static(b"")),
            ("/plugins/p", Bytes::from_static(b"not wasm")),
            ("/plugins/p", Bytes::from_static(b"\0asm\x01\0\0\0")),
            ("/plugins/p", Bytes::from_static(b"\0asm\x0d\0\x01\0")),
            ("/plugins/p", Bytes::from(vec![0; 200_000])),
            ("/plugins/2p", component("mask")),
            ("/plugins/p?activate=maybe", component("mask")),
        ] {
            let answer = client.send(Method::PUT, path, &[], body.clone()).await;
            assert!((400..500).contains(&answer.status), "{path} {} bytes: {} {}", body.len(), answer.status, answer.text());
            let error = answer.json();
            assert!(error["error_code"].is_u64() && error["message"].is_string() && error["@type"] == "generic_error", "{error}");
        }
        assert_eq!(client.get("/plugins").await.json(), json!([]));
        assert_eq!(client.get("/info").await.status, 200);
    }
}

#[tokio::test]
async fn names_of_plugins_know_no_case() {
    let server = Server::start();
    let mut client = server.client(Http::One).await;
    let mut put = async |path: &str, file: &str| client.send(Method::PUT, path, &[], component(file)).await.json();
    assert_eq!(put("/plugins/Sauce", "sauce").await["name"], "Sauce");
    let second = put("/plugins/sauce", "sauce2").await;
    assert_eq!((&second["name"], &second["revision"]), (&json!("Sauce"), &json!(2)), "a revision, not another plugin");
    assert_eq!(put("/plugins/SAUCE", "sauce").await["revision"], 1);
    for name in ["sauce", "'SAUCE'", "`Sauce`", "\"sAUCE\""] {
        server
            .ksql(&format!("ALTER PLUGIN {name} USE REVISION 2; DESCRIBE PLUGIN {name}; ALTER PLUGIN {name} USE REVISION 1;"))
            .await;
    }
    server
        .ksql(
            "CREATE STREAM s (id INT KEY, n BIGINT) WITH (kafka_topic='s', value_format='JSON', partitions=1);\
             CREATE STAGE a FROM s INTO o USING PLUGIN 'SAUCE' GRANT (RANDOM);\
             CREATE STAGE b FROM s INTO p USING PLUGIN sauce GRANT (RANDOM);",
        )
        .await;
    let stages = server.ksql("SHOW STAGES;").await;
    for stage in stages[0]["stages"].as_array().unwrap() {
        assert_eq!((&stage["plugin"], &stage["revision"]), (&json!("Sauce"), &json!(1)), "{stages}");
    }
    let mut client = server.client(Http::Two).await;
    let one = client.get("/plugins/sauce").await.json();
    assert_eq!((&one["name"], one["usedBy"].as_array().map(Vec::len)), (&json!("Sauce"), Some(2)), "{one}");
    assert_eq!(client.send(Method::DELETE, "/plugins/SAUCE", &[], "").await.status, 409);
    server.ksql("DROP STAGE a; DROP STAGE b;").await;
    assert_eq!(client.send(Method::DELETE, "/plugins/SAUCE", &[], "").await.status, 204);
    assert_eq!(client.get("/plugins").await.json(), json!([]));
}

#[tokio::test]
async fn a_plugin_may_be_larger_than_others() {
    // `every-type` is more than twice as large as `mask`.
    let between = component("mask").len() + 1;
    let server = Server::start_in(tempfile::TempDir::new().unwrap(), &[&format!("calzone.plugin.module.bytes={between}")]);
    let mut client = server.client(Http::One).await;
    let mut put = async |path: &str, file: &str| client.send(Method::PUT, path, &[], component(file)).await;
    assert_eq!(put("/plugins/p", "mask").await.status, 201);
    assert_eq!(put("/plugins/p", "every-type").await.status, 413);
    server.ksql("ALTER PLUGIN p SET (module_bytes = 1000000);").await;
    let larger = put("/plugins/p", "every-type").await;
    assert_eq!((larger.status, &larger.json()["revision"]), (201, &json!(2)), "{}", larger.text());
    assert_eq!(put("/plugins/q", "every-type").await.status, 413, "others have the server's limit");
    server.ksql("ALTER PLUGIN p SET (module_bytes = 1000);").await;
    let smaller = put("/plugins/p", "sauce").await;
    assert!(smaller.status == 413 && smaller.text().contains("module.bytes"), "{}", smaller.text());
}

#[tokio::test]
async fn unused_revisions_are_retired() {
    let server = Server::start_in(tempfile::TempDir::new().unwrap(), &["calzone.plugin.revisions.kept=1"]);
    let put = async |server: &Server, file: &str| {
        let answer = server.client(Http::One).await.send(Method::PUT, "/plugins/p", &[], component(file)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    };
    let revisions = async |server: &Server| -> Vec<i64> {
        let plugin = server.client(Http::One).await.get("/plugins/p").await.json();
        plugin["revisions"].as_array().unwrap().iter().map(|r| r["revision"].as_i64().unwrap()).collect()
    };
    put(&server, "sauce").await;
    put(&server, "sauce2").await;
    server
        .ksql(
            "CREATE STREAM s (id INT KEY, n BIGINT) WITH (kafka_topic='s', value_format='JSON', partitions=1);\
             CREATE STAGE pinned FROM s INTO o USING PLUGIN 'p' STAGE 'sauce' GRANT (RANDOM);\
             ALTER STAGE pinned USE REVISION 2;",
        )
        .await;
    // 1 is active, 2 is pinned; of the others one stays.
    for (file, wanted) in [("cheese", vec![1, 2, 3]), ("meats", vec![1, 2, 4]), ("veggies", vec![1, 2, 5])] {
        put(&server, file).await;
        assert_eq!(revisions(&server).await, wanted, "{file}");
    }
    assert_eq!(server.client(Http::One).await.get("/plugins/p/revisions/3").await.status, 404);
    let (folder, _, _) = server.stop(libc::SIGKILL);
    let server = Server::start_in(folder, &["calzone.plugin.revisions.kept=1"]);
    assert_eq!(revisions(&server).await, [1, 2, 5]);
    assert_eq!(server.client(Http::One).await.get("/plugins/p/revisions/5").await.status, 200);
    // What was deleted may come again, under a number of its own.
    put(&server, "cheese").await;
    assert_eq!(revisions(&server).await, [1, 2, 6]);
}
