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
