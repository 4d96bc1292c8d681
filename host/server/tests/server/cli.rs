//! The command line against a real server.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::harness::Server;

fn run(server: &Server, arguments: &[&str], input: &str) -> (String, String, bool) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_calzone"))
        .args(["cli", &format!("http://{}", server.address)])
        .args(arguments)
        .env("COLUMNS", "60")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.success())
}

const STREAM: &str = "CREATE STREAM s (k STRING KEY, v INT) WITH (kafka_topic='s', value_format='JSON', partitions=1);\
    INSERT INTO s VALUES ('a', 1);";

#[tokio::test]
async fn statements_from_the_command_line() {
    let server = Server::start();
    let (shown, error, success) = run(&server, &["-e", &format!("{STREAM} SHOW STREAMS;")], "");
    assert!(success, "{error}");
    assert!(shown.contains(" Stream Name | Kafka Topic | Key Format | Value Format | Windowed\n---"), "{shown}");
    assert!(shown.contains(" S           | s           | KAFKA      | JSON         | false\n"), "{shown}");
    let rows = "SET 'auto.offset.reset'='earliest'; SELECT * FROM s EMIT CHANGES LIMIT 1;";
    let (shown, error, success) = run(&server, &["-e", rows], "");
    assert!(success, "{error}");
    let wanted = format!(
        "+{0}+{0}+\n|{1:<28}|{2:<28}|\n+{0}+{0}+\n|{3:<28}|{4:<28}|\nLimit Reached\nQuery terminated\n",
        "-".repeat(28),
        "K",
        "V",
        "a",
        "1"
    );
    assert!(shown.ends_with(&wanted), "{shown}");
    let (shown, _, success) = run(&server, &["-d", "who='ann'", "-e", "SHOW VARIABLES;"], "");
    assert!(success && shown.contains(" who           | ann\n"), "{shown}");
    let (shown, _, _) = run(&server, &["--output", "json", "-e", "SHOW TYPES;"], "");
    assert!(shown.starts_with("[ {\n  \"@type\" : \"type_list\",\n"), "{shown}");
}

#[tokio::test]
async fn failures_show_in_the_exit_code() {
    let server = Server::start();
    let (shown, error, success) = run(&server, &["-e", "DESCRIBE nosuch; SHOW TYPES;"], "");
    assert!(!success && error.contains("NOSUCH") && !shown.contains("Type Name"), "{shown}{error}");
    let (_, error, success) = run(&server, &["-e", "SELEC;"], "");
    assert!(!success && error.contains("SELEC"), "{error}");
    let (_, error, success) = run(&server, &["-f", "/no/such.sql"], "");
    assert!(!success && error.contains("/no/such.sql"), "{error}");
    // A file goes on after a failure, and so does standard input.
    let (shown, error, success) = run(&server, &[], "DESCRIBE nosuch;\nSHOW TYPES;\n");
    assert!(!success && shown.contains("Type Name") && error.contains("1 of 2"), "{shown}{error}");
}
